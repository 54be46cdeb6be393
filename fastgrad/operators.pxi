# Operators: from Python's operands to operations on nodes. These are the slots of the class Value, so either operand
# may be the Value.
#
# As in micrograd, `2 + v` is `v + 2`, and subtraction and division are made of other operators. Where a subclass or
# an assignment to the class has changed those, theirs are called.

cdef extern from *:
    """
    FG_SELDOM PyObject *fg_add_any(PyObject *, PyObject *);
    FG_SELDOM PyObject *fg_multiply_any(PyObject *, PyObject *);
    """


cdef inline bint both_plain(object left, object right):
    return class_of(left) is plain and class_of(right) is plain


cdef inline bint is_easy():
    """Whether a node and its handle can be made at once, without a call to anything that could fail."""
    return arena.next != arena.end and n_free_handles > 0 and no_grad_blocks == 0


cdef inline Node easy_binary(uint8_t op, fg_index left, fg_index right, double data, double by_left, double by_right,
                             uint16_t flags):
    """What new_binary and wrap do, in one go, if is_easy(): nothing is called, so no registers are saved for it."""
    global n_free_handles
    cdef fg_index index = fg_node_new(&arena)
    cdef fg_node *node = &arena.nodes[index]
    cdef PyObject *handle
    n_free_handles -= 1
    handle = free_handles[n_free_handles]
    (<Node>handle).index = index
    fg_node_init(node, op, 2, flags | fresh, data)
    node.local[0] = by_left
    node.local[1] = by_right
    node.child[0] = left
    node.child[1] = right
    node.face = handle
    fg_node_retain(&arena, left)
    fg_node_retain(&arena, right)
    return revived(handle)


cdef inline bint is_easy_constant(object x, Number *out):
    """Whether x is a float or a small int, and there's room for its leaf and for a result, if is_easy() as well."""
    if arena.end - arena.next < 2:
        return False
    if PyFloat_CheckExact(x):
        out[0] = Number(PyFloat_AS_DOUBLE(x), False)
        return True
    if PyLong_CheckExact(x):
        out[0] = constant(Number(PyLong_AsDouble(x), True))
        return fabs(out.value) < FG_EXACT
    return False


cdef inline fg_index easy_leaf(Number data):
    """A leaf that nothing refers to yet; it can't die before something has."""
    cdef fg_index index = fg_node_new(&arena)
    fg_node_init(&arena.nodes[index], FG_LEAF, 0, (FG_DATA_INT if data.is_int else 0) | fresh, data.value)
    arena.nodes[index].refs = 0
    return index


cdef PyTypeObject *result_class(object left, object right):
    """The class of a result: that of the Value on the left, or on the right if that derives from it."""
    cdef Light *style = light_for(class_of(left))
    if style.results == BASE:
        return style.cls
    if style.results == MORE_DERIVED and isinstance(right, Node) and PyType_IsSubtype(class_of(right), class_of(left)):
        return class_of(right)
    return class_of(left)


cdef fg_index operand(object x) except FG_NONE:
    """The node of an operand, with a reference for the caller: a Value's own, or a new leaf's."""
    cdef Number number
    if isinstance(x, Node):
        fg_node_retain(&arena, (<Node>x).index)
        return (<Node>x).index
    read_number(x, &number)
    return new_leaf(constant(number))


cdef object operate(fg_index (*operation)(fg_index, fg_index) except FG_NONE, object left, object right):
    """The general way: a Value and an operand of any kind."""
    cdef fg_index b, result
    if class_of(left) is not plain:
        favour(light_for(class_of(left)))
    cdef PyTypeObject *cls = plain
    if class_of(left) is not plain or not (PyFloat_CheckExact(right) or PyLong_CheckExact(right)):
        if not is_operand(right):
            return NotImplemented
        cls = result_class(left, right)
    b = operand(right)
    try:
        result = operation((<Node>left).index, b)
    finally:
        fg_node_release(&arena, b)
    return wrap(result, cls)


cdef object real(object x):
    """x as an operand: a Value as it is, anything else as a plain number."""
    return x if isinstance(x, Node) else number_of(x)


cdef object inverse(object x):
    """x ** -1 of a Value or a number."""
    cdef Number number
    if isinstance(x, Node):
        return x ** -1
    read_number(x, &number)
    power(number, Number(-1.0, True), &number)
    return as_object(number.value, number.is_int)


cdef inline bint operators_are_ours():
    """Whether Value still has the operators that others are made of: none has been assigned to the class."""
    cdef PyNumberMethods *now = plain.tp_as_number
    return (now.nb_add is <void *>value_add and now.nb_multiply is <void *>value_multiply
            and now.nb_negative is <void *>value_negative and now.nb_power is <void *>value_power)


