"""Whether operations record a graph: ``no_grad``, shared by both engines.

The setting belongs to the running context (so to the thread, and to the asyncio task), but asking a context variable
costs tens of nanoseconds, too much for every ``a * b``. So the number of open blocks in the whole process is kept as
well: while it is 0, and it nearly always is, an engine needs to ask no further.
"""
import contextvars
import functools
import threading

_recording = contextvars.ContextVar("fastgrad_recording", default=True)
_open_blocks = 0
_counting = threading.Lock()
_tell = None        # the compiled engine's ear: called with the number of open blocks


def is_recording():
    """Whether operations of the running context record their operands."""
    return not _open_blocks or _recording.get()


def at_next_operation(function):
    """Call function() when the compiled engine next makes a node of operands, in whatever thread; once."""
    global is_recording
    ask = is_recording

    def is_recording():
        global is_recording
        is_recording = ask
        _count(-1)
        function()
        return ask()
    _count(+1)


def watch(function):
    """From now on call function(n) whenever the number n of open no_grad blocks in the process changes."""
    global _tell
    _tell = function


def _count(change):
    global _open_blocks
    with _counting:
        _open_blocks += change
        if _tell:
            _tell(_open_blocks)


class no_grad:
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

    def __call__(self, function):
        @functools.wraps(function)
        def without_graph(*args, **kwargs):
            with no_grad():     # one for each call: threads don't share tokens
                return function(*args, **kwargs)
        return without_graph
