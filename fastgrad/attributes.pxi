# Reading and writing attributes: the slots getattr and setattr of the class Value.
#
# `data` and `grad` are properties of Node, and Python would find them as it finds any: by a search for the name among
# the attributes of the classes, for every `p.data` and every `p.grad = 0` of a training loop. For plain Values the
# way is cut short: the name is compared with these two. Unless somebody has assigned to the class another meaning of
# them.

cdef str DATA = sys.intern("data")
cdef str GRAD = sys.intern("grad")
cdef object ZERO = 0                        # an object that Python has just one of; if not, it's only slower
cdef Py_ssize_t n_class_attributes = -1     # of Value, when it was last seen to have neither name


cdef extern from *:
    """
    FG_SELDOM PyObject *fg_get_any(PyObject *, PyObject *);
    FG_SELDOM int fg_set_any(PyObject *, PyObject *, PyObject *);
    """


cdef inline bint numbers_are_ours():
    """Whether Value itself has no attribute named data or grad, which would come before Node's."""
    return dict_size(plain.tp_dict) == n_class_attributes


cdef bint look_again():
    global n_class_attributes
    cdef dict attributes = <dict>plain.tp_dict
    if DATA in attributes or GRAD in attributes:
        return False
    n_class_attributes = len(attributes)
    return True


cdef object value_getattr(object self, object name):
    cdef fg_node *node = &arena.nodes[(<Node>self).index]
    if class_of(self) is plain and numbers_are_ours():
        if name is DATA and not node.flags & FG_DATA_INT:
            return PyFloat_FromDouble(node.data)
        if name is GRAD and not node.flags & FG_GRAD_INT:
            return PyFloat_FromDouble(node.grad)
    return get_any(self, name)


cdef object get_any "fg_get_any"(object self, object name):
    cdef fg_node *node = &arena.nodes[(<Node>self).index]
    if class_of(self) is plain and (name is DATA or name is GRAD) and (numbers_are_ours() or look_again()):
        if name is DATA:
            return as_object(node.data, node.flags & FG_DATA_INT)
        return as_object(node.grad, node.flags & FG_GRAD_INT)
    return PyObject_GenericGetAttr(self, name)


cdef int value_setattr(PyObject *self, PyObject *name, PyObject *value) except -1:
    """Set an attribute, or, if value is NULL, delete it."""
    if type_of(self) is plain and value is not NULL and numbers_are_ours():
        if name is <PyObject *>DATA and PyFloat_CheckExact(<object>value):
            set_data(<Node>self, Number(PyFloat_AS_DOUBLE(<object>value), False))
            return 0
        if name is <PyObject *>GRAD and PyFloat_CheckExact(<object>value):
            set_grad(<Node>self, Number(PyFloat_AS_DOUBLE(<object>value), False))
            return 0
        if name is <PyObject *>GRAD and value is <PyObject *>ZERO:
            set_grad(<Node>self, Number(0.0, True))
            return 0
    return set_any(self, name, value)


cdef int set_any "fg_set_any"(PyObject *self, PyObject *name, PyObject *value) except -1:
    if not numbers_are_ours():
        look_again()
    try:
        generic_setattr(<object>self, name, value)
    except NotImplementedError:     # what Cython's properties raise
        raise AttributeError(f"{<object>name!r} of a Value can't be deleted") from None
    if (<Node>self).attributes is not NULL and not are_shared(<Node>self):
        share_attributes(<Node>self)
    return 0
