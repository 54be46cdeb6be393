"""Find what the trials of a method can't show, since it depends on numbers, types or gradients that they don't try.

Trials use a few numbers, operands that are Values or numbers, and the gradients that result. A method that compares
with 100, or asks whether its operand is a list or whether a gradient is nan, may do something else in cases that no
trial covers. So such a method stays the author's. A Reach is all code that a method runs: its own, that of functions of
the module, and that of methods and properties of its class that it names.
"""
import re
from types import FunctionType

from fastgrad.script.closed import LOADS, instructions
from fastgrad.script.sandbox import codes_of, functions_in

USUAL = {0, 1, -1, 2, -2, 0.5, -0.5, 3}         # numbers that the trials try
COMPARING = {"COMPARE_OP", "CONTAINS_OP"}
COMPARING_NAMES = {"min", "max", "round", "divmod"}
BITWISE = re.compile(r"BINARY_(MODULO|FLOOR_DIVIDE|AND|OR|XOR|LSHIFT|RSHIFT)|INPLACE_(MODULO|FLOOR_DIVIDE|AND|OR|XOR)")
INEXACT = {"%", "//", "&", "|", "^", "<<", ">>", "%=", "//=", "&=", "|=", "^=", "<<=", ">>="}
KINDS = {"bool", "str", "bytes", "list", "dict", "complex", "object", "callable", "iter", "next", "format", "repr"}
FINITE = {"isnan", "isinf", "isfinite", "copysign"}
CONVERTED = re.compile(r"\s*[-+]?(\d[\d_]*\.?\d*(e[-+]?\d+)?|inf|infinity|nan)\s*", re.IGNORECASE)


class Reach:
    """The code that a method runs.

    function: the method. body: the class's attributes by name. relied: what functions use of the module (closed.py).
    own: names of methods that count as operations, whose code isn't followed.
    """

    def __init__(self, function, body, relied, own=()):
        self.functions, todo = [], [function]
        while todo:
            each = todo.pop()
            if each in self.functions:
                continue
            self.functions.append(each)
            names = {i.argval for code in codes_of(each.__code__) for i in instructions(code)
                     if i.opname in LOADS}
            todo += [f for name in names - {*own} if name in body for f in functions_in(body[name])
                     if isinstance(f, FunctionType)]
            todo += [x for x in relied.get(each, {}).values() if isinstance(x, FunctionType)]
        self.codes = [(code, each) for each in self.functions for code in codes_of(each.__code__)]
        self.instructions = [i for code, _ in self.codes for i in instructions(code)]
        self.names = {i.argval for i in self.instructions if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        self.relied = [x for each in self.functions for x in relied.get(each, {}).values()]

    def numbers(self, usual=USUAL):
        """The numbers in the code, in the values of names, and in defaults, except the usual ones. Strings that float()
        may convert count too."""
        found, todo = set(), [*self.relied, *(x for code, _ in self.codes for x in code.co_consts)]
        found.update(i.argval for i in self.instructions if i.opname in LOADS and i.argval in ("pi", "e", "tau", "inf"))
        todo += [x for f in self.functions for x in [*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]]
        while todo:
            x = todo.pop()
            if type(x) in (tuple, frozenset):
                todo += x
            elif type(x) in (int, float) and x not in usual:
                found.add(x)
            elif type(x) is str and CONVERTED.fullmatch(x) and {"float", "int"} & self.names:
                found.add(x)
        return found

    def compares(self):
        """Whether the code compares or rounds anything."""
        return bool(self.names & COMPARING_NAMES) or any(
            i.opname in COMPARING or BITWISE.match(i.opname) or i.opname == "BINARY_OP" and i.argrepr in INEXACT
            for i in self.instructions)

    def asks_for_kinds(self):
        """The name of a type or of a test in the code for which there are no trials, or None."""
        attributes = {i.argval for i in self.instructions if i.opname in LOADS}
        if found := self.names & KINDS or (self.names | attributes) & FINITE:
            return min(found)
        is_none = any(i.opname == "IS_OP" or "NONE" in i.opname and "JUMP" in i.opname for i in self.instructions)
        return "is" if is_none else None

    def stores(self):
        """The attributes that the method sets when it's called."""
        return {i.argval for code, function in self.codes if not self._is_later(code, function)
                for i in instructions(code) if i.opname == "STORE_ATTR"}

    def _is_later(self, code, function):
        """Whether code belongs to a function that the method makes, which may run later. Lambdas and comprehensions
        count as running at once."""
        return function is self.functions[0] and code is not function.__code__ and code.co_name[0] != "<"

    def raises(self):
        return any(i.opname in ("RAISE_VARARGS", "LOAD_ASSERTION_ERROR", "LOAD_COMMON_CONSTANT")
                   for i in self.instructions)

    def reads(self):
        """The attributes that the method reads when it's called, and those that functions made within it read later."""
        at_once, later = set(), set()
        for code, function in self.codes:
            (later if self._is_later(code, function) else at_once).update(
                i.argval for i in instructions(code) if i.opname in LOADS)
        return at_once, later
