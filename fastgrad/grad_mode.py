"""Whether operations record a graph: ``no_grad``, shared by both engines.

A block holds from when it's entered until it's left, in the context that enters it (so in the thread, and in the
asyncio task), and in those that are copied from that one meanwhile, as those of tasks that the block starts.

It may be left in another context: a `break` out of `async for` leaves the generator to a task of its own that closes
it, and the garbage collector closes generators in whatever thread it runs. So a context doesn't note whether it
records. It notes its innermost block, and the block itself knows whether it's open. Who leaves a block closes it for
all that note it, and changes nothing else in the context where that happens.

There is no lock: destructors and signal handlers, which interrupt anything, enter blocks too, and in a forked process
a lock stays as another thread has had it.
"""
import contextvars

from fastgrad.decorating import decorated

innermost = contextvars.ContextVar("fastgrad_innermost_no_grad", default=None)


class Block:
    """From an __enter__ to its __exit__."""

    __slots__ = ("outer", "is_open")

    def __init__(self, outer):
        self.outer, self.is_open = outer, True


def innermost_open():
    """The innermost open block of the running context, or None."""
    block = innermost.get()
    while block is not None and not block.is_open:
        block = block.outer
    return block


def is_recording():
    """Whether operations of the running context record their operands."""
    return innermost_open() is None


class no_grad:
    """Record no graph: within the block (or the decorated function) results are leaves without children.

    `with no_grad():`, `@no_grad()` or `@no_grad`, for functions, generators and coroutines. The block of a generator is
    open while its body runs, not while its consumer does. Blocks may be nested, and an object may be used again, also
    within its own block. A block is its thread's and its asyncio task's own.
    """

    def __new__(cls, function=None):
        self = super().__new__(cls)
        self._blocks = []       # those that are open
        return self if function is None else self(function)

    # The compiled engine puts functions of its own in place of these two: recording.pxi.

    def __enter__(self):
        block = Block(innermost_open())
        self._blocks.append(block)
        innermost.set(block)
        return self

    def __exit__(self, *exc_info):
        block = innermost.get()
        while block is not None and block not in self._blocks:
            block = block.outer
        if block is None:       # it was entered in another context
            if not self._blocks:
                raise RuntimeError("a no_grad block is left that hasn't been entered")
            block = self._blocks[-1]
        block.is_open = False
        self._blocks.remove(block)
        innermost.set(innermost_open())

    def __call__(self, function):
        return decorated(function, no_grad)     # a new object for each call, so that none leaves another one's block
