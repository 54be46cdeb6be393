"""Promise: the same errors. An operation raises when Python does, with its type and message, and changes nothing.

Three ways to hold it: errors spelled out (for both engines), the formulas on plain numbers (for both engines), and
every operation on a table of awkward operands (the C engine against the oracle). All watch that a failure leaves
operands and arena as they were.
"""
import gc
import math
import operator
import sys
import traceback
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import fastgrad
import programs
from operands import FLOATS, INTS
from fastgrad import reference
from fastgrad.value.operations import FUNCTIONS

pytestmark = pytest.mark.filterwarnings("ignore")   # NumPy warns of nan and overflow, as it should


@pytest.fixture(scope="module", autouse=True)
def no_collector():
    """Live nodes are counted here, and garbage that other tests have left mustn't go in between."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()



inf, nan = math.inf, math.nan
HUGE = (2 ** 53 + 1, -2 ** 53 - 1, 2 ** 60, 2 ** 63, 2 ** 64 - 1, 10 ** 22, 2 ** 1023, -2 ** 1023, 2 ** 1024,
        10 ** 400, -10 ** 400)


class Odd:
    """An object with special methods of its own."""

    def __repr__(self):
        return type(self).__name__


class FloatRaises(Odd):
    def __float__(self): raise RuntimeError("no float today")


class FloatIsText(Odd):
    def __float__(self): return "1.0"


class FloatIsTrue(Odd):
    def __float__(self): return 2.5


class IndexRaises(Odd):
    def __index__(self): raise RuntimeError("no index today")


class IndexIsText(Odd):
    def __index__(self): return "1"


class IndexIsTrue(Odd):
    def __index__(self): return 7


class IndexIsHuge(Odd):
    def __index__(self): return 2 ** 53 + 1


class Refuses(Odd):
    """It has reflected operators, which come to their turn only if ours return NotImplemented."""

    def answer(self, other): return "its own answer"
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = answer
    __lt__ = __le__ = __gt__ = __ge__ = answer


class FloatSubclass(float):
    pass


class IntSubclass(int):
    pass


OBJECTS = (
    True, False, None, "a string", "1.0", b"1", 1j, 1 + 0j, [1], (), (1.0,), {}, {1.0}, range(3), object, float,
    np.array([1.0, 2.0]), np.array([1.0]), np.array(2.0), np.array([]), np.array([[1, 2], [3, 4]]), np.array("text"),
    np.float32(0.1), np.float64(-0.5), np.float16(7), np.float64(nan), np.float64(inf), np.longdouble(2), np.int64(3),
    np.int8(-1), np.uint64(2 ** 64 - 1), np.uint64(2 ** 53), np.bool_(True), np.complex128(1), np.str_("2"),
    np.datetime64("2020-01-01"),
    Decimal("0.1"), Decimal("NaN"), Decimal("sNaN"), Decimal("1e999"), Fraction(1, 3), Fraction(0), Fraction(10 ** 400),
    FloatRaises(), FloatIsText(), FloatIsTrue(), IndexRaises(), IndexIsText(), IndexIsTrue(), IndexIsHuge(), Refuses(),
    FloatSubclass(1.5), IntSubclass(4), Odd(), NotImplemented, Ellipsis, len, lambda: 1.0,
)
OPERANDS = FLOATS + INTS + HUGE + OBJECTS
FUNCTION = {x.method: x for x in FUNCTIONS}
DATA = (2.0, 0.0, -0.0, -1.5, 3, 0, -2, 2 ** 53, inf, nan, 1e308, 5e-324)      # of the Value on the other side


# What an operation did, in a form that can be compared.

def describe(result, Value):
    if isinstance(result, Value):
        return programs.lines([programs.state([result])])
    if isinstance(result, np.ndarray):
        return "array", result.shape, str(result.dtype), [describe(x, Value) for x in result.flat]
    return type(result).__name__, repr(result)


def outcome(action, Value):
    """The description of what action() returns or raises."""
    try:
        return describe(action(), Value)
    except Exception as error:
        return type(error).__name__, str(error).replace("fastgrad.engine.Value", "Value")


def a_graph(Value, data):
    """A node with two children and a shared leaf, and gradients: something that a failure could damage."""
    a, b = Value(data), Value(-3.0)
    out = Value(data, (a, b), (0.5, 2))
    out.backward()
    a.color = "red"
    return out, a, b


def live(Value):
    """Live nodes. The oracle looks through every object there is, so don't ask too often."""
    return (fastgrad.arena_stats if Value is fastgrad.Value else reference.arena_stats)()["live"]


BINARY = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow,
          "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
          "==": operator.eq, "!=": operator.ne, "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul,
          "/=": operator.itruediv, "**=": operator.ipow, "//": operator.floordiv, "%": operator.mod,
          "@": operator.matmul, "divmod": divmod, "<<": operator.lshift, "&": operator.and_}
