"""Copies and pickles of graphs of any depth, shared by both engines.

The ordinary protocol would descend from a node into its children and run out of stack. Here a graph is laid out flat,
children first: when a node's turn comes all its children are there already. Sharing is kept, also with other objects in
the same copy or pickle, because every node goes by its own handle through the memo that `copy` and `pickle` keep.

An engine provides `_topological()`, which lists a node and all below it, children first; `_attributes()`, the dict of
what was set on a Value beyond its fields, or None; and `_rebuild()`, which makes a Value of its fields.
"""
import copy
import threading


class _Running(threading.local):
    def __init__(self):
        self.flat = set()       # ids of the nodes whose children are in this thread's running pickle already


_running = _Running()


class _Below:
    """The nodes below a pickled one, children first. It lives as long as the pickler that has it in its memo."""

    def __init__(self, nodes):
        self.nodes, self.flat = nodes, _running.flat
        self.flat.update(map(id, nodes))

    def __del__(self):
        self.flat.difference_update(map(id, self.nodes))

    def __reduce__(self):
        return list, (self.nodes,)


def _unpickle(below, cls, *fields):
    return cls._rebuild(*fields)


class Copying:
    """What `copy` and `pickle` call; a base class of both engines' Value."""

    __slots__ = ()

    def _fields(self):
        return self.data, self.grad, self._operands, self._local_grads, self._op

    def _state(self):
        """What a copy is given beyond the fields: the attributes, or what a subclass's __getstate__ says."""
        getstate = getattr(type(self), "__getstate__", None)
        if getstate is not getattr(object, "__getstate__", None):
            return getstate(self)
        return self._attributes() or None

    def __copy__(self):
        out = type(self)._rebuild(*self._fields())
        state = self._state()
        if state is not None:
            out.__setstate__(state)
        return out

    def __deepcopy__(self, memo):
        kept_alive = memo.setdefault(id(memo), [])      # as copy does, so that no id is used twice
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
        if id(self) in _running.flat:
            _running.flat.discard(id(self))
            below = None
        else:
            below = _Below(self._topological()[:-1])
        return _unpickle, (below, type(self), *self._fields()), self._state()

    def __setstate__(self, attributes):
        for name, value in attributes.items():
            setattr(self, name, value)
