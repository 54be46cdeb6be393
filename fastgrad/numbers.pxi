# From Python's numbers to a double and a flag, and back. csrc/numbers.h says what the flag means.

cdef object ZERO = 0        # an object that Python has just one of; where it has more, what looks for it is only slower

cdef struct Number:
    double value
    bint is_int


cdef int read_number(object x, Number *out) except -1:
    """x as a number that a double holds exactly; raises TypeError and OverflowError as reference.number does."""
    cdef fg_node *node
    cdef double value
    if PyFloat_CheckExact(x):
        out[0] = Number(PyFloat_AS_DOUBLE(x), False)
    elif PyLong_CheckExact(x):
        value = PyLong_AsDouble(x)
        if fabs(value) >= FG_EXACT and value != x:
            raise OverflowError(f"int {x} can't be held exactly by a double")
        out[0] = Number(value, fabs(value) <= FG_EXACT)
    elif isinstance(x, Node):
        node = node_at((<Node>x).index)
        out[0] = Number(node.data, node.flags & FG_DATA_INT)
    else:
        read_number(as_plain_number(x), out)
    return 0


cdef int check_foreign(object x) except -1:
    """Raise TypeError for what a teaching script's own class would have stored as it is, with other results."""
    if not isinstance(x, (int, float)) and type(x).__name__ not in ("bool_", "bool", "int64", "int32", "intc"):
        raise TypeError(f"a replaced class holds floats and ints, not {type(x).__name__!r}: run this script with its "
                        "own class, by python itself or by python -m fastgrad --keep CLASS")
    return 0


cdef inline bint is_number(object x) except -1:
    return isinstance(x, (int, float)) or arguments.is_number(x)


cdef object as_plain_number(object x):
    """Anything with __index__ or __float__ as an int or float; raises TypeError as reference.plain does."""
    if type(x).__name__ in ("bool", "bool_"):       # Python's and NumPy's, which doesn't want to be an index
        return int(bool(x))
    if is_number(x) and hasattr(type(x), "__index__"):
        try:
            return int(operator.index(x))
        except TypeError:
            pass        # an array of one float has __index__ too, and it raises
    if not is_number(x) or not hasattr(type(x), "__float__"):
        raise TypeError(f"a Value holds a number, not {type(x).__name__!r}")
    return float(float(x))      # of a subclass of float, a float


cdef inline bint is_plain_number(object x):
    return PyFloat_CheckExact(x) or PyLong_CheckExact(x)


cdef inline bint is_operand(object x):
    """Whether x takes part in arithmetic: a Value or a number, but no array, which does the work elementwise."""
    if is_plain_number(x) or isinstance(x, Node):
        return True
    kind = type(x)
    return (hasattr(kind, "__float__") or hasattr(kind, "__index__")) and not hasattr(kind, "__len__")


cdef inline object as_object(double value, bint is_int):
    return int(value) if is_int else value


cdef object number_of(object x):
    """The number in a Value or anything else as Python's int or float."""
    cdef Number number
    read_number(x, &number)
    return as_object(number.value, number.is_int)


cdef object plain_of(object x):
    """The number in a Value or anything else as Python's int or float, of any size: for what isn't stored."""
    if isinstance(x, Node):
        return number_of(x)
    return x if is_plain_number(x) else as_plain_number(x)


cdef inline bint is_beyond(object x) noexcept:
    """Whether x is an int beyond 2**53, with which Python computes exactly and C doesn't."""
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
    node.data = number.value
    node.flags = (node.flags | FG_DATA_INT) if number.is_int else (node.flags & ~FG_DATA_INT)


cdef inline void set_grad(Node self, Number number) noexcept:
    cdef fg_node *node = node_at(self.index)
    node.grad = number.value
    node.flags = (node.flags | FG_GRAD_INT) if number.is_int else (node.flags & ~FG_GRAD_INT)
