# Handles: the Python objects that stand for nodes.
#
# A handle is 32 bytes: Python's header, the node's index, and the dict of its attributes, nearly always NULL. A
# handle holds one reference to its node; the node's `face` points back without one, so that the same object is found
# again through a parent. They don't live equally long: a temporary's handle dies at once while its node lives on
# below the result, and if somebody asks for the node later, a new handle is made.
#
# What must outlast the handle, because it belongs to the node, is in an Attachment: attributes (`label`, a closure in
# `_backward`, Adam's `p.m`), and the class, if it's a subclass. The node's `face` then points to that. Plain Values
# have none, and pay for attachments with a flag that's tested when something dies.
#
# Code that walks a graph by `_prev` and notes `id(node)` relies on a node being the same object whenever it comes by.
# So from the first time that a handle has been got by way of a parent, it belongs to the node: when nothing refers to
# it any more it isn't freed, it falls asleep, and wakes when it's asked for again. (An instance of a subclass can't
# be stopped from dying like that, so the node keeps a reference to it instead, and cycles.pxi finds out when nobody
# else does.)
#
# Handles aren't tracked by the garbage collector; cycles.pxi finds the cycles that lead through attributes.
#
# Reference counts are handled by hand here: what is a PyObject * is borrowed or counted as the comments say.

cdef class Node     # the handle; its methods are in engine.pyx

cdef extern from "Python.h":
    ctypedef struct PyObject
    ctypedef struct PyNumberMethods:
        void *nb_add
        void *nb_multiply
        void *nb_negative
        void *nb_power
    ctypedef struct PyTypeObject:
        void (*tp_free)(void *) noexcept
        int (*tp_traverse)(PyObject *, int (*)(PyObject *, void *) noexcept, void *) noexcept
        Py_hash_t (*tp_hash)(object) except -1
        Py_ssize_t tp_basicsize
        Py_ssize_t tp_dictoffset
        unsigned long tp_flags
        PyObject *tp_dict
        PyTypeObject *tp_base
        unsigned int tp_version_tag
        void (*tp_dealloc)(PyObject *) noexcept
        PyNumberMethods *tp_as_number

    ctypedef struct PyType_Slot:
        int slot
        void *pfunc
    ctypedef struct PyType_Spec:
        const char *name
        int basicsize
        int itemsize
        unsigned int flags
        PyType_Slot *slots
    enum:
        Py_TPFLAGS_DEFAULT
        Py_TPFLAGS_BASETYPE
        Py_tp_doc
        Py_tp_dealloc
        Py_tp_getattro
        Py_tp_setattro
        Py_nb_add
        Py_nb_subtract
        Py_nb_multiply
        Py_nb_true_divide
        Py_nb_power
        Py_nb_negative
    object PyType_FromSpecWithBases(PyType_Spec *, object)
    void PyType_Modified(PyTypeObject *)
    void set_type "Py_SET_TYPE" (PyObject *, PyTypeObject *)

    PyTypeObject *type_of "Py_TYPE" (PyObject *)
    PyTypeObject *class_of "Py_TYPE" (object)
    Py_ssize_t refcount "Py_REFCNT" (PyObject *)
    void incref "Py_INCREF" (PyObject *)
    void decref "Py_DECREF" (PyObject *)
    void xincref "Py_XINCREF" (PyObject *)
    void xdecref "Py_XDECREF" (PyObject *)
    object PyObject_GenericGetAttr(object, object)
    int generic_setattr "PyObject_GenericSetAttr" (object, PyObject *, PyObject *) except -1
    Node PyType_GenericAlloc(PyTypeObject *, Py_ssize_t)
    int PyErr_CheckSignals() except -1
    PyObject *PyDict_GetItem(object, object) noexcept       # borrowed
    bint PyType_IsSubtype(PyTypeObject *, PyTypeObject *)
    PyObject *PyType_Lookup "_PyType_Lookup" (PyTypeObject *, object) noexcept      # borrowed, and runs no descriptor

cdef extern from *:
    """
    /* A dead handle as a new reference. It has kept its reference to its class all the time. */
    static inline PyObject *fg_revived(PyObject *handle)
    {
        Py_SET_REFCNT(handle, 1);
        return handle;
    }

    /* PyObject_IS_GC without a call. */
    static inline bool fg_is_collectable(PyObject *object)
    {
        PyTypeObject *type = Py_TYPE(object);
        return PyType_IS_GC(type) && (!type->tp_is_gc || type->tp_is_gc(object));
    }

    FG_SELDOM void fg_let_go(PyObject *);
    FG_SELDOM void fg_lay_to_rest(PyObject *);
    """
    Node revived "fg_revived" (PyObject *)
    bint is_collectable "fg_is_collectable" (PyObject *) noexcept

cdef struct Attachment:
    PyObject *handle        # NULL while there's none; borrowed, unless:
    bint keeps_handle       # it's counted
    PyObject *cls           # counted: while there's no handle, the class of the next one
    PyObject *attributes    # counted: a dict, or NULL
    PyObject *op            # counted: the name of an operation that isn't ours, or NULL
    fg_index node
    Attachment *previous    # in the list of all attachments; of those in the trash only `next` counts
    Attachment *next

