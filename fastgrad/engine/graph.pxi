# Graphs as a whole: walks through a graph, what backward() asks on its way, and edges from and to Python.

# ---- Walks ----

cdef uint32_t PORTION = 1 << 17         # so many nodes between two looks for Ctrl-C; they take some milliseconds
cdef fg_walk idle_scratch               # kept for the next walk
cdef bint scratch_is_idle = True


@cython.final
@cython.no_gc
cdef class Walk:
    """The nodes from a root down, listed children first. As long as a Walk lives it holds the arena: dead nodes aren't
    freed. apart: which fused sums it takes apart."""
    cdef fg_walk *scratch
    cdef fg_walk own                    # the scratch of a walk within a walk
    cdef Node root

    def __cinit__(self, Node root not None, bint with_leaves, fg_apart apart=FG_APART_IF_TOUCHED):
        global scratch_is_idle
        cdef fg_status status
        cdef fg_walk *scratch = &self.own
        if scratch_is_idle:
            scratch = &idle_scratch
        if fg_walk_start(&arena, scratch, root.index, with_leaves, apart) != FG_OK:
            raise MemoryError("no memory to walk a graph")
        self.scratch = scratch
        self.root = root
        if scratch is &idle_scratch:
            scratch_is_idle = False
        while True:
            status = fg_walk_go_on(&arena, scratch, PORTION)
            if status == FG_OK:
                break
            if status == FG_NO_MEMORY:
                raise MemoryError("no memory to walk a graph")
            PyErr_CheckSignals()

    def __dealloc__(self):
        global scratch_is_idle
        if self.scratch is not NULL:
            fg_walk_end(&arena, self.scratch)
            if self.scratch is &idle_scratch:
                scratch_is_idle = True
        fg_walk_clear(&self.own)
        if untidy:
            tidy_up()


# ---- What backward() asks ----
#
# Usually the core passes gradients on, in one loop over the list (csrc/backward.c). Python takes part at three levels:
#
# - A node has been given a `_backward` of its own, or its subclass has one. The node has FG_CLOSURE, the core stops
#   there, and backward() asks has_own_backward and calls it.
# - A class with a dialect has another `_backward`, or some class is odd: it has another `grad` or `_local_grads`, or
#   reads or sets attributes itself (overrides.pxi). Then must_call_all is true, and backward() takes fused sums apart
#   and calls the `_backward` of each node. Node._accumulate then also reads and writes gradients as attributes.
# - may_sweeps_run_python (handle.pxi) is true as soon as there has been a closure or an instance of a subclass, and
#   until no node has any attributes. Python code that runs in the sweep may give a leaf a `_backward`. So the walk then
#   lists leaves too, which it leaves out otherwise.

cdef bint must_call_all() except -1:
    """Whether backward() has to call the `_backward` of each node. backward() asks again after each call, which may
    have changed a class."""
    if not are_there_odd_classes and not are_there_subclasses and all_dialects_pass_on():
        return False
    look_at_classes()
    return are_there_odd_classes or not all_dialects_pass_on()


cdef bint has_own_backward(fg_index index) noexcept:
    """Whether a node has been given a `_backward`, or its subclass has one."""
    cdef fg_node *node = node_at(index)
    cdef Attachment *attachment
    cdef PyTypeObject *cls
    if not node.flags & FG_CLOSURE or not node.flags & FG_ATTACHED:
        return False
    attachment = <Attachment *>node.face
    cls = type_of(attachment.handle) if attachment.handle is not NULL else <PyTypeObject *>attachment.cls
    if not passes_on(cls, &version_of_subclass):
        return True
    return attachment.attributes is not NULL and PyDict_GetItem(<dict>attachment.attributes, BACKWARD) is not NULL


cdef int call_backward(Node v) except -1:
    """Call a node's `_backward`. A script's own class, which checks numbers, may show None in place of one that does
    nothing, or of none (script/fields.py)."""
    cdef object function = v._backward
    if function is None and dialect_of(class_of(v)).check_number is not NULL:
        function = attribute_of(v, BACKWARD)
    if function is not MISSING:
        function()
    return 0


# ---- Edges from and to Python ----