UNARY = programs.UNARY | {
    "+": operator.pos, "~": operator.invert, "repr": repr, "float": float, "int": int, "bool": bool, "round": round,
    "complex": complex, "index": operator.index, "math.exp": math.exp, "math.floor": math.floor,
    "len": len, "iter": iter, "item": lambda v: v[0], "contains": lambda v: 1.0 in v, "call": lambda v: v(),
    "format": lambda v: f"{v:.4f}", "%f": lambda v: "%f" % v, "%d": lambda v: "%d" % v, "width": lambda v: f"{v:>30}",
    "wrong format": lambda v: f"{v:q}", "text format": lambda v: f"{v:s}",
    "np.array": lambda v: np.array([v, v]), "np.exp": np.exp, "np.sqrt": np.sqrt, "np.isnan": np.isnan,
    "no such thing": lambda v: v.no_such_thing, "hash": lambda v: hash(v) == hash(v)}


def set_attribute(name):
    def action(v, x):
        setattr(v, name, x)
        return v
    return action


SETTERS = {name: set_attribute(name) for name in ("data", "grad", "_children", "_prev", "_local_grads")} | {
    "first local gradient": lambda v, x: setattr(v, "_local_grads", (x, 1.0)),
    "first child": lambda v, x: setattr(v, "_children", (x, v._children[0])),
    "data by operator": lambda v, x: exec("v.data -= x * v.grad", {"v": v, "x": x})}
CONSTRUCTORS = {
    "data": lambda V, a, x: V(x),
    "keyword data": lambda V, a, x: V(data=x),
    "data, children": lambda V, a, x: V(x, (a,), (1.0,)),
    "children": lambda V, a, x: V(1.0, x),
    "keyword _prev": lambda V, a, x: V(1.0, _prev=x),
    "a child": lambda V, a, x: V(1.0, (a, x), (1.0, 2.0)),
    "third": lambda V, a, x: V(1.0, (a,), x),
    "local_grads": lambda V, a, x: V(1.0, (a,), local_grads=x),
    "a local gradient": lambda V, a, x: V(1.0, (a, a, a), (1.0, x, 2)),
}

both_engines = pytest.mark.skipif(fastgrad.backend != "c", reason="the C engine isn't in use")


def compare(cases, leaf=2.0):
    """Each case is a text and a function of Value, a graph's root and its leaf, on each of the engines in turn."""
    differences = []
    for text, action in cases:
        seen = []
        for Value in (fastgrad.Value, reference.Value):
            root, a, b = a_graph(Value, leaf)
            before = programs.state([root, a, b])
            nodes = live(Value) if Value is fastgrad.Value else 0
            result = outcome(lambda: action(Value, root, a), Value)
            if Value is fastgrad.Value and live(Value) != nodes:
                differences.append(f"{text}: {live(Value) - nodes} nodes more than before")
            after = programs.state([root, a, b])
            seen.append((result, "operands as before" if programs.same([before], [after]) else programs.lines([after]),
                         a.color, "label" in vars(root)))
        if seen[0] != seen[1]:
            differences.append(f"{text}:\n    C      {seen[0]}\n    oracle {seen[1]}")
    assert not differences, "\n" + "\n".join(differences)


@both_engines
@pytest.mark.parametrize("name", BINARY)
def test_binary_operations_as_in_the_oracle(name):
    op = BINARY[name]
    for data in DATA if name in ("+", "-", "*", "/", "**", "<", ">") else DATA[:1]:
        compare([(f"Value({data!r}) {name} {x!r}", lambda V, v, a, x=x: op(a, x)) for x in OPERANDS]
                + [(f"{x!r} {name} Value({data!r})", lambda V, v, a, x=x: op(x, a)) for x in OPERANDS], leaf=data)


@both_engines
@pytest.mark.parametrize("name", ["+", "-", "*", "/", "**", "<", ">=", "=="])
def test_values_with_values_as_in_the_oracle(name):
    op = BINARY[name]
    compare([(f"Value({x!r}) {name} Value({y!r})", lambda V, v, a, x=x, y=y: op(V(x), V(y)))
             for x in FLOATS + INTS for y in FLOATS + INTS])


@both_engines
@pytest.mark.parametrize("name", UNARY)
def test_unary_operations_as_in_the_oracle(name):
    op = UNARY[name]
    awkward = FUNCTION[name[1:]].awkward if name[1:] in FUNCTION else ()
    compare([(f"{name} of Value({x!r})", lambda V, v, a, x=x: op(V(x))) for x in (*FLOATS, *INTS, *awkward)])


@both_engines
@pytest.mark.parametrize("name", SETTERS)
def test_setters_as_in_the_oracle(name):
    compare([(f"{name} = {x!r}", lambda V, v, a, x=x: SETTERS[name](v, x)) for x in OPERANDS])


@both_engines
@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_constructor_as_in_the_oracle(name):
    compare([(f"{name} {x!r}", lambda V, v, a, x=x: CONSTRUCTORS[name](V, a, x)) for x in OPERANDS])


# The formulas on plain numbers: what microgpt's lines compute, data first and then the local derivatives. A derivative
# that raises makes the operation raise.

def stored(x):
    return float(x) if type(x) is int and abs(x) > 2 ** 53 else x


