"""python -m fastgrad: loops over Values in scripts, modules and cells are run by C, and what the author sees of the
code stays the author's. (tests/loops has what loops compute.)
"""
import json
import re
import textwrap

import pytest

import fastgrad
from launcher import MICROGPT, MICROGPT_ENGINE, notebook, python

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="the plain engine runs no loops")

ENGINE = "import math\n" + MICROGPT_ENGINE
USE = """
xs = [Value(0.5 * i) for i in range(9)]
ys = [x * x + 1.0 for x in xs]
total = sum(x * y for x, y in zip(xs, ys))
total.backward()
for x in xs:
    x.data -= 0.1 * x.grad
    x.grad = 0
print(total.data, [x.data for x in xs])
"""
# In a script: the lines of the loops that C has run in the script's own code.
RUN = """
import sys
from fastgrad.loops import loops
print([loop.line for loop in loops(sys._getframe().f_code) if loop.runs])
"""


def table(said, title):
    """The lines below a title of a report: {line of the script: what it says}."""
    rows = said.partition(f"{title}\n")[2].split("\nfastgrad")[0]
    return {int(line): what for line, what in re.findall(r"^    \S+:(\d+) +(.*)$", rows, re.M)}


# ---- What is rewritten ----

def test_a_script(folder):
    said = folder.report(ENGINE + USE)
    first = ENGINE.count("\n") + 2
    assert table(said, "fastgrad: loops that C ran") == {
        first + 1: "list, once, 9 elements", first + 2: "sum of products, once, 9 elements",
        first + 4: "assigns data, grad, once, 8 elements", first + 7: "list, once, 9 elements"}
    assert table(said, "fastgrad: loops that are Python's")[first] == "a call of Value"


def test_loops_of_fastgrads_own(folder):
    """Those of fastgrad.functional, say, aren't the user's."""
    said = folder.report(ENGINE + "from fastgrad.functional import relu\nprint(relu([1.0, -1.0]))\n" + USE)
    assert len(table(said, "fastgrad: loops that C ran")) == 4 and "elementwise" not in said


@pytest.mark.parametrize("line", ["from fastgrad import Value", "from micrograd.engine import Value",
                                  "import fastgrad; fastgrad.install()\nfrom micrograd.engine import Value"])
def test_a_script_that_imports_value(folder, line):
    name = folder.write("script.py", f"{line}\n{USE}{RUN}")
    n = line.count("\n")
    assert python("-m", "fastgrad", name, cwd=folder.path).stdout.endswith(f"[{n + 4}, {n + 5}, {n + 7}, {n + 10}]\n")


def test_modules_of_the_users_own(folder):
    """A script's module, a package with a relative import, and a folder with a __main__.py."""
    folder.write("app/layers/__init__.py", "from .dense import linear, __file__, __cached__, __spec__\n")
    folder.write("app/layers/dense.py",
                 "def linear(x, w):\n    return [sum(a * b for a, b in zip(row, x)) for row in w]\n")
    folder.write("app/shown.py", """
import inspect, os
def show(linear, dense):
    print(inspect.getsource(linear), end='')
    print(os.path.basename(dense.__file__), type(dense.__loader__).__name__, dense.__cached__ == dense.__spec__.cached)
    print(os.listdir(os.path.dirname(dense.__file__)))
""")
    folder.write("app/__main__.py", ENGINE + """
from layers import linear, dense
from shown import show
from fastgrad.loops import loops
x = [Value(1.0), Value(2.0)]
print(linear(x, [x, x]), [loop.runs for loop in loops(linear)])
show(linear, dense)
""")
    for arguments in (["app"], ["app/__main__.py"]):
        out = python("-m", "fastgrad", *arguments, cwd=folder.path).stdout.splitlines()
        assert out[0].endswith("[1]") and out[1].startswith("def linear(x, w):") and len(out) == 5
        assert out[3] == "dense.py SourceFileLoader True" and "__pycache__" not in out[4]


def test_minus_m(folder):
    folder.write("package/__init__.py", "")
    folder.write("package/train.py", ENGINE + USE + RUN)
    out = python("-m", "fastgrad", "-m", "package.train", cwd=folder.path).stdout
    assert len(json.loads(out.splitlines()[-1])) == 4


def test_installed_modules_are_not(folder):
    folder.write("site-packages/installed.py", "def double(xs):\n    return [x * 2.0 for x in xs]\n")
    folder.write("own.py", "def double(xs):\n    return [x * 2.0 for x in xs]\n")
    folder.write("script.py", "import sys\nsys.path.append('site-packages')\nimport installed, own, statistics\n"
                              "from fastgrad.loops import loops\n"
                              "print(len(loops(installed.double)), len(loops(own.double)))\n")
    assert python("-m", "fastgrad", "script.py", cwd=folder.path).stdout == "0 1\n"


