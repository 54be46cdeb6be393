"""The hook in class statements, and what came of each class.

While it's on, every class statement of the script and of modules that aren't installed comes by here. A class that
looks like a scalar autograd engine (author.py) gets a twin (twin.py), which then is the class statement's result; or,
if there's any doubt, stays as it is.
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


class Report:
    """What came of one class, for --report. reason: why it has no twin."""

    def __init__(self, cls, file, line):
        self.cls, self.file, self.line = cls, file, line
        self.twin, self.reason = None, ""

    @property
    def result(self):
        """What the class statement gives."""
        return self.cls if self.twin is None else self.twin.ours

    def __str__(self):
        where = f"class {self.cls.__qualname__} ({os.path.basename(self.file)}:{self.line})"
        if self.twin is None:
            return f"{where} runs as it is: {self.reason}"
        lines = [f"{where} is replaced" + (f"; {self.twin.note}" if self.twin.note else "")]
        return "\n".join(lines + [f"    {name:<14} {what}" for name, what in self.twin.methods.items()])


reports: list = []              # of all classes that look like engines, in the order of their definition
when_considered: list = []      # functions called with each new report
kept_by_user: set = set()       # names of classes to leave as they are
_made: dict = {}                # the twins of each class statement's text
MOST_TWINS = 5                  # of one text


# ---- The hook ----

_build_class = builtins.__build_class__
LIBRARY = os.path.dirname(os.path.realpath(os.__file__)) + os.sep       # the standard library
OURS = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep


def is_teaching_code(file):
    """Whether a file is the user's own, or micrograd; not the standard library, not what is installed."""
    path = os.path.realpath(file)
    if path.startswith(OURS):
        return False
    if f"{os.sep}micrograd{os.sep}" in path:
        return True
    is_installed = {"site-packages", "dist-packages"} & set(path.split(os.sep))
    return not is_installed and not path.startswith(LIBRARY) and not file.startswith("<frozen")


def consider(cls, module_globals, file, line):
    """The class to have in place of an author's: its twin, or itself."""
    report = Report(cls, file, line)
    reports.append(report)
    try:
        if cls.__name__ in kept_by_user:
            raise NotReplaceable("as --keep says")
        with limited_recursion():
            report.twin = twin_for(cls, module_globals, file, line)
    except NotReplaceable as reason:
        report.reason = str(reason)
    except Exception as error:      # a trial went wrong in a way that nobody has thought of
        report.reason = f"{type(error).__name__} while it was tried: {error}"
    for function in when_considered:
        function(report)
    return report.result


def twin_for(cls, module_globals, file, line):
    """A new twin; or, if a cell with the same text has been run again and again, the last one."""
    node = text_of(file).class_at(cls.__name__, line)
    twins = _made.setdefault((cls.__qualname__, id(module_globals), node and ast.dump(node)), [])
    if len(twins) < MOST_TWINS or node is None or not has_only_text(cls):
        twins.append(make_twin(cls, module_globals, file, line))
    return twins[-1]


def has_only_text(cls):
    """Whether a class is nothing but what its text says: its functions have no variables and no defaults that differ
    from one run of the statement to another."""
    return "<locals>" not in cls.__qualname__ and all(
        isinstance(x, (str, int, type(None))) or isinstance(x, FunctionType) and not x.__closure__
        and all(type(d) in (str, int, float, tuple, type(None)) for d in x.__defaults__ or ())
        for name, x in vars(cls).items() if name not in ("__dict__", "__weakref__", "__annotations__"))


def build_class(function, name, *bases, **keywords):
    """What class statements call from start() to stop()."""
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
    """Whether a class, and none that it derives from, looks like an engine."""
    if not isinstance(vars(cls).get("__init__"), FunctionType):
        return False
    return looks_like_engine(cls, text_of(file).set_later.get(cls.__name__, ())) \
        and not any(looks_like_engine(base) for base in cls.__mro__[1:])


def after_dataclass(make):
    """dataclasses' own function, which writes a constructor when the class statement is over; then it's looked at."""
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
    """Let dataclasses come by here too, once the script has imported it: we don't, it takes longer than all else."""
    module = sys.modules.get("dataclasses")
    make = getattr(module, "_process_class", None)
    if make is not None and not hasattr(make, "is_ours"):
        module._process_class = after_dataclass(make)


def start():
    """From now on engines that class statements make are replaced."""
    if fastgrad.backend != "c":
        print("fastgrad: without the compiled engine nothing is replaced", file=sys.stderr)
        return
    builtins.__build_class__ = build_class


def stop():
    builtins.__build_class__ = _build_class
