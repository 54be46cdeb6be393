# Levels: a loop, or a loop within a loop, with its columns, its program and its output.
#
# fastgrad/loops/meaning.py says what a loop means as a tree of levels. A level goes over sequences. Its columns are
# operands that are read from objects. Its program computes others from them, and its output is a list, a sum, the
# largest or smallest number, or places that are assigned (stores.pxi). Sums of operands that are read are fused sums.

cdef enum:
    ELEMENTS_AT_A_TIME = 256    # in a loop that assigns
    MOST_OF_NUMPYS = 64         # registers of a level with numbers of NumPy's


@cython.final
cdef class Column:
    """Operands that are read from objects into a register."""
    cdef int register
    cdef Outside place
    cdef bint is_one            # the same for all elements
    cdef bint is_fixed          # the same each time that the level runs within the others
    cdef bint is_named          # of the operands, which are Values, only the data or grad is read or assigned: their
                                # numbers needn't be read
    cdef Sequence sequence      # if they are a sequence's items, or those of a list from outside at its numbers,
    cdef Outside items          # which is this list,
    cdef Outside inner          # or the items of these items with this index
    cdef bint are_own           # the operands read last are floats to which only their list refers: see read_floats

    def __cinit__(self, text, list sequences not None):
        self.register, self.place = text.register, Outside(text.place)
        self.is_one, self.is_fixed, self.are_own = text.is_one, text.is_fixed, False
        if text.sequence is not None:
            self.sequence = sequences[text.sequence]
        if text.items is not None:
            self.items = Outside(text.items)
        if text.inner is not None:
            self.inner = Outside(text.inner)

    cdef bint is_row_of(self, are_fixed):
        """Whether the operands are a row: the items of a variable of a loop around, as w of `for w, x in zip(row, xs)`;
        or with the number of a loop around, `rows[i][j] for j in ...` or `rows[j][i] for j in ...`. Nothing else
        differs from row to row. are_fixed: of the level's sequences."""
        if self.sequence is None:
            return False
        if self.items is None:
            return (self.inner is None and self.sequence.kind == ITEMS and self.sequence.a.kind == ITEM
                    and are_fixed.count(False) == 1)
        if not all(are_fixed):
            return False
        if self.inner is not None:
            return self.inner.kind == ITEM and self.items.is_the_same
        return self.items.kind == SUBSCRIPT and self.items.a.is_the_same and self.items.b.kind == ITEM

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
    cdef fg_index sums[MOST_SUMS]
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
    OBJECTS                     # a list of places' objects
    SUM
    MAX
    MIN
    STORES                      # none; operands are assigned

OUTPUTS = {"list": LIST, "lists": LISTS, "objects": OBJECTS, "sum": SUM, "max": MAX, "min": MIN, "stores": STORES}


