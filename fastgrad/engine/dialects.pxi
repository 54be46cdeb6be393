# Classes with a dialect of their own: Value, and those that `_make_class` makes of it, for micrograd
# (fastgrad/micrograd/engine.py) and for a script's own classes (fastgrad/script/twin.py).
#
# Python's garbage collector tracks an instance of a class made by a class statement, and its node needs an attachment
# that remembers the class. These classes are made of slots, as Value is, and the node's flags have the number of their
# dialect. So an instance costs what a Value costs.
#
# No part on a hot path uses this one. What they read of a Dialect is in state.pxi.

REFLECTED = ("__radd__", "__rmul__", "__rsub__", "__rtruediv__", "__rpow__")     # in the order of Dialect's bits


cdef int add_dialect(object cls, bint float_data=False, bint float_grad=False, bint float_seed=False,
                     bint micrograd_relu=False, bint tanh_by_power=False, bint deferred=False,
                     int results=MORE_DERIVED, object methods=REFLECTED, object power=None, object check_number=None,
                     dict names=None) except -1:
    """Give a class a dialect, and make it the active one. Raises OverflowError if there are too many, and MemoryError.
    """
    global n_dialects
    cdef unsigned int absent = 0
    cdef Dialect *new
    for i, name in enumerate(REFLECTED):
        if name not in methods:
            absent |= 1 << i
    new = &dialects[n_dialects]     # not earlier: from here on no Python runs that could add another
    if n_dialects == MOST_DIALECTS:
        raise OverflowError("too many classes")
    new.free_handles = <PyObject **>fg_allocate(NULL, (1 + MOST_FREE_HANDLES) * sizeof(PyObject *))
    if new.free_handles is NULL:
        raise MemoryError("no memory for a class")
    new.free_handles[0] = NULL
    new.free_handle = new.free_handles
    new.cls = <PyTypeObject *>cls
    incref(<PyObject *>cls)         # handles may outlast this module, and need their class
    new.new_flags = n_dialects * FG_CLASS_UNIT | (0 if float_grad else FG_GRAD_INT) | (FG_DEFERRED if deferred else 0)
    new.results = <Results>results
    new.float_data, new.float_seed = float_data, float_seed
    new.micrograd_relu, new.tanh_by_power = micrograd_relu, tanh_by_power
    new.lacks = absent
    new.version = NO_VERSION
    new.is_watched = True
    new.own_power = counted_or_null(power)
    new.check_number = counted_or_null(check_number)
    new.names = counted_or_null(names or None)
    n_dialects += 1
    activate(new)
    return 0


cdef PyObject *counted_or_null(object x) noexcept:
    if x is None:
        return NULL
    incref(<PyObject *>x)
    return <PyObject *>x


cdef PyType_Slot class_slots[2]


def _make_class(str module, str name, str doc=None, *, bint float_data=False, bint float_grad=False,
                bint float_seed=False, bint micrograd_relu=False, bint tanh_by_power=False, bint deferred=False,
                int results=0, methods=REFLECTED, power=None, check_number=None, dict names=None,
                tuple bases=(), metaclass=None, instance_dict=None):
    """A class derived from Value whose instances cost no more than Values.

    float_data to names: the class's Dialect (state.pxi); of `methods`, names that the class has, only the reflected
    operators matter; deferred: local derivatives are taken in backward(). bases: classes to derive from beside Value;
    metaclass: a subclass of type without fields of its own, to be the class's class; instance_dict: a property, the
    `__dict__` of instances. Raises OverflowError when there are too many classes.
    """
    cdef PyType_Spec class_spec     # a local one: to make a class may run Python, which may make another
    encoded = f"{module}.{name}".encode()
    class_slots[0] = PyType_Slot(Py_tp_dealloc, <void *>handle_dealloc)
    class_slots[1] = PyType_Slot(0, NULL)
    class_spec.name = encoded
    class_spec.basicsize = class_spec.itemsize = 0
    class_spec.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE
    class_spec.slots = class_slots
    cls = PyType_FromSpecWithBases(&class_spec, (Value, *bases))
    cls.__name__ = name             # Python has only borrowed the name in the spec
    cls.__doc__ = doc
    add_dialect(cls, float_data, float_grad, float_seed, micrograd_relu, tanh_by_power, deferred, results, methods,
                power, check_number, names)
    if instance_dict is not None:
        (<dict>(<PyTypeObject *>cls).tp_dict)["__dict__"] = instance_dict   # setattr would set the class's own
        PyType_Modified(<PyTypeObject *>cls)
    if metaclass is not None:
        active_dialect.is_watched = False
        incref(<PyObject *>metaclass)   # a class holds a reference to its own class
        set_type(<PyObject *>cls, <PyTypeObject *>metaclass)
    return cls