def exact_power(x, n):
    if type(x) is type(n) is int and abs(x) > 1 and n > 10_000:     # don't compute it
        raise OverflowError("int too large to convert to float")
    y = x ** n
    if isinstance(y, complex):
        raise ValueError("complex")
    return y


def power(x, n):
    return stored(exact_power(x, n))


AT_ZERO = ": x ** 0 is 1, but microgpt's formula for its derivative, 0 * 0.0 ** -1, has no value"


def by_base(x, n):
    try:
        return stored(n * exact_power(x, n - 1))
    except ZeroDivisionError as error:
        raise ZeroDivisionError(str(error) + AT_ZERO * (n == 0)) from None


def by_exponent(x, n):
    return power(x, n) * (math.log(x) if x > 0 else 0.0 if x == 0 else nan)


def value_by_value(x, y):
    """x / y of Values: y ** -1 with its derivative, and a product."""
    inverse, slope = power(y, -1), by_base(y, -1)
    return stored(x * inverse), inverse, x, slope


FORMULAS = {    # of Value and number, number and Value, Value and Value: data, then local derivatives
    "+": (lambda x, y: (x + y, 1, 1),) * 3,
    "-": (lambda x, y: (x + -y, 1, 1),) * 3,
    "*": (lambda x, y: (x * y, y, x), lambda x, y: (y * x, x, y), lambda x, y: (x * y, y, x)),
    "/": (lambda x, y: (x * power(y, -1), power(y, -1), x),
          lambda x, y: (lambda d, a, b, slope: (d, b, a, slope))(*value_by_value(x, y)), value_by_value),
    "**": (lambda x, n: (power(x, n), by_base(x, n)), lambda x, n: (power(x, n), by_exponent(x, n)),
           lambda x, n: (power(x, n), by_base(x, n), by_exponent(x, n))),
    "exp": lambda x: (math.exp(x), math.exp(x)),
    "log": lambda x: (math.log(x), 1 / x),
    "relu": lambda x: (max(0, x), float(x > 0)),
    "-x": lambda x: (x * -1, -1, x),
    "tanh": lambda x: (math.tanh(x), 1 - math.tanh(x) * math.tanh(x)),
    "sqrt": lambda x: (math.sqrt(x), 0.5 / math.sqrt(x)),
    "sin": lambda x: (math.sin(x), math.cos(x)),
    "cos": lambda x: (math.cos(x), -math.sin(x)),
    "abs": lambda x: (abs(x), math.copysign(1.0, x) if x == x and x != 0 else 0.0),
    "sigmoid": lambda x: (lambda y: (y, y * (1 - y)))(
        1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))),
}


def of_the_table(function):
    """The formula of a function and its derivative by the texts in the table. Ints are taken as floats: data may be an
    int, with which Python computes exactly and C doesn't."""
    data, slope = (compile(text.format(a="x"), "operations.py", "eval")
                   for text in (function.formula, *function.derivatives))
    return lambda x: (eval(data, vars(math), {"x": float(x)}), eval(slope, vars(math), {"x": float(x)}))


# Those above are spelled out since the table's derivative is another way to write them, which gives other bits.
FORMULAS |= {x.method: of_the_table(x) for x in FUNCTIONS if x.method not in FORMULAS}


def plain(formula, *numbers):
    """What a formula gives or raises."""
    try:
        return ["nan" if x != x else repr(stored(x)) for x in formula(*numbers)]
    except (ArithmeticError, ValueError) as error:
        return type(error).__name__, "complex" if "complex" in str(error) else str(error)


def parts(v, divided):
    """A Value's data and local derivatives, and for a quotient of Values the derivative of the inverse."""
    inverse = [child._local_grads[0] for child in v._children if child._op == "**-1"] if divided else []
    return [v.data, *v._local_grads, *inverse]


@pytest.mark.parametrize("name", ["+", "-", "*", "/", "**"])
def test_operations_are_python_s_own(Value, name):
    op = BINARY[name]
    for x in FLOATS + INTS:
        for y in FLOATS + INTS:
            v, w, divided = Value(x), Value(y), name == "/"
            actions = (lambda: parts(op(v, y), False), lambda: parts(op(x, w), divided),
                       lambda: parts(op(v, w), divided))
            for formula, action in zip(FORMULAS[name], actions):
                assert plain(action) == plain(formula, x, y), (x, name, y)


@pytest.mark.parametrize("name", [*FUNCTION, "-x"])
def test_functions_are_those_of_math(Value, name):
    for x in (*FLOATS, *INTS, *(FUNCTION[name].awkward + FUNCTION[name].samples if name in FUNCTION else ())):
        result = plain(lambda: parts(-Value(x) if name == "-x" else getattr(Value(x), name)(), False))
        assert result == plain(FORMULAS[name], x), (name, x)


def message_of(action):
    """What Python itself says: the texts differ between its versions."""
    with pytest.raises(Exception) as info:
        action()
    return str(info.value)


# Errors spelled out.