cdef int set_edges(Node self, object children, object local_grads, bint must_match, bint keep=True) except -1:
    """Set a node's children and local derivatives from Python sequences. Changes nothing if it raises. must_match:
    raise unless there's a derivative for each child, or none. keep: if False, bad arguments raise too, and the node
    becomes a leaf."""
    cdef Py_ssize_t n_children, n_locals, i
    cdef Number number
    cdef Node child
    cdef fg_index *indices = NULL
    cdef double *locals = NULL
    cdef uint8_t *is_int = NULL
    cdef uint32_t edits
    cdef fg_status status
    children = tuple(children)
    local_grads = tuple(local_grads)
    n_children, n_locals = len(children), len(local_grads)
    if n_children >= FG_MAX_NODES or n_locals >= FG_MAX_NODES:
        raise OverflowError("too many children")
    for x in children:
        if not is_value(x):
            raise TypeError(f"children are Values, not {type(x).__name__!r}")
    try:
        indices = <fg_index *>fg_allocate(NULL, (n_children + 1) * sizeof(fg_index))
        locals = <double *>fg_allocate(NULL, (n_locals + 1) * sizeof(double))
        is_int = <uint8_t *>fg_allocate(NULL, n_locals + 1)
        if indices is NULL or locals is NULL or is_int is NULL:
            raise MemoryError("no memory for a node's edges")
        for i in range(n_locals):
            read_number(local_grads[i], &number)
            locals[i] = number.value
            is_int[i] = number.is_int
        if must_match and n_locals > 0 and n_locals != n_children:
            raise ValueError(f"{n_children} children but {n_locals} local derivatives")
        for i in range(n_children):
            child = children[i]
            indices[i] = child.index
        edits = arena.edits - 1
        while edits != arena.edits:         # a walk may run Python, which may edit edges: then look again
            edits = arena.edits
            if is_below_any(self, children):
                raise ValueError("a node can't be below itself")
        if not keep:
            n_children = n_locals = 0
        take_apart(self.index)
        status = fg_node_set_edges(&arena, self.index, <uint32_t>n_children, indices,
                                   <uint32_t>n_locals, locals, is_int)
        if status == FG_TOO_MANY:
            raise OverflowError("too many references to a node")
        if status != FG_OK:
            raise MemoryError("no memory for a node's edges")
        node_at(self.index).op = FG_CUSTOM if n_children else FG_LEAF
    finally:
        fg_allocate(indices, 0)
        fg_allocate(locals, 0)
        fg_allocate(is_int, 0)
        if untidy:
            tidy_up()
    return 0


cdef int replace_edges(Node self, object children, object local_grads) except -1:
    """Give a node other edges; the operation keeps its name."""
    op = self._op
    set_edges(self, children, local_grads, False)
    if self.attributes is not NULL:
        (<dict>self.attributes).pop("_derivatives", None)
    if op:
        self._op = op
    return 0


cdef bint has_values(tuple local_grads):
    """Whether some local derivatives were given as Values. Then the node keeps them as an attribute, for
    fastgrad.grad."""
    for x in local_grads:
        if is_value(x):
            return True
    return False


cdef bint is_below_any(Node node, tuple children) except -1:
    """Whether a node is one of the children, or below one. A node that only its handle refers to is below nothing."""
    cdef Walk walk
    cdef uint32_t i
    for child in children:
        if child is node:
            return True
    if node_at(node.index).refs == 1:
        return False
    for child in children:
        walk = Walk(child, True, FG_APART_NONE)
        for i in range(walk.scratch.n):
            if walk.scratch.order[i] == node.index:
                return True
        walk = None             # a walk that starts while another one runs takes all fused sums apart
    return False


cdef tuple children_of(Node self):
    take_apart(self.index)
    cdef uint32_t i, n = fg_node_n_children(node_at(self.index))
    cdef fg_index *children = <fg_index *>fg_allocate(NULL, (n + 1) * sizeof(fg_index))
    cdef list handles
    if children is NULL:
        raise MemoryError("no memory for a node's children")
    for i in range(n):
        children[i] = fg_node_child(node_at(self.index), i)
    fg_arena_hold(&arena)       # to make a list or a handle may run Python, which may drop children
    try:
        handles = []
        for i in range(n):
            handles.append(seen_handle_of(children[i]))
        return tuple(handles)
    finally:
        fg_arena_unhold(&arena)
        fg_allocate(children, 0)
        if untidy:
            tidy_up()


