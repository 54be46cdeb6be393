# What fastgrad.grad asks its engine for: derivatives that leave every `.grad` as it is, as numbers or as a graph.
#
# Both are sweeps of csrc/derive.h, which keep gradients in a table, so that nobody's `.grad` changes even for a moment.
# Python runs in them for signals, for errors and for a user's own operations. If it replaces edges, the sweep begins
# again, for the FG_RESTARTS-th time without a look for signals.
#
# Where backward() runs Python, for closures, odd classes or detect_anomaly, fastgrad/value/gradients.py does the work.

cdef enum:
    AHEAD = 32                          # so many gradients ahead their nodes and handles are asked for

cdef fg_formula[FG_FORMULAS] formulas
cdef bint are_formulas_read = False
cdef object raised = None               # what answer_core has caught


cdef object value_class():
    """The class Value, of which all that is made here are instances."""
    return <object>dialects[0].cls


cdef int read_formulas() except -1:
    """Read the derivatives of the table of operations."""
    global are_formulas_read
    cdef Number number
    cdef fg_formula *formula
    cdef Py_ssize_t i, j
    if are_formulas_read:
        return 0
    from fastgrad.value import derivatives
    codes = {x.method: code for code, x in enumerate(operations.FUNCTIONS, FG_EXP)}
    codes.update(__add__=FG_ADD, __mul__=FG_MUL, __pow__=FG_POW)
    for shown, programs in derivatives.PROGRAMS.items():
        for i, (lines, result) in enumerate(programs):
            if 2 * CODES[shown] + i >= FG_FORMULAS or len(lines) > FG_MOST_LINES:
                raise SystemError(f"no room for the derivative of {shown}")
            formula = &formulas[2 * CODES[shown] + i]
            formula.what = FG_FORMULA_ONE if result == derivatives.ONE else (
                FG_FORMULA_STORED if result == derivatives.STORED else FG_FORMULA_REGISTER)
            formula.result = result if result >= 0 else 0
            formula.n = len(lines)
            for j, (method, *registers) in enumerate(lines):
                formula.lines[j].op = codes[method] if method else FG_LEAF
                if method:
                    formula.lines[j].a, formula.lines[j].b = registers[0], registers[-1]
                else:
                    read_number(registers[0], &number)
                    formula.lines[j].number, formula.lines[j].is_int = number.value, number.is_int
    are_formulas_read = True
    return 0


def _power_and_slope(x, n, bint has_slope):
    """The numbers of x ** n and of its derivative by x, and whether they are ints."""
    cdef Number base, exponent, y
    cdef Number slope = Number(0.0, False)
    read_number(x, &base)
    read_number(n, &exponent)
    power(base, exponent, &y)
    if has_slope:
        power_local_grad(base, exponent, &slope)
    return y.value, y.is_int, slope.value, slope.is_int


def _function_of(int op, x):
    return getattr(value_class()(x), operations.FUNCTIONS[op - FG_EXP].method)().data, False, 0.0, False


cdef fg_bool answer_core(uint8_t op, fg_term x, fg_term n, fg_term *y, fg_term *by_x) noexcept:
    """The core's question for what it isn't sure of: x ** n and its derivative by x, or a function of x."""
    global raised
    try:
        from fastgrad.value.derivatives import attempt
        if op == FG_POW:
            answer = attempt(_power_and_slope, as_object(x.value, x.is_int), as_object(n.value, n.is_int),
                             by_x is not NULL)
        else:
            answer = attempt(_function_of, op, x.value)
        if isinstance(answer, BaseException):
            raised = answer
            return False
        y[0] = fg_term(FG_NONE, answer[0], answer[1])
        if by_x is not NULL:
            by_x[0] = fg_term(FG_NONE, answer[2], answer[3])
        return True
    except MemoryError:
        raised = MemoryError("no memory for gradients")
        return False


cdef int look_for_signals(int restarts) except -1:
    if restarts < FG_RESTARTS:
        PyErr_CheckSignals()
    return 0


def _as_values(given):
    """A tuple of the Values in a list or a tuple, or None if it's empty or has anything else."""
    cdef Py_ssize_t i, n = n_items(given) if is_sequence(given) else 0
    cdef tuple values = given if type(given) is tuple else PyTuple_New(n)
    cdef PyObject **items
    cdef PyObject **copies = items_of(values) if values is not given else NULL
    if n == 0 or n_items(given) != n:   # a collection in the middle of PyTuple_New may run Python, up to CPython 3.11
        return None
    items = items_of(given)
    for i in range(n):
        if type_of(items[i]) is not active_class and not is_value(<object>items[i]):
            return None
        if copies is not NULL:
            copies[i] = borrowed_to_new(items[i])
    return values


