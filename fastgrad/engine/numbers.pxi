# From Python's numbers to a double and a flag, and back. csrc/numbers.h says what the flag means.

cdef object ZERO = 0        # CPython has one object 0; were there more, a test for this one would fail, and cost time

cdef struct Number:
    double value
    bint is_int


cdef int read_number(object x, Number *out) except -1:
    """Read x as a number that a double holds exactly. Raises TypeError and OverflowError, as reference.number does."""
    cdef fg_node *node
    cdef double value
    if PyFloat_CheckExact(x):
        out[0] = Number(PyFloat_AS_DOUBLE(x), False)
    elif PyLong_CheckExact(x):
        value = PyLong_AsDouble(x)
        if fabs(value) >= FG_EXACT and value != x:
            raise OverflowError(f"int {x} can't be held exactly by a double")
        out[0] = Number(value, fabs(value) <= FG_EXACT)
    elif is_value(x):
        node = node_at((<Node>x).index)
        out[0] = Number(node.data, node.flags & FG_DATA_INT)
    elif is_of_c_class(<PyObject *>x, b"numpy.float64"):    # which is a float
        out[0] = Number(PyFloat_AS_DOUBLE(x), False)
    else:
        read_number(as_plain_number(x), out)
    return 0


cdef inline int check_kind(Dialect *dialect, object x) except -1:
    """Raise TypeError for a number of a kind that a script's own class stores as it is, where a Value has a double
    (script/fields.py)."""
    if dialect.check_number is not NULL and not isinstance(x, (int, float)):
        (<object>dialect.check_number)(x)
    return 0


cdef inline bint is_number(object x) except -1:
    return isinstance(x, (int, float)) or arguments.is_number(x)


cdef object as_plain_number(object x):
    """Anything with __index__ or __float__ as an int or float. Raises TypeError, as reference.plain does."""
    if type(x).__name__ in ("bool", "bool_"):       # Python's, and NumPy's, which has no __index__
        return int(bool(x))
    if is_number(x) and hasattr(type(x), "__index__"):
        try:
            return int(operator.index(x))
        except TypeError:
            pass        # an array of one float has an __index__ that raises
    if not is_number(x) or not hasattr(type(x), "__float__"):
        raise TypeError(arguments.not_a_number(x))
    try:
        return float(float(x))      # the outer call turns an instance of a subclass of float into a float
    except TypeError:
        if hasattr(type(x), "__len__"):     # an array of several
            raise TypeError(arguments.not_a_number(x)) from None
        raise


cdef inline bint is_plain_number(object x) noexcept:
    return PyFloat_CheckExact(x) or PyLong_CheckExact(x)


cdef inline bint is_operand(object x):
    """Whether x takes part in arithmetic: a Value or a number. An array doesn't: NumPy does its work elementwise."""
    if is_plain_number(x) or is_value(x):
        return True
    kind = type(x)
    return (hasattr(kind, "__float__") or hasattr(kind, "__index__")) and not hasattr(kind, "__len__")


cdef inline object as_object(double value, bint is_int):
    return int(value) if is_int else value


cdef object number_of(object x):
    """The number in a Value, or any other number, as Python's int or float."""
    cdef Number number
    read_number(x, &number)
    return as_object(number.value, number.is_int)


cdef object plain_of(object x):
    """The same of any size, for a number that no node stores."""
    if is_value(x):
        return number_of(x)
    return x if is_plain_number(x) else as_plain_number(x)


cdef inline bint is_beyond(object x) noexcept:
    """Whether x is an int beyond 2**53. Python computes with it exactly, and C can't."""
    cdef int overflow
    cdef long long n
    if not PyLong_CheckExact(x):
        return False
    n = PyLong_AsLongLongAndOverflow(x, &overflow)
    return overflow or not -(1LL << 53) <= n <= 1LL << 53


cdef inline Number number_at(fg_index index) noexcept:
    """The data of a node."""
    cdef fg_node *node = node_at(index)
    return Number(node.data, node.flags & FG_DATA_INT)


cdef inline Number data_of(Node self) noexcept:
    return number_at(self.index)


cdef inline void set_data(Node self, Number number) noexcept:
    cdef fg_node *node = node_at(self.index)
    fg_node_note_assigned(&arena, node)
    node.data = number.value
    node.flags = (node.flags | FG_DATA_INT) if number.is_int else (node.flags & ~FG_DATA_INT)


cdef inline void set_grad(Node self, Number number) noexcept:
    cdef fg_node *node = node_at(self.index)
    node.grad = number.value
    node.flags = (node.flags | FG_GRAD_INT) if number.is_int else (node.flags & ~FG_GRAD_INT)
