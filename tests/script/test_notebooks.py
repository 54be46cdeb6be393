"""python -m fastgrad x.ipynb: cells run as Jupyter runs them, where IPython is installed; without it what is Python in
them runs, and stderr says what doesn't.
"""
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fastgrad
from fastgrad.script import cells
from launcher import ENGINE, LECTURE, notebook, python

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="the plain engine replaces nothing")

with_ipython = pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="needs IPython")


@pytest.fixture(params=["IPython", "plain"])
def run(request, folder):
    """Run a notebook with these cells, once through IPython's shell and once without it."""
    if request.param == "IPython":
        pytest.importorskip("IPython")
    else:
        folder.write("IPython.py", "raise ImportError('as if it were missing')\n")

    def run(*sources, status=0, tags=(), options=()):
        folder.write("book.ipynb", notebook(*sources, tags=tags))
        return python("-m", "fastgrad", *options, "book.ipynb", cwd=folder.path, status=status)
    run.kind = request.param
    return run


@pytest.fixture
def run_ipython(folder):
    """The same, only through IPython's shell."""
    pytest.importorskip("IPython")

    def run(*sources, status=0, tags=(), options=()):
        folder.write("book.ipynb", notebook(*sources, tags=tags))
        return python("-m", "fastgrad", *options, "book.ipynb", cwd=folder.path, status=status)
    return run


# ---- With IPython and without ----

def test_a_notebooks_cells(run):
    done = run("import math\n%matplotlib inline", ENGINE, "a = Value(2.0)\na * a", "b = a * a\nb;", "None", "1 / 0",
               "print('not reached')", status=1, options=["--report"])
    assert done.stdout == "V<4.000000 0.000000>\n"
    assert "class Value (book.ipynb, cell 2:1) is replaced" in done.stderr
    assert '  File "book.ipynb, cell 6", line 1, in <module>\n    1 / 0\n' in done.stderr
    assert done.stderr.count("File") == 1 and "ZeroDivisionError: division by zero\n" in done.stderr


def test_values_are_shown_as_their_repr(run):
    done = run("list(range(100))", "class A:\n    def __repr__(self): return 'one\\ntwo'\n"
               "    def _repr_html_(self): 1 / 0\n"
               "    _repr_mimebundle_ = _repr_svg_ = _ipython_display_ = _repr_html_",
               "A()", "'text'", "if True:\n    5", "7;  # not this", "display(A(), 'x')", "3\n", "_ * 2", "_ + 1")
    assert done.stdout == f"{list(range(100))}\none\ntwo\n'text'\none\ntwo\n'x'\n3\n6\n7\n"


def test_percent_signs_that_are_python(run):
    """Only where a statement begins is a line IPython's."""
    done = run("!true\nx = (17\n% 10)\ns = '''\n%matplotlib inline\n!ls\n'''\ny = x \\\n% 4\nprint(x, y, len(s))",
               "%time z = [1, 2]\nif z:\n    %cd .\nprint(f'''\n%d {z}\n''' % 5)", "'%d' % 3")
    assert "7 3 24\n" in done.stdout and "\n5 [1, 2]\n" in done.stdout and done.stdout.endswith("'3'\n")


def test_what_cell_magics_do_with_the_cell(run, tmp_path):
    done = run("%%writefile made.py\nraise ValueError('executed')", "%%time\nx = 5\nprint('timed')",
               "%%timeit -n1 -r1\nprint('again')", "%%capture\nprint('captured')\ny = 6",
               "%%bash\necho from bash", "x + y",
               "x = 1\n'''\n%%html\n'''")
    assert "timed\n" in done.stdout and "again\n" in done.stdout and "captured" not in done.stdout
    assert re.search(r"^11$", done.stdout, re.M) and (tmp_path / "made.py").exists() == (run.kind == "IPython")
    assert ("from bash" in done.stdout) == (run.kind == "IPython")


def test_tracebacks_name_the_cell_and_the_line(run):
    done = run("def f():\n    return 1 / 0", "import inspect\nprint(inspect.getsource(f).strip())",
               "# a comment\n\nf()", status=1)
    assert done.stdout == "def f():\n    return 1 / 0\n"
    shown = re.sub(r"^\s+[~^]+\n", "", done.stderr, flags=re.M)
    assert shown == """Traceback (most recent call last):
  File "book.ipynb, cell 3", line 3, in <module>
    f()
  File "book.ipynb, cell 1", line 2, in f
    return 1 / 0
ZeroDivisionError: division by zero
"""


