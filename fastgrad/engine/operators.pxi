# Operators: from Python's operands to operations on nodes. These functions are the slots of the class Value, so either
# operand may be the Value.
#
# As in micrograd, `2 + v` is `v + 2`, and subtraction and division are made of other operators. If a subclass has other
# ones, or some have been assigned to the class, those are called.
#
# A slot tries the usual case and hands the rest on: value_add to add_any, that to add_in_general, that to operate. The
# functions with a name in quotes are declared in face.h, which says why.

cdef inline bint both_active(object left, object right):
    return class_of(left) is active_class and class_of(right) is active_class


cdef inline bint has_room() noexcept:
    """Whether there's a slot for a node and a free handle, so that nothing can fail."""
    return arena.next != arena.end and free_handle[0] is not NULL


cdef inline fg_node *easy_binary(uint32_t kind, double data, double by_left, double by_right) noexcept:
    """What new_binary and wrap do, if has_room(). No function is called, so no registers have to be saved. The node
    still needs its children: easy_handle."""
    cdef fg_index index = fg_node_take(&arena)
    cdef fg_node *node = node_at(index)
    cdef PyObject *handle = pop_free_handle()
    (<Node>handle).index = index
    fg_node_init(node, kind, 0, data)
    node.local0 = by_left
    node.local1 = by_right
    node.face = handle
    return node


cdef inline PyObject *easy_result(Number data) noexcept:
    """What new_leaf and wrap do, if has_room(): the result of an operation under no_grad(), a new reference."""
    cdef fg_node *node = node_at(arena.next)
    cdef PyObject *handle = pop_free_handle()
    (<Node>handle).index = fg_node_take(&arena)
    fg_node_init(node, new_kind | fg_kind(FG_LEAF, FG_NULLARY, FG_DATA_INT if data.is_int else 0), FG_PASSED_OVER,
                 data.value)
    node.face = handle
    return new_reference(handle)


cdef inline PyObject *easy_handle(fg_node *node, fg_node *left, const fg_index *left_index, fg_node *right,
                                  const fg_index *right_index) noexcept:
    """Give an easy node its children. Returns its handle, which isn't a reference yet. The indices are passed by
    pointer and so are read late, which saves registers."""
    left.refs += 1
    right.refs += 1
    node.child[0] = left_index[0]
    node.child[1] = right_index[0]
    return <PyObject *>node.face


cdef inline bint is_easy_constant(PyTypeObject *cls, PyObject *x, Number *out) noexcept:
    """Whether x, beside a Value of a class, is a float or a small int, and there's room for its leaf and a result."""
    cdef int overflow
    if cls is not recorded or free_handle[0] is NULL or arena.end - arena.next < 2:
        return False
    if x is <PyObject *>ZERO:       # sum() starts with 0
        out[0] = constant(Number(0.0, True))
        return True
    if type_of(x) is <PyTypeObject *>float:
        out[0] = Number(PyFloat_AS_DOUBLE(<object>x), False)
        return True
    if type_of(x) is <PyTypeObject *>int:
        out[0] = constant(Number(<double>PyLong_AsLongLongAndOverflow(<object>x, &overflow), True))
        return not overflow and fabs(out.value) < FG_EXACT
    return False


cdef inline fg_index easy_leaf(Number data) noexcept:
    """A leaf without a reference; its parent's is the first."""
    cdef fg_index index = fg_node_take(&arena)
    cdef uint32_t kind = new_kind | fg_kind(FG_LEAF, FG_NULLARY, FG_DATA_INT if data.is_int else 0)
    fg_node_init(node_at(index), kind, FG_PASSED_OVER, data.value)
    node_at(index).refs = 0
    return index


cdef PyTypeObject *result_class(object left, object right):
    """The class of a result: the left operand's, or the right's if it derives from that."""
    cdef Dialect *dialect = dialect_of(class_of(left))
    if dialect.results == BASE:
        return dialect.cls
    if dialect.results == MORE_DERIVED and is_value(right) and PyType_IsSubtype(class_of(right), class_of(left)):
        return class_of(right)
    return class_of(left)


cdef fg_index node_of_operand(object x) except FG_NONE:
    """The node of an operand, with a reference for the caller: a Value's own node, or a new leaf."""
    cdef Number number
    if is_value(x):
        fg_node_retain(&arena, (<Node>x).index)
        return (<Node>x).index
    read_number(x, &number)
    return new_leaf(constant(number))


cdef inline bint are_operands(object left, object right, unsigned int reflected):
    """Whether left and right take part in arithmetic, and the Value on the right has the reflected operator that it
    needs if the left one is a number. (A class of a script may lack it, and Python then has to raise.) Raises TypeError
    for a number that the Value's class doesn't take."""
    cdef Dialect *dialect
    if is_value(left) and (is_value(right) or is_plain_number(right)):
        return True
    if not is_operand(left) or not is_operand(right):
        return False
    dialect = dialect_of(class_of(left if is_value(left) else right))
    if not is_value(left) and dialect.lacks >> reflected & 1:
        return False
    check_kind(dialect, right if is_value(left) else left)
    return True


