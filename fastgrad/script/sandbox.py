"""A copy of an author's class for trials.

It has the author's code, but its globals are a copy of the module's. Each method that isn't closed (closed.py) is
replaced by a stub that ends the trial.
"""
import contextlib
import sys
from types import BuiltinFunctionType, CellType, FunctionType, MemberDescriptorType

TRIAL_ERRORS = (Exception, SystemExit, GeneratorExit)


@contextlib.contextmanager
def limited_recursion():
    """Limit recursion to a thousand more calls while a class is tried, even if the script allows more."""
    limit, depth, frame = sys.getrecursionlimit(), 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(min(limit, depth + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


class NotReplaceable(Exception):
    """A class is kept as it is. The message says why."""


class Untried(BaseException):
    """A trial has called a method that may not be tried. The message is the method's name."""


class Sandbox:
    """Copies of a module's functions with globals of their own, in which the class's name means the class under trial.

    untried: the name of a method that may not be tried, but that a trial has called, or None. (Untried isn't enough:
    the author's code may catch it.)
    """

    def __init__(self, cls, module_globals):
        self.original, self.real_globals, self.untried = cls, module_globals, None
        self.globals = {**module_globals, cls.__name__: cls}
        self.cell = CellType()                 # holds the class, for `super()` and for classes made in a function
        self.copies = {}                       # function: its copy

    def fill(self, body, why_not):
        """Make the copy of the class, `cls`. body: the class's attributes by name. why_not: a function that says why a
        function may not be tried; None if it may."""
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
        """A function to replace a method that may not be tried."""
        def untried(*args, **named):
            self.untried = name
            raise Untried(name)
        return untried

    def copy(self, thing):
        """The sandbox's copy of a function, method or property. Anything else is returned as it is."""
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
        """Whether a trial has changed a function's default, such as []."""
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
    """The functions in an attribute of a class: those of a property, or the one of a method; none if it's neither."""
    if isinstance(thing, property):
        return [f for f in (thing.fget, thing.fset, thing.fdel) if f is not None]
    thing = getattr(thing, "__func__", thing)
    return [thing] if callable(thing) and not isinstance(thing, type) else []


def codes_of(code):
    """Yield a code object and those of the functions within it."""
    yield code
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            yield from codes_of(constant)


def is_itself(module):
    """Whether a module of C functions has only Python's own functions, and nobody has replaced one."""
    return all(is_pythons_own(x) for x in vars(module).values())


def is_pythons_own(x):
    """Whether an object in math or builtins is Python's own. Objects that can't be called count as such."""
    return not callable(x) or isinstance(x, BuiltinFunctionType) or isinstance(x, type) and x.__module__ in (
        "builtins", "_frozen_importlib", "_frozen_importlib_external", "_sitebuiltins") or type(x).__module__ in (
        "_sitebuiltins", "_frozen_importlib", "_frozen_importlib_external")
