# Sums of products as fused sums (csrc/fused.h), and loops over lists, for fastgrad/functional.py.
#
# A function that can decline does what a loop over Values does, or returns None without any effect. Then its caller
# runs the loop itself, which raises its own errors. A function declines when anything is unusual: operands of several
# classes, ints where a partial sum could be one, large ints, operators that somebody has assigned to the class (as
# detect_anomaly does), too little memory.

cdef enum:
    FEWEST_TERMS = 2            # a fused sum of one term saves nothing
    MOST_SUMS = 32              # so many sums are made at once, at the most
    FEW_COLUMNS = 96            # so many need no room of their own


cdef bint is_sequence(object x) noexcept:
    return type(x) is list or type(x) is tuple


cdef PyTypeObject *class_among(PyObject **items, Py_ssize_t n) noexcept:
    """The class of the first Value among n objects, or NULL if there's no Value."""
    cdef Py_ssize_t i
    for i in range(n):
        if is_value(<object>items[i]):
            return type_of(items[i])
    return NULL


cdef bint may_fuse(PyTypeObject *cls) noexcept:
    """Whether sums of Values of a class may be fused. If the class has a dialect, makes it the active one."""
    if cls is NULL or not has_own_dialect(cls):
        return False
    if cls is not active_class:
        activate(dialect_of(cls))
    return operators_are_ours() and active_dialect.lacks == 0 and not are_there_odd_classes


cdef inline bint read_small_int(object x, Number *number) noexcept:
    """Read an int as the number of the leaf that an operation would make of it. False if it's too large."""
    cdef int overflow
    number[0] = constant(Number(<double>PyLong_AsLongLongAndOverflow(x, &overflow), True))
    return not overflow and fabs(number.value) < FG_EXACT


cdef bint read_operand(object x, Number *number) noexcept:
    """Read a float, a small int, or a Value of the active class; False for anything else."""
    if class_of(x) is active_class:
        number[0] = data_of(<Node>x)
        return True
    if PyFloat_CheckExact(x):
        number[0] = Number(PyFloat_AS_DOUBLE(x), False)
        return True
    return PyLong_CheckExact(x) and read_small_int(x, number)


# ---- The start of a sum ----

cdef struct Start:
    fg_index node               # or FG_NONE, if it's a number
    Number number


cdef bint read_start(object x, Start *start) noexcept:
    """Read what a sum starts with: a Value of the active class, a float, or a small int. False for anything else."""
    start.node = (<Node>x).index if class_of(x) is active_class else FG_NONE
    return read_operand(x, &start.number)


# ---- Columns ----

cdef inline fg_column *column_of(object values) noexcept:
    """The column of a list or a tuple, found or new, with a reference for the caller. NULL if there's anything in it
    but Values of the active class, floats and small ints, or if there's no memory."""
    cdef fg_column *column = fg_column_find(&arena, <PyObject *>values)
    if (column is not NULL and not column.is_idle and column.n == n_items(values) and column.handles is not NULL
            and are_its_handles(column, items_of(values))):
        column.refs += 1
        return column
    return revived_or_new_column(values, column)


cdef fg_column *revived_or_new_column(object values, fg_column *column) noexcept:
    """The same, unless a column was found by the list's address, and has noted the handles of the list's Values."""
    if column is not NULL and column.is_idle:
        if column.n == n_items(values) and are_operands_of_idle(column, items_of(values)) \
                and fg_column_revive(&arena, column):
            return column
        fg_column_discard(&arena, column)
    elif column is not NULL and column.n == n_items(values) and are_operands_of_live(column, items_of(values)):
        column.refs += 1
        return column
    column = new_column(items_of(values), n_items(values))
    if column is not NULL:
        fg_column_note(&arena, column, <PyObject *>values)
    return column


cdef fg_column *new_column(PyObject **items, Py_ssize_t n) noexcept:
    """The same, but surely a new one."""
    cdef fg_column *column
    cdef fg_status status = read_column(items, n, False, &column)
    if status == FG_INTS:
        status = read_column(items, n, True, &column)
    return column if status == FG_OK else NULL


cdef bint are_its_operands(fg_column *column, PyObject **items) noexcept:
    """Whether column.n items are Values of the active class, and these are the column's operands."""
    cdef fg_index *nodes = fg_column_nodes(column)
    cdef Py_ssize_t i
    for i in range(column.n):
        if type_of(items[i]) is not active_class or (<Node>items[i]).index != nodes[i]:
            return False
    return True


cdef bint are_operands_of_idle(fg_column *column, PyObject **items) noexcept:
    """The same for an idle column. Mostly none of its operands' handles has been freed."""
    if fg_column_has_handles(&arena, column) and are_its_handles(column, items):
        return True
    return are_its_operands(column, items)


