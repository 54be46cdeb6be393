# Cycles that lead through attributes: a closure in `_backward` that holds its own Value, or `v.friend = v`.
#
# Python's collector can't see them: it doesn't track handles, and nodes aren't objects. So each full collection (and
# others, when there are many new attributes) first calls `collect_cycles`. That works as Python's collector does. It
# starts from each dict of attributes that can be part of a cycle, and each handle that a node keeps. It goes through
# all objects and nodes that can be reached, and counts how often each is referred to from within. What has more
# references than that is held from outside, and so is all that it leads to. It drops the attributes of the rest; that
# opens the cycles, and reference counts free them.
#
# Modules, their globals, and classes count as held from outside. A search through them would be one through everything.
#
# The search borrows all that it goes through, so no Python may run before it ends. Python runs where an object that the
# collector tracks is made (up to CPython 3.11 that can start the collector), where a reference is dropped, and where a
# dict compares keys. So the search keeps its tables in memory of its own, and reads dicts without a lookup.

cdef Py_ssize_t n_many = 1000           # with more attachments, every collection of Python's starts one here
cdef bint is_put_off = False            # a collection was due in a sweep
cdef bint is_collecting = False
cdef str BUILTINS = sys.intern("__builtins__")


cdef PyObject *value_at(PyObject *attributes, str name) noexcept:
    """The value at an interned name, or NULL if that isn't among a dict's first 32. Runs no key's __eq__."""
    cdef Py_ssize_t position = 0
    cdef PyObject *key
    cdef PyObject *value
    for _ in range(32):
        if not PyDict_Next(attributes, &position, &key, &value):
            break
        if key is <PyObject *>name:
            return value
    return NULL


# ---- The common cycle, found at once ----
#
# Teaching code writes operations as `out._backward = _backward`, where the function has `out` in a cell. Such a node is
# a cycle candidate when the last node above it dies. If then only the function's own cells refer to its handle, it's
# garbage, and waits for no collection.

cdef void open_those_of_candidates() noexcept:
    """Drop the closures of candidates that only they keep alive."""
    global n_candidates
    cdef PyObject *attributes
    while are_there_candidates():
        n_candidates -= 1
        attributes = garbage_of(candidates[n_candidates])
        if attributes is not NULL:
            incref(attributes)
            PyDict_Clear(attributes)
            decref(attributes)


cdef PyObject *garbage_of(fg_index index) noexcept:
    """The dict of attributes of a node, if only the cells of its closure refer to the node, else NULL. Runs no
    Python."""
    cdef fg_node *node = node_at(index)
    cdef Attachment *attachment
    cdef PyObject *handle
    cdef PyObject *function
    cdef PyObject *cells
    cdef PyObject *cell
    cdef Py_ssize_t n_known, i
    if not fg_arena_is_live(&arena, index) or node.refs != 1 or not node.flags & FG_ATTACHED:
        return NULL             # the candidate may have died, and another node may be in its slot
    attachment = <Attachment *>node.face
    handle = attachment.handle
    if (handle is NULL or attachment.attributes is NULL or node.flags & FG_PARKED
            or refcount(attachment.attributes) != 1 + ((<Node>handle).attributes is not NULL)):
        return NULL
    function = value_at(attachment.attributes, BACKWARD)
    if function is NULL or not is_function(function) or refcount(function) != 1:
        return NULL
    cells = PyFunction_GET_CLOSURE(function)
    if cells is NULL or refcount(cells) != 1:
        return NULL
    n_known = attachment.keeps_handle
    for i in range(PyTuple_GET_SIZE(cells)):
        cell = PyTuple_GET_ITEM(cells, i)
        if PyCell_GET(cell) is handle:
            if refcount(cell) != 1:
                return NULL
            n_known += 1
    return attachment.attributes if refcount(handle) == n_known else NULL


cdef int put_hook() except -1:
    if before_collection not in gc.callbacks:
        gc.callbacks.append(before_collection)
    return 0


def before_collection(phase, info):
    """Python calls this, by way of gc.callbacks, when a collection starts or stops."""
    if phase == "start" and (info["generation"] == 2 or n_attachments > n_many):
        collect_or_put_off()


watch_cycles = put_hook
open_small_cycles = open_those_of_candidates


cdef void collect_or_put_off() noexcept:
    """Collect now, or after the sweep if there's one: a sweep may list nodes that nothing else refers to, and
    backward() calls this again at its end. Not within a collection either: what it drops may run Python, which may
    start one."""
    global n_many, is_put_off, is_collecting
    if is_collecting:
        return
    is_put_off = arena.holds > 0
    if not is_put_off:
        is_collecting = True
        collect_cycles()
        is_collecting = False
        n_many = max(1000, 2 * n_attachments)       # also if there was no memory, so that it isn't tried each time


# ---- The search ----