@cython.final
@cython.no_gc
cdef class Inputs:
    """The nodes of a list or a tuple of Values. As long as an Inputs lives it holds the arena: a dead node's index
    isn't given to another. So no Value needs a reference, even if Python takes it out of the list during a sweep."""
    cdef fg_index *indices
    cdef uint32_t n

    def __cinit__(self, given):
        cdef Py_ssize_t i, n = n_items(given)
        cdef PyObject **items = items_of(given)
        fg_arena_hold(&arena)
        self.indices = <fg_index *>fg_allocate(NULL, (n or 1) * sizeof(fg_index))
        if self.indices is NULL:
            raise MemoryError("no memory for gradients")
        for i in range(n):
            if type_of(items[i]) is not active_class and not is_value(<object>items[i]):
                break
            self.indices[i] = (<Node>items[i]).index
            self.n += 1
        if n == 0 or self.n < n:
            from fastgrad.value import gradients
            gradients.values_of(value_class(), "inputs", given)     # raises

    def __dealloc__(self):
        fg_allocate(self.indices, 0)
        fg_arena_unhold(&arena)
        if untidy:
            tidy_up()

    cdef Node value(self, uint32_t i):
        return handle_of(self.indices[i])


cdef inline PyObject *gradient_of(fg_index index) except NULL:
    """The handle of a gradient, as a new reference: nearly always its first, of the active class. It takes over the
    caller's reference to the node, which is dropped if this raises."""
    cdef fg_node *node = node_at(index)
    cdef PyObject *handle
    cdef Node found
    if node.face is NULL and free_handle[0] is not NULL and dialect_at(index) is active_dialect:
        handle = pop_free_handle()
        (<Node>handle).index = index
        node.face = <void *>handle
        return new_reference(handle)
    try:
        found = handle_of(index)
    finally:
        fg_node_release(&arena, index)
    return borrowed_to_new(<PyObject *>found)


cdef inline bint may_defer() noexcept:
    """Whether there may be nodes with FG_DEFERRED, which are of classes that _make_class has made."""
    return n_dialects > 1


cdef bint runs_python(fg_walk *walk) noexcept:
    """Whether backward() would come to a node that the core leaves to Python."""
    cdef uint32_t i
    if not may_run_python and not may_defer():
        return False
    for i in range(walk.n):
        if node_at(walk.order[i]).flags & (FG_CLOSURE | FG_DEFERRED):
            return True
    return False


@cython.final
@cython.no_gc
cdef class Tally:
    """A sweep that adds up numbers, over a walk."""
    cdef fg_tally tally
    cdef Walk walk

    def __cinit__(self, Walk walk not None, Inputs inputs not None):
        if not fg_tally_start(&arena, &self.tally, walk.scratch, inputs.n, inputs.indices):
            raise MemoryError("no memory for gradients")
        self.walk = walk

    def __dealloc__(self):
        fg_tally_end(&arena, &self.tally)

    cdef bint run(self, fg_number seed, int restarts) except -1:
        """Sweep all nodes. False if Python has replaced edges meanwhile."""
        cdef fg_status status
        fg_tally_at(&self.tally, self.walk.root.index)[0] = seed
        while True:
            status = fg_tally_go_on(&arena, &self.tally, PORTION)
            if status != FG_MORE:
                return status == FG_OK
            look_for_signals(restarts)

    cdef tuple grads_of(self, Inputs inputs):
        cdef uint32_t i
        cdef fg_number *grad
        cdef tuple grads = PyTuple_New(inputs.n)
        cdef PyObject **made = items_of(grads)
        for i in range(inputs.n):
            grad = fg_tally_at(&self.tally, inputs.indices[i])
            x = as_object(grad.value, grad.is_int) if grad.is_listed else None
            made[i] = borrowed_to_new(<PyObject *>x)
        return grads


