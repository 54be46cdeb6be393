"""The hook in class statements, and what came of each class.

While it's on, every class statement of the script and of modules that aren't installed comes by here. A class that
looks like a scalar autograd engine (sight.py) gets a twin (twin.py), which then is the class statement's result; or, if
there's any doubt, stays as it is.
"""
import builtins
import dataclasses
import os
import site
import sys
import sysconfig

import fastgrad
from fastgrad.engine import Value
from fastgrad.script.probe import NotReplaceable
from fastgrad.script.sight import looks_like_engine
from fastgrad.script.twin import Twin


@dataclasses.dataclass
class Report:
    """What came of one class, for --report."""
    cls: type
    file: str
    line: int
    twin: Twin | None = None
    reason: str = ""            # why there's none

    @property
    def result(self):
        """What the class statement gives."""
        return self.cls if self.twin is None or keep_all else self.twin.ours

    def __str__(self):
        where = f"class {self.cls.__qualname__} ({os.path.basename(self.file)}:{self.line})"
        if self.twin is None:
            return f"{where} runs as it is: {self.reason}"
        lines = [f"{where} is replaced" + (f"; {self.twin.note}" if self.twin.note else "")]
        return "\n".join(lines + [f"    {name:<14} {what}" for name, what in self.twin.methods.items()])


reports: list = []              # of all classes that look like engines, in the order of their definition
when_considered: list = []      # functions called with each new report
kept_by_user: set = set()       # names of classes to leave as they are
_made: dict = {}                # how often a class statement has been run
keep_all = False                # try them all, but leave them as they are


# ---- The hook ----

_build_class = builtins.__build_class__
_dataclass = dataclasses.dataclass
INSTALLED = [os.path.realpath(path) + os.sep for path in
             {*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()}
             if not path.endswith(("bin", "include"))]
OURS = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep


def is_teaching_code(file):
    """Whether a file is the user's own, or micrograd; not the standard library, not what is installed."""
    path = os.path.realpath(file)
    if path.startswith(OURS):
        return False
    if f"{os.sep}micrograd{os.sep}" in path:
        return True
    return not any(path.startswith(folder) for folder in INSTALLED) and not file.startswith("<frozen")


def consider(cls, module_globals, file, line):
    """The class to have in place of an author's: its twin, or itself."""
    report = Report(cls, file, line)
    _made[file, line] = _made.get((file, line), 0) + 1
    reports.append(report)
    try:
        if _made[file, line] > 5:
            raise NotReplaceable("it's made again and again")
        if cls.__name__ in kept_by_user:
            raise NotReplaceable("as --keep says")
        report.twin = Twin(cls, module_globals, file)
    except NotReplaceable as reason:
        report.reason = str(reason)
    except Exception as error:      # a trial went wrong in a way that nobody has thought of
        report.reason = f"{type(error).__name__} while it was tried: {error}"
    for function in when_considered:
        function(report)
    return report.result


def build_class(function, name, *bases, **keywords):
    """What class statements call from start() to stop()."""
    cls = _build_class(function, name, *bases, **keywords)
    if isinstance(cls, type) and looks_like_engine(cls) and not issubclass(cls, (Value, BaseException)) \
            and not any(looks_like_engine(base) for base in cls.__mro__[1:]) \
            and is_teaching_code(function.__code__.co_filename):
        return consider(cls, function.__globals__, function.__code__.co_filename, function.__code__.co_firstlineno)
    return cls


def dataclass(cls=None, /, **options):
    """dataclasses.dataclass, which writes a constructor when the class statement is over."""
    if cls is None:
        return lambda cls: dataclass(cls, **options)
    had_constructor = "__init__" in vars(cls)
    cls = _dataclass(cls, **options)
    module = sys.modules.get(cls.__module__)
    add = vars(cls).get("__add__")
    if not had_constructor and module and looks_like_engine(cls) and is_teaching_code(add.__code__.co_filename):
        return consider(cls, vars(module), add.__code__.co_filename, add.__code__.co_firstlineno)
    return cls


def start():
    """From now on engines that class statements make are replaced."""
    if fastgrad.backend != "c":
        print("fastgrad: without the compiled engine nothing is replaced", file=sys.stderr)
        return
    builtins.__build_class__ = build_class
    dataclasses.dataclass = dataclass


def stop():
    builtins.__build_class__ = _build_class
    dataclasses.dataclass = _dataclass
