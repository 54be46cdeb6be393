# Places: what a loop reads from outside while no Python runs. The first part of loops.pxi; see there.
#
# A place is an expression that isn't computed by a program: a variable, an attribute, an item, a slice. It's an object.
# fastgrad/loops/grammar.py makes places of the author's text, as tuples; here they are read. What can't be read without
# running code of the author's isn't read, and the loop declines: a property, an index that isn't an int, a list of a
# class of the author's.

cdef enum:
    MOST_SLOTS = 16             # variables of a loop and of those within it
    MOST_WORK = 1 << 20         # a loop with so many elements, or nodes, is the author's: nobody could interrupt it

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
    unsigned int *met           # the loop's: see meet
    PyTypeObject *cls           # of the Values met, or NULL: none yet
    fg_rules rules              # of that class
    bint records
    bint has_numpys             # operands that are numbers of NumPy's: see Level.suits_numpys
    Py_ssize_t work             # so many elements, times instructions for each if they make nodes
    const char *reason          # why the loop declines
    PyObject *result            # counted: a result that is an object already, or NULL


# ---- Reading objects ----

cdef inline bint is_array(PyObject *x) noexcept:
    """Whether an object is an array of NumPy's, whose items are got without running Python."""
    return is_of_c_class(x, b"numpy.ndarray")


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
    if attribute is not NULL and type_of(attribute).tp_descr_get is not NULL \
            and type_of(attribute) is not &PyMemberDescr_Type:
        return NULL
    attribute = PyObject_GetAttr_or_null(x, name)
    if attribute is NULL:
        PyErr_Clear()
    return attribute


cdef PyObject *looked_up(Frame *frame, object name) noexcept:
    """A global or builtin name's object, borrowed, or NULL."""
    cdef PyObject *x = PyDict_GetItem(<object>frame.globals, name)
    return PyDict_GetItem(<object>frame.builtins, name) if x is NULL else x


@cython.final
cdef class Outside:
    """An expression whose value is an object that isn't computed by a program."""
    cdef Kind kind
    cdef int slot
    cdef object value
    cdef int symbol             # of ARITHMETIC: the operator's first character; "n" for a minus sign
    cdef bint is_the_same       # for all elements: no variable of a loop is part of it
    cdef Outside a, b, c, d

    def __cinit__(self, tuple text not None):
        """text: the kind's name and what belongs to it, as fastgrad/loops/grammar.py makes it."""
        self.kind, self.symbol = KINDS[text[0]], 0
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
            self.symbol = ord(text[1][0])
        else:
            parts = [None if part is None else Outside(part) for part in text[1:]] + [None] * 4
            self.a, self.b, self.c, self.d = parts[:4]
        self.is_the_same = self.kind != ITEM
        for part in (self.a, self.b, self.c, self.d):
            self.is_the_same = self.is_the_same and (part is None or (<Outside>part).is_the_same)

    cdef inline PyObject *get(self, Frame *frame) noexcept:
        """The object, a new reference; or NULL, if it can't be read without running Python."""
        return borrowed_to_new(frame.locals[self.slot]) if self.kind == LOCAL else self.look_up(frame)

    cdef bint reads_from(self, Frame *frame, PyObject *items) noexcept:
        """Whether an item of a list, or a copy of some, is part of the expression. So may be what can't be read."""
        cdef Outside part
        cdef PyObject *x
        cdef bint is_it = False
        for part in (self.a, self.b, self.c, self.d):
            is_it = is_it or part is not None and part.reads_from(frame, items)
        if not is_it and self.kind in (SUBSCRIPT, SLICE, PART):
            x = self.a.get(frame)
            is_it = x is NULL or x is items
            xdecref(x)
        return is_it

    cdef PyObject *look_up(self, Frame *frame) noexcept:
        cdef PyObject *x
        cdef PyObject *y
        cdef Py_ssize_t first, last
        if self.kind == ITEM:
            x = frame.items[self.slot]
            return PyLong_FromSsize_t_or_null(frame.ints[self.slot]) if x is NULL else borrowed_to_new(x)
        if self.kind == GLOBAL:
            return borrowed_to_new(looked_up(frame, self.value))
        if self.kind == CONSTANT:
            return borrowed_to_new(<PyObject *>self.value)
        if self.kind == SLICE:
            return self.between(frame, first, last) if self.get_bounds(frame, &first, &last) else self.slice(frame)
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
        if x is frame.globals or is_module(x) and PyModule_GetDict(x) is frame.globals:
            return NULL         # the loop's own variables may be there, as they are while the author's loop runs
        if self.kind == ATTRIBUTE:
            return plain_attribute(x, self.value)
        if self.kind == PART:
            if not is_sequence(<object>x) or n_items(<object>x) != <Py_ssize_t>self.value:
                return NULL
            return borrowed_to_new(items_of(<object>x)[self.slot])
        if self.kind == LENGTH:
            if is_sequence(<object>x) or is_dict(x) or type_of(x) is &PyUnicode_Type or type_of(x) is &PyRange_Type \
                    or is_array(x):
                i = PyObject_Size_or_minus(x)
                return PyLong_FromSsize_t_or_null(i) if i >= 0 else NULL        # an array may have no dimensions
            return NULL
        if self.kind == SUBSCRIPT and is_sequence(<object>x):
            if not self.b.get_int(frame, &i):
                return NULL
            if i < 0:
                i += n_items(<object>x)
            return borrowed_to_new(items_of(<object>x)[i]) if 0 <= i < n_items(<object>x) else NULL
        if self.kind == SUBSCRIPT and is_array(x):
            return PySequence_GetItem_or_null(x, i) if self.b.get_int(frame, &i) else NULL
        y = self.b.get(frame)
        if y is NULL:
            return NULL
        if self.kind == SUBSCRIPT:
            if is_dict(x) and (type_of(y) is &PyUnicode_Type or PyLong_CheckExact(<object>y)) and has_plain_keys(x):
                result = borrowed_to_new(PyDict_GetItem(<object>x, <object>y))
        elif is_plain_number(<object>x) and is_plain_number(<object>y):
            result = calculate(self.value, x, y)
        decref(y)
        return result

    cdef inline bint has_fixed_bounds(self) noexcept:
        """Whether it's a slice with two bounds that are the same for all elements."""
        return (self.kind == SLICE and self.b is not None and self.b.is_the_same
                and self.c is not None and self.c.is_the_same)

    cdef inline bint get_bounds(self, Frame *frame, Py_ssize_t *first, Py_ssize_t *last) noexcept:
        """A slice's two bounds, if it has both, and no step."""
        return (self.b is not None and self.c is not None and self.d is None
                and self.b.get_int(frame, first) and self.c.get_int(frame, last))

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

    cdef PyObject *between(self, Frame *frame, Py_ssize_t first, Py_ssize_t last) noexcept:
        """A slice with these bounds."""
        cdef PyObject *x = self.a.get(frame)
        cdef PyObject *y = NULL
        if x is not NULL and type_of(x) is &PyList_Type:
            y = PyList_GetSlice_or_null(x, from_end(first, x), from_end(last, x))
            if y is NULL:
                PyErr_Clear()
        elif x is not NULL:
            y = self.slice(frame)
        xdecref(x)
        return y

    cdef bint get_int(self, Frame *frame, Py_ssize_t *i) noexcept:
        """The same as a small int."""
        cdef PyObject *x
        cdef int overflow
        if self.kind == ITEM and frame.items[self.slot] is NULL:
            i[0] = frame.ints[self.slot]
            return True
        if self.kind == ARITHMETIC and self.get_sum(frame, i):
            return True
        x = self.get(frame)
        if x is NULL:
            return False
        if not PyLong_CheckExact(<object>x):
            decref(x)
            return False
        i[0] = PyLong_AsLongLongAndOverflow(<object>x, &overflow)
        decref(x)
        return not overflow and is_small(i[0])

    cdef bint get_sum(self, Frame *frame, Py_ssize_t *i) noexcept:
        """get_int of a sum or a difference of small ints. False if it's anything else."""
        cdef Py_ssize_t x, y
        if self.symbol != c"+" and self.symbol != c"-":
            return False
        if not self.a.get_int(frame, &x) or not self.b.get_int(frame, &y):
            return False
        i[0] = x + y if self.symbol == c"+" else x - y
        return is_small(i[0])


