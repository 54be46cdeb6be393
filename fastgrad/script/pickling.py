"""Pickle a twin's instances as plain Python pickles those of the author's own class, so that either side reads the
other's pickles.

One run may have both sides: processes that multiprocessing starts with spawn or forkserver import the main script
without the launcher. There the author's own class receives what the twin has sent, and answers.

A pickle of an ordinary object has its class, which is called without arguments, and its attributes by name. A twin
gives these as the author's class has them, closures included, which pickle refuses. Only a large graph's pickle has
more: the list of the nodes below, which avoids recursion. It comes first, as an argument that `object.__new__` ignores.
"""
import contextlib
import copyreg
import functools
from types import CodeType

from fastgrad.script.fields import MISSING, NODE, OP, missing
from fastgrad.script.sandbox import NotReplaceable, codes_of, functions_in
from fastgrad.value.copying import below, slots_of

LARGE = 64      # nodes; pickle takes four recursive calls from a node to its child, and Python allows a thousand
OWN_PROTOCOL = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")


def pickle_as(ours, cls, dialect):
    """Let the twin of a class pickle as the class does. The author's own methods for pickling stay.

    Raises NotReplaceable if one of these calls object's or copyreg's functions.
    """
    form = _Form(cls, dialect)
    own = [name for name in OWN_PROTOCOL if name in vars(cls)]
    for name in own:
        code = getattr(vars(cls)[name], "__code__", None)
        if code is None or any(x in ("super", "object", "copyreg") for part in codes_of(code) for x in part.co_names):
            raise NotReplaceable(f"its {name} calls object's")

    def __reduce_ex__(self, protocol):
        if type(self).__reduce__ is not object.__reduce__:
            return self.__reduce__()
        before = None if dialect.closure else below(self, at_least=LARGE)
        return copyreg.__newobj__, (type(self),) if before is None else (type(self), before), form.state(self)

    def __setstate__(self, state):
        form.restore(self, state)

    for function in (__reduce_ex__, __setstate__):
        if function.__name__ not in vars(cls):
            setattr(ours, function.__name__, function)
    if own:         # then copies use these too, unless the class has __copy__ or __deepcopy__
        for name in ("__copy__", "__deepcopy__"):
            if name not in vars(cls):
                setattr(ours, name, None)


class _Form:
    """The layout of an author's attributes in a pickle."""

    def __init__(self, cls, dialect):
        self.cls, self.dialect = cls, dialect
        self.slots = [name for name in copyreg._slotnames(cls) if name in dialect.names]
        self.in_dict = [name for name in dialect.names if name not in self.slots]
        self.ordered = next((name for name, kind in dialect.children.items() if kind in (tuple, list)),
                            next(iter(dialect.children)))

    def state(self, node):
        """The state that pickle would take from an instance of the author's class."""
        getstate = getattr(type(node), "__getstate__", None)
        if getstate is not getattr(object, "__getstate__", None):
            return getstate(node)
        hidden = {*self.dialect.names, *(["_op"] if self.dialect.op else ()),
                  *(["_backward"] if self.dialect.closure else ())}
        attributes = self.values(node, self.in_dict)
        attributes.update((name, x) for name, x in (node._attributes() or {}).items() if name not in hidden)
        slots = self.values(node, self.slots) | slots_of(node)
        if not slots:
            return attributes
        return attributes if self.cls.__dictoffset__ or attributes else None, slots

    def values(self, node, names):
        """A node's attributes with these names, without those that it lacks."""
        found = {}
        for name in names:
            with contextlib.suppress(AttributeError):
                found[name] = self.closure(node, name) if name in self.dialect.closure else getattr(node, name)
        return found

    def closure(self, node, name):
        given = (node._attributes() or {}).get("_backward")
        if given is not None:
            return given
        if node._operands:
            return _closure_of_result(self.cls, OP.__get__(node))
        if self.dialect.on_leaf[name] is MISSING:
            raise missing(node, name)
        return getattr(self.leaf, name, self.dialect.on_leaf[name])

    @functools.cached_property
    def leaf(self):
        """An instance of the author's own class, for its closure. None if it can't be made without the twin."""
        with contextlib.suppress(Exception):
            return self.cls(0.0)

    def restore(self, node, state):
        """Give a new instance the attributes from a pickle, which either class may have written."""
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        values = {**(attributes or {}), **(slots or {})}
        if self.dialect.data in values and self.ordered in values:
            self.refill(node, values)
        for name, x in values.items():
            if name in self.dialect.closure and x is None:
                continue
            if name in self.dialect.extras and _is_same(x, getattr(node, name)):
                continue        # every instance has it already
            setattr(node, name, x)

    def refill(self, node, values):
        """Set a node's fields from the values, and remove them there."""
        dialect, children = self.dialect, tuple(values[self.ordered] or ())
        op = values.get(dialect.op[0], "") if dialect.op else ""
        local_grads = values.get(dialect.local_grads[0], ()) if dialect.local_grads else ()
        vars(NODE)["_refill"](node, values[dialect.data], values.get(dialect.grad, 0), children, local_grads, op)
        for name in (dialect.data, dialect.grad, *dialect.children, *dialect.local_grads, *dialect.op):
            values.pop(name, None)


def _is_same(x, y):
    return type(x) is type(y) and repr(x) == repr(y)


def _closure_of_result(cls, op):
    """A function that pickle refuses with the words that it has for the closure of the operation named op."""
    makers = [(function, code) for thing in vars(cls).values() for function in functions_in(thing)
              if hasattr(function, "__code__") and function.__name__ != "__init__"
              for code in function.__code__.co_consts if isinstance(code, CodeType)]
    if not makers:
        return _local_function(cls, "__add__", "_backward")

    def named(maker):
        """The length of the longest string in the function that op begins with, or -1."""
        return max((len(x) for x in maker[0].__code__.co_consts if isinstance(x, str) and str(op).startswith(x)),
                   default=-1)
    function, code = max(makers, key=named)
    return _local_function(cls, function.__name__, code.co_name)


def _local_function(cls, method, name):
    def function():
        pass
    function.__module__, function.__name__ = cls.__module__, name
    function.__qualname__ = f"{cls.__qualname__}.{method}.<locals>.{name}"
    return function
