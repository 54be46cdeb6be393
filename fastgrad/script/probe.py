"""Observe what a script could see of an expression, and compare two observations.

`observe` runs an expression and notes its numbers and their types, names of operations, operands, gradients and errors.
judge.py compares the observation of the author's class with that of ours.
"""
import math

from fastgrad.script.sandbox import TRIAL_ERRORS
from fastgrad.script.written import names, point, written


# Gradients with which a root's closure is called by hand, each with the one that its operands have before. A closure
# may treat 0, inf and nan in another way. With numbers of many digits (x * n) * g has other last bits than x * (n * g),
# and (before + x) + y others than before + (x + y).
DIGITS = (-0.3, 0.7, 1.1, -1.9, 0.0371, 777.7, 1.0 / 3.0)
DIGITS_AFTER = ((0.7, 0.1), (-2.3, 1.0 / 3.0), (1.9, -0.1))
GRADIENTS = (*((g, 0.0) for g in (0.0, math.inf, math.nan, *DIGITS)), *DIGITS_AFTER)


def seen_number(x):
    return type(x).__name__, repr(x)


def observe(make, cls, dialect, values, *, times=1, change=False, gradients=(), whole=False):
    """What a script could see of the graph that make(*leaves) builds, and of its gradients after backward().

    values: the leaves' numbers. times: how often backward() is called. change: whether the leaves' and the root's
    numbers and the root's gradient are changed before backward(). gradients: those with which the closures of the root
    and of a leaf are called by hand at the end (passed_on). whole: whether operands are noted, not only hashes of them.
    Returns a list; equal lists look the same to the script.
    """
    data, grad = dialect.data, dialect.grad
    seen, root = [], None
    try:
        leaves = [cls(x) for x in values]
        root = make(*leaves)
        if type(root) is not cls:
            return ["not a node", type(root).__name__]
        seen.append(shape(root, {id(leaf): i for i, leaf in enumerate(leaves)}, dialect, whole))
        if change:
            for x in [*leaves, root]:
                setattr(x, data, getattr(x, data) + 0.5)
            setattr(root, grad, 3.0)
        for _ in range(times):
            seen.append(type(dialect.run_backward(root)).__name__)
            seen.append([seen_number(getattr(x, grad)) for x in [*leaves, root]])
        seen.append(gradients_below(root, dialect))
        seen.append([seen_number(getattr(x, data)) for x in leaves])
    except TRIAL_ERRORS as error:
        seen = ["error", said(error), *seen]
    if root is not None:
        for name in dialect.closure if gradients else ():
            for x in (root, leaves[0]):
                seen += passed_on(x, getattr(x, name, None), leaves, grad, gradients[:None if x is root else 1])
    return seen


def said(error):
    """An error's name, and its words if they are the same in every class."""
    words = str(error) if isinstance(error, (ArithmeticError, ValueError)) else ""
    return f"{type(error).__name__} {words}".strip()


def passed_on(x, closure, leaves, grad, gradients):
    """For each of several gradients of a node x: the gradient, and as text the leaves' gradients after a call of the
    node's closure, and what it returned.

    gradients: pairs of a gradient of the node, and one that the leaves have before the call.
    """
    found = []
    for gradient, before in gradients if callable(closure) else ():
        for leaf in leaves:
            setattr(leaf, grad, before)
        setattr(x, grad, gradient)
        try:
            returned = closure()
            after = repr([getattr(leaf, grad) for leaf in leaves])
            found.append(("from", gradient, after, type(returned).__name__))
        except TRIAL_ERRORS as error:
            found.append(("from", gradient, said(error), ""))
    return found


def shape(x, known, dialect, whole):
    """A node as a tuple: number, names of operations, containers of operands, local derivatives, other attributes, and
    the operands' own tuples, or hashes of these unless whole is true.

    known: a node's id: its tuple, or a leaf's position. Nodes that are seen are added.
    """
    if id(x) in known:
        return known[id(x)]
    below = [shape(child, known, dialect, whole) for child in dialect.children_of(x)]
    if not dialect.is_ordered:
        below.sort(key=hash)
    found = (seen_number(getattr(x, dialect.data)), tuple([getattr(x, name, "missing") for name in dialect.op]),
             tuple([container(getattr(x, name, None)) for name in dialect.children]),
             tuple([tuple(map(seen_number, getattr(x, name))) for name in dialect.local_grads]),
             tuple([(name, getattr(x, name)) for name in dialect.extras]),
             tuple(below) if whole else tuple(map(hash, below)))
    known[id(x)] = found
    return found


def container(x):
    """The name of the type of a container of operands."""
    return type(x).__name__


def gradients_below(root, dialect):
    """The numbers and gradients of all nodes of a graph, sorted, so that the nodes' order doesn't count."""
    nodes, todo = {id(root): root}, [root]
    while todo:
        for child in dialect.children_of(todo.pop()):
            if id(child) not in nodes:
                nodes[id(child)] = child
                todo.append(child)
    return sorted((seen_number(getattr(node, dialect.data)), seen_number(getattr(node, dialect.grad)))
                  for node in nodes.values())