cdef object gradient_numbers(tuple outputs, object seeds, Inputs inputs):
    """A tuple of numbers, with None for inputs that aren't below the outputs. None if backward() has to be asked."""
    cdef Node root
    cdef Walk walk
    cdef Tally tally
    cdef int restarts = 0
    if must_call_all() or "backward" in vars(value_class()):
        return None
    root = outputs[0] if len(outputs) == 1 and seeds is None else \
        value_class()._rebuild(0.0, 0, outputs, seeds or (1,) * len(outputs), "")
    while True:
        walk = Walk(root, True, FG_APART_NONE)
        if runs_python(walk.scratch):
            return None
        tally = Tally(walk, inputs)
        if tally.run(fg_number(1.0, not dialect_at(root.index).float_seed, True), restarts):
            return tally.grads_of(inputs)
        walk = tally = None
        restarts += 1


@cython.final
@cython.no_gc
cdef class Derivation:
    """A sweep that makes nodes, over a walk. As long as it lives, the gradients do."""
    cdef fg_derivation derivation
    cdef Walk walk
    cdef Inputs inputs

    def __cinit__(self, Walk walk not None, Inputs inputs not None):
        self.derivation.formulas = formulas
        self.derivation.kind = fg_kind(0, 0, dialects[0].new_flags)
        self.derivation.ask = answer_core
        self.walk, self.inputs = walk, inputs
        if not fg_derivation_start(&arena, &self.derivation, walk.scratch, inputs.n, inputs.indices):
            raise MemoryError("no memory for gradients")

    def __dealloc__(self):
        fg_derivation_end(&arena, &self.derivation)

    cdef int give(self, Node child, object local, fg_index parent) except -1:
        cdef Number number
        cdef fg_term term
        read_number(local, &number)
        term = fg_term((<Node>local).index if is_value(local) else FG_NONE, number.value, number.is_int)
        if fg_derivation_give(&arena, &self.derivation, child.index, term, parent) != FG_OK:
            return out_of_nodes()
        return 0

    cdef tuple take_grads(self):
        """The inputs' gradients. The sweep is at its end then."""
        cdef uint32_t i = 0, n = self.inputs.n
        cdef tuple grads = PyTuple_New(n)
        cdef PyObject **made = items_of(grads)
        cdef fg_index *indices = <fg_index *>fg_allocate(NULL, n * sizeof(fg_index))
        if indices is NULL:
            raise MemoryError("no memory for gradients")
        fg_derivation_hand_over(&arena, &self.derivation, indices)
        try:
            while i < n:
                if i + AHEAD < n:
                    fg_prefetch(node_at(indices[i + AHEAD]), 0)
                    if free_handle - active_dialect.free_handles > AHEAD:
                        fg_prefetch(free_handle[-AHEAD], 0)
                i += 1
                made[i - 1] = gradient_of(indices[i - 1]) if indices[i - 1] != FG_NONE \
                    else borrowed_to_new(<PyObject *>None)
        finally:
            while i < n:
                if indices[i] != FG_NONE:
                    fg_node_release(&arena, indices[i])
                i += 1
            fg_allocate(indices, 0)
        return grads

    cdef int pass_on(self, fg_index index) except -1:
        """Sweep a node of which the core doesn't know how."""
        cdef Node v = handle_of(index)
        cdef Node child
        cdef fg_node *node
        cdef tuple children, stored
        from fastgrad.value import derivatives, gradients
        if has_own_backward(v.index):
            raise derivatives.not_as_values(v)
        node = node_at(v.index)
        if node.arity != FG_WIDE and node.op != FG_CUSTOM and node.op != FG_LEAF:
            return self.judge(fg_derivation_pass_on(&arena, &self.derivation, index), v)
        given = attribute_of(v, "_derivatives")
        children, stored = children_of(v), local_grads_of(v)
        for k, child in enumerate(children):
            if arena.edits != self.derivation.edits:
                return 0        # Python has run, in a key's __eq__ perhaps, and has replaced edges: run() begins again
            if not fg_derivation_role(&self.derivation, child.index):
                continue
            if given is MISSING or len(given) != len(children) or not is_value(given[k]):
                raise derivatives.not_as_values(v)
            if not gradients.same([given[k].data], stored[k:k + 1]):
                raise derivatives.changed(v)
            self.give(child, given[k], index)
        return 0

    cdef int judge(self, fg_status status, Node v) except -1:
        """Raise what a status says of the sweep of a node."""
        global raised
        if status == FG_CHANGED:
            from fastgrad.value import derivatives
            raise derivatives.changed(v)
        if status == FG_RAISED:
            error, raised = raised, None
            raise error
        if status == FG_NO_MEMORY:
            out_of_nodes()
        return 0

    cdef bint run(self, tuple outputs, object seeds, int restarts) except -1:
        """Sweep all nodes. False if Python has replaced edges meanwhile."""
        cdef fg_status status = FG_MORE
        cdef uint32_t i
        cdef Node output
        while fg_derivation_mark(&arena, &self.derivation, PORTION) == FG_MORE:
            pass                        # it takes a fraction of the time of what follows
        for i, output in enumerate(outputs):
            self.give(output, seeds[i] if seeds is not None
                      else as_object(1.0, not dialect_at(output.index).float_seed), FG_NONE)
        fg_derivation_take_off(&arena, &self.derivation)        # the root
        while status != FG_OK:
            status = fg_derivation_go_on(&arena, &self.derivation, PORTION)
            if status == FG_MORE:
                look_for_signals(restarts)
            if arena.edits != self.derivation.edits:
                return False
            if status == FG_CALLERS:
                self.pass_on(self.walk.scratch.order[self.derivation.left - 1])
                fg_derivation_take_off(&arena, &self.derivation)
            elif status != FG_OK and status != FG_MORE:
                self.judge(status, handle_of(self.walk.scratch.order[self.derivation.left - 1]))
        return True