ARITHMETIC = [
    (lambda V: V(0.0) ** -1, ZeroDivisionError, lambda: 0.0 ** -1),
    (lambda V: V(-0.0) ** -1, ZeroDivisionError, lambda: (-0.0) ** -1),
    (lambda V: V(0) ** -1, ZeroDivisionError, lambda: 0 ** -1),
    (lambda V: 1.0 / V(0.0), ZeroDivisionError, lambda: 0.0 ** -1),
    (lambda V: V(1.0) / V(0.0), ZeroDivisionError, lambda: 0.0 ** -1),
    (lambda V: V(1.0) / 0.0, ZeroDivisionError, lambda: 0.0 ** -1),
    (lambda V: V(1) / 0, ZeroDivisionError, lambda: 0 ** -1),
    (lambda V: V(0.0) ** 0.5, ZeroDivisionError, lambda: 0.0 ** -0.5),      # the derivative's
    (lambda V: V(0.0) ** V(-2.0), ZeroDivisionError, lambda: 0.0 ** -2.0),
    (lambda V: 0.0 ** V(-2.0), ZeroDivisionError, lambda: 0.0 ** -2.0),
    (lambda V: V(0.0).sqrt(), ZeroDivisionError, lambda: 0.5 / 0.0),
    (lambda V: V(0.0).log(), ValueError, lambda: math.log(0.0)),
    (lambda V: V(-0.0).log(), ValueError, lambda: math.log(-0.0)),
    (lambda V: V(0).log(), ValueError, lambda: math.log(0)),
    (lambda V: V(-1.0).log(), ValueError, lambda: math.log(-1.0)),
    (lambda V: V(-inf).log(), ValueError, lambda: math.log(-inf)),
    (lambda V: V(-1.0).sqrt(), ValueError, lambda: math.sqrt(-1.0)),
    (lambda V: V(inf).sin(), ValueError, lambda: math.sin(inf)),
    (lambda V: V(-inf).cos(), ValueError, lambda: math.cos(-inf)),
    (lambda V: V(1000.0).exp(), OverflowError, lambda: math.exp(1000.0)),
    (lambda V: V(1000).exp(), OverflowError, lambda: math.exp(1000)),
    (lambda V: V(709.79).exp(), OverflowError, lambda: math.exp(709.79)),
    (lambda V: V(1000).sinh(), OverflowError, lambda: math.sinh(1000)),
    (lambda V: V(-710.48).cosh(), OverflowError, lambda: math.cosh(-710.48)),
    (lambda V: V(709.79).expm1(), OverflowError, lambda: math.expm1(709.79)),
    (lambda V: V(-1).log1p(), ValueError, lambda: math.log1p(-1)),
    (lambda V: V(-inf).log1p(), ValueError, lambda: math.log1p(-inf)),
    (lambda V: V(10.0) ** 400, OverflowError, lambda: 10.0 ** 400),
    (lambda V: V(10.0) ** 308.5, OverflowError, lambda: 10.0 ** 308.5),
    (lambda V: V(1e200) ** 2, OverflowError, lambda: 1e200 ** 2),
    (lambda V: V(1e-200) ** -2, OverflowError, lambda: 1e-200 ** -2),
    (lambda V: 5.0 / V(5e-324), OverflowError, lambda: 5e-324 ** -1),
    (lambda V: V(10) ** 400, OverflowError, lambda: float(10 ** 400)),
    (lambda V: 10 ** V(400), OverflowError, lambda: float(10 ** 400)),
    (lambda V: V(2) ** 2 ** 40, OverflowError, lambda: float(10 ** 400)),       # at once
    (lambda V: int(V(nan)), ValueError, lambda: int(nan)),
    (lambda V: int(V(inf)), OverflowError, lambda: int(inf)),
    (lambda V: f"{V(1.0):q}", ValueError, lambda: f"{1.0:q}"),
    (lambda V: f"{V(1):s}", ValueError, lambda: f"{1:s}"),
    (lambda V: V(2 ** 1024), OverflowError, lambda: float(2 ** 1024)),
    (lambda V: V(1.0) + 10 ** 400, OverflowError, lambda: float(10 ** 400)),
    (lambda V: 10 ** 400 * V(1.0), OverflowError, lambda: float(10 ** 400)),
    (lambda V: V(1.0) / 10 ** 400, OverflowError, lambda: (10 ** 400) ** -1),
    (lambda V: V(1.0) ** 10 ** 400, OverflowError, lambda: 1.0 ** 10 ** 400),
    (lambda V: V(2) ** -10 ** 400, OverflowError, lambda: 2 ** -10 ** 400),
    (lambda V: (10 ** 400) ** V(0.5), OverflowError, lambda: (10 ** 400) ** 0.5),
    (lambda V: (10 ** 100_000) ** V(1000), OverflowError, lambda: float(10 ** 400)),    # at once
    (lambda V: round(V(nan)), ValueError, lambda: round(nan)),
    (lambda V: math.trunc(V(inf)), OverflowError, lambda: math.trunc(inf)),
]


@pytest.mark.parametrize("action, error, python_s", ARITHMETIC)
def test_errors_are_python_s_own(engine, action, error, python_s):
    nodes = engine.arena_stats()["live"]
    with pytest.raises(error) as info:
        action(engine.Value)
    assert type(info.value) is error
    assert str(info.value) == message_of(python_s)
    del info
    assert engine.arena_stats()["live"] == nodes


