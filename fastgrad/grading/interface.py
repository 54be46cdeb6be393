"""How a class is used: how an instance is made, which attribute holds the number, which the gradient, which the
operands, and what passes gradients back.

A class under examination may be wrong in any of this, so usual names count first, and what the attributes do only
where no name is usual. (script/measure.py asks for more, since what it finds has to be certain.)
"""
import inspect
from itertools import product
from types import FunctionType

from fastgrad.engine import Value
from fastgrad.script.author import BACKWARD_NAMES, looks_like_engine
from fastgrad.script.sandbox import TRIAL_ERRORS

DATA_NAMES = ("data", "value", "val", "_data", "_value", "v", "x", "num", "number", "scalar", "item")
GRAD_NAMES = ("grad", "gradient", "_grad", "_gradient", "g", "adjoint", "derivative", "deriv", "adj", "dv", "d")
CHILDREN_NAMES = ("_prev", "_children", "prev", "children", "parents", "_parents", "inputs", "operands", "args")
FILLERS = {"children": (), "prev": (), "parents": (), "inputs": (), "grads": (), "op": "", "label": "", "name": "",
           "requires_grad": True, "grad": 0.0}
CONTAINERS = (set, frozenset, tuple, list)


class NotGradable(Exception):
    """A class can't be examined. The message says why."""


class Interface:
    """A class's interface. backward: a function of the root, or None. data, grad, children: names of attributes;
    grad and children may be None."""

    def __init__(self, cls, namespace):
        self.cls, self.fillers = cls, fillers_of(cls)
        self.data = self._find_data()
        self.backward_name, self.backward = find_backward(cls, namespace)
        if self.backward is None:
            self.backward_name, self.backward = self._find_backward_by_trial(namespace)
        self.grad = self._find_grad()
        self.children = self._find_children()

    def leaf(self, x):
        return self.cls(x, **self.fillers)

    def is_node(self, x):
        return isinstance(x, self.cls) or hasattr(x, self.data) and type(x).__module__ == self.cls.__module__

    def number(self, v):
        """A node's number as a float. Raises TypeError, or anything."""
        return as_float(getattr(v, self.data), self.data)

    def gradient(self, v):
        """A node's gradient as a float; 0 if it has none yet."""
        x = getattr(v, self.grad, None)
        return 0.0 if x is None else as_float(x, self.data)

    def set_gradient(self, v, x):
        """Assign a gradient; None stands for what a new instance has. Returns whether that went well."""
        try:
            fresh = getattr(self.leaf(0.5), self.grad, None)
            if x is not None and not isinstance(fresh, (int, float, type(None))):
                x = type(fresh)(x)
            setattr(v, self.grad, fresh if x is None else x)
            return x is None or self.gradient(v) == x
        except TRIAL_ERRORS:
            return False

    def holds(self, node, operand):
        """Whether an operand is among a node's; None if that can't be seen."""
        container = getattr(node, self.children, None) if self.children else None
        if not isinstance(container, CONTAINERS) or not all(map(self.is_node, container)):
            return None
        return any(x is operand for x in container)

    def _find_data(self):
        values = {2.5: None, 7.25: None}
        for x in values:
            try:
                values[x] = self.leaf(x)
            except TRIAL_ERRORS as error:
                raise NotGradable(f"{self.cls.__name__}({x}) raises {type(error).__name__}: {error}") from None
        names = attribute_names(values[2.5], DATA_NAMES)
        exact = [name for name in names if all(equals(getattr(v, name, None), x) for x, v in values.items())]
        rounded = [name for name in names if name in DATA_NAMES
                   and all(is_numeric(getattr(v, name, None)) for v in values.values())]
        if not exact + rounded:
            raise NotGradable(f"no attribute of {self.cls.__name__}(2.5) holds the number")
        return (exact + rounded)[0]

    def _find_backward_by_trial(self, namespace):
        """What has another name, `calc_grad` or a function `back_prop`, or is an attribute of nodes: it gives an
        operand of a product the other one's number as gradient."""
        def is_named(name):
            return any(part in name.lower() for part in ("back", "grad", "prop")) and not name.startswith("__")
        methods = [(name, lambda root, name=name: getattr(root, name)()) for name in
                   dict.fromkeys([*BACKWARD_NAMES, *filter(is_named, dir(self.cls))])]
        functions = [(name, f) for name, f in namespace.items() if is_named(name) and isinstance(f, FunctionType)]
        for is_seeded, (name, run) in product((False, True), methods + functions):
            try:
                a, b = self.leaf(2.5), self.leaf(-1.25)
                root = a * b
                if is_seeded:       # it may be left to the user
                    setattr(root, next(x for x in attribute_names(root, GRAD_NAMES) if x in GRAD_NAMES), 1.0)
                run(root)
                if any(equals(getattr(a, x, None), -1.25) for x in attribute_names(a, GRAD_NAMES) if x != self.data):
                    return name, run
            except TRIAL_ERRORS:
                continue
        return None, None

    def _find_grad(self):
        """By its name, or by what changes in operands when backward() runs."""
        try:
            a, b = self.leaf(2.5), self.leaf(-1.25)
        except TRIAL_ERRORS:
            return None
        names = [name for name in attribute_names(a, GRAD_NAMES) if name != self.data]
        known = [name for name in GRAD_NAMES if name in names]
        if known or self.backward is None:
            return known[0] if known else None
        before = {name: getattr(a, name, None) for name in names}
        try:
            self.backward(a * b)
        except TRIAL_ERRORS:
            return None
        changed = [name for name in attribute_names(a, GRAD_NAMES) if name != self.data
                   and is_numeric(getattr(a, name, None)) and not equals(before.get(name), getattr(a, name))]
        return changed[0] if changed else None

    def _find_children(self):
        """The attribute of a product that holds its operands; of one that lacks some, at least the usual name."""
        try:
            a, b = self.leaf(2.5), self.leaf(-1.25)
            results = [a * b, a + b]
        except TRIAL_ERRORS:
            return None
        for out in results:
            names = attribute_names(out, CHILDREN_NAMES)
            for name in names:
                found = getattr(out, name, None)
                if isinstance(found, CONTAINERS) and {id(x) for x in found} == {id(a), id(b)}:
                    return name
        return next((name for name in names if name in CHILDREN_NAMES
                     and isinstance(getattr(results[0], name, None), CONTAINERS)), None)