def test_syntax_errors(run):
    done = run("x = 1", "y = 2\nx = = 3", status=1)
    assert 'File "book.ipynb, cell 2", line 2' in done.stderr and done.stderr.endswith("SyntaxError: invalid syntax\n")


@pytest.mark.parametrize("end, status", [("import sys; sys.exit(3)", 3), ("exit(4)", 4), ("if True:\n    exit()", 0),
                                         ("raise SystemExit('bye')", 1), ("quit()", 0),
                                         ("raise KeyboardInterrupt", 130)])
def test_exit_status(run, end, status):
    done = run("print(1)", end, "print(2)", status=status)
    assert done.stdout == "1\n" and (done.stderr == "bye\n" if "bye" in end else status in (1, 130) or not done.stderr)


def test_ctrl_c(run, folder):
    folder.write("book.ipynb", notebook("print(1, flush=True)\nimport time\ntime.sleep(60)", "print(2)"))
    process = subprocess.Popen([sys.executable, "-m", "fastgrad", "book.ipynb"], cwd=folder.path, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, "PYTHONPATH": str(Path(fastgrad.__file__).parent.parent)})
    assert process.stdout.readline() == "1\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)
    assert process.returncode == 130 and said[0] == "" and said[1].endswith("KeyboardInterrupt\n")


def test_tags(run):
    done = run("1 / 0", "print('on')", "print('left out')", "import sys\nsys.exit(2)", status=2,
               tags=[(1, "raises-exception"), (3, "skip-execution"), (4, "raises-exception")])
    assert done.stdout == "on\n" and "ZeroDivisionError" in done.stderr


def test_what_a_cell_sees(run):
    done = run("import sys, pickle\nprint(__name__, sys.argv, sys.modules['__main__'].__dict__ is globals())",
               "class A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A, '__file__' in globals())",
               "from __future__ import annotations\ndef f(x: nothing): pass", "f.__annotations__")
    assert done.stdout.startswith("__main__ ['book.ipynb'] True\nTrue False\n{'x': 'nothing'}\n"[:42])


def test_a_class_that_later_cells_use(run):
    """A class that a cell defines a second time, one in a timed cell, one under another name."""
    use = "a = Value(2.0)\n(a * a + a).backward()\na"
    done = run("import math", ENGINE, use, ENGINE, use, "%%time\n" + ENGINE.replace("Value", "W"),
               use.replace("Value", "W"), options=["--report"])
    assert done.stdout.count("V<2.000000 5.000000>\n") == 3
    assert done.stderr.count("is replaced") == 3 and "(book.ipynb, cell 4:1)" in done.stderr


def test_watching_is_told_of_each_cell(run):
    """What a cell is about to run, without what isn't Python."""
    done = run("from fastgrad.script import watching\nwatching.before_cell = lambda source: print([source])",
               "%time x = 1\n!true", "%%html\n<br>")
    assert "['x = 1\\npass']\n" in done.stdout and "['']\n" in done.stdout


# ---- With IPython ----

def test_what_jupyter_takes(run_ipython):
    done = run_ipython("display(3)", "type(get_ipython()).__mro__[1].__name__", "5", "_", "%timeit -n1 -r1 sum([1])",
                       "x = !echo shell\nx", "%%bash\necho bash", "x?", "pip --version", "ls = %pwd\nlen(ls) > 0",
                       "import asyncio\nawait asyncio.sleep(0, 'awaited')", "%precision 3\n3.14159", "In[2], Out[3]")
    out = done.stdout
    assert out.startswith("3\n'InteractiveShell'\n5\n5\n") and "1 loop each" in out and "['shell']\nbash\n" in out
    assert "Type: " in out and "pip 2" in out and "True\n" in out and "'awaited'\n" in out
    assert out.endswith("('type(get_ipython()).__mro__[1].__name__', 5)\n") and "\x1b" not in out and "Out[" not in out
    assert done.stderr == ""


def test_exit_without_parentheses(run_ipython):
    assert run_ipython("print(1)", "exit", "print(2)").stdout == "1\n"


@pytest.mark.parametrize("cell, error", [("%nosuchmagic", "UsageError"), ("%%nosuchmagic\n1", "UsageError"),
                                         ("%%time\n1 / 0", "ZeroDivisionError"),
                                         ("%%capture\n1 / 0", "ZeroDivisionError"),
                                         ("%%bash\nexit 3", "CalledProcessError"),
                                         ("%timeit -n1 1 / 0", "ZeroDivisionError"),
                                         ("await nothing", "NameError"), ("%time 1 / 0", "ZeroDivisionError"),
                                         ("%%time\nx = = 1", "SyntaxError")])
