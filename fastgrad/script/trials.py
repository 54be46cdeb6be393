"""The expressions on which an author's class is compared with its twin.

An experiment is (f, values): a function of Values, and numbers to call it with.
"""
from fastgrad.script.powers import telling
from fastgrad.value.operations import FUNCTIONS, OPERATIONS

EXTREMES = (0, 0.0, -0.0, 1000.0, -1000.0, float("inf"), float("-inf"), float("nan"))
BY_METHOD = {x.method: x for x in OPERATIONS}
REFLECTED = {x.reflected: lambda a, n, f=x.call: f(n, a) for x in OPERATIONS if x.reflected}
# The operations' methods in the table's order: later ones are made of earlier ones.
METHODS = tuple(name for x in OPERATIONS for name in (x.method, x.reflected) if name)
# What `_op` shows: the method that makes it, and a function that calls it on one Value. Powers have different names.
NAMED = {x.shown: (x.method, x.call if x.n_operands == 1 else lambda a, f=x.call: f(a, a))
         for x in OPERATIONS if x.derivatives and x.method != "__pow__"}


def twice(f):
    """Two functions: one uses each operand of f twice, the other uses f's result twice."""
    return [lambda *x: f(*x) + f(*x), lambda *x: (lambda y: y * y)(f(*x))]


def experiments(name):
    """The list of experiments with a method. name: the method's."""
    if name == "__pow__":
        return powers()
    if name in REFLECTED:
        return with_number(REFLECTED[name])
    operation = BY_METHOD[name]
    if operation.n_operands == 2:
        return binary(operation.call) + with_number(operation.call)
    return unary(operation.call, (*operation.awkward, *telling(name)))


def unary(f, awkward):
    values = [[x] for x in (0.7, -1.3, 2.5, 2, -3, 30.0, 0.5, 1.0, -1.0, -0.5, *EXTREMES, *awkward)]
    return [(f, x) for x in values] + [(g, x) for g in twice(f) for x in values[:3]]


def binary(f):
    inf, nan = float("inf"), float("nan")
    pairs = [[0.7, -1.3], [2, 3], [2.5, -2], [-3, 0.5], [0.0, 4.0], [3, 3], [-0.0, 0.0], [-0.0, -1.0], [inf, -2.0],
             [0.5, nan], [inf, 0.0], [-1.0, -inf], [1e200, 1e200], [-1e308, -1e308], [1, 1], [1.0, 0.5]]
    return [(f, x) for x in pairs] + [(g, x) for g in (*twice(f), lambda a, b: f(a, a)) for x in pairs[:3]]


def with_number(f):
    """Experiments with a plain number for the other operand."""
    found = [(lambda a, n=n: f(a, n), [x]) for n in (3, 2.5, -1, 0) for x in (0.7, -1.3, 2, 0.0)]
    found += [(lambda a, n=n: f(a, n), [0.7]) for n in (1, 0.5, 2)]
    return found + [(g, [x]) for g in twice(lambda a: f(a, 2.5)) for x in (0.7, -1.3)]


def powers():
    """Experiments with powers that have real results."""
    found = [(lambda a, n=n: a ** n, [x]) for n in (2, 3, -1, 2.0, 1, 0, -2) for x in (0.7, 2.5, 2, -1.3, -3, 0.0)]
    found += [(lambda a, n=n: a ** n, [x]) for n in (0.5, -0.5, 1.5) for x in (0.7, 2.5, 2, 0.0)]
    found += [(lambda a, n=n: a ** n, [x])
              for n, x in ((200, 1000.0), (2, -1e200), (-2, 1e-200), (-1, 1e-200), (3, 1e150))]
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
    (lambda a, b: a, [2.0, 0.5]),
    # gradients of 0, inf and nan that come to local derivatives of 0, inf and nan
    (lambda a, b: (a * b) * 0.0 + a, [3.0, float("inf")]),
    (lambda a, b: (a * b) * 0 + a, [3, float("nan")]),
    (lambda a, b: (a * 0.0) * b, [3.0, float("inf")]),
    (lambda a, b: (a * 0) * b + a, [3.0, float("nan")]),
    (lambda a, b: (a + b) * 0.0 + a * b, [0.0, float("-inf")]),
]


def is_root(function):
    """Whether a function is a root of non-negative numbers. Of others an author's may be complex, as `x ** 0.5` is."""
    return function.raises.get("ValueError") == "{a} < 0"


def of_square(function):
    return lambda a: function.call(a * a)


def random_program(chance, names):
    """A function of three leaves that does a dozen operations. chance: a random.Random. names: the methods that it may
    use."""
    steps = []
    functions = [of_square(x) if is_root(x) else x.call for x in FUNCTIONS if x.method in names]
    pairs = [x.call for x in OPERATIONS if x.n_operands == 2 and x.method in names - {"__pow__"}]
    for i in range(12):
        n = 3 + i
        kind = chance.random()
        if kind < 0.15 and functions:
            steps.append((chance.choice(functions), chance.randrange(n)))
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


def mixed(f, n_operands):
    """Functions of (a, b) that call an operation with an operand of a subclass. a: of the class. b: of the subclass."""
    if n_operands == 1:
        return (lambda a, b: f(b),)
    return f, lambda a, b: f(b, a), lambda a, b: f(b, 1.5)


MIXED = {**{x.method: mixed(x.call, x.n_operands) for x in OPERATIONS},
         **{name: (lambda a, b, f=f: f(b, 1.5),) for name, f in REFLECTED.items()},
         "__pow__": (lambda a, b: b ** 2,)}