def fillers_of(cls):
    """What the constructor needs beside the number, by guess from the names of its parameters."""
    try:
        parameters = list(inspect.signature(cls).parameters.values())[1:]
    except (TypeError, ValueError):
        return {}
    named = {}
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY):
            continue
        if p.default is p.empty or p.name == "requires_grad":
            named[p.name] = next((x for part, x in FILLERS.items() if part in p.name.lower()), None)
    return named


def find_backward(cls, namespace):
    """The name of what passes gradients back and a function of the root that calls it: a method, or a function of the
    class's module; (None, None) if there's none."""
    names = [*BACKWARD_NAMES, *(x for x in dir(cls) if "back" in x and not x.startswith("_"))]
    name = next((x for x in names if callable(getattr(cls, x, None))), None)
    if name is not None:
        more = needed(getattr(cls, name)) - 1
        return name, lambda root: getattr(root, name)(*[1.0] * more)
    name = next((x for x in BACKWARD_NAMES if isinstance(namespace.get(x), FunctionType)), None)
    if name is None:
        return None, None
    more = needed(namespace[name]) - 1
    return name, lambda root: namespace[name](root, *[1.0] * more)


def needed(function):
    """How many arguments a function has to be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def attribute_names(x, usual):
    """The names of an object's own attributes and properties, usual ones first."""
    names = list(getattr(x, "__dict__", ()))
    for base in type(x).__mro__:
        slots = base.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
        names += [name for name, y in vars(base).items() if hasattr(type(y), "__get__") and not callable(y)
                  or is_numeric(y)]
    names = [name for name in dict.fromkeys(names) if not name.startswith("__")]
    return [*(name for name in usual if name in names), *(name for name in names if name not in usual)]


def is_numeric(x):
    try:
        as_float(x)
    except TRIAL_ERRORS:
        return False
    return not isinstance(x, bool)


def as_float(x, data="data"):
    """A number of any kind as a float: also an array of one element, and a gradient that is a node itself."""
    if isinstance(x, (str, bytes)) or x is None:
        raise TypeError(f"{x!r} is no number")
    if isinstance(x, (list, tuple)) and len(x) == 1:
        return as_float(x[0], data)
    if hasattr(x, "__float__"):
        return float(x)
    return as_float(getattr(x, data), data)


def equals(x, y):
    return x is y or is_numeric(x) and is_numeric(y) and as_float(x) == as_float(y)


def is_foreign(x):
    """Whether an object is a node of an engine that isn't the one in use, and is written in Python."""
    return not isinstance(x, Value) and looks_like_engine(type(x))