@pytest.mark.parametrize("action", [lambda V: V(0.0) ** 0, lambda V: V(0) ** 0, lambda V: V(-0.0) ** 0.0,
                                    lambda V: V(0.0) ** V(0), lambda V: V(0.0) ** V(0.0), lambda V: V(0) ** V(-0.0)])
def test_the_power_that_has_a_derivative_but_raises_says_why(engine, action):
    """Python's words, and then the reason: microgpt's formula for x ** 0 fails at 0 as well."""
    nodes = engine.arena_stats()["live"]
    with pytest.raises(ZeroDivisionError) as info:
        action(engine.Value)
    assert str(info.value) == message_of(lambda: 0.0 ** -1) + AT_ZERO
    assert info.value.__cause__ is None and info.value.__suppress_context__
    del info
    assert engine.arena_stats()["live"] == nodes


# What a derivative raises is raised where one is taken: a leaf has none.

ONLY_THE_DERIVATIVE = [
    (lambda V: V(0.0).sqrt(), 0.0), (lambda V: V(-0.0).sqrt(), -0.0), (lambda V: V(0).sqrt(), 0.0),
    (lambda V: V(0.0) ** 0.5, 0.0), (lambda V: V(0.0) ** 0, 1.0), (lambda V: V(0) ** 0, 1),
    (lambda V: V(0) ** 0.5, 0.0), (lambda V: V(0.0) ** V(0.5), 0.0), (lambda V: V(0.0) ** V(0), 1.0),
    (lambda V: V(0) ** V(0), 1), (lambda V: V(1e-200) ** -1, 1e-200 ** -1),
    (lambda V: V(1e-200) ** V(-1), 1e-200 ** -1), (lambda V: 3.0 / V(1e-200), 3.0 * 1e-200 ** -1),
    (lambda V: V(3.0) / V(1e-200), 3e200), (lambda V: V(1) ** 10 ** 400, 1), (lambda V: V(10 ** 5) ** -65, 1e-325),
    (lambda V: V(2) ** 1023, 2.0 ** 1023), (lambda V: abs(V(0.0)), 0.0), (lambda V: V(5e-324).log(), math.log(5e-324)),
    (lambda V: V(0.0).relu(), 0), (lambda V: V(0.0).sigmoid(), 0.5), (lambda V: 0.0 ** V(0.0), 1.0)]


@pytest.mark.parametrize("action, expected", ONLY_THE_DERIVATIVE)
def test_no_derivative_no_error(engine, action, expected):
    nodes = engine.arena_stats()["live"]
    with fastgrad.no_grad():
        v = action(engine.Value)
    assert (type(v.data), repr(v.data), v._children, v._local_grads, v._op) == (type(expected), repr(expected),
                                                                               (), (), "")
    del v
    assert engine.arena_stats()["live"] == nodes


def test_the_value_s_own_errors_are_raised_without_derivatives_too(engine):
    with fastgrad.no_grad():
        for action in (lambda V: V(0.0) ** -1, lambda V: 1 / V(0.0), lambda V: V(1.0) / 0, lambda V: V(0.0) ** V(-1)):
            with pytest.raises(ZeroDivisionError):
                action(engine.Value)
        for action in (lambda V: V(0.0).log(), lambda V: V(-1.0).sqrt(), lambda V: V(-1.0) ** 0.5,
                       lambda V: V(inf).sin()):
            with pytest.raises(ValueError):
                action(engine.Value)
        for action in (lambda V: V(1000.0).exp(), lambda V: V(1e200) ** 2, lambda V: V(2) ** 1024):
            with pytest.raises(OverflowError):
                action(engine.Value)


@pytest.mark.parametrize("action", [
    lambda V: V(-8.0) ** (1 / 3), lambda V: V(-8) ** 0.5, lambda V: V(-8.0) ** V(0.5), lambda V: (-8.0) ** V(0.5),
    lambda V: (-8) ** V(0.5), lambda V: V(-1e-300) ** 1.5, lambda V: V(-1.0) ** np.float64(0.5)])
def test_complex_results_are_refused(Value, action):
    with pytest.raises(ValueError, match="complex"):
        action(Value)


@pytest.mark.parametrize("x", [2 ** 53 + 1, -2 ** 53 - 1, 2 ** 64 - 1, np.uint64(2 ** 64 - 1), 10 ** 23, IndexIsHuge()],
                         ids=repr)
def test_no_silent_rounding_of_ints(Value, x):
    v = Value(1.0)
    for action in (lambda: Value(x), lambda: v + x, lambda: x + v, lambda: v * x, lambda: x - v, lambda: v - x,
                   lambda: x / v, lambda: setattr(v, "data", x), lambda: setattr(v, "grad", x),
                   lambda: setattr(v, "_local_grads", (x,)), lambda: Value(1.0, (v,), (x,))):
        with pytest.raises(OverflowError, match="int .* can't be held exactly"):
            action()
    assert (v.data, v.grad, v._local_grads) == (1.0, 0, ())