@cython.final
cdef class Level:
    cdef list sequences, columns, levels
    cdef bint strict
    cdef int n_registers
    cdef fg_register *registers
    cdef fg_instruction *code
    cdef uint32_t n_code
    cdef int *made              # the registers of results: of levels within, and then of the code
    cdef int n_made
    cdef Output output
    cdef int a, b               # registers of the output; b is -1 for a sum of single operands
    cdef int start              # the register of a sum's start, or -1: 0
    cdef Column column_a, column_b      # if these operands are read, not computed
    cdef Level within           # of LISTS
    cdef Outside place          # of OBJECTS
    cdef bint leaves_last       # the last element is the author's
    # 1 if the element after those that are done has to be computed as well. Then the author's body doesn't raise for
    # it. If it did, that'd show variables that the body has assigned to for the element before.
    cdef int ahead
    cdef list values            # of STORES: the registers of Values whose data or grad is read or assigned
    cdef fg_column *kept[2]     # their columns, if they're fixed, until the loop's end
    cdef int rows               # which of the two is a row, another for each element of the loop around, or -1 if
                                # that isn't so or the other one isn't fixed
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
        self.levels = [Level(level) for _, level in text.levels]
        self.strict, self.n_registers = text.strict, text.n_registers
        self.n_code = len(text.code)
        self.registers = <fg_register *>fg_allocate(NULL, (1 + self.n_registers) * sizeof(fg_register))
        self.code = <fg_instruction *>fg_allocate(NULL, (1 + self.n_code) * sizeof(fg_instruction))
        if self.registers is NULL or self.code is NULL:
            raise MemoryError("no memory for a loop's program")
        self.made = <int *>fg_allocate(NULL, (1 + len(self.levels) + self.n_code) * sizeof(int))
        if self.made is NULL:
            raise MemoryError("no memory for a loop's program")
        for register, _ in text.levels:
            self.made[self.n_made] = register
            self.n_made += 1
        for i, (what, function, result, a, b) in enumerate(text.code):
            self.code[i] = fg_instruction(what, function, result, a, b)
            self.made[self.n_made] = result
            self.n_made += 1
        self.output, self.a, self.b, self.start = OUTPUTS[text.output], text.a, text.b, text.start
        self.within = None if text.within is None else Level(text.within)
        self.place = None if text.place is None else Outside(text.place)
        self.leaves_last, self.ahead = text.leaves_last, text.ahead
        for column in self.columns:
            column.is_named = column.register in text.named
            if column.register == self.a:
                self.column_a = column
            if column.register == self.b:
                self.column_b = column
        self.rows = -1
        if self.output == SUM and self.n_code == 0 and self.start < 0 and self.column_a is not None \
                and self.column_b is not None and not text.ahead and not text.levels:
            if self.column_b.is_fixed and self.column_a.is_row_of(text.are_fixed):
                self.rows = 0
            elif self.column_a.is_fixed and self.column_b.is_row_of(text.are_fixed):
                self.rows = 1
        self.values = text.values
        self.kept[0] = self.kept[1] = NULL
        self.room, self.capacity = NULL, 0

    def __dealloc__(self):
        fg_allocate(self.registers, 0)
        fg_allocate(self.code, 0)
        fg_allocate(self.made, 0)
        fg_allocate(self.room, 0)

    cdef bint begin(self, Frame *frame) noexcept:
        """Open the sequences. False: decline; then they're closed."""
        cdef PyObject **sequences = items_of(self.sequences)
        cdef Py_ssize_t i, most = 0
        self.n = PY_SSIZE_T_MAX
        for i in range(n_items(self.sequences)):
            if not (<Sequence>sequences[i]).begin(frame):
                frame.reason = b"something else than lists, tuples, arrays and ranges to go over"
                self.end()
                return False
            if (<Sequence>sequences[i]).kind != COUNT:
                self.n = min(self.n, (<Sequence>sequences[i]).n)
                most = max(most, (<Sequence>sequences[i]).n)
        if self.strict and most != self.n:
            frame.reason = b"lengths that differ"
            self.end()
            return False
        if self.leaves_last and self.n > 0:
            self.n -= 1
        frame.work += self.n * (1 if self.output == STORES else 1 + <Py_ssize_t>self.n_code)
        if frame.work > MOST_WORK:
            frame.reason = b"too many elements"
            self.end()
            return False
        return True

    cdef void end(self) noexcept:
        cdef PyObject **sequences = items_of(self.sequences)
        cdef Py_ssize_t i
        for i in range(n_items(self.sequences)):
            (<Sequence>sequences[i]).end()

    cdef void forget(self) noexcept:
        """Drop what is kept until the loop's end."""
        cdef PyObject **sequences = items_of(self.sequences)
        cdef PyObject **levels = items_of(self.levels)
        cdef Py_ssize_t i
        for i in range(2):
            if self.kept[i] is not NULL:
                fg_column_release(&arena, self.kept[i])
                self.kept[i] = NULL
        for i in range(n_items(self.sequences)):
            (<Sequence>sequences[i]).close()
        for i in range(n_items(self.levels)):
            (<Level>levels[i]).forget()
        if self.within is not None:
            self.within.forget()
        if self.capacity > self.n_registers * ELEMENTS_AT_A_TIME:
            fg_allocate(self.room, 0)
            self.room, self.capacity = NULL, 0

    cdef inline void go_to(self, Frame *frame, Py_ssize_t k) noexcept:
        cdef PyObject **sequences = items_of(self.sequences)
        cdef Py_ssize_t i
        for i in range(n_items(self.sequences)):
            go_to_element(sequences[i], frame, k)

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
        column.are_own = False
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
        if column.is_named and column.inner is None and 0 <= at < n_of_items and 0 <= at + (n - 1) * step < n_of_items \
                and read_named(frame, items + at, step, n, out):
            return True
        if column.inner is None:
            return read_items(frame, items, n_of_items, at, step, n, out, &column.are_own)
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
        cdef PyObject **columns = items_of(self.columns)
        cdef PyObject **levels = items_of(self.levels)
        cdef Py_ssize_t i, done = n_items(self.levels)
        if not self.reserve(frame, n):
            return False
        for i in range(n_items(self.columns)):
            if not self.read(frame, <Column>columns[i], first, n):
                return False
        for i in range(done):
            if not self.reduce_each(frame, <Level>levels[i], &self.registers[self.made[i]], first, n):
                self.release(n, i)
                return False
            fg_register_note(&self.registers[self.made[i]], n)
        if frame.has_numpys and not self.suits_numpys(frame, n):
            self.release(n, done)
            return False
        if fg_program_run(&arena, &frame.rules, self.code, self.n_code, self.registers, n) != FG_OK:
            frame.reason = b"a result that Python has to compute, or an error"
            self.release(n, done)
            return False
        return True

    cdef bint suits_numpys(self, Frame *frame, Py_ssize_t n) noexcept:
        """Whether the level does the same with numbers of NumPy's as with Python's: it may change their sign, each
        other operation has a Value for an operand as well, and all results are Values."""
        cdef bint are_values[MOST_OF_NUMPYS]
        cdef fg_instruction *each
        cdef uint32_t i
        cdef int register
        cdef Column column
        frame.reason = b"a number of NumPy's, with which only NumPy computes"
        if self.output == STORES or self.n_registers > MOST_OF_NUMPYS:
            return False
        for column in self.columns:
            are_values[column.register] = self.are_values(&self.registers[column.register], n)
        for i in range(<uint32_t>n_items(self.levels)):
            register = self.made[i]
            are_values[register] = self.are_values(&self.registers[register], n)
        for i in range(self.n_code):
            each = &self.code[i]
            if each.what == FG_DO_NEGATE or each.what == FG_DO_METHOD:
                are_values[each.result] = are_values[each.a]
            else:
                are_values[each.result] = are_values[each.a] or are_values[each.b]
            if not are_values[each.result] and each.what != FG_DO_NEGATE:
                return False
            if each.what == FG_DO_POWER and not are_values[each.b] and not self.is_constant(each.b):
                return False            # authors ask for the class of an exponent
            if each.what in (FG_DO_DATA, FG_DO_GRAD, FG_DO_MATH, FG_DO_ABS, FG_DO_MAX, FG_DO_MIN):
                return False
        return are_values[self.a] or self.b >= 0 and are_values[self.b]

    cdef bint are_values(self, fg_register *register, Py_ssize_t n) noexcept:
        cdef Py_ssize_t i
        for i in range(n if register.step else 1):
            if not fg_register_get(register, i).is_value:
                return False
        return True

    cdef bint is_constant(self, int register) noexcept:
        cdef Column column
        for column in self.columns:
            if column.register == register:
                return column.place.kind == CONSTANT
        return False

    cdef void release(self, Py_ssize_t n, Py_ssize_t n_made, int besides=-1) noexcept:
        """Drop the references to the nodes that the first n_made results have, but for the register `besides`."""
        cdef Py_ssize_t i
        for i in range(n_made):
            if self.made[i] != besides:
                fg_register_release(&arena, &self.registers[self.made[i]], n)

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
        return self.output == SUM and frame.records and self.n_code == 0 and not self.levels

    cdef bint read_terms(self, Frame *frame, fg_terms *terms) noexcept:
        """What a fused sum is made of, with a reference to each column. False if it can't be fused."""
        cdef fg_operand start = fg_operand(0.0, FG_NONE, False, True)
        cdef Column column
        cdef fg_column *u
        cdef fg_column *v = NULL
        if self.n < FEWEST_TERMS or not self.reserve(frame, self.n):
            return False
        if self.ahead:
            for column in self.columns:
                if not self.read(frame, column, self.n, 1):
                    return False
        if self.start >= 0:
            for column in self.columns:
                if column.register == self.start and not self.read(frame, column, 0, 1):
                    return False
            start = fg_register_get(&self.registers[self.start], 0)
        u = self.column_of(frame, self.column_a, 0)
        if u is not NULL and self.b >= 0:
            v = self.column_of(frame, self.column_b, 1)
        if u is not NULL and (v is not NULL or self.b < 0) and not frame.has_numpys \
                and fg_program_terms(&frame.rules, u, v, &start, terms):
            return True
        if v is not NULL:
            fg_column_release(&arena, v)
        if u is not NULL:
            fg_column_release(&arena, u)
        return False

    cdef inline fg_column *row_of(self, Frame *frame, Column column, Py_ssize_t n) noexcept:
        """The column of the next row, of n operands, with a reference. NULL: not so easily."""
        cdef PyObject *row
        if column.inner is not None or column.items is not None:
            return self.other_row_of(frame, column, n)
        row = frame.items[column.sequence.a.slot]
        return column_of(<object>row) if is_row(row, n) else NULL

    cdef fg_column *other_row_of(self, Frame *frame, Column column, Py_ssize_t n) noexcept:
        """The same for a row across rows, and for one of a list by its number."""
        cdef PyObject *rows
        cdef PyObject *row = NULL
        cdef fg_column *made = NULL
        cdef Py_ssize_t i
        if column.inner is not None:
            if self.n == n and self.read(frame, column, 0, n):
                made = fg_register_column(&arena, &frame.rules, &self.registers[column.register], n)
            return made
        if column.sequence.start != 0 or column.sequence.step != 1 or not column.items.b.get_int(frame, &i):
            return NULL
        rows = column.items.a.get(frame)
        if rows is not NULL and is_sequence(<object>rows) and 0 <= i < n_items(<object>rows) and self.n == n:
            row = items_of(<object>rows)[i]
            made = column_of(<object>row) if is_row(row, n) else NULL
        xdecref(rows)
        return made

    cdef inline bint read_row(self, Frame *frame, fg_terms *terms, int n_waiting) noexcept:
        """read_terms for the next of several rows, which goes behind those that wait. False: not so easily."""
        cdef fg_column *fixed = self.kept[1 - self.rows]
        cdef fg_column *row
        if fixed is NULL or n_waiting > 0 and terms[0].u.n != fixed.n or frame.work + fixed.n > MOST_WORK:
            return False
        row = self.row_of(frame, self.column_a if self.rows == 0 else self.column_b, fixed.n)
        if row is NULL:
            return False
        if not fg_program_row(&frame.rules, row if self.rows == 0 else fixed, fixed if self.rows == 0 else row,
                              &terms[n_waiting]):
            fg_column_release(&arena, row)
            return False
        frame.work += fixed.n
        fixed.refs += 1
        return True

    cdef bint reduce_each(self, Frame *frame, Level level, fg_register *out, Py_ssize_t first, Py_ssize_t n) noexcept:
        """Run a level within for n elements. False: decline, and there's nothing to release."""
        cdef fg_terms terms[MOST_SUMS]      # of fused sums of the same length that aren't made yet
        cdef int n_waiting = 0
        cdef fg_operand x
        cdef Py_ssize_t i = 0, n_set = 0
        cdef bint is_done = True, is_fused
        while is_done and i < n:
            self.go_to(frame, first + i)
            if i > 0 and level.rows >= 0 and level.read_row(frame, terms, n_waiting):
                i += 1                      # the same as below, for a row as long as those before
                n_waiting += 1
                if n_waiting == MOST_SUMS or i == n:
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
            if is_done and n_waiting > 0 and (n_waiting == MOST_SUMS or i == n):
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
        if not is_reduced and self.b < 0 and frame.cls is NULL and self.n >= FEWEST_TERMS and self.may_be_fused(frame):
            frame.reason = b"numbers, which Python adds up sooner"
        elif not is_reduced:
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
        self.release(n + self.ahead, self.n_made)
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
        self.release(n + self.ahead, self.n_made)
        try:
            for i in range(n):
                x = fg_register_get(a, i)
                if b is NULL:
                    terms.append(as_object(x.number, x.is_int))
                else:
                    y = fg_register_get(b, i)
                    terms.append(PyNumber_Multiply(as_object(x.number, x.is_int), as_object(y.number, y.is_int)))
            total = as_object(start.number, start.is_int)
            if self.leaves_last:            # a `for`: sum() compensates floats, from CPython 3.12 on
                for term in terms:
                    total = PyNumber_Add(total, term)
            else:
                total = sum(terms, total)
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
                self.release(self.n, self.n_made)
                frame.reason = b"the largest or smallest of Values"
                return False
            if x.number > result.number if self.output == MAX else x.number < result.number:
                result[0] = x
        self.release(self.n, self.n_made)        # the result is a number, but what it was computed from may be nodes
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
                    if self.within.n == 0:
                        frame.reason = b"an empty list within"      # nobody has seen whether it could be unpacked
                        return None
                    results.append(row)
                return results
            if self.output == OBJECTS:
                return self.make_objects(frame)
            if not self.compute(frame, 0, self.n):
                return None
            results = PyList_New(self.n)
            self.wrap_all(frame, &self.registers[self.a], items_of(results))
            return results
        finally:
            self.end()


    cdef object make_objects(self, Frame *frame):
        cdef list results = PyList_New(self.n)
        cdef Py_ssize_t i, first, last
        cdef bint are_bounds_known = self.place.has_fixed_bounds() and self.place.get_bounds(frame, &first, &last)
        for i in range(self.n):
            self.go_to(frame, i)
            items_of(results)[i] = self.place.between(frame, first, last) if are_bounds_known \
                else self.place.get(frame)
            if items_of(results)[i] is NULL:
                frame.reason = b"a list or an attribute that only Python can read"
                return None
        return results

    cdef int wrap_all(self, Frame *frame, fg_register *register, PyObject **items) except -1:
        """Make objects of a register's operands, and release the nodes of all other registers."""
        cdef Py_ssize_t i = 0
        try:
            if register.all == FG_VALUES and frame.cls is active_class:
                i = wrap_first(register.nodes, self.n, items)
            while i < self.n:
                i += 1                      # object_of takes over the node's reference, also if it raises
                x = object_of(frame, fg_register_get(register, i - 1))
                items[i - 1] = borrowed_to_new(<PyObject *>x)
        finally:
            while i < self.n:
                if fg_register_get(register, i).node != FG_NONE:
                    fg_node_release(&arena, register.nodes[i])
                i += 1
            self.release(self.n, self.n_made, self.a)
        return 0


cdef object object_of(Frame *frame, fg_operand x):
    """A result as an object. A node's reference goes to it."""
    if not x.is_value:
        return as_object(x.number, x.is_int)
    return wrap(new_leaf(Number(x.number, x.is_int)) if x.node == FG_NONE else x.node, frame.cls)
