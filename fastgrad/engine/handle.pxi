# Handles: the Python objects that stand for nodes.
#
# A handle is 32 bytes: Python's header, the node's index, and the dict of its attributes, nearly always NULL. A handle
# holds one reference to its node. The node's `face` points back and holds none, so that the same object is found again
# through a parent. The two don't live equally long: a temporary's handle dies at once, and its node lives on below the
# result. If somebody asks for that node later, a new handle is made.
#
# What belongs to the node and must outlast the handle is in an Attachment: attributes (`label`, a closure in
# `_backward`, Adam's `p.m`), and the class, if it's a subclass. The node's `face` then points to that. Plain Values
# have none. They pay for attachments with a flag that is tested when something dies.
#
# Code that walks a graph by `_prev` and notes `id(node)` relies on a node being the same object each time. So a handle
# that somebody has got by way of a parent (FG_SEEN) belongs to the node from then on. When nothing refers to it any
# more, the handle is parked instead of freed, and returned on the next request. So is one that a column has noted
# (fg_column_note_handles in csrc/fused.h). An instance of a subclass can't be stopped from dying like that. So the node
# keeps a reference to it, and cycles.pxi finds out when nobody else does.
#
# Python's garbage collector doesn't track handles; cycles.pxi finds the cycles that lead through attributes.
#
# Reference counts are handled by hand here: comments say which PyObject * is borrowed and which is counted.

cdef struct Attachment:
    PyObject *handle        # NULL while there's none; borrowed, unless:
    bint keeps_handle       # it's counted
    PyObject *cls           # counted: while there's no handle, the class of the next one
    PyObject *attributes    # counted: a dict, or NULL
    PyObject *op            # counted: the name of an operation that isn't ours, or NULL
    fg_index node
    Attachment *previous    # in the list of all attachments; of those in the trash only `next` counts
    Attachment *next

cdef Attachment *attachments = NULL     # all
cdef Attachment *trash = NULL           # attachments of dead nodes, still to be emptied
cdef fg_index *candidates = NULL        # cycle candidates: nodes that only their own closure may keep alive
cdef uint32_t n_candidates = 0, candidates_capacity = 0
cdef bint untidy = False                # whether there's trash, or a cycle candidate
cdef bint tidying = False
cdef Py_ssize_t n_attachments = 0
cdef bint may_run_python = False        # whether there has been a closure, or an instance of a subclass: see
                                        # may_sweeps_run_python


# ---- New nodes ----
#
# A function that makes a node returns it with one reference, which is the caller's.

cdef fg_index out_of_nodes() except FG_NONE:
    raise MemoryError(f"no memory for another node: {fg_arena_live(&arena)} are alive, of {FG_MAX_NODES} at the most")


cdef inline fg_index new_node(uint8_t op, uint8_t arity, uint16_t flags, double data) except FG_NONE:
    cdef fg_index index = fg_node_new(&arena)
    cdef uint32_t kind = new_kind | fg_kind(op, arity, flags)
    if index == FG_NONE:
        return out_of_nodes()
    fg_node_init(node_at(index), kind, FG_PASSED_OVER if arity == FG_NULLARY else 0, data)
    return index


cdef inline fg_index new_leaf(Number data) except FG_NONE:
    return new_node(FG_LEAF, FG_NULLARY, FG_DATA_INT if data.is_int else 0, data.value)


# ---- From a node to its handle ----

cdef inline Node bare_handle(PyTypeObject *cls):
    """A handle without a node."""
    cdef Node handle
    if cls is active_class and free_handle[0] is not NULL:
        handle = revived(pop_free_handle())
    else:
        handle = PyType_GenericAlloc(cls, 0)
    handle.index = FG_NONE
    return handle


cdef int set_class(fg_index index, PyTypeObject *cls, PyObject *handle) except -1:
    """Give a new node its class, and a handle that it may have already. Runs no Python. Raises TypeError, MemoryError.
    """
    cdef fg_node *node = node_at(index)
    if not PyType_IsSubtype(cls, dialects[0].cls):
        raise TypeError(f"{(<object>cls).__name__} isn't derived from Value")
    node.flags = node.flags & ~(FG_CLASS | FG_DEFERRED | FG_GRAD_INT) | dialect_of(cls).new_flags
    if has_own_dialect(cls):
        node.face = <void *>handle
    elif attach(index, handle, cls) is NULL:
        raise MemoryError("no memory for a Value's attributes")
    return 0


cdef int adopt(Node handle) except -1:
    """Give a bare handle a new leaf."""
    cdef fg_index index = new_leaf(Number(0.0, True))
    try:
        set_class(index, class_of(handle), <PyObject *>handle)
    except:
        fg_node_release(&arena, index)
        raise
    handle.index = index
    if not has_own_dialect(class_of(handle)):
        note_subclass(class_of(handle))
    return 0