NUMPYS_TEXT_AND_SUCH = [
    np.complex128(1 + 2j), np.complex64(1), np.clongdouble(1), np.str_("3"), np.bytes_(b"3"), np.void(b"3"),
    np.datetime64(1, "ns"), np.timedelta64(5, "ns"), np.datetime64("2020-01-01"), np.array("3"), np.array(b"3"),
    np.array(1 + 0j), np.array(1, "m8[ns]"), np.array(["3"]), np.array([1j]), bytearray(b"3"),
    type("Text", (str,), {"__float__": lambda self: 3.0})("3")]


@pytest.mark.parametrize("x", NUMPYS_TEXT_AND_SUCH, ids=lambda x: f"{type(x).__name__}, {getattr(x, 'dtype', '')}")
def test_what_numpy_would_make_a_float_of_without_being_one(Value, x):
    """float() gives the real part of a complex number, and reads text and counts of nanoseconds."""
    v, child = Value(3.0), Value(1.0)
    for action in (lambda: Value(x), lambda: setattr(v, "data", x), lambda: setattr(v, "grad", x),
                   lambda: Value(1.0, (child,), (x,)), lambda: setattr(v, "_local_grads", (x,))):
        with pytest.raises(TypeError):
            action()
    for name, op in BINARY.items():
        if name not in ("==", "!=") and not isinstance(x, np.ndarray):      # arrays do that by themselves
            with pytest.raises(TypeError):
                op(v, x)
    assert (v.data, v.grad, v._children, v._local_grads) == (3.0, 0, (), ())


@pytest.mark.parametrize("x, expected", [(Fraction(1, 4), 0.25), (Decimal("0.1"), 0.1), (np.array(2.5), 2.5),
                                         (np.array(3), 3), (np.array(True), 1.0), (np.longdouble(2), 2.0),
                                         (np.array(Fraction(1, 2), dtype=object), 0.5)], ids=repr)
def test_what_is_a_number_stays_one(Value, x, expected):
    """Also arrays without dimensions, as constructors' and setters' argument; as operands they're arrays."""
    v = Value(x)
    assert v.data == expected
    v.data = 0.0
    v.data = x
    assert v.data == expected


NOT_NUMBERS = ("a string", "1.0", b"1", None, 1j, [1], (1.0,), {}, object(), float, lambda: 1.0)


@pytest.mark.parametrize("x", NOT_NUMBERS, ids=lambda x: type(x).__name__)
def test_what_is_no_number_is_a_type_error(engine, x):
    Value = engine.Value
    v, child = Value(3.0), Value(1.0)
    v.grad = 5.0
    nodes = engine.arena_stats()["live"]
    operators = {name: op for name, op in BINARY.items() if name in ("+", "-", "*", "/", "**", "<", "<=", ">", ">=")}
    for name, op in operators.items():
        for left, right in ((v, x), (x, v)):
            with pytest.raises(TypeError) as info:
                op(left, right)
            assert "Value" in str(info.value), name
    for name in ("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__",
                 "__pow__", "__rpow__", "__lt__", "__le__", "__gt__", "__ge__"):
        assert getattr(v, name)(x) is NotImplemented, name
    for action in (lambda: Value(x), lambda: setattr(v, "data", x), lambda: setattr(v, "grad", x),
                   lambda: Value(1.0, (child,), (x,)), lambda: Value(1.0, (child, x), (1.0, 1.0)),
                   lambda: setattr(v, "_children", (child, x)), lambda: setattr(v, "_local_grads", (x,))):
        with pytest.raises(TypeError):
            action()
    assert (v == x, v != x) == (False, True)
    assert (v.data, v.grad, v._children, v._local_grads) == (3.0, 5.0, (), ())
    del action, info
    assert engine.arena_stats()["live"] == nodes


WORDS = [
    (lambda V: V(None), "a Value holds a number, not None (which is what a function without `return` gives)"),
    (lambda V: V("3"), "a Value holds a number, not 'str': write float('3')"),
    (lambda V: V("three"), "a Value holds a number, not 'str'"),
    (lambda V: V([1.0]), "a Value holds a number, not 'list': make a Value of each, [Value(x) for x in xs]"),
    (lambda V: V(np.array([1.0, 2.0])),
     "a Value holds a number, not 'ndarray': make a Value of each, [Value(x) for x in xs]"),
    (lambda V: V(np.array([1, 2])),
     "a Value holds a number, not 'ndarray': make a Value of each, [Value(x) for x in xs]"),
    (lambda V: V(1j), "a Value holds a number, not 'complex': take its .real"),
    (lambda V: V(V(2.0).exp), "are the () of a call missing?"),
    (lambda V: setattr(V(1.0), "data", None), "a Value holds a number, not None"),
    (lambda V: setattr(V(1.0), "grad", None), "grad holds a number, not None: use 0, or zero_grad()")]


@pytest.mark.parametrize("action, words", WORDS)
def test_what_to_write_instead(Value, action, words):
    with pytest.raises(TypeError) as info:
        action(Value)
    assert words in str(info.value)