cdef struct Thing:
    size_t key                  # an object's address, or see node_key and column_key
    Py_ssize_t n_within         # how many references to it come from other things
    bint is_held                # from outside, or by a thing that is held

cdef struct Search:
    Thing *things               # in the order in which they were found
    size_t n, capacity
    uint32_t *slots             # a hash table by key: the thing's place in `things` + 1, or 0; two slots a thing
    uint32_t *held              # the places of those that are held
    size_t n_held
    size_t n_first              # how many nodes the search began with; they are the first things


cdef inline size_t node_key(fg_index index) noexcept:
    """An odd number. Neighbours differ by as much as the addresses of neighbouring objects, which slot_of relies on."""
    return 4 * <size_t>index + 1


cdef inline fg_node *node_of(size_t key) noexcept:
    return node_at(<fg_index>(key // 4))


cdef inline uint32_t *slot_of(Search *search, size_t key) noexcept:
    """The slot in the table that a key has, or gets. Neighbours in memory are neighbours in the table: a search over
    160,000 closures takes 0.28 s so, and 0.48 s with a hash that scatters."""
    cdef size_t i = (key >> 12) * <size_t>0x9E3779B1 + (key >> 3)
    while True:
        i &= 2 * search.capacity - 1
        if search.slots[i] == 0 or search.things[search.slots[i] - 1].key == key:
            return &search.slots[i]
        i += 1


cdef bint make_room(Search *search) noexcept:
    """Double the tables; False if there's no memory."""
    cdef size_t capacity = 2 * search.capacity if search.capacity else 1024, i
    cdef Thing *things
    cdef uint32_t *slots
    if capacity > UINT32_MAX:
        return False
    things = <Thing *>fg_allocate(search.things, capacity * sizeof(Thing))
    if things is NULL:
        return False
    search.things = things
    slots = <uint32_t *>fg_allocate(search.slots, 2 * capacity * sizeof(uint32_t))
    if slots is NULL:
        return False
    search.slots, search.capacity = slots, capacity
    memset(slots, 0, 2 * capacity * sizeof(uint32_t))
    for i in range(search.n):
        slot_of(search, things[i].key)[0] = i + 1
    return True


cdef Thing *found(Search *search, size_t key) noexcept:
    """The thing with a key, perhaps a new one; valid until the next call. NULL if there's no memory."""
    cdef uint32_t *slot
    if search.n == search.capacity and not make_room(search):
        return NULL
    slot = slot_of(search, key)
    if slot[0] == 0:
        search.things[search.n] = Thing(key, 0, False)
        search.n += 1
        slot[0] = search.n
    return &search.things[slot[0] - 1]


cdef inline size_t column_key(fg_column *column) noexcept:
    """An even number that is no object's address. Fused sums may share a column, which has references of its own."""
    return <size_t>column + 2


cdef inline fg_column *column_at(size_t key) noexcept:
    """The column with a key; NULL if the key is an object's."""
    return <fg_column *>(key - 2) if key & 2 else NULL


cdef inline bint is_key_of_thing(size_t key) noexcept:
    """Whether something can be part of a cycle; strings and numbers can't."""
    return key & 3 or is_collectable(<PyObject *>key) or is_value(<object><PyObject *>key)


# Visitors: called for all that a thing refers to. An object's tp_traverse calls them also for what can't be part of a
# cycle.

cdef int count(PyObject *referent, void *search) noexcept:
    cdef Thing *thing
    if is_key_of_thing(<size_t>referent):
        thing = found(<Search *>search, <size_t>referent)
        if thing is NULL:
            return -1
        thing.n_within += 1
    return 0


cdef int hold(PyObject *referent, void *search) noexcept:
    cdef uint32_t place = slot_of(<Search *>search, <size_t>referent)[0]
    if place:
        hold_at(<Search *>search, place - 1)
    return 0


cdef int stop(PyObject *referent, void *search) noexcept:
    return is_key_of_thing(<size_t>referent)


cdef inline void hold_at(Search *search, uint32_t place) noexcept:
    if not search.things[place].is_held:
        search.things[place].is_held = True
        search.held[search.n_held] = place
        search.n_held += 1


cdef bint is_outside(PyObject *object) noexcept:
    """Whether an object counts as held from outside, whatever its references."""
    return is_class(object) or is_module(object) or is_dict(object) and value_at(object, BUILTINS) is not NULL


cdef bint visit_referents(size_t key, int (*visit)(PyObject *, void *) noexcept, Search *search) noexcept:
    """Call `visit` for all that a thing refers to, until it returns something else than 0: then True. A thing outside
    counts as referring to nothing."""
    cdef PyObject *object = <PyObject *>key
    cdef fg_node *node
    cdef Attachment *attachment
    cdef fg_index child
    cdef uint32_t i
    if key & 1:
        node = node_of(key)
        for i in range(fg_node_n_children(node)):
            if visit(<PyObject *>node_key(fg_node_child(node, i)), search):
                return True
        if node.arity == FG_FUSED:
            if visit(<PyObject *>column_key(node.sum.u), search):
                return True
            if not node.sum.is_single and visit(<PyObject *>column_key(node.sum.v), search):
                return True
            if node.child[0] != FG_NONE and visit(<PyObject *>node_key(node.child[0]), search):
                return True
        if node.flags & FG_ATTACHED:
            attachment = <Attachment *>node.face
            if attachment.attributes is not NULL and visit(attachment.attributes, search):
                return True
            if attachment.keeps_handle and visit(attachment.handle, search):
                return True
        return False
    if column_at(key) is not NULL:
        for i in range(column_at(key).n):
            child = fg_column_nodes(column_at(key))[i]
            if child != FG_NONE and visit(<PyObject *>node_key(child), search):     # FG_NONE stands for a constant
                return True
        return False
    if is_outside(object):
        return False
    if is_collectable(object) and type_of(object).tp_traverse is not NULL:
        if type_of(object).tp_traverse(object, visit, search):
            return True
    if is_value(<Node>object):
        if (<Node>object).index != FG_NONE and visit(<PyObject *>node_key((<Node>object).index), search):
            return True
        if (<Node>object).attributes is not NULL and visit((<Node>object).attributes, search):
            return True
    return False


cdef inline bint is_held_from_outside(Thing *thing) noexcept:
    if thing.key & 1:
        return node_of(thing.key).refs > thing.n_within
    if column_at(thing.key) is not NULL:
        return column_at(thing.key).refs > thing.n_within
    return refcount(<PyObject *>thing.key) > thing.n_within or is_outside(<PyObject *>thing.key)


cdef bint leads_on(PyObject *attributes) noexcept:
    """Whether a dict of attributes can be part of a cycle; labels and numbers can't."""
    return attributes is not NULL and type_of(attributes).tp_traverse(attributes, stop, NULL)


cdef bint find_things(Search *search) noexcept:
    """Find the nodes whose attributes or handle could be dropped, and then all that they lead to. False if there's no
    memory."""
    cdef Attachment *attachment = attachments
    cdef size_t i = 0
    while attachment is not NULL:
        if attachment.keeps_handle or leads_on(attachment.attributes):
            if found(search, node_key(attachment.node)) is NULL:
                return False
        attachment = attachment.next
    search.n_first = search.n
    while i < search.n:             # which grows
        if visit_referents(search.things[i].key, count, search):
            return False
        i += 1
    return True


cdef bint find_held(Search *search) noexcept:
    """Find out which things are held. False if there's no memory."""
    cdef size_t i
    search.held = <uint32_t *>fg_allocate(NULL, (search.n + 1) * sizeof(uint32_t))
    if search.held is NULL:
        return False
    for i in range(search.n):
        if is_held_from_outside(&search.things[i]):
            hold_at(search, i)
    i = 0
    while i < search.n_held:        # which grows
        visit_referents(search.things[search.held[i]].key, hold, search)
        i += 1
    return True


cdef PyObject **take_garbage(Search *search) noexcept:
    """A list of what is to be dropped, with a reference to each, and a NULL at its end. NULL if there's no memory."""
    cdef PyObject **garbage = <PyObject **>fg_allocate(NULL, (2 * search.n_first + 1) * sizeof(PyObject *))
    cdef PyObject **end = garbage
    cdef Attachment *attachment
    cdef size_t i
    if garbage is NULL:
        return NULL
    for i in range(search.n_first):
        if not search.things[i].is_held:
            attachment = <Attachment *>node_of(search.things[i].key).face
            if attachment.attributes is not NULL:
                end[0] = attachment.attributes
                incref(end[0])
                end += 1
            if attachment.keeps_handle:
                end[0] = attachment.handle      # with the node's reference to it
                end += 1
                attachment.keeps_handle = False
                node_at(attachment.node).flags &= ~FG_SEEN
    end[0] = NULL
    return garbage


cdef void collect_cycles() noexcept:
    """Drop the attributes and kept handles of nodes that only cycles keep alive. If there's no memory, drop nothing."""
    cdef Search search = Search(NULL, 0, 0, NULL, NULL, 0, 0)
    cdef PyObject **garbage = NULL
    cdef size_t i = 0
    if find_things(&search) and find_held(&search):
        garbage = take_garbage(&search)
    fg_allocate(search.things, 0)
    fg_allocate(search.slots, 0)
    fg_allocate(search.held, 0)
    if garbage is NULL:
        return
    while garbage[i] is not NULL:               # from here on Python may run
        if is_dict(garbage[i]):
            PyDict_Clear(garbage[i])
        decref(garbage[i])
        i += 1
    fg_allocate(garbage, 0)
