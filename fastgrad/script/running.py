"""Running a script, a module or a notebook's cells as Python itself would, with nothing of ours in between."""
import ast
import builtins
import json
import linecache
import os
import runpy
import sys
import traceback
from importlib.machinery import SourceFileLoader
from types import ModuleType


OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def run(path, arguments, is_module=False):
    """Run a script, a notebook (.ipynb) or, as `python -m` does, a module, as __main__. Returns the exit status.

    path: of the script, or the module's name. arguments: the rest of sys.argv. What the script raises is shown as
    Python shows it, from the author's first line on.
    """
    try:
        if is_module:
            sys.argv = [path, *arguments]
            sys.path[0] = os.getcwd()
            runpy.run_module(path, run_name="__main__", alter_sys=True)
        else:
            sys.argv = [path, *arguments]
            sys.path[0] = os.path.dirname(os.path.realpath(path))
            if path.endswith(".ipynb"):
                _run_cells(path)
            elif os.path.isdir(path):
                runpy.run_path(path, run_name="__main__")
            else:
                _run_script(path)
    except SystemExit as error:
        return _status(error)
    except BaseException as error:
        _show(error)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _main_module(path):
    module = ModuleType("__main__")
    module.__file__ = path
    module.__builtins__ = builtins
    module.__loader__ = SourceFileLoader("__main__", path)
    sys.modules["__main__"] = module
    return module


def _run_script(path):
    with open(path, "rb") as file:
        code = compile(file.read(), os.path.abspath(path), "exec", dont_inherit=True)
    exec(code, vars(_main_module(os.path.abspath(path))))


def _run_cells(path):
    """A notebook's code cells in order, each with the value of its last expression shown."""
    with open(path, encoding="utf-8") as file:
        cells = [cell for cell in json.load(file)["cells"] if cell["cell_type"] == "code"]
    variables = vars(_main_module(path))
    for i, cell in enumerate(cells):
        source = _without_magics("".join(cell["source"]))
        name = f"{path}, cell {i + 1}"
        linecache.cache[name] = len(source), None, source.splitlines(True), name
        tree = ast.parse(source, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec", dont_inherit=True), variables)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, "eval", dont_inherit=True), variables)
            if value is not None and not source.rstrip().endswith(";"):
                print(repr(value))


def _without_magics(source):
    """A cell without lines that are IPython's, not Python's: %matplotlib inline, !pip install."""
    lines = []
    for line in source.split("\n"):
        code = line.lstrip()
        if code.startswith(("%time ", "%timeit ")):
            line = line.replace(code, code.split(maxsplit=1)[1])
        elif code.startswith(("%", "!")):
            line = line.replace(code, "pass")
        lines.append(line)
    return "\n".join(lines)


def _status(error):
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1


def _show(error):
    sys.stdout.flush()
    if sys.excepthook is not sys.__excepthook__:
        sys.excepthook(type(error), error, error.__traceback__)
        return
    shown = told = traceback.TracebackException.from_exception(error)
    while told is not None:
        told.stack[:] = [frame for frame in told.stack if not _is_ours(frame.filename)]
        told = told.__cause__ or told.__context__
    print("".join(shown.format()), end="", file=sys.stderr)


def _is_ours(file):
    """Whether a line of a traceback is of this package: of its Python, or of what Cython has compiled."""
    return file.startswith("fastgrad/") or os.path.abspath(file).startswith(OURS)
