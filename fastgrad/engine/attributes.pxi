# Reading and writing attributes: the slots getattr and setattr of the class Value.
#
# `data` and `grad` are properties of Node. Python would search the classes for each `p.data` and each `p.grad = 0` of a
# training loop. For Values of the active class the slot compares the name with these two first, as long as the class
# hasn't been given other ones (overrides.pxi says how that is known).
#
# A read reuses the float that it last returned, if no one else holds it (face.h, fg_float): a loop over parameters
# nearly always drops one number before it reads the next. zip() does the same with its tuples.

cdef PyObject *spare_data = NULL
cdef PyObject *spare_grad = NULL


cdef inline bint numbers_are_ours():
    """Whether data and grad of the active class are known to be Node's."""
    return active_class.tp_version_tag == version_with_ours


cdef bint look_again() noexcept:
    """Find out whether they are."""
    global version_with_ours
    if PyType_Lookup(active_class, DATA) is not data_property or PyType_Lookup(active_class, GRAD) is not grad_property:
        return False
    version_with_ours = version_of(active_class)
    return True


cdef PyObject *value_getattr(PyObject *self, PyObject *name) noexcept:
    cdef fg_node *node = node_at((<Node>self).index)
    if type_of(self) is active_class and numbers_are_ours():
        if name is <PyObject *>DATA and not node.flags & FG_DATA_INT:
            return float_of(&spare_data, node.data)
        if name is <PyObject *>GRAD and not node.flags & FG_GRAD_INT:
            return float_of(&spare_grad, node.grad)
    return (<Binary>get_any)(self, name)


cdef object get_any "get_any"(object self, object name):
    """What is left for value_getattr."""
    cdef fg_node *node
    if class_of(self) is active_class and (name is DATA or name is GRAD) and (numbers_are_ours() or look_again()):
        node = node_at((<Node>self).index)
        if name is DATA:
            return as_object(node.data, node.flags & FG_DATA_INT)
        return as_object(node.grad, node.flags & FG_GRAD_INT)
    if isinstance(name, str) and len(<str>name) == 8:
        # The wrapper that Python makes for `b.__radd__(a)` calls value_add(a, b), as a + b does. It has to be b + a.
        if name == "__radd__" and PyType_Lookup(class_of(self), name) is <PyObject *>OWN_RADD:
            return (<Node>self)._add_reflected
        if name == "__rmul__" and PyType_Lookup(class_of(self), name) is <PyObject *>OWN_RMUL:
            return (<Node>self)._multiply_reflected
    return PyObject_GenericGetAttr(self, name)


cdef int value_setattr(PyObject *self, PyObject *name, PyObject *value) noexcept:
    """Set an attribute; if value is NULL, delete it."""
    if type_of(self) is active_class and value is not NULL and numbers_are_ours():
        if name is <PyObject *>DATA and PyFloat_CheckExact(<object>value):
            set_data(<Node>self, Number(PyFloat_AS_DOUBLE(<object>value), False))
            return 0
        if name is <PyObject *>GRAD and PyFloat_CheckExact(<object>value):
            set_grad(<Node>self, Number(PyFloat_AS_DOUBLE(<object>value), False))
            return 0
        if name is <PyObject *>GRAD and value is <PyObject *>ZERO:
            set_grad(<Node>self, Number(0.0, True))
            return 0
    return (<Setter>set_any)(self, name, value)


cdef int set_any "set_any"(PyObject *self, PyObject *name, PyObject *value) except -1:
    """What is left for value_setattr."""
    if not numbers_are_ours():
        look_again()
    try:
        generic_setattr(<object>self, name, value)
    except NotImplementedError:     # raised by Cython's properties
        raise AttributeError(f"{<object>name!r} of a Value can't be deleted") from None
    finally:                        # Python may have made the dict of attributes, also if it has failed
        if (<Node>self).attributes is not NULL and not are_shared(<Node>self):
            share_attributes(<Node>self)
    return 0


cdef int check_class(Node self, object cls) except -1:
    """Raise TypeError if a Value can't become an instance of a class. Only classes derived from the same one with a
    dialect may be exchanged: handles and nodes are made for their dialect. Python itself refuses what is no class."""
    cdef PyTypeObject *now = class_of(self)
    cdef PyTypeObject *base = dialect_of(now).cls
    cdef PyTypeObject *new = <PyTypeObject *>cls
    if isinstance(cls, type) and new is not now and (
            now is base or has_own_dialect(new) or not PyType_IsSubtype(new, base) or dialect_of(new).cls is not base):
        raise TypeError(f"__class__ assignment: a {type(self).__name__!r} can't become a {cls.__name__!r}")
    return 0
