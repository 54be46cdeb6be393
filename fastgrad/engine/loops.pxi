# Loops over Values, run in C: what fastgrad/loops/ puts in front of an author's loop.
#
# fastgrad/loops/meaning.py says what a loop means as a tree of levels, a loop within a loop being a level within a level.
# A level has sequences, over which it goes; columns, which are operands read from objects; a program
# (csrc/program.h) that computes others; and an output. `Loop` runs the tree, or declines: then nothing has happened, and
# the author's own code runs.
#
# No Python code may run while a loop does: borrowed pointers to lists and their items stay valid then. So objects are
# only read in ways that call nothing of the author's: items of lists, tuples and dicts, attributes of instances that
# have no descriptor. The garbage collector is off meanwhile.

cdef enum:
    MOST_SLOTS = 16             # variables of a loop and of those within it
    ELEMENTS_AT_A_TIME = 256    # in a loop that assigns
    MOST_ELEMENTS = 1 << 20     # a longer loop is the author's: nobody could interrupt it
    MOST_DECLINES = 8           # a loop that declines so often in a row isn't tried again

cdef struct Frame:              # of one run
    PyObject **locals           # the arguments: variables of the author's function
    PyObject *globals
    PyObject *builtins
    PyObject *items[MOST_SLOTS]             # what each variable of the loops is now; NULL for an int,
    Py_ssize_t ints[MOST_SLOTS]             # which is here
    PyObject *level             # the outermost, a Level
    PyObject *methods           # tuples of names: what the Values' class has to have as Node has it,
    PyObject *operators         # symbols of operators, that have to be the engine's,
    PyObject *absent            # and what it mustn't have
    PyTypeObject *cls           # of the Values met, or NULL: none yet
    fg_rules rules              # of that class
    bint records
    const char *reason          # why the loop declines
    PyObject *result            # counted: a result that is an object already, or NULL



# ---- Reading objects ----

cdef enum Kind:
    LOCAL
    GLOBAL
    CONSTANT
    ITEM                        # a variable of a loop
    PART                        # of an item that is unpacked
    ATTRIBUTE
    SUBSCRIPT
    SLICE
    LENGTH
    ARITHMETIC

KINDS = {"local": LOCAL, "global": GLOBAL, "constant": CONSTANT, "item": ITEM, "part": PART, "attribute": ATTRIBUTE,
         "subscript": SUBSCRIPT, "slice": SLICE, "length": LENGTH, "arithmetic": ARITHMETIC}


cdef PyObject *borrowed_to_new(PyObject *x) noexcept:
    xincref(x)
    return x


cdef PyObject *plain_attribute(PyObject *x, object name) noexcept:
    """An attribute that is read without running Python, as a new reference, or NULL."""
    cdef PyTypeObject *cls = type_of(x)
    cdef PyObject *attribute
    if is_module(x):
        return borrowed_to_new(PyDict_GetItem(<object>PyModule_GetDict(x), name)) if cls is &PyModule_Type else NULL
    if is_class(x):
        if cls is not &PyType_Type or PyType_Lookup(&PyType_Type, name) is not NULL:
            return NULL
        attribute = PyType_Lookup(<PyTypeObject *>x, name)
        return NULL if attribute is NULL or type_of(attribute).tp_descr_get is not NULL else borrowed_to_new(attribute)
    if cls.tp_getattro is not <void *>PyObject_GenericGetAttr:
        return NULL
    attribute = PyType_Lookup(cls, name)
    if attribute is not NULL and type_of(attribute).tp_descr_get is not NULL and type_of(attribute) is not &PyMemberDescr_Type:
        return NULL
    attribute = PyObject_GetAttr_or_null(x, name)
    if attribute is NULL:
        PyErr_Clear()
    return attribute


cdef PyObject *looked_up(Frame *frame, object name) noexcept:
    """A global or builtin name's object, borrowed, or NULL."""
    cdef PyObject *x = PyDict_GetItem(<object>frame.globals, name)
    return PyDict_GetItem(<object>frame.builtins, name) if x is NULL else x


cdef bint is_exact_number(PyObject *x) noexcept:
    return PyFloat_CheckExact(<object>x) or PyLong_CheckExact(<object>x)


@cython.final
cdef class Outside:
    """An expression whose value is an object that isn't computed by a program."""
    cdef Kind kind
    cdef int slot
    cdef object value
    cdef Outside a, b, c, d

    def __cinit__(self, tuple text not None):
        """text: the kind's name and what belongs to it, as fastgrad/loops/grammar.py makes it."""
        self.kind = KINDS[text[0]]
        if self.kind in (LOCAL, ITEM):
            self.slot = text[1]
        elif self.kind in (GLOBAL, CONSTANT):
            self.value = text[1]
        elif self.kind == PART:
            self.a, self.slot, self.value = Outside(text[1]), text[2], text[3]
        elif self.kind == ATTRIBUTE:
            self.a, self.value = Outside(text[1]), text[2]
        elif self.kind == ARITHMETIC:
            self.value, self.a, self.b = text[1], Outside(text[2]), Outside(text[3])
        else:
            parts = [None if part is None else Outside(part) for part in text[1:]] + [None] * 4
            self.a, self.b, self.c, self.d = parts[:4]

    cdef PyObject *get(self, Frame *frame) noexcept:
        """The object, a new reference; or NULL, if it can't be read without running Python."""
        cdef PyObject *x
        cdef PyObject *y
        if self.kind == LOCAL:
            return borrowed_to_new(frame.locals[self.slot])
        if self.kind == ITEM:
            x = frame.items[self.slot]
            return PyLong_FromSsize_t_or_null(frame.ints[self.slot]) if x is NULL else borrowed_to_new(x)
        if self.kind == GLOBAL:
            return borrowed_to_new(looked_up(frame, self.value))
        if self.kind == CONSTANT:
            return borrowed_to_new(<PyObject *>self.value)
        if self.kind == SLICE:
            return self.slice(frame)
        x = self.a.get(frame)
        if x is NULL:
            return NULL
        y = self.of(frame, x)
        if y is NULL and PyErr_Occurred_or_null() is not NULL:
            PyErr_Clear()
        decref(x)
        return y

    cdef PyObject *of(self, Frame *frame, PyObject *x) noexcept:
        """The same of what x is part of, or of an operand x."""
        cdef PyObject *y
        cdef PyObject *result = NULL
        cdef Py_ssize_t i
        if self.kind == ATTRIBUTE:
            return plain_attribute(x, self.value)
        if self.kind == PART:
            if not is_sequence(<object>x) or n_items(<object>x) != <Py_ssize_t>self.value:
                return NULL
            return borrowed_to_new(items_of(<object>x)[self.slot])
        if self.kind == LENGTH:
            if is_sequence(<object>x) or is_dict(x) or type_of(x) is &PyUnicode_Type or type_of(x) is &PyRange_Type:
                return PyLong_FromSsize_t_or_null(PyObject_Size_or_minus(x))
            return NULL
        if self.kind == SUBSCRIPT and is_sequence(<object>x):
            if not self.b.get_int(frame, &i):
                return NULL
            if i < 0:
                i += n_items(<object>x)
            return borrowed_to_new(items_of(<object>x)[i]) if 0 <= i < n_items(<object>x) else NULL
        y = self.b.get(frame)
        if y is NULL:
            return NULL
        if self.kind == SUBSCRIPT:
            if is_dict(x) and (type_of(y) is &PyUnicode_Type or PyLong_CheckExact(<object>y)):
                result = borrowed_to_new(PyDict_GetItem(<object>x, <object>y))
        elif is_exact_number(x) and is_exact_number(y):
            result = calculate(self.value, x, y)
        decref(y)
        return result

    cdef PyObject *slice(self, Frame *frame) noexcept:
        cdef PyObject *x = self.a.get(frame)
        cdef PyObject *y = NULL
        cdef PyObject *bounds[3]
        cdef PyObject *at = NULL
        cdef Outside part
        cdef int i
        bounds[0] = bounds[1] = bounds[2] = NULL
        for i in range(3):
            part = self.b if i == 0 else self.c if i == 1 else self.d
            if part is not None:
                bounds[i] = part.get(frame)
                if bounds[i] is NULL or not PyLong_CheckExact(<object>bounds[i]):
                    break
        else:
            if x is not NULL and is_sequence(<object>x):
                at = PySlice_New_or_null(bounds[0], bounds[1], bounds[2])
                if at is not NULL:
                    y = PyObject_GetItem_or_null(x, at)
                    decref(at)
                if y is NULL:
                    PyErr_Clear()
        for i in range(3):
            xdecref(bounds[i])
        xdecref(x)
        return y

    cdef bint get_int(self, Frame *frame, Py_ssize_t *i) noexcept:
        """The same as a small int."""
        cdef PyObject *x
        cdef int overflow
        if self.kind == ITEM and frame.items[self.slot] is NULL:
            i[0] = frame.ints[self.slot]
            return True
        x = self.get(frame)
        if x is NULL:
            return False
        if not PyLong_CheckExact(<object>x):
            decref(x)
            return False
        i[0] = PyLong_AsLongLongAndOverflow(<object>x, &overflow)
        decref(x)
        return not overflow and -(1LL << 53) < i[0] < 1LL << 53


