"""Decide whether a method may be tried. It may if it's closed: nothing outside of it changes what it does, and it
changes nothing outside of it.

A trial of a method that isn't closed would show what the method does now, not what it does later, and it could leave
traces: a line in a file, a node on a tape. So a method is tried only if its code uses nothing but its arguments,
literals, its own class, `math` and a few modules like it, builtins without effects, nested functions that do the same,
and names of its module that are bound once, to a number or a closed function.

The names that a method relies on are noted, so that watching.py can go back to the author's method when one is bound
again.
"""
import ast
import builtins
import cmath
import collections
import dis
import enum
import functools
import math
import numbers
import sys
import typing
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, ModuleType

from fastgrad.script.sandbox import codes_of, is_itself, is_pythons_own
from fastgrad.script.text import text_of

MODULES = (math, cmath, collections, numbers, typing)
HARMLESS = {*"""abs all any bool callable complex dict divmod enumerate filter float format frozenset
    hash id int isinstance issubclass iter len list map max min next object pow property range repr reversed round set
    slice sorted str sum super tuple type zip NotImplemented Ellipsis __debug__ __name__""".split(),
            *(name for name, x in vars(builtins).items() if isinstance(x, type) and issubclass(x, Exception))}
IMMUTABLE = (int, float, str, bytes, bool, type(None), type(...), type(NotImplemented))
DUNDERS = {"__class__", "__name__", "__qualname__", "__doc__"}
FORBIDDEN = {"STORE_GLOBAL": "binds the global", "DELETE_GLOBAL": "deletes the global", "DELETE_ATTR": "deletes",
             "LOAD_BUILD_CLASS": "has a class statement", "GET_AWAITABLE": "awaits"}
# The names of the attributes of containers, strings and numbers.
HARMLESS_ATTRIBUTES = {name for kind in (list, set, dict, tuple, str, int, float, collections.deque)
                       for name in dir(kind) if not name.startswith("__")}
ARITHMETIC = {name for name in dir(int) if name.startswith("__")} - {*dir(object)} | {"__init__", "__eq__", "__hash__"}


@functools.lru_cache(maxsize=None)
def instructions(code):
    """The instructions of a code object, cached, since disassembling takes most of the time of reading."""
    return tuple(dis.get_instructions(code))


def has_while(function, text):
    """Whether a function has a while loop that may not end. `while stack:`, where stack is a list, counts as ending."""
    for definition in text.nodes:
        if isinstance(definition, ast.FunctionDef) and definition.lineno == function.__code__.co_firstlineno:
            nodes = list(ast.walk(definition))
            lists = {target.id for node in nodes if isinstance(node, ast.Assign)
                     for target, value in assigned(node.targets[0], node.value)
                     if isinstance(target, ast.Name) and isinstance(value, (ast.List, ast.ListComp))}
            if any(isinstance(node, ast.While) and getattr(node.test, "id", None) not in lists for node in nodes):
                return True
    return False


def assigned(target, value):
    """The pairs of target and value of an assignment. `a, b = [], 0` has two."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return zip(target.elts, value.elts)
    return [(target, value)]


class NotClosed(Exception):
    """A function may not be tried. The message says why, in words that go after the function's name."""


