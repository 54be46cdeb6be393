# The engine's state: what the short ways of operations read, and the tables that all parts share.
#
# engine.pyx includes the parts in this order, and each uses only what comes before it:
#
#     state -> numbers -> overrides -> handle -> recording -> operations -> operators -> attributes -> graph -> sums
#     -> places -> operands -> levels -> stores -> loops -> vectors
#     and then, for what is seldom: cycles, dialects, optim, gradients, public, and the class itself in engine.pyx
#
# Where an earlier part has to call a later one, there's a pointer to the function below, which the later part sets.
# tests/engine/test_house.py holds the parts to that.

cdef class Node     # a handle: the Python object that stands for a node; its fields and methods are in engine.pyx

# New references, as Node declares them: Cython would count a reference to the result of a cast once more.
cdef extern from "face.h":
    Node revived "fg_revived" (PyObject *)
    Node PyType_GenericAlloc(PyTypeObject *, Py_ssize_t)

# ---- Functions of later parts that earlier ones call ----

cdef void (*own_dealloc)(PyObject *) noexcept           # handle.pxi: by it a class with a dialect is known
cdef int (*watch_cycles)() except -1                    # cycles.pxi: to be called when a node gets what can lead to it
cdef void (*open_small_cycles)() noexcept               # cycles.pxi: tidy_up calls it when there are cycle candidates

# ---- Dialects ----
#
# Teaching classes differ in what is an int and what a float at first, and in what they lack. Value and each class that
# `_make_class` makes (dialects.pxi) have a Dialect, which says so. Its number is in the flags of the class's nodes.

cdef enum:
    MOST_DIALECTS = 64          # as many as FG_CLASS has room for
    MOST_FREE_HANDLES = 16384

cdef enum Results:
    MORE_DERIVED                # the left operand's class, or the right's if it derives from that
    LEFT
    BASE                        # the class that has the dialect, not a subclass

cdef enum:                      # bits of `lacks`
    RADD
    RMUL
    RSUB
    RTRUEDIV
    RPOW

cdef struct Dialect:
    PyTypeObject *cls           # never freed
    uint16_t new_flags          # flags of a new node: the dialect's number, whether grad is an int, whether deferred
    bint float_data             # the constructor makes floats of ints, and so do operations of constants and results
    bint float_seed             # backward() starts from 1.0, not 1
    bint micrograd_relu         # relu() is micrograd's `0 if data < 0 else data`, not microgpt's `max(0, data)`
    bint tanh_by_power          # tanh's derivative is `1 - y ** 2`, with the bits of Python's power, not `1 - y * y`
    Results results             # the class of results
    unsigned int lacks          # the reflected operators that the class doesn't have, a bit for each
    PyObject *own_power         # called for an exponent that isn't a float or an int; or NULL
    PyObject *check_number      # called for a number that isn't a float or an int; NULL: any will do
    PyObject *names             # a dict: names of operations other than ours; or NULL
    bint is_watched             # backward() looks at what was assigned to the class; False if a metaclass does
    unsigned int version        # of the class, when it was last seen to pass gradients on as the engine does
    PyObject **free_handles     # the first a NULL, then handles up to
    PyObject **free_handle      # this one

cdef Dialect dialects[MOST_DIALECTS]
cdef int n_dialects = 0

# ---- The active class ----
#
# One of the classes with a dialect is active, and the short ways are for it alone. An operation on another makes that
# one active; a script seldom has two.

cdef fg_arena arena
cdef PyTypeObject *active_class = NULL
cdef Dialect *active_dialect = NULL
cdef uint32_t new_kind = 0                  # the kind (fg_kind) of the active class's new nodes,
cdef uint32_t new_sum = 0, new_product = 0  # and of new sums and products of floats
cdef PyObject **free_handle = NULL          # the top of the active class's stack of free handles; a NULL if it's empty
cdef PyObject **last_free_handle = NULL     # where the last handle goes for which there's room
cdef unsigned int version_with_ours = NO_VERSION    # of the active class, when its data and grad were Node's
cdef PyTypeObject *recorded = NULL          # the active class if it's certain that operations record, else NULL
cdef PyTypeObject *unrecorded = NULL        # the active class if the last answer was that they don't, else NULL
cdef Py_ssize_t n_open_blocks = 0           # no_grad's, of all threads; and one more while a function waits
cdef bint last_answer = True                # to the question whether operations record (recording.pxi)


cdef void activate(Dialect *dialect) noexcept:
    global active_class, active_dialect, new_kind, new_sum, new_product
    global free_handle, last_free_handle, version_with_ours
    if active_dialect is not NULL:
        active_dialect.free_handle = free_handle
    active_dialect = dialect
    active_class, free_handle = dialect.cls, dialect.free_handle
    new_kind = fg_kind(0, 0, dialect.new_flags)
    new_sum = new_kind | fg_kind(FG_ADD, FG_BINARY, FG_LOCAL0_INT | FG_LOCAL1_INT)
    new_product = new_kind | fg_kind(FG_MUL, FG_BINARY, 0)
    last_free_handle = dialect.free_handles + MOST_FREE_HANDLES
    note_answer(last_answer)
    version_with_ours = NO_VERSION


cdef void note_answer(bint answer) noexcept:
    """Note whether operations record, for the short ways."""
    global last_answer, recorded, unrecorded
    last_answer = answer
    recorded = active_class if n_open_blocks == 0 else NULL
    unrecorded = NULL if answer else active_class


cdef inline PyObject *pop_free_handle() noexcept:
    global free_handle
    free_handle -= 1
    return free_handle[1]


cdef inline void push_free_handle(PyObject *handle) noexcept:
    global free_handle
    free_handle += 1
    free_handle[0] = handle


# ---- From a node, an object or a class to what it is ----

cdef inline fg_node *node_at(fg_index index) noexcept:
    return fg_at(arena.nodes, index)


cdef inline bint is_value(object x) noexcept:
    return isinstance(x, Node)


cdef inline bint has_own_dialect(PyTypeObject *cls) noexcept:
    """Whether a class is Value or one that `_make_class` has made; else it's derived from one by a class statement."""
    return cls.tp_dealloc is own_dealloc


cdef Dialect *dialect_of(PyTypeObject *cls) noexcept:
    """The dialect of a class: its own, or that of the class that it derives from."""
    cdef int i
    while not has_own_dialect(cls) and cls.tp_base is not NULL:
        cls = cls.tp_base
    for i in range(n_dialects):
        if dialects[i].cls is cls:
            return &dialects[i]
    return active_dialect


@cython.cdivision(True)
cdef inline Dialect *dialect_at(fg_index index) noexcept:
    """The dialect of a node's class."""
    return &dialects[node_at(index).flags // FG_CLASS_UNIT]