cdef PyObject *calculate(object symbol, PyObject *x, PyObject *y) noexcept:
    """An operation of two exact ints or floats, a new reference, or NULL with an exception set."""
    if symbol == "+":
        return PyNumber_Add_or_null(x, y)
    if symbol == "-":
        return PyNumber_Subtract_or_null(x, y)
    if symbol == "*":
        return PyNumber_Multiply_or_null(x, y)
    if symbol == "//":
        return PyNumber_FloorDivide_or_null(x, y)
    if symbol == "%":
        return PyNumber_Remainder_or_null(x, y)
    return NULL


# ---- Reading operands ----

cdef bint meet(Frame *frame, PyTypeObject *cls) noexcept:
    """Note the class of the first Value that a run meets. False if the run has to decline: then frame.reason says why.
    """
    cdef PyObject *method
    cdef int i
    frame.reason = b"a Value's class of the author's own"
    if frame.cls is not NULL or not has_own_dialect(cls):
        return False
    if cls is not active_class:
        activate(dialect_of(cls))
    frame.reason = b"operators or attributes that somebody has assigned to the class"
    if (are_there_odd_classes or cls.tp_getattro is not <void *>value_getattr
            or not (numbers_are_ours() or look_again())):
        return False
    for symbol in <tuple>frame.operators:
        if not is_our_operator(cls.tp_as_number, symbol):
            return False
    for name in <tuple>frame.methods:
        method = PyType_Lookup(cls, name)
        if method is NULL or method is not PyType_Lookup(<PyTypeObject *>Node, name):
            return False
    for name in <tuple>frame.absent:
        if PyType_Lookup(cls, name) is not NULL:
            return False
    frame.cls = cls
    frame.rules.kind = new_kind
    frame.rules.records = frame.records
    frame.rules.float_data = active_dialect.float_data
    frame.rules.micrograd_relu = active_dialect.micrograd_relu
    for i in range(4):
        frame.rules.lacks[i] = active_dialect.lacks >> DO_LACKS[i] & 1
    return True


cdef bint is_our_operator(PyNumberMethods *of_class, object symbol) noexcept:
    """Whether an operator of the active class is the engine's own, and those of which it's made."""
    if symbol == "+":
        return of_class.nb_add is <void *>value_add
    if symbol == "*":
        return of_class.nb_multiply is <void *>value_multiply
    if symbol == "**":
        return of_class.nb_power is <void *>value_power
    if symbol == "-" and of_class.nb_subtract is not <void *>value_subtract:
        return False
    if symbol == "/" and of_class.nb_true_divide is not <void *>value_divide:
        return False
    return operators_are_ours()


cdef unsigned int[4] DO_LACKS       # in the order of fg_rules.lacks: + * - /
DO_LACKS[0], DO_LACKS[1], DO_LACKS[2], DO_LACKS[3] = RADD, RMUL, RSUB, RTRUEDIV


cdef bint read_object(Frame *frame, PyObject *x, fg_register *out, Py_ssize_t i) noexcept:
    """Read an object as operand i. False if it's neither a Value of the class that the run has met nor a number."""
    cdef fg_operand operand
    if not read_as(frame, x, &operand):
        return False
    fg_register_set(out, i, operand)
    return True


cdef bint read_as(Frame *frame, PyObject *x, fg_operand *out) noexcept:
    cdef fg_node *node
    cdef int overflow
    if type_of(x) is frame.cls or is_value(<object>x):
        if type_of(x) is not frame.cls and not meet(frame, type_of(x)):
            return False
        if (<Node>x).attributes is not NULL and <tuple>frame.methods:       # which may hide a method
            frame.reason = b"a Value with attributes, and a method"
            return False
        out.node = (<Node>x).index
        node = node_at(out.node)
        out.number = node.data
        out.is_int = node.flags & FG_DATA_INT
        out.is_value = True
        return True
    out.node = FG_NONE
    out.is_value = False
    if PyFloat_CheckExact(<object>x):
        out.number = PyFloat_AS_DOUBLE(<object>x)
        out.is_int = False
        return True
    if PyLong_CheckExact(<object>x):
        out.number = <double>PyLong_AsLongLongAndOverflow(<object>x, &overflow)
        out.is_int = True
        if not overflow and fabs(out.number) < FG_EXACT:
            return True
        frame.reason = b"an int that isn't small"
        return False
    frame.reason = b"an operand that is neither a Value nor a number"
    return False


cdef bint read_items(Frame *frame, PyObject **items, Py_ssize_t n_of_items, Py_ssize_t at, Py_ssize_t step,
                     Py_ssize_t n, fg_register *out) noexcept:
    """Read n items of a list, from item `at` on, as operands."""
    cdef Py_ssize_t i, k, last = at + (n - 1) * step
    if 0 <= at < n_of_items and 0 <= last < n_of_items:
        if type_of(items[at]) is &PyFloat_Type:         # then mostly all are floats
            for i in range(n):
                if type_of(items[at + i * step]) is not &PyFloat_Type:
                    break
                out.numbers[i] = PyFloat_AS_DOUBLE(<object>items[at + i * step])
            else:
                out.all = FG_FLOATS
                return True
        elif is_value(<object>items[at]) and (frame.cls is not NULL or meet(frame, type_of(items[at]))):
            if read_values(frame, items + at, step, n, out):
                return True
    for i in range(n):
        k = at + i * step
        if k < 0:
            k += n_of_items
        if not 0 <= k < n_of_items or not read_object(frame, items[k], out, i):
            return False
    fg_register_note(out, n)
    return True


cdef bint read_values(Frame *frame, PyObject **items, Py_ssize_t step, Py_ssize_t n, fg_register *out
                      ) noexcept:
    """Read n Values of floats as operands. False if there's anything else among them."""
    cdef Py_ssize_t i
    cdef uint16_t flags = 0
    cdef PyObject *attributes = NULL
    cdef fg_node *node
    cdef PyObject *x
    for i in range(n):
        x = items[i * step]
        if type_of(x) is not frame.cls:
            return False
        out.nodes[i] = (<Node>x).index
        node = node_at((<Node>x).index)
        out.numbers[i] = node.data
        flags |= node.flags
        if (<Node>x).attributes is not NULL:
            attributes = x
    if flags & FG_DATA_INT or attributes is not NULL and <tuple>frame.methods:
        return False
    out.all = FG_VALUES
    return True