class Reader:
    """Decides which functions of a class are closed.

    body: the class's attributes by name, those of its bases and those that are assigned later included. text: the Text
    of the class's file (text.py). scratch: the globals for functions that the module defines further down, which are
    made ahead of time; `later` has these by name. If why_not(f) is None, relied[f] has the names of the module that f
    uses, with their values.
    """

    def __init__(self, cls, body, module_globals, text, scratch):
        self.cls, self.body, self.globals, self.text, self.scratch = cls, body, module_globals, text, scratch
        main = text_of(getattr(sys.modules["__main__"], "__file__", None) or text.file)
        self.is_reached_from_outside = main is not text and main.is_dynamic     # as by `vars(engine)['leak'] = ...`
        self.reasons, self.relied, self.later, self.backward, self.is_rebound = {}, {}, {}, None, False
        constructor = body.get("__init__")
        self.set_by_constructor = set_on_self(constructor.__code__) if isinstance(constructor, FunctionType) else set()

    def why_not(self, function):
        """Why a function isn't closed, in words that go after its name; None if it is."""
        if function not in self.reasons:
            self.reasons[function] = None       # while it's read: it may call itself
            self.relied[function] = {}
            try:
                self._read(function)
            except NotClosed as reason:
                self.reasons[function] = str(reason)
        return self.reasons[function]

    def _read(self, function):
        if function is object.__hash__:         # as `__hash__ = object.__hash__` beside an `__eq__`
            return
        if not isinstance(function, FunctionType) or function.__globals__ is not self.globals \
                and function.__globals__ is not self.scratch:
            raise NotClosed("is no function of the class's module")
        if function.__code__.co_flags & (0x20 | 0x80 | 0x200):          # generator, coroutine, asynchronous generator
            raise NotClosed("is a generator or a coroutine")
        if function is not self.backward and has_while(function, self.text):
            raise NotClosed("has a while loop, which may not end for the numbers that are tried")
        for value in [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]:
            is_container = function is self.body.get("__init__") and type(value) in (list, set, dict) and not value
            if not (is_constant(value) or is_container or self._is_closed(value)):
                raise NotClosed(f"has the default {value!r:.40}, which may change")
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            self._read_variable(function, name, cell)
        for code in codes_of(function.__code__):
            for instruction in instructions(code):
                self._read_instruction(function, instruction)
        if function is self.body.get("__init__") and (read := attributes_used(function.__code__) & self.body.keys()
                                                      & self.set_by_constructor):
            raise NotClosed(f"reads {min(read)!r}, which it also sets")

    def _read_variable(self, function, name, cell):
        """Raise NotClosed if a variable of an enclosing function is neither the class nor a module like `math`."""
        try:
            thing = cell.cell_contents
        except ValueError:
            thing = self.cls if name == self.cls.__name__ else None
        if name == self.cls.__name__ and self.is_rebound:
            raise NotClosed(f"uses {name!r}, which is bound again")
        if name in ("__class__", self.cls.__name__) or thing is self.cls:
            return
        if thing not in MODULES or not self._is_closed(thing):
            raise NotClosed(f"uses {name!r} of the function around it")

    def _read_instruction(self, function, instruction):
        what, name = instruction.opname, instruction.argval
        if what in FORBIDDEN:
            raise NotClosed(f"{FORBIDDEN[what]} {name!r}" if isinstance(name, str) else FORBIDDEN[what])
        if what == "IMPORT_NAME" and name != "math":
            raise NotClosed(f"imports {name!r}")
        if what in ("LOAD_GLOBAL", "LOAD_NAME"):
            self._read_global(function, name)
        elif what in LOADS or what == "STORE_ATTR":
            self._read_attribute(what, name)

    def _read_global(self, function, name):
        if name == self.cls.__name__:
            if self.is_rebound:
                raise NotClosed(f"uses {name!r}, which is bound again")
            return
        if name in self.globals:
            thing = self.globals[name]
        elif name in self.text.functions:
            thing = self._later(name)
        elif name in self.text.constants and self.text.is_bound_once(name):
            thing = self.scratch[name] = self.text.constants[name]
        elif name == "math" and "math" in self.text.modules:
            thing = math
        elif name in HARMLESS:
            thing = vars(builtins).get(name, name)
            if not is_pythons_own(thing):
                raise NotClosed(f"uses {name!r}, which has been replaced")
        else:
            raise NotClosed(f"uses {name!r}")
        if not self._is_closed(thing):
            why = self.reasons.get(thing) if isinstance(thing, FunctionType) else None
            raise NotClosed(f"uses {name!r}" + (f", which {why}" if why else ""))
        if name not in self.globals and name in HARMLESS:
            may_change = self.text.bindings[name] > 0 or self.text.binds_anything
        else:
            may_change = self.text.bindings[name] > self.text.imports[name] if thing in MODULES \
                else self.is_reached_from_outside or not self.text.is_bound_once(name)
        if may_change:
            raise NotClosed(f"uses {name!r}, which may be bound again")
        self.relied[function][name] = thing
        if isinstance(thing, FunctionType):
            self.relied[function].update(self.relied[thing])

    def _later(self, name):
        """Make a function that the module defines further down. Raises NotClosed if that can't be done."""
        if name not in self.later:
            code = self.text.later_function(name)
            if code is None:
                raise NotClosed(f"uses {name!r}, which isn't there yet")
            exec(code, self.scratch)
            self.later[name] = self.scratch[name]
        return self.later[name]

    def _read_attribute(self, what, name):
        if name.startswith("__") and name.endswith("__") and name not in DUNDERS | ARITHMETIC:
            raise NotClosed(f"uses {name!r}")
        if name not in self.body:
            return
        thing = self.body[name]
        if isinstance(thing, MemberDescriptorType) or is_constant(thing) and name in self.set_by_constructor:
            return
        if what == "STORE_ATTR" and not isinstance(thing, property):
            raise NotClosed(f"assigns the class's {name!r}")
        if not isinstance(thing, (FunctionType, property, staticmethod, classmethod)) and not is_harmless_class(thing):
            raise NotClosed(f"reads the class's {name!r}, which may change")

    def _is_closed(self, thing):
        """Whether a name's value never changes, and may be used without leaving traces."""
        if isinstance(thing, FunctionType):
            return self.why_not(thing) is None
        if isinstance(thing, BuiltinFunctionType):
            return getattr(thing, "__self__", None) in MODULES or thing.__module__ == "math" \
                or vars(builtins).get(thing.__name__) is thing and thing.__name__ in HARMLESS
        if isinstance(thing, ModuleType):
            return thing in MODULES and (thing is not math or is_itself(math))
        if isinstance(thing, type):
            return thing is self.cls or is_harmless_class(thing)
        if thing is NotImplemented or thing is Ellipsis:
            return True
        return is_constant(thing) or type(thing).__module__ == "typing"


