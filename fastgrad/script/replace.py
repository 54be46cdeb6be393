"""The hook in class statements, and a report on each class that looks like an engine.

While the hook is on, it looks at the result of every class statement in the script and in modules that aren't
installed. For a class that looks like a scalar autograd engine (author.py) it makes a twin (twin.py), which becomes the
class statement's result. If there's any doubt, the class stays as it is.
"""
import ast
import builtins
import os
import sys
from types import FunctionType

import fastgrad
from fastgrad.engine import Value
from fastgrad.script import watching
from fastgrad.script.author import looks_like_engine
from fastgrad.script.sandbox import NotReplaceable, limited_recursion
from fastgrad.script.text import text_of
from fastgrad.script.twin import make_twin
from fastgrad.value.base import shown_file


class Report:
    """The result for one class, for --report. twin: its Twin, or None. reason: why it has none."""

    def __init__(self, cls, file, line):
        self.cls, self.file, self.line = cls, file, line
        self.twin, self.reason = None, ""

    @property
    def result(self):
        """The class statement's result."""
        return self.cls if self.twin is None else self.twin.ours

    def __str__(self):
        where = f"class {self.cls.__qualname__} ({shown_file(self.file)}:{self.line})"
        if self.twin is None:
            return f"{where} runs as it is: {self.reason}"
        lines = [f"{where} is replaced" + (f"; {self.twin.note}" if self.twin.note else "")]
        return "\n".join(lines + [f"    {name:<14} {what}" for name, what in self.twin.methods.items()])


reports: list = []              # on all classes that look like engines, in the order of their definition
when_considered: list = []      # functions called with each new report
kept_by_user: set = set()       # names of classes to leave as they are
_made: dict = {}                # class's name, module and text: the twins made of it
MOST_TWINS = 5                  # per text


# ---- The hook ----

_build_class = builtins.__build_class__
LIBRARY = os.path.dirname(os.path.realpath(os.__file__)) + os.sep       # the standard library
OURS = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep


def is_teaching_code(file):
    """Whether a file is the user's own or micrograd's, not the standard library's or that of an installed package."""
    path = os.path.realpath(file)
    if path.startswith(OURS):
        return False
    if f"{os.sep}micrograd{os.sep}" in path:
        return True
    is_installed = {"site-packages", "dist-packages"} & set(path.split(os.sep))
    return not is_installed and not path.startswith(LIBRARY) and not file.startswith("<frozen")


def consider(cls, module_globals, file, line):
    """Report on an author's class. Returns the class to use in its place: its twin's, or the class itself."""
    report = Report(cls, file, line)
    reports.append(report)
    try:
        if cls.__name__ in kept_by_user:
            raise NotReplaceable("as --keep says")
        with limited_recursion():
            report.twin = twin_for(cls, module_globals, file, line)
    except NotReplaceable as reason:
        report.reason = str(reason)
    except Exception as error:      # a trial failed in a way that wasn't foreseen
        report.reason = f"{type(error).__name__} while it was tried: {error}"
    for function in when_considered:
        function(report)
    return report.result


def twin_for(cls, module_globals, file, line):
    """A new twin of a class; or, if a class statement with the same text has run MOST_TWINS times, the last twin."""
    node = text_of(file).class_at(cls.__name__, line)
    twins = _made.setdefault((cls.__qualname__, id(module_globals), node and ast.dump(node)), [])
    if len(twins) < MOST_TWINS or node is None or not has_only_text(cls):
        twins.append(make_twin(cls, module_globals, file, line))
    return twins[-1]


def has_only_text(cls):
    """Whether a class is the same each time that its statement runs: its functions have no closures, and no defaults
    that may differ."""
    return "<locals>" not in cls.__qualname__ and all(
        isinstance(x, (str, int, type(None))) or isinstance(x, FunctionType) and not x.__closure__
        and all(type(d) in (str, int, float, tuple, type(None)) for d in x.__defaults__ or ())
        for name, x in vars(cls).items() if name not in ("__dict__", "__weakref__", "__annotations__"))


def build_class(function, name, *bases, **keywords):
    """The __build_class__ that class statements call from start() to stop()."""
    classes = {type(base) for base in bases if isinstance(base, type)} - {type}
    if "metaclass" not in keywords and len(classes) > 1 and watching.WatchedClass in classes:      # a twin and ABC, say
        keywords["metaclass"] = type("type", (watching.WatchedClass, *(classes - {watching.WatchedClass})), {})
    cls = _build_class(function, name, *bases, **keywords)
    watch_dataclasses()
    if not isinstance(cls, type) or not is_teaching_code(function.__code__.co_filename):
        return cls
    watching.note_class_again(cls.__qualname__, function.__globals__)
    if issubclass(cls, Value):
        watching.note_subclass(cls)
    elif is_engine(cls, function.__code__.co_filename) and not issubclass(cls, BaseException):
        return consider(cls, function.__globals__, function.__code__.co_filename, function.__code__.co_firstlineno)
    return cls


def is_engine(cls, file):
    """Whether a class with a constructor of its own looks like an engine, and none of its bases does."""
    if not isinstance(vars(cls).get("__init__"), FunctionType):
        return False
    return looks_like_engine(cls, text_of(file).set_later.get(cls.__name__, ())) \
        and not any(looks_like_engine(base) for base in cls.__mro__[1:])


def after_dataclass(make):
    """Wrap dataclasses' own function, which adds a constructor after the class statement is over, so that the class is
    considered when it has one."""
    def process(cls, *options, **named):
        had_constructor = "__init__" in vars(cls)
        cls = make(cls, *options, **named)
        module = sys.modules.get(cls.__module__)
        add = vars(cls).get("__add__")
        if builtins.__build_class__ is build_class and not had_constructor and module and looks_like_engine(cls) \
                and is_teaching_code(add.__code__.co_filename):
            return consider(cls, vars(module), add.__code__.co_filename, add.__code__.co_firstlineno)
        return cls
    process.is_ours = True
    return process


def watch_dataclasses():
    """Wrap dataclasses' function if the script has imported dataclasses. (We don't import it, since that takes longer
    than everything else.)"""
    module = sys.modules.get("dataclasses")
    make = getattr(module, "_process_class", None)
    if make is not None and not hasattr(make, "is_ours"):
        module._process_class = after_dataclass(make)


def start():
    """Switch the hook on: from now on engine classes are replaced."""
    if fastgrad.backend != "c":
        print("fastgrad: without the compiled engine nothing is replaced", file=sys.stderr)
        return
    builtins.__build_class__ = build_class


def stop():
    builtins.__build_class__ = _build_class
