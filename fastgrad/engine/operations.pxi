# Operations make nodes of nodes. Functions take and return indices; a returned node has one reference, which is the
# caller's. Operands must be alive. Nothing may hold a pointer to a node while another one is made.

cdef PyTypeObject *class_of_result(object operand) noexcept:
    """The class of a function's result."""
    cdef Dialect *dialect = dialect_of(class_of(operand))
    return dialect.cls if dialect.results == BASE else class_of(operand)


cdef inline Number constant(Number number) noexcept:
    """A number as the data of a leaf that an operation of the active class makes of it."""
    return Number(number.value, number.is_int and not active_dialect.float_data)


cdef object name_of(fg_index index, object name, object key=None):
    """The name of an operation in the dialect of a node's class. key: what the dialect lists it under, if not
    `name`."""
    cdef PyObject *names = dialect_at(index).names
    return name if names is NULL else (<dict>names).get(key or name, name)


cdef inline fg_index new_binary(uint8_t op, fg_index a, fg_index b, double data, double by_a, double by_b,
                                uint16_t flags) except FG_NONE:
    """A node with the children a and b and the derivatives by each."""
    cdef fg_index index
    cdef fg_node *node
    if flags & FG_DATA_INT and dialect_at(a).float_data:
        flags &= ~FG_DATA_INT
    if not is_recording():
        return new_node(FG_LEAF, FG_NULLARY, flags & FG_DATA_INT, data)
    index = new_node(op, FG_BINARY, flags, data)
    node = node_at(index)
    node.local0 = by_a
    node.local1 = by_b
    node.child[0] = a
    node.child[1] = b
    fg_node_retain(&arena, a)
    fg_node_retain(&arena, b)
    return index


cdef inline fg_index new_unary(uint8_t op, fg_index a, Number data, Number by_a, Number constant) except FG_NONE:
    """A node with the child a, the derivative by it, and a constant that the operation may have."""
    cdef fg_index index
    cdef fg_node *node
    cdef uint16_t flags = ((FG_DATA_INT if data.is_int else 0) | (FG_LOCAL0_INT if by_a.is_int else 0)
                           | (FG_LOCAL1_INT if constant.is_int else 0))
    if data.is_int and dialect_at(a).float_data:
        flags &= ~FG_DATA_INT
    if not is_recording():
        return new_node(FG_LEAF, FG_NULLARY, flags & FG_DATA_INT, data.value)
    index = new_node(op, FG_UNARY, flags, data.value)
    node = node_at(index)
    node.local0 = by_a.value
    node.local1 = constant.value
    node.child[0] = a
    fg_node_retain(&arena, a)
    return index


# ---- The operations with two operands, on indices ----

cdef inline Number sum_of(Number x, Number y) noexcept:
    cdef fg_bool is_int
    cdef double data
    if x.is_int and y.is_int:
        data = fg_int_add(x.value, y.value, &is_int)
        return Number(data, is_int)
    return Number(x.value + y.value, False)


cdef inline Number product_of(Number x, Number y) noexcept:
    cdef fg_bool is_int
    cdef double data
    if x.is_int and y.is_int:
        data = fg_int_mul(x.value, y.value, &is_int)
        return Number(data, is_int)
    return Number(x.value * y.value, False)


cdef inline fg_index add(fg_index a, fg_index b) except FG_NONE:
    cdef Number y = sum_of(number_at(a), number_at(b))
    return new_binary(FG_ADD, a, b, y.value, 1.0, 1.0,
                      FG_LOCAL0_INT | FG_LOCAL1_INT | (FG_DATA_INT if y.is_int else 0))


cdef inline fg_index multiply(fg_index a, fg_index b) except FG_NONE:
    cdef Number left = number_at(a), right = number_at(b)
    cdef Number y = product_of(left, right)
    return new_binary(FG_MUL, a, b, y.value, right.value, left.value,
                      (FG_LOCAL0_INT if right.is_int else 0) | (FG_LOCAL1_INT if left.is_int else 0)
                      | (FG_DATA_INT if y.is_int else 0))


cdef fg_index multiply_by(fg_index a, Number factor) except FG_NONE:
    cdef fg_index b
    if not is_recording():
        return new_leaf(constant(product_of(number_at(a), constant(factor))))
    b = new_leaf(constant(factor))
    try:
        return multiply(a, b)
    finally:
        fg_node_release(&arena, b)


