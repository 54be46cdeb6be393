"""@public: what users call. An error that leaves it has no frames of this package in its traceback.

So the last line that a user reads is one of theirs: the call, or a line of a function of theirs that ours has called.
All else about the error stays as it is. The compiled engine does it (fastgrad/engine/public.pxi); a call takes some
20 ns more. The engine in plain Python is there to be read, and shows all frames; so does a debug build.

It imports nothing of fastgrad. The compiled engine, which imports some of what is public itself, calls `begin`.
"""
from types import FunctionType

# Of a class: its methods without an underscore, and these.
SPECIAL = {"__init__", "__call__", "__iter__", "__next__", "__getitem__", "__set__", "__setitem__", "__delitem__"}
NO_FUNCTIONS = 0x20 | 0x80 | 0x200      # flags of code: generators' and coroutines' frames live on after the call

_wrapper = None
_early = []     # classes before there is one


def begin(wrapper):
    """Use wrapper for all that is public: it takes a function and what is tried first (see public), and what it returns
    takes the function's place."""
    global _wrapper
    _wrapper = wrapper
    while _early:
        public(_early.pop())


def public(thing, first=None):
    """A decorator for a function, or a class, of which it means all methods that users call. Returns what takes the
    function's place, or the class itself.

    first: a function of the compiled engine's that is tried before the function. It returns None to decline."""
    if not isinstance(thing, type):
        return thing if _wrapper is None else _wrapper(thing, first)
    if _wrapper is None:
        _early.append(thing)
        return thing
    for name, method in list(vars(thing).items()):
        if type(method) is FunctionType and (not name.startswith("_") or name in SPECIAL) \
                and not method.__code__.co_flags & NO_FUNCTIONS:
            setattr(thing, name, _wrapper(method))
    return thing
