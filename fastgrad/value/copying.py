"""Copies and pickles of graphs of any depth, shared by both engines.

The ordinary protocol recurses from a node into its children, and overflows the stack. Here a graph's nodes are listed
in topological order, so that all children of a node are copied before it. Shared nodes stay shared, also with other
objects in the same copy or pickle, because every node has an entry of its own in the memo of `copy` or `pickle`.

An engine provides `_topological()`, which lists a node and all below it, children first; `_attributes()`, the dict of
what was set on a Value beyond its fields, or None; and `_rebuild()`, which makes a Value from its fields.
"""
import copy
import threading


class _Running(threading.local):
    def __init__(self):
        self.listed = set()     # ids of the nodes in lists of this thread's running pickle that it hasn't reached yet


_running = _Running()


class _Below:
    """The nodes below a pickled node. The pickler writes them as a list, children first."""

    def __init__(self, nodes):
        self.nodes = nodes

    def __reduce__(self):
        return list, (), None, _Listing(self.nodes)


class _Listing:
    """An iterator over listed nodes. The pickler drops it when all are pickled, or when one can't be. Then their ids
    are no longer needed."""

    def __init__(self, nodes):
        self.nodes, self.left, self.listed = nodes, iter(nodes), _running.listed
        self.listed.update(map(id, nodes))

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.left)

    def __del__(self):
        self.listed.difference_update(map(id, self.nodes))


def below(node, at_least=1):
    """The nodes below a node, to be pickled before it. None if a list has them already, or if there are fewer than
    at_least."""
    if id(node) in _running.listed:
        _running.listed.discard(id(node))
        return None
    nodes = node._topological()[:-1]
    return _Below(nodes) if len(nodes) >= at_least else None


def slots_of(node):
    """A node's attributes in the `__slots__` of subclasses, by name."""
    found = {}
    for cls in type(node).__mro__:
        if Copying in cls.__bases__:        # an engine's Value
            break
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots if hasattr(type(slots), "__iter__") else ():
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{cls.__name__.lstrip('_')}{name}"
            if name not in ("__dict__", "__weakref__") and hasattr(node, name):
                found[name] = getattr(node, name)
    return found


class Copying:
    """The base class of both engines' Value: the methods that `copy` and `pickle` call."""

    __slots__ = ()

    def _fields(self):
        return self.data, self.grad, self._operands, self._local_grads, self._op

    def _state(self):
        """What a copy gets beyond the fields: what a subclass's __getstate__ returns, or else the attributes and slots.
        """
        getstate = getattr(type(self), "__getstate__", None)
        if getstate is not getattr(object, "__getstate__", None):
            return getstate(self)
        slots = slots_of(self)
        return (self._attributes() or None, slots) if slots else self._attributes() or None

    def __copy__(self):
        out = type(self)._rebuild(*self._fields())
        state = self._state()
        if state is not None:
            out.__setstate__(state)
        return out

    def __deepcopy__(self, memo):
        kept_alive = memo.setdefault(id(memo), [])      # copy's own list, so that no id in the memo is reused
        copied = []
        for node in self._topological():
            if id(node) not in memo:
                data, grad, children, local_grads, op = node._fields()
                children = tuple(memo[id(child)] for child in children)
                memo[id(node)] = type(node)._rebuild(data, grad, children, local_grads, op)
                copied.append(node)
        kept_alive.extend(copied)
        for node in copied:
            state = node._state()
            if state is not None:
                memo[id(node)].__setstate__(copy.deepcopy(state, memo))
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        if type(self).__reduce__ is not object.__reduce__:
            return self.__reduce__()
        import fastgrad.copying
        cls = None if type(self) is fastgrad.Value else type(self)
        return fastgrad.copying._rebuilt, (below(self), cls, *self._fields()), self._state()

    def __setstate__(self, state):
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        for name, value in {**(attributes or {}), **(slots or {})}.items():
            setattr(self, name, value)