STEEP = [(lambda V: V(0.0) ** 0.5, "x ** 0.5 at x = 0.0 isn't finite"),
         (lambda V: V(0) ** 0.5, "x ** 0.5 at x = 0 isn't finite"),
         (lambda V: V(0.0) ** V(0.5), "x ** 0.5 at x = 0.0 isn't finite"),
         (lambda V: V(0.0).sqrt(), "sqrt(x) at x = 0.0 isn't finite"),
         (lambda V: V(1e-200) ** -1, "x ** -1 at x = 1e-200 is too large for a float"),
         (lambda V: 1 / V(1e-200), "x ** -1 at x = 1e-200 is too large for a float"),
         (lambda V: V(1) ** 10 ** 400, "x ** n at x = 1 is too large for a float")]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="CPython 3.10 has no notes")
def test_errors_of_a_derivative_say_so_in_a_note(Value):
    for action, words in STEEP:
        with pytest.raises(ArithmeticError) as info:
            action(Value)
        assert info.value.__notes__ == [f"the derivative of {words} (no_grad() takes no derivatives)"]
    for action in (lambda: Value(0.0) ** -1, lambda: Value(0.0).log(), lambda: Value(1000.0).exp()):
        with pytest.raises((ArithmeticError, ValueError)) as info:
            action()
        assert not hasattr(info.value, "__notes__")     # it's the value's own


@pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")
def test_a_traceback_ends_at_the_caller_s_line(engine):
    """Cython adds no frames; and a closure's error passes through backward() without any."""
    Value = fastgrad.Value
    root = Value(1.0, (Value(2.0),), "f")
    root._backward = lambda: 1 / 0
    for action in (lambda: Value("3"), lambda: Value(1.0, bogus=1), lambda: Value(0.0) ** -1, lambda: Value(0.0).log(),
                   lambda: Value(0.0).sqrt(), lambda: setattr(Value(1.0), "grad", None), root.backward,
                   lambda: Value(1.0, (1.0,)), lambda: Value(1.0).exp(2)):
        with pytest.raises((TypeError, ValueError, ArithmeticError)) as info:
            action()
        assert {frame.filename for frame in traceback.extract_tb(info.value.__traceback__)} == {__file__}


def test_reflected_operators_of_others_get_their_turn(Value):
    v, other = Value(1.0), Refuses()
    assert [op(v, other) for op in (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow,
                                    operator.lt, operator.ge)] == ["its own answer"] * 7


REFLECTED = {"__radd__": ("+", (1, 1)), "__rmul__": ("*", (3.0, 2.0)), "__rsub__": ("+", (1, 1)),
             "__rtruediv__": ("*", (0.5, 3.0)), "__rpow__": ("**", (6.0, math.log(3.0) * 9.0))}


@pytest.mark.parametrize("name", REFLECTED)
def test_reflected_operators_called_by_name(Value, name):
    """b.__radd__(a) is b + a, and __rmul__ likewise; the others put a first. The order of operands is that of bits."""
    class Sub(Value):
        pass

    for cls in (Value, Sub):
        b, a = cls(2.0), cls(3.0)
        out = getattr(b, name)(a)
        op, local_grads = REFLECTED[name]
        assert (out._op, out._local_grads, type(out)) == (op, local_grads, cls)
        assert out._children[0] is (b if name in ("__radd__", "__rmul__") else a)
        assert (out._children[1] is b) == (name == "__rpow__")
        for x in (3.0, 3, -1, True):
            if name != "__rpow__" or x > 0:
                called, written = getattr(b, name)(x), getattr(operator, name.replace("__r", "__"))(x, b)
                assert [(v.data, v._op, v._local_grads) for v in called._topological()] == \
                    [(v.data, v._op, v._local_grads) for v in written._topological()]
        assert getattr(b, name)("no number") is NotImplemented


def test_a_reflected_operator_called_by_name_takes_the_subclass_s_own(Value):
    class Sub(Value):
        def __add__(self, other):
            return "added"

        def __mul__(self, other):
            return "multiplied"

    class Reflected(Value):
        def __radd__(self, other):
            return "reflected"

    assert (Sub(1.0).__radd__(Value(2.0)), Sub(1.0).__rmul__(2.0)) == ("added", "multiplied")
    assert (Reflected(1.0).__radd__(Value(2.0)), Value(2.0) + Reflected(1.0)) == ("reflected", "reflected")


def test_errors_of_conversion_come_through(Value):
    v = Value(1.0)
    for x, text in ((FloatRaises(), "no float today"), (IndexRaises(), "no index today")):
        for action in (lambda: v + x, lambda: x * v, lambda: v ** x, lambda: Value(x), lambda: setattr(v, "data", x)):
            with pytest.raises(RuntimeError, match=text):
                action()
    assert v.data == 1.0


# NumPy: scalars are numbers, arrays do the work elementwise, and Values are objects in arrays.

