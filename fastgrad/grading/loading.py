"""Run a student's file, a script or a notebook, and find the class to examine in what it has defined.

It's run as a module is imported (`__name__` isn't "__main__"), within a time limit. If it doesn't get to its end, what
was defined by then is examined; and if that has no engine, the rest of the file's definitions run by themselves.
"""
import ast
import contextlib
import json
import linecache
import os
import sys
import time
from types import ModuleType

from fastgrad.grading.expressions import OPERATORS
from fastgrad.grading.guard import TimeUp
from fastgrad.grading.interface import find_backward
from fastgrad.script.sandbox import TRIAL_ERRORS

THEN = "; what it had defined by then is examined"
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


class NothingToExamine(Exception):
    """There's no class to examine. The message says why."""


class Loaded:
    """What a file has defined. namespace: its globals. told: texts about how running it went."""

    def __init__(self, path, guard, seconds, only_definitions=False):
        self.path, self.guard, self.seconds = os.path.abspath(path), guard, seconds
        self.told = []
        stem = os.path.splitext(os.path.basename(path))[0]
        self.name = stem if stem.isidentifier() and stem not in sys.modules else "student_file"
        module = sys.modules[self.name] = ModuleType(self.name)
        module.__file__ = self.path
        self.namespace = vars(module)
        self.pieces = self._cells() if path.endswith(".ipynb") else self._script()
        if only_definitions:
            self.run_definitions()
        else:
            self._run()

    def _script(self):
        """[(file name in tracebacks, syntax tree, how to call the place)]"""
        with open(self.path, "rb") as file:
            source = file.read()
        try:
            return [(self.path, ast.parse(source, self.path), "")]
        except (SyntaxError, ValueError) as error:
            raise NothingToExamine(f"Python can't read it: {told(error)}") from None

    def _cells(self):
        from fastgrad.script.cells import python_of
        try:
            with open(self.path, encoding="utf-8") as file:
                cells = [cell for cell in json.load(file)["cells"] if cell["cell_type"] == "code"]
        except (ValueError, KeyError, TypeError):
            raise NothingToExamine("it's no notebook") from None
        self.namespace["display"] = lambda *things, **options: None
        pieces = []
        for i, cell in enumerate(cells, 1):
            name, where = f"{os.path.basename(self.path)}, cell {i}", f"cell {i}, "
            code, _ = python_of("".join(cell["source"]))
            linecache.cache[name] = len(code), None, code.splitlines(True), name
            try:
                pieces.append((name, ast.parse(code, name), where))
            except (SyntaxError, ValueError) as error:
                self.told.append(f"{where}{told(error)}; the cell isn't run")
        return pieces

    def _run(self):
        """Run all. A script ends at its first error; a notebook goes on with the next cell."""
        left = self.seconds
        for file, tree, where in self.pieces:
            start = time.monotonic()
            try:
                self.guard.call(max(left, 0.01), exec, compile(tree, file, "exec", dont_inherit=True), self.namespace)
            except TimeUp as error:
                self.told.append(f"it ran for {self.seconds:g} seconds and was stopped in {where}line "
                                 f"{line_of(error, file)}{THEN}")
                return
            except SystemExit as error:
                self.told.append(f"{where}line {line_of(error, file)} ends the program (sys.exit){THEN}")
            except TRIAL_ERRORS as error:
                self.told.append(f"{where}line {line_of(error, file)} raises {told(error)}{THEN}")
            left -= time.monotonic() - start

    def run_definitions(self):
        """Run imports, functions, classes, and assignments of attributes and constants, each by itself."""
        for file, tree, _ in self.pieces:
            for node in tree.body:
                if isinstance(node, DEFINITIONS) or isinstance(node, ast.Assign) and (
                        isinstance(node.value, ast.Constant) or isinstance(node.targets[0], ast.Attribute)):
                    code = compile(ast.Module([node], []), file, "exec", dont_inherit=True)
                    with contextlib.suppress(TimeUp, *TRIAL_ERRORS):
                        self.guard.call(self.seconds, exec, code, self.namespace)

    def choose(self, name=None):
        """The class to examine. name: what the user asks for. Raises NothingToExamine."""
        if name is not None:
            found = self.namespace.get(name.partition(".")[0])
            for part in name.split(".")[1:]:
                found = getattr(found, part, None)
            if isinstance(found, type):
                return found
        found = self.classes()
        if not found or name is not None:
            if self.told and not any("by themselves" in text for text in self.told):
                self.run_definitions()
                self.told.append("the definitions in the rest of the file were run by themselves")
                return self.choose(name)
            if name is not None:
                others = f"; there are {', '.join(x.__name__ for x in found)}" if found else ""
                raise NothingToExamine(f"it defines no class {name}{others}")
            raise NothingToExamine("it defines no class with `__add__` and `__mul__`")
        best, *others = found
        if others:
            self.told.append(f"of several classes {best.__name__} is examined; for another one: "
                             + " or ".join(f"--class {x.__name__}" for x in others))
        return best

    def classes(self):
        """The classes that look like engines, best first: the file's own before imported ones, then those with most
        operators, then the last ones."""
        found = list({id(x): x for x in self.namespace.values() if isinstance(x, type) and is_engine(x)}.values())
        found = [x for x in found if not any(y is not x and issubclass(x, y) for y in found)]
        own = [x for x in found if x.__module__ == self.name]
        return sorted(reversed(own or found), key=likeness, reverse=True)


def is_engine(cls):
    return all(callable(getattr(cls, name, None)) for name in ("__add__", "__mul__")) \
        and cls.__module__ not in ("builtins", "numpy", "fractions", "decimal", "_decimal", "collections", "torch")


def likeness(cls):
    return sum(callable(getattr(cls, name, None)) for name in OPERATORS) + 3 * (find_backward(cls, {})[1] is not None)


def told(error):
    """An error in one line."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {type(error).__name__}: {error.msg}"
    try:
        return " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(": ")
    except Exception:
        return type(error).__name__


def line_of(error, file):
    """The line of a file's own code, outside of its functions, at which an error came."""
    frame, line = error.__traceback__, "?"
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == file and frame.tb_frame.f_code.co_name == "<module>":
            line = frame.tb_lineno
        frame = frame.tb_next
    return line
