"""The expressions that are tried, and what the oracle, reference.Value, gives for them.

An expression is a text, so that what the report shows is what was run: statements with "; " between them, the last
being the result. a, b, c and d are leaves, made of the numbers of a point: {"a": 2.0, "b": 3.0}.
"""
import functools
import math

from fastgrad.reference import Value
from fastgrad.value.operations import FUNCTIONS

TOLERANCE = 1e-6        # a relative difference up to this counts as rounding
PAIRS = ({"a": 2.0, "b": 3.0}, {"a": -1.5, "b": 4.0}, {"a": 0.5, "b": -2.5})
SINGLES = ({"a": 2.0}, {"a": 0.5}, {"a": -1.5}, {"a": 3.0})
EXPONENTS = ({"a": 2.0, "b": 3.0}, {"a": 0.5, "b": 2.0}, {"a": 3.0, "b": -1.0})
ALIASES = {"ln": "log", "absolute": "abs", "Relu": "relu", "ReLU": "relu", "sigm": "sigmoid", "logistic": "sigmoid",
           "arctan": "atan"}
SYMBOLS = {"__add__": "+", "__mul__": "*", "__neg__": "-", "__pow__": "**", "__sub__": "-", "__truediv__": "/"}
REFLECTED = {"__r" + name[2:]: name for name in SYMBOLS if name != "__neg__"}
# In an order in which what others are made of comes first.
OPERATORS = ("__add__", "__mul__", "__neg__", "__pow__", "__sub__", "__truediv__", "__radd__", "__rmul__", "__rsub__",
             "__rtruediv__", "__rpow__")
FUNCTION_NAMES = tuple(x.method for x in FUNCTIONS)

# Graphs of + and *. In TREES no result is used twice, in SHARED some are. EQUALS have different nodes with the same
# number.
TREES = ("(a * b) + c", "((a * b) + c) * a", "(((a * b) + c) * a + b) * c")
SHARED = ("u = a * b; u * u", "u = a + b; u + u", "u = a * b; u + u * a", "u = a * b; u * a + u",
          "u = a + b; v = u * a; w = u * b; v + w", "u = a * b; v = u + a; v * u", "u = a * b; v = u + a; u * v",
          "u = a + b; v = u * b; w = v * a; z = w + b; z * u", "u = a + b; v = u * b; w = v * a; z = w + b; u * z",
          "u = a * b; v = u + u; w = v + v; w * w")
EQUALS = (("(a * b) * (c * d)", {"a": 2.0, "b": 3.0, "c": 1.0, "d": 6.0}),
          ("u = a * b; v = a + b; (u * a) + (v * v)", {"a": 2.0, "b": 2.0}),
          ("u = a * b; v = c * d; (u * v) * (v * a)", {"a": 2.0, "b": 3.0, "c": 3.0, "d": 2.0}))
GRAPH_POINTS = ({"a": 2.0, "b": 3.0}, {"a": -1.5, "b": 0.5})
TREE_POINTS = ({"a": 2.0, "b": 3.0, "c": 4.0}, {"a": -1.5, "b": 0.5, "c": 2.5})


@functools.lru_cache(maxsize=None)
def compiled(text):
    *statements, result = text.split("; ")
    return compile("\n".join(statements), "<expression>", "exec"), compile(result, "<expression>", "eval")


def evaluate(text, leaves):
    """The result of an expression, and all names. leaves: name: leaf."""
    statements, result = compiled(text)
    names = dict(leaves)
    exec(statements, names)
    return eval(result, names), names


class Right:
    """What the oracle gives: value, and the gradients by leaf."""

    def __init__(self, text, point):
        leaves = {name: Value(x) for name, x in point.items()}
        self.root, names = evaluate(text, leaves)
        self.value = float(self.root.data)
        self.root.backward()
        self.grads = {name: float(leaves[name].grad) for name in point}
        self.leaves = leaves

    def has_equal_numbers(self):
        numbers = [v.data for v in self.root._topological()]
        return len(set(numbers)) < len(numbers)


@functools.lru_cache(maxsize=None)
def _right(text, point):
    try:
        return Right(text, dict(point))
    except (ArithmeticError, ValueError):       # outside of what it's defined for
        return None


def right(text, point):
    return _right(text, tuple(point.items()))


def verdict(found, wanted):
    """"right", "rounding" or "wrong"."""
    if found == wanted or found != found and wanted != wanted:
        return "right"
    return "rounding" if abs(found - wanted) <= TOLERANCE * max(1e-3, abs(found), abs(wanted)) else "wrong"


def is_same(x, y):
    return verdict(x, y) != "wrong"


def expressions_of(method, name=None):
    """The texts with one call of a method on leaves, and their points. name: the class's own name of it."""
    if method == "__neg__":
        return [("-a", SINGLES)]
    if method == "__pow__":
        return [("a ** 3", SINGLES), ("a ** 2", SINGLES), ("a ** 1", SINGLES), ("a ** -1", SINGLES),
                ("a ** 2.0", SINGLES), ("a ** 0.5", [p for p in SINGLES if p["a"] > 0])]
    if method == "__rpow__":
        return [("2 ** a", SINGLES), ("0.5 ** a", SINGLES)]
    if method in REFLECTED:
        symbol = SYMBOLS[REFLECTED[method]]
        return [(f"{n} {symbol} a", SINGLES) for n in ("2", "2.5", "-1")]
    if method in SYMBOLS:
        return [(f"a {SYMBOLS[method]} b", PAIRS)]
    points = [p for p in SINGLES if right(f"a.{method}()", p)]
    return [(f"a.{name or method}()", points)]


def with_numbers(method):
    """The texts with a plain number on the right, and their points."""
    if method not in SYMBOLS or method in ("__neg__", "__pow__"):
        return []
    return [(f"a {SYMBOLS[method]} {n}", SINGLES[:3]) for n in ("2", "2.5", "-1")]


def oracle_text(text, name, method):
    """A text as the oracle runs it, with its own name of the method."""
    return text.replace(f".{name}(", f".{method}(") if name else text


def at(point):
    """A point in words: "a = 2, b = 3"."""
    return ", ".join(f"{name} = {number(x)}" for name, x in point.items())


def number(x):
    """A number as a learner would write it."""
    if math.isfinite(x) and x == int(x) and abs(x) < 1e15:
        return str(int(x))
    return f"{x:.6g}"
