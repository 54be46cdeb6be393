"""python -m fastgrad --check: a student's file runs by itself and within limits, and what it defines is examined,
whatever the file does; the status says how that went. And %fastgrad check in notebooks."""
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import fastgrad
from fastgrad.grading import command
from planted import ENGINES

RIGHT = ENGINES["closures"]
WRONG = RIGHT.replace("(1 - t ** 2)", "(1 - x ** 2)")
needs_compiled = pytest.mark.skipif(fastgrad.backend != "c", reason="the plain engine replaces nothing")


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Write a file and check it in this process, which starts the worker. Returns its status, stdout and stderr."""
    monkeypatch.setattr(command, "GRACE", 1.0)
    monkeypatch.chdir(tmp_path)

    def run(text, *options, name="student.py"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        status = command.main(["--check", name, *options])
        said = capsys.readouterr()
        return status, said.out, said.err
    return run


def notebook(*sources):
    return json.dumps({"cells": [{"cell_type": "code", "source": source, "outputs": [],
                                  "metadata": {}} for source in sources],
                       "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def findings(out):
    return [(x["code"], x["method"]) for x in json.loads(out)["findings"]]


# Statuses and output

def test_status_and_text(run):
    status, out, err = run("print('noise')\n" + WRONG + "\nprint('more', Value(1.0))\n")
    assert (status, err) == (1, "") and "noise" not in out and "more" not in out
    assert out.startswith("class Value (student.py, line 6): 1 mistake\n") and "1. tanh, line 69: `a.tanh()`" in out
    status, out, err = run(RIGHT)
    assert (status, err) == (0, "") and out.startswith("class Value (student.py, line 5): all that it has is right\n")


def test_the_command_itself(tmp_path):
    (tmp_path / "student.py").write_text(WRONG)
    env = {**os.environ, "PYTHONPATH": str(Path(fastgrad.__file__).parent.parent)}

    def python(*arguments):
        return subprocess.run([sys.executable, "-m", "fastgrad", *arguments], cwd=tmp_path, env=env,
                              capture_output=True,
                              text=True, stdin=subprocess.DEVNULL)
    done = python("--check", "student.py", "--class", "Value", "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["class"] == "Value" and done.stderr == ""
    done = python("--json", "--check", "student.py")
    assert done.returncode == 1 and findings(done.stdout) == [("wrong-derivative", "tanh")]
    assert python("--check", "--help").stdout.count("--time-limit") == 2
    done = python("--report", "--check", "student.py")
    assert done.returncode == 2 and "--check --help" in done.stderr
    assert not [x for x in os.listdir(tmp_path) if x not in ("student.py", "__pycache__")]


def test_json(run):
    status, out, _ = run(WRONG, "--json")
    data = json.loads(out)
    assert set(data) == {"schema", "fastgrad", "file", "class", "line", "right", "loading", "methods", "findings",
                         "remarks"}
    assert (data["schema"], data["file"], data["class"], data["line"], data["right"]) == (1, "student.py", "Value", 5,
                                                                                          False)
    assert all(set(x) == {"method", "shown", "value", "gradient", "required", "failed",
                          "note"} for x in data["methods"])
    assert [x["method"] for x in data["methods"] if x["failed"]] == ["tanh"]
    assert set(data["findings"][0]) == {"code", "method", "message", "example", "line", "source"}
    assert set(data["findings"][0]["example"]) == {"expression", "at", "what", "yours", "should"}


def test_the_page_describes_what_there_is(run):
    page = Path(__file__).resolve().parents[2] / "docs" / "check.md"
    if not page.exists():
        pytest.skip("needs a checkout")
    text = page.read_text(encoding="utf-8")
    from planted import PLANTED
    codes = set(re.findall(r"^\| `([a-z-]+)` \|", text, re.M))
    source = "".join(path.read_text(encoding="utf-8") for path in Path(command.__file__).parent.glob("*.py"))
    assert {x[1] for x in PLANTED} <= codes and all(f'"{code}"' in source for code in codes)
    _, out, _ = run(WRONG, "--json")
    data = json.loads(out)
    for part in (data, data["methods"][0], data["findings"][0], data["findings"][0]["example"]):
        assert all(f"`{key}`" in text for key in part)


@pytest.mark.parametrize("text, options, said", [
    ("x = 1\n", (), "defines no class with `__add__` and `__mul__`"),
    ("class A:\n    pass\n", ("--class", "A.B"), "defines no class A.B"),
    (RIGHT, ("--class", "Other"), "it defines no class Other; there are Value"),
    ("def f(:\n", (), "Python can't read it: line 1: SyntaxError"),
    ("x = '\0'\n", (), "Python can't read it"),
])
def test_nothing_to_examine(run, text, options, said):
    status, out, err = run(text, *options)
    assert status == 2 and out == "" and said in err and err.startswith("fastgrad: student.py: ")
    status, out, err = run(text, *options, "--json")
    assert status == 2 and err == "" and json.loads(out)["right"] is False and said in json.loads(out)["error"]


@pytest.mark.parametrize("options", [(), ("--require", "tan"), ("--time-limit", "0"), ("--time-limit", "x"), ("--what",
                                                                                                              )])
def test_bad_options(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        command.main(["--check", *options])
    assert caught.value.code == 2


def test_no_such_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(["--check", "nothing.py"]) == 2
    assert "there's no file 'nothing.py'" in capsys.readouterr().err


def test_require(run):
    assert run(RIGHT, "--require", "micrograd,sin")[0] == 1
    status, out, _ = run(RIGHT, "--require", "micrograd, tanh")
    assert status == 0


# What a file may do

@pytest.mark.parametrize("after, said", [
    ("while True: print('x' * 10000)", "ran for 2 seconds and was stopped in line 125"),
    ("1 / 0", "line 125 raises ZeroDivisionError: division by zero; what it had defined by then is examined"),
    ("import sys; sys.exit('bye')", "line 125 ends the program (sys.exit)"),
    ("input('your name? ')", "line 125 raises EOFError"),
    ("import nothing_of_the_kind", "line 125 raises ModuleNotFoundError"),
    ("def f(): f()\nf()", "line 126 raises RecursionError"),
    ("import os; os._exit(0)", "running it ended the process; only its definitions are examined"),
    ("import time; time.sleep(1000)", "running it didn't come to an end; only its definitions are examined"),
    ("while True:\n    try:\n        while True: pass\n    except: pass", " examined"),
])
def test_what_was_defined_is_examined(run, after, said):
    status, out, err = run(f"{WRONG}\n{after}\n", "--time-limit", "2")
    assert (status, err) == (1, "") and said in out and "1. tanh, line 68: `a.tanh()`" in out


def test_a_class_that_is_defined_after_an_error(run):
    status, out, _ = run("import math\n1 / 0\nprint(Value)\nSIZE = 3\n" + RIGHT + "\nValue.size = SIZE\n")
    assert status == 0 and "line 2 raises ZeroDivisionError" in out
    assert "the definitions in the rest of the file were run by themselves" in out


def test_a_main_program_does_not_run(run):
    status, out, _ = run(RIGHT + "\nif __name__ == '__main__':\n    1 / 0\n")
    assert status == 0 and "ZeroDivision" not in out


def test_modules_beside_the_file(run, tmp_path):
    (tmp_path / "parts.py").write_text(WRONG)
    status, out, _ = run("from parts import Value\n")
    assert status == 1 and "tanh" in out
    (tmp_path / "part.py").write_text("n = 3\n")
    assert run("import part\nassert part.n == 3\n" + RIGHT)[0] == 0


def test_the_code_of_a_method_may_end_the_process(run):
    status, out, err = run(RIGHT.replace("    def log(self):\n",
                                         "    def log(self):\n        import os; os._exit(7)\n"))
    assert (status, out) == (3, "") and "its code ended the process while log was tried" in err


def test_one_of_several_classes(run):
    first = "class Number:\n    def __init__(self, x): self.x = x\n" \
            "    def __add__(self, other): return Number(self.x)\n" \
            "    def __mul__(self, other): return Number(self.x)\n\n\n"
    status, out, _ = run(first + RIGHT + "\n\nclass Parameter(Value):\n    pass\n")
    assert status == 0 and "of several classes Value is examined; for another one: --class Number" in out
    status, out, _ = run(first + RIGHT, "--class", "Number")
    assert status == 1 and "there's no method backward()" in out


def test_a_notebook(run):
    cells = notebook("%matplotlib inline\n!true\nimport math", RIGHT[RIGHT.index("class Value"):], "1 / 0",
                     "def tanh(self):\n    x = self.data\n    t = math.tanh(x)\n    out = Value(t, (self,), 'tanh')\n\n"
                     "    def _backward():\n        self.grad += (1 - x ** 2) * out.grad\n"
                     "    out._backward = _backward\n    return out\nValue.tanh = tanh", "def broken(:",
                     "display(Value(1.0))")
    status, out, err = run(cells, name="student.ipynb")
    assert (status, err) == (1, "") and "cell 3, line 1 raises ZeroDivisionError" in out
    assert "cell 5, line 1: SyntaxError" in out and "1. tanh, line 7: `a.tanh()`" in out and "NameError" not in out
    status, _, err = run("{}", name="student.ipynb")
    assert status == 2 and "it's no notebook" in err


def test_text_that_the_terminal_can_not_show(tmp_path):
    (tmp_path / "student.py").write_text(RIGHT.replace('math.exp(self.data)', 'math.exp("\u2713")'), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(Path(fastgrad.__file__).parent.parent), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-m", "fastgrad", "--check", "student.py"], cwd=tmp_path, env=env,
                          capture_output=True, text=True)
    assert done.returncode == 1 and "\\u2713" in done.stdout


# Where the class has been replaced

@needs_compiled
def test_a_replaced_class_is_examined_as_its_author_wrote_it(tmp_path):
    (tmp_path / "script.py").write_text(RIGHT.replace("def __rsub__", "def rsub")
                                        + "\nimport fastgrad\n"
                                          "print(Value.__mro__[1].__module__, fastgrad.check(Value).codes)\n")
    env = {**os.environ, "PYTHONPATH": str(Path(fastgrad.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-m", "fastgrad", "script.py"], cwd=tmp_path, env=env, capture_output=True,
                          text=True)
    assert done.stdout == "fastgrad.engine ['missing-reflected']\n", done.stderr


@needs_compiled
def test_in_ipython(tmp_path):
    pytest.importorskip("IPython")
    (tmp_path / "cells.py").write_text(textwrap.dedent("""
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance(colors='nocolor')
        def run(cell):
            return shell.run_cell(cell).result
        run("%load_ext fastgrad")
        run("import math")
        run(RIGHT)
        assert run("Value.__mro__[1].__module__") == "fastgrad.engine"
        report = run("%fastgrad check Value")
        assert report and report.class_name == "Value", report
        run("def relu(self):\\n    out = Value(max(0, self.data), (self,), 'relu')\\n    def _backward():\\n"
            "        self.grad += out.grad\\n    out._backward = _backward\\n    return out\\nValue.cut = relu")
        report = run("%fastgrad check Value")
        assert [(x["code"], x["method"]) for x in report.findings] == [("wrong-derivative", "cut")], report
        print("---")
        run("%fastgrad report")
        print("---")
        run("%fastgrad check 3")
        run("%fastgrad check nothing")
        run("%fastgrad what")
        run("%unload_ext fastgrad")
        run("%fastgrad report")
    """).replace("RIGHT", repr(RIGHT)))
    env = {**os.environ, "PYTHONPATH": str(Path(fastgrad.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "cells.py"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown, report, errors = done.stdout.split("---\n")
    assert re.search(r"^class Value \(cell \d+, line \d+\): all that it has is right", shown, re.M), shown
    assert "is replaced" in report and "__add__        ours" in report
    said = errors + done.stderr
    assert "UsageError: %fastgrad check: 3 is no class" in said and "NameError: name 'nothing'" in said
    assert "UsageError: %fastgrad check CLASS, or %fastgrad report" in said and "Traceback" not in said
    assert "`%fastgrad` not found" in said
