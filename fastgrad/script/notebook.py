"""`%load_ext fastgrad` in a notebook: replace micrograd, and the engine classes that later cells define; and let C run
those cells' loops over Values. `%fastgrad check Value` examines a class, `%fastgrad report` tells what was replaced.
"""
import sys

from fastgrad.script import fusing, replace
from fastgrad.script.importing import Substitute


def load_ipython_extension(shell):
    """Called by %load_ext."""
    replace.start()
    if say_why not in replace.when_considered:
        replace.when_considered.append(say_why)
    if Substitute not in sys.meta_path:
        sys.meta_path.append(Substitute)
    shell.events.register("pre_run_cell", before_cell)
    fusing.start()
    fusing.begin_in(shell)
    if fusing.is_on:
        from fastgrad.loops import report
        report.keep()
    shell.register_magic_function(lambda line: magic(shell, line), "line", "fastgrad")


def unload_ipython_extension(shell):
    """Called by %unload_ext. Classes that have been replaced stay replaced, and loops that have been
    rewritten stay rewritten."""
    replace.stop()
    if say_why in replace.when_considered:
        replace.when_considered.remove(say_why)
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
    lines = [*map(str, replace.reports)] or ["fastgrad: no class looks like a scalar autograd engine"]
    if fusing.is_on:
        from fastgrad.loops import report
        lines += report.lines()
    return lines


def say_why(report):
    """Print one line if a class that looks like an engine isn't replaced."""
    if report.twin is None:
        print(f"fastgrad: {report}", file=sys.stderr)
