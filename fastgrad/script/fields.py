"""Descriptors for a class derived from Value: a node's fields under the author's names, and Value's attributes hidden
where the author's class lacks them.

They access the fields by the descriptors of Value's base class, since the names of Value's own properties may mean
something else in the author's class.
"""
import contextlib
import sys
from types import FunctionType

from fastgrad.engine import Value
from fastgrad.script.dialect import MISSING, plain_name
from fastgrad.value.operations import OPERATIONS

NODE = Value.__mro__[1]         # the class that has the fields' descriptors
DATA, GRAD, CHILDREN, OP, LOCAL_GRADS, CLOSURE, DICT = (
    vars(NODE).get(name) for name in ("data", "grad", "_children", "_op", "_local_grads", "_backward", "__dict__"))


def name_fields(cls, dialect):
    """Give a class derived from Value the author's names for the fields of a node and for backward(). Returns a dict of
    the descriptors by these names."""
    named = {dialect.backward: vars(NODE)["backward"], dialect.data: DATA, dialect.grad: GRAD,
             **dict.fromkeys(dialect.local_grads, LOCAL_GRADS)}
    for name, kind in dialect.children.items():
        kinds = {op: other for (field, op), other in dialect.kinds.items() if field == name}
        named[name] = children_field(kind, kinds, dialect.on_leaf[name])
    for name in dialect.op:
        named[name] = OP if dialect.on_leaf[name] == "" else on_leaf(name, OP, dialect.on_leaf[name])
    for name in dialect.closure:
        x = dialect.on_leaf[name]
        named[name] = CLOSURE if isinstance(x, FunctionType) else closure_field(name, x)
    for name, field in named.items():
        if vars(Value).get(name, vars(NODE).get(name)) is not field:
            setattr(cls, name, field)
    for name, value in dialect.extras.items():
        setattr(cls, name, Extra(name, value))
    return named


class Extra:
    """An attribute that has the same value on every new instance."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def __get__(self, instance, owner=None):
        if instance is None:
            raise missing_in(owner, self.name)
        return self.value


def missing_in(cls, name):
    return AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


def missing(self, name):
    return AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def is_leaf(self):
    return not CHILDREN.__get__(self)


def on_leaf(name, field, x):
    """A property for a field that is x on a leaf, or missing there if x is MISSING, until it's assigned."""
    def get(self):
        if is_leaf(self) and "_op" not in (self._attributes() or {}):
            if x is MISSING:
                raise missing(self, name)
            return x
        return field.__get__(self)
    return property(get, field.__set__)


def check_number(x):
    """Raise TypeError for a number of a kind that the author's class stores as it is, which gives other results than
    our doubles."""
    if not isinstance(x, (int, float)) and type(x).__name__ not in ("bool_", "bool", "int64", "int32", "intc"):
        raise TypeError(f"a replaced class holds floats and ints, not {type(x).__name__!r}: run this script with its "
                        "own class, by python itself or by python -m fastgrad --keep CLASS")


# ---- Operands ----

def children_field(kind, kinds, childless):
    """A property for a node's operands, in the container that the author's class uses.

    kind: the container's type. kinds: operation's name: another type, for some operations. childless: what a leaf has,
    which is None, an empty container, or MISSING. A set or a list that's changed in place updates its node.
    """
    updating = {set: OperandSet, list: OperandList}

    def get(self):
        nodes = CHILDREN.__get__(self)
        if not nodes:
            if childless is MISSING:
                raise missing(self, "children")
            return None if childless is None else updating.get(type(childless), type(childless))()._of(self) \
                if type(childless) in updating else type(childless)()
        its_kind = kinds.get(plain_name(OP.__get__(self)), kind) if kinds else kind
        return updating[its_kind](nodes)._of(self) if its_kind in updating else its_kind(nodes)

    def assign(self, nodes):
        CHILDREN.__set__(self, () if nodes is None else nodes)
    return property(get, assign)