# ---- Sequences ----

cdef enum SequenceKind:
    ITEMS
    REVERSED
    RANGE
    COUNT                       # enumerate's

SEQUENCES = {"items": ITEMS, "reversed": REVERSED, "range": RANGE, "count": COUNT}


@cython.final
cdef class Sequence:
    """What a variable of a level goes over."""
    cdef SequenceKind kind
    cdef int slot
    cdef Outside a, b, c
    cdef bint is_fixed          # it's the same each time that its level runs within the others
    # While the level runs, or, if it's fixed, until the whole loop's end:
    cdef bint is_open
    cdef PyObject *owner        # counted: the list or tuple
    cdef PyObject **items
    cdef Py_ssize_t start, step, n

    def __cinit__(self, tuple text not None, bint is_fixed):
        self.kind, self.slot = SEQUENCES[text[0]], text[1]
        parts = [None if part is None else Outside(part) for part in text[2:]] + [None] * 3
        self.a, self.b, self.c = parts[:3]
        self.is_fixed, self.is_open, self.owner = is_fixed, False, NULL

    cdef bint begin(self, Frame *frame) noexcept:
        """False: decline."""
        if not self.is_open:
            self.is_open = self.find(frame)
        return self.is_open

    cdef bint find(self, Frame *frame) noexcept:
        cdef Py_ssize_t limit
        self.start, self.step = 0, 1
        if self.kind == COUNT:
            self.n = PY_SSIZE_T_MAX
            return self.a.get_int(frame, &self.start)
        if self.kind == RANGE:
            if not self.a.get_int(frame, &limit):
                return False
            if self.b is not None:
                self.start = limit
                if not self.b.get_int(frame, &limit):
                    return False
            if self.c is not None and not self.c.get_int(frame, &self.step) or self.step == 0:
                return False
            if self.step > 0:
                self.n = (limit - self.start - 1) // self.step + 1 if limit > self.start else 0
            else:
                self.n = (self.start - limit - 1) // -self.step + 1 if limit < self.start else 0
            return True
        self.owner = self.a.get(frame)
        if self.owner is NULL or not is_sequence(<object>self.owner):
            return False
        self.n, self.items = n_items(<object>self.owner), items_of(<object>self.owner)
        self.start, self.step = 0, 1
        if self.kind == REVERSED:
            self.start, self.step = self.n - 1, -1
        return True

    cdef inline void end(self) noexcept:
        if not self.is_fixed:
            self.close()

    cdef void close(self) noexcept:
        xdecref(self.owner)
        self.owner = NULL
        self.is_open = False

    cdef inline void go_to(self, Frame *frame, Py_ssize_t k) noexcept:
        if self.slot >= 0:
            if self.kind == ITEMS or self.kind == REVERSED:
                frame.items[self.slot] = self.items[self.start + k * self.step]
            else:
                frame.items[self.slot] = NULL
                frame.ints[self.slot] = self.start + k * self.step


# ---- Levels ----

@cython.final
cdef class Column:
    """Operands that are read from objects into a register."""
    cdef int register
    cdef Outside place
    cdef bint is_one            # the same for all elements
    cdef bint is_fixed          # the same each time that the level runs within the others
    cdef Sequence sequence      # if they are a sequence's items, or those of a list from outside at its numbers,
    cdef Outside items          # which is this list,
    cdef Outside inner          # or the items of these items with this index

    def __cinit__(self, text, list sequences not None):
        self.register, self.place = text.register, Outside(text.place)
        self.is_one, self.is_fixed = text.is_one, text.is_fixed
        if text.sequence is not None:
            self.sequence = sequences[text.sequence]
        if text.items is not None:
            self.items = Outside(text.items)
        if text.inner is not None:
            self.inner = Outside(text.inner)

    cdef bint is_row(self) noexcept:
        """Whether the operands are the items of a variable of a loop around."""
        return (self.sequence is not None and self.items is None and self.inner is None
                and self.sequence.kind == ITEMS and self.sequence.a.kind == ITEM)

    cdef PyObject *whole_list(self, Frame *frame, Py_ssize_t n) noexcept:
        """The list whose items are the operands, all of them and in order, as a new reference; or NULL."""
        cdef PyObject *x = NULL
        cdef Sequence sequence = self.sequence
        if sequence is None or self.inner is not None or sequence.start != 0 or sequence.step != 1:
            return NULL
        if self.items is None:
            x = borrowed_to_new(sequence.owner)
        elif sequence.kind == RANGE or sequence.kind == COUNT:
            x = self.items.get(frame)
        if x is not NULL and not (is_sequence(<object>x) and n_items(<object>x) == n):
            decref(x)
            return NULL
        return x


cdef void release_terms(fg_terms *terms) noexcept:
    if terms.v is not NULL:
        fg_column_release(&arena, terms.v)
    fg_column_release(&arena, terms.u)


cdef bint make_sum(Frame *frame, fg_terms *terms, fg_operand *result) noexcept:
    if not fg_sums_new(&arena, terms, 1, frame.rules.kind, &result.node):
        return False
    result.number, result.is_value, result.is_int = node_at(result.node).data, True, False
    return True


cdef bint make_sums(Frame *frame, fg_terms *terms, int n, fg_register *out, Py_ssize_t at) noexcept:
    """Make fused sums, set the operands of a register from `at` on, and release the terms. False if there's no memory.
    """
    cdef fg_index sums[FG_ROWS]
    cdef bint is_made = fg_sums_new(&arena, terms, n, frame.rules.kind, sums)
    cdef int i
    for i in range(n):
        if is_made:
            fg_register_set(out, at + i, fg_operand(node_at(sums[i]).data, sums[i], True, False))
        release_terms(&terms[i])
    if not is_made:
        frame.reason = b"too little memory"
    return is_made


cdef enum Output:
    LIST
    LISTS                       # a list of lists, of the level within
    SUM
    MAX
    MIN
    STORES                      # none; operands are assigned

OUTPUTS = {"list": LIST, "lists": LISTS, "sum": SUM, "max": MAX, "min": MIN, "stores": STORES}