cdef inline Node wrap(fg_index index, PyTypeObject *cls):
    """The first handle of a new node. It takes over the caller's reference, which is dropped if this raises."""
    cdef PyObject *handle
    if cls is active_class and free_handle[0] is not NULL:
        handle = pop_free_handle()
        (<Node>handle).index = index
        node_at(index).face = handle
        return revived(handle)
    return wrap_new(index, cls)


cdef inline Py_ssize_t wrap_first(const fg_index *nodes, Py_ssize_t n, PyObject **items) noexcept:
    """wrap for nodes of the active class, while there are free handles, into a new list's empty places. Returns for how
    many: the first ones."""
    cdef Py_ssize_t i = 0
    cdef PyObject *handle
    while i < n and free_handle[0] is not NULL:
        handle = pop_free_handle()
        (<Node>handle).index = nodes[i]
        node_at(nodes[i]).face = handle
        items[i] = new_reference(handle)
        i += 1
    return i


cdef Node wrap_new(fg_index index, PyTypeObject *cls):
    try:
        set_class(index, cls, NULL)
        if not has_own_dialect(cls):
            note_subclass(cls)  # may run Python, which may make the node's handle: handle_of then returns that
        return handle_of(index)
    finally:
        fg_node_release(&arena, index)


cdef Node handle_of(fg_index index):
    """The handle of a live node: the one that it has, or a new one."""
    cdef Node handle
    if node_at(index).flags & FG_PARKED:
        return unparked(index)
    if node_at(index).flags & FG_ATTACHED:
        if (<Attachment *>node_at(index).face).handle is not NULL:
            return <Node>(<Attachment *>node_at(index).face).handle
        return attached_handle_of(index)
    if node_at(index).face is not NULL:
        return <Node>node_at(index).face
    handle = bare_handle(dialect_at(index).cls)
    node_at(index).face = <void *>handle
    handle.index = index
    fg_node_retain(&arena, index)
    return handle


cdef Node attached_handle_of(fg_index index):
    """A new handle of a node with an attachment. To make one may run the garbage collector, and so Python code. That
    may drop the node, or ask for its handle itself."""
    cdef Attachment *attachment = <Attachment *>node_at(index).face
    cdef object cls = <object>attachment.cls
    cdef Node handle
    fg_node_retain(&arena, index)
    try:
        handle = bare_handle(<PyTypeObject *>cls)
        if attachment.handle is NULL:
            attachment.handle = <PyObject *>handle
            decref(attachment.cls)
            handle.attributes = attachment.attributes
            xincref(handle.attributes)
            handle.index = index
            fg_node_retain(&arena, index)
            return handle
        adopt(handle)           # the node has got another handle meanwhile; a __del__ of this one needs a node
        return handle_of(index)
    finally:
        fg_node_release(&arena, index)


cdef Node unparked(fg_index index):
    """The parked handle of a node, as a new reference."""
    cdef fg_node *node = node_at(index)
    cdef PyObject *handle = <PyObject *>node.face
    if node.flags & FG_ATTACHED:
        handle = (<Attachment *>node.face).handle
        (<Node>handle).attributes = (<Attachment *>node.face).attributes
        xincref((<Node>handle).attributes)
    node.flags &= ~FG_PARKED
    fg_node_retain(&arena, index)
    return revived(handle)


cdef Node seen_handle_of(fg_index index):
    """The handle of a node, for somebody who comes by way of a parent. From now on the node keeps it."""
    cdef Node handle = handle_of(index)
    cdef bint is_kept = not has_own_dialect(class_of(handle))
    if is_kept and not node_at(index).flags & FG_SEEN:
        watch_cycles()      # may run Python, which may set FG_SEEN
    if not node_at(index).flags & FG_SEEN:
        if is_kept:
            (<Attachment *>node_at(index).face).keeps_handle = True
            incref(<PyObject *>handle)
        node_at(index).flags |= FG_SEEN
    return handle


cdef void handle_dealloc(PyObject *self) noexcept:
    """Value's tp_dealloc, and the last thing that Python calls for an instance of a subclass."""
    cdef fg_node *node = node_at((<Node>self).index)
    # Nearly always the class is the active one, and the node has neither FG_SEEN nor FG_ATTACHED.
    if (not (node.kind ^ new_kind) & fg_kind(0, 0, FG_CLASS | FG_SEEN | FG_ATTACHED)
            and free_handle is not last_free_handle):
        node.face = NULL
        push_free_handle(self)
        node.refs -= 1
        if node.refs == 0:
            lay_to_rest(self)
    else:
        let_go(self)


own_dealloc = handle_dealloc


cdef void lay_to_rest "lay_to_rest"(PyObject *freed) noexcept:
    """Let the node of a freed handle die."""
    if not fg_node_undo(&arena, (<Node>freed).index):
        fg_node_die(&arena, (<Node>freed).index)
        if untidy:
            tidy_up()