class OperandContainer:
    """A base class for containers of operands: after a change in place, the node gets the new operands too."""

    def _of(self, node):
        self._node = node
        return self

    def _update_node(self, before):
        kept = [x for x in before if any(x is y for y in self)]
        if len(kept) < len(before):
            raise TypeError(f"operands can't be taken out of a replaced {type(self._node).__name__!r}: run this script "
                            "with its own class, by python itself or by python -m fastgrad --keep "
                            f"{type(self._node).__name__}")
        CHILDREN.__set__(self._node, [*before, *(x for x in self if not any(x is y for y in before))])


def container_type(kind, *names):
    """A subclass of a container type whose methods with these names also update the node."""
    def method(name):
        def change(self, *args):
            before = CHILDREN.__get__(self._node)
            result = getattr(kind, name)(self, *args)
            self._update_node(before)
            return result
        return change
    methods = {name: method(name) for name in names if hasattr(kind, name)}
    methods["__repr__"] = lambda self: repr(kind(self))
    methods["__reduce__"] = lambda self: (kind, (list(self),))
    methods["__module__"] = "builtins"
    return type(kind.__name__, (OperandContainer, kind), methods)


CHANGES = ("add", "update", "remove", "discard", "pop", "clear", "difference_update", "intersection_update",
           "symmetric_difference_update", "append", "extend", "insert", "reverse", "sort", "__setitem__", "__delitem__",
           "__ior__", "__iand__", "__isub__", "__ixor__", "__iadd__", "__imul__")
OperandSet, OperandList = container_type(set, *CHANGES), container_type(list, *CHANGES)


# ---- Closures ----

def closure_field(name, x, constructor=None):
    """A property for a node's closure.

    x: what a leaf has: None, MISSING, or a function that does nothing. constructor: the author's, if it's kept. When it
    assigns None, or a function that does nothing, to an instance, that's a new node without a closure of its own. Later
    such an assignment stops the gradient.
    """
    code = getattr(constructor, "__code__", None)

    def get(self):
        own = (self._attributes() or {}).get("_backward", MISSING)
        if own is MISSING and not isinstance(x, FunctionType) and is_leaf(self):
            if x is MISSING:
                raise missing(self, name)
            return None
        return None if own is stop else CLOSURE.__get__(self)

    def assign(self, function):
        if does_nothing(function) and (sys._getframe(1).f_code is code or function is None is x and is_leaf(self)):
            self._forget_derivatives()      # those that another call of the constructor has left
        else:
            CLOSURE.__set__(self, stop if function is None is x else function)
    return property(get, assign)


def stop():
    """The closure of an operation's result to which None was assigned, in a class whose backward() passes over None."""


def does_nothing(function):
    return function is None or (isinstance(function, FunctionType) and function.__closure__ is None
                                and not function.__code__.co_names and len(function.__code__.co_consts) <= 1)


# ---- vars(v) ----

class Attributes(dict):
    """The dict that vars(v) returns: it shows the node's fields and attributes as they are now, and passes assignments
    on to the node. read: returns them as a dict."""

    def __init__(self, node, read):
        super().__init__(read())
        self._node, self._read = node, read

    def _now(self):
        """The present fields and attributes as a plain dict. Also updates this dict itself, which C code reads."""
        now = self._read()
        super().clear()
        super().update(now)
        return now

    def __setitem__(self, name, value):
        setattr(self._node, name, value)

    def __delitem__(self, name):
        self._now()[name]       # raises a dict's KeyError
        delattr(self._node, name)

    def setdefault(self, name, default=None):
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, *args, **named):
        for name, value in dict(*args, **named).items():
            self[name] = value

    def __ior__(self, other):       # type: ignore[misc]
        self.update(other)
        return self

    def pop(self, name, *default):
        value = self._now().pop(name, *default)
        if name in self:
            del self[name]
        return value

    def popitem(self):
        name, value = self._now().popitem()
        del self[name]
        return name, value

    def clear(self):
        for name in self._now():
            del self[name]

    def __reduce__(self):
        return dict, (self._now(),)


def _reader(name):
    def read(self, *args):
        return getattr(self._now(), name)(*args)
    return read


