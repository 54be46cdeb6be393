# Cycles that lead through attributes: a closure in `_backward` that holds the Value it belongs to, `v.friend = v`.
#
# Python's collector can't see them, since handles aren't tracked and nodes aren't objects. So each of its full runs
# (and others, when there are many new attributes) first calls `collect_cycles`, which does what it does, by its own
# rule: from every dict of attributes that can be part of a cycle (and every handle that a node keeps) go through all
# that can be reached, objects and nodes, and count how often each is referred to from within. What has more
# references than that is held from outside, and so is all that it leads to. Of the rest the attributes are dropped,
# and with the cycles open reference counts do the rest.
#
# Modules, their globals, and classes count as held from outside; to go through them would be to go through
# everything.
#
# In the dicts below a node goes by its index inverted (a negative number), an object by its address.

cdef Py_ssize_t n_many = 1000           # so many attachments are reason for a collection
cdef bint is_put_off = False

# ---- The common cycle, found at once ----
#
# `out._backward = _backward`, where the function has `out` in a cell: that's how teaching code writes operations. When
# the last node above such a node dies, and all that refers to its handle is the function's own cells, it's garbage.

cdef fg_index *suspects = NULL
cdef uint32_t n_suspects = 0, suspects_capacity = 0


cdef void suspect(fg_index index) noexcept:
    """Called by the core for a node with a closure when there's one reference left. No Python may run now."""
    global suspects, n_suspects, suspects_capacity, untidy
    cdef fg_index *more
    if n_suspects == suspects_capacity:
        more = <fg_index *>fg_allocate(suspects, (2 * suspects_capacity + 64) * sizeof(fg_index))
        if more is NULL:
            return              # the collector will find it
        suspects, suspects_capacity = more, 2 * suspects_capacity + 64
    suspects[n_suspects] = index
    n_suspects += 1
    untidy = True


cdef bint are_there_suspects() noexcept:
    """In a sweep there are none yet; see collect_or_put_off."""
    return n_suspects > 0 and arena.holds == 0


cdef void open_small_cycles() noexcept:
    """Take the closures of suspects that keep only themselves alive."""
    global n_suspects
    cdef dict attributes
    while are_there_suspects():
        n_suspects -= 1
        try:
            attributes = garbage_of(suspects[n_suspects])
            if attributes is not None:
                attributes.clear()
        except Exception:       # no memory; the collector will find it
            pass


cdef dict garbage_of(fg_index index):
    """The attributes of a node that only its closure's own cells refer to; else None."""
    cdef fg_node *node = node_at(index)
    cdef Attachment *attachment
    cdef PyObject *handle
    cdef PyObject *function
    cdef PyObject *cells
    cdef PyObject *cell
    cdef Py_ssize_t n_known, i
    if not fg_arena_is_live(&arena, index) or node.refs != 1 or not node.flags & FG_ATTACHED:
        return None             # it has died meanwhile, and the slot may have another node
    attachment = <Attachment *>node.face
    handle = attachment.handle
    if (handle is NULL or attachment.attributes is NULL or node.flags & FG_ASLEEP
            or refcount(attachment.attributes) != 1 + ((<Node>handle).attributes is not NULL)):
        return None
    function = PyDict_GetItem(<dict>attachment.attributes, "_backward")
    if function is NULL or type_of(function) is not <PyTypeObject *>FunctionType or refcount(function) != 1:
        return None
    cells = PyFunction_GET_CLOSURE(function)
    if cells is NULL or refcount(cells) != 1:
        return None
    n_known = attachment.keeps_handle
    for i in range(PyTuple_GET_SIZE(cells)):
        cell = PyTuple_GET_ITEM(cells, i)
        if PyCell_GET(cell) is handle:
            if refcount(cell) != 1:
                return None
            n_known += 1
    return <dict>attachment.attributes if refcount(handle) == n_known else None


cdef int watch_cycles() except -1:
    if before_collection not in gc.callbacks:
        gc.callbacks.append(before_collection)
    return 0


def before_collection(phase, info):
    """The hook in gc.callbacks."""
    if phase == "start" and (info["generation"] == 2 or n_attachments > n_many):
        collect_or_put_off()