def is_constant(x):
    """Whether x can't change: it's a number, a string, a harmless class, or a tuple or frozenset of these."""
    if type(x) in (tuple, frozenset):
        return all(map(is_constant, x))
    return type(x) in IMMUTABLE or is_harmless_class(x)


def is_harmless_class(cls):
    """Whether a class is a harmless builtin, a class of numbers or containers in the standard library, a NumPy number,
    or an enumeration or exception without methods of its own."""
    if not isinstance(cls, type):
        return False
    if cls.__module__ in ("builtins", "numbers", "collections", "collections.abc", "types"):
        return cls.__module__ != "builtins" or cls.__name__ in HARMLESS
    if cls.__module__ == "numpy" and not hasattr(cls, "__len__"):
        return True                     # numpy.float64 and others like it, but not an array
    return issubclass(cls, (enum.Enum, Exception)) and not any(
        isinstance(x, (FunctionType, property)) and x.__module__ == cls.__module__ for x in vars(cls).values())


LOADS = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")


def attributes_used(code):
    """The names of the attributes that a code object reads, without those that only functions within it read."""
    return {instruction.argval for instruction in instructions(code) if instruction.opname in LOADS}


def set_on_self(code):
    """The names of the attributes that a method sets on its instance, not on its class or another object."""
    found, loaded = set(), None
    for instruction in instructions(code):
        if instruction.opname == "STORE_ATTR" and loaded == code.co_varnames[0]:
            found.add(instruction.argval)
        loaded = instruction.argval
        if type(loaded) is tuple and loaded:        # one instruction may load two variables
            loaded = loaded[-1]
    return found


def methods_named(function, body):
    """The names of the class's methods that a function uses. Functions of math with these names don't count.

    body: the class's attributes by name.
    """
    for code in codes_of(function.__code__):
        before = None
        for instruction in instructions(code):
            if instruction.opname in LOADS and instruction.argval in body and before != "math":
                yield instruction.argval
            before = instruction.argval


def only_stores(function):
    """Whether a constructor only stores its arguments, as they are or converted to another container."""
    names = set()
    for instruction in instructions(function.__code__):
        if instruction.opname in LOADS or instruction.opname.startswith(
                ("RAISE", "POP_JUMP", "JUMP_", "COMPARE", "CONTAINS", "FOR_ITER", "BINARY", "UNARY")):
            return False
        if instruction.opname == "LOAD_GLOBAL":
            names.add(instruction.argval)
    return names <= {"set", "tuple", "list", "frozenset"}


def unknown_attribute(function, known):
    """The name of an attribute that a function uses and that isn't known, or None. known: names of fields and methods.
    """
    for code in codes_of(function.__code__):
        for instruction in instructions(code):
            what, name = instruction.opname, instruction.argval
            if what == "STORE_ATTR" and name not in known:
                return name
            if what in LOADS and name not in known and name not in HARMLESS_ATTRIBUTES | DUNDERS | ARITHMETIC \
                    and not any(is_pristine(module, name) for module in MODULES):
                return name
    return None


def is_pristine(module, name):
    """Whether a module has a number or one of its own functions by this name, not a function from elsewhere."""
    thing = vars(module).get(name)
    return type(thing) in (int, float) or getattr(thing, "__module__", None) in (module.__name__, "_collections")
