# Operands: objects that a loop has read from places, as what a program (csrc/program.h) computes with.
#
# A run meets Values of one class at most. When it meets the first, it finds out whether all that the loop does with
# them is the engine's own: operators, methods, attributes. Subclasses may have others, so their Values aren't operands.

cdef bint meet(Frame *frame, PyTypeObject *cls) noexcept:
    """Note the class of the first Value that a run meets. False if the run has to decline: then frame.reason says why.
    """
    cdef int i
    frame.reason = b"a Value's class of the author's own"
    if frame.cls is not NULL or not has_own_dialect(cls):
        return False
    if cls is not active_class:
        activate(dialect_of(cls))
    frame.reason = b"operators or attributes that somebody has assigned to the class"
    if are_there_odd_classes or not (numbers_are_ours() or look_again()):
        return False
    if frame.met[0] != version_with_ours or version_with_ours == NO_VERSION:    # this is the class's: numbers_are_ours
        if not has_ours(frame, cls):
            return False
        frame.met[0] = version_with_ours
    frame.cls = cls
    frame.rules.kind = new_kind
    frame.rules.records = frame.records
    frame.rules.float_data = active_dialect.float_data
    frame.rules.micrograd_relu = active_dialect.micrograd_relu
    frame.rules.tanh_by_power = active_dialect.tanh_by_power
    for i in range(4):
        frame.rules.lacks[i] = active_dialect.lacks >> DO_LACKS[i] & 1
    return True


cdef bint has_ours(Frame *frame, PyTypeObject *cls) noexcept:
    """Whether all that a loop does with Values of the active class is the engine's own. A class that is changed gets
    another version, so a loop asks once for each."""
    cdef PyObject *method
    if cls.tp_getattro is not <void *>value_getattr or cls.tp_setattro is not <void *>value_setattr:
        return False
    for symbol in <tuple>frame.operators:
        if not is_our_operator(cls.tp_as_number, symbol):
            return False
    for name in <tuple>frame.methods:
        method = PyType_Lookup(cls, name)
        if method is NULL or method is not PyType_Lookup(<PyTypeObject *>Node, name):
            return False
    for name in <tuple>frame.absent:
        if PyType_Lookup(cls, name) is not NULL:
            return False
    return True


cdef bint is_our_operator(PyNumberMethods *of_class, object symbol) noexcept:
    """Whether an operator of the active class is the engine's own, and those of which it's made."""
    if symbol == "+":
        return of_class.nb_add is <void *>value_add
    if symbol == "*":
        return of_class.nb_multiply is <void *>value_multiply
    if symbol == "**":
        return of_class.nb_power is <void *>value_power
    if symbol == "-" and of_class.nb_subtract is not <void *>value_subtract:
        return False
    if symbol == "/" and of_class.nb_true_divide is not <void *>value_divide:
        return False
    return operators_are_ours()


cdef unsigned int[4] DO_LACKS       # in the order of fg_rules.lacks: + * - /
DO_LACKS[0], DO_LACKS[1], DO_LACKS[2], DO_LACKS[3] = RADD, RMUL, RSUB, RTRUEDIV


cdef bint read_object(Frame *frame, PyObject *x, fg_register *out, Py_ssize_t i) noexcept:
    """Read an object as operand i. False if it's neither a Value of the class that the run has met nor a number."""
    cdef fg_operand operand
    if not read_as(frame, x, &operand):
        return False
    fg_register_set(out, i, operand)
    return True