@cython.final
cdef class Level:
    cdef list sequences, columns, levels, made
    cdef bint strict
    cdef int n_registers
    cdef fg_register *registers
    cdef fg_instruction *code
    cdef uint32_t n_code
    cdef Output output
    cdef int a, b               # registers of the output; b is -1 for a sum of single operands
    cdef int start              # the register of a sum's start, or -1: 0
    cdef Column column_a, column_b      # if these operands are read, not computed
    cdef Level within           # of LISTS
    cdef bint leaves_last       # the last element is the author's
    # 1 if the element after those that are done has to be computed as well. Then the author's body doesn't raise for
    # it. If it did, that'd show variables that the body has assigned to for the element before.
    cdef int ahead
    cdef list values            # of STORES: the registers of Values whose data or grad is read or assigned
    cdef fg_column *kept[2]     # their columns, if they're fixed, until the loop's end
    cdef int rows               # which of the two is a list that the loop around goes over, the other being fixed; or -1
    # While the level runs:
    cdef Py_ssize_t n           # elements
    cdef char *room             # of all registers
    cdef Py_ssize_t capacity

    def __cinit__(self, text):
        """text: a Level of fastgrad/loops/meaning.py"""
        cdef Column column
        cdef int i
        self.sequences = [Sequence(each, is_fixed) for each, is_fixed in zip(text.sequences, text.are_fixed)]
        self.columns = [Column(each, self.sequences) for each in text.columns]
        self.levels = [(register, Level(level)) for register, level in text.levels]
        self.strict, self.n_registers = text.strict, text.n_registers
        self.n_code = len(text.code)
        self.registers = <fg_register *>fg_allocate(NULL, (1 + self.n_registers) * sizeof(fg_register))
        self.code = <fg_instruction *>fg_allocate(NULL, (1 + self.n_code) * sizeof(fg_instruction))
        if self.registers is NULL or self.code is NULL:
            raise MemoryError("no memory for a loop's program")
        for i, (what, function, result, a, b) in enumerate(text.code):
            self.code[i] = fg_instruction(what, function, result, a, b)
        self.output, self.a, self.b, self.start = OUTPUTS[text.output], text.a, text.b, text.start
        self.within = None if text.within is None else Level(text.within)
        self.leaves_last, self.ahead = text.leaves_last, text.ahead
        for column in self.columns:
            if column.register == self.a:
                self.column_a = column
            if column.register == self.b:
                self.column_b = column
        self.made = [register for register, _ in self.levels] + [each[2] for each in text.code]
        self.rows = -1
        if self.output == SUM and self.n_code == 0 and self.start < 0 and self.column_a is not None \
                and self.column_b is not None:
            if self.column_b.is_fixed and self.column_a.is_row():
                self.rows = 0
            elif self.column_a.is_fixed and self.column_b.is_row():
                self.rows = 1
        self.values = text.values
        self.kept[0] = self.kept[1] = NULL
        self.room, self.capacity = NULL, 0

    def __dealloc__(self):
        fg_allocate(self.registers, 0)
        fg_allocate(self.code, 0)
        fg_allocate(self.room, 0)

    cdef bint begin(self, Frame *frame) noexcept:
        """Open the sequences. False: decline; then they're closed."""
        cdef Sequence sequence
        cdef Py_ssize_t most = 0
        self.n = PY_SSIZE_T_MAX
        for sequence in self.sequences:
            if not sequence.begin(frame):
                frame.reason = b"something else than lists, tuples and ranges to go over"
                self.end()
                return False
            if sequence.kind != COUNT:
                self.n, most = min(self.n, sequence.n), max(most, sequence.n)
        if self.strict and most != self.n or most > MOST_ELEMENTS:
            frame.reason = b"lengths that differ" if most <= MOST_ELEMENTS else b"too many elements"
            self.end()
            return False
        if self.leaves_last and self.n > 0:
            self.n -= 1
        return True

    cdef void end(self) noexcept:
        cdef Sequence sequence
        for sequence in self.sequences:
            sequence.end()

    cdef void forget(self) noexcept:
        """Drop what is kept until the loop's end."""
        cdef Level level
        cdef Sequence sequence
        cdef int i
        for i in range(2):
            if self.kept[i] is not NULL:
                fg_column_release(&arena, self.kept[i])
                self.kept[i] = NULL
        for sequence in self.sequences:
            sequence.close()
        for _, level in self.levels:
            level.forget()
        if self.within is not None:
            self.within.forget()
        if self.capacity > self.n_registers * ELEMENTS_AT_A_TIME:
            fg_allocate(self.room, 0)
            self.room, self.capacity = NULL, 0

    cdef inline void go_to(self, Frame *frame, Py_ssize_t k) noexcept:
        cdef Sequence sequence
        for sequence in self.sequences:
            sequence.go_to(frame, k)

    cdef bint reserve(self, Frame *frame, Py_ssize_t n) noexcept:
        cdef Py_ssize_t i, each = max(n, 1) * FG_OPERAND_BYTES, wanted = self.n_registers * each
        cdef void *room
        if wanted > self.capacity:
            room = fg_allocate(self.room, wanted)
            if room is NULL:
                frame.reason = b"too little memory"
                return False
            self.room, self.capacity = <char *>room, wanted
        for i in range(self.n_registers):
            self.registers[i] = fg_register_in(self.room + i * each, max(n, 1))
        return True

    cdef bint read(self, Frame *frame, Column column, Py_ssize_t first, Py_ssize_t n) noexcept:
        """Read a column's operands for n elements."""
        cdef fg_register *out = &self.registers[column.register]
        cdef Sequence sequence = column.sequence
        cdef PyObject *x
        cdef Py_ssize_t i
        cdef bint is_read = True
        out.step = not column.is_one
        out.all = FG_MIXED
        if sequence is not None and column.items is None:
            return self.read_list(frame, column, sequence.items, sequence.n, first, n, out)
        frame.reason = b"a list or an attribute that only Python can read"
        if sequence is not None:
            x = column.items.get(frame)
            if x is NULL:
                return False
            if is_sequence(<object>x):
                is_read = self.read_list(frame, column, items_of(<object>x), n_items(<object>x), first, n, out)
                decref(x)
                return is_read
            decref(x)
        for i in range(1 if column.is_one else n):
            if not column.is_one:
                self.go_to(frame, first + i)
            x = column.place.get(frame)
            if x is NULL:
                frame.reason = b"a list or an attribute that only Python can read"
                return False
            is_read = read_object(frame, x, out, i)
            decref(x)                       # what it was read from keeps a Value alive
            if not is_read:
                return False
        fg_register_note(out, 1 if column.is_one else n)
        return True

    cdef bint read_list(self, Frame *frame, Column column, PyObject **items, Py_ssize_t n_of_items, Py_ssize_t first,
                        Py_ssize_t n, fg_register *out) noexcept:
        """Read n items of a list by the column's sequence, or of each of them the item with the inner index."""
        cdef Py_ssize_t step = column.sequence.step, at = column.sequence.start + first * step, i, k, inner
        cdef PyObject *row
        if column.inner is None:
            return read_items(frame, items, n_of_items, at, step, n, out)
        frame.reason = b"a list or an attribute that only Python can read"
        if not column.inner.get_int(frame, &inner):
            return False
        for i in range(n):
            k = at + i * step
            if k < 0:
                k += n_of_items
            if not 0 <= k < n_of_items or not is_sequence(<object>items[k]):
                return False
            row, k = items[k], inner
            if k < 0:
                k += n_items(<object>row)
            if not 0 <= k < n_items(<object>row):
                return False
            if not read_object(frame, items_of(<object>row)[k], out, i):
                return False
        fg_register_note(out, n)
        return True

    cdef bint compute(self, Frame *frame, Py_ssize_t first, Py_ssize_t n) noexcept:
        """Fill all registers for n elements. False: decline, and there's nothing to release."""
        cdef Column column
        cdef Level level
        cdef int register, done = 0
        if not self.reserve(frame, n):
            return False
        for column in self.columns:
            if not self.read(frame, column, first, n):
                return False
        for register, level in self.levels:
            if not self.reduce_each(frame, level, &self.registers[register], first, n):
                self.release(n, done)
                return False
            fg_register_note(&self.registers[register], n)
            done += 1
        if fg_program_run(&arena, &frame.rules, self.code, self.n_code, self.registers, n) != FG_OK:
            frame.reason = b"a result that Python has to compute, or an error"
            self.release(n, done)
            return False
        return True

    cdef void release(self, Py_ssize_t n, Py_ssize_t n_made, int besides=-1) noexcept:
        """Drop the references to the nodes that the first n_made results have, but for the register `besides`."""
        cdef Py_ssize_t i
        for i in range(n_made):
            if <int>self.made[i] != besides:
                fg_register_release(&arena, &self.registers[<int>self.made[i]], n)

    # ---- Outputs ----

    cdef fg_column *column_of(self, Frame *frame, Column column, int which) noexcept:
        """The column of a sum's operands, with a reference; or NULL."""
        cdef PyObject *x
        cdef fg_column *made
        cdef PyTypeObject *cls
        if self.kept[which] is not NULL and self.kept[which].n == <uint32_t>self.n:
            self.kept[which].refs += 1
            return self.kept[which]
        made = NULL
        x = column.whole_list(frame, self.n)
        if x is NULL:
            if self.read(frame, column, 0, self.n) and frame.cls is not NULL:
                made = fg_register_column(&arena, &frame.rules, &self.registers[column.register], self.n)
            self.keep(column, which, made)
            return made
        if frame.cls is NULL:
            cls = class_among(items_of(<object>x), self.n)
            if cls is not NULL:
                meet(frame, cls)
        if frame.cls is not NULL:
            made = column_of(<object>x)
        decref(x)
        self.keep(column, which, made)
        return made

    cdef void keep(self, Column column, int which, fg_column *made) noexcept:
        if made is not NULL and column.is_fixed and self.kept[which] is NULL:
            self.kept[which] = made
            made.refs += 1

    cdef inline bint may_be_fused(self, Frame *frame) noexcept:
        """Whether the level is a sum whose operands are all read, none computed."""
        return self.output == SUM and frame.records and self.n_code == 0 and not self.ahead and not self.levels

    cdef bint read_terms(self, Frame *frame, fg_terms *terms) noexcept:
        """What a fused sum is made of, with a reference to each column. False if it can't be fused."""
        cdef fg_operand start = fg_operand(0.0, FG_NONE, False, True)
        cdef Column column
        cdef fg_column *u
        cdef fg_column *v = NULL
        if self.n < FEWEST_TERMS or not self.reserve(frame, self.n):
            return False
        if self.start >= 0:
            for column in self.columns:
                if column.register == self.start and not self.read(frame, column, 0, 1):
                    return False
            start = fg_register_get(&self.registers[self.start], 0)
        u = self.column_of(frame, self.column_a, 0)
        if u is not NULL and self.b >= 0:
            v = self.column_of(frame, self.column_b, 1)
        if u is not NULL and (v is not NULL or self.b < 0) and fg_program_terms(&frame.rules, u, v, &start, terms):
            return True
        if v is not NULL:
            fg_column_release(&arena, v)
        if u is not NULL:
            fg_column_release(&arena, u)
        return False

    cdef inline bint read_row(self, Frame *frame, fg_terms *terms) noexcept:
        """read_terms, for the next row of several. False: not so easily."""
        cdef Column column = self.column_a if self.rows == 0 else self.column_b
        cdef PyObject *row = frame.items[column.sequence.a.slot]
        cdef fg_column *fixed = self.kept[1 - self.rows]
        cdef fg_column *read
        cdef fg_operand start = fg_operand(0.0, FG_NONE, False, True)
        if row is NULL or fixed is NULL or not is_sequence(<object>row) or n_items(<object>row) != fixed.n:
            return False
        read = column_of(<object>row)
        if read is NULL:
            return False
        if not fg_program_terms(&frame.rules, read if self.rows == 0 else fixed, fixed if self.rows == 0 else read, &start,
                                terms):
            fg_column_release(&arena, read)
            return False
        fixed.refs += 1
        return True

    cdef bint reduce_each(self, Frame *frame, Level level, fg_register *out, Py_ssize_t first, Py_ssize_t n) noexcept:
        """Run a level within for n elements. False: decline, and there's nothing to release."""
        cdef fg_terms terms[FG_ROWS]        # of fused sums of the same length that aren't made yet
        cdef int n_waiting = 0
        cdef fg_operand x
        cdef Py_ssize_t i = 0, n_set = 0
        cdef bint is_done = True, is_fused
        while is_done and i < n:
            self.go_to(frame, first + i)
            if i > 0 and level.rows >= 0 and level.read_row(frame, &terms[n_waiting]):
                i += 1                      # the same as below, for a row as long as those before
                n_waiting += 1
                if n_waiting == FG_ROWS or i == n:
                    is_done = make_sums(frame, terms, n_waiting, out, n_set)
                    n_set += n_waiting if is_done else 0
                    n_waiting = 0
                continue
            is_done = level.begin(frame)
            if not is_done:
                break
            is_fused = level.may_be_fused(frame) and level.read_terms(frame, &terms[n_waiting])
            if n_waiting > 0 and not (is_fused and terms[0].u.n == terms[n_waiting].u.n):
                is_done = make_sums(frame, terms, n_waiting, out, n_set)
                n_set += n_waiting if is_done else 0
                if is_fused:
                    terms[0] = terms[n_waiting]
                n_waiting = 0
            n_waiting += is_fused
            if is_done and not is_fused:
                is_done = level.add_up(frame, &x) if level.output == SUM else level.extreme(frame, &x)
                if is_done:
                    fg_register_set(out, i, x)
                    n_set += 1
            level.end()
            i += 1
            if is_done and n_waiting > 0 and (n_waiting == FG_ROWS or i == n):
                is_done = make_sums(frame, terms, n_waiting, out, n_set)
                n_set += n_waiting if is_done else 0
                n_waiting = 0
        if is_done:
            return True
        for i in range(n_waiting):
            release_terms(&terms[i])
        fg_register_release(&arena, out, n_set)
        return False

    cdef bint reduce(self, Frame *frame, fg_operand *result) noexcept:
        """Run the level, whose output is a sum, max or min."""
        cdef fg_terms terms
        cdef bint is_reduced
        if not self.begin(frame):
            return False
        is_reduced = False
        if self.may_be_fused(frame) and self.read_terms(frame, &terms):
            is_reduced = make_sum(frame, &terms, result)
            release_terms(&terms)
        if not is_reduced:
            is_reduced = self.add_up(frame, result) if self.output == SUM else self.extreme(frame, result)
        self.end()
        return is_reduced

    cdef bint add_up(self, Frame *frame, fg_operand *result) noexcept:
        cdef fg_operand start = fg_operand(0.0, FG_NONE, False, True)
        cdef Column column
        cdef Level level
        cdef Py_ssize_t n = self.n
        cdef fg_status status
        if n == 0:
            frame.reason = b"an empty sum"
            return False
        if not self.compute(frame, 0, n + self.ahead):
            return False
        if self.start >= 0:
            start = fg_register_get(&self.registers[self.start], 0)
        if <PyObject *>self is frame.level and self.are_numbers(n) and not start.is_value:
            return self.sum_of_numbers(frame, start, n)
        frame.reason = b"a sum that Python has to compute"
        status = fg_program_sum(&arena, &frame.rules, &self.registers[self.a],
                                &self.registers[self.b] if self.b >= 0 else NULL, &start, n, result)
        self.release(n + self.ahead, len(self.made))
        return status == FG_OK

    cdef bint are_numbers(self, Py_ssize_t n) noexcept:
        """Whether a sum's operands, which have been computed, are all numbers."""
        cdef fg_register *register
        cdef Py_ssize_t i
        cdef int which
        for which in (self.a, self.b):
            if which >= 0:
                register = &self.registers[which]
                for i in range(n):
                    if fg_register_get(register, i).is_value:
                        return False
        return True

    cdef bint sum_of_numbers(self, Frame *frame, fg_operand start, Py_ssize_t n) noexcept:
        """Have Python add numbers in its own way, and set frame.result."""
        cdef fg_register *a = &self.registers[self.a]
        cdef fg_register *b = &self.registers[self.b] if self.b >= 0 else NULL
        cdef fg_operand x, y
        cdef Py_ssize_t i
        cdef list terms = []
        self.release(n + self.ahead, len(self.made))
        try:
            for i in range(n):
                x = fg_register_get(a, i)
                if b is NULL:
                    terms.append(as_object(x.number, x.is_int))
                else:
                    y = fg_register_get(b, i)
                    terms.append(PyNumber_Multiply(as_object(x.number, x.is_int), as_object(y.number, y.is_int)))
            total = sum(terms, as_object(start.number, start.is_int))
            frame.result = borrowed_to_new(<PyObject *>total)
        except MemoryError:
            frame.reason = b"too little memory"
            return False
        return True

    cdef bint extreme(self, Frame *frame, fg_operand *result) noexcept:
        """The largest or the smallest number."""
        cdef fg_operand x
        cdef Py_ssize_t i
        if self.n == 0:
            frame.reason = b"an empty list"
            return False
        if not self.compute(frame, 0, self.n):
            return False
        for i in range(self.n):
            x = fg_register_get(&self.registers[self.a], i)
            if i == 0:
                result[0] = x
            if x.is_value:
                self.release(self.n, len(self.made))
                frame.reason = b"the largest or smallest of Values"
                return False
            if x.number > result.number if self.output == MAX else x.number < result.number:
                result[0] = x
        return True

    cdef object make_list(self, Frame *frame):
        """A list of the results, or None."""
        cdef list results
        cdef fg_register *register
        cdef Py_ssize_t i
        if not self.begin(frame):
            return None
        try:
            if self.output == LISTS:
                results = []
                for i in range(self.n):
                    self.go_to(frame, i)
                    row = self.within.make_list(frame)
                    if row is None:
                        return None
                    results.append(row)
                return results
            if not self.compute(frame, 0, self.n):
                return None
            results = PyList_New(self.n)
            self.wrap_all(frame, &self.registers[self.a], items_of(results))
            return results
        finally:
            self.end()


    cdef int wrap_all(self, Frame *frame, fg_register *register, PyObject **items) except -1:
        """Make objects of a register's operands, and release the nodes of all other registers."""
        cdef PyObject *handle
        cdef Py_ssize_t i = 0
        try:
            if register.all == FG_VALUES and frame.cls is active_class:
                while i < self.n and free_handle[0] is not NULL:
                    handle = pop_free_handle()
                    (<Node>handle).index = register.nodes[i]
                    node_at(register.nodes[i]).face = handle
                    items[i] = new_reference(handle)
                    i += 1
            while i < self.n:
                i += 1                      # object_of takes over the node's reference, also if it raises
                x = object_of(frame, fg_register_get(register, i - 1))
                items[i - 1] = borrowed_to_new(<PyObject *>x)
        finally:
            while i < self.n:
                if fg_register_get(register, i).node != FG_NONE:
                    fg_node_release(&arena, register.nodes[i])
                i += 1
            self.release(self.n, len(self.made), self.a)
        return 0


