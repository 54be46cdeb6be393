# Whether a class still means by `data`, `grad`, `_local_grads` and `_backward` what the engine means.
#
# Somebody may assign a property `grad` or a function `_backward` to Value, or define one in a subclass. Then backward()
# has to do in Python what it does else in C. Two questions are asked:
#
# - has_its_numbers: are `grad` and `_local_grads` the engine's, and so is how attributes are read and set? A class
#   where that isn't so is *odd*. While there's an odd class, gradients are read and written as attributes (graph.pxi,
#   must_call_all).
# - passes_on: does a node of the class also have the engine's `_backward`, unless it has been given one of its own?
#
# A look at a class takes long. Python numbers the versions of all classes: a class gets another number, or 0 for none,
# when it or a base of it has changed, and a number for a 0 when an attribute is looked up. So the number of a class
# that was looked at is an answer. (From 3.13 on, a class that changes again and again gets no more numbers.)
#
# A class with a dialect of its own is compared with Node, any other with the class that it derives from.

cdef str DATA = sys.intern("data")
cdef str GRAD = sys.intern("grad")
cdef str BACKWARD = sys.intern("_backward")
cdef str LOCAL_GRADS = sys.intern("_local_grads")
cdef str GETATTRIBUTE = sys.intern("__getattribute__")
cdef str SETATTR = sys.intern("__setattr__")
# Node's own, borrowed.
cdef PyObject *data_property = PyType_Lookup(<PyTypeObject *>Node, DATA)
cdef PyObject *grad_property = PyType_Lookup(<PyTypeObject *>Node, GRAD)
cdef PyObject *backward_property = PyType_Lookup(<PyTypeObject *>Node, BACKWARD)
cdef PyObject *local_grads_property = PyType_Lookup(<PyTypeObject *>Node, LOCAL_GRADS)
# Value's own, set when there is a Value.
cdef object OWN_GETATTRIBUTE = None, OWN_SETATTR = None, OWN_RADD = None, OWN_RMUL = None

cdef unsigned int version_of_subclass = NO_VERSION      # of the last subclass that was seen to pass gradients on
cdef enum:
    N_VERSIONS = 64
cdef unsigned int[N_VERSIONS] with_numbers      # versions of subclasses that were seen to have their numbers, or 0
cdef object subclasses = weakref.WeakSet()      # made by class statements, of which there have been instances
cdef bint are_there_subclasses = False
cdef bint are_there_odd_classes = False


cdef inline unsigned int version_of(PyTypeObject *cls) noexcept:
    return cls.tp_version_tag if cls.tp_version_tag != 0 else NO_VERSION


cdef inline bint has_same(PyTypeObject *cls, PyTypeObject *base, str name) noexcept:
    return PyType_Lookup(cls, name) is PyType_Lookup(base, name)


cdef bint has_its_numbers(PyTypeObject *cls) noexcept:
    cdef PyTypeObject *base = dialect_of(cls).cls
    if cls is base:
        return (PyType_Lookup(cls, GRAD) is grad_property and PyType_Lookup(cls, LOCAL_GRADS) is local_grads_property
                and PyType_Lookup(cls, GETATTRIBUTE) is <PyObject *>OWN_GETATTRIBUTE
                and PyType_Lookup(cls, SETATTR) is <PyObject *>OWN_SETATTR)
    return (has_same(cls, base, GRAD) and has_same(cls, base, LOCAL_GRADS) and has_same(cls, base, GETATTRIBUTE)
            and has_same(cls, base, SETATTR))


cdef bint passes_on(PyTypeObject *cls, unsigned int *version) noexcept:
    """version: where the caller keeps the version of a class for which the answer was yes."""
    cdef PyTypeObject *base = dialect_of(cls).cls
    cdef bint is_same
    if cls.tp_version_tag == version[0]:
        return True
    if cls is base:
        is_same = PyType_Lookup(cls, BACKWARD) is backward_property
    else:
        is_same = has_same(cls, base, BACKWARD)
    if not is_same or not has_its_numbers(cls):
        return False
    version[0] = version_of(cls)
    return True


cdef bint all_dialects_pass_on() noexcept:
    """Whether all classes with a dialect of their own pass gradients on, but for those that a metaclass watches."""
    cdef int i
    for i in range(n_dialects):
        if dialects[i].is_watched and not passes_on(dialects[i].cls, &dialects[i].version):
            return False
    return True


cdef int note_subclass(PyTypeObject *cls) except -1:
    """Note a subclass of which there's a new instance. May run Python."""
    global are_there_subclasses, are_there_odd_classes
    cdef unsigned int version = cls.tp_version_tag
    if version != 0 and with_numbers[version & N_VERSIONS - 1] == version:
        return 0
    subclasses.add(<object>cls)
    are_there_subclasses = True
    if has_its_numbers(cls):
        with_numbers[cls.tp_version_tag & N_VERSIONS - 1] = cls.tp_version_tag
    else:
        are_there_odd_classes = True
    return 0


cdef int look_at_classes() except -1:
    """Find out whether there are odd classes. Any may have changed since it was noted."""
    global are_there_subclasses, are_there_odd_classes
    cdef int i
    cdef bint are_there_any = False
    for i in range(n_dialects):
        if dialects[i].is_watched and not has_its_numbers(dialects[i].cls):
            are_there_any = True
    known = list(subclasses)
    for cls in known:
        if not has_its_numbers(<PyTypeObject *>cls):
            are_there_any = True
    are_there_subclasses, are_there_odd_classes = len(known) > 0, are_there_any
    return 0
