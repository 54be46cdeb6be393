# Reading and writing attributes: the slots getattr and setattr of the class Value.
#
# `data` and `grad` are properties of Node, and Python would find them as it finds any: by a search for the name among
# the attributes of the classes, for every `p.data` and every `p.grad = 0` of a training loop. For plain Values the
# way is cut short: the name is compared with these two. Unless somebody has assigned to the class another meaning of
# them: Python numbers the versions of a class, and gives it another number when it or a base of it has changed. And the
# float that is returned is the one that the last read returned, with another number in it, if nobody has it any more,
# as zip() does with its tuples: a loop over parameters nearly always drops one before it reads the next.

cdef str DATA = sys.intern("data")
cdef str GRAD = sys.intern("grad")
cdef PyObject *data_property = PyType_Lookup(<PyTypeObject *>Node, DATA)
cdef PyObject *grad_property = PyType_Lookup(<PyTypeObject *>Node, GRAD)
cdef unsigned int version_with_ours = NO_VERSION    # of the class in favour, when these were last seen to be its own


cdef extern from *:
    """
    FG_SELDOM PyObject *fg_get_any(PyObject *, PyObject *);
    FG_SELDOM int fg_set_any(PyObject *, PyObject *, PyObject *);

    FG_SELDOM PyObject *fg_new_float(PyObject **spare, double x)
    {
        PyObject *made = PyFloat_FromDouble(x);
        if (made) {
            Py_XSETREF(*spare, made);
            Py_INCREF(made);
        }
        return made;
    }

    static inline PyObject *fg_float(PyObject **spare, double x)
    {
        PyObject *made = *spare;
        if (FG_LIKELY(made && Py_REFCNT(made) == 1)) {
            ((PyFloatObject *)made)->ob_fval = x;
            Py_INCREF(made);
            return made;
        }
        return fg_new_float(spare, x);
    }
    """
    PyObject *float_of "fg_float"(PyObject **spare, double x)

    # The functions below; for a caller that returns what they return, NULL and a set exception included.
    PyObject *return_any "fg_get_any"(PyObject *, PyObject *)
    int return_set_any "fg_set_any"(PyObject *, PyObject *, PyObject *)


cdef PyObject *spare_data = NULL
cdef PyObject *spare_grad = NULL


cdef inline bint numbers_are_ours():
    """Whether data and grad of the class in favour are known to be Node's."""
    return plain.tp_version_tag == version_with_ours


cdef bint look_again() noexcept:
    """Whether they are, where that isn't known."""
    global version_with_ours
    if PyType_Lookup(plain, DATA) is not data_property or PyType_Lookup(plain, GRAD) is not grad_property:
        return False
    version_with_ours = version_of(plain)
    return True


cdef PyObject *value_getattr(PyObject *self, PyObject *name) noexcept:
    cdef fg_node *node = node_at((<Node>self).index)
    if type_of(self) is plain and numbers_are_ours():
        if name is <PyObject *>DATA and not node.flags & FG_DATA_INT:
            return float_of(&spare_data, node.data)
        if name is <PyObject *>GRAD and not node.flags & FG_GRAD_INT:
            return float_of(&spare_grad, node.grad)
    return return_any(self, name)


cdef object get_any "fg_get_any"(object self, object name):
    cdef fg_node *node
    if class_of(self) is plain and (name is DATA or name is GRAD) and (numbers_are_ours() or look_again()):
        node = node_at((<Node>self).index)
        if name is DATA:
            return as_object(node.data, node.flags & FG_DATA_INT)
        return as_object(node.grad, node.flags & FG_GRAD_INT)
    if isinstance(name, str) and len(<str>name) == 8:
        # Python calls value_add for a + b and for b.__radd__(a) alike, but the latter is b + a.
        if name == "__radd__" and PyType_Lookup(class_of(self), name) is <PyObject *>OWN_RADD:
            return (<Node>self)._add_reflected
        if name == "__rmul__" and PyType_Lookup(class_of(self), name) is <PyObject *>OWN_RMUL:
            return (<Node>self)._multiply_reflected
    return PyObject_GenericGetAttr(self, name)


cdef int value_setattr(PyObject *self, PyObject *name, PyObject *value) noexcept:
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
    return return_set_any(self, name, value)


cdef int set_any "fg_set_any"(PyObject *self, PyObject *name, PyObject *value) except -1:
    if not numbers_are_ours():
        look_again()
    try:
        generic_setattr(<object>self, name, value)
    except NotImplementedError:     # what Cython's properties raise
        raise AttributeError(f"{<object>name!r} of a Value can't be deleted") from None
    finally:                        # even if it has failed, it may have made the dict
        if (<Node>self).attributes is not NULL and not are_shared(<Node>self):
            share_attributes(<Node>self)
    return 0


cdef int check_class(Node self, object cls) except -1:
    """Raise TypeError where a Value can't become one of another class. A light class's handles and nodes are made for
    it; two classes derived from the same one may be exchanged. What isn't a class, Python refuses."""
    cdef PyTypeObject *now = class_of(self)
    cdef PyTypeObject *base = light_for(now).cls
    cdef PyTypeObject *new = <PyTypeObject *>cls
    if isinstance(cls, type) and new is not now and (now is base or is_light(new) or not PyType_IsSubtype(new, base)
                                                     or light_for(new).cls is not base):
        raise TypeError(f"__class__ assignment: a {type(self).__name__!r} can't become a {cls.__name__!r}")
    return 0