cdef object object_of(Frame *frame, fg_operand x):
    """A result as an object. A node's reference goes to it."""
    if not x.is_value:
        return as_object(x.number, x.is_int)
    return wrap(new_leaf(Number(x.number, x.is_int)) if x.node == FG_NONE else x.node, frame.cls)


# ---- Assigning ----

cdef enum Place:
    DATA_PLACE
    GRAD_PLACE
    ITEM_PLACE

PLACES = {"data": DATA_PLACE, "grad": GRAD_PLACE, "item": ITEM_PLACE}


@cython.final
cdef class Store:
    """A place to which a loop assigns, for each element: a Value's data or grad, or an item of a list."""
    cdef Place kind
    cdef int register           # of what is assigned
    cdef int value              # of the Value
    cdef Column column          # the items, as they are before
    # While the loop runs:
    cdef PyObject *items        # counted: the list
    cdef bint is_in_place       # its floats get other numbers; else these get into it:
    cdef PyObject *fresh[ELEMENTS_AT_A_TIME]    # counted

    def __cinit__(self, Level level not None, text):
        cdef Column column
        self.kind, self.register, self.value = PLACES[text.kind], text.register, text.value
        for column in level.columns:
            if column.register == text.value:
                self.column = column
        self.items = NULL

    cdef bint is_ready(self, Level level, Frame *frame, Py_ssize_t first, Py_ssize_t n) noexcept:
        """Make what it takes to assign n elements, so that it can't fail any more. False: decline."""
        cdef fg_register *numbers = &level.registers[self.register]
        cdef fg_register *old = &level.registers[self.value]
        cdef Py_ssize_t i
        frame.reason = b"something else than a number in a place for numbers"
        self.is_in_place = True
        if self.kind == ITEM_PLACE:
            if not (0 <= self.index(first) < n_items(<object>self.items)
                    and 0 <= self.index(first + n - 1) < n_items(<object>self.items)):
                return False
            return self.has_own_floats(numbers, first, n) or self.make_fresh(frame, numbers, first, n)
        if numbers.all > FG_NUMBERS:
            for i in range(n):
                if fg_register_get(numbers, i).is_value:
                    return False
        for i in range(n):
            if fg_register_get(old, i).node == FG_NONE:
                return False
        return True

    cdef bint has_own_floats(self, fg_register *numbers, Py_ssize_t first, Py_ssize_t n) noexcept:
        """Whether the old items are floats that nobody else holds, and the new ones are floats: then the old ones get
        other numbers."""
        cdef PyObject **items = items_of(<object>self.items)
        cdef PyObject *old
        cdef Py_ssize_t i
        if numbers.all != FG_FLOATS:
            return False
        for i in range(n):
            old = items[self.index(first + i)]
            if type_of(old) is not &PyFloat_Type or refcount(old) != 1:
                return False
        return True

    cdef bint make_fresh(self, Frame *frame, fg_register *numbers, Py_ssize_t first, Py_ssize_t n) noexcept:
        """Make new objects for the numbers."""
        cdef fg_operand x
        cdef Py_ssize_t i
        for i in range(n):
            self.fresh[i] = NULL
        self.is_in_place = False
        for i in range(n):
            x = fg_register_get(numbers, i)
            if x.is_value or not is_exact_number(items_of(<object>self.items)[self.index(first + i)]):
                return False
            self.fresh[i] = PyLong_FromDouble_or_null(x.number) if x.is_int else PyFloat_FromDouble_or_null(x.number)
            if self.fresh[i] is NULL:
                PyErr_Clear()
                frame.reason = b"too little memory"
                return False
        return True

    cdef void discard(self, Py_ssize_t n) noexcept:
        cdef Py_ssize_t i
        if not self.is_in_place:
            for i in range(n):
                xdecref(self.fresh[i])
                self.fresh[i] = NULL

    cdef inline Py_ssize_t index(self, Py_ssize_t k) noexcept:
        return self.column.sequence.start + k * self.column.sequence.step

    cdef void assign(self, Level level, Py_ssize_t first, Py_ssize_t n) noexcept:
        cdef fg_register *numbers = &level.registers[self.register]
        cdef fg_register *values = &level.registers[self.value]
        cdef PyObject **items
        cdef Py_ssize_t i, k
        if self.kind != ITEM_PLACE:
            for i in range(n):
                set_number(values.nodes[i * values.step], self.kind == GRAD_PLACE, fg_register_get(numbers, i))
            return
        items = items_of(<object>self.items)
        for i in range(n):
            k = self.index(first + i)
            if self.is_in_place:
                set_float(items[k], numbers.numbers[i * numbers.step])
            else:
                decref(items[k])                # an exact number: nothing of the author's runs
                items[k] = self.fresh[i]
                self.fresh[i] = NULL