cdef object operate(fg_index (*operation)(fg_index, fg_index) except FG_NONE, object left, object right):
    """The general way: a Value and an operand of any kind."""
    cdef fg_index b, result
    if class_of(left) is not active_class:
        activate(dialect_of(class_of(left)))
    cdef PyTypeObject *cls = active_class
    if class_of(left) is not active_class or not is_plain_number(right):
        if not is_operand(right):
            return NotImplemented
        if not is_value(right):
            check_kind(active_dialect, right)
        cls = result_class(left, right)
    b = node_of_operand(right)
    try:
        result = operation((<Node>left).index, b)
    finally:
        fg_node_release(&arena, b)
    return wrap(result, cls)


cdef object real(object x):
    """x as an operand: a Value as it is, any other number as a float or an int."""
    return x if is_value(x) else number_of(x)


cdef object inverted(object x):
    """x ** -1 of a Value or a number."""
    cdef Number number
    if is_value(x):
        return x ** -1
    x = plain_of(x)
    if is_beyond(x):
        return power_of_objects(x, -1)
    read_number(x, &number)
    power(number, Number(-1.0, True), &number)
    return as_object(number.value, number.is_int)


cdef inline bint operators_are_ours():
    """Whether the active class still has the operators that others are made of: none has been assigned to it."""
    cdef PyNumberMethods *now = active_class.tp_as_number
    return (now.nb_add is <void *>value_add and now.nb_multiply is <void *>value_multiply
            and now.nb_negative is <void *>value_negative and now.nb_power is <void *>value_power)


cdef object add_operand(Node left, object right):
    cdef Number x = data_of(left), y = Number(0.0, True)
    cdef fg_index leaf
    cdef fg_node *node
    if is_easy_constant(class_of(left), <PyObject *>right, &y) and not (x.is_int and y.is_int):
        leaf = easy_leaf(y)
        node = easy_binary(new_sum, x.value + y.value, 1.0, 1.0)
        return revived(easy_handle(node, node_at(left.index), &left.index, node_at(leaf), &leaf))
    if class_of(left) is active_class and is_plain_number(right) and not is_recording():
        read_number(right, &y)
        return wrap(new_leaf(constant(sum_of(x, constant(y)))), active_class)
    return operate(add, left, right)


cdef PyObject *add_any "add_any"(PyObject *left, PyObject *right) noexcept:
    """What is left for value_add; first the short way under no_grad()."""
    if type_of(left) is unrecorded and type_of(right) is unrecorded and has_room() and is_still_answered():
        return easy_result(constant(sum_of(number_at((<Node>left).index), number_at((<Node>right).index))))
    return (<Binary>add_in_general)(left, right)


cdef object add_in_general "add_in_general"(object left, object right):
    if class_of(left) is active_class:
        return add_operand(<Node>left, right)
    if (class_of(right) is active_class and is_plain_number(left) and not active_dialect.lacks >> RADD & 1
            and active_class.tp_as_number.nb_add is <void *>value_add):
        return add_operand(<Node>right, left)
    if is_value(left):
        return add_operand(<Node>left, right)
    return right + left if are_operands(left, right, RADD) else NotImplemented


cdef PyObject *value_add(PyObject *left, PyObject *right) noexcept:
    cdef fg_node *x
    cdef fg_node *y
    cdef fg_node *node
    if type_of(left) is recorded and type_of(right) is recorded and has_room():
        x = node_at((<Node>left).index)
        y = node_at((<Node>right).index)
        if not x.flags & y.flags & FG_DATA_INT:
            node = easy_binary(new_sum, x.data + y.data, 1.0, 1.0)
            return new_reference(easy_handle(node, x, &(<Node>left).index, y, &(<Node>right).index))
    return add_any(left, right)


cdef inline uint32_t kind_of_product(bint left_is_int, bint right_is_int) noexcept:
    """The kind of a float product."""
    return new_product | fg_kind(0, 0, (FG_LOCAL0_INT if right_is_int else 0) | (FG_LOCAL1_INT if left_is_int else 0))


cdef object multiply_operand(Node left, object right):
    cdef Number x = data_of(left), y = Number(0.0, True)
    cdef fg_index leaf
    cdef fg_node *node
    if is_easy_constant(class_of(left), <PyObject *>right, &y) and not (x.is_int and y.is_int):
        leaf = easy_leaf(y)
        node = easy_binary(kind_of_product(x.is_int, y.is_int), x.value * y.value, y.value, x.value)
        return revived(easy_handle(node, node_at(left.index), &left.index, node_at(leaf), &leaf))
    if class_of(left) is active_class and is_plain_number(right) and not is_recording():
        read_number(right, &y)
        return wrap(new_leaf(constant(product_of(x, constant(y)))), active_class)
    return operate(multiply, left, right)