def test_errors_in_magics_stop_the_run(run_ipython, cell, error):
    done = run_ipython("print(1)", cell, "print(2)", status=1)
    assert done.stdout.startswith("1\n") and "2\n" not in done.stdout
    assert error in done.stderr.splitlines()[-1]
    assert "fastgrad/script" not in done.stderr and done.stderr.count("Traceback") <= 1


def test_lines_below_a_cell_magic(run_ipython):
    done = run_ipython("%%time\ndef f():\n    return 1 / 0\nx = 1", "f()", status=1)
    assert 'File "book.ipynb, cell 1 below its first line", line 2, in f\n    return 1 / 0' in done.stderr


def test_figures_are_not_shown(run_ipython):
    pytest.importorskip("matplotlib")
    done = run_ipython("%matplotlib notebook\nimport matplotlib.pyplot as plt", "plt.plot([1, 2]);\nplt.show()",
                       "print(1)")
    assert done.stdout.endswith("1\n")


def test_nothing_is_left_at_home(folder, tmp_path, monkeypatch):
    pytest.importorskip("IPython")
    (tmp_path / "temporary").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.delenv("IPYTHONDIR", raising=False)
    folder.write("book.ipynb", notebook("x = 1\n%time x"))
    python("-m", "fastgrad", "book.ipynb", cwd=tmp_path)
    assert not [*(tmp_path / "home").iterdir(), *(tmp_path / "temporary").iterdir()]


def test_a_script_starts_without_ipython(folder):
    name = folder.write("script.py", "import sys\nprint('IPython' in sys.modules)\n")
    assert python("-m", "fastgrad", name, cwd=folder.path).stdout == "False\n"


# ---- Without IPython ----

def test_what_is_left_out_is_said(folder):
    folder.write("IPython.py", "raise ImportError('as if it were missing')\n")
    folder.write("book.ipynb", notebook("x = 1\n%matplotlib inline\n!pip install a \\\n    b\nx?", "%%bash\nls\nls",
                                        "pip install something", "y = 2\nfiles = !ls\nif y:\n    !ls\ny"))
    done = python("-m", "fastgrad", "book.ipynb", cwd=folder.path)
    assert done.stdout == "2\n"
    why = "is left out, since IPython isn't installed:"
    assert done.stderr == f"""\
fastgrad: book.ipynb, cell 1, line 2 {why} %matplotlib inline
fastgrad: book.ipynb, cell 1, line 3 {why} !pip install a \\
    b
fastgrad: book.ipynb, cell 1, line 5 {why} x?
fastgrad: book.ipynb, cell 2 {why} the whole cell, %%bash
fastgrad: book.ipynb, cell 3, line 1 {why} pip install something
fastgrad: book.ipynb, cell 4, line 2 {why} files = !ls
fastgrad: book.ipynb, cell 4, line 4 {why} !ls
"""


@pytest.mark.parametrize("source, code", [
    ("x = 5\n% 3", "x = 5\npass"), ("x = (5\n% 3)\n%time f(x)", "x = (5\n% 3)\nf(x)"), ("%timeit -n 10 -r1 f()", "f()"),
    ("%timeit -n1 f()", "f()"), ("  !ls", "  pass"), ("x = 1 \\\n% 3\n!ls", "x = 1 \\\n% 3\npass"), ("%time", "pass"),
    ("s = '''\n!ls\n'''\n!ls", "s = '''\n!ls\n'''\npass"), ("a != b\n!ls", "a != b\npass"),
    ("f'{a!r:=^5}'\n?a", "f'{a!r:=^5}'\npass"),
    ("%%time\nx = 1\n!ls", "\nx = 1\npass"), ("%%timeit y = 2\ny", "y = 2\ny"), ("cd data", "pass"),
    ("%%capture out\nx\n", "\nx\n"),
    ("ls = 3\nls -1\n!ls", "ls = 3\nls -1\npass"), ("a %= 3\n!ls", "a %= 3\npass"),
    ("%time x = [1,\n 2]", "x = [1,\n 2]")])
def test_python_of(source, code):
    found, left_out = cells.python_of(source)
    assert found == code and bool(left_out) == ("pass" in code)