cdef inline void set_number(fg_index index, bint is_grad, fg_operand x) noexcept:
    cdef fg_node *node = node_at(index)
    cdef uint16_t flag = FG_GRAD_INT if is_grad else FG_DATA_INT
    if is_grad:
        node.grad = x.number
    else:
        fg_node_note_assigned(&arena, node)
        node.data = x.number
    node.flags = (node.flags | flag) if x.is_int else (node.flags & ~flag)


cdef bint have_own_lists(Level level, list stores, Frame *frame) noexcept:
    """Get the lists of all stores. False if one isn't a list, or if its items may be read in another place as well."""
    cdef Store store
    cdef Column column
    cdef Sequence sequence
    cdef PyObject *x
    cdef bint is_other
    for store in stores:
        if store.kind == ITEM_PLACE:
            if store.column.items is None:
                return False
            store.items = store.column.items.get(frame)
            if store.items is NULL or type_of(store.items) is not &PyList_Type:
                return False
    for store in stores:
        if store.kind != ITEM_PLACE:
            continue
        for column in level.columns:
            if column is not store.column and column.items is not None:
                x = column.items.get(frame)
                is_other = x is not store.items
                xdecref(x)
                if not is_other:
                    return False
        for sequence in level.sequences:        # that goes over the items while they're assigned
            if sequence.owner is store.items and (sequence.kind != ITEMS or store.index(0) != 0 or store.index(1) != 1):
                return False
    return True


