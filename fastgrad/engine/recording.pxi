# Whether operations record a graph: no_grad's blocks. value/grad_mode.py says how they work, and has the same functions
# in plain Python. They are in C here for two reasons. An operation asks in a few nanoseconds. And no signal handler
# runs in the middle: a Ctrl-C at the beginning of an __exit__ in Python would leave the block open for ever.
#
# Nearly always no block is open in the whole process. Then `recorded` is the active class, and nobody asks. A forked
# process counts the blocks of the other threads, which it doesn't have: there operations ask, and get the right answer.

cdef object innermost = grad_mode.innermost
cdef object waiting = None              # a function to be called at the next operation

# last_answer (state.pxi) holds as long as the running thread's id and context_ver are these two. No context_ver is 0:
# after a block has been entered or left, the answer holds no more.
cdef uint64_t asked_thread = 0
cdef uint64_t asked_version = 0


cdef class Block:
    """From an __enter__ to its __exit__."""
    cdef readonly object outer
    cdef readonly bint is_open


cdef void count_blocks(int change) noexcept:
    global n_open_blocks, asked_version
    n_open_blocks += change
    asked_version = 0
    note_answer(True)


cdef PyObject *innermost_open() except NULL:
    """The innermost open block of the running context, or None. The context owns it: it's valid until Python runs."""
    cdef PyObject *block
    PyContextVar_Get(innermost, NULL, &block)
    decref(block)
    while block is not <PyObject *>None and not (<Block>block).is_open:
        block = <PyObject *>(<Block>block).outer
    return block


cdef inline bint is_still_answered() noexcept:
    """Whether the last answer holds where this is called."""
    cdef PyThreadState *thread = PyThreadState_Get()
    return thread.context_ver == asked_version and thread.id == asked_thread


cdef inline bint is_recording() except -1:
    """Whether operations of the running context record their operands. May run Python: see _at_next_operation."""
    return n_open_blocks == 0 or (last_answer if is_still_answered() else ask())


cdef bint ask() except -1:
    global asked_thread, asked_version
    cdef PyThreadState *thread = PyThreadState_Get()
    if waiting is not None:
        call_waiting()
    note_answer(innermost_open() is <PyObject *>None)
    asked_thread, asked_version = thread.id, thread.context_ver
    return last_answer


@cython.binding(True)
def _enter_block(self):
    """no_grad.__enter__"""
    cdef Block block = Block()
    block.outer = <object>innermost_open()
    self._blocks.append(block)
    innermost.set(block)
    block.is_open = True
    count_blocks(+1)
    return self


@cython.binding(True)
def _leave_block(self, *exc_info):
    """no_grad.__exit__"""
    cdef list blocks = self._blocks
    cdef object block = innermost.get()
    while block is not None and block not in blocks:
        block = (<Block>block).outer
    if block is None:
        if not blocks:
            raise RuntimeError("a no_grad block is left that hasn't been entered")
        block = blocks[-1]
    blocks.remove(block)
    (<Block>block).is_open = False
    count_blocks(-1)
    block = <object>innermost_open()
    if block is not innermost.get():
        innermost.set(block)


grad_mode.no_grad.__enter__ = _enter_block
grad_mode.no_grad.__exit__ = _leave_block


def _at_next_operation(function):
    """Call function() once, when any thread next makes a node of operands. A function that waits already is replaced.
    The function may not raise."""
    global waiting
    if waiting is None:
        count_blocks(+1)
    waiting = function


cdef int call_waiting() except -1:
    global waiting
    function, waiting = waiting, None
    count_blocks(-1)
    function()
    return 0
