"""The expressions on which an author's class is compared with its twin, and the comparison in words."""
EXTREMES = (0, 0.0, -0.0, 1000.0, -1000.0, float("inf"), float("-inf"), float("nan"))
FUNCTIONS = ("exp", "log", "relu", "tanh", "sigmoid", "sqrt", "sin", "cos", "abs")


def twice(f):
    """A function's result on its own, with each operand used twice, and with the result used twice."""
    return [f, lambda *x: f(*x) + f(*x), lambda *x: (lambda y: y * y)(f(*x))]


def unary(name):
    return twice(lambda a: getattr(a, name)()), [[x] for x in
                                                        (0.7, -1.3, 2.5, 2, -3, 30.0, *EXTREMES)]


def binary(f):
    pairs = [[0.7, -1.3], [2, 3], [2.5, -2], [-3, 0.5], [0.0, 4.0], [3, 3], [-0.0, 0.0], [-0.0, -1.0],
             [float("inf"), -2.0], [0.5, float("nan")], [float("inf"), 0.0], [-1.0, float("-inf")]]
    return [*twice(f), lambda a, b: f(a, a)], pairs


def with_number(f):
    """Operations with a plain number for the other operand."""
    makes = [g for number in (3, 2.5, -1, 0) for g in twice(lambda a, number=number: f(a, number))]
    return makes, [[0.7], [-1.3], [2], [0.0]]


def powers():
    """Not of what would be a complex number."""
    return [([g for n in numbers for g in twice(lambda a, n=n: a ** n)], values)
            for numbers, values in (((2, 3, -1, 2.0, 1, 0, -2), [[0.7], [2.5], [2], [-1.3], [-3], [0.0]]),
                                    ((0.5, -0.5, 1.5), [[0.7], [2.5], [2], [0.0]]))]


# In this order, since later ones are made of earlier ones.
EXPERIMENTS = {
    "__add__": [binary(lambda a, b: a + b), with_number(lambda a, n: a + n)],
    "__mul__": [binary(lambda a, b: a * b), with_number(lambda a, n: a * n)],
    "__pow__": powers(),
    "__neg__": [(twice(lambda a: -a), [[0.7], [2], [-1.3], [0.0]])],
    "__radd__": [with_number(lambda a, n: n + a)],
    "__rmul__": [with_number(lambda a, n: n * a)],
    "__sub__": [binary(lambda a, b: a - b), with_number(lambda a, n: a - n)],
    "__rsub__": [with_number(lambda a, n: n - a)],
    "__truediv__": [binary(lambda a, b: a / b), with_number(lambda a, n: a / n)],
    "__rtruediv__": [with_number(lambda a, n: n / a)],
    "__rpow__": [with_number(lambda a, n: n ** a)],
    "__abs__": [(twice(abs), [[0.7], [2], [-1.3], [0.0], [-0.0], [float("nan")]])],
    **{name: [unary(name)] for name in ("exp", "log", "relu", "tanh", "sigmoid", "sqrt", "sin", "cos", "abs")},
}
OPERATIONS = {"+": lambda a: a + a, "*": lambda a: a * a, "exp": lambda a: a.exp(), "log": lambda a: a.log(),
              "ReLU": lambda a: a.relu(), "tanh": lambda a: a.tanh(), "sigmoid": lambda a: a.sigmoid(),
              "sqrt": lambda a: a.sqrt(), "sin": lambda a: a.sin(), "cos": lambda a: a.cos(), "abs": lambda a: a.abs()}


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
EXTREMES = (0, 0.0, -0.0, 1000.0, -1000.0, float("inf"), float("-inf"), float("nan"))
FUNCTIONS = ("exp", "log", "relu", "tanh", "sigmoid", "sqrt", "sin", "cos", "abs")
PAIRS = {"__add__": lambda a, b: a + b, "__mul__": lambda a, b: a * b, "__sub__": lambda a, b: a - b,
         "__truediv__": lambda a, b: a / b}


def random_program(chance, cls):
    """A function of three leaves that does a dozen operations of those that the class has."""
    steps = []
    functions = [name for name in FUNCTIONS if name in vars(cls)]
    pairs = [f for name, f in PAIRS.items() if name in vars(cls)]
    for i in range(12):
        n = 3 + i
        kind = chance.random()
        if kind < 0.15 and functions:
            steps.append(("function", chance.choice(functions), chance.randrange(n)))
        elif kind < 0.3:
            steps.append(("number", chance.choice(pairs), chance.randrange(n), chance.choice([2, 0.5, -1, 3.0])))
        elif kind < 0.4 and "__pow__" in vars(cls):
            steps.append(("number", lambda a, n: a ** n, chance.randrange(n), chance.choice([2, 3])))
        else:
            steps.append(("pair", chance.choice(pairs), chance.randrange(n), chance.randrange(n)))

    def program(*leaves):
        nodes = list(leaves)
        for what, f, i, *j in steps:
            if what == "function":
                try:
                    nodes.append(getattr(nodes[i], f)())
                except (ArithmeticError, ValueError):
                    nodes.append(nodes[i] + 1)
            elif what == "number":
                nodes.append(f(nodes[i], *j))
            else:
                try:
                    nodes.append(f(nodes[i], nodes[j[0]]))
                except (ArithmeticError, ValueError):
                    nodes.append(nodes[i] * nodes[j[0]])
        root = nodes[-1]
        for node in nodes[3:-1]:
            root = root + node
        return root
    return program


def describe(seen, wanted, values):
    at = ", ".join(map(repr, values))
    if wanted[0] == seen[0] == "error" and wanted[1] == seen[1]:
        return f"at {at} ours raises {wanted[1]} at another time"
    if wanted[0] == "error" or seen[0] == "error":
        one = f"raises {wanted[1]}" if wanted[0] == "error" else "doesn't raise"
        other = f"raises {seen[1]}" if seen[0] == "error" else "doesn't raise"
        return f"at {at} it {one}, ours {other}"
    if not isinstance(wanted[0], tuple) or not isinstance(seen[0], tuple):
        return f"at {at} it returns something else"
    if wanted[0][0] != seen[0][0]:
        return f"at {at} it gives {wanted[0][0][1]}, ours {seen[0][0][1]}"
    if wanted[0] != seen[0]:
        return "it makes another graph than ours"
    if wanted[-1] != seen[-1]:
        return "it prints something"
    return f"at {at} it gives other gradients than ours"