cdef inline bint are_its_handles(fg_column *column, PyObject **items) noexcept:
    """Whether column.n items are the handles that the column has noted, which all are live."""
    # All still are of this class: that of a Value can't be assigned if it has a dialect (check_class).
    return column.handle_class is active_class and memcmp(items, column.handles, column.n * sizeof(PyObject *)) == 0


cdef bint are_operands_of_live(fg_column *column, PyObject **items) noexcept:
    """The same for a live column without noted handles. Notes them, if that can be done, to be faster the next time."""
    if column.handles is not NULL or not are_its_operands(column, items):
        return False
    fg_column_note_handles(&arena, column, active_class)
    return True


cdef fg_status read_column(PyObject **items, Py_ssize_t n, bint has_ints, fg_column **result) noexcept:
    """Make the column of n objects. has_ints: with room for kinds. Returns FG_INTS if it needs that room and has none,
    and FG_UNFIT or FG_TOO_MANY if it can't be made."""
    cdef Py_ssize_t i
    cdef fg_column *column = fg_column_new(&arena, n, has_ints) if n < FG_MAX_NODES else NULL
    cdef fg_index *nodes
    cdef Number number
    cdef fg_status status = FG_UNFIT
    if column is NULL:
        return status
    nodes = fg_column_nodes(column)
    for i in range(n):
        if type_of(items[i]) is active_class:
            nodes[i] = (<Node>items[i]).index
            continue
        if not read_operand(<object>items[i], &number):
            break
        if number.is_int and not has_ints:
            status = FG_INTS
            break
        nodes[i] = FG_NONE
        column.numbers[i] = number.value
        if has_ints:
            fg_column_kinds(column)[i] = number.is_int
    else:
        status = fg_column_take(&arena, column)
        if status == FG_OK:
            result[0] = column
            return FG_OK
    fg_column_discard(&arena, column)
    return status


cdef bint put_sums(PyObject **items, PyTypeObject *cls, fg_terms *terms, uint32_t n) except -1:
    """Make n fused sums, at most MOST_SUMS, and put them as Values of a class into a new list's empty places. False if
    there's no memory, or another class has become active meanwhile."""
    cdef fg_index sums[MOST_SUMS]
    cdef uint32_t i
    if cls is not active_class or not fg_sums_new(&arena, terms, n, new_kind, sums):
        return False
    i = wrap_first(sums, n, items)
    try:
        while i < n:
            i += 1
            handle = wrap(sums[i - 1], cls)
            incref(<PyObject *>handle)
            items[i - 1] = <PyObject *>handle
    finally:
        while i < n:
            fg_node_release(&arena, sums[i])
            i += 1
    return True


cdef object new_sum_of(PyTypeObject *cls, fg_column *column, const Start *start):
    """A fused sum of single operands as a Value of a class. None if it can't be made or there's no memory. (If Python
    has run meanwhile, the list may have changed, or another class may be active.)"""
    cdef fg_terms terms = fg_terms(column, NULL, start.node, start.number.value, start.number.is_int)
    cdef fg_index index
    if cls is not active_class or column.n < FEWEST_TERMS or not fg_terms_fit(&terms, new_kind):
        return None
    return wrap(index, cls) if fg_sums_new(&arena, &terms, 1, new_kind, &index) else None


# ---- Sums ----

def _fused_products(us, vs, starts):
    """[sum((x * y for x, y in zip(u, v)), start) for u, start in zip(us, starts) for v in vs], or None to decline.

    us, vs: lists or tuples of lists or tuples, all of the same length. starts: one for each of us, or None: all are 0.
    """
    return fused_products(us, vs, starts, False)