cdef fg_arena arena
cdef Attachment *attachments = NULL
cdef Attachment *trash = NULL           # of dead nodes, still to be emptied
cdef bint untidy = False                # whether there's trash, or a suspect (cycles.pxi)
cdef bint tidying = False
cdef Py_ssize_t n_attachments = 0
cdef bint may_run_python = False        # whether a sweep may: there has been a closure, or a subclass's instance

cdef inline fg_node *node_at(fg_index index) noexcept:
    return fg_at(arena.nodes, index)


# ---- From a node to its handle ----

cdef inline Node bare_handle(PyTypeObject *cls):
    """A handle without a node."""
    cdef Node handle
    if cls is plain and free_handle[0] is not NULL:
        handle = revived(pop_free_handle())
    else:
        handle = PyType_GenericAlloc(cls, 0)
    handle.index = FG_NONE
    return handle


cdef inline PyObject *pop_free_handle() noexcept:
    global free_handle
    free_handle -= 1
    return free_handle[1]


cdef inline void push_free_handle(PyObject *handle) noexcept:
    global free_handle
    free_handle += 1
    free_handle[0] = handle


cdef int set_class(fg_index index, PyTypeObject *cls, PyObject *handle) except -1:
    """Let a new node be of a class, with a handle or yet without. Runs no Python; raises TypeError and MemoryError."""
    cdef fg_node *node = node_at(index)
    if not PyType_IsSubtype(cls, lights[0].cls):
        raise TypeError(f"{(<object>cls).__name__} isn't derived from Value")
    node.flags = node.flags & ~(FG_CLASS | FG_DEFERRED | FG_GRAD_INT) | light_for(cls).fresh
    if is_light(cls):
        node.face = <void *>handle
    elif attach(index, handle, cls) is NULL:
        raise MemoryError("no memory for a Value's attributes")
    return 0


cdef int adopt(Node handle) except -1:
    """Let a bare handle have a new leaf."""
    cdef fg_index index = new_leaf(Number(0.0, True))
    try:
        set_class(index, class_of(handle), <PyObject *>handle)
    except:
        fg_node_release(&arena, index)
        raise
    handle.index = index
    if not is_light(class_of(handle)):
        note_if_odd(class_of(handle))
    return 0


cdef inline Node wrap(fg_index index, PyTypeObject *cls):
    """The first handle of a new node; the caller's reference becomes the handle's, and is lost if this raises."""
    cdef PyObject *handle
    if cls is plain and free_handle[0] is not NULL:
        handle = pop_free_handle()
        (<Node>handle).index = index
        node_at(index).face = handle
        return revived(handle)
    return wrap_new(index, cls)


cdef Node wrap_new(fg_index index, PyTypeObject *cls):
    try:
        set_class(index, cls, NULL)
        if not is_light(cls):
            note_if_odd(cls)    # may run Python, as may handle_of: whoever meets the node makes its one handle
        return handle_of(index)
    finally:
        fg_node_release(&arena, index)


cdef Node handle_of(fg_index index):
    """The handle of a live node: the one that it has, or a new one."""
    cdef Node handle
    if node_at(index).flags & FG_PARKED:
        return woken(index)
    if node_at(index).flags & FG_ATTACHED:
        if (<Attachment *>node_at(index).face).handle is not NULL:
            return <Node>(<Attachment *>node_at(index).face).handle
        return attached_handle_of(index)
    if node_at(index).face is not NULL:
        return <Node>node_at(index).face
    handle = bare_handle(light_at(index).cls)
    node_at(index).face = <void *>handle
    handle.index = index
    fg_node_retain(&arena, index)
    return handle


cdef Node attached_handle_of(fg_index index):
    """A new handle of a node with an attachment. To make one may run the garbage collector, and that some Python, which
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
        adopt(handle)           # gets a leaf, and is dropped; its class may have a __del__
        return handle_of(index)
    finally:
        fg_node_release(&arena, index)


cdef Node woken(fg_index index):
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
    """The handle of a node for somebody who comes by way of a parent: from now on the node keeps it."""
    cdef Node handle = handle_of(index)
    cdef bint is_kept = not is_light(class_of(handle))
    if is_kept and not node_at(index).flags & FG_SEEN:
        watch_cycles()      # may run Python, which may come by here
    if not node_at(index).flags & FG_SEEN:
        if is_kept:
            (<Attachment *>node_at(index).face).keeps_handle = True
            incref(<PyObject *>handle)
        node_at(index).flags |= FG_SEEN
    return handle


cdef void handle_dealloc(PyObject *self) noexcept:
    """Value's tp_dealloc, and the last thing that Python calls for an instance of a subclass."""
    cdef fg_node *node = node_at((<Node>self).index)
    # Nearly always: the class in favour, and neither FG_SEEN nor FG_ATTACHED.
    if (not (node.kind ^ fresh) & fg_kind(0, 0, FG_CLASS | FG_SEEN | FG_ATTACHED)
            and free_handle is not last_free_handle):
        node.face = NULL
        push_free_handle(self)
        node.refs -= 1
        if node.refs == 0:
            lay_to_rest(self)
    else:
        let_go(self)