cdef bint are_values_read(Level level, Py_ssize_t n) noexcept:
    """Whether a column has Values whose data isn't read by its name, but by an operation."""
    cdef Column column
    cdef fg_register *register
    cdef Py_ssize_t i
    for column in level.columns:
        register = &level.registers[column.register]
        if register.all > FG_NUMBERS and column.register not in level.values:
            for i in range(n):
                if fg_register_get(register, i).is_value:
                    return True
    return False


cdef bint are_different(Level level, Py_ssize_t n) noexcept:
    """Whether the Values of n elements that are read or assigned are all different: there's one for each element, and
    they come in the order in which they were made; or there's one element."""
    cdef fg_register *register
    cdef fg_register *other
    cdef Py_ssize_t i
    if n > 1:
        if len(level.values) > 1:
            return False
        if len(level.values) == 1:
            register = &level.registers[<int>level.values[0]]
            if register.step == 0:
                return False
            for i in range(1, n):
                if register.nodes[i] <= register.nodes[i - 1]:
                    return False
        return True
    for first in level.values:
        for second in level.values:
            if first != second and level.registers[<int>first].nodes[0] == level.registers[<int>second].nodes[0]:
                return False
    return True


cdef Py_ssize_t assign_all(Level level, list stores, Frame *frame) noexcept:
    """Run a level whose output is STORES. Returns how many elements are done: those of a portion are done all or none.
    """
    cdef Py_ssize_t first = 0, n, most = ELEMENTS_AT_A_TIME
    cdef Store store
    frame.reason = b"a list with two names"
    if have_own_lists(level, stores, frame):
        while first < level.n:
            n = min(most, level.n - first)
            if not level.compute(frame, first, n + level.ahead):
                break
            level.release(n + level.ahead, len(level.made))
            if are_values_read(level, n + level.ahead):
                frame.reason = b"a Value as an operand, in a loop that assigns"
                break
            if not are_different(level, n + level.ahead):
                frame.reason = b"the same Value twice"
                if n == 1 or level.ahead:
                    break
                most = 1                        # one after the other
                continue
            if not assign_portion(level, stores, frame, first, n):
                break
            first += n
    for store in stores:
        xdecref(store.items)
        store.items = NULL
    return first


cdef bint assign_portion(Level level, list stores, Frame *frame, Py_ssize_t first, Py_ssize_t n) noexcept:
    cdef Store store
    cdef bint is_ready = True
    for store in stores:
        is_ready = is_ready and store.is_ready(level, frame, first, n)
    for store in stores:
        if is_ready:
            store.assign(level, first, n)
        else:
            store.discard(n)
    return is_ready


# ---- The iterable of a `for` ----

cdef PyObject *authors_iterable(tuple shape, Frame *frame) noexcept:
    """What the author's loop goes over, made of the arguments: see Rewriter.split in fastgrad/loops/rewriting.py. A new
    reference, or NULL with the exception that the author's own call raises. (It would get a line in the traceback if
    this function returned an object in Cython's way.)"""
    cdef PyObject *part
    cdef list parts = []
    if len(shape) == 1:
        return borrowed_to_new(frame.locals[<int>shape[0]])
    _, at, shapes, keywords = shape
    for each in <tuple>shapes:
        part = authors_iterable(each, frame)
        if part is NULL:
            return NULL
        parts.append(<object>part)
        decref(part)
    return PyObject_Call_or_null(frame.locals[<int>at], tuple(parts), keywords)


cdef PyObject *rest_of(tuple shape, Frame *frame, Py_ssize_t done) except NULL:
    """The same without the elements that are done."""
    rest = rest_as_object(shape, frame, done)
    return borrowed_to_new(<PyObject *>rest)


cdef object rest_as_object(tuple shape, Frame *frame, Py_ssize_t done):
    cdef object rest, x
    if len(shape) == 1:
        rest = iter(<object>frame.locals[<int>shape[0]])
        rest.__setstate__(done)
        return rest
    name, _, shapes, keywords = shape
    if name == "range":
        return range(*[<object>frame.locals[<int>each[0]] for each in shapes])[done:]
    if name == "reversed":
        x = <object>frame.locals[<int>shapes[0][0]]
        rest = reversed(x)
        rest.__setstate__(len(x) - 1 - done)
        return rest
    rests = [rest_as_object(each, frame, done) for each in shapes]
    if name == "zip":
        return zip(*rests, **keywords)
    return enumerate(rests[0], keywords.get("start", 0) + done)


# ---- Names of builtins ----
#
# A loop asks each time whether `sum` and `zip` are Python's own. CPython gives a dict another version whenever it's
# changed, up to CPython 3.11. So the answer holds for the same versions of the same globals and builtins.

cdef PyObject *known_globals = NULL
cdef uint64_t version_of_globals = 0, version_of_builtins = 0
cdef unsigned int known_mask = 0
cdef dict bits = {}


cdef unsigned int bit_of(object name):
    return 1 << <int>bits.setdefault(name, len(bits))


cdef inline bint are_same_dicts(Frame *frame) noexcept:
    return (frame.globals is known_globals and dict_version(frame.globals) == version_of_globals
            and dict_version(frame.builtins) == version_of_builtins and version_of_globals != 0)


cdef inline bint are_known_builtins(Frame *frame, unsigned int mask) noexcept:
    return mask & ~known_mask == 0 and are_same_dicts(frame)


cdef void note_builtins(Frame *frame, unsigned int mask) noexcept:
    """Note that the names with these bits are builtins."""
    global known_globals, version_of_globals, version_of_builtins, known_mask
    known_mask = mask | (known_mask if are_same_dicts(frame) else 0)
    known_globals = frame.globals
    version_of_globals, version_of_builtins = dict_version(frame.globals), dict_version(frame.builtins)


# ---- Loops ----

cdef dict MATH_NAMES = vars(math)

_LOOP_CODES = {
    "add": FG_DO_ADD, "subtract": FG_DO_SUBTRACT, "multiply": FG_DO_MULTIPLY, "divide": FG_DO_DIVIDE,
    "power": FG_DO_POWER, "negate": FG_DO_NEGATE, "data": FG_DO_DATA, "grad": FG_DO_GRAD, "method": FG_DO_METHOD,
    "math": FG_DO_MATH, "abs": FG_DO_ABS, "max": FG_DO_MAX, "min": FG_DO_MIN,
    **{f"function {function.method}": code for code, function in enumerate(operations.FUNCTIONS, FG_EXP)}}


@cython.final
cdef class Rest:
    """What a loop leaves to the author's code: a function without arguments."""
    cdef vectorcallfunc call    # call_rest
    cdef dict waiting           # by the address of a frame: what the next calls in it return

    def __cinit__(self):
        self.call, self.waiting = <vectorcallfunc>call_rest, {}


cdef PyObject *call_rest(PyObject *self, PyObject **arguments, size_t n_arguments, PyObject *names) noexcept:
    cdef Rest rest = <Rest>self
    frame = <Py_ssize_t>PyEval_GetFrame()
    waiting = rest.waiting[frame]
    x = waiting.pop(0)
    if not waiting:
        del rest.waiting[frame]
    return borrowed_to_new(<PyObject *>x)


