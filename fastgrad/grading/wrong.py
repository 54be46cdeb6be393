"""What people get wrong in a derivative, in a value and in the order of backward(), and what they'd compute then.

A mistake is named if what it would compute is what the class computed, at every point that was tried.
"""
import math

# By method: (operand or None for any, wrong local derivative, what to say). In the formulas x and y are the operands'
# numbers, t is the result's, and r the right local derivative.
DERIVATIVES = {
    "__add__": [(None, "-1", "the sign is wrong: a sum passes its gradient on as it is"),
                (None, "x", "the local derivative of a sum is 1, not the operand's data"),
                (None, "y", "the local derivative of a sum is 1, not the other operand's data")],
    "__mul__": [("a", "x", "its own data where the other operand's belongs (`other.data`)"),
                ("b", "y", "its own data where the other operand's belongs (`self.data`)"),
                (None, "1", "the local derivative of a product is the other operand's data, and yours is 1"),
                (None, "x + y", "the local derivative of a product is the other operand's data, not the sum of both")],
    "__sub__": [("b", "1", "the sign is wrong: a - b falls when b grows, so b's local derivative is -1"),
                ("a", "-1", "the sign is wrong: a - b grows with a, so a's local derivative is 1")],
    "__truediv__": [("b", "x / y ** 2", "the sign is wrong: a / b falls when b grows, so it is -a / b ** 2"),
                    ("b", "-1 / y ** 2", "the numerator is missing: b's local derivative is -a / b ** 2"),
                    ("b", "-x / y", "the square is missing: b's local derivative is -a / b ** 2"),
                    ("b", "x", "that is the derivative of a product: b's is -a / b ** 2"),
                    ("b", "1 / x", "b's local derivative is -a / b ** 2"),
                    ("a", "y", "that is the derivative of a product: a's is 1 / b"),
                    ("a", "1 / x", "a's local derivative is 1 / b, not 1 / a"),
                    ("a", "1", "a's local derivative is 1 / b, and yours is 1")],
    "__neg__": [(None, "1", "the sign is missing: the local derivative of -a is -1")],
    "__pow__": [(None, "y * x ** y", "the exponent isn't lowered: n * x**n where n * x**(n - 1) belongs"),
                (None, "x ** (y - 1)", "the factor n is missing: x**(n - 1) where n * x**(n - 1) belongs"),
                (None, "(y - 1) * x ** (y - 1)", "the factor is n, not n - 1: n * x**(n - 1)"),
                (None, "(y - 1) * x ** y", "n and n - 1 have changed places: n * x**(n - 1)"),
                (None, "y * x ** (y + 1)", "the exponent is raised: n * x**(n + 1) where n * x**(n - 1) belongs"),
                (None, "y * x", "n * x where n * x**(n - 1) belongs"),
                ("b", "y * x ** (y - 1)", "that is the derivative by the base; by the exponent it's log(a) * a**b"),
                ("b", "x ** y", "the factor log(a) is missing"),
                (None, "2 * x", "that is right for squares only: n * x**(n - 1)"),
                (None, "y", "only the exponent n, where n * x**(n - 1) belongs"),
                (None, "y * t ** (y - 1)", "the result where the base belongs: n * x**(n - 1)"),
                (None, "x ** y * log(x)", "that is the derivative by the exponent; by the base it is n * x**(n - 1)")],
    "__rpow__": [(None, "y * x ** (y - 1)", "that is the derivative by the base; by the exponent it's out * log(base)"),
                 (None, "t", "the factor log(base) is missing")],
    "exp": [(None, "x", "the operand's data, x, where the result belongs (`out.data`)"),
            (None, "x * exp(x - 1)", "that is the rule for powers: the derivative of exp is exp itself (`out.data`)"),
            (None, "exp(t)", "exp is taken twice: the derivative is `out.data` itself")],
    "log": [(None, "1 / t", "the result where the operand belongs: 1 / x, and x is `self.data`"),
            (None, "x", "x where 1 / x belongs"),
            (None, "1 / x ** 2", "1 / x**2 where 1 / x belongs"),
            (None, "-1 / x ** 2", "that is the second derivative: 1 / x belongs there")],
    "tanh": [(None, "1 - x ** 2", "1 - x**2 where 1 - t**2 belongs: t is the result (`out.data`), not the operand"),
             (None, "1 - t", "the square is missing: 1 - t**2, and t is the result"),
             (None, "1 + t ** 2", "the sign is wrong: 1 - t**2, and t is the result"),
             (None, "t ** 2 - 1", "the sign is wrong: 1 - t**2, and t is the result"),
             (None, "t * (1 - t)", "that is sigmoid's derivative: 1 - t**2 belongs there"),
             (None, "1 - tanh(t) ** 2", "tanh is taken twice: 1 - t**2, and t is the result")],
    "sigmoid": [(None, "x * (1 - x)", "x * (1 - x) where s * (1 - s) belongs: s is the result (`out.data`)"),
                (None, "1 - t ** 2", "that is tanh's derivative: s * (1 - s) belongs there"),
                (None, "1 - t", "the factor s is missing: s * (1 - s), and s is the result"),
                (None, "t * (1 + t)", "the sign is wrong: s * (1 - s), and s is the result"),
                (None, "t * (t - 1)", "the sign is wrong: s * (1 - s), and s is the result"),
                (None, "1 / (1 + exp(-t)) * (1 - 1 / (1 + exp(-t)))",
                 "sigmoid is taken twice: s * (1 - s), and s is the result")],
    "relu": [(None, "1", "below 0 relu is flat: the gradient passes only where the result is above 0"),
             (None, "x", "the operand's data where 1 belongs above 0, and 0 below"),
             (None, "max(0, x)", "the result where 1 belongs above 0: `(out.data > 0)`, not `out.data`"),
             (None, "1 if x < 0 else 0", "the comparison is turned round: above 0 the gradient passes")],
    "sqrt": [(None, "0.5 / x", "the operand where its root belongs: 0.5 / sqrt(x)"),
             (None, "1 / t", "the factor 0.5 is missing: 0.5 / sqrt(x)"),
             (None, "0.5 * t", "0.5 * sqrt(x) where 0.5 / sqrt(x) belongs")],
    "sin": [(None, "-cos(x)", "the sign is wrong: the derivative of sin is cos"),
            (None, "cos(t)", "the result where the operand belongs: cos(x), and x is `self.data`")],
    "cos": [(None, "sin(x)", "the sign is wrong: the derivative of cos is -sin"),
            (None, "-sin(t)", "the result where the operand belongs: -sin(x), and x is `self.data`")],
    "abs": [(None, "1", "below 0 abs falls: the derivative is the sign of x"),
            (None, "t", "the result where the sign of x belongs"), (None, "x", "x where the sign of x belongs")],
}
ANY_DERIVATIVE = [
    (None, "-r", "the sign is wrong"),
    (None, "1", "the local derivative is missing: `out.grad` is passed on unchanged"),
    (None, "t", "the result itself where its derivative belongs"),
    (None, "x", "the operand's data where the derivative belongs"),
    (None, "2 * r", "twice what is right"),
    (None, "r / 2", "half of what is right"),
    (None, "floor(r)", "it's rounded down to a whole number: `//` or int() has no place there"),
]
# What stands in the place of out.grad: (the factor, what to say). ga, gb: the gradients that the operands had before.
FACTORS = [
    ("t", "`out.data` where `out.grad` belongs"),
    ("x", "`self.data` where `out.grad` belongs"),
    ("da", "`self.grad` where `out.grad` belongs: the left operand's gradient, just computed"),
]
VALUES = {
    "__sub__": [("y - x", "the operands have changed places"), ("x + y", "it adds")],
    "__truediv__": [("x // y", "`//` where `/` belongs: that divides whole numbers"),
                    ("y / x", "the operands have changed places"), ("x * y", "it multiplies")],
    "__add__": [("x * y", "it multiplies"), ("x - y", "it subtracts")],
    "__mul__": [("x + y", "it adds"), ("x / y", "it divides")],
    "__neg__": [("x", "the sign is missing")],
    "__pow__": [("x * y", "it multiplies"), ("y ** x", "base and exponent have changed places"),
                ("x ** int(y)", "the exponent is cut to a whole number")],
    "relu": [("x", "it lets negative numbers through"), ("min(0, x)", "min where max belongs"),
             ("abs(x)", "that is abs")],
    "tanh": [("(exp(x) - 1) / (exp(x) + 1)", "exp(x) where exp(2 * x) belongs: (exp(2x) - 1) / (exp(2x) + 1)"),
             ("(exp(2 * x) + 1) / (exp(2 * x) - 1)", "numerator and denominator have changed places"),
             ("1 / (1 + exp(-x))", "that is sigmoid"), ("tan(x)", "that is tan")],
    "sigmoid": [("1 / (1 + exp(x))", "exp(x) where exp(-x) belongs: 1 / (1 + exp(-x))"), ("tanh(x)", "that is tanh")],
    "log": [("log10(x)", "that is the logarithm to base 10"), ("log2(x)", "that is the logarithm to base 2")],
    "exp": [("2 ** x", "base 2 where base e belongs"), ("10 ** x", "base 10 where base e belongs")],
}
CUT = [("floor", "rounded down"), ("round", "rounded"), ("trunc", "cut")]
MATH = {**{name: x for name, x in vars(math).items() if not name.startswith("_")}, "max": max, "min": min, "abs": abs,
        "int": int, "round": round, "__builtins__": {}}


