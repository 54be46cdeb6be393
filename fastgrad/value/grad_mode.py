"""Whether operations record a graph: ``no_grad``, shared by both engines.

A block is open from when it's entered until it's left. It applies in the context that enters it (so in the thread, and
in the asyncio task), and in contexts that are copied from that one meanwhile, such as those of tasks that the block
starts.

A block may be left in another context: after a `break` out of `async for`, a task of its own closes the generator, and
the garbage collector closes generators in whatever thread it runs. So a context doesn't note whether it records. It
notes its innermost block, and the block notes whether it's open. Leaving a block closes it for all contexts that note
it, and changes nothing else in the context where it's left.

There is no lock. Destructors and signal handlers enter blocks too, and may interrupt code that holds the lock. And a
lock that another thread holds during a fork stays locked in the forked process.
"""
import contextvars

from fastgrad.value.decorating import decorated
from fastgrad.value.public import public

innermost = contextvars.ContextVar("fastgrad_innermost_no_grad", default=None)


class Block:
    """One pass through a no_grad block, from __enter__ to __exit__. outer: the block around it, or None."""

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


@public
class no_grad:
    """Record no graph: within the block (or the decorated function) results are leaves without children.

    Use it as `with no_grad():`, or decorate functions, generators and coroutines with `@no_grad()` or `@no_grad`. A
    generator's block is open while the generator's body runs, not while its consumer does. Blocks may be nested, and an
    object may be used again, also within its own block. A block applies only to its own thread and asyncio task.
    """

    def __new__(cls, function=None):
        self = super().__new__(cls)
        self._blocks = []       # its open blocks
        return self if function is None else self(function)

    # The compiled engine replaces these two methods by functions in C: recording.pxi.

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
        return decorated(function, no_grad)     # a new object per call, so that no call leaves another call's block
