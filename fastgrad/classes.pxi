# Light classes: Value, and classes like it that `_make_class` makes for a teaching script's own (script/twin.py).
#
# An instance of a class made by a class statement is tracked by the garbage collector, and its node needs an
# attachment that remembers the class. A light class is made of slots, as Value is, and its number is in the node's
# flags; so its instances cost what a Value costs. Among light classes one is in favour at a time, `plain`: the short
# ways are for it alone. An operation on another brings that one into favour; a script seldom has two.
#
# Teaching classes differ in what is an int and what a float at first; a Light says what its class's nodes have.

cdef enum:
    MOST_LIGHTS = 64            # as many as FG_CLASS has room for
    MOST_FREE_HANDLES = 4096

cdef enum Results:
    MORE_DERIVED                # the left operand's, or the right's if that derives from it
    LEFT
    BASE                        # the light class itself, not a subclass

cdef struct Light:
    PyTypeObject *cls           # never freed
    uint16_t fresh              # flags of a new node: the class's number, and whether the gradient starts as an int
    bint any_number             # no script's own class: the constructor takes numbers of every kind
    bint float_data             # the constructor makes floats of ints, and so do operations of their constants
    bint float_seed             # backward() starts from 1.0, not 1
    bint float_zero             # relu() of a negative number is 0.0, not 0
    bint same_zero              # but of what isn't below 0 it's that: of 0.0, of nan
    bint int_step               # and its derivative 1 or 0, not 1.0 or 0.0
    Results results             # the class of results
    unsigned int lacks          # which of the reflected operators a class doesn't have, a bit for each
    PyObject *power             # called for an exponent that isn't a float or an int; or NULL
    PyObject *names             # a dict: names of operations other than ours; or NULL
    bint is_watched             # whether backward() has to see what is assigned to the class; if a metaclass does, not
    unsigned int version        # of the class, when it was last seen to pass gradients on as the engine does
    PyObject **free_handles     # the first a NULL, then handles up to
    PyObject **free_handle      # this one

cdef enum:
    RADD
    RMUL
    RSUB
    RTRUEDIV
    RPOW

REFLECTED = ("__radd__", "__rmul__", "__rsub__", "__rtruediv__", "__rpow__")

cdef Light lights[MOST_LIGHTS]
cdef int n_lights = 0

# Of the class in favour:
cdef PyTypeObject *plain = NULL
cdef Light *light = NULL
cdef uint32_t fresh = 0, fresh_sum = 0, fresh_product = 0   # kinds of new nodes
cdef PyObject **free_handle = NULL
cdef PyObject **last_free_handle = NULL     # where the last one goes for which there's room
cdef PyTypeObject *recorded = NULL          # plain if it's certain that operations record, else NULL
cdef PyTypeObject *unrecorded = NULL        # plain if they don't where it was asked last (recording.pxi), else NULL


# ---- What a class is like now ----
#
# Python numbers the versions of all classes: a class has another number, or 0 for none, after it or a base of it has
# changed, and gets one when it's looked at. (A class that changes again and again gets none any more, from 3.13 on.)

cdef extern from *:
    """
    #define FG_NO_VERSION UINT32_MAX    /* a number that no class has: they go up to it from 1 */
    """
    unsigned int NO_VERSION "FG_NO_VERSION"

cdef str BACKWARD = sys.intern("_backward")
cdef str LOCAL_GRADS = sys.intern("_local_grads")
cdef str GETATTRIBUTE = sys.intern("__getattribute__")
cdef PyObject *backward_property = PyType_Lookup(<PyTypeObject *>Node, BACKWARD)
cdef PyObject *local_grads_property = PyType_Lookup(<PyTypeObject *>Node, LOCAL_GRADS)
cdef unsigned int version_of_subclass = NO_VERSION      # of the last that was seen to pass gradients on like its
cdef unsigned int version_with_numbers = NO_VERSION     # light class; to have its grad and _local_grads
cdef object odd_classes = weakref.WeakSet()     # those with others: backward() asks and assigns as Python would
cdef bint are_there_odd_classes = False


cdef inline unsigned int version_of(PyTypeObject *cls) noexcept:
    return cls.tp_version_tag if cls.tp_version_tag != 0 else NO_VERSION