def compute(formula, names):
    """A formula's value, or None where it has none."""
    try:
        found = eval(formula, MATH, names)
        return None if isinstance(found, complex) else float(found)
    except (ArithmeticError, ValueError, TypeError, NameError):
        return None


# ---- Orders of backward(), on the oracle's graph ----

def gradients_by(order, root, leaves):
    """The gradients of leaves if nodes pass theirs on in this order. leaves: by name."""
    grads = {id(root): 1.0}
    for v in order:
        for child, local in zip(v._children, v._local_grads):
            grads[id(child)] = grads.get(id(child), 0.0) + local * grads.get(id(v), 0.0)
    return {name: float(grads.get(id(v), 0.0)) for name, v in leaves.items()}


def children_of(v, turned, once):
    """turned: the last one first. once: as a set has them."""
    children = list({id(x): x for x in v._children}.values()) if once else list(v._children)
    return children[::-1] if turned else children


def post_order_twice(root, children):
    """Reversed post-order by a recursion that doesn't remember where it has been."""
    order = []

    def walk(v):
        for child in children(v):
            walk(child)
        order.append(v)
    walk(root)
    return order[::-1]


def pre_order_twice(root, children):
    """Each node as soon as it's met, each time that it's met."""
    order = []

    def walk(v):
        order.append(v)
        for child in children(v):
            walk(child)
    walk(root)
    return order