cdef bint read_as(Frame *frame, PyObject *x, fg_operand *out) noexcept:
    cdef fg_node *node
    cdef int overflow
    if type_of(x) is frame.cls or is_value(<object>x):
        if type_of(x) is not frame.cls and not meet(frame, type_of(x)):
            return False
        if (<Node>x).attributes is not NULL and <tuple>frame.methods:       # which may hide a method
            frame.reason = b"a Value with attributes, and a method"
            return False
        out.node = (<Node>x).index
        node = node_at(out.node)
        out.number = node.data
        out.is_int = node.flags & FG_DATA_INT
        out.is_value = True
        return True
    out.node = FG_NONE
    out.is_value = False
    if PyFloat_CheckExact(<object>x):
        out.number = PyFloat_AS_DOUBLE(<object>x)
        out.is_int = False
        return True
    if PyLong_CheckExact(<object>x):
        out.number = <double>PyLong_AsLongLongAndOverflow(<object>x, &overflow)
        out.is_int = True
        if not overflow and fabs(out.number) < FG_EXACT:
            return True
        frame.reason = b"an int that isn't small"
        return False
    if is_of_c_class(x, b"numpy.float64"):
        out.number = PyFloat_AS_DOUBLE(<object>x)
        out.is_int = False
        frame.has_numpys = True
        return True
    if is_of_c_class(x, b"numpy.int64"):
        frame.has_numpys = True
        return read_index(frame, x, out)
    frame.reason = b"an operand that is neither a Value nor a number"
    return False


cdef bint read_index(Frame *frame, PyObject *x, fg_operand *out) noexcept:
    """Read an int of NumPy's."""
    cdef PyObject *number = PyNumber_Index_or_null(x)
    cdef bint is_read = False
    if number is NULL:
        PyErr_Clear()
    else:
        is_read = read_as(frame, number, out)
        decref(number)
    return is_read


cdef bint read_items(Frame *frame, PyObject **items, Py_ssize_t n_of_items, Py_ssize_t at, Py_ssize_t step,
                     Py_ssize_t n, fg_register *out, bint *are_own) noexcept:
    """Read n items of a list, from item `at` on, as operands. are_own: see read_floats."""
    cdef Py_ssize_t i, k, last = at + (n - 1) * step
    are_own[0] = False
    if 0 <= at < n_of_items and 0 <= last < n_of_items:
        if type_of(items[at]) is &PyFloat_Type:         # then mostly all are floats
            if read_floats(items + at, step, n, out, are_own):
                return True
        elif is_value(<object>items[at]) and (frame.cls is not NULL or meet(frame, type_of(items[at]))):
            if read_values(frame, items + at, step, n, out):
                return True
    for i in range(n):
        k = at + i * step
        if k < 0:
            k += n_of_items
        if not 0 <= k < n_of_items or not read_object(frame, items[k], out, i):
            return False
    fg_register_note(out, n)
    return True


cdef bint read_floats(PyObject **items, Py_ssize_t step, Py_ssize_t n, fg_register *out, bint *are_own) noexcept:
    """Read n floats as operands. False if there's anything else among them. are_own: whether nobody but the list refers
    to any of them."""
    cdef Py_ssize_t i, others = 0
    cdef PyObject *x
    for i in range(n):
        x = items[i * step]
        if type_of(x) is not &PyFloat_Type:
            return False
        out.numbers[i] = PyFloat_AS_DOUBLE(<object>x)
        others |= refcount(x) - 1
    out.all = FG_FLOATS
    are_own[0] = others == 0
    return True


cdef bint read_values(Frame *frame, PyObject **items, Py_ssize_t step, Py_ssize_t n, fg_register *out
                      ) noexcept:
    """Read n Values of floats as operands. False if there's anything else among them."""
    cdef Py_ssize_t i
    cdef uint16_t flags = 0
    cdef PyObject *attributes = NULL
    cdef fg_node *node
    cdef PyObject *x
    for i in range(n):
        x = items[i * step]
        if type_of(x) is not frame.cls:
            return False
        out.nodes[i] = (<Node>x).index
        node = node_at((<Node>x).index)
        out.numbers[i] = node.data
        flags |= node.flags
        if (<Node>x).attributes is not NULL:
            attributes = x
    if flags & FG_DATA_INT or attributes is not NULL and <tuple>frame.methods:
        return False
    out.all = FG_VALUES
    return True


cdef bint read_named(Frame *frame, PyObject **items, Py_ssize_t step, Py_ssize_t n, fg_register *out) noexcept:
    """read_values where nobody reads the operands' numbers but by the names data and grad."""
    cdef Py_ssize_t i
    cdef PyObject *x
    if frame.cls is NULL or <tuple>frame.methods:
        return False
    for i in range(n):
        x = items[i * step]
        if type_of(x) is not frame.cls:
            return False
        out.nodes[i] = (<Node>x).index
    out.all = FG_VALUES
    return True