@cython.final
cdef class Loop:
    """A loop of the author's that C runs. It's called with variables of the author's function.

    - In front of an expression, `loop(ws, xs) or sum(...)`, it returns the result, or None if it declines.
    - `for p in loop(params):` is a loop that assigns. It runs all but the last element, and returns an iterator over
      what's left for the author's body.
    - `total = loop(ws, xs, total)`, and then `for w, x in rest():`, is one that accumulates.

    If Python has to evaluate what an expression goes over, it's evaluated once, and passed to the loop. Then the author's
    expression gets it from `rest()`, if the loop declines. rest: what is called so.
    """
    cdef vectorcallfunc call    # call_loop, where Python looks for it
    cdef readonly str file, what
    cdef readonly int line
    cdef readonly Py_ssize_t runs, elements
    cdef readonly dict declines
    cdef public bint is_on
    cdef tuple methods, operators, absent       # see Frame
    cdef tuple builtins_meant, math_meant   # names of builtins and of math's functions, and what they have to mean
    cdef unsigned int builtins_mask         # a bit for each of these names
    cdef bint is_module_level
    cdef Level level
    cdef list stores            # of a loop that assigns
    cdef tuple iterable         # of a `for`, how the author's iterable is made of the arguments; else None
    cdef int total              # which argument is the sum so far, or -1
    cdef bint is_expression     # it stands in front of an expression
    cdef tuple arguments_meant  # (i, builtin): what argument i has to be
    cdef bint has_function      # argument 0 is the `sum`, `max` or `min` that an expression calls
    cdef readonly Rest rest
    cdef int failures

    def __init__(self, text):
        """text: a Meaning of fastgrad/loops/meaning.py."""
        self.call = <vectorcallfunc>call_loop
        self.file, self.line, self.what = text.file, text.line, text.what
        self.methods, self.operators, self.absent = text.methods, text.operators, text.absent
        self.builtins_meant, self.math_meant = text.builtins, text.math
        self.builtins_mask = sum(bit_of(name) for name, _ in text.builtins)
        self.is_module_level = text.is_module_level
        self.iterable, self.total, self.is_expression = text.iterable, text.total, text.is_expression
        self.arguments_meant, self.has_function = text.arguments, text.has_function
        self.declines, self.rest, self.is_on = {}, Rest(), True
        self.level = Level(text.level)
        self.stores = [Store(self.level, each) for each in text.level.stores]

    def __repr__(self):
        return f"<loop {self.file}:{self.line}: {self.what}>"

    def __reduce__(self):
        raise TypeError("a loop that has been rewritten can't be pickled")

    cdef bint may_run(self, Frame *frame) except -1:
        cdef PyThreadState *thread = PyThreadState_Get()
        if thread.c_tracefunc is not NULL or thread.c_profilefunc is not NULL:
            self.decline(b"a trace or profile function")
            return False
        if not are_known_builtins(frame, self.builtins_mask):
            for name, meant in self.builtins_meant:
                if looked_up(frame, name) is not <PyObject *>meant:
                    self.decline(b"a name that isn't the builtin")
                    return False
            note_builtins(frame, self.builtins_mask)
        for i, meant in self.arguments_meant:
            if frame.locals[<int>i] is not <PyObject *>meant:
                self.decline(b"a name that isn't the builtin")
                return False
        for name, meant in self.math_meant:
            if PyDict_GetItem(MATH_NAMES, name) is not <PyObject *>meant:
                self.decline(b"a function of math that isn't its own")
                return False
        if self.is_module_level and PyEval_GetLocals() is not frame.globals:
            self.decline(b"variables that aren't globals")
            return False
        frame.level, frame.methods, frame.absent = <PyObject *>self.level, <PyObject *>self.methods, <PyObject *>self.absent
        frame.operators = <PyObject *>self.operators
        frame.cls = NULL
        frame.result = NULL
        frame.reason = b""
        memset(&frame.rules, 0, sizeof(fg_rules))
        # A loop that assigns is none of the operations that _at_next_operation waits for.
        frame.records = innermost_open() is <PyObject *>None if self.level.output == STORES else is_recording()
        return True

    cdef object run(self, Frame *frame, Py_ssize_t *done):
        """The result, or None. done: of a `for`, how many elements are done."""
        cdef fg_operand x
        cdef object result = None
        cdef Py_ssize_t n = 0
        cdef bint collects = PyGC_Disable()
        try:
            if self.level.output == LIST or self.level.output == LISTS:
                result = self.level.make_list(frame)
                n = self.level.n
            elif self.level.output == STORES:
                if self.level.begin(frame):
                    n = self.level.n
                    done[0] = assign_all(self.level, self.stores, frame)
                    self.level.end()
                    if done[0] == n:
                        result = True
            elif self.level.reduce(frame, &x):
                n = done[0] = self.level.n
                result = object_of(frame, x) if frame.result is NULL else <object>frame.result
        except MemoryError:
            frame.reason = b"too little memory"
            result = None
        finally:
            xdecref(frame.result)
            self.level.forget()
            if collects:
                PyGC_Enable()
        if result is None:
            self.decline(frame.reason)
        else:
            self.runs += 1
            self.elements += n
            self.failures = 0
        if untidy:
            tidy_up()
        return result

    cdef void decline(self, const char *reason) noexcept:
        try:
            why = reason.decode()
            self.declines[why] = self.declines.get(why, 0) + 1
        except MemoryError:
            pass                            # it's only for reports
        self.failures += 1
        if self.failures == MOST_DECLINES:
            self.is_on = False


cdef PyObject *call_loop(PyObject *self, PyObject **variables, size_t n_variables, PyObject *names) noexcept:
    """Loop.__call__"""
    cdef Loop loop = <Loop>self
    cdef Frame frame
    cdef object result = None
    cdef PyObject *rest
    cdef Py_ssize_t done = 0
    try:
        frame.globals, frame.builtins, frame.locals = PyEval_GetGlobals(), PyEval_GetBuiltins(), variables
        if loop.is_on and loop.may_run(&frame):
            result = loop.run(&frame, &done)
        if loop.iterable is None or loop.is_expression and result is not None and is_true(result):
            return borrowed_to_new(<PyObject *>result)
        rest = authors_iterable(loop.iterable, &frame) if done == 0 or loop.is_expression \
            else rest_of(loop.iterable, &frame, done)
        if rest is NULL or loop.total < 0 and not loop.is_expression:
            return rest
        waiting = [<object>frame.locals[0], <object>rest] if loop.has_function else [<object>rest]
        decref(rest)
        loop.rest.waiting[<Py_ssize_t>PyEval_GetFrame()] = waiting
        if loop.is_expression:
            return borrowed_to_new(<PyObject *>None)
        return borrowed_to_new(variables[loop.total] if result is None else <PyObject *>result)
    except MemoryError:
        PyErr_NoMemory()
        return NULL


cdef bint is_true(object result) noexcept:
    """What `result or ...` finds. No result runs Python for that: see Loop.absent."""
    return PyObject_IsTrue_or_minus(<PyObject *>result) == 1


cdef void be_callable(PyTypeObject *cls, Py_ssize_t offset) noexcept:
    """Let Python call instances of a class by the function at this offset. (Cython's __call__ takes a tuple of arguments,
    and adds a line to a traceback.)"""
    cls.tp_vectorcall_offset = offset
    cls.tp_call = <void *>PyVectorcall_Call
    cls.tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL

cdef Loop any_loop = Loop.__new__(Loop)
cdef Rest any_rest = Rest()
be_callable(<PyTypeObject *>Loop, <char *>&any_loop.call - <char *><PyObject *>any_loop)
be_callable(<PyTypeObject *>Rest, <char *>&any_rest.call - <char *><PyObject *>any_rest)
(<PyTypeObject *>Loop).tp_name = "fastgrad.engine.Loop"
(<PyTypeObject *>Rest).tp_name = "fastgrad.engine.Rest"