# ---- In a notebook of one's own ----

def test_load_ext(folder):
    pytest.importorskip("IPython")
    sources = ["%load_ext fastgrad", "import math", ENGINE, "print(Value.__mro__[1].__module__)",
               "%unload_ext fastgrad", ENGINE, "print(Value.__mro__[1].__name__)"]
    folder.write("cells.py", "from IPython.core.interactiveshell import InteractiveShell\n"
                 "from fastgrad.script import watching\n"
                 "watching.before_cell = lambda source: print('told:', source[:8])\n"
                 f"for cell in {sources!r}:\n    InteractiveShell.instance().run_cell(cell)\n")
    out = python("cells.py", cwd=folder.path).stdout
    assert "told: import m" in out and "told: class Va" in out and out.count("told") == 4
    assert [line for line in out.split("\n") if "told" not in line][-3:-1] == ["fastgrad.engine", "object"]


@pytest.mark.parametrize("before, said, kinds", [
    ([], "fastgrad: replaces engine classes that cells define from now on, and micrograd", None),
    ([ENGINE], "fastgrad: class Value (cell 2:1) is replaced; a set of operands", "fastgrad.engine"),
    ([ENGINE, "x = Value(1.0)"], "fastgrad: class Value is in use already: run its cell again, and what follows",
     "builtins"),
    ([ENGINE, "class Sub(Value): pass"], "fastgrad: class Value is in use already", "builtins")])
def test_load_ext_says_what_it_replaces(folder, before, said, kinds):
    pytest.importorskip("IPython")
    sources = ["import math", *before, "%load_ext fastgrad", "print(Value.__mro__[1].__module__)" if kinds else "pass",
               ENGINE, "%fastgrad report"]
    folder.write("cells.py", "from IPython.core.interactiveshell import InteractiveShell\n"
                 f"for cell in {sources!r}:\n"
                 "    InteractiveShell.instance().run_cell(cell, store_history=True)\n")
    lines = python("cells.py", cwd=folder.path).stdout.split("\n")
    assert lines[0].startswith(said)
    assert lines[1] == kinds if kinds else lines[1].startswith("fastgrad: class Value (cell ")
    n = len(sources) - 1
    assert any(line.startswith(f"fastgrad: class Value (cell {n}:1) is replaced") for line in lines[1:3])
    assert f"class Value (cell {n}:1) is replaced" in "\n".join(lines[2:])


def test_messages_name_a_cell_by_its_last_number(folder):
    """A kernel gives a cell's file the same name when it runs again."""
    pytest.importorskip("IPython")
    sources = ["%load_ext fastgrad", "import math", ENGINE, ENGINE, "%fastgrad report", "%fastgrad check Value"]
    folder.write("cells.py", "from IPython.core.interactiveshell import InteractiveShell\n"
                 "shell = InteractiveShell.instance()\n"
                 "shell.compile.get_code_name = lambda raw, code, n: f'/tmp/ipykernel_5/{hash(raw)}.py'\n"
                 f"for cell in {sources!r}:\n    shell.run_cell(cell, store_history=True)\n")
    out = python("cells.py", cwd=folder.path).stdout
    assert re.findall(r"^class Value .*replaced", out, re.M) == ["class Value (cell 4:1) is replaced"]
    assert "class Value (cell 4, line 1): " in out


def test_detect_anomaly_names_the_cell(folder):
    pytest.importorskip("IPython")
    sources = ["from fastgrad import *", "a = Value(1e200, label='a')",
               "with detect_anomaly():\n    b = a + 1\n    b * b"]
    folder.write("cells.py", "from IPython.core.interactiveshell import InteractiveShell\n"
                 "shell = InteractiveShell.instance()\n"
                 "shell.compile.get_code_name = lambda raw, code, n: f'/tmp/ipykernel_5/{hash(raw)}.py'\n"
                 f"for cell in {sources!r}:\n    shell.run_cell(cell, store_history=True)\n")
    out = python("cells.py", cwd=folder.path).stdout
    assert 'File "cell 3", line 3, in <module>' in out and "made at cell 3:2 in <module>" in out


def test_verify_runs_notebooks(run_ipython):
    start, rest = LECTURE.split("class Value", 1)
    done = run_ipython(start, "%time pass\n", "class Value" + rest, options=["--verify"])
    assert re.search(r"the same (to the bit|within 1e-09).* at 5 backward\(\)", done.stderr)