cdef inline bint has_same(PyTypeObject *cls, PyTypeObject *base, str name) noexcept:
    return PyType_Lookup(cls, name) is PyType_Lookup(base, name)


cdef bint has_its_numbers(PyTypeObject *cls) noexcept:
    """Whether grad and _local_grads are those of the class's light class, or, of a light class, Node's."""
    cdef PyTypeObject *base = light_for(cls).cls
    if cls is base:
        return PyType_Lookup(cls, GRAD) is grad_property and PyType_Lookup(cls, LOCAL_GRADS) is local_grads_property
    return has_same(cls, base, GRAD) and has_same(cls, base, LOCAL_GRADS)


cdef bint passes_on(PyTypeObject *cls, unsigned int *version) noexcept:
    """Whether nodes of a class pass gradients on as the engine does, if they haven't been given a `_backward`. version:
    of a class that did."""
    cdef PyTypeObject *base = light_for(cls).cls
    cdef bint is_same
    if cls.tp_version_tag == version[0]:
        return True
    if cls is base:
        is_same = (PyType_Lookup(cls, BACKWARD) is backward_property
                   and PyType_Lookup(cls, GETATTRIBUTE) is <PyObject *>OWN_GETATTRIBUTE)
    else:
        is_same = has_same(cls, base, BACKWARD) and has_same(cls, base, GETATTRIBUTE)
    if not is_same or not has_its_numbers(cls):
        return False
    version[0] = version_of(cls)
    return True


cdef bint light_classes_pass_on() noexcept:
    """The same of all light classes, but for those whose fields somebody else looks after."""
    cdef int i
    for i in range(n_lights):
        if lights[i].is_watched and not passes_on(lights[i].cls, &lights[i].version):
            return False
    return True


cdef int note_if_odd(PyTypeObject *cls) except -1:
    global version_with_numbers, are_there_odd_classes
    if cls.tp_version_tag == version_with_numbers:
        return 0
    if has_its_numbers(cls):
        version_with_numbers = version_of(cls)
    else:
        odd_classes.add(<object>cls)
        are_there_odd_classes = True
    return 0


cdef int look_at_odd_classes() except -1:
    """Forget those that are odd no more, and note the light ones that are."""
    global are_there_odd_classes
    cdef int i
    for cls in list(odd_classes):
        if has_its_numbers(<PyTypeObject *>cls):
            odd_classes.discard(cls)
    for i in range(n_lights):
        if lights[i].is_watched and not has_its_numbers(lights[i].cls):
            odd_classes.add(<object>lights[i].cls)
    are_there_odd_classes = len(odd_classes) > 0
    return 0


cdef inline bint is_light(PyTypeObject *cls) noexcept:
    return cls.tp_dealloc is handle_dealloc


cdef Light *light_for(PyTypeObject *cls) noexcept:
    """The light class that a subclass of Node is or derives from."""
    cdef int i
    while not is_light(cls) and cls.tp_base is not NULL:
        cls = cls.tp_base
    for i in range(n_lights):
        if lights[i].cls is cls:
            return &lights[i]
    return light


cdef inline bint lacks(object left, object right, unsigned int operator) noexcept:
    """Whether it would take a reflected operator that the Value on the right doesn't have."""
    return not isinstance(left, Node) and light_for(class_of(right)).lacks >> operator & 1


