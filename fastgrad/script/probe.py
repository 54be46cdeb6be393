"""What a teaching script's engine class does, found out by trying it on small expressions.

`Sandbox` is a copy of the class to try things on: it has the author's code, but its globals are a copy of the
module's, so that nothing the trials do is left behind. `find_roles` makes a leaf, a sum and a product and sees which
attribute holds the number, which the gradient, which the operands. `observe` runs an expression and notes all that a
script could see of it: numbers and whether they are ints, names of operations, operands, gradients, errors, what is
printed. twin.py compares what it sees of the author's class with what it sees of ours.
"""
import contextlib
import io
import math
import random
import sys
from dataclasses import dataclass, field
from types import CellType, FunctionType, MemberDescriptorType

TRIAL_ERRORS = (Exception, SystemExit, GeneratorExit)


class NotReplaceable(Exception):
    """Why a class is kept as it is."""


# ---- A copy to try things on ----

class Sandbox:
    """Functions of a module with globals of their own, in which a class goes by the name that it will have."""

    def __init__(self, cls, module_globals):
        self.original = cls
        self.real_globals = module_globals
        self.globals = dict(module_globals)
        for name, thing in module_globals.items():
            if isinstance(thing, FunctionType) and thing.__globals__ is module_globals:
                self.globals[name] = self._function(thing)
        self.cell = CellType()                 # of the class, for `super()` and for classes made in a function
        attributes = {name: self.copy(thing) for name, thing in vars(cls).items()
                      if not isinstance(thing, MemberDescriptorType)
                      and name not in ("__dict__", "__weakref__", "__slots__")}
        self.cls = type(cls.__name__, (), attributes)
        self.bind(self.cls)

    def bind(self, cls):
        """Let the class's name mean cls in the sandbox."""
        self.globals[self.original.__name__] = cls
        self.cell.cell_contents = cls

    def copy(self, thing):
        """A function, method or property as it is in the sandbox; anything else as it is."""
        if isinstance(thing, FunctionType):
            return self._function(thing)
        if isinstance(thing, (staticmethod, classmethod)):
            return type(thing)(self.copy(thing.__func__))
        if isinstance(thing, property):
            return property(*[f and self.copy(f) for f in (thing.fget, thing.fset, thing.fdel)], thing.__doc__)
        return thing

    def _function(self, function):
        if function.__globals__ is not self.real_globals:
            return function
        cells = function.__closure__
        if cells is not None:
            cells = tuple(self.cell if name in ("__class__", self.original.__name__) else cell
                          for name, cell in zip(function.__code__.co_freevars, cells))
            cells = tuple(CellType(self._function(cell.cell_contents)) if holds_function(cell) else cell
                          for cell in cells)
        copy = FunctionType(function.__code__, self.globals, function.__name__, function.__defaults__, cells)
        copy.__kwdefaults__ = function.__kwdefaults__
        return copy


def holds_function(cell):
    """Whether a variable of an enclosing function holds a function: what a decorator wraps."""
    try:
        return isinstance(cell.cell_contents, FunctionType)
    except ValueError:              # it's empty
        return False


def names_used(code):
    """All global names and attributes that a code object and the functions within it use."""
    return {name for each in codes_of(code) for name in each.co_names}


def codes_of(code):
    """A code object and those of the functions within it."""
    yield code
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            yield from codes_of(constant)


def functions_of(cls):
    """The functions in a class's body, those of properties and static methods included."""
    for thing in vars(cls).values():
        if isinstance(thing, property):
            yield from (f for f in (thing.fget, thing.fset, thing.fdel) if isinstance(f, FunctionType))
        thing = getattr(thing, "__func__", thing)
        if isinstance(thing, FunctionType):
            yield thing


@contextlib.contextmanager
def quiet():
    """Nothing that happens within is seen outside: printing, random numbers, the recursion limit."""
    limit, randoms, out = sys.getrecursionlimit(), random.getstate(), io.StringIO()
    numpy = sys.modules.get("numpy")
    numpy_randoms = numpy.random.get_state() if numpy else None
    stdin = sys.stdin
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        sys.stdin = io.StringIO()
        try:
            yield out
        finally:
            sys.stdin = stdin
            sys.setrecursionlimit(limit)
            random.setstate(randoms)
            if numpy:
                numpy.random.set_state(numpy_randoms)


# ---- Which attribute is what ----

@dataclass
class Roles:
    data: str = ""
    grad: str = ""
    children: dict = field(default_factory=dict)    # name: its type
    childless: dict = field(default_factory=dict)   # name: what it is on a leaf
    op: list = field(default_factory=list)
    local_grads: list = field(default_factory=list)
    closure: list = field(default_factory=list)
    no_closure: list = field(default_factory=list)  # of those: what is None on a leaf
    extras: dict = field(default_factory=dict)      # name: what it is on every new instance
    names: set = field(default_factory=set)         # of all attributes
    backward: str = "backward"
    float_data: bool = False
    float_grad: bool = False
    float_seed: bool = False


def is_number(x):
    return type(x) in (int, float)


def attributes(x):
    """An instance's attributes. (Of a sandbox's class: those that were slots are in the dict too.)"""
    return dict(vars(x))