cdef void let_go "let_go"(PyObject *self) noexcept:
    """The general way of handle_dealloc."""
    cdef fg_index index = (<Node>self).index
    cdef fg_node *node
    if index != FG_NONE:
        node = node_at(index)
        if not node.flags & (FG_SEEN | FG_ATTACHED):
            node.face = NULL
        elif park(node, self):
            return
        arena.handles_lost += 1
        fg_node_release(&arena, index)
    if (<Node>self).attributes is not NULL:
        drop_attributes(self)
    recycle(self)
    if untidy:
        tidy_up()


cdef bint park(fg_node *node, PyObject *handle) noexcept:
    """Park a handle that the node keeps: whether it was parked. If not, it dies, and node or attachment forget it."""
    if node.flags & FG_SEEN and node.refs > 1 and has_own_dialect(type_of(handle)):
        node.flags |= FG_PARKED
        node.refs -= 1
        if (<Node>handle).attributes is not NULL:   # the node has them too; cycles.pxi would take the second
            drop_attributes(handle)                 # reference for somebody who holds them
        return True
    if node.flags & FG_ATTACHED:
        leave_class(<Attachment *>node.face)
    else:
        node.face = NULL
    return False


cdef void leave_class(Attachment *attachment) noexcept:
    """Note a dying handle's class in its attachment; it may not be the node's first, since `__class__` is
    assignable."""
    attachment.cls = <PyObject *>type_of(attachment.handle)
    incref(attachment.cls)
    attachment.handle = NULL


cdef void drop_attributes(PyObject *handle) noexcept:
    cdef PyObject *attributes = (<Node>handle).attributes
    (<Node>handle).attributes = NULL
    decref(attributes)


cdef inline void recycle(PyObject *handle) noexcept:
    cdef PyTypeObject *cls = type_of(handle)
    if cls is active_class and free_handle is not last_free_handle:
        push_free_handle(handle)
    else:
        cls.tp_free(handle)
        decref(<PyObject *>cls)


# ---- What belongs to a node beyond numbers ----

cdef Attachment *attach(fg_index index, PyObject *handle, PyTypeObject *cls) noexcept:
    """The attachment of a node, made if there is none. handle: the node's; if it has none yet, NULL, and cls is the
    class of the one to come. Returns NULL if there's no memory."""
    global attachments, n_attachments, may_run_python
    cdef fg_node *node = node_at(index)
    cdef Attachment *attachment
    if node.flags & FG_ATTACHED:
        return <Attachment *>node.face
    attachment = <Attachment *>fg_allocate(NULL, sizeof(Attachment))
    if attachment is NULL:
        return NULL
    attachment[0] = Attachment(handle, False, NULL, NULL, NULL, index, NULL, attachments)
    if handle is NULL:
        attachment.cls = <PyObject *>cls
        incref(attachment.cls)
    n_attachments += 1
    if attachments is not NULL:
        attachments.previous = attachment
    attachments = attachment
    node.face = attachment
    node.flags |= FG_ATTACHED
    if not has_own_dialect(cls):    # a subclass may have its own `_backward`, now or later: the sweep must ask
        fg_node_set_closure(&arena, node)
        may_run_python = True
    return attachment


cdef inline int take_apart(fg_index index) except -1:
    """Take a node apart if it's a fused sum. This comes before anybody reads or changes the node's inside."""
    if node_at(index).arity == FG_FUSED and not fg_take_apart(&arena, index):
        raise MemoryError("no memory for the nodes that a fused sum stands for")
    return 0


cdef inline int set_closure(fg_index index) except -1:
    global may_run_python
    take_apart(index)
    fg_node_set_closure(&arena, node_at(index))
    arena.edits += 1            # a walk that runs begins again, and lists the node even if it's a leaf
    arena.on_cycle_candidate = note_candidate
    may_run_python = True


cdef bint may_sweeps_run_python() noexcept:
    """Whether the author's Python may run in a sweep that begins now. A closure, like a subclass's instance, is an
    attachment: if there's none any more, it's as if there had never been one."""
    global may_run_python
    if n_attachments == 0:
        may_run_python = False
        arena.on_cycle_candidate = NULL
    return may_run_python


cdef int share_attributes(Node handle) except -1:
    """Give the node the dict of attributes that its handle has. Raises MemoryError, and then neither has it."""
    cdef Attachment *attachment
    cdef PyObject *attributes
    try:
        watch_cycles()          # may run Python, which may attach
        attachment = attach(handle.index, <PyObject *>handle, class_of(handle))
        if attachment is NULL or handle.attributes is NULL:
            raise MemoryError("no memory for a Value's attributes")
    except:
        if handle.attributes is not NULL and not are_shared(handle):
            drop_attributes(<PyObject *>handle)
            if node_at(handle.index).flags & FG_ATTACHED:
                handle.attributes = (<Attachment *>node_at(handle.index).face).attributes
                xincref(handle.attributes)
        raise
    attributes = attachment.attributes
    attachment.attributes = handle.attributes
    incref(attachment.attributes)
    xdecref(attributes)
    return 0


