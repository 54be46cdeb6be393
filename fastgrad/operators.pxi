# Operators: from Python's operands to operations on nodes. These are the slots of the class Value, so either operand
# may be the Value.
#
# As in micrograd, `2 + v` is `v + 2`, and subtraction and division are made of other operators. Where a subclass or
# an assignment to the class has changed those, theirs are called.

cdef extern from *:
    """
    FG_SELDOM PyObject *fg_add_any(PyObject *, PyObject *);
    FG_SELDOM PyObject *fg_multiply_any(PyObject *, PyObject *);
    FG_SELDOM PyObject *fg_multiply_with_int(PyObject *, PyObject *);
    FG_SELDOM PyObject *fg_add_in_general(PyObject *, PyObject *);
    FG_SELDOM PyObject *fg_multiply_in_general(PyObject *, PyObject *);
    """
    # The functions below; for a caller that returns what they return, NULL and a set exception included.
    PyObject *return_add_in_general "fg_add_in_general"(PyObject *, PyObject *)
    PyObject *return_multiply_in_general "fg_multiply_in_general"(PyObject *, PyObject *)
    PyObject *new_reference "fg_revived"(PyObject *)


cdef inline bint both_plain(object left, object right):
    return class_of(left) is plain and class_of(right) is plain


cdef inline bint has_room() noexcept:
    """Whether a node and its handle can be made at once, without a call to anything that could fail."""
    return arena.next != arena.end and free_handle[0] is not NULL


cdef inline fg_node *easy_binary(uint32_t kind, double data, double by_left, double by_right) noexcept:
    """What new_binary and wrap do, in one go, if has_room(): nothing is called, so no registers are saved for it. The
    node still needs its children."""
    cdef fg_index index = fg_node_take(&arena)
    cdef fg_node *node = node_at(index)
    cdef PyObject *handle = pop_free_handle()
    (<Node>handle).index = index
    fg_node_init(node, kind, 0, data)
    node.local[0] = by_left
    node.local[1] = by_right
    node.face = handle
    return node


cdef inline PyObject *easy_result(Number data) noexcept:
    """What new_leaf and wrap do, if has_room(): the result of an operation in a no_grad block, a new reference."""
    cdef fg_node *node = node_at(arena.next)
    cdef PyObject *handle = pop_free_handle()
    (<Node>handle).index = fg_node_take(&arena)
    fg_node_init(node, fresh | fg_kind(FG_LEAF, FG_NULLARY, FG_DATA_INT if data.is_int else 0), FG_PASSED_OVER,
                 data.value)
    node.face = handle
    return new_reference(handle)


cdef inline PyObject *easy_handle(fg_node *node, fg_node *left, const fg_index *left_index, fg_node *right,
                                  const fg_index *right_index) noexcept:
    """Give an easy node its children, and return its handle, still to be revived. Indices are read where they are,
    when it's their turn, which saves registers too."""
    left.refs += 1
    right.refs += 1
    node.child[0] = left_index[0]
    node.child[1] = right_index[0]
    return <PyObject *>node.face


cdef inline bint is_easy_constant(PyTypeObject *cls, PyObject *x, Number *out) noexcept:
    """Whether x, beside a Value of a class, is a float or a small int, and there's room for its leaf and a result."""
    cdef int overflow
    if cls is not recorded or free_handle[0] is NULL or arena.end - arena.next < 2 * FG_STEP:
        return False
    if x is <PyObject *>ZERO:       # sum() starts with it
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
    """A leaf that nothing refers to yet; it can't die before something has."""
    cdef fg_index index = fg_node_take(&arena)
    cdef uint32_t kind = fresh | fg_kind(FG_LEAF, FG_NULLARY, FG_DATA_INT if data.is_int else 0)
    fg_node_init(node_at(index), kind, FG_PASSED_OVER, data.value)
    node_at(index).refs = 0
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
    if class_of(left) is not plain or not is_plain_number(right):
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
    x = plain_of(x)
    if is_beyond(x):
        return power_of_objects(x, -1)
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
    cdef fg_index leaf
    cdef fg_node *node
    if is_easy_constant(class_of(left), <PyObject *>right, &y) and not (x.is_int and y.is_int):
        leaf = easy_leaf(y)
        node = easy_binary(fresh_sum, x.value + y.value, 1.0, 1.0)
        return revived(easy_handle(node, node_at(left.index), &left.index, node_at(leaf), &leaf))
    if class_of(left) is plain and is_plain_number(right) and not is_recording():
        read_number(right, &y)
        return wrap(new_leaf(sum_of(x, constant(y))), plain)
    return operate(add, left, right)


