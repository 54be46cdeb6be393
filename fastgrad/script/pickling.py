"""Pickles of a twin's instances are those that plain Python makes of the author's own class, and so either side reads
the other's.

That's needed within one run: processes that multiprocessing starts with spawn or forkserver import the main script
without the launcher, so there the author's own class receives what the twin has sent, and answers.

A pickle of an ordinary object is its class, called without arguments, and then its attributes by name. A twin gives
these as the author's class has them, closures included, which pickle refuses. Only a large graph has something more:
the list of nodes below comes first, as an argument that `object.__new__` ignores, so that no recursion is needed.
"""
import contextlib
import copyreg
import functools
from types import CodeType

from fastgrad.copying import below, slots_of
from fastgrad.engine import Value
from fastgrad.script import probe
from fastgrad.script.trials import FUNCTIONS

LARGE = 64      # nodes; pickle goes down from a node to its child in four steps, of a thousand that Python allows
NODE = Value.__mro__[1]
OWN_PROTOCOL = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")


def pickle_as(ours, cls, roles):
    """Let the twin of a class pickle as the class does. What the author has written for that stays.

    roles: of the attributes (probe.py). Raises NotReplaceable if that needs what a plain object has.
    """
    form = _Form(cls, roles, vars(ours)[roles.backward] is vars(cls)[roles.backward])
    own = [name for name in OWN_PROTOCOL if name in vars(cls)]
    for name in own:
        code = getattr(vars(cls)[name], "__code__", None)
        if code is None or not probe.names_used(code).isdisjoint({"super", "object", "copyreg"}):
            raise probe.NotReplaceable(f"its {name} calls object's")

    def __reduce_ex__(self, protocol):
        if type(self).__reduce__ is not object.__reduce__:
            return self.__reduce__()
        before = None if roles.closure else below(self, at_least=LARGE)
        return copyreg.__newobj__, (type(self),) if before is None else (type(self), before), form.state(self)

    def __setstate__(self, state):
        form.restore(self, state)

    for function in (__reduce_ex__, __setstate__):
        if function.__name__ not in vars(cls):
            setattr(ours, function.__name__, function)
    if own:         # copies go by these too, unless they have functions of their own
        for name in ("__copy__", "__deepcopy__"):
            if name not in vars(cls):
                setattr(ours, name, None)


class _Form:
    """How the attributes of an author's class are laid out in a pickle. own_backward: backward() is the author's."""

    def __init__(self, cls, roles, own_backward):
        self.cls, self.roles = cls, roles
        self.needs_derivatives = not (roles.local_grads or roles.closure or own_backward)
        self.slots = [name for name in copyreg._slotnames(cls) if name in roles.names]
        order = {name: i for i, name in enumerate(cls.__init__.__code__.co_names)}
        self.in_dict = sorted(roles.names.difference(self.slots), key=lambda name: (order.get(name, len(order)), name))
        self.ordered = next((name for name, kind in roles.children.items() if kind in (tuple, list)),
                            next(iter(roles.children)))

    def state(self, node):
        """What pickle would have taken from an instance of the author's class."""
        getstate = getattr(type(node), "__getstate__", None)
        if getstate is not getattr(object, "__getstate__", None):
            return getstate(node)
        hidden = {*self.roles.names, *(["_op"] if self.roles.op else ()),
                  *(["_backward"] if self.roles.closure else ())}
        attributes = {name: self.value(node, name) for name in self.in_dict}
        attributes.update((name, x) for name, x in (node._attributes() or {}).items() if name not in hidden)
        slots = {name: self.value(node, name) for name in self.slots} | slots_of(node)
        if not slots:
            return attributes
        return attributes if self.cls.__dictoffset__ or attributes else None, slots

    def value(self, node, name):
        if name not in self.roles.closure:
            return getattr(node, name)
        given = (node._attributes() or {}).get("_backward")
        if given is not None:
            return given
        return _closure_of_result(self.cls, node._op) if node._operands else getattr(self.leaf, name, None)

    @functools.cached_property
    def leaf(self):
        """An instance of the author's own class, for its closure; None if there's none without the twin."""
        with contextlib.suppress(Exception):
            return self.cls(0.0)

    def restore(self, node, state):
        """Give a new instance the attributes in a pickle, of this class or of the author's."""
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        values = {**(attributes or {}), **(slots or {})}
        if self.roles.data in values and self.ordered in values:
            self.refill(node, values)
        for name, x in values.items():
            if name in self.roles.no_closure and x is None:
                continue
            if name in self.roles.extras and _is_same(x, getattr(node, name)):
                continue        # as every instance has it
            setattr(node, name, x)

    def refill(self, node, values):
        """Take the fields of a node from the values."""
        roles, children = self.roles, tuple(values[self.ordered] or ())
        op = values.get(roles.op[0], "") if roles.op else ""
        local_grads = values.get(roles.local_grads[0], ()) if roles.local_grads else ()
        if self.needs_derivatives and children:
            local_grads = _derivatives(children, op)
        node._refill(values[roles.data], values.get(roles.grad, 0), children, local_grads, op)
        for name in (roles.data, roles.grad, *roles.children, *roles.local_grads, *roles.op):
            values.pop(name, None)


def _derivatives(children, op):
    """The local derivatives of an operation, of an author's class that only names it; raises TypeError."""
    operations = [vars(NODE)["__abs__" if name == "abs" else name] for name in FUNCTIONS]
    operations += [lambda x, n=n: Value.__pow__(x, n) for n in _exponents(op)]
    for operation in operations if len(children) == 1 else (Value.__add__, Value.__mul__) if len(children) == 2 else ():
        with contextlib.suppress(ArithmeticError, ValueError):
            result = operation(*children)
            if vars(NODE)["_op"].__get__(result) == op:
                return vars(NODE)["_local_grads"].__get__(result)
    raise TypeError(f"a node made by {op!r} can't be read from a pickle: run this script with its own class, by python "
                    "itself or by python -m fastgrad --keep CLASS")


def _exponents(op):
    """The number in a name like **3."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return [kind(str(op).lstrip("*"))]
    return []


def _is_same(x, y):
    return type(x) is type(y) and repr(x) == repr(y)


def _closure_of_result(cls, op):
    """Something that pickle refuses as it would the closure of the operation with this name."""
    makers = [(function, code) for function in probe.functions_of(cls) if function.__name__ != "__init__"
              for code in function.__code__.co_consts if isinstance(code, CodeType)]
    if not makers:
        return _local_function(cls, "__add__", "_backward")

    def named(maker):
        """How much of the name is in the function."""
        return max((len(x) for x in maker[0].__code__.co_consts if isinstance(x, str) and op.startswith(x)), default=-1)
    function, code = max(makers, key=named)
    return _local_function(cls, function.__name__, code.co_name)


def _local_function(cls, method, name):
    def function():
        pass
    function.__module__, function.__name__ = cls.__module__, name
    function.__qualname__ = f"{cls.__qualname__}.{method}.<locals>.{name}"
    return function
