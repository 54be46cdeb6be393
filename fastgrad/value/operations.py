"""The table of operations, one entry each.

The engine takes from it the names that `_op` shows, and derivatives as graphs. detect_anomaly, explain,
`python -m fastgrad` and the tests take all else that they know about operations. The operations themselves are
methods: of reference.py, and of the engine in C. CONTRIBUTING.md says how to add one.
"""
import operator

__all__ = ["FUNCTIONS", "OPERATIONS", "Operation"]


class Operation:
    """What is to be known of an operation.

    method: its name in the class Value. formula: what it computes of the operands {a} and {b}, in Python with the
    functions of math. derivatives: the same of its derivative by each operand, as explain shows it; none if it's made
    of other operations. as_graph: the derivatives once more, as fastgrad.grad makes Values of them, if not what
    `derivatives` says: of the operands and the result {y}, by + - * / ** and the table's functions; CONSTANT if they
    are numbers. shown: what `_op` shows; the method's name if nothing else is given. symbol: what messages call it;
    what `_op` shows if nothing else is given. raises: names of exceptions, each with the condition on {a} under which
    the operation raises it. samples: ordinary operands, at which there is a derivative. awkward: others at which
    something could go wrong, as those at the edges of what it's defined for. powers: pairs of formulas for the same,
    with a power and without, whose last bits differ at some operands: a script's own function may have either.
    """

    __slots__ = ("method", "formula", "derivatives", "as_graph", "shown", "symbol", "raises", "samples", "awkward",
                 "powers", "n_operands", "call")

    def __init__(self, method, formula, *derivatives, as_graph=None, shown=None, symbol=None, raises=None,
                 samples=(0.7, -1.3, 2.5), awkward=(), powers=()):
        self.method, self.formula, self.derivatives = method, formula, derivatives
        self.as_graph = as_graph or derivatives
        self.shown = shown or method
        self.symbol = symbol or self.shown
        self.raises, self.samples, self.awkward, self.powers = raises or {}, samples, awkward, powers
        self.n_operands = 2 if "{b}" in formula else 1
        self.call = getattr(operator, method) if method.startswith("__") else operator.methodcaller(method)

    @property
    def reflected(self):
        """The method for a number on the left, `2 - v`; None if there's only one operand."""
        return "__r" + self.method[2:] if self.n_operands == 2 else None


CONSTANT = ("",)        # as_graph of a function whose derivative is constant but for a jump
PAIR = {"samples": ((2.0, -3.0),)}
OPERATORS = (       # in this order, since later ones are made of earlier ones
    Operation("__add__", "{a} + {b}", "1", "1", shown="+", **PAIR),
    Operation("__mul__", "{a} * {b}", "{b}", "{a}", shown="*", **PAIR),
    Operation("__pow__", "{a} ** {b}", "{b} * {a} ** ({b} - 1)", "log({a}) * {a} ** {b}", shown="**",
              as_graph=("{b} * {a} ** ({b} - 1)", "{y} * log({a})"), **PAIR),
    Operation("__neg__", "-{a}", shown="*", symbol="-"),
    Operation("__sub__", "{a} - {b}", shown="+", symbol="-", **PAIR),
    Operation("__truediv__", "{a} / {b}", shown="*", symbol="/", **PAIR),
    Operation("__abs__", "abs({a})", "sign of {a}", as_graph=CONSTANT, shown="abs"),
)
FUNCTIONS = (       # in the order of their codes, csrc/arena.h
    Operation("exp", "exp({a})", "exp({a})", as_graph=("{y}",),
              raises={"OverflowError": "709.782712893384 < {a} < inf"},
              awkward=(709.782712893384, 709.7827128933841, -745.2)),
    Operation("log", "log({a})", "1 / {a}", raises={"ValueError": "{a} <= 0"}, samples=(0.7, 2.5), awkward=(5e-324,),
              powers=(("{a} ** -1", "1 / {a}"),)),
    Operation("relu", "max(0, {a})", "1 if {a} > 0 else 0", as_graph=CONSTANT, shown="ReLU"),
    Operation("tanh", "tanh({a})", "1 - tanh({a}) ** 2", as_graph=("1 - {y} * {y}",),
              powers=(("1 - tanh({a}) ** 2", "1 - tanh({a}) * tanh({a})"),)),
    Operation("sigmoid", "1 / (1 + exp(-{a})) if {a} >= 0 else exp({a}) / (1 + exp({a}))",
              "sigmoid({a}) * (1 - sigmoid({a}))", as_graph=("{y} * (1 - {y})",), awkward=(-745.2,),
              powers=(("(1 + exp(-{a})) ** -1", "1 / (1 + exp(-{a}))"),)),
    Operation("sqrt", "sqrt({a})", "0.5 / sqrt({a})", as_graph=("0.5 * {y} ** -1",), samples=(0.7, 2.5),
              raises={"ValueError": "{a} < 0", "ZeroDivisionError": "{a} == 0"},
              powers=(("{a} ** 0.5", "sqrt({a})"), ("0.5 * sqrt({a}) ** -1", "0.5 / sqrt({a})"))),
    Operation("sin", "sin({a})", "cos({a})", raises={"ValueError": "abs({a}) == inf"}),
    Operation("cos", "cos({a})", "-sin({a})", raises={"ValueError": "abs({a}) == inf"}),
    Operation("abs", "abs({a})", "sign of {a}", as_graph=CONSTANT),
    Operation("sinh", "sinh({a})", "cosh({a})", raises={"OverflowError": "710.4758600739439 < abs({a}) < inf"},
              awkward=(710.4758600739439, 710.475860073944, -710.475860073944, 5e-324)),
    Operation("cosh", "cosh({a})", "sinh({a})", raises={"OverflowError": "710.4758600739439 < abs({a}) < inf"},
              awkward=(710.4758600739439, 710.475860073944, -710.475860073944, 5e-324)),
    Operation("log1p", "log1p({a})", "1 / (1 + {a})", raises={"ValueError": "{a} <= -1"}, samples=(0.7, -0.5, 2.5),
              awkward=(-1.0, -1, -0.9999999999999999, 1e-17, 5e-324), powers=(("(1 + {a}) ** -1", "1 / (1 + {a})"),)),
    Operation("expm1", "expm1({a})", "exp({a})", raises={"OverflowError": "709.782712893384 < {a} < inf"},
              awkward=(709.782712893384, 709.7827128933841, -40.0, -745.2, 1e-17, 5e-324)),
    Operation("erf", "erf({a})", "2 / sqrt(pi) * exp(-{a} * {a})", awkward=(6.0, -6.0, 26.7, 1e-17, 1e200, 5e-324),
              powers=(("exp(-{a} ** 2)", "exp(-{a} * {a})"),)),
    Operation("atan", "atan({a})", "1 / (1 + {a} * {a})", awkward=(1e-17, 1e17, 1e200, 5e-324),
              powers=(("1 / (1 + {a} ** 2)", "1 / (1 + {a} * {a})"), ("(1 + {a} * {a}) ** -1", "1 / (1 + {a} * {a})"))),
)
OPERATIONS = OPERATORS + FUNCTIONS
