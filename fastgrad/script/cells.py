"""Run a notebook's cells in order, in one module: by IPython's own shell (shell.py) if IPython is installed, else as
plain Python.

Plain Python runs the Python code of a cell. It leaves out IPython's lines (%matplotlib inline, !ls, x?), and stderr
names them. Such a line can only stand where a statement begins: in a string or within brackets % is Python's.
"""
import ast
import contextlib
import io
import json
import linecache
import re
import sys
import tokenize
from types import ModuleType

from fastgrad.script import fusing, watching

RUN = ("time", "timeit", "capture")         # cell magics that run their cell
OPTIONS = r"(?:\s+-(?:[nrp]\s*\d+|[a-z]+))*"
TIMED = re.compile(rf"(\s*)%(?:time|timeit)\b{OPTIONS}\s*(.*)", re.DOTALL)
MAGIC = re.compile(r"\s*(?:[%!?]"                                   # %cd data, !ls, ?x
                   r"|[\w.*\[\]()]+\?{1,2}\s*$"                     # x?, x??
                   r"|[^=#'\"]+=\s*[!%])")                          # files = !ls
COMMAND = re.compile(r"\s*(?:pip3?|conda|mamba|cd|ls|cat|cp|mv|rm|mkdir|pwd)\s+[-\w./~]")


def run_cells(path, show):
    """Run a notebook's code cells in order, and show the value of each cell's last expression.

    A cell with the tag `raises-exception` may raise: show(error) is called, and the next cell runs. A cell with the tag
    `skip-execution` is left out.
    """
    with open(path, encoding="utf-8") as file:
        cells = [cell for cell in json.load(file)["cells"] if cell["cell_type"] == "code"]
    module = sys.modules["__main__"] = ModuleType("__main__")
    try:
        from fastgrad.script.shell import Shell
        run_cell = Shell.instance(user_module=module, user_ns=vars(module)).run_source
    except ImportError:
        run_cell = Plain(vars(module)).run_source
    for i, cell in enumerate(cells, 1):
        source, tags = "".join(cell["source"]), cell.get("metadata", {}).get("tags", ())
        if "skip-execution" in tags:
            continue
        announce(source)
        try:
            run_cell(source, f"{path}, cell {i}")
        except Exception as error:
            if "raises-exception" not in tags:
                raise
            show(error)


def announce(source):
    """Tell watching.py what code is about to run, since it may bind names again that a twin relies on."""
    watching.before_cell(python_of(source)[0])


class Plain:
    """Runs cells as plain Python. variables: their globals."""

    def __init__(self, variables):
        self.variables = variables
        variables["display"] = display

    def run_source(self, source, name):
        """Run a cell. stderr names the lines that are left out. name: the cell's, in tracebacks."""
        code, left_out = python_of(source)
        for line, what in left_out:
            where = name if line is None else f"{name}, line {line}"
            print(f"fastgrad: {where} is left out, since IPython isn't installed: {what}", file=sys.stderr)
        linecache.cache[name] = len(code), None, code.splitlines(True), name
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        hidden = cell_magic(source) == "capture"
        with contextlib.redirect_stdout(io.StringIO()) if hidden else contextlib.nullcontext():
            exec(fusing.compile(tree, name, bound=self.variables), self.variables)
            if last is not None:
                value = eval(fusing.compile(ast.Expression(last.value), name, "eval", self.variables), self.variables)
                if value is not None:
                    self.variables["_"] = value
                    if not ends_with_semicolon(code):
                        print(repr(value))


def display(*things, **options):
    """The function `display` of a notebook, without IPython: print each thing's repr."""
    for thing in things:
        print(repr(thing))


def python_of(source):
    """A cell's Python code, with as many lines as the cell, and a list of what is left out: pairs of line number and
    text. The line number is None if the whole cell is left out.

    `%time f()` becomes `f()`. A line that is left out becomes `pass`.
    """
    with contextlib.suppress(SyntaxError, ValueError):
        ast.parse(source)
        return source, []
    lines = source.split("\n")
    if magic := cell_magic(source):
        first = next(i for i, line in enumerate(lines) if line.strip())
        if magic not in RUN:
            return "", [(None, f"the whole cell, {lines[first].strip()}")]
        lines[first] = TIMED.sub(r"\2", lines[first].replace("%%", "%", 1)) if magic != "capture" else ""
    done, left_out, i = [], [], 0
    while i < len(lines):
        line, i = lines[i], i + 1
        if is_magic(line) and is_whole(done):
            at = i
            while line.endswith("\\") and i < len(lines):     # continued on the next line
                line, i = f"{line}\n{lines[i]}", i + 1
            timed = TIMED.fullmatch(line)
            if timed and timed[2]:
                done += (timed[1] + timed[2]).split("\n")
            else:
                left_out.append((at, line.strip()))
                done += [re.match(r"\s*", line)[0] + "pass"] + [""] * line.count("\n")
        else:
            done.append(line)
    return "\n".join(done), left_out


def cell_magic(source):
    """The name of a cell magic at a cell's beginning, "time" for %%time, or None."""
    found = re.match(r"\s*%%(\w*)", source)
    return found and found[1]


def is_magic(line):
    """Whether a line that begins a statement is IPython's."""
    if MAGIC.match(line):
        return True
    if COMMAND.match(line):
        try:
            ast.parse(line.strip())
        except SyntaxError:
            return True
    return False


def is_whole(lines):
    """Whether the lines leave no string and no bracket open, so that the next line begins a statement."""
    try:
        for _ in tokenize.generate_tokens(iter([line + "\n" for line in lines] + [""]).__next__):
            pass
    except (tokenize.TokenError, SyntaxError):
        return False
    return True


def ends_with_semicolon(code):
    tokens = [token.string for token in tokenize.generate_tokens(io.StringIO(code).readline)
              if token.type != tokenize.COMMENT and token.string.strip()]
    return tokens[-1:] == [";"]