def find_roles(cls, backward):
    """The roles of an engine class's attributes; raises NotReplaceable."""
    roles = Roles(backward=backward)
    try:
        a, b = cls(2.5), cls(-1.25)
        total, product = a + b, a * b
        whole = cls(2)
    except TRIAL_ERRORS as error:
        raise NotReplaceable(f"it can't be tried: {type(error).__name__}: {error}") from None
    if type(total) is not cls or type(product) is not cls:
        raise NotReplaceable("its operations make something else than its instances")
    leaf, inner, other = attributes(a), attributes(product), attributes(total)
    if leaf.keys() != inner.keys():
        raise NotReplaceable("results of operations have other attributes than leaves")

    numbers = [name for name, x in leaf.items() if type(x) is float and x == 2.5 and inner[name] == -3.125]
    if len(numbers) != 1:
        raise NotReplaceable("no attribute holds the number, or several do")
    roles.data = numbers[0]
    roles.float_data = type(attributes(whole)[roles.data]) is float

    try:
        getattr(product, backward)()
    except TRIAL_ERRORS as error:
        raise NotReplaceable(f"{backward}() can't be tried: {type(error).__name__}: {error}") from None
    after_a, after_b, root = attributes(a), attributes(b), attributes(product)
    gradients = [name for name, x in leaf.items() if is_number(x) and x == 0 and is_number(after_a[name])
                 and after_a[name] == -1.25 and after_b[name] == 2.5 and root[name] == 1]
    if len(gradients) != 1:
        raise NotReplaceable(f"no attribute holds the gradient after {backward}(), or several do")
    roles.grad = gradients[0]
    roles.float_grad = type(leaf[roles.grad]) is float
    roles.float_seed = type(root[roles.grad]) is float

    for name, x in leaf.items():
        result, other_result = inner[name], other[name]
        if name in (roles.data, roles.grad):
            continue
        if type(result) in (set, tuple, list, frozenset) and len(result) == 2 and {*map(id, result)} == {id(a), id(b)}:
            if x:
                raise NotReplaceable(f"{name!r} of a leaf is {x!r}")
            roles.children[name] = type(result)
            roles.childless[name] = x
        elif type(result) in (tuple, list) and [*map(is_number, result)] == [True, True] and [*result] == [-1.25, 2.5]:
            roles.local_grads.append(name)
        elif type(result) is str and result != other_result:
            roles.op.append(name)
        elif isinstance(result, FunctionType):
            roles.closure.append(name)
            if x is None:
                roles.no_closure.append(name)
        elif type(x) in (str, bool, int, float, type(None)) and x == result == other_result == attributes(b)[name] \
                and after_a[name] == x == root[name]:
            roles.extras[name] = x
        else:
            raise NotReplaceable(f"its attribute {name!r} isn't understood")
    roles.names.update(leaf)
    if not roles.children:
        raise NotReplaceable("no attribute holds the operands")
    if root.keys() != inner.keys():
        raise NotReplaceable(f"{backward}() adds attributes")
    return roles


# ---- What can be seen of an expression ----

def seen_number(x):
    return type(x).__name__, repr(x)


def observe(make, cls, roles, values, *, times=1, change=False, by_hand=False):
    """What a script could see of the graph that make(*leaves) builds, and of its gradients after backward().

    values: the leaves' numbers. times: how often backward() is called. change: whether the leaves' and the root's
    numbers are changed before. by_hand: whether the root's and a leaf's closures are called by hand as well. Returns a
    list; equal lists look the same to the script.
    """
    seen = []
    with quiet() as out:
        try:
            leaves = [cls(x) for x in values]
            root = make(*leaves)
            if type(root) is not cls:
                return ["not a node", type(root).__name__]
            seen.append(shape(root, leaves, roles))
            if change:
                for x in [*leaves, root]:
                    setattr(x, roles.data, getattr(x, roles.data) + 0.5)
            for _ in range(times):
                result = getattr(root, roles.backward)()
                seen.append(type(result).__name__)
                seen.append([seen_number(getattr(x, roles.grad)) for x in [*leaves, root]])
            seen.append(gradients_below(root, leaves, roles))
            seen.append([seen_number(getattr(x, roles.data)) for x in leaves])
            for name in roles.closure if by_hand else ():
                for x in (root, leaves[0]):
                    seen.append(callable(getattr(x, name)) and type(getattr(x, name)()).__name__)
                seen.append([seen_number(getattr(x, roles.grad)) for x in leaves])
        except TRIAL_ERRORS as error:
            return ["error", type(error).__name__, *seen]
    seen.append(out.getvalue())
    return seen


def children(x, roles):
    name, kind = next(iter(roles.children.items()))
    nodes = list(getattr(x, name) or ())
    if kind in (set, frozenset):        # in no order
        nodes.sort(key=lambda node: (getattr(node, roles.data), repr(getattr(node, roles.grad))))
    return nodes


def shape(x, leaves, roles):
    """A graph as nested tuples."""
    for i, leaf in enumerate(leaves):
        if x is leaf:
            return i
    kinds = tuple(kind.__name__ for name, kind in roles.children.items() if type(getattr(x, name)) is kind)
    below = [shape(child, leaves, roles) for child in children(x, roles)]
    if set in roles.children.values() or frozenset in roles.children.values():
        below.sort(key=repr)
    locals_seen = tuple(tuple(map(seen_number, getattr(x, name))) for name in roles.local_grads)
    return (seen_number(getattr(x, roles.data)), tuple(getattr(x, name) for name in roles.op), kinds, locals_seen,
            tuple((name, getattr(x, name)) for name in roles.extras), tuple(below))


def gradients_below(x, leaves, roles):
    """Gradients of the inner nodes, in no order."""
    nodes, todo = {}, [x]
    while todo:
        node = todo.pop()
        if id(node) not in nodes:
            nodes[id(node)] = node
            todo.extend(children(node, roles))
    return sorted((seen_number(getattr(node, roles.data)), seen_number(getattr(node, roles.grad)))
                  for node in nodes.values())


def same(one, other, tolerance=0.0):
    """Whether two observations look the same; floats within a tolerance, relative to them and, since large numbers may
    have cancelled out, a thousandth of it to the largest there is."""
    return _same(one, other, tolerance, tolerance and 1e-3 * tolerance * largest(other))


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
