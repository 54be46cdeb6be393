"""A copy of an author's class to try things on.

It has the author's code, but its globals are a copy of the module's. Methods that aren't closed (closed.py) aren't in
it: in their place are stubs that end the trial.
"""
import contextlib
import sys
from types import BuiltinFunctionType, CellType, FunctionType, MemberDescriptorType

TRIAL_ERRORS = (Exception, SystemExit, GeneratorExit)


@contextlib.contextmanager
def limited_recursion():
    """While a class is tried, recursion goes a thousand calls deep, whatever the script allows."""
    limit, depth, frame = sys.getrecursionlimit(), 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(min(limit, depth + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


class NotReplaceable(Exception):
    """Why a class is kept as it is."""


class Untried(BaseException):
    """A trial has come to a method that may not be tried."""


class Sandbox:
    """Functions of a module with globals of their own, in which a class goes by the name that it will have.

    untried: a method that may not be tried, but that a trial has called; None if there was none. (The author's code may
    have caught the exception.)
    """

    def __init__(self, cls, module_globals):
        self.original, self.real_globals, self.untried = cls, module_globals, None
        self.globals = {**module_globals, cls.__name__: cls}
        self.cell = CellType()                 # of the class, for `super()` and for classes made in a function
        self.copies = {}                       # of functions

    def fill(self, body, why_not):
        """Make the class. body: its attributes. why_not: says of a function why it may not be tried, or None."""
        for name, thing in self.real_globals.items():
            if isinstance(thing, FunctionType) and thing.__globals__ is self.real_globals:
                self.globals[name] = self.copy(thing)
        attributes = {name: self.stub(name) if any(map(why_not, functions_in(thing))) else self.copy(thing)
                      for name, thing in body.items() if not isinstance(thing, MemberDescriptorType)
                      and name not in ("__dict__", "__weakref__", "__slots__")}
        self.cls = type(self.original.__name__, (), attributes)
        self.bind(self.cls)

    def bind(self, cls):
        """Let the class's name mean cls in the sandbox."""
        self.globals[self.original.__name__] = cls
        self.cell.cell_contents = cls

    def stub(self, name):
        """What stands for a method that may not be tried."""
        def untried(*args, **named):
            self.untried = name
            raise Untried(name)
        return untried

    def copy(self, thing):
        """A function, method or property as it is in the sandbox; anything else as it is."""
        if isinstance(thing, FunctionType):
            return self._function(thing)
        if isinstance(thing, (staticmethod, classmethod)):
            return type(thing)(self.copy(thing.__func__))
        if isinstance(thing, property):
            return property(*[f and self.copy(f) for f in (thing.fget, thing.fset, thing.fdel)], thing.__doc__)
        return thing

    def _function(self, function):
        if function.__globals__ is not self.real_globals:
            return function
        if function in self.copies:
            return self.copies[function]
        cells = function.__closure__
        if cells is not None:
            cells = tuple(self.cell if name in ("__class__", self.original.__name__) else cell
                          for name, cell in zip(function.__code__.co_freevars, cells))
            cells = tuple(CellType(self._function(cell.cell_contents)) if holds_function(cell) else cell
                          for cell in cells)
        defaults = function.__defaults__ and tuple(map(copied, function.__defaults__))
        copy = FunctionType(function.__code__, self.globals, function.__name__, defaults, cells)
        copy.__kwdefaults__ = function.__kwdefaults__ and {name: copied(x)
                                                           for name, x in function.__kwdefaults__.items()}
        self.copies[function] = copy
        return copy

    def has_kept_traces(self):
        """Whether a default of a function, [] say, isn't what it was."""
        return any(original.__defaults__ != copy.__defaults__ or original.__kwdefaults__ != copy.__kwdefaults__
                   for original, copy in self.copies.items())


def copied(default):
    return default.copy() if type(default) in (list, set, dict) else default


def holds_function(cell):
    """Whether a variable of an enclosing function holds a function."""
    try:
        return isinstance(cell.cell_contents, FunctionType)
    except ValueError:              # it's empty
        return False


def functions_in(thing):
    """The function, or those of the property or the method, that an attribute of a class is."""
    if isinstance(thing, property):
        return [f for f in (thing.fget, thing.fset, thing.fdel) if f is not None]
    thing = getattr(thing, "__func__", thing)
    return [thing] if callable(thing) and not isinstance(thing, type) else []


def codes_of(code):
    """A code object and those of the functions within it."""
    yield code
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            yield from codes_of(constant)


def is_itself(module):
    """Whether nobody has put functions of his own into a module of C functions."""
    return all(is_pythons_own(x) for x in vars(module).values())


def is_pythons_own(x):
    """Whether a thing in math or among the builtins is one that Python has put there."""
    return not callable(x) or isinstance(x, BuiltinFunctionType) or isinstance(x, type) and x.__module__ in (
        "builtins", "_frozen_importlib", "_frozen_importlib_external", "_sitebuiltins") or type(x).__module__ in (
        "_sitebuiltins", "_frozen_importlib", "_frozen_importlib_external")