cdef int collect_or_put_off() except -1:
    """Collect; but not in a sweep, which may know nodes that nothing else refers to. `backward` then does, at its end.
    """
    global n_many, is_put_off
    is_put_off = arena.holds > 0
    if not is_put_off:
        collect_cycles()
        n_many = max(1000, 2 * n_attachments)
    return 0


cdef int note_referent(PyObject *referent, void *referents) noexcept:
    if is_collectable(referent) or is_handle(referent):
        try:
            (<list>referents).append(<Py_ssize_t>referent)
        except MemoryError:
            return -1
    return 0


cdef bint is_handle(PyObject *object):
    return PyType_IsSubtype(type_of(object), <PyTypeObject *>Node)


cdef bint is_outside(PyObject *object):
    """Whether an object is taken to be held from outside without a count."""
    cdef PyTypeObject *cls = type_of(object)
    if PyType_IsSubtype(cls, <PyTypeObject *>type) or PyType_IsSubtype(cls, <PyTypeObject *>ModuleType):
        return True
    return cls is <PyTypeObject *>dict and "__builtins__" in <dict>object


cdef list referents_of(Py_ssize_t key):
    """All that a node or an object refers to."""
    cdef list referents = []
    cdef PyObject *object = <PyObject *>key
    cdef fg_node *node
    cdef Attachment *attachment
    cdef uint32_t i
    if key < 0:
        node = node_at(~key)
        for i in range(fg_node_n_children(node)):
            referents.append(~<Py_ssize_t>fg_node_child(node, i))
        if node.flags & FG_ATTACHED:
            attachment = <Attachment *>node.face
            if attachment.attributes is not NULL:
                referents.append(<Py_ssize_t>attachment.attributes)
            if attachment.keeps_handle:
                referents.append(<Py_ssize_t>attachment.handle)
        return referents
    if is_outside(object):
        return referents
    if is_collectable(object) and type_of(object).tp_traverse is not NULL:
        if type_of(object).tp_traverse(object, note_referent, <void *>referents):
            raise MemoryError
    if is_handle(object):
        if (<Node>object).index != FG_NONE:
            referents.append(~<Py_ssize_t>(<Node>object).index)
        if (<Node>object).attributes is not NULL:
            referents.append(<Py_ssize_t>(<Node>object).attributes)
    return referents


cdef Py_ssize_t references_to(Py_ssize_t key):
    if key < 0:
        return node_at(~key).refs
    return refcount(<PyObject *>key)


cdef bint leads_on(PyObject *attributes) except -1:
    """Whether attributes can be part of a cycle; labels and numbers can't."""
    if attributes is NULL:
        return False
    for value in (<dict>attributes).values():
        if is_collectable(<PyObject *>value) or isinstance(value, Node):
            return True
    return False


cdef int collect_cycles() except -1:
    """Drop the attributes of nodes that only cycles keep alive, and handles."""
    cdef Attachment *attachment = attachments
    cdef dict seen = {}         # how often each thing is referred to from within
    cdef dict referents = {}
    cdef list start = [], todo, alive, garbage = []
    cdef Py_ssize_t key, other
    while attachment is not NULL:
        if attachment.keeps_handle or leads_on(attachment.attributes):
            start.append(~<Py_ssize_t>attachment.node)
        attachment = attachment.next
    seen = dict.fromkeys(start, 0)
    todo = start[:]
    while todo:
        key = todo.pop()
        referents[key] = referents_of(key)
        for other in <list>referents[key]:
            if other not in seen:
                seen[other] = 0
                todo.append(other)
            seen[other] += 1

    alive = [key for key in seen if references_to(key) > seen[key] or key > 0 and is_outside(<PyObject *>key)]
    reached = set(alive)
    while alive:
        for other in <list>referents[alive.pop()]:
            if other not in reached:
                reached.add(other)
                alive.append(other)

    for key in start:
        if key not in reached:
            attachment = <Attachment *>node_at(~key).face
            if attachment.attributes is not NULL:
                garbage.append(<object>attachment.attributes)
            if attachment.keeps_handle:
                garbage.append(<object>attachment.handle)
                attachment.keeps_handle = False
                node_at(~key).flags &= ~FG_SEEN
                decref(attachment.handle)       # `garbage` has another reference
    for thing in garbage:
        if type(thing) is dict:
            (<dict>thing).clear()
    return 0