cdef unsigned int version_with_operations = NO_VERSION  # of Value, when its operations were last seen to be Node's


cdef bint are_operations_ours() noexcept:
    """Whether all operations of which derivatives are made are the engine's own: none has been assigned to Value."""
    global version_with_operations
    cdef PyTypeObject *cls = dialects[0].cls
    cdef PyNumberMethods *now = cls.tp_as_number
    if cls.tp_version_tag == version_with_operations:
        return True
    if not (now.nb_add is <void *>value_add and now.nb_multiply is <void *>value_multiply
            and now.nb_power is <void *>value_power):
        return False
    for function in operations.FUNCTIONS:
        if not has_same(cls, <PyTypeObject *>Node, function.method):
            return False
    version_with_operations = version_of(cls)
    return True


cdef object gradient_values(tuple outputs, object seeds, Inputs inputs):
    """A tuple of Values, with None for inputs that aren't below the outputs. None if operations aren't the engine's, or
    some class but Value has another `_backward`, `grad` or `_local_grads`. Raises RuntimeError if Value has."""
    cdef Node root
    cdef Walk walk
    cdef Derivation derivation
    cdef uint32_t i
    cdef int restarts = 0
    cdef object cls = value_class()
    if must_call_all():
        if not passes_on(<PyTypeObject *>cls, &dialect_of(<PyTypeObject *>cls).version):
            raise RuntimeError("Value has been given another `_backward`, `grad`, `_local_grads`, `__getattribute__` "
                               "or `__setattr__`, so gradients can't be made as a graph")
        return None
    if not are_operations_ours():
        return None
    read_formulas()
    root = cls._rebuild(0.0, 0, outputs, seeds or (1,) * len(outputs), "")
    while True:
        walk = Walk(root, False, FG_APART_ALL)
        for i in range(walk.scratch.n if may_defer() else 0):
            if node_at(walk.scratch.order[i]).flags & FG_DEFERRED:
                refresh(walk.scratch.order[i])
        derivation = Derivation(walk, inputs)
        if derivation.run(outputs, seeds, restarts):
            return derivation.take_grads()
        walk = derivation = None
        restarts += 1


cdef object found_gradients(tuple outputs, object seeds, Inputs inputs, bint create_graph, bint allow_unused):
    """The same as _gradients, or None if backward() or operations have to be called."""
    cdef uint32_t i
    found = gradient_values(outputs, seeds, inputs) if create_graph else gradient_numbers(outputs, seeds, inputs)
    for i in range(0 if found is None or allow_unused else inputs.n):
        if items_of(found)[i] is <PyObject *>None:
            from fastgrad.value import gradients
            raise gradients.unused(i, inputs.value(i))
    return found


def _gradients(tuple outputs not None, seeds, given not None, bint create_graph, bint allow_unused=True):
    """What fastgrad.grad asks its engine for; fastgrad/value/gradients.py has the same in plain Python. given: the
    inputs, as a list or a tuple."""
    found = found_gradients(outputs, seeds, Inputs(given), create_graph, allow_unused)
    if found is None:
        from fastgrad.value import gradients
        inputs = gradients.values_of(value_class(), "inputs", given)
        found = (gradients.as_values if create_graph else gradients.as_numbers)(value_class(), outputs, seeds, inputs)
        if not allow_unused and None in found:
            raise gradients.unused(found.index(None), inputs[found.index(None)])
    if is_put_off:
        collect_or_put_off()
    return found