cdef fg_index subtract(fg_index a, fg_index b) except FG_NONE:
    cdef fg_index negative = multiply_by(b, Number(-1.0, True))
    try:
        return add(a, negative)
    finally:
        fg_node_release(&arena, negative)


cdef fg_index divide(fg_index a, fg_index b) except FG_NONE:
    cdef fg_index inverse = power_const(b, Number(-1.0, True))
    try:
        return multiply(a, inverse)
    finally:
        fg_node_release(&arena, inverse)


# The last powers, by whether the exponent is -1: `[e / total for e in exps]` asks for the same two again and again.
cdef double[2] last_base
cdef double[2] last_exponent
cdef double[2] last_power
last_base[0] = last_base[1] = NAN       # nothing is equal to it


cdef inline bint quick_power(Number x, Number n, Number *out) noexcept:
    """x ** n if C is sure of it. Returns whether it is."""
    cdef double y
    cdef bint is_inverse = n.value == -1.0
    if x.value == last_base[is_inverse] and n.value == last_exponent[is_inverse] and not (x.is_int and n.is_int):
        out[0] = Number(last_power[is_inverse], False)
        return True
    if not (x.is_int and n.is_int) and fg_power(x.value, n.value, &y):
        last_base[is_inverse], last_exponent[is_inverse], last_power[is_inverse] = x.value, n.value, y
        out[0] = Number(y, False)
        return True
    return False


cdef inline int power(Number x, Number n, Number *out) except -1:
    """x ** n as Python's: raises ZeroDivisionError, OverflowError, and ValueError in place of a complex result."""
    if quick_power(x, n, out):
        return 0
    return read_number(rounded(power_of_objects(as_object(x.value, x.is_int), as_object(n.value, n.is_int))), out)


cdef object power_of_objects(object x, object n):
    """x ** n. Only powers with real results."""
    if type(x) is int and type(n) is int and n > 0 and (abs(x).bit_length() - 1) * n >= 1024:
        raise OverflowError("int too large to convert to float")    # without computing millions of digits first
    y = operator.pow(x, n)
    if type(y) is complex:
        raise ValueError(f"{x!r} ** {n!r} is a complex number, and a Value is real")
    return y


cdef object rounded(object x):
    """A number as it is stored: an int beyond 2**53 becomes a float, rounded once."""
    return float(x) if type(x) is int and abs(x) > 2 ** 53 else x


cdef int power_local_grad(Number x, Number n, Number *out) except -1:
    """The derivative of x ** n by x."""
    if x.is_int and n.is_int or not quick_power(x, Number(n.value - 1.0, n.is_int), out):
        return read_number(derivative_of_objects(as_object(x.value, x.is_int), as_object(n.value, n.is_int)), out)
    out[0] = Number(n.value * out.value, False)
    return 0


cdef object derivative_of_objects(object x, object n):
    try:
        return rounded(n * power_of_objects(x, n - 1))
    except (ZeroDivisionError, OverflowError) as error:
        if n == 0 == x and active_dialect.check_number is NULL:
            raise ZeroDivisionError(f"{error}{arguments.NO_SLOPE}") from None
        note_derivative(error, arguments.power_formula(n), x)
        raise


cdef int note_derivative(object error, str formula, object at) except -1:
    """Say that it's the derivative that raises. A script's own class has only Python's words."""
    if active_dialect.check_number is NULL:
        arguments.note_derivative(error, formula, at)
    return 0


cdef inline bint has_slope() except -1:
    """Whether an operation takes its derivative at once, and so raises if there's none: not under no_grad(), and not in
    a dialect that takes derivatives in backward()."""
    return not active_dialect.new_flags & FG_DEFERRED and is_recording()


cdef fg_index power_const(fg_index a, Number n) except FG_NONE:
    """The node of a ** n."""
    cdef Number x = number_at(a), y, by_x = Number(NAN, False)
    power(x, n, &y)
    if has_slope():
        power_local_grad(x, n, &by_x)
    return new_unary(FG_POW_CONST, a, y, by_x, n)


