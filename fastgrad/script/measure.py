"""Find the dialect of an author's class by trying it.

`measure` makes leaves, a sum and a product, and finds out which attribute holds the number, which the gradient, and
which the operands. It tries only methods that may be tried (closed.py).
"""
import contextlib
import enum
import math
from types import FunctionType

from fastgrad.script.dialect import CONTAINERS, MISSING, Dialect, plain_name
from fastgrad.script.powers import telling
from fastgrad.script.sandbox import TRIAL_ERRORS, NotReplaceable, Untried
from fastgrad.script.trials import NAMED

def is_number(x):
    return type(x) in (int, float)


def attributes(x):
    """The attributes of an instance of a sandbox's class, which has no slots, so that all are in the dict."""
    return dict(vars(x))


def measure(author):
    """Find the dialect of an author's class. Raises NotReplaceable."""
    try:
        dialect = find_roles(author.theirs, author.backward, author.may_try(author.backward))
        dialect.is_deferred = defers_derivatives(author.theirs, dialect)
        find_habits(author.theirs, dialect, author.may_try)
        dialect.results = find_results(author.theirs)
    except Untried as name:
        raise NotReplaceable(f"{name} {author.why_not(str(name))}") from None
    return dialect


def find_roles(cls, backward, backward_is_tried):
    dialect = Dialect(backward)
    dialect.backward_is_tried = backward_is_tried
    try:
        a, b = cls(2.5), cls(-1.25)
        total, product, another = a + b, a * b, b * b
        whole = cls(2)
    except TRIAL_ERRORS as error:
        raise NotReplaceable(f"it can't be tried: {type(error).__name__}: {error}") from None
    if type(total) is not cls or type(product) is not cls:
        raise NotReplaceable("its operations make something else than its instances")
    leaf, inner, other, leaf_b = attributes(a), attributes(product), attributes(total), attributes(b)
    if inner.keys() != other.keys() or not leaf.keys() <= inner.keys():
        raise NotReplaceable("its results have other attributes than its leaves")

    dialect.data = the_only([name for name, x in leaf.items() if type(x) is float and x == 2.5
                             and inner[name] == -3.125], "the number")
    dialect.float_data = type(attributes(whole)[dialect.data]) is float
    for name, result in inner.items():
        x = leaf.get(name, MISSING)
        if name == dialect.data:
            continue
        if type(result) in CONTAINERS and len(result) == 2 and {*map(id, result)} == {id(a), id(b)}:
            if x is not MISSING and x:
                raise NotReplaceable(f"{name!r} of a leaf is {x!r}")
            dialect.children[name] = type(result)
        elif type(result) in (tuple, list) and [*map(is_number, result)] == [True, True] and [*result] == [-1.25, 2.5]:
            dialect.local_grads.append(name)
        elif isinstance(result, (str, enum.Enum)) and result != other[name] and result == vars(another).get(name):
            dialect.op.append(name)
        elif isinstance(result, FunctionType):
            dialect.closure.append(name)
        else:
            continue
        dialect.on_leaf[name] = x
    if len(dialect.closure) > 1 or len(dialect.op) > 1:
        names = dialect.closure if len(dialect.closure) > 1 else dialect.op
        raise NotReplaceable(f"{names[0]!r} and {names[1]!r} hold the same kind of thing")
    if any(x is not MISSING and x is leaf_b.get(name) and isinstance(x, (list, set, dict))
           for name, x in leaf.items()):
        raise NotReplaceable("its instances share a list")
    if not dialect.children:
        raise NotReplaceable("no attribute holds the operands")
    if not dialect.closure and not dialect.local_grads:
        raise NotReplaceable("no attribute holds the derivatives")

    gradients = [name for name, x in leaf.items() if is_number(x) and x == 0 and name != dialect.data]
    after_a, after_b, root = find_gradient(dialect, gradients, a, b, product)
    dialect.float_grad = type(leaf[dialect.grad]) is float
    if (type(attributes(whole)[dialect.grad]) is float) is not dialect.float_grad:
        raise NotReplaceable("whether a new gradient is an int depends on the number")
    dialect.float_seed = type(root[dialect.grad]) is float
    for name, x in leaf.items():
        if name in dialect.fields:
            continue
        if type(x) in (str, bool, int, float, type(None)) \
                and x == inner[name] == other[name] == leaf_b[name] == after_a[name] == root[name]:
            dialect.extras[name] = x
        elif x != leaf_b[name] or x != inner[name]:
            raise NotReplaceable(f"its attribute {name!r} isn't understood: {x!r:.30} of one instance is "
                                 f"{inner[name]!r:.30} of another")
        else:
            raise NotReplaceable(f"its attribute {name!r} isn't understood")
    if unknown := inner.keys() - leaf.keys() - dialect.fields:
        raise NotReplaceable(f"its results have {min(unknown)!r}, its leaves not")
    dialect.names.extend(inner)
    if root.keys() != inner.keys():
        raise NotReplaceable(f"{backward}() adds attributes")
    return dialect