def test_an_engine_is_left_to_be_replaced(folder):
    """Its methods are known by their text; a backward() may be a function that is assigned later."""
    said = folder.report(MICROGPT)
    assert "    backward       ours" in said and not table(said, "fastgrad: loops that it could have run")
    name = folder.write("script.py", ENGINE + "def backward(v):\n    for c, g in zip(v.a, v.b):\n        c.grad += g\n"
                        "from fastgrad.loops import loops\n"
                        "print(*(loops(f) for f in (backward, Value.__add__) if isinstance(f, type(backward))))\n")
    assert python("-m", "fastgrad", name, cwd=folder.path).stdout.replace("[]", "").strip() == ""


# ---- Switching it off ----

@pytest.mark.parametrize("how", ["option", "environment", "both", "on"])
def test_switched_off(folder, how, monkeypatch):
    if how != "on":
        monkeypatch.setenv("FASTGRAD_FUSE", "0" if how != "option" else "1")
    name = folder.write("script.py", ENGINE + USE + RUN + """
from fastgrad import fuse
@fuse
def f(xs):
    return [x * 2.0 for x in xs]
print(len(loops(f)))
""")
    options = ["--no-fuse"] if how in ("option", "both") else []
    out = python("-m", "fastgrad", *options, "--report", name, cwd=folder.path)
    assert out.stdout.splitlines()[1:] == (["[]", "0"] if how != "on" else [out.stdout.splitlines()[1], "1"])
    assert ("loops" in out.stderr) == (how == "on")


def test_fuse_false_under_the_launcher(folder):
    said = folder.report(ENGINE + """
import fastgrad
@fastgrad.fuse(False)
def f(xs):
    return [x * 2.0 for x in xs]
def g(xs):
    return [x * 3.0 for x in xs]
print(f([Value(1.0)])[0].data, g([Value(1.0)])[0].data)
""")
    assert list(table(said, "fastgrad: loops that it could have run").values()) == \
        ["list, left as it is by fuse(False)"]
    assert list(table(said, "fastgrad: loops that C ran").values()) == ["list, once, 1 element"]


# ---- What stays the author's ----

AUTHORS = r"""
import contextlib, dis, doctest, inspect, io, pickle, sys, traceback, warnings
import helper

def divide(xs):
    return [(x ** 2) / (x
                        - x) for x in xs]

def accumulate(xs):
    total = 0
    for x in xs:
        total += x * 2 / (
            x - x)
    return total

def strict(xs):
    return sum(x * y for x, y in zip(xs,
                                     [1, 2, 3]))

def nobody(xs):
    for i, p in enumerate(nothing):
        p.data -= 2

def doubled(xs):
    '''Twice as much.

    >>> doubled([1, 2])
    [2, 4]
    '''
    return [x * 2 for x in xs]

for f in (divide, accumulate, strict, nobody):
    for xs in ([1.0, 2.0], [1, 2], ['a'], None):
        with contextlib.suppress(ZeroDivisionError) if xs == 5 else contextlib.nullcontext():
            try:
                print(f(xs))
            except Exception:
                traceback.print_exc(file=sys.stdout)
print(inspect.getsource(accumulate), inspect.getsource(helper))
with contextlib.redirect_stdout(io.StringIO()):
    dis.dis(accumulate)
print(pickle.loads(pickle.dumps(doubled)) is doubled, doctest.testmod())
print(doubled.__code__.co_varnames, doubled.__code__.co_firstlineno, doubled.__doc__,
      sorted(name for name in globals() if not name.startswith('_')))
steps = []
def trace(frame, event, arg):
    steps.append((frame.f_code.co_name, event, frame.f_lineno))
    return trace
sys.settrace(trace)
doubled([1.0, 2.0]), helper.total([1, 2])
sys.settrace(None)
print(steps)
"""


def test_what_an_author_sees_of_the_code(folder):
    """Tracebacks with their carets, sources, names, doctests, pickles, what a trace function is called with."""
    folder.write("helper.py", "def total(xs):\n    s = 0\n    for x in xs:\n        s += x * 3\n    return s\n")
    name = folder.write("script.py", AUTHORS)
    plain, ours, said = folder.both(name)
    assert ours == plain and plain.count("Traceback") > 8 and "TestResults(failed=0, attempted=1)" in plain and not said