def pre_order_once(root, children):
    order, seen = [], set()

    def walk(v):
        if id(v) not in seen:
            seen.add(id(v))
            order.append(v)
            for child in children(v):
                walk(child)
    walk(root)
    return order


def breadth_first_once(root, children):
    order, seen = [root], {id(root)}
    for v in order:
        for child in children(v):
            if id(child) not in seen:
                seen.add(id(child))
                order.append(child)
    return order


def breadth_first_twice(root, children):
    order = [root]
    for v in order:
        order += children(v)
    return order


def stack_once(root, children):
    """From a stack; a node is marked when it's taken off."""
    order, seen, todo = [], set(), [root]
    while todo:
        v = todo.pop()
        if id(v) not in seen:
            seen.add(id(v))
            order.append(v)
            todo += children(v)
    return order


def stack_marked_early(root, children):
    """From a stack; a node is marked when it's put on."""
    order, seen, todo = [], {id(root)}, [root]
    while todo:
        v = todo.pop()
        order.append(v)
        for child in children(v):
            if id(child) not in seen:
                seen.add(id(child))
                todo.append(child)
    return order


ORDERS = (
    ("visits-twice", (post_order_twice, pre_order_twice, breadth_first_twice)),
    ("no-topological-order", (breadth_first_once, pre_order_once, stack_once, stack_marked_early)),
)


def codes_of(seen_grads, root, leaves):
    """The codes of the mistakes in the order of backward() that give these gradients. root, leaves: the oracle's."""
    codes = set()
    for code, walks in ORDERS:
        for walk in walks:
            for turned, once in ((False, False), (False, True), (True, False), (True, True)):
                order = walk(root, lambda v, turned=turned, once=once: children_of(v, turned, once))
                found = gradients_by(order, root, leaves)
                if all(abs(found[name] - x) <= 1e-9 * max(1.0, abs(x)) for name, x in seen_grads.items()):
                    codes.add(code)
    return codes