def the_only(names, what):
    if len(names) != 1:
        raise NotReplaceable(f"no attribute holds {what}, or several do")
    return names[0]


def find_gradient(dialect, candidates, a, b, product):
    """Set dialect.grad to one of the candidates. Returns the attributes of two leaves and their product after
    backward(). Raises NotReplaceable if not exactly one candidate holds the gradient."""
    def has_gradients(name):
        return [*map(is_number, seen := [attributes(x)[name] for x in (a, b, product)])] == [True] * 3 \
            and seen == [-1.25, 2.5, 1]

    what = f"the gradient after {dialect.backward}()"
    try:
        if dialect.backward_is_tried:
            dialect.run_backward(product)
            dialect.grad = the_only([name for name in candidates if has_gradients(name)], what)
        else:
            found = []
            for dialect.grad in candidates:
                before = [(x, attributes(x)) for x in (a, b, product)]
                with contextlib.suppress(*TRIAL_ERRORS):
                    dialect.run_backward(product)
                found += [dialect.grad] if has_gradients(dialect.grad) else []
                for x, state in before if len(candidates) > 1 else ():
                    vars(x).update(state)
            dialect.grad = the_only(found, what)
    except TRIAL_ERRORS as error:
        raise error if isinstance(error, NotReplaceable) else NotReplaceable(
            f"{dialect.backward}() can't be tried: {type(error).__name__}: {error}") from None
    return attributes(a), attributes(b), attributes(product)


def defers_derivatives(cls, dialect):
    """Whether local derivatives are computed in backward(), from the data at that time."""
    a, b = cls(2.0), cls(3.0)
    product = a * b
    setattr(b, dialect.data, 5.0)
    dialect.run_backward(product)
    return getattr(a, dialect.grad) == 5.0


def find_habits(cls, dialect, may_try):
    """Note the class's names of operations, whether its relu is more like micrograd's than like microgpt's, and how its
    tanh's derivative is written.

    may_try: a function that says whether the method with a name is to be tried.
    """
    if may_try("relu"):
        with contextlib.suppress(*TRIAL_ERRORS, Untried):
            dialect.micrograd_relu = repr(getattr(cls(-0.0).relu(), dialect.data)) == "-0.0"
            note_step(dialect, a := cls(-2.5), a.relu())
    if may_try("tanh"):
        with contextlib.suppress(*TRIAL_ERRORS, Untried):
            dialect.tanh_by_power = all(derivative(dialect, a := cls(x), a.tanh()) == 1 - math.tanh(x) ** 2
                                        for x in telling("tanh"))
    for name, (method, make) in NAMED.items():
        if may_try(method):
            with contextlib.suppress(*TRIAL_ERRORS, Untried):
                note_result(dialect, name, make(cls(0.7)))
    if may_try("__pow__"):
        with contextlib.suppress(*TRIAL_ERRORS, Untried):
            square, cube = cls(0.7) ** 2, cls(0.7) ** 3
            note_result(dialect, "**", square, is_named=False)
            if dialect.op and getattr(square, dialect.op[0]) == getattr(cube, dialect.op[0]):
                dialect.op_names["**"] = getattr(square, dialect.op[0])


def derivative(dialect, a, y):
    """The derivative of y, which was made of a alone, by a."""
    if not dialect.closure:
        return getattr(y, dialect.local_grads[0])[0]
    setattr(a, dialect.grad, 0)
    setattr(y, dialect.grad, 1)
    getattr(y, dialect.closure[0])()
    return getattr(a, dialect.grad)


def note_step(dialect, a, y):
    """Note if relu's derivative, 1 or 0, has another type (int or float) than that of our relu in this dialect. The
    trials can't see that, since their gradients are floats."""
    kind = type(derivative(dialect, a, y))
    if (kind is int) != dialect.micrograd_relu:
        dialect.unlike["relu"] = f"at -2.5 its derivative is of type {kind.__name__}"


def note_result(dialect, name, result, is_named=True):
    """Note the class's name of an operation, and the container of the result's operands. name: our name of it."""
    if is_named and dialect.op and getattr(result, dialect.op[0]) != name:
        dialect.op_names[name] = getattr(result, dialect.op[0])
    label = getattr(result, dialect.op[0]) if dialect.op else name
    for field_name, usual in dialect.children.items():
        kind = type(getattr(result, field_name))
        if kind is not usual and kind in CONTAINERS:
            dialect.kinds[field_name, plain_name(label)] = kind


def find_results(cls):
    """The rule for the class of results with an operand of a subclass, as a number (Results in state.pxi)."""
    derived = type("Derived", (cls,), {})
    base, more = cls(2.0), derived(3.0)
    rules = {(derived, derived, derived): 0, (derived, cls, derived): 1, (cls, cls, cls): 2}
    try:
        found = {(type(f(more, more)), type(f(base, more)), type(f(more, base)))
                 for f in (lambda a, b: a + b, lambda a, b: a * b)}
    except TRIAL_ERRORS:
        found = {}
    if len(found) != 1 or (rule := rules.get(*found)) is None:
        raise NotReplaceable("its subclasses' results aren't understood")
    return rule