def same(one, other, tolerance=0.0):
    """Whether two observations look the same, with floats within a relative tolerance.

    Since large numbers may have cancelled out, floats may also differ by a thousandth of the tolerance times the
    largest number in the observation.
    """
    return one == other or tolerance > 0.0 and _same(one, other, tolerance, 1e-3 * tolerance * largest(other))


def largest(seen):
    """The largest finite magnitude in an observation."""
    if isinstance(seen, (list, tuple)):
        if len(seen) == 2 and seen[0] == "float":
            x = abs(float(seen[1]))
            return x if x < math.inf else 0.0
        return max(map(largest, seen), default=0.0)
    return 0.0


def _same(one, other, tolerance, slack):
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        if len(one) == 2 and isinstance(one[0], str) and one[0] == other[0] == "float":
            return close(float(one[1]), float(other[1]), tolerance, slack)
        return len(one) == len(other) and all(_same(x, y, tolerance, slack) for x, y in zip(one, other))
    return one == other


def close(x, y, tolerance, slack):
    if x == y == 0.0:
        return math.copysign(1.0, x) == math.copysign(1.0, y)
    return x == y or (x != x and y != y) or abs(x - y) <= tolerance * max(abs(x), abs(y)) + slack


PARTS = ("number", "name of the operation", "container of operands", "local derivatives", "attributes", "operands")


def describe(seen, wanted, values, make, times=1, change=False):
    """How the observation of our class, seen, differs from that of the author's, wanted, in words: the example, and
    which value or derivative it is with either class.

    make, values, times, change: as for observe().
    """
    text = written(make, len(values)) or "the result"
    at = f"at {point(values)}"
    first = next((pair for pair in zip(seen, wanted) if pair[0] != pair[1]), None)
    if first and all(isinstance(part, tuple) and part[:1] == ("from",) for part in first):
        (_, gradient, ours, _), (_, _, theirs, _) = first
        return f"{at} {text} with a gradient of {gradient} passes on {theirs.strip('[]')}, ours {ours.strip('[]')}"
    if wanted[0] == seen[0] == "error" and wanted[1] == seen[1]:
        return f"{at} {text} raises {wanted[1]} at another time than with ours"
    if wanted[0] == "error" or seen[0] == "error":
        one = f"raises {wanted[1]}" if wanted[0] == "error" else "doesn't raise"
        other = f"raises {seen[1]}" if seen[0] == "error" else "doesn't raise"
        return f"{at} {text} {one}, ours {other}"
    if wanted[0] != seen[0]:
        if isinstance(wanted[0], int):          # a leaf's position: see shape()
            return f"{at} {text} is {names(len(values))[wanted[0]]} itself"
        if not isinstance(wanted[0], tuple) or not isinstance(seen[0], tuple):
            return f"{at} {text} is something else"
        return f"{at} {different_part(wanted[0], seen[0], text)}"
    for i in range(2, 2 * times + 1, 2):        # the gradients of the leaves and the root after each backward()
        if wanted[i] == seen[i]:
            continue
        by = [*names(len(values)), "itself"]
        name, theirs, ours = next(each for each in zip(by, wanted[i], seen[i]) if each[1] != each[2])
        when = [" after a second backward()"] if i > 2 else []
        when += [", if .data is changed before backward()"] if change else []
        return f"{at} the derivative of {text} by {name} is {versus(theirs, ours)}{''.join(when)}"
    within = [pair for pair in zip(wanted[2 * times + 1], seen[2 * times + 1]) if pair[0] != pair[1]]
    if within and within[0][0][0] == within[0][1][0]:
        (data, theirs), (_, ours) = within[0]
        return f"{at} the derivative of {text} by its node of value {data[1]} is {versus(theirs, ours)}"
    return f"{at} {text} has other gradients than ours"


def versus(theirs, ours):
    """Two pairs of type and number in words."""
    theirs, ours = ([number, f"{number} ({kind})"][theirs[1] == ours[1]] for kind, number in (theirs, ours))
    return f"{theirs}, ours {ours}"


def different_part(wanted, seen, text):
    """The first part in which the shapes of a result, whose text is given, differ, in words."""
    for part, theirs, ours in zip(PARTS, wanted, seen):
        if theirs == ours:
            continue
        if part == "number":
            return f"the value of {text} is {versus(theirs, ours)}"
        if part == "operands":
            pair = next(((x, y) for x, y in zip(theirs, ours) if x != y and isinstance(x, tuple)
                         and isinstance(y, tuple)), None)
            if pair and len(theirs) == len(ours):
                return different_part(*pair, f"an operand in {text}")
            return f"{text} makes another graph than ours"
        return f"the {part} of {text}: {shown(theirs)}, ours: {shown(ours)}"
    return f"{text} makes another graph than ours"


def shown(part):
    """A part of a shape, which is names or pairs of a type and a number, as text of at most 40 characters."""
    if part and isinstance(part[0], tuple) and part[0] and isinstance(part[0][0], tuple):
        part = [number for _, number in part[0]]
    return ", ".join(map(str, part))[:40]