cdef list parents_of(Node self):
    """The handles of all live nodes that have this one as a child."""
    cdef list parents = []
    cdef fg_index index
    take_apart_parents(self.index)
    index = fg_arena_live_from(&arena, 0)
    cdef fg_index end = arena.used_slabs * FG_SLAB_STEP     # no further: Python may run, and make parents for ever
    while index != FG_NONE and index < end:
        if is_child(self.index, node_at(index)):
            parents.append(handle_of(index))
        index = fg_arena_live_from(&arena, index + 1)
    return parents


cdef int take_apart_parents(fg_index operand) except -1:
    """Take apart all fused sums that have a node as an operand or as their start."""
    cdef fg_index index = fg_arena_live_from(&arena, 0)
    while index != FG_NONE and arena.n_fused > 0:
        if node_at(index).arity == FG_FUSED and fg_sum_has(node_at(index), operand):
            take_apart(index)
        index = fg_arena_live_from(&arena, index + 1)
    return 0


cdef bint is_child(fg_index index, fg_node *node) noexcept:
    cdef uint32_t i
    for i in range(fg_node_n_children(node)):
        if fg_node_child(node, i) == index:
            return True
    return False


cdef tuple local_grads_of(Node self):
    cdef list local_grads = []
    cdef fg_node *node
    cdef uint32_t i
    take_apart(self.index)
    refresh(self.index)
    node = node_at(self.index)      # after the list was made, which may run Python; to append numbers doesn't
    for i in range(fg_node_n_locals(node)):
        local_grads.append(as_object(fg_node_local(node, i), fg_node_local_is_int(node, i)))
    return tuple(local_grads)


NUMBER = r"(-?(?:[0-9]{1,16}|[0-9]+\.[0-9]+|[0-9]+(?:\.[0-9]+)?e[-+][0-9]+|inf|nan))"
cdef object constant_power = None       # the pattern of a name like **3 or 3**


cdef str shown_name(fg_index index):
    """The name that the table of operations has for a node's; '' for a leaf and for a user's own operation."""
    cdef fg_node *node = node_at(index)
    if node.op == FG_POW_CONST:
        return f"**{as_object(node.local1, node.flags & FG_LOCAL1_INT)}"
    if node.op == FG_CONST_POW:
        return f"{as_object(node.local1, node.flags & FG_LOCAL1_INT)}**"
    return NAMES[node.op]


cdef int rebuild_op(Node self, op) except -1:
    """Give a copied node the operation that `_op` named. If that doesn't fit the node's edges, only the name is
    kept."""
    cdef Number constant = Number(0.0, False)
    cdef uint8_t code = FG_CUSTOM
    if type(op) is str:
        code = code_of(self.index, op)
        if code == FG_CUSTOM:
            code = code_of_power(op, &constant)
    if code == FG_CUSTOM or not fits(code, node_at(self.index)):
        self._op = op
        return 0
    node_at(self.index).op = code
    if code == FG_POW_CONST or code == FG_CONST_POW:
        node_at(self.index).local1 = constant.value
        if constant.is_int:
            node_at(self.index).flags |= FG_LOCAL1_INT
    return 0


cdef uint8_t code_of(fg_index index, str op) except 255:
    """The operation with a name in the dialect of a node; FG_CUSTOM if there's none, or there are several."""
    if dialect_at(index).names is NULL:
        return CODES.get(op, FG_CUSTOM)
    codes = [code for name, code in CODES.items() if name_of(index, name) == op]
    return codes[0] if len(codes) == 1 else FG_CUSTOM


cdef uint8_t code_of_power(str op, Number *constant) except 255:
    """The operation with a name like **3 or 3**, and its constant; FG_CUSTOM for any other name."""
    global constant_power
    if constant_power is None:
        import re           # here, since importing it takes longer than importing fastgrad
        constant_power = re.compile(r"\*\*NUMBER|NUMBER\*\*".replace("NUMBER", NUMBER))
    match = constant_power.fullmatch(op)
    if match is None:
        return FG_CUSTOM
    text = match[1] or match[2]
    read_number(rounded(int(text) if text.lstrip("-").isdigit() else float(text)), constant)
    if str(as_object(constant.value, constant.is_int)) != text:
        return FG_CUSTOM
    return FG_POW_CONST if match[1] else FG_CONST_POW


cdef bint fits(uint8_t code, fg_node *node) noexcept:
    """Whether a node has the children that an operation has, and a derivative by each."""
    return node.arity == (FG_BINARY if code == FG_ADD or code == FG_MUL or code == FG_POW else FG_UNARY)
