# Stores: places to which a loop assigns.
#
# A `for` that assigns runs in portions of ELEMENTS_AT_A_TIME elements. All results of a portion are computed first.
# Then all that could fail is done, and then all is assigned. So a portion is assigned as a whole or not at all, and the
# author's loop goes on where C has stopped. That is right if no element reads what another one assigns: all Values are
# different ones, and no list has two names.

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
    cdef bint is_in_place       # its floats, which nobody else holds, get other numbers; else these get into it:
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
        self.is_in_place = numbers.all == FG_FLOATS and self.column is not None and self.column.are_own
        if self.kind == ITEM_PLACE:
            if not (0 <= self.index(first) < n_items(<object>self.items)
                    and 0 <= self.index(first + n - 1) < n_items(<object>self.items)):
                return False
            return self.is_in_place or self.make_fresh(frame, numbers, first, n)
        if numbers.all > FG_NUMBERS:            # n + level.ahead: see Level.ahead
            for i in range(n + level.ahead):
                if fg_register_get(numbers, i).is_value:
                    return False
        if old.all != FG_VALUES:
            for i in range(n + level.ahead):
                if fg_register_get(old, i).node == FG_NONE:
                    return False
        return True

    cdef bint make_fresh(self, Frame *frame, fg_register *numbers, Py_ssize_t first, Py_ssize_t n) noexcept:
        """Make new objects for the numbers."""
        cdef fg_operand x
        cdef Py_ssize_t i
        for i in range(n):
            self.fresh[i] = NULL
        for i in range(n):
            x = fg_register_get(numbers, i)
            if x.is_value or not is_plain_number(<object>items_of(<object>self.items)[self.index(first + i)]):
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
        cdef double *given = numbers.numbers
        cdef Py_ssize_t i, step, by = numbers.step
        if self.kind != ITEM_PLACE:
            fg_register_assign(&arena, values, self.kind == GRAD_PLACE, numbers, n)
            return
        items, step = items_of(<object>self.items) + self.index(first), self.column.sequence.step
        if self.is_in_place:
            for i in range(n):
                set_float(items[i * step], given[i * by])
            return
        for i in range(n):
            decref(items[i * step])             # an exact number: nothing of the author's runs
            items[i * step] = self.fresh[i]
            self.fresh[i] = NULL


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
            if column.items is not None and column.items.reads_from(frame, store.items):
                return False
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


cdef bint are_different(Level level, list stores, Py_ssize_t n) noexcept:
    """Whether the Values of n elements that are read or assigned are all different. One that is the same for all
    elements may only be read."""
    cdef const fg_register *registers[MOST_SLOTS]
    cdef uint32_t n_registers = 0
    cdef Store store
    for store in stores:
        if store.kind != ITEM_PLACE and n > 1 and level.registers[store.value].step == 0:
            return False
    for register in level.values:
        if n_registers == MOST_SLOTS or level.registers[<int>register].all <= FG_NUMBERS:
            return False
        registers[n_registers] = &level.registers[<int>register]
        n_registers += 1
    return n_registers * n <= FG_MOST_COMPARED and not fg_registers_repeat(registers, n_registers, n)


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
            level.release(n + level.ahead, level.n_made)
            if are_values_read(level, n + level.ahead):
                frame.reason = b"a Value as an operand, in a loop that assigns"
                break
            if not are_different(level, stores, n + level.ahead):
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
