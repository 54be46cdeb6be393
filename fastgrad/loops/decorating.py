"""@fuse: let C run the loops over Values of a function, or of a class's functions.

The source file of a function is compiled as a whole, once as the author wrote it and once with loops rewritten, so that
scopes, closures, private names, super() and line numbers are what they are. The two have the same functions within
functions, in the same order. The one whose code is the function's says where the rewritten code is, and the function
gets that: it stays the same object, and all else that belongs to it stays.
"""
import __future__

import functools
import linecache
import weakref
from types import CodeType, FunctionType, MethodDescriptorType, WrapperDescriptorType

from fastgrad.loops import switch
from fastgrad.value.public import public

FUTURES = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})
IN_C = MethodDescriptorType, WrapperDescriptorType      # what the functions of a class are that is written in C
MOST_FILES = 64         # whose codes are kept

_as_they_are: weakref.WeakSet = weakref.WeakSet()       # functions that @fuse(False) has been put on


@public
def fuse(thing=True):
    """Let C run the loops over Values of a function or a class. A decorator.

    thing: a function, a staticmethod, classmethod or property, or a class, of which all functions are meant that its
    class statement defines. False: the result is a decorator that leaves them as they are, also where what is around
    them is rewritten. Returns the thing itself.

    Raises TypeError if it isn't one of these, or isn't written in Python, and ValueError if its source isn't to be
    found, or isn't what it was made of.

    >>> @fuse
    ... def linear(x, weight):
    ...     return [sum(w * xi for w, xi in zip(row, x)) for row in weight]
    """
    if thing is True:
        return fuse
    if thing is False:
        return leave
    functions = functions_of(thing)
    if switch.is_on():
        errors = []
        for function in functions:
            try:
                fuse_function(function)
            except ValueError as error:
                errors.append(error)
        # Of a class it's enough that one has a source: dataclasses, say, add some without.
        if errors and len(errors) == len(functions):
            raise errors[0] from None
    return thing


def leave(thing):
    """What fuse(False) returns: a decorator that leaves a function or a class as it is."""
    for function in functions_of(thing):
        _as_they_are.add(function)
        if switch.is_on():
            from fastgrad.loops import rewriting
            for loop in rewriting.loops(function.__code__):     # `python -m fastgrad` has rewritten it
                loop.is_on = False
    return thing


# ---- Functions ----

def functions_of(thing):
    """The functions of what fuse() is given."""
    if isinstance(thing, type):
        functions = list(functions_in_class(thing))
        if not functions and any(isinstance(each, IN_C) and each.__objclass__ is thing
                                 for each in vars(thing).values()):
            raise TypeError(f"fuse() takes a class that is written in Python, which {thing.__qualname__!r} isn't")
        return functions
    functions = list(functions_in(thing))
    if not functions:
        what = getattr(thing, "__qualname__", None)
        raise TypeError("fuse() takes a function or a class that is written in Python, not "
                        + (f"{type(thing).__name__} {what!r}" if isinstance(what, str) else type(thing).__name__))
    return functions


def functions_in(thing):
    """The functions of which a descriptor or a decorated function is made."""
    if isinstance(thing, property):
        for each in (thing.fget, thing.fset, thing.fdel):
            yield from functions_in(each)
        return
    if isinstance(thing, (functools.cached_property, functools.singledispatchmethod)):
        thing = thing.func
    elif isinstance(thing, (staticmethod, classmethod)):
        thing = thing.__func__
    seen = set()
    while thing is not None and id(thing) not in seen:
        seen.add(id(thing))         # what functools.wraps has made leads to what it wraps
        if isinstance(thing, FunctionType):
            yield thing
        thing = getattr(thing, "__wrapped__", None)


def functions_in_class(cls):
    """The functions that a class statement defines, those of classes within included."""
    for each in list(vars(cls).values()):
        if isinstance(each, type):
            if each.__qualname__.startswith(f"{cls.__qualname__}.") and each.__module__ == cls.__module__:
                yield from functions_in_class(each)
        else:
            for function in functions_in(each):
                if function.__qualname__.startswith(f"{cls.__qualname__}."):
                    yield function


def fuse_function(function):
    """Give a function the code with loops rewritten. Raises ValueError if there's no source."""
    if function in _as_they_are:
        return
    from fastgrad.loops import rewriting
    if rewriting.loops(function.__code__):
        return                      # it's done already
    code = function.__code__
    name = f"{function.__module__}.{function.__qualname__}"
    linecache.checkcache(code.co_filename)
    source = "".join(linecache.getlines(code.co_filename, function.__globals__))
    if not source:
        raise ValueError(f"fuse() needs the source of {name}, and there's none in {code.co_filename}")
    found = codes_of(code.co_filename, source, code.co_flags & FUTURES).get(code)
    if found is None:
        raise ValueError(f"fuse() finds other code at {code.co_filename}:{code.co_firstlineno} than {name} was made "
                         "of: the file has changed, or something else has rewritten the function")
    function.__code__ = found


# ---- Codes ----

@functools.lru_cache(MOST_FILES)
def codes_of(file, source, flags):
    """The codes of a file's functions: {as the author wrote it: with loops rewritten}. Empty if there's no code."""
    import ast

    from fastgrad.loops import rewriting
    from fastgrad.loops.warned import without_warnings
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT         # for cells of notebooks
    try:
        with without_warnings():
            tree = compile(source, file, "exec", flags | ast.PyCF_ONLY_AST, True)
            plain = compile(tree, file, "exec", flags, True)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found = {}
    pair(plain, rewriting.rewritten(tree, plain, file, "exec", flags), found)
    return found


def pair(plain, rewritten, found):
    """Note which code within one code becomes which within the other."""
    theirs, ours = ([each for each in code.co_consts if isinstance(each, CodeType)] for code in (plain, rewritten))
    if len(theirs) == len(ours):
        for one, other in zip(theirs, ours):
            if is_pair(one, other):
                found[one] = other
                pair(one, other, found)


def is_pair(one, other):
    return all(getattr(one, name) == getattr(other, name)
               for name in ("co_name", "co_firstlineno", "co_freevars", "co_flags", "co_argcount"))
