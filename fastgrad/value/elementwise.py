"""The loops of functional.py over one vector, or two of the same length, as one writes them. @fuse has C run them.

They have a file of their own, since fuse() reads all of a function's file, and that takes a while.
"""
from contextlib import suppress
from types import FunctionType

from fastgrad import engine
from fastgrad.loops.decorating import fuse


def relu(xs):
    return [x.relu() for x in xs]


def tanh(xs):
    return [x.tanh() for x in xs]


def sigmoid(xs):
    return [x.sigmoid() for x in xs]


def exp(xs):
    return [x.exp() for x in xs]


def log(xs):
    return [x.log() for x in xs]


def gelu(xs):
    return [x * 0.5 * ((x / 2 ** 0.5).erf() + 1) for x in xs]


def silu(xs):
    return [x * x.sigmoid() for x in xs]


def add(xs, ys):
    return [x + y for x, y in zip(xs, ys)]


def subtract(xs, ys):
    return [x - y for x, y in zip(xs, ys)]


def multiply(xs, ys):
    return [x * y for x, y in zip(xs, ys)]


def minus(xs, y):
    return [x - y for x in xs]


def times(xs, y):
    return [x * y for x in xs]


def over(xs, y):
    return [x / y for x in xs]


def square(xs):
    return [x ** 2 for x in xs]


def exp_minus(xs, y):
    return [(x - y).exp() for x in xs]


_functions = {name: each for name, each in list(vars().items())
              if isinstance(each, FunctionType) and each.__module__ == __name__}
with suppress(ValueError):          # there may be no source, as in an application that is frozen
    for _function in _functions.values():
        fuse(_function)
if hasattr(engine, "_use_loops"):
    from fastgrad.loops.rewriting import loops
    engine._use_loops({name: loop for name, each in _functions.items() for loop in loops(each.__code__)}, vars())
