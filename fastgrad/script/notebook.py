"""`%load_ext fastgrad` in a notebook: replace micrograd, and the engine classes that cells define; and let C run those
cells' loops over Values. `%fastgrad check Value` examines a class, `%fastgrad report` tells what was replaced.

A class that a cell has defined before is replaced as well, if nothing is left of it: no instance and no subclass, which
would go on with the old one. Otherwise its cell has to run again.
"""
import gc
import sys

import fastgrad
from fastgrad.engine import Value
from fastgrad.script import fusing, replace
from fastgrad.script.importing import Substitute
from fastgrad.script.text import text_of


def load_ipython_extension(shell):
    """Called by %load_ext. Prints a line that says what is replaced."""
    replace.start()
    if fastgrad.backend == "c":
        print(f"fastgrad: {'; '.join(replace_earlier(shell.user_ns)) or FROM_NOW_ON}")
    if say not in replace.when_considered:
        replace.when_considered.append(say)
    if Substitute not in sys.meta_path:
        sys.meta_path.append(Substitute)
    shell.events.register("pre_run_cell", before_cell)
    fusing.start()
    fusing.begin_in(shell)
    if fusing.is_on:
        from fastgrad.loops import report
        report.keep()
    shell.register_magic_function(lambda line: magic(shell, line), "line", "fastgrad")


FROM_NOW_ON = "replaces engine classes that cells define from now on, and micrograd if it isn't installed"


def replace_earlier(names):
    """Replace the engine classes that earlier cells have defined or imported. Returns what became of each, in words.

    names: the notebook's variables, in which the replaced classes are put.
    """
    told, done = [], {}
    for name, cls in list(names.items()):
        if not isinstance(cls, type) or issubclass(cls, Value):
            continue
        if cls not in done and cls.__module__.partition(".")[0] == "micrograd":
            done[cls] = None
            if "__add__" in vars(cls):
                told.append("micrograd was imported before: restart the kernel, and load fastgrad first")
        elif cls not in done and cls.__module__ == names.get("__name__") and (at := place_of(cls)):
            done[cls] = None
            if cls.__subclasses__() or any(type(x) is cls for x in gc.get_objects()):
                told.append(f"class {name} is in use already: run its cell again, and what follows")
            else:
                done[cls] = replace.consider(cls, names, *at)
                told.append(str(replace.reports[-1]).partition("\n")[0])
        if done.get(cls) is not None:
            names[name] = done[cls]
    return told


def place_of(cls):
    """The file and the line of an engine class's statement; None if it doesn't look like an engine."""
    file = getattr(getattr(vars(cls).get("__init__"), "__code__", None), "co_filename", None)
    if file is None or not replace.is_engine(cls, file):
        return None
    lines = [node.lineno for node in text_of(file).nodes if getattr(node, "name", None) == cls.__name__
             and node.lineno < vars(cls)["__init__"].__code__.co_firstlineno]
    return (file, lines[-1]) if lines else None


def unload_ipython_extension(shell):
    """Called by %unload_ext. Classes that have been replaced stay replaced, and loops that have been
    rewritten stay rewritten."""
    replace.stop()
    if say in replace.when_considered:
        replace.when_considered.remove(say)
    if Substitute in sys.meta_path:
        sys.meta_path.remove(Substitute)
    shell.events.unregister("pre_run_cell", before_cell)
    fusing.stop()
    fusing.end_in(shell)
    shell.magics_manager.magics["line"].pop("fastgrad", None)


def before_cell(info):
    """Called by IPython before it runs a cell. info: has the cell's text."""
    from fastgrad.script.cells import announce
    announce(info.raw_cell)


def magic(shell, line):
    """`%fastgrad check CLASS`, which returns the report, and `%fastgrad report`, which prints one."""
    from IPython.core.error import UsageError
    command, _, argument = line.strip().partition(" ")
    if command == "report" and not argument:
        print(*report_lines(), sep="\n")
        return None
    if command != "check" or not argument:
        raise UsageError("%fastgrad check CLASS, or %fastgrad report")
    from fastgrad.grading.check import check
    try:
        cls = shell.ev(argument.strip())
    except Exception as error:
        raise UsageError(f"%fastgrad check: {type(error).__name__}: {error}") from None
    if not isinstance(cls, type):
        raise UsageError(f"%fastgrad check: {argument.strip()} is no class")
    return check(cls)


def report_lines():
    # A cell may have run more than once.
    last = {(report.cls.__qualname__, report.file, report.line): report for report in replace.reports}
    lines = [*map(str, last.values())] or ["fastgrad: no class looks like a scalar autograd engine"]
    if fusing.is_on:
        from fastgrad.loops import report
        lines += report.lines()
    return lines


def say(report):
    """Print one line about a class that looks like an engine."""
    if report.twin is None:
        say_why(report)
    else:
        print("fastgrad:", str(report).partition("\n")[0])


def say_why(report):
    """Print one line if a class that looks like an engine isn't replaced."""
    if report.twin is None:
        print(f"fastgrad: {report}", file=sys.stderr)