for _name in ("__getitem__", "get", "items", "values", "keys", "__iter__", "__len__", "__contains__", "__repr__",
              "__eq__", "__ne__", "__or__", "__ror__", "__reversed__", "copy"):
    setattr(Attributes, _name, _reader(_name))


def instance_dict(dialect, named, has_slots):
    """The property `__dict__` of a twin: what the author's instances have in theirs. With has_slots it's missing.

    named: the dict that name_fields returns; it may be filled later.
    """
    def get(self):
        if has_slots:
            raise missing(self, "__dict__")
        return Attributes(self, lambda: read(self))

    def read(self):
        own = dict(dialect.extras)
        for name in dialect.names:
            if name in named:
                with contextlib.suppress(AttributeError):
                    own[name] = named[name].__get__(self)
        extra = {name: x for name, x in (self._attributes() or {}).items() if name not in ("_op", "_backward")}
        own.update(extra)
        return {**{name: own[name] for name in dialect.names if name in own}, **own}

    def assign(self, attributes):
        for name, value in attributes.items():
            setattr(self, name, value)
    return property(get, assign)


# ---- Attributes that the author's class lacks ----

# The attributes that our own modules use of any Value. They aren't hidden: no script uses these names by chance.
OUR_OWN = {"data", "grad", "_op", "_local_grads", "_backward", "_operands", "_accumulate", "_attributes",
           "_forget_derivatives", "_formula", "_topological", "_n_below", "_parents", "_rebuild", "_refill", "_fields",
           "_state", "__weakref__", "__dict__", "__module__", "__copy__", "__deepcopy__", "__setstate__",
           "__reduce_ex__"}
COMPARISONS = ("__lt__", "__le__", "__gt__", "__ge__")
BINARY = {x.method for x in OPERATIONS if x.n_operands == 2}
UNSUPPORTED = {"__neg__": "bad operand type for unary -: {!r}", "__pos__": "bad operand type for unary +: {!r}",
               "__abs__": "bad operand type for abs(): {!r}", "__round__": "type {} doesn't define __round__ method",
               "__trunc__": "type {} doesn't define __trunc__ method",
               "__floor__": "must be real number, not {}", "__ceil__": "must be real number, not {}",
               "__float__": "float() argument must be a string or a real number, not {!r}",
               "__int__": "int() argument must be a string, a bytes-like object or a real number, not {!r}"}


def hide(cls, names):
    """Hide the attributes of Value that the author's class lacks, in a class derived from Value.

    names: those of the author's class.
    """
    for name in {*dir(Value)} - names:
        forward = name.replace("__r", "__", 1)
        if name == forward or forward not in BINARY or forward not in names:    # else the engine does (`lacks`)
            hide_name(cls, name)


def hide_name(cls, name):
    """Hide what cls has of Value by this name, so that the class is as if derived from object alone."""
    if name in (*COMPARISONS, "__format__", "__repr__", "__hash__", "__eq__", "__ne__"):
        if getattr(cls, name) is not getattr(object, name):
            setattr(cls, name, getattr(object, name))
    elif name in {*dir(Value)} - {*dir(object)} - OUR_OWN:
        if name in BINARY or name.startswith("__r") and name.replace("__r", "__", 1) in BINARY:
            setattr(cls, name, Declining(name))
        elif name in UNSUPPORTED:
            setattr(cls, name, Unsupported(name))
        else:
            setattr(cls, name, Hidden(name))


class Lacking:
    """A special method that an author's class lacks. refuse() makes what an instance seems to have in its place."""

    def __init__(self, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            raise missing_in(owner, self.name)
        return self.refuse(type(instance).__name__)


class Declining(Lacking):
    """An operator: the other operand's is asked."""

    def refuse(self, cls_name):
        return lambda other, *modulo: NotImplemented


class Unsupported(Lacking):
    """Another special method. Calling it raises Python's own TypeError."""

    def refuse(self, cls_name):
        def refuse(*args):
            raise TypeError(UNSUPPORTED[self.name].format(cls_name))
        return refuse


class Hidden:
    """An attribute that the class and its instances seem to lack, until it's assigned."""

    def __init__(self, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            raise missing_in(owner, self.name)
        raise missing(instance, self.name)
