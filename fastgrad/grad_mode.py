"""Whether operations record a graph: ``no_grad``, shared by both engines.

The setting belongs to the running context (so to the thread, and to the asyncio task), but asking a context variable
costs tens of nanoseconds, too much for every ``a * b``. So the number of open blocks in the whole process is kept as
well: while it is 0, and it nearly always is, an engine needs to ask no further.
"""
import contextlib
import contextvars

_recording = contextvars.ContextVar("fastgrad_recording", default=True)
_open_blocks = 0
_watchers = []


def is_recording():
    """Whether operations of the running context record their operands."""
    return not _open_blocks or _recording.get()


def watch(function):
    """Call function(n) whenever the number n of open no_grad blocks in the process changes."""
    _watchers.append(function)


def _count(change):
    global _open_blocks
    _open_blocks += change
    for function in _watchers:
        function(_open_blocks)


class no_grad(contextlib.ContextDecorator):
    """Record no graph: within the block (or the decorated function) results are leaves without children."""

    def __init__(self):
        self._tokens = []

    def __enter__(self):
        self._tokens.append(_recording.set(False))
        _count(+1)
        return self

    def __exit__(self, *exc_info):
        _count(-1)
        _recording.reset(self._tokens.pop())