def test_warnings_are_given_once(folder):
    folder.write("helper.py", "def f(xs):\n    return [x * 2 for x in xs]\nf is 'no'\n")
    folder.write("script.py", """
import warnings
def warn():
    warnings.warn("each place once")
warn()
import helper
warn()
xs = [x * 2 for x in range(3)]
xs is "a"
""")
    plain, ours = (python("-W", "default", *how, "script.py", cwd=folder.path).stderr
                   for how in ([], ["-m", "fastgrad"]))
    assert ours == plain and plain.count("SyntaxWarning") == 2 and plain.count("each place once") == 2


def test_warnings_as_errors(folder):
    name = folder.write("script.py", ENGINE + "s = 'a'\n" + USE + RUN)
    assert "[" in python("-W", "error", "-m", "fastgrad", name, cwd=folder.path).stdout.splitlines()[-1]


def test_errors_of_the_compiler(folder):
    folder.write("helper.py", "for x in y:\n    return\n")
    for text in ("for x in y:\n    return x\n", "import helper\n", "sum(x for\n", "x = [y for y in z]\nbreak\n"):
        name = folder.write("script.py", text)
        plain, ours = (python(*how, name, cwd=folder.path, status=1).stderr for how in ([], ["-m", "fastgrad"]))
        assert "SyntaxError" in plain and ours.splitlines()[-4:] == plain.splitlines()[-4:]


def test_code_that_is_nested_deeply(folder):
    """Python compiles it; a tree of it may be too deep for functions in Python."""
    name = folder.write("script.py", f"x = {'-' * 900}1\nprint(x)\nfor i in range(3): print(i)\n")
    assert folder.both(name)[0] == folder.both(name)[1] == "1\n0\n1\n2\n"
    folder.write("IPython.py", "raise ImportError('as if it were missing')\n")
    folder.write("book.ipynb", notebook(f"x = {'-' * 900}1\nprint(x)\nfor i in range(3): print(i)"))
    assert python("-m", "fastgrad", "book.ipynb", cwd=folder.path).stdout == "1\n0\n1\n2\n"


# ---- Reports ----

def test_why_a_loop_declined(folder):
    said = folder.report(ENGINE + """
def double(xs):
    return [x * 2.0 for x in xs]
for i in range(30):
    double([Value(1.0)] if i % 10 else {Value(1.0)})
def never(xs):
    return [x * 2.0 for x in xs]
def slow(xs):
    return [x * 2.0 for x in xs if x.data]
for x in slow([Value(3.0)]):
    if x.data:
        break
print(1)
""")
    (line, what), = table(said, "fastgrad: loops that C ran").items()
    assert re.fullmatch(r"list, 27 times, 1 element on average, declined 3 times: \w.*", what)
    assert list(table(said, "fastgrad: loops that it could have run").values()) == ["list, not run"]
    left = table(said, "fastgrad: loops that are Python's").values()
    assert "a condition" in left and "break, continue, return, yield or else" in left


def test_verify_finds_what_loops_do_wrong(folder, monkeypatch):
    """A process in which rewriting is broken: + has become -."""
    folder.write("broken/sitecustomize.py", "from fastgrad.loops import meaning\nmeaning.BINARY['+'] = 'subtract'\n")
    program = f"import sys\nsys.path.insert(0, 'broken')\nimport sitecustomize\n{ENGINE}{USE}"
    for text, where in ((program, "class Value (script.py:5)"),
                        (program.replace(ENGINE, "from fastgrad import Value\n"), "class fastgrad.Value")):
        # The script has been compiled when it runs, but its modules are compiled later.
        folder.write("model.py", "def f(xs):\n    return [x * x + 1.0 for x in xs]\n")
        name = folder.write("script.py", text.replace("[x * x + 1.0 for x in xs]", "__import__('model').f(xs)"))
        said = python("-m", "fastgrad", "--verify", name, cwd=folder.path, status=1).stderr
        assert re.search(r"at backward\(\) number 1 a value \(data\) is .* with its own class, .* with ours", said)
        assert where in said
        said = python("-m", "fastgrad", "--verify", "--no-fuse", name, cwd=folder.path).stderr
        assert "the same to the bit" in said


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="there's no timer for samples")
def test_profile_names_lines(folder):
    name = folder.write("script.py", ENGINE + """
import time
xs = [Value(0.01 * i) for i in range(2000)]
def spin():
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
def loop():
    end = time.process_time() + 0.3
    while time.process_time() < end:
        for _ in range(30): ys = [x * x + x for x in xs]
    return ys
loop()[3].backward()
spin()
print(1)
""")
    said = python("-m", "fastgrad", "--profile", name, cwd=folder.path).stderr
    shares = re.search(r"processor's time ([\d.]+)% went to lines with loops that C ran, ([\d.]+)% to backward\(\), "
                       r"([\d.]+)% to Python's other lines", said)
    assert shares and sum(map(float, shares.groups())) == pytest.approx(100, abs=0.3)
    assert float(shares[1]) > 30 and float(shares[3]) > 10
    assert re.search(r"^ +[\d.]+%  script.py:\d+ +list, [\d,]+ times, 2,000 elements on average", said, re.M)


