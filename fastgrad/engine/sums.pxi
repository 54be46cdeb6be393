# Sums of products as fused sums (csrc/fused.h), and loops over lists, for fastgrad/functional.py.
#
# Functions here do what a loop over Values does, or decline: they return None, and nothing has happened. Then the loop
# itself runs, with its own errors. They decline when anything is unusual: operands of other classes, ints, operators
# that somebody has assigned to the class (as detect_anomaly does), too little memory.

cdef enum:
    FEWEST_TERMS = 2            # a fused sum of one term saves nothing


cdef bint is_sequence(object x) noexcept:
    return type(x) is list or type(x) is tuple


cdef PyTypeObject *class_among(PyObject **items, Py_ssize_t n) noexcept:
    """The class of the first Value among some objects, or NULL."""
    cdef Py_ssize_t i
    for i in range(n):
        if is_value(<object>items[i]):
            return type_of(items[i])
    return NULL


cdef bint may_fuse(PyTypeObject *cls) noexcept:
    """Whether sums of Values of a class may be fused. Makes the class the active one."""
    if cls is NULL or not has_own_dialect(cls):
        return False
    if cls is not active_class:
        activate(dialect_of(cls))
    return operators_are_ours() and active_dialect.lacks == 0 and not are_there_odd_classes


cdef bint read_operand(PyObject *x, double *number) noexcept:
    """Read a float, or a Value of the active class that holds one; False for anything else."""
    cdef fg_node *node
    if type_of(x) is active_class:
        node = node_at((<Node>x).index)
        number[0] = node.data
        return not node.flags & FG_DATA_INT
    if type_of(x) is <PyTypeObject *>float:
        number[0] = PyFloat_AS_DOUBLE(<object>x)
        return True
    return False


# ---- The start of a sum ----

cdef struct Start:
    fg_start kind
    fg_index operand
    Number number


cdef bint read_start(object x, Start *start) noexcept:
    """Read what a sum starts with: a Value of the active class, a float, or a small int. False for anything else."""
    cdef int overflow
    start[0] = Start(FG_CONSTANT, FG_NONE, Number(0.0, False))
    if class_of(x) is active_class:
        start.kind, start.operand, start.number = FG_OPERAND, (<Node>x).index, data_of(<Node>x)
    elif PyFloat_CheckExact(x):
        start.number = Number(PyFloat_AS_DOUBLE(x), False)
    elif PyLong_CheckExact(x):
        start.number = constant(Number(<double>PyLong_AsLongLongAndOverflow(x, &overflow), True))
        return not overflow and fabs(start.number.value) < FG_EXACT
    else:
        return False
    return True


# ---- Columns ----

cdef fg_column *column_of(object values) noexcept:
    """A column of a list's Values and floats, or NULL if it has anything else or there's no memory."""
    cdef Py_ssize_t i, n = len(values)
    cdef PyObject **items = items_of(values)
    cdef fg_column *column = fg_column_new(&arena, n) if n < FG_MAX_NODES else NULL
    cdef fg_index *nodes
    if column is NULL:
        return NULL
    nodes = fg_column_nodes(column)
    for i in range(n):
        if type_of(items[i]) is active_class:
            nodes[i] = (<Node>items[i]).index
        elif type_of(items[i]) is <PyTypeObject *>float:
            nodes[i] = FG_NONE
            column.numbers[i] = PyFloat_AS_DOUBLE(<object>items[i])
        else:
            fg_column_discard(&arena, column)
            return NULL
    if fg_column_take(&arena, column) != FG_OK:
        fg_column_discard(&arena, column)
        return NULL
    if column.flags & FG_DATA_INT:
        fg_column_release(&arena, column)
        return NULL
    return column


cdef object new_sum_of(PyTypeObject *cls, fg_column *u, fg_column *v, const Start *start):
    """A fused sum as a Value of a class; None if the columns don't fit or there's no memory. (A list may have changed,
    or another class be active, if Python has run meanwhile.)"""
    cdef fg_index index
    if cls is not active_class or u.n < FEWEST_TERMS or v is not NULL and v.n != u.n:
        return None
    if v is not NULL and u.n_constants == u.n and v.n_constants == 0:
        u, v = v, u                     # 2.0 * v is v * 2.0
    if u.n_constants > 0 and v is not NULL:
        return None
    if active_dialect.new_flags & FG_DEFERRED and (v.n_constants if v is not NULL else u.n_constants):
        return None
    index = fg_sum_new(&arena, u, v, start.kind, start.operand, start.number.value, start.number.is_int, new_kind)
    return None if index == FG_NONE else wrap(index, active_class)


# ---- Sums ----