def test_numpy_scalars_are_numbers(Value):
    v = Value(3.0)
    for x in (np.float64(2), np.float32(2), np.int64(2), np.int8(2), np.uint8(2), np.float16(2)):
        for result, number in ((v * x, 6.0), (x * v, 6.0), (v + x, 5.0), (x + v, 5.0), (v - x, 1.0), (x - v, -1.0),
                               (x / v, 2 * 3.0 ** -1),
                               (v / x, 1.5), (v ** x, 9.0), (x ** v, 8.0)):
            assert type(result) is Value, x
            assert (type(result.data), result.data) == (float, number)
    w = np.float64(2) * v
    w.backward()
    assert v.grad == 2.0


def test_arrays_do_the_work_elementwise(Value):
    v = Value(3.0)
    for array in (v * np.array([1.0, 2.0]), np.array([1.0, 2.0]) * v):
        assert isinstance(array, np.ndarray) and array.dtype == object and array.shape == (2,)
        assert [type(x) for x in array] == [Value, Value]
        assert [x.data for x in array] == [3.0, 6.0]
    total = (v * np.array([1.0, 2.0]) - np.array([0.5, 0.5]) / v).sum()
    total.backward()
    assert total.data == pytest.approx(9 - 1 / 3) and v.grad == pytest.approx(3 + 1 / 9)
    assert [x.data for x in (np.array([[1, 2], [3, 4]]) + v).flat] == [4.0, 5.0, 6.0, 7.0]
    assert [x.data for x in v ** np.array([1, 2])] == [3.0, 9.0]
    assert list(v > np.array([1.0, 5.0])) == [True, False]


def test_values_in_arrays_are_objects(Value):
    v, w = Value(3.0), Value(4.0)
    array = np.array([v, w])
    assert array.dtype == object and array[0] is v and array[1] is w
    dot = array @ np.array([2.0, 10.0])
    assert type(dot) is Value and dot.data == 46.0
    dot.backward()
    assert (v.grad, w.grad) == (2.0, 10.0)
    assert [float(x) for x in array] == list(np.array(array, dtype=float)) == [3.0, 4.0]


# Wrong graphs.

def test_local_gradients_go_with_children(Value):
    a = Value(2.0)
    for local_grads in ((1.0, 2.0), [1.0, 2.0, 3.0]):
        with pytest.raises(ValueError, match="children"):
            Value(1.0, (a,), local_grads)
    with pytest.raises(ValueError):
        Value(1.0, (), (1.0,))
    assert Value(1.0, (a, a))._local_grads == ()


def test_arguments_that_do_not_fit(Value):
    a = Value(2.0)
    for action in (lambda: Value(), lambda: Value(1.0, bogus=1), lambda: Value(1.0, (a,), "op", "label", 5),
                   lambda: Value(1.0, data=1.0), lambda: Value(1.0, (a,), "op", op="op"),
                   lambda: Value(1.0, (a,), children=(a,)), lambda: Value(1.0, children=(a,), _children=(a,)),
                   lambda: Value(1.0, _children=(a,), _prev={a}), lambda: Value(1.0, op="a", _op="b"),
                   lambda: Value(1.0, (a,), (1.0,), local_grads=(1.0,)),
                   lambda: Value(1.0, (a,), local_grads=(1.0,), _local_grads=(1.0,)),
                   lambda: Value(1.0, 5), lambda: Value(1.0, a), lambda: Value(1.0, (2.0,)),
                   lambda: a.exp(2), lambda: a.backward(1), lambda: a.zero_grad(1), lambda: a.detach(1)):
        with pytest.raises(TypeError):
            action()


@pytest.mark.parametrize("op", [operator.floordiv, operator.mod, operator.matmul, operator.lshift, operator.and_,
                                divmod])
def test_what_values_cannot_do(Value, op):
    v = Value(3.0)
    for left, right in ((v, v), (v, 2.0), (2.0, v), (v, 2), (2, v)):
        with pytest.raises(TypeError):
            op(left, right)
    for action in (lambda: ~v, lambda: len(v), lambda: v[0], lambda: v(), lambda: iter(v),
                   lambda: operator.index(v),
                   lambda: pow(v, 2, 3), lambda: pow(2, v, 3), lambda: v.exp(1), lambda: v.backward(deep=True)):
        with pytest.raises(TypeError):
            action()


def test_a_failure_in_the_middle_changes_nothing(engine):
    """a / b is made of b ** -1 and a product: when the second step fails, the first one's node goes too."""
    Value = engine.Value
    a, b = Value(1.0), Value(5.0)
    root = a * b
    root.backward()
    before, nodes = programs.state([root, a, b]), engine.arena_stats()["live"]
    for action in (lambda: a / 0, lambda: 10 ** 400 / b, lambda: a - 10 ** 400, lambda: 10 ** 400 - a, lambda: "x" / b,
                   lambda: sum([a, b, "x"]), lambda: (a * b).exp().exp().exp(), lambda: Value(a, (b,), (1.0, 2.0)),
                   lambda: setattr(root, "_children", [a, 1.0]), lambda: setattr(root, "_local_grads", [1.0, "x"]),
                   lambda: setattr(root, "_children", 7), lambda: setattr(root, "_local_grads", 7)):
        with pytest.raises((ArithmeticError, TypeError, ValueError)):
            action()
        assert programs.state([root, a, b]) == before
        assert engine.arena_stats()["live"] == nodes
