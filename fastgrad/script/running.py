"""Run a script or a module as Python itself does. (cells.py runs notebooks.)"""
import _imp
import atexit
import builtins
import gc
import importlib
import os
import runpy
import sys
from importlib.machinery import SourceFileLoader
from types import FunctionType, ModuleType, TracebackType

from fastgrad.script import fusing
from fastgrad.value import arguments

LOADED_AT_START = ("abc", "codecs", "encodings", "genericpath", "io", "ntpath", "os", "posixpath", "site", "stat")
OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def run(path, arguments, is_module=False):
    """Run a script, a notebook (.ipynb) or, as `python -m` does, a module, as __main__. Returns the exit status.

    path: the script's path, or the module's name. arguments: the rest of sys.argv. An error of the script is shown as
    Python shows it, from the author's first line on.
    """
    try:
        if is_module:
            sys.argv = [path, *arguments]
            sys.path[0] = os.getcwd()
            make_way_for(sys.path[0])
            runpy.run_module(path, run_name="__main__", alter_sys=True)
        else:
            sys.argv = [path, *arguments]
            sys.path[0] = os.path.dirname(os.path.realpath(path))
            make_way_for(path if os.path.isdir(path) else sys.path[0])
            if path.endswith(".ipynb"):
                from fastgrad.script.cells import run_cells
                run_cells(path, show)
            elif os.path.isdir(path):
                runpy.run_path(path, run_name="__main__")
            else:
                return _run_script(path)
    except SystemExit as error:
        return _status(error)
    except BaseException as error:
        show(error)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def make_way_for(folder):
    """Let a script's own modules with names of the standard library be the script's: import what this package imports
    later, without the folder, and forget modules with these names that Python itself doesn't load when it starts."""
    try:
        own = {name for name in map(_module_in, os.scandir(folder)) if name in sys.stdlib_module_names}
    except OSError:
        return
    own -= {*sys.builtin_module_names, *LOADED_AT_START, *filter(_imp.is_frozen, own)}
    if not own:
        return
    first = sys.path.pop(0)
    try:
        for name in ("linecache", "traceback", "fastgrad.script.judge", "fastgrad.script.measure",
                     "fastgrad.loops.rewriting"):
            importlib.import_module(name)
    finally:
        sys.path.insert(0, first)
    for name in list(sys.modules):
        if name.partition(".")[0] in own:
            del sys.modules[name]


def _module_in(entry):
    """The name of the module that an entry of a folder is, or None."""
    if entry.name.endswith(".py"):
        return entry.name[:-3]
    return entry.name if os.path.exists(os.path.join(entry.path, "__init__.py")) else None


def _main_module(path):
    module = ModuleType("__main__")
    module.__file__, module.__cached__ = path, None
    module.__builtins__ = builtins
    module.__loader__ = SourceFileLoader("__main__", path)
    sys.modules["__main__"] = module
    atexit.register(let_go, module)         # registered first, so it's called last
    return module


def let_go(module):
    """Drop a script's objects at its end. The interpreter doesn't, since a replaced class is never freed and keeps the
    globals of its functions alive."""
    for name, x in list(vars(module).items()):
        if not name.startswith("__") and not isinstance(x, (FunctionType, ModuleType, type)):
            del vars(module)[name]
    del x
    gc.collect()


def _run_script(path):
    with open(path, "rb") as file:
        source = file.read()
    try:
        code = fusing.compile(source, os.path.abspath(path))
    except (SyntaxError, ValueError):
        if _is_text(path):
            raise
        import subprocess       # Python says that in words of its own, other ones in each version
        return subprocess.run([sys.executable, *sys.argv]).returncode
    exec(code, vars(_main_module(os.path.abspath(path))))
    return 0


def _is_text(path):
    """Whether a script can be decoded and has no null character."""
    import tokenize
    try:
        with tokenize.open(path) as file:
            return "\0" not in file.read()
    except (SyntaxError, UnicodeDecodeError):
        return False


def _status(error):
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1


def show(error):
    """Show an error as Python does, without the frames that run the author's lines: this package's and IPython's."""
    import linecache
    import traceback
    sys.stdout.flush()
    files = [tb.tb_frame.f_code.co_filename for tb in entries(error)]
    told, shown = error, {}
    while told is not None and id(told) not in shown:
        leave_out_others(told)
        shown[id(told)] = [tb.tb_frame.f_code.co_filename for tb in entries(told)]
        told = told.__cause__ or told.__context__
    hook = getattr(sys.excepthook, "__module__", None) or ""
    if sys.excepthook is not sys.__excepthook__ and not hook.startswith("exceptiongroup"):     # IPython imports it
        sys.excepthook(type(error), error, error.__traceback__)
        return
    if any(file in linecache.cache and not os.path.exists(file) for each in shown.values() for file in each):
        traceback.print_exception(type(error), error, error.__traceback__)      # cells: Python's own reads files only
    else:
        sys.excepthook(type(error), error, error.__traceback__)     # it knows what was meant: "Did you mean ..."
    hint(error, files)


def entries(error):
    """The entries of an error's traceback as a list."""
    found, tb = [], error.__traceback__
    while tb is not None:
        found.append(tb)
        tb = tb.tb_next
    return found


def leave_out_others(error):
    """Leave out of an error's traceback the package's frames, and IPython's before the author's last one."""
    left, below = None, True        # below: of the author's last one
    for tb in reversed(entries(error)):
        file = tb.tb_frame.f_code.co_filename
        is_authors = not _is_ours(file) and not _is_ipythons(file)
        if is_authors or below and not _is_ours(file):
            left = TracebackType(left, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
        below = below and not is_authors
    error.__traceback__ = None if below else left


def hint(error, files):
    """Suggest --keep if an error may come from an object that a replaced class can't hold and the author's can. files:
    those of the frames that it has passed."""
    from fastgrad.script import replace
    names = [report.cls.__name__ for report in replace.reports if report.twin is not None]
    if names and isinstance(error, (TypeError, OverflowError)) and files \
            and (_is_ours(files[-1]) or str(error).startswith(arguments.REFUSALS)):
        print(f"fastgrad: a replaced class holds numbers only; python -m fastgrad --keep {names[-1]} runs the script "
              "with its own class", file=sys.stderr)


def _is_ours(file):
    """Whether a traceback's file is of this package. (The engine has frames in debug builds: "fastgrad/engine/...")"""
    return file.startswith("fastgrad/") or os.path.abspath(file).startswith(OURS)


def _is_ipythons(file):
    ipython = sys.modules.get("IPython")
    return ipython is not None and file.startswith(os.path.dirname(ipython.__file__) + os.sep)
