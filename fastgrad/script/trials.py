"""The expressions on which an author's class is compared with its twin.

An experiment is (f, values): a function of Values, and numbers to call it with.
"""
import operator

EXTREMES = (0, 0.0, -0.0, 1000.0, -1000.0, float("inf"), float("-inf"), float("nan"))
FUNCTIONS = ("exp", "log", "relu", "tanh", "sigmoid", "sqrt", "sin", "cos", "abs")
OPERATORS = {
    "__add__": lambda a, b: a + b, "__mul__": lambda a, b: a * b, "__sub__": lambda a, b: a - b,
    "__truediv__": lambda a, b: a / b, "__radd__": lambda a, n: n + a, "__rmul__": lambda a, n: n * a,
    "__rsub__": lambda a, n: n - a, "__rtruediv__": lambda a, n: n / a, "__rpow__": lambda a, n: n ** a,
}
# In this order, since later ones are made of earlier ones.
METHODS = ("__add__", "__mul__", "__pow__", "__neg__", "__radd__", "__rmul__", "__sub__", "__rsub__", "__truediv__",
           "__rtruediv__", "__rpow__", "__abs__", *FUNCTIONS)
# What `_op` shows, the method that makes it, and a way to call that.
OPERATIONS = {"+": ("__add__", lambda a: a + a), "*": ("__mul__", lambda a: a * a),
              **{name: (name, operator.methodcaller(name)) for name in FUNCTIONS if name != "relu"},
              "ReLU": ("relu", lambda a: a.relu())}


def twice(f):
    """A function's result with each operand used twice, and with the result used twice."""
    return [lambda *x: f(*x) + f(*x), lambda *x: (lambda y: y * y)(f(*x))]


def experiments(name):
    """The experiments with a method."""
    if name == "__pow__":
        return powers()
    if name in ("__add__", "__mul__", "__sub__", "__truediv__"):
        return binary(OPERATORS[name]) + with_number(OPERATORS[name])
    if name in OPERATORS:
        return with_number(OPERATORS[name])
    if name == "__neg__":
        return unary(lambda a: -a)
    if name == "__abs__":
        return unary(abs)
    return unary(lambda a: getattr(a, name)())


def unary(f):
    values = [[x] for x in (0.7, -1.3, 2.5, 2, -3, 30.0, 0.5, 1.0, -1.0, -0.5, *EXTREMES)]
    return [(f, x) for x in values] + [(g, x) for g in twice(f) for x in values[:3]]


def binary(f):
    inf, nan = float("inf"), float("nan")
    pairs = [[0.7, -1.3], [2, 3], [2.5, -2], [-3, 0.5], [0.0, 4.0], [3, 3], [-0.0, 0.0], [-0.0, -1.0], [inf, -2.0],
             [0.5, nan], [inf, 0.0], [-1.0, -inf], [1e200, 1e200], [-1e308, -1e308], [1, 1], [1.0, 0.5]]
    return [(f, x) for x in pairs] + [(g, x) for g in (*twice(f), lambda a, b: f(a, a)) for x in pairs[:3]]


def with_number(f):
    """Operations with a plain number for the other operand."""
    found = [(lambda a, n=n: f(a, n), [x]) for n in (3, 2.5, -1, 0, 1, 0.5, 2) for x in (0.7, -1.3, 2, 0.0)]
    return found + [(g, [x]) for g in twice(lambda a: f(a, 2.5)) for x in (0.7, -1.3)]


def powers():
    """Only powers with real results."""
    found = [(lambda a, n=n: a ** n, [x]) for n in (2, 3, -1, 2.0, 1, 0, -2) for x in (0.7, 2.5, 2, -1.3, -3, 0.0)]
    found += [(lambda a, n=n: a ** n, [x]) for n in (0.5, -0.5, 1.5) for x in (0.7, 2.5, 2, 0.0)]
    found += [(lambda a, n=n: a ** n, [x]) for n, x in ((200, 1000.0), (2, -1e200), (-2, 1e-200), (3, 1e150))]
    return found + [(g, [x]) for n in (2, 3, -1, 0.5) for g in twice(lambda a, n=n: a ** n) for x in (0.7, 2)]


GRAPHS = [
    (lambda a, b: a * b + a, [0.7, -1.3]),
    (lambda a, b: (a + b) * (a + b * a), [2.5, 0.3]),
    (lambda a, b: (lambda c: c * c + c)(a * b + b), [1.5, -0.4]),
    (lambda a, b: (lambda c, d: (c + d) * (c * d) + c)(a * b, a + b), [2, 3]),
    (lambda a, b: a + a, [2, 0.5]),
    (lambda a, b: a * a * a, [3, 0.5]),
    (lambda a, b: a * b, [0.5, 0.5]),
    (lambda a, b: (a + b) * (b + a), [0.5, 0.5]),
    (lambda a, b: (lambda c: c * 2 + c * 3 + c * 4)(a + b * 0.1), [0.5, -2.0]),
]


def random_program(chance, names):
    """A function of three leaves that does a dozen operations. names: the methods that it may use."""
    steps = []
    functions = [name for name in FUNCTIONS if name in names]
    pairs = [OPERATORS[name] for name in ("__add__", "__mul__", "__sub__", "__truediv__") if name in names]
    for i in range(12):
        n = 3 + i
        kind = chance.random()
        if kind < 0.15 and functions:
            steps.append((lambda a, name=chance.choice(functions): getattr(a, name)(), chance.randrange(n)))
        elif kind < 0.3:
            steps.append((lambda a, f=chance.choice(pairs), m=chance.choice([2, 0.5, -1, 3.0]): f(a, m),
                          chance.randrange(n)))
        elif kind < 0.4 and "__pow__" in names:
            steps.append((lambda a, m=chance.choice([2, 3]): a ** m, chance.randrange(n)))
        else:
            steps.append((chance.choice(pairs), chance.randrange(n), chance.randrange(n)))

    def program(*leaves):
        nodes = list(leaves)
        for f, *operands in steps:
            operands = [nodes[i] for i in operands]
            try:
                nodes.append(f(*operands))
            except (ArithmeticError, ValueError):
                nodes.append(operands[0] + operands[-1])
        root = nodes[-1]
        for node in nodes[3:-1]:
            root = root + node
        return root
    return program


def on_the_second(f):
    return lambda a, b: f(b)


# For the classes of results where a subclass is among the operands: a is of the class, b of the subclass.
MIXED = {
    "__add__": (lambda a, b: a + b, lambda a, b: b + a, lambda a, b: b + 1.5),
    "__mul__": (lambda a, b: a * b, lambda a, b: b * a, lambda a, b: b * 1.5),
    "__sub__": (lambda a, b: a - b, lambda a, b: b - a, lambda a, b: b - 1.5),
    "__truediv__": (lambda a, b: a / b, lambda a, b: b / a, lambda a, b: b / 1.5),
    "__pow__": (lambda a, b: b ** 2,), "__neg__": (lambda a, b: -b,), "__abs__": (lambda a, b: abs(b),),
    "__radd__": (lambda a, b: 1.5 + b,), "__rmul__": (lambda a, b: 1.5 * b,), "__rsub__": (lambda a, b: 1.5 - b,),
    "__rtruediv__": (lambda a, b: 1.5 / b,), "__rpow__": (lambda a, b: 1.5 ** b,),
    **{name: (on_the_second(operator.methodcaller(name)),) for name in FUNCTIONS},
}