cdef int set_op(Node self, object op) except -1:
    """Name a node's operation, which isn't one of ours. The name has a place of its own in the attachment. Only an
    object that may lead back to the node is kept among the attributes, where cycles.pxi finds it."""
    cdef Attachment *attachment
    cdef PyObject *before
    if is_collectable(<PyObject *>op) or is_value(op):
        clear_op(self)
        attributes_of(self)["_op"] = op
    else:
        attachment = attach(self.index, <PyObject *>self, class_of(self))
        if attachment is NULL:
            raise MemoryError("no memory for an operation's name")
        before, attachment.op = attachment.op, <PyObject *>op
        incref(attachment.op)
        xdecref(before)
        if self.attributes is not NULL:
            (<dict>self.attributes).pop("_op", None)
    node_at(self.index).op = FG_CUSTOM
    return 0


cdef int clear_op(Node self) except -1:
    cdef fg_node *node = node_at(self.index)
    cdef PyObject *before
    if node.flags & FG_ATTACHED:
        before, (<Attachment *>node.face).op = (<Attachment *>node.face).op, NULL
        xdecref(before)
    if self.attributes is not NULL:
        (<dict>self.attributes).pop("_op", None)
    return 0


cdef bint are_shared(Node handle):
    """Whether node and handle have the same dict of attributes. A new dict is the handle's alone at first."""
    cdef fg_node *node = node_at(handle.index)
    return node.flags & FG_ATTACHED and (<Attachment *>node.face).attributes is handle.attributes


cdef dict attributes_of(Node handle):
    """The dict of a Value's attributes, made if there is none."""
    cdef dict made
    if handle.attributes is NULL:
        made = {}               # may run Python, which may set an attribute
        if handle.attributes is NULL:
            handle.attributes = <PyObject *>made
            incref(handle.attributes)
            share_attributes(handle)
    return <dict>handle.attributes


cdef object MISSING = object()


cdef object attribute_of(Node handle, str name):
    """An attribute that has been set on a Value, or MISSING. May run a key's __eq__."""
    if handle.attributes is NULL:
        return MISSING
    cdef dict attributes = <dict>handle.attributes
    return attributes.get(name, MISSING)


cdef void on_node_death(fg_node *node) noexcept:
    """The core calls this for a dying node with a handle or an attachment. No Python may run now, so an attachment goes
    to the trash."""
    global attachments, trash, untidy
    cdef Attachment *attachment
    cdef PyObject *handle
    arena.handles_lost += 1
    if not node.flags & FG_ATTACHED:
        recycle(<PyObject *>node.face)
        return
    attachment = <Attachment *>node.face
    handle = attachment.handle
    if handle is not NULL:
        leave_class(attachment)
        recycle(handle)
    if attachment.previous is not NULL:
        attachment.previous.next = attachment.next
    else:
        attachments = attachment.next
    if attachment.next is not NULL:
        attachment.next.previous = attachment.previous
    attachment.next = trash
    trash = attachment
    untidy = True


cdef void note_candidate(fg_index index) noexcept:
    """The core calls this for a node with a closure when one reference is left. No Python may run now."""
    global candidates, n_candidates, candidates_capacity, untidy
    cdef fg_index *more
    if n_candidates == candidates_capacity:
        more = <fg_index *>fg_allocate(candidates, (2 * candidates_capacity + 64) * sizeof(fg_index))
        if more is NULL:
            return              # a collection will find it
        candidates, candidates_capacity = more, 2 * candidates_capacity + 64
    candidates[n_candidates] = index
    n_candidates += 1
    untidy = True


cdef bint are_there_candidates() noexcept:
    """Whether there are candidates to look at. In a sweep they wait for its end, as a collection does."""
    return n_candidates > 0 and arena.holds == 0


cdef void tidy_up() noexcept:
    """Drop what dead nodes had, and closures that only they themselves keep alive. More nodes may die of that; the same
    loop drops what they had."""
    global trash, tidying, untidy, n_attachments
    cdef Attachment *attachment
    if tidying:
        return
    tidying = True
    while trash is not NULL or are_there_candidates():
        while trash is not NULL:
            attachment = trash
            trash = attachment.next
            xdecref(attachment.attributes)
            xdecref(attachment.op)
            decref(attachment.cls)
            fg_allocate(attachment, 0)
            n_attachments -= 1
        open_small_cycles()
    untidy = False
    tidying = False