cdef double log_of_base(double x):
    """log(x), by which the derivative of x ** n by n is x ** n times; 0 for x = 0, where the power is 0."""
    return c_log(x) if x > 0.0 else 0.0 if x == 0.0 else NAN


cdef fg_index power_of_nodes(fg_index a, fg_index b) except FG_NONE:
    cdef Number x = number_at(a), y, by_x = Number(NAN, False)
    cdef Number n = number_at(b)
    power(x, n, &y)
    if is_recording():
        power_local_grad(x, n, &by_x)
    return new_binary(FG_POW, a, b, y.value, by_x.value, y.value * log_of_base(x.value),
                      (FG_DATA_INT if y.is_int else 0) | (FG_LOCAL0_INT if by_x.is_int else 0))


cdef fg_index const_power(Number x, fg_index a) except FG_NONE:
    cdef Number n = number_at(a), y
    power(x, n, &y)
    return new_unary(FG_CONST_POW, a, y, Number(y.value * log_of_base(x.value), False), x)


# ---- Powers with ints beyond 2**53 ----
#
# No field of a node holds such an int. Python computes the power, and the operation's name has the int.

cdef object to_the_huge(Node self, object n):
    """self ** n"""
    x = number_of(self)
    y = rounded(power_of_objects(x, n))
    return power_node(self, y, derivative_of_objects(x, n) if is_recording() else 0.0, f"**{n}", "**",
                      class_of_result(self))


cdef object huge_to_the(object x, Node self):
    """x ** self"""
    y = rounded(power_of_objects(x, number_of(self)))
    return power_node(self, y, y * (math.log(x) if x > 0 else NAN), f"{x}**", None, class_of(self))


cdef object power_node(Node operand, object y, object by_operand, str name, object key, PyTypeObject *cls):
    cdef Number data, local_grad, none = Number(0.0, False)
    cdef Node result
    read_number(y, &data)
    read_number(by_operand, &local_grad)
    result = wrap(new_unary(FG_CUSTOM, operand.index, data, local_grad, none), cls)
    if node_at(result.index).arity != FG_NULLARY:
        result._op = name_of(result.index, name, key)
    return result


cdef int pass_on(fg_index index) except -1:
    """Add a node's gradient, times the local ones, into its children's."""
    take_apart(index)
    refresh(index)
    fg_node_pass_on(&arena, index)
    return 0


cdef int refresh(fg_index index) except -1:
    """Take a deferred node's local derivatives, of what its children's numbers are now. The core does what can't raise.
    """
    cdef fg_node *node = node_at(index)
    cdef Number by_x = Number(node.local0, node.flags & FG_LOCAL0_INT)
    if node.flags & FG_DEFERRED and not fg_node_refresh(arena.nodes, node):
        if node.op == FG_LOG:
            by_x = Number(inverse_of(node_at(node.child[0]).data), False)
        elif node.op != FG_POW_CONST:
            raise SystemError(f"no derivative of a deferred operation: {node.op}")
        else:
            power_local_grad(number_at(node.child[0]), Number(node.local1, node.flags & FG_LOCAL1_INT), &by_x)
        node = node_at(index)
        if node.arity != FG_UNARY:      # Python has run, and has edited the edges
            return 0
        node.local0 = by_x.value
        node.flags = (node.flags | FG_LOCAL0_INT) if by_x.is_int else (node.flags & ~FG_LOCAL0_INT)
    return 0


cdef double inverse_of(double x) except? -1.0:
    return 1.0 / x if x != 0.0 else PyNumber_TrueDivide(1.0, x)     # Cython's own division has words of its own


# ---- Functions ----

cdef object unary_number(Node self, uint8_t op, Number data, Number by_self):
    cdef Number none = Number(0.0, False)
    return wrap(new_unary(op, self.index, data, by_self, none), class_of_result(self))


cdef inline object function_of(Node self, uint8_t op, object fallback):
    """A function of a Value. fallback: the same function of a number, which is called where C isn't sure: it raises, if
    Python does."""
    cdef double x = node_at(self.index).data, y, slope
    if not fg_function(op, x, &y, &slope):
        y = fallback(number_of(self))       # an int as an int: log has other words for it
    if op == FG_TANH and dialect_at(self.index).tanh_by_power:
        slope = fg_tanh_slope_by_power(y)
    return unary_number(self, op, Number(y, False), Number(slope, False))