@cython.cdivision(True)
cdef inline Light *light_at(fg_index index) noexcept:
    return &lights[node_at(index).flags // FG_CLASS_UNIT]


cdef void favour(Light *favourite) noexcept:
    global plain, light, fresh, fresh_sum, fresh_product, free_handle, last_free_handle, version_with_ours
    if light is not NULL:
        light.free_handle = free_handle
    light = favourite
    plain, free_handle = light.cls, light.free_handle
    fresh = fg_kind(0, 0, light.fresh)
    fresh_sum = fresh | fg_kind(FG_ADD, FG_BINARY, FG_LOCAL0_INT | FG_LOCAL1_INT)
    fresh_product = fresh | fg_kind(FG_MUL, FG_BINARY, 0)
    last_free_handle = light.free_handles + MOST_FREE_HANDLES
    note_answer(last_answer)
    version_with_ours = NO_VERSION


cdef PyTypeObject *class_of_result(object operand) noexcept:
    """The class of a function's result."""
    cdef Light *style = light_for(class_of(operand))
    return style.cls if style.results == BASE else class_of(operand)


cdef inline Number constant(Number number) noexcept:
    """A number that becomes a Value."""
    return Number(number.value, number.is_int and not light.float_data)


cdef object name_of(fg_index index, object name, object key=None):
    """An operation's name in its class's words."""
    cdef PyObject *names = light_at(index).names
    return name if names is NULL else (<dict>names).get(key or name, name)


cdef int add_light(object cls, bint any_number=False, bint float_data=False, bint float_grad=False,
                   bint float_seed=False, bint float_zero=False, bint same_zero=False, bint int_step=False,
                   object power=None, bint late=False, int results=MORE_DERIVED, object methods=REFLECTED,
                   dict names=None) except -1:
    """Let a class be a light one. Raises OverflowError if there are too many, and MemoryError."""
    global n_lights
    cdef unsigned int absent = 0
    cdef Light *new
    for i, name in enumerate(REFLECTED):
        if name not in methods:
            absent |= 1 << i
    new = &lights[n_lights]         # only now: from here on no Python runs
    if n_lights == MOST_LIGHTS:
        raise OverflowError("too many classes")
    new.free_handles = <PyObject **>fg_allocate(NULL, (1 + MOST_FREE_HANDLES) * sizeof(PyObject *))
    if new.free_handles is NULL:
        raise MemoryError("no memory for a class")
    new.free_handles[0] = NULL
    new.free_handle = new.free_handles
    new.cls = <PyTypeObject *>cls
    incref(<PyObject *>cls)         # for as long as there are handles, even when this module is gone
    new.fresh = n_lights * FG_CLASS_UNIT | (0 if float_grad else FG_GRAD_INT) | (FG_DEFERRED if late else 0)
    new.results = <Results>results
    new.any_number = any_number
    new.float_data, new.float_seed = float_data, float_seed
    new.float_zero, new.same_zero, new.int_step = float_zero, same_zero, int_step
    new.lacks = absent
    new.version = NO_VERSION
    new.is_watched = True
    if power is not None:
        new.power = <PyObject *>power
        incref(new.power)
    if names:
        new.names = <PyObject *>names
        incref(new.names)
    n_lights += 1
    favour(new)
    return 0


cdef PyType_Slot light_slots[2]


def _make_class(str module, str name, str doc=None, *, bint any_number=False, bint float_data=False,
                bint float_grad=False, bint float_seed=False, bint float_zero=False, bint same_zero=False,
                bint int_step=False, power=None, bint late=False, int results=0, methods=REFLECTED, dict names=None,
                tuple bases=(), metaclass=None, instance_dict=None):
    """A class derived from Value whose instances cost no more than Values.

    The arguments after doc are what's in a Light; methods: those that the class has, by name; bases: classes to derive
    from beside Value; metaclass: a subclass of type without fields of its own, to be the class's class;
    instance_dict: a property, the `__dict__` of instances. Raises OverflowError when there are too many.
    """
    cdef PyType_Spec light_spec     # not shared: to make a class may run Python
    encoded = f"{module}.{name}".encode()
    light_slots[0] = PyType_Slot(Py_tp_dealloc, <void *>handle_dealloc)
    light_slots[1] = PyType_Slot(0, NULL)
    light_spec.name = encoded
    light_spec.basicsize = light_spec.itemsize = 0
    light_spec.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE
    light_spec.slots = light_slots
    cls = PyType_FromSpecWithBases(&light_spec, (Value, *bases))
    cls.__name__ = name             # Python has only borrowed the other
    cls.__doc__ = doc
    add_light(cls, any_number, float_data, float_grad, float_seed, float_zero, same_zero, int_step, power, late,
              results, methods, names)
    if instance_dict is not None:
        (<dict>(<PyTypeObject *>cls).tp_dict)["__dict__"] = instance_dict   # setattr would mean the class's own
        PyType_Modified(<PyTypeObject *>cls)
    if metaclass is not None:
        light.is_watched = False        # the metaclass sees what is assigned
        incref(<PyObject *>metaclass)   # a class holds a reference to its own
        set_type(<PyObject *>cls, <PyTypeObject *>metaclass)
    return cls