cdef list fused_products(us, vs, starts, bint across):
    """The same. across: the v's are the columns of the matrix vs, `zip(*vs)`."""
    cdef Py_ssize_t i, j, k, n_u, n_v, n_terms
    cdef PyTypeObject *cls
    cdef fg_column *few[FEW_COLUMNS]
    cdef fg_column **columns = few
    cdef fg_terms terms[MOST_SUMS]
    cdef uint32_t n = 0
    cdef Start start
    cdef list results
    cdef PyObject **items
    if not has_rows(us) or not has_rows(vs):
        return None
    n_u, n_terms = n_items(us), n_items(<object>items_of(us)[0])
    n_v = n_items(<object>items_of(vs)[0]) if across else n_items(vs)
    cls = class_in(us)
    if cls is NULL:
        cls = class_in(vs)
    if not may_fuse(cls) or across and n_items(vs) != n_terms:
        return None
    if starts is not None and (not is_sequence(starts) or n_items(starts) != n_u):
        return None
    if n_terms < FEWEST_TERMS or not is_recording():
        if not are_rows(us, n_terms) or not are_rows(vs, n_v if across else n_terms):
            return None
        vs = list(zip(*vs)) if across else vs
        return sums_of_one(us, vs, starts) if n_terms < FEWEST_TERMS else sums_as_leaves(cls, us, vs, starts)
    if n_u + n_v > FEW_COLUMNS:
        columns = <fg_column **>fg_allocate(NULL, (n_u + n_v) * sizeof(fg_column *))
    if columns is NULL:
        return None
    memset(columns, 0, (n_u + n_v) * sizeof(fg_column *))
    read_start(ZERO, &start)
    try:
        if not (columns_across(vs, n_terms, n_v, columns + n_u) if across
                else columns_of(vs, n_v, n_terms, columns + n_u)) or not columns_of(us, n_u, n_terms, columns):
            return None
        results = PyList_New(n_u * n_v)
        items = items_of(results)
        i = j = 0
        for k in range(n_u * n_v):
            if starts is not None and j == 0 and (n_items(starts) != n_u
                                                  or not read_start(<object>items_of(starts)[i], &start)):
                return None             # Python has run: a collection in the middle of a call, up to CPython 3.11
            terms[n] = fg_terms(columns[i], columns[n_u + j], start.node, start.number.value, start.number.is_int)
            if not fg_terms_fit(&terms[n], new_kind):
                return None
            n += 1
            if n == MOST_SUMS or k == n_u * n_v - 1:
                if not put_sums(items, cls, terms, n):
                    return None
                items += n
                n = 0
            j += 1
            if j == n_v:
                i, j = i + 1, 0
        return results
    finally:
        for i in range(n_u + n_v):
            if columns[i] is not NULL:
                fg_column_release(&arena, columns[i])
        if columns is not few:
            fg_allocate(columns, 0)
        if untidy:
            tidy_up()


cdef inline bint has_rows(object rows) noexcept:
    """Whether rows is a list or a tuple whose first item is one too, and none of the two is empty."""
    return is_sequence(rows) and n_items(rows) > 0 and is_sequence(<object>items_of(rows)[0]) \
        and n_items(<object>items_of(rows)[0]) > 0


cdef inline bint is_row(PyObject *x, Py_ssize_t n) noexcept:
    """Whether an object is a list or a tuple of n items."""
    return x is not NULL and is_sequence(<object>x) and n_items(<object>x) == n


cdef PyTypeObject *class_in(rows) noexcept:
    """The class of the first Value in a list or a tuple of rows, or NULL if there's no Value, or something else than
    rows before it."""
    cdef Py_ssize_t i
    cdef PyTypeObject *cls = NULL
    for i in range(n_items(rows)):
        if cls is not NULL or not is_sequence(<object>items_of(rows)[i]):
            break
        cls = class_among(items_of(<object>items_of(rows)[i]), n_items(<object>items_of(rows)[i]))
    return cls


cdef bint columns_of(rows, Py_ssize_t n, Py_ssize_t n_terms, fg_column **columns) noexcept:
    """Make the columns of n rows of n_terms each. False if a row can't have one. Then `columns` has those of the rows
    before it, which the caller releases."""
    cdef Py_ssize_t i
    cdef PyObject *row
    if n_items(rows) != n:              # Python has run
        return False
    for i in range(n):
        row = items_of(rows)[i]
        columns[i] = column_of(<object>row) if is_row(row, n_terms) else NULL
        if columns[i] is NULL:
            return False
    return True


cdef bint columns_across(rows, Py_ssize_t n_rows, Py_ssize_t n, fg_column **columns) noexcept:
    """The same of the n columns of a matrix of n_rows rows. Nobody finds them again."""
    cdef Py_ssize_t i, j
    cdef PyObject **items = <PyObject **>fg_allocate(NULL, n_rows * sizeof(PyObject *))
    cdef bint is_done = items is not NULL and n_items(rows) == n_rows
    for i in range(n_rows if is_done else 0):
        is_done = is_done and is_row(items_of(rows)[i], n)
    for j in range(n if is_done else 0):
        for i in range(n_rows):
            items[i] = items_of(<object>items_of(rows)[i])[j]
        columns[j] = new_column(items, n_rows)
        if columns[j] is NULL:
            is_done = False
            break
    fg_allocate(items, 0)
    return is_done


