"""Derivatives as graphs: what the table of operations says of them, as short programs that both engines run.

A program computes a local derivative from the registers A and B (the operands, Values or numbers) and Y (the result).
Each of its lines fills the next register: with a number, or with what a method of Value gives of two registers, of
which a function reads one. Only sums, products, powers and functions are left; what else a formula has is made of them
as Value's operators do it.

An engine that runs a program follows three rules. A sum of two numbers is a number. The logarithm of a base that isn't
positive, which stands in the derivative of a power by its exponent, is the number that the power itself has there: 0 of
0, nan of what is below. And the result's number is set to the local derivative's, whose last bit may be another, as
`0.5 / y` isn't `0.5 * y ** -1`. (That may be so of a product alone. An engine computes a node's operation once more to
see whether its operands have changed, and doesn't compare the result of a product.)
"""
import math
import re

from fastgrad.value import operations

__all__ = ["A", "B", "ONE", "PROGRAMS", "STORED", "Y", "changed", "formula_of", "not_as_values"]

A, B, Y = range(3)      # registers
ONE, STORED = -1, -2    # in a register's place: the derivative is 1, or a constant, the node's own local derivative
SUM, PRODUCT, POWER = operations.OPERATORS[:3]
FUNCTIONS = {x.method: x for x in operations.FUNCTIONS if x.as_graph != operations.CONSTANT}


class Traced:
    """A register, while a formula is read: operators and functions of it add lines to the program."""

    def __init__(self, lines, register):
        self.lines, self.register = lines, register

    def line(self, method, *registers):
        self.lines.append((method, *registers))
        return Traced(self.lines, Y + len(self.lines))

    def two(self, operation, other):
        if not isinstance(other, Traced):
            other = self.line("", other)
        return self.line(operation.method, self.register, other.register)

    def __add__(self, other): return self.two(SUM, other)
    def __mul__(self, other): return self.two(PRODUCT, other)
    def __pow__(self, other): return self.two(POWER, other)
    def __radd__(self, other): return self + other
    def __rmul__(self, other): return self * other
    def __neg__(self): return self * -1
    def __sub__(self, other): return self + -other
    def __rsub__(self, other): return other + -self
    def __truediv__(self, other): return self * other ** -1
    def __rtruediv__(self, other): return other * self ** -1


def program(text):
    """A derivative of the table as (lines, result). A line is ("", number), or a method of Value and the registers that
    it's called with. result: the register that has the derivative, or ONE, or STORED."""
    def function(name):
        return lambda x: x.line(name, x.register) if isinstance(x, Traced) else getattr(math, name)(x)

    if not text:
        return (), STORED
    lines = []
    names = {"a": Traced(lines, A), "b": Traced(lines, B), "y": Traced(lines, Y), "pi": math.pi}
    result = eval(text.format(a="a", b="b", y="y"), {name: function(name) for name in FUNCTIONS}, names)
    if isinstance(result, Traced):
        return tuple(lines), result.register
    assert result == 1, text
    return (), ONE


# {name that `_op` shows: a program for each operand}
PROGRAMS = {x.shown: tuple(map(program, x.as_graph)) for x in operations.OPERATIONS if x.as_graph}
CONSTANT_POWER = re.compile(r"\*\*(.+)|(.+)\*\*")


def formula_of(op, children):
    """What `_op` says that a node was made by: (name in the table, operands); a power may have a number for one. None
    if it's no operation of the table, or one of another number of children."""
    if type(op) is not str:
        return None
    if op in PROGRAMS:
        return (op, *children) if len(PROGRAMS[op]) == len(children) else None
    match = CONSTANT_POWER.fullmatch(op)
    if not match or len(children) != 1:
        return None
    text = match[1] or match[2]
    try:
        number = int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return None
    if type(number) is int and abs(number) > 2 ** 53:
        return None
    return (POWER.shown, *children, number) if match[1] else (POWER.shown, number, *children)


# ---- What is said where there's no such graph ----

def called(v):
    """A node in words."""
    name = f"the operation {v._op!r}" if v._op else "an operation without a name"
    return f"{name}, with the result {v.data!r}" + (f" ({v.label})" if v.label else "")


def not_as_values(v):
    """The error for a node whose derivative is only a number."""
    return RuntimeError(f"{called(v)}, can't be differentiated twice: its derivatives are numbers, or a _backward. "
                        "Give them as Values made of its operands: Value(y, (a, b), local_grads=(da, db)). A constant "
                        "is Value(1.0)")


def changed(v):
    """The error for a node whose operands aren't those of which its local derivatives were taken."""
    return RuntimeError(f"{called(v)}, can't be differentiated twice: its data, or that of an operand, was changed "
                        "after it was made, so its derivative isn't that of the numbers that are there now")


def attempt(function, *arguments):
    """What a function returns, or the error that it raises. The compiled engine can't catch all of these itself: see
    fastgrad/engine/face.h."""
    try:
        return function(*arguments)
    except BaseException as error:
        return error