cdef object add_operand(Node left, object right):
    cdef Number x = data_of(left), y = Number(0.0, True)
    if class_of(left) is plain and is_easy() and is_easy_constant(right, &y) and not (x.is_int and y.is_int):
        return easy_binary(FG_ADD, left.index, easy_leaf(y), x.value + y.value, 1.0, 1.0,
                           FG_LOCAL0_INT | FG_LOCAL1_INT)
    return operate(add, left, right)


cdef object add_any "fg_add_any"(object left, object right):
    if isinstance(left, Node):
        return add_operand(<Node>left, right)
    if lacks(left, right, RADD):
        return NotImplemented
    if class_of(right) is plain and operators_are_ours():
        return add_operand(<Node>right, left)
    return right + left if is_operand(left) else NotImplemented


cdef object value_add(object left, object right):
    cdef fg_node *x
    cdef fg_node *y
    if both_plain(left, right) and is_easy():
        x = &arena.nodes[(<Node>left).index]
        y = &arena.nodes[(<Node>right).index]
        if not x.flags & y.flags & FG_DATA_INT:
            return easy_binary(FG_ADD, (<Node>left).index, (<Node>right).index, x.data + y.data, 1.0, 1.0,
                               FG_LOCAL0_INT | FG_LOCAL1_INT)
    return add_any(left, right)


cdef object multiply_operand(Node left, object right):
    cdef Number x = data_of(left), y = Number(0.0, True)
    if class_of(left) is plain and is_easy() and is_easy_constant(right, &y) and not (x.is_int and y.is_int):
        return easy_binary(FG_MUL, left.index, easy_leaf(y), x.value * y.value, y.value, x.value,
                           (FG_LOCAL0_INT if y.is_int else 0) | (FG_LOCAL1_INT if x.is_int else 0))
    return operate(multiply, left, right)


cdef object multiply_any "fg_multiply_any"(object left, object right):
    if isinstance(left, Node):
        return multiply_operand(<Node>left, right)
    if lacks(left, right, RMUL):
        return NotImplemented
    if class_of(right) is plain and operators_are_ours():
        return multiply_operand(<Node>right, left)
    return right * left if is_operand(left) else NotImplemented


cdef object value_multiply(object left, object right):
    cdef fg_node *x
    cdef fg_node *y
    cdef uint16_t flags = 0
    if both_plain(left, right) and is_easy():
        x = &arena.nodes[(<Node>left).index]
        y = &arena.nodes[(<Node>right).index]
        if (x.flags | y.flags) & FG_DATA_INT:
            flags = (FG_LOCAL0_INT if y.flags & FG_DATA_INT else 0) | (FG_LOCAL1_INT if x.flags & FG_DATA_INT else 0)
        if flags != FG_LOCAL0_INT | FG_LOCAL1_INT:
            return easy_binary(FG_MUL, (<Node>left).index, (<Node>right).index, x.data * y.data, y.data, x.data,
                               flags)
    return multiply_any(left, right)


cdef object value_negative(object operand):
    if class_of(operand) is plain and operators_are_ours():
        return wrap(multiply_by((<Node>operand).index, Number(-1.0, True)), plain)
    return operand * -1


cdef object value_subtract(object left, object right):
    if both_plain(left, right) and operators_are_ours():
        return wrap(subtract((<Node>left).index, (<Node>right).index), plain)
    if not is_operand(left) or not is_operand(right) or lacks(left, right, RSUB):
        return NotImplemented
    return real(left) + -real(right)


cdef object value_divide(object left, object right):
    if both_plain(left, right) and operators_are_ours():
        return wrap(divide((<Node>left).index, (<Node>right).index), plain)
    if not is_operand(left) or not is_operand(right) or lacks(left, right, RTRUEDIV):
        return NotImplemented
    return real(left) * inverse(right)


cdef object value_power(object left, object right, object modulo):
    cdef Number number
    if isinstance(left, Node) and light_for(class_of(left)).power is not NULL \
            and not PyFloat_CheckExact(right) and not PyLong_CheckExact(right):
        return (<object>light_for(class_of(left)).power)(left, right)
    if modulo is not None or not is_operand(left) or not is_operand(right) or lacks(left, right, RPOW):
        return NotImplemented
    if not isinstance(left, Node):
        read_number(left, &number)
        return wrap(const_power(number, (<Node>right).index), class_of(right))
    if isinstance(right, Node):
        return wrap(power_of_nodes((<Node>left).index, (<Node>right).index), result_class(left, right))
    read_number(right, &number)
    if class_of(left) is not plain:
        favour(light_for(class_of(left)))
    return wrap(power_const((<Node>left).index, number), class_of_result(left))
