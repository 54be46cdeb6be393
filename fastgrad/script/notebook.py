"""`%load_ext fastgrad` in a notebook: replace micrograd, and the engine classes that later cells define; and let C run
those cells' loops over Values.
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


def before_cell(info):
    """Called by IPython before it runs a cell. info: has the cell's text."""
    from fastgrad.script.cells import announce
    announce(info.raw_cell)


def say_why(report):
    """Print one line if a class that looks like an engine isn't replaced."""
    if report.twin is None:
        print(f"fastgrad: {report}", file=sys.stderr)