cdef void lay_to_rest "fg_lay_to_rest"(PyObject *freed) noexcept:
    if not fg_node_undo(&arena, (<Node>freed).index):
        fg_node_die(&arena, (<Node>freed).index)
        if untidy:
            tidy_up()


cdef void let_go "fg_let_go"(PyObject *self) noexcept:
    cdef fg_index index = (<Node>self).index
    cdef fg_node *node
    if index != FG_NONE:
        node = node_at(index)
        if not node.flags & (FG_SEEN | FG_ATTACHED):
            node.face = NULL
        elif falls_asleep(node, self):
            return
        fg_node_release(&arena, index)
    if (<Node>self).attributes is not NULL:
        drop_attributes(self)
    recycle(self)
    if untidy:
        tidy_up()


cdef bint falls_asleep(fg_node *node, PyObject *handle) noexcept:
    """Whether a handle only falls asleep; if it dies, it's taken from its attachment."""
    if node.flags & FG_SEEN and node.refs > 1 and is_light(type_of(handle)):
        node.flags |= FG_PARKED
        node.refs -= 1
        if (<Node>handle).attributes is not NULL:   # the node has them too; with two references, cycles.pxi would
            drop_attributes(handle)                 # take them to be held by somebody
        return True
    if node.flags & FG_ATTACHED:
        leave_class(<Attachment *>node.face)
    else:
        node.face = NULL
    return False


cdef void leave_class(Attachment *attachment) noexcept:
    """Let an attachment whose handle dies remember its class, which may have been assigned."""
    attachment.cls = <PyObject *>type_of(attachment.handle)
    incref(attachment.cls)
    attachment.handle = NULL


cdef void drop_attributes(PyObject *handle) noexcept:
    cdef PyObject *attributes = (<Node>handle).attributes
    (<Node>handle).attributes = NULL
    decref(attributes)


cdef inline void recycle(PyObject *handle) noexcept:
    cdef PyTypeObject *cls = type_of(handle)
    if cls is plain and free_handle is not last_free_handle:
        push_free_handle(handle)
    else:
        cls.tp_free(handle)
        decref(<PyObject *>cls)


# ---- What belongs to a node beyond numbers ----

cdef Attachment *attach(fg_index index, PyObject *handle, PyTypeObject *cls) noexcept:
    """The attachment of a node, made if there is none, for a handle, or if that's NULL for one of a class to come. NULL
    if there's no memory."""
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
    if not is_light(cls):       # which may have a `_backward`, or be given one later: the sweep asks
        fg_node_set_closure(node)
        may_run_python = True
    return attachment


cdef inline void set_closure(fg_index index) noexcept:
    global may_run_python
    fg_node_set_closure(node_at(index))
    arena.on_cycle_candidate = suspect
    may_run_python = True


cdef int share_attributes(Node handle) except -1:
    """Let the node have the dict that its handle has got; raises MemoryError, and then neither has it."""
    cdef Attachment *attachment
    cdef PyObject *attributes
    try:
        watch_cycles()          # may run Python, which may come by here
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
    """Give a node the name of an operation that isn't ours. It isn't among the attributes, where nobody looks for it,
    unless it's an object that may lead back to the node, which cycles.pxi then has to see."""
    cdef Attachment *attachment
    cdef PyObject *before
    if is_collectable(<PyObject *>op) or isinstance(op, Node):
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
    """Whether the node has the dict of attributes that its handle has; a new one is the handle's alone at first."""
    cdef fg_node *node = node_at(handle.index)
    return node.flags & FG_ATTACHED and (<Attachment *>node.face).attributes is handle.attributes


cdef dict attributes_of(Node handle):
    """The dict of a Value's attributes, made if there is none."""
    cdef dict made
    if handle.attributes is NULL:
        made = {}               # may run Python, which may come by here
        if handle.attributes is NULL:
            handle.attributes = <PyObject *>made
            incref(handle.attributes)
            share_attributes(handle)
    return <dict>handle.attributes


cdef object MISSING = object()


cdef object attribute_of(Node handle, str name):
    """What has been set on a Value under a name, or MISSING. May run a key's __eq__."""
    if handle.attributes is NULL:
        return MISSING
    cdef dict attributes = <dict>handle.attributes
    return attributes.get(name, MISSING)


cdef void detach(fg_node *node) noexcept:
    """Called by the core for a dying node. No Python may run now, so what it had goes to the trash."""
    global attachments, trash, untidy
    cdef Attachment *attachment
    cdef PyObject *handle
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


cdef void tidy_up() noexcept:
    """Drop what dead nodes had, and closures that keep only themselves alive. That may kill more nodes, whose things
    are dropped by the same loop."""
    global trash, tidying, untidy, n_attachments
    cdef Attachment *attachment
    if tidying:
        return
    tidying = True
    while trash is not NULL or are_there_suspects():
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