# ---- Notebooks ----

CELLS = [ENGINE, "xs = [Value(0.5 * i) for i in range(9)]\ntotal = Value(0.0)",
         "for x in xs:\n    total = total + x * x\ntotal.data",
         "def dot(a, b):\n    return sum(x * y for x, y in zip(a, b))\n[x * 2.0 for x in xs][1].data",
         "from fastgrad.loops import loops\nimport inspect\n"
         "print(dot(xs, xs).data, [loop.runs for loop in loops(dot)], inspect.getsource(dot))"]


@pytest.mark.parametrize("kind", ["IPython", "plain"])
def test_a_notebooks_cells(folder, kind):
    if kind == "IPython":
        pytest.importorskip("IPython")
    else:
        folder.write("IPython.py", "raise ImportError('as if it were missing')\n")
    folder.write("book.ipynb", notebook(*CELLS))
    done = python("-m", "fastgrad", "--report", "book.ipynb", cwd=folder.path)
    assert done.stdout.startswith("51.0\n1.0\n51.0 [1] def dot(a, b):")
    rows = done.stderr.partition("fastgrad: loops that C ran\n")[2]
    assert "book.ipynb, cell 4:3 " in rows and "book.ipynb, cell 4:2 " in rows
    assert "book.ipynb, cell 3:1 " in rows


def test_load_ext(folder):
    """In a shell of which we haven't made the compiler: cells as they come, and %unload_ext."""
    pytest.importorskip("IPython")
    folder.write("helper.py", "def double(xs):\n    return [x * 2.0 for x in xs]\n")
    folder.write("script.py", textwrap.dedent("""
        import sys
        from IPython.core.interactiveshell import InteractiveShell
        from fastgrad.loops import loops
        shell = InteractiveShell.instance(colors='nocolor')
        shell.user_ns['loops'] = loops
        def run(cell):
            result = shell.run_cell(cell)
            result.raise_error()
            return result.result
        before = type(shell.compile), list(sys.meta_path)
        run("%load_ext fastgrad")
        run("%reload_ext fastgrad")
        run(ENGINE)
        run("xs = [Value(0.5 * i) for i in range(9)]\\ntotal = Value(0.0)")
        assert run("for x in xs:\\n    total = total + x * x\\ntotal.data") == 51.0
        run("def dot(a, b):\\n    return sum(x * y for x, y in zip(a, b))")
        assert run("dot(xs, xs).data, [loop.runs for loop in loops(dot)]") == (51.0, [1])
        assert run("import helper\\nlen(loops(helper.double))") == 1
        run("%%time\\nys = [x * 2.0 for x in xs]")
        assert run("ys[1].data") == 1.0
        run("%timeit -n 2 -r 1 [x * 2.0 for x in xs]")
        run("import asyncio\\nzs = [x * 3.0 for x in xs]\\nawait asyncio.sleep(0)\\nfor z in zs:\\n    z.data -= 1.0")
        assert run("zs[2].data") == 2.0
        assert run("from __future__ import annotations\\ndef f(x: nothing): return [y * 2.0 for y in x]\\n"
                   "f.__annotations__, len(loops(f))") == ({'x': 'nothing'}, 1)
        assert run("def g(x: nothing): return [y * 2.0 for y in x]\\nlen(loops(g))") == 1
        try:
            run("def bad():\\n    return [x * x / None for x in xs]\\nbad()")
        except TypeError:
            pass
        run("%unload_ext fastgrad")
        assert run("def g(x): return [y * 2.0 for y in x]\\nlen(loops(g))") == 0
        assert run("import fastgrad\\n@fastgrad.fuse\\ndef h(x): return [y * 2.0 for y in x]\\nlen(loops(h))") == 1
        assert (type(shell.compile), sys.meta_path) == before
        """).replace("ENGINE", repr(ENGINE)))
    done = python("script.py", cwd=folder.path)
    assert "Wall time" in done.stdout and "per loop" in done.stdout and "fastgrad/" not in done.stdout