cdef PyObject *add_any "fg_add_any"(PyObject *left, PyObject *right) noexcept:
    """After value_add's short way the one of a no_grad block."""
    if type_of(left) is unrecorded and type_of(right) is unrecorded and has_room() and is_still_answered():
        return easy_result(sum_of(number_at((<Node>left).index), number_at((<Node>right).index)))
    return return_add_in_general(left, right)


cdef object add_in_general "fg_add_in_general"(object left, object right):
    if class_of(left) is plain:
        return add_operand(<Node>left, right)
    if (class_of(right) is plain and is_plain_number(left) and not light.lacks
            and plain.tp_as_number.nb_add is <void *>value_add):
        return add_operand(<Node>right, left)
    if isinstance(left, Node):
        return add_operand(<Node>left, right)
    if lacks(left, right, RADD):
        return NotImplemented
    return right + left if is_operand(left) else NotImplemented


cdef PyObject *value_add(PyObject *left, PyObject *right) noexcept:
    cdef fg_node *x
    cdef fg_node *y
    cdef fg_node *node
    if type_of(left) is recorded and type_of(right) is recorded and has_room():
        x = node_at((<Node>left).index)
        y = node_at((<Node>right).index)
        if not x.flags & y.flags & FG_DATA_INT:
            node = easy_binary(fresh_sum, x.data + y.data, 1.0, 1.0)
            return new_reference(easy_handle(node, x, &(<Node>left).index, y, &(<Node>right).index))
    return add_any(left, right)


cdef inline uint32_t kind_of_product(bint left_is_int, bint right_is_int) noexcept:
    """The kind of a float product."""
    return fresh_product | fg_kind(0, 0, (FG_LOCAL0_INT if right_is_int else 0) | (FG_LOCAL1_INT if left_is_int else 0))


cdef object multiply_operand(Node left, object right):
    cdef Number x = data_of(left), y = Number(0.0, True)
    cdef fg_index leaf
    cdef fg_node *node
    if is_easy_constant(class_of(left), <PyObject *>right, &y) and not (x.is_int and y.is_int):
        leaf = easy_leaf(y)
        node = easy_binary(kind_of_product(x.is_int, y.is_int), x.value * y.value, y.value, x.value)
        return revived(easy_handle(node, node_at(left.index), &left.index, node_at(leaf), &leaf))
    if class_of(left) is plain and is_plain_number(right) and not is_recording():
        read_number(right, &y)
        return wrap(new_leaf(product_of(x, constant(y))), plain)
    return operate(multiply, left, right)


cdef PyObject *multiply_any "fg_multiply_any"(PyObject *left, PyObject *right) noexcept:
    """After value_multiply's short way the one of a no_grad block."""
    if type_of(left) is unrecorded and type_of(right) is unrecorded and has_room() and is_still_answered():
        return easy_result(product_of(number_at((<Node>left).index), number_at((<Node>right).index)))
    return return_multiply_in_general(left, right)


cdef object multiply_in_general "fg_multiply_in_general"(object left, object right):
    if class_of(left) is plain:
        return multiply_operand(<Node>left, right)
    if (class_of(right) is plain and is_plain_number(left) and not light.lacks
            and plain.tp_as_number.nb_multiply is <void *>value_multiply):
        return multiply_operand(<Node>right, left)
    if isinstance(left, Node):
        return multiply_operand(<Node>left, right)
    if lacks(left, right, RMUL):
        return NotImplemented
    return right * left if is_operand(left) else NotImplemented


cdef PyObject *multiply_with_int "fg_multiply_with_int"(PyObject *left, PyObject *right) noexcept:
    """value_multiply's way if there's room, but at least one operand is an int."""
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
        node = easy_binary(fresh_product, x.data * y.data, y.data, x.data)
        fg_prefetch(node, FG_AHEAD)     # for nodes to come; of a sum, every second one is a product
        return new_reference(easy_handle(node, x, &(<Node>left).index, y, &(<Node>right).index))
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
    if isinstance(left, Node) and light_for(class_of(left)).power is not NULL and not is_plain_number(right):
        return (<object>light_for(class_of(left)).power)(left, right)
    if modulo is not None or not is_operand(left) or not is_operand(right) or lacks(left, right, RPOW):
        return NotImplemented
    if not isinstance(left, Node):
        left = plain_of(left)
        if is_beyond(left):
            return huge_to_the(left, <Node>right)
        read_number(left, &number)
        return wrap(const_power(number, (<Node>right).index), class_of(right))
    if isinstance(right, Node):
        return wrap(power_of_nodes((<Node>left).index, (<Node>right).index), result_class(left, right))
    right = plain_of(right)
    if class_of(left) is not plain:
        favour(light_for(class_of(left)))
    if is_beyond(right) and not light.fresh & FG_DEFERRED:
        return to_the_huge(<Node>left, right)
    read_number(right, &number)
    return wrap(power_const((<Node>left).index, number), class_of_result(left))
