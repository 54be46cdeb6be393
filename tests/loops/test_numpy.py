"""Promise: a loop that meets numbers and arrays of NumPy's does what the plain one does. C runs it if each operation
with such a number has a Value for an operand; for the rest there are NumPy's own rules, warnings and classes."""
import pytest

import fastgrad
import twins

pytest.importorskip("numpy")
pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")

SETUP = """
import numpy as np, warnings
warnings.simplefilter('always')
warned = []
warnings.showwarning = lambda message, *a, **k: warned.append(str(message))
xs = [Value(1.0), Value(2), Value(-3.5)]
ws = [[Value(0.5 * i - j) for j in range(3)] for i in range(2)]
A = {array}
def run():
    {program}
    return locals()
try:
    r = run()
except Exception as error:
    r = type(error).__name__, str(error)
finally:
    globals().pop('__warningregistry__', None)
del np, warnings
"""
# What C runs with arrays and lists of numpy.float64 and numpy.int64.
IN_C = (
    "r = [(1 + -y * x).relu() for y, x in zip(A, xs)]",
    "r = [x * y for y, x in zip(A, xs)], [y * x for y, x in zip(A, xs)], [y + x for y, x in zip(A, xs)]",
    "r = [x - y for y, x in zip(A, xs)], [y - x for y, x in zip(A, xs)]",
    "r = [(x - y) ** 2 for y, x in zip(A, xs)], sum((x - y) ** 2 for y, x in zip(A, xs))",
    "r = sum(y * x for y, x in zip(A, xs)), sum((x * y for y, x in zip(A, xs)), xs[0])",
    "r = [sum(w * y for w, y in zip(row, A)) for row in ws], [[w * y for w, y in zip(row, A)] for row in ws]",
    "r = [sum(w * x for w, x in zip(row, xs)) * A[0] for row in ws]",
    "r = [xs[i] * A[i] for i in range(len(A))], [xs[i] * A[-i] for i in range(3)]",
    "t = 0\n    for y, x in zip(A, xs):\n        t = t + y * x",
)
# What NumPy does by itself.
NOT_IN_C = (
    "r = [-y for y in A], [y * 2 for y in A], [abs(y) for y in A], [y ** 2 for y in A]",
    "r = [y * 2 * x for y, x in zip(A, xs)], [max(y, 0) * x for y, x in zip(A, xs)]",
    "r = [(x.data - y) * x for y, x in zip(A, xs)], [x.data * y for y, x in zip(A, xs)]",
    "r = [x ** y for y, x in zip(A, xs)]",
    "r = sum(y * y for y in A), sum(y * 2 for y in A), max(y * 2 for y in A), min(-y for y in A)",
    "r = sum(A), [x * y for y, x in zip(A, xs)][5:]",
    "r = [x * A[7] for x in xs]",
    "t = xs[0]\n    for y in A:\n        t += y * 2",
    "for y, x in zip(A, xs):\n        x.data -= 0.1 * y\n        x.grad = y",
    "for i, x in enumerate(xs):\n        A[i] = A[i] * 0.5 + x.data\n        x.data -= 1.0",
    "m = [1.0, 2.0, 3.0]\n    for i, x in enumerate(xs):\n        m[i] = m[i] * 0.5 + A[i]",
)
USUAL = ("np.array([1, -1, 1])", "np.array([1.5, -0.0, 2.0])", "list(np.array([2, 0, 1]))", "np.arange(6.0)[::-2]")
UNUSUAL = (
    "np.array([2 ** 62, 2 ** 60, 1])", "np.array([np.nan, np.inf, -np.inf])", "np.array([1e308, -1e308, 0.0])",
    "np.array([1, 2, 3], dtype=np.float32)", "np.array([1, 2, 3], dtype=np.int32)", "np.array([True, False, True])",
    "np.array([Value(2.0), Value(3.0), 4.0], dtype=object)", "np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])",
    "np.array(3.0)", "np.array([])", "np.array(['a', 'b', 'c'])", "np.array([1j, 2, 3])",
)


def programs(program, array):
    return SETUP.format(program=program, array=array)


@pytest.mark.parametrize("program", IN_C)
def test_with_values(program):
    for array in USUAL:
        found = twins.assert_same(programs(program, array))
        own = [loop for loop in found if loop.line >= 10]       # not those of SETUP
        assert own and all(loop.runs and not loop.declines for loop in own), array


@pytest.mark.parametrize("program", IN_C + NOT_IN_C)
def test_whatever_the_array_is(program):
    for array in UNUSUAL + (() if program in IN_C else USUAL):
        twins.assert_same(programs(program, array))


def test_rows_of_an_array():
    """A first layer's loop over rows of an array is the next layers' over lists: it mustn't be left to Python."""
    found = twins.assert_same("""
import numpy as np
X = np.array([[0.5, -1.0, 2.0], [1.0, 0.25, -0.5]])
layers = [[[Value(0.1 * i - 0.2 * j) for j in range(3)] for i in range(3)] for _ in range(2)]
def layer(rows, x):
    return [sum(w * xi for w, xi in zip(row, x)) for row in rows]
r = [layer(layers[1], layer(layers[0], x)) for x in X for _ in range(10)]
del np
""", backward=True)
    loop = max(found, key=lambda loop: loop.runs)
    assert loop.runs == 40 and not loop.declines