cdef bint are_rows(object rows, Py_ssize_t n) noexcept:
    """Whether all items of a list or a tuple are lists or tuples of n items."""
    cdef Py_ssize_t i
    for i in range(n_items(rows)):
        if not is_row(items_of(rows)[i], n):
            return False
    return True


cdef object sums_of_one(us, vs, starts):
    """What _fused_products returns if there's one product in each sum. Declines if neither factor is a Value."""
    cdef list results = []
    cdef Number number
    cdef Start start
    for i, u in enumerate(us):
        for v in vs:
            x, y, first = u[0], v[0], ZERO if starts is None else starts[i]
            if class_of(x) is not active_class and class_of(y) is not active_class:
                return None
            if not read_operand(x, &number) or not read_operand(y, &number) or not read_start(first, &start):
                return None
            results.append(first + x * y)
    return results


cdef object sums_as_leaves(PyTypeObject *cls, us, vs, starts):
    """What _fused_products returns under no_grad(), where each sum is a leaf. Declines if no factor of a product is a
    Value: then the product is a number, and sum() adds numbers in its own way."""
    cdef list results = []
    cdef Number x, y
    cdef double total
    cdef Start start
    cdef PyObject *left
    cdef PyObject *right
    cdef Py_ssize_t k
    for i, u in enumerate(us):
        for v in vs:
            if cls is not active_class or not is_sequence(u) or not is_row(<PyObject *>v, n_items(u)):
                return None             # Python has run meanwhile
            if not read_start(ZERO if starts is None else starts[i], &start):
                return None
            total = start.number.value
            for k in range(n_items(u)):
                left, right = items_of(u)[k], items_of(v)[k]
                if type_of(left) is not cls and type_of(right) is not cls:
                    return None
                if not read_operand(<object>left, &x) or not read_operand(<object>right, &y) or x.is_int and y.is_int:
                    return None
                total += x.value * y.value
            results.append(wrap(new_leaf(Number(total, False)), cls))
    return results


cpdef object _total(xs, start=ZERO):
    """sum(xs, start) of a list or a tuple, fused if it can be."""
    result = fused_total(xs, start)
    return sum(xs, start) if result is None else result


cdef object fused_total(xs, start):
    """sum(xs, start) as a fused sum, or as a leaf under no_grad(); None to decline."""
    cdef Py_ssize_t n, k
    cdef fg_column *column
    cdef Start first
    cdef Number x
    cdef double total
    n = n_items(xs) if is_sequence(xs) else 0
    if n < FEWEST_TERMS or not may_fuse(class_among(items_of(xs), n)) or not read_start(start, &first):
        return None
    if first.node == FG_NONE and class_of(xs[0]) is not active_class:
        return None                     # the loop adds two numbers first, and makes no node of them
    if not is_recording():
        total = first.number.value
        for k in range(n_items(xs)):    # not n: is_recording may run Python
            if not read_operand(<object>items_of(xs)[k], &x) or x.is_int:
                return None
            total += x.value
        return wrap(new_leaf(Number(total, False)), active_class)
    column = column_of(xs)
    if column is NULL:
        return None
    try:
        return new_sum_of(active_class, column, &first)
    finally:
        fg_column_release(&arena, column)
        if untidy:
            tidy_up()


# ---- Loops over lists ----

def _is_vector(xs):
    """Whether xs is a list or a tuple of Values, floats and ints that isn't empty."""
    if not is_sequence(xs) or n_items(xs) == 0:
        return False
    for x in xs:
        if not is_value(x) and not is_plain_number(x):
            return False
    return True


def _are_values(xs):
    """Whether xs is a list or a tuple of Values that isn't empty."""
    cdef Py_ssize_t i, n = n_items(xs) if is_sequence(xs) else 0
    for i in range(n):
        if not is_value(<object>items_of(xs)[i]):
            return False
    return n > 0


def _largest(xs):
    """max(x.data for x in xs) of a list or a tuple of Values that isn't empty."""
    cdef double largest
    return largest if read_largest(xs, &largest) else max([x.data for x in xs])


cdef bint read_largest(xs, double *largest) noexcept:
    """The same. False unless xs is a list or a tuple, not empty, of Values of the active class whose data are floats.
    """
    cdef Py_ssize_t i, n = n_items(xs) if is_sequence(xs) else 0
    cdef fg_node *node
    if PyType_Lookup(active_class, DATA) is not data_property:
        return False
    for i in range(n):
        if type_of(items_of(xs)[i]) is not active_class:
            return False
        node = node_at((<Node>items_of(xs)[i]).index)
        if node.flags & FG_DATA_INT:
            return False
        if i == 0 or node.data > largest[0]:
            largest[0] = node.data
    return n > 0