cdef inline bint is_small(Py_ssize_t i) noexcept:
    return -(1LL << 53) < i < 1LL << 53


cdef bint has_plain_keys(PyObject *dictionary) noexcept:
    """Whether a dict isn't large, and has only strings and ints as keys: others may compare by code of the author's."""
    cdef PyObject *key
    cdef PyObject *value
    cdef Py_ssize_t at = 0
    if PyObject_Size_or_minus(dictionary) > 256:
        return False
    while PyDict_Next(dictionary, &at, &key, &value):
        if type_of(key) is not &PyUnicode_Type and not PyLong_CheckExact(<object>key):
            return False
    return True


cdef inline Py_ssize_t from_end(Py_ssize_t i, PyObject *x) noexcept:
    """A slice's bound as a place in a list: a negative one counts from the end."""
    return max(i + n_items(<object>x), 0) if i < 0 else i


cdef PyObject *calculate(object symbol, PyObject *x, PyObject *y) noexcept:
    """An operation of two exact ints or floats, a new reference, or NULL with an exception set."""
    if symbol == "negative":
        return PyNumber_Negative_or_null(x)
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
        if self.owner is not NULL and is_array(self.owner):
            self.take_items()
        if self.owner is NULL or not is_sequence(<object>self.owner):
            return False
        self.n, self.items = n_items(<object>self.owner), items_of(<object>self.owner)
        self.start, self.step = 0, 1
        if self.kind == REVERSED:
            self.start, self.step = self.n - 1, -1
        return True

    cdef void take_items(self) noexcept:
        """Put a list of its items in the place of an array that isn't too long."""
        cdef PyObject *items = NULL
        if PyObject_Size_or_minus(self.owner) <= MOST_WORK:
            items = PySequence_List_or_null(self.owner)
        if PyErr_Occurred_or_null() is not NULL:        # an array without dimensions
            PyErr_Clear()
        decref(self.owner)
        self.owner = items

    cdef inline void end(self) noexcept:
        if not self.is_fixed:
            self.close()

    cdef void close(self) noexcept:
        xdecref(self.owner)
        self.owner = NULL
        self.is_open = False


cdef inline void go_to_element(PyObject *sequence, Frame *frame, Py_ssize_t k) noexcept:
    """Set the variable that goes over a Sequence."""
    cdef int slot = (<Sequence>sequence).slot
    cdef Py_ssize_t at = (<Sequence>sequence).start + k * (<Sequence>sequence).step
    if slot >= 0:
        if (<Sequence>sequence).kind == ITEMS or (<Sequence>sequence).kind == REVERSED:
            frame.items[slot] = (<Sequence>sequence).items[at]
        else:
            frame.items[slot] = NULL
            frame.ints[slot] = at