cdef PyObject *multiply_any "multiply_any"(PyObject *left, PyObject *right) noexcept:
    """What is left for value_multiply; first the short way under no_grad()."""
    if type_of(left) is unrecorded and type_of(right) is unrecorded and has_room() and is_still_answered():
        return easy_result(constant(product_of(number_at((<Node>left).index), number_at((<Node>right).index))))
    return (<Binary>multiply_in_general)(left, right)


cdef object multiply_in_general "multiply_in_general"(object left, object right):
    if class_of(left) is active_class:
        return multiply_operand(<Node>left, right)
    if (class_of(right) is active_class and is_plain_number(left) and not active_dialect.lacks >> RMUL & 1
            and active_class.tp_as_number.nb_multiply is <void *>value_multiply):
        return multiply_operand(<Node>right, left)
    if is_value(left):
        return multiply_operand(<Node>left, right)
    return right * left if are_operands(left, right, RMUL) else NotImplemented


cdef PyObject *multiply_with_int "multiply_with_int"(PyObject *left, PyObject *right) noexcept:
    """value_multiply's short way for operands of which at least one is an int."""
    cdef fg_node *x = node_at((<Node>left).index)
    cdef fg_node *y = node_at((<Node>right).index)
    cdef fg_node *node
    if x.flags & y.flags & FG_DATA_INT:
        return multiply_any(left, right)
    node = easy_binary(kind_of_product(x.flags & FG_DATA_INT, y.flags & FG_DATA_INT), x.data * y.data, y.data, x.data)
    return new_reference(easy_handle(node, x, &(<Node>left).index, y, &(<Node>right).index))


cdef PyObject *value_multiply(PyObject *left, PyObject *right) noexcept:
    cdef fg_node *x
    cdef fg_node *y
    cdef fg_node *node
    if type_of(left) is recorded and type_of(right) is recorded and has_room():
        x = node_at((<Node>left).index)
        y = node_at((<Node>right).index)
        if (x.flags | y.flags) & FG_DATA_INT:
            return multiply_with_int(left, right)
        node = easy_binary(new_product, x.data * y.data, y.data, x.data)
        fg_prefetch(node, FG_AHEAD)     # for nodes to come; half of a sum's nodes are products, so only here
        return new_reference(easy_handle(node, x, &(<Node>left).index, y, &(<Node>right).index))
    return multiply_any(left, right)


cdef object value_negative(object operand):
    if class_of(operand) is active_class and operators_are_ours():
        return wrap(multiply_by((<Node>operand).index, Number(-1.0, True)), active_class)
    return operand * -1


cdef object value_subtract(object left, object right):
    if both_active(left, right) and operators_are_ours():
        return wrap(subtract((<Node>left).index, (<Node>right).index), active_class)
    if class_of(left) is active_class and PyFloat_CheckExact(right) and operators_are_ours():
        return add_operand(<Node>left, -PyFloat_AS_DOUBLE(right))
    return real(left) + -real(right) if are_operands(left, right, RSUB) else NotImplemented


cdef object value_divide(object left, object right):
    cdef Number inverse
    if both_active(left, right) and operators_are_ours():
        return wrap(divide((<Node>left).index, (<Node>right).index), active_class)
    if class_of(left) is active_class and PyFloat_CheckExact(right) and operators_are_ours():
        power(Number(PyFloat_AS_DOUBLE(right), False), Number(-1.0, True), &inverse)
        return multiply_operand(<Node>left, inverse.value)
    return real(left) * inverted(right) if are_operands(left, right, RTRUEDIV) else NotImplemented


cdef object value_power(object left, object right, object modulo):
    cdef Number number
    if not is_plain_number(right) and is_value(left) and dialect_of(class_of(left)).own_power is not NULL:
        return (<object>dialect_of(class_of(left)).own_power)(left, right)
    if modulo is not None or not are_operands(left, right, RPOW):
        return NotImplemented
    if not is_value(left):
        left = plain_of(left)
        if is_beyond(left):
            return huge_to_the(left, <Node>right)
        read_number(left, &number)
        return wrap(const_power(number, (<Node>right).index), class_of(right))
    if is_value(right):
        return wrap(power_of_nodes((<Node>left).index, (<Node>right).index), result_class(left, right))
    right = plain_of(right)
    if class_of(left) is not active_class:
        activate(dialect_of(class_of(left)))
    if is_beyond(right) and not active_dialect.new_flags & FG_DEFERRED:
        return to_the_huge(<Node>left, right)
    read_number(right, &number)
    return wrap(power_const((<Node>left).index, number), class_of_result(left))