def _products(list us not None, list vs not None, list starts):
    """[[sum((x * y for x, y in zip(u, v)), start) for v in vs] for u, start in zip(us, starts)], or None to decline.

    us, vs: lists of lists or tuples. starts: one for each of us, or None: all are 0. Declines if lengths differ.
    """
    cdef Py_ssize_t n_u = len(us), n_v = len(vs), i, j
    cdef PyTypeObject *cls = NULL
    cdef fg_column *u = NULL
    cdef fg_column **columns = NULL
    cdef Start start
    cdef list results, row
    for x in us:
        if not is_sequence(x) or len(x) < FEWEST_TERMS or len(x) != len(us[0]):
            return None
        cls = class_among(items_of(x), len(x)) if cls is NULL else cls
    for x in vs:
        if not is_sequence(x) or len(x) != len(us[0]):
            return None
        cls = class_among(items_of(x), len(x)) if cls is NULL else cls
    if not may_fuse(cls) or n_u == 0 or n_v == 0 or starts is not None and len(starts) != n_u:
        return None
    if not is_recording():
        return sums_as_leaves(us, vs, starts)
    columns = <fg_column **>fg_allocate(NULL, n_v * sizeof(fg_column *))
    if columns is NULL:
        return None
    memset(columns, 0, n_v * sizeof(fg_column *))
    try:
        for j in range(n_v):
            columns[j] = column_of(vs[j])
            if columns[j] is NULL:
                return None
        results = []
        for i in range(n_u):
            u = column_of(us[i])
            if u is NULL or not read_start(ZERO if starts is None else starts[i], &start):
                return None
            row = []
            for j in range(n_v):
                result = new_sum_of(cls, u, columns[j], &start)
                if result is None:
                    return None
                row.append(result)
            results.append(row)
            fg_column_release(&arena, u)
            u = NULL
        return results
    finally:
        if u is not NULL:
            fg_column_release(&arena, u)
        for j in range(n_v):
            if columns[j] is not NULL:
                fg_column_release(&arena, columns[j])
        fg_allocate(columns, 0)
        if untidy:
            tidy_up()


cdef object sums_as_leaves(list us, list vs, list starts):
    """The same under no_grad()."""
    cdef list results = []
    cdef double x = 0.0, y = 0.0, total
    cdef Start start
    cdef Py_ssize_t k
    for i, u in enumerate(us):
        results.append([])
        for v in vs:
            if len(u) != len(v) or not read_start(ZERO if starts is None else starts[i], &start):
                return None             # a list has changed: to make a list may run Python
            total = start.number.value
            for k in range(len(u)):
                if not read_operand(items_of(u)[k], &x) or not read_operand(items_of(v)[k], &y):
                    return None
                if type_of(items_of(u)[k]) is not active_class and type_of(items_of(v)[k]) is not active_class:
                    return None         # a term of two numbers is a number
                total += x * y
            results[i].append(wrap(new_leaf(Number(total, False)), active_class))
    return results


def _sum(xs, start):
    """sum(xs, start) of a list or a tuple, or None to decline."""
    cdef Py_ssize_t n = len(xs), k
    cdef fg_column *column
    cdef Start first
    cdef double x = 0.0, total
    if not is_sequence(xs) or n < FEWEST_TERMS or not may_fuse(class_among(items_of(xs), n)):
        return None
    if not read_start(start, &first) or first.kind == FG_CONSTANT and class_of(xs[0]) is not active_class:
        return None
    if not is_recording():
        total = first.number.value
        for k in range(n):
            if not read_operand(items_of(xs)[k], &x):
                return None
            total += x
        return wrap(new_leaf(Number(total, False)), active_class)
    column = column_of(xs)
    if column is NULL:
        return None
    try:
        return new_sum_of(active_class, column, NULL, &first)
    finally:
        fg_column_release(&arena, column)
        if untidy:
            tidy_up()


# ---- Loops over lists ----

def _each(str name, xs):
    """[x.name() for x in xs], where name is that of a method."""
    cdef list results = []
    cdef PyObject *method
    for x in xs:
        method = PyType_Lookup(class_of(x), name)
        if (method is not NULL and type_of(method) is &PyMethodDescr_Type and is_value(x)
                and (<Node>x).attributes is NULL and class_of(x).tp_getattro is <void *>value_getattr):
            results.append((<object>method)(x))
        else:
            results.append(getattr(x, name)())
    return results


def _with(str symbol, xs, ys):
    """[x symbol y for x, y in zip(xs, ys)] for symbol + - * or /; if ys is no list and no tuple, y is ys each time."""
    cdef list results = []
    cdef bint is_one = not is_sequence(ys)
    cdef Py_ssize_t i
    cdef Py_UCS4 sign = symbol[0]
    cdef object y = ys
    for i, x in enumerate(xs):
        if not is_one:
            y = ys[i]
        if sign == u"+":
            results.append(add_objects(x, y))
        elif sign == u"*":
            results.append(multiply_objects(x, y))
        elif sign == u"-":
            results.append(x - y)
        else:
            results.append(x / y)
    return results
