"""--verify: both runs are compared, and what is different each time that a script runs isn't taken for a difference."""
import array
import json
import os
import re

import pytest

import fastgrad
from fastgrad.script import copies, verifying
from fastgrad.script.likeness import Likeness
from launcher import DEMO, ENGINE, LECTURE, MICROGPT, python

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="the plain engine replaces nothing")

OWN = "Value.__mro__[1] is object"      # in a script: whether it has its own class
HEAD = "import math\n" + ENGINE


def verify(folder, text, *, status=0, name="script.py", options=()):
    folder.write(name, text)
    return python("-m", "fastgrad", "--verify", *options, name, cwd=folder.path, status=status).stderr


# ---- What it finds, and what it says ----

def test_the_lecture(folder):
    said = verify(folder, LECTURE)
    assert re.search(r"the same (to the bit|within 1e-09).*: 5 lines of output, .* at 5 backward\(\)", said)
    assert said.count("\n") == 2 and said.endswith(
        f"    compared: the exit status, data and grads at 5 backward() of class Value (script.py:6), "
        f"5 lines of output; each run was in a copy of its own of {folder.path}\n")


def test_it_finds_another_output(folder):
    """A script that asks which class it has."""
    said = verify(folder, HEAD + f"print(['ours', 'own'][{OWN}])\n", status=1)
    assert "line 1 of the output is 'own' with its own class, 'ours' with ours" in said


@pytest.mark.parametrize("error", [1e-4, 1e-8])
@pytest.mark.parametrize("demo, finding", [
    ("a = Value(3.0 + {})\n(a * a).backward()\n", r"at backward\(\) number 1 a value \(data\) is 3\.0\d+ with its own"),
    ("print('loss', 3.0 + {})\n(Value(1.0) * 2).backward()\n", r"line 1 of the output is 'loss 3\.0\d+' "),
    ("a = Value(3.0)\nb = a * 2\nb.backward()\na.grad += {}\nc = a + 1\nc.backward()\n",
     r"number 2 a derivative \(grad\) is 3\.0\d+"),
])
def test_a_small_difference(folder, demo, finding, error):
    """The tolerance is 1e-9: not 1e-3, not 1e-7."""
    said = verify(folder, HEAD + demo.format(f"{error} * ({OWN})"), status=1)
    assert re.search(finding, said)


def test_last_bits_are_no_difference(folder):
    said = verify(folder, HEAD + f"a = Value(3.0 + 1e-12 * ({OWN}))\nprint(a.data)\n(a * a).backward()\n")
    assert "the same within 1e-09 (the largest relative difference is 3.3e-13)" in said


def graph(data, grad):
    """The record of a graph of one node."""
    kinds = bytes(isinstance(x, float) for x in (data, grad))
    return array.array("q", [1]).tobytes() + array.array("d", [data, grad]).tobytes() + kinds


@pytest.mark.parametrize("own, ours, is_ordered, finding", [
    ([4.0, 1.0], [4, 1.0], True, "a value (data) is 4.0 with its own class, 4 with ours"),
    ([4.0, 1], [4.0, 1.0], False, "a derivative (grad) is 1 with its own class, 1.0 with ours"),
    ([2 ** 53 + 2, 1], [float(2 ** 53 + 2), 1], True, None),
    ([0.0, -0.0], [0.0, 0.0], True, "a derivative (grad) is -0.0 with"), ([0.0, -0.0], [0.0, 0.0], False, None),
    ([1.0, 2.0], [1.0, 2.0], True, None), ([1.0, 2.0], [1.0, 2.0 + 1e-8], True, "a derivative (grad) is 2.0 "),
    ([1.0 + 1e-8, 2.0], [1.0, 2.0], False, "a value (data) is 1.00000001 "),
    ([1.0, 1e-9], [1.0, 1.1e-9], True, "a derivative (grad) is"),
    ([1.0, 1e-9], [1.0, 1.0005e-9], False, None), ([1.0, 1e-9], [1.0, 1.1e-9], False, "a derivative (grad) is"),
    ([1.0, float("nan")], [1.0, 2.0], False, "a derivative (grad) is nan"),
    ([1.0, float("inf")], [1.0, 2.0], False, "a derivative (grad) is inf"),
    ([1.0, float("nan")], [1.0, float("nan")], True, None)])
def test_graphs(own, ours, is_ordered, finding):
    """What is left where gradients cancel out is compared with the largest, if there's no order to add them in."""
    own, ours = (graph(*x) for x in (own, ours))
    said = verifying._compare_graphs(own, ours, is_ordered)[2]
    assert said is None if finding is None else finding in said


@pytest.mark.parametrize("own, ours, any_order, is_same", [
    ("4.0", "4", False, False), ("4.0", "4", True, False), ("0.0", "-0.0", False, False), ("0.0", "-0.0", True, True),
    ("[1, -0.0]", "[1.0, -0.0]", False, False), ("4", "4", False, True), ("1", "1.0000000001", True, True)])
def test_numbers_that_are_equal_and_look_different(own, ours, any_order, is_same):
    likeness = Likeness(own, ours, any_order)
    assert (likeness.difference is None) == is_same
    assert own == ours or not is_same or 0.0 < likeness.worst < 1e-9


@pytest.mark.parametrize("demo", [
    f"w = Value(0.5)\nw.data = 2.0 if {OWN} else 2\nprint(w.data)\n(w * 2).backward()\n",
    f"w = Value(0.5)\nw.data = 2.0 if {OWN} else 2\n(w * 2).backward()\n"])
def test_ints_and_floats(folder, demo):
    assert "2.0 with its own class, 2 with ours" in verify(folder, HEAD + demo, status=1)


def test_numbers_that_have_changed_places(folder):
    """Where operands have an order, each node is compared with the same node."""
    demo = f"a, b = Value(2.0), Value(2.0)\n(a * 3.0 + b * 4.0 if {OWN} else a * 4.0 + b * 3.0).backward()\n"
    said = verify(folder, HEAD.replace("set(_children)", "tuple(_children)") + demo, status=1)
    assert "is 6.0 with its own class, 8.0 with ours" in said


def test_graphs_of_other_sizes(folder):
    said = verify(folder, HEAD + f"a = Value(0.0)\nif {OWN}: a = a + 0.0\na.backward()\n", status=1)
    assert "at backward() number 1 its own graph has 3 nodes, ours 1" in said
    said = verify(folder, HEAD + f"a = Value(0.0)\na.backward()\nif {OWN}: a.backward()\n", status=1)
    assert "one run calls backward() 1 times, the other more often" in said


def test_exit_status(folder):
    assert "both end with status 3" in verify(folder, HEAD + "Value(1.0).backward()\nraise SystemExit(3)\n")
    said = verify(folder, HEAD + f"raise SystemExit(3 if {OWN} else 4)\n", status=1)
    assert "its own class ends with status 3, ours with 4" in said


def test_no_class_of_ours(folder):
    """There's nothing to compare, and that isn't a success."""
    said = verify(folder, "print(1)\n", status=2)
    assert "no class was replaced: none looks like a scalar autograd engine" in said
    said = verify(folder, HEAD + DEMO, options=["--keep", "Value"], status=2)
    assert said.count("class Value (script.py:2) runs as it is: as --keep says") == 1 and "the reason is above" in said


def test_the_script_s_output_is_shown_once(folder):
    folder.write("script.py", HEAD + DEMO + f"import os, sys\nprint('here', os.getcwd(), {OWN} and 'own')\n"
                 "print('once', file=sys.stderr)\nprint(len(sys.stdin.read()))\n")
    done = python("-m", "fastgrad", "--verify", "script.py", cwd=folder.path, status=1, text="four")
    assert done.stdout == python("script.py", cwd=folder.path, text="four").stdout.replace(
        "own", "False") and done.stderr.count("once") == 1
    folder.write("script.py", HEAD + DEMO + f"if {OWN}: print('only its own', file=sys.stderr); raise SystemExit(3)\n")
    folder.write("script.py", "import sys\n" + (folder.path / "script.py").read_text())
    done = python("-m", "fastgrad", "--verify", "script.py", cwd=folder.path, status=1)
    assert done.stderr.startswith("only its own\n") and "its own class ends with status 3" in done.stderr


# ---- The run with its own class ----

def test_the_own_run_tries_nothing(folder):
    """What its own class leaves behind is what plain Python leaves behind."""
    folder.write("script.py", HEAD.replace("self.data = data", "self.data = data; print('made', file=log)").replace(
        "import math", "import math\nlog = open('log.txt', 'a')") + DEMO)
    plain = python("script.py", cwd=folder.path).stdout
    log = (folder.path / "log.txt").read_text()
    (folder.path / "log.txt").unlink()
    roles = {"backward": "backward", "data": "data", "grad": "grad", "children": "_prev", "is_ordered": False}
    folder.write("records/classes", json.dumps(["script.py:Value", "", roles]) + "\n")
    done = python("-m", "fastgrad", "--record-own", "records/own", "script.py", cwd=folder.path)
    assert done.stdout == plain and (folder.path / "log.txt").read_text() == log and log.count("made") == 8
    record = (folder.path / "records/own").read_bytes()
    assert array.array("q", record[:8])[0] == 8 and len(record) == 8 + 2 * 8 * (8 + 1)


@pytest.mark.parametrize("text, n, names", [
    (MICROGPT, 1, "class Value (script.py:3)"),
    (HEAD + DEMO + ENGINE + DEMO, 2, "class Value (script.py:2), class Value (script.py:"),
    ("import math\ndef make():\n" + re.sub(r"(?m)^(?=.)", "    ", ENGINE) + "    return Value\n"
     + "for i in range(3):\n    a = make()(2.0)\n    (a * a).backward()\n", 3,
     "class make.<locals>.Value (script.py:3)"),
    ("from engine import Value\n" + DEMO, 1, "class Value (engine.py:2)")])
def test_which_classes(folder, text, n, names):
    folder.write("engine.py", HEAD)
    said = verify(folder, text)
    assert "the same to the bit" in said and f"data and grads at {n} backward() of {names}" in said


def test_a_backward_that_is_assigned_later(folder):
    """It's recorded in the own run if it was in ours."""
    start, body = ENGINE.split("    def backward(self):")
    body = "def backward(self):" + body.split("\n    def ")[0].replace("\n    ", "\n")
    folder.write("script.py", f"import math\n{start}\n{body}\nValue.backward = backward\n{DEMO}")
    roles = {"backward": "backward", "data": "data", "grad": "grad", "children": "_prev", "is_ordered": False}
    folder.write("records/classes", json.dumps(["script.py:Value", "", roles]) + "\n")
    python("-m", "fastgrad", "--record-own", "records/own", "script.py", cwd=folder.path)
    assert array.array("q", (folder.path / "records/own").read_bytes()[:8])[0] == 8


def test_a_module(folder):
    folder.write("package/__init__.py", "")
    folder.write("package/engine.py", HEAD)
    folder.write("package/__main__.py", "import sys\nfrom .engine import Value\nprint(sys.argv[1:])" + DEMO)
    said = python("-m", "fastgrad", "--verify", "-m", "package", "x", cwd=folder.path).stderr
    assert "the same to the bit" in said and "of class Value (engine.py:2)" in said


# ---- What isn't a difference ----

def test_times_and_the_like(folder):
    said = verify(folder, HEAD + """
import os, tempfile, time, datetime, sys
start = time.time()
for i in range(20):
    x = Value(0.5) * 2
    x.backward()
    print(f'\\rstep {i:4d} | loss {x.data:.4f}', end='')
print()
now = time.time()
print('took', time.time() - start, 's')
print(f'{now - start + time.perf_counter() % 7:.2f}s, {1 / (time.time() - start):9.1f} it/s, loss {x.data}')
print(now, datetime.datetime.now(), time.ctime(), object(), [object()], id(x), f'pid {os.getpid()}', file=sys.stdout)
print(tempfile.mkdtemp(), os.getcwd(), __file__, tempfile.NamedTemporaryFile().name)
for i in range(int(time.time() * 1e6) % 9):     # a progress bar: how often it's written depends on the clock
    print(f'\\r {i}0%|##   | {i}/10 [00:0{i}<00:12,  {i + now % 1:.2f}it/s]', end='')
print('\\r100%|#####| 10/10 [00:13<00:00,  9.71it/s]')
""")
    assert "the same to the bit" in said and "but for times, dates, addresses" in said


@pytest.mark.parametrize("own, ours", [
    ("took 0.31 s", "took 1.2 s"), ("0.31s", "12.25s"), ("time: 0.31", "time: 0.33"),
    ("Time taken: 3", "Time taken: 4"),
    ("elapsed time (s): 3.2, loss 0.5", "elapsed time (s): 3.4, loss 0.5"), ("elapsed 1m 3s", "elapsed 59s"),
    ("took 37.", "took 38."),
    ("ETA: 5", "ETA: 6"), ("train_time = 5", "train_time = 6"), ("id=140234234234", "id=140234235234"),
    ("at 12:34:56", "at 12:35:01"), ("0:00:01.23456", "0:00:00.5"), ("2026-11-26 06:10:12", "2026-11-26T06:10:13.5Z"),
    ("Thu Nov 26 06:10:12 2026", "Thu Nov 26 06:10:13 2026"), ("runs/20261126_061012", "runs/20261126_061013"),
    ("3.2 ms/step", "4 ms/step"), ("| 120 tok/s |", "|  99 tok/s |"), ("tokens/sec: 12", "tokens/sec: 13.5"),
    ("5 steps per second", "6 steps per second"),
    ("1.23 \u03bcs \u00b1 4 ns per loop", "2 \u03bcs \u00b1 9.1 ns per loop"),
    ("Wall time: 2min 3s", "Wall time: 59.5 s"),
    ("CPU times: user 1.2 ms, sys: 3 \u00b5s", "CPU times: user 2 ms, sys: 0 ns"),
    ("3.1x faster", "2.9x faster"), ("<object at 0x7f12345678>", "<object at 0x7f12345778>"),
    ("140234234234240", "140234234234560"), ("/tmp/tmpab12cd34/x.txt", "/tmp/tmpzz12cd34/x.txt"),
    ("step 1 (0.3 sec): loss 0.5", "step 1 (0.4 sec): loss 0.5"), ("0.3 seconds", "1 seconds"),
    ("in 5 minutes", "in 6 minutes"),
    ("\rx 1\rx 2", "\rx 1\rx 2"), ("a\r\nb", "a\nb"),
    ("10%| [00:01<00:02, 3it/s]\r99%| [00:02<00:00, 3it/s]", "99%| [00:03<00:00, 1.2s/it]"),
    ("{Value(data=1.0), Value(data=2.0)}", "{Value(data=2.0), Value(data=1.0)}"),
    ("V(1, {V(2, {V(3), V(4)}), V(5)})", "V(1, {V(5), V(2, {V(4), V(3)})})"), ("{'b', 'a'} 1", "{'a', 'b'} 1"),
    ("{Value(data=1.0), Value(data=2.0)}", "{Value(data=2.0000000000000004), Value(data=1.0)}")])
def test_lines_that_are_the_same(own, ours):
    likeness = Likeness(own + "\nloss 0.5", ours + "\nloss 0.5", any_order=False)
    assert likeness.difference is None, likeness.difference
    assert likeness.worst < 1e-9


@pytest.mark.parametrize("own, ours", [
    ("loss 0.5", "loss 0.6"), ("loss 0.5 took 1.2 s", "loss 0.6 took 1.3 s"), ("max 0.5 min 0.3", "max 0.6 min 0.3"),
    ("time 1.2 loss 0.5", "time 1.3 loss 0.6"), ("1.2s loss 0.5", "1.3s loss 0.6"), ("12:34:56 0.5", "12:34:57 0.6"),
    ("0.5 s 0.3", "0.6 s 0.3"), ("m=0.5 s=0.3", "m=0.6 s=0.3"), ("sometimes 0.5", "sometimes 0.6"),
    ("0.5 steps", "0.6 steps"),
    ("(0.5, 0.25)", "(0.25, 0.5)"), ("[1, 2]", "[2, 1]"), ("{1: 2, 3: 4}", "{1: 4, 3: 2}"), ("{1, 2}", "{1, 3}"),
    ("each time the loss is 0.5", "each time the loss is 0.6"), ("grad 2.0", "grad -2.0"),
    ("step 1\rloss 0.5\rloss 0.3", "step 1\rloss 0.6\rloss 0.3"), ("100%| [00:01<00:00, 3it/s, loss=0.5]",
                                                                  "100%| [00:01<00:00, 3it/s, loss=0.6]"),
    ("it took 37 steps", "it took 38 steps"), ("v = 0.5 m/s", "v = 0.6 m/s"), ("eta: 0.1", "eta: 0.2"),
    ("id=3", "id=4"),
    ("lifetime 5", "lifetime 6"), ("part 10:25", "part 10:26"), ("/tmp/loss_0.5.png", "/tmp/loss_0.6.png"),
    ("duration 5 epochs", "duration 6 epochs"), ("0.5 meters per second", "0.6 meters per second"),
    ("0.1 second order 0.5", "0.1 second order 0.6"), ("loss 1.0000001", "loss 1"),
    ("loss: 0.5 min: 3", "loss: 0.6 min: 3"),
    ("V {0.5 } (", "V {0.6 } ("), ("nan", "1.0"), ("epoch 3:12", "epoch 3:13"), ("0.5 m", "0.6 m"),
    ("epoch 1", "epoch 1\n2")])
def test_lines_that_differ(own, ours):
    assert Likeness(own, ours, any_order=False).difference is not None
    assert Likeness(own, ours, any_order=True).difference is not None


@pytest.mark.parametrize("own, ours, same", [
    ("V(data=1, grad=2)\nV(data=3, grad=4)", "V(data=3, grad=4)\nV(data=1, grad=2)", True),
    ("V(data=1, grad=2)\nV(data=3, grad=4)", "V(data=3, grad=2)\nV(data=1, grad=4)", False),
    ("a 1\nb 2", "b 2\na 1", True), ("a 1\nb 2", "b 1\na 2", False), ("a 1\na 2", "a 2\na 1", False),
    ("1\n2", "2\n1", False),
    ("x\ny", "y\nx", True), ("x\ny", "x\nx", False)])
def test_lines_in_another_order(own, ours, same):
    """If operands are in a set, lines come in its order; but numbers alone don't say which is whose."""
    assert (Likeness(own, ours, any_order=True).difference is None) == same
    assert Likeness(own, ours, any_order=False).difference is not None


def test_the_order_of_a_set(folder):
    text = HEAD + DEMO + "print(d._prev)\nfor v in d._prev | c._prev: print(v.data, v.grad)\n"
    for _ in range(3):
        said = verify(folder, text)
    assert "the same" in said


# ---- Folders ----

def test_each_run_has_a_copy_of_the_folder(folder):
    """A run sees what its folder holds, and neither what the other has written."""
    (folder.path / "data").mkdir()
    folder.write("data/names.txt", "anna\n")
    folder.write("project/.git/HEAD", "main\n")
    folder.write("project/.venv/pyvenv.cfg", "")
    folder.write("project/sub/inner.txt", "inner\n")
    (folder.path / "project/link.txt").symlink_to("sub/inner.txt")
    (folder.path / "project/outer.txt").symlink_to("../data/names.txt")
    folder.write("project/script.py", HEAD + """
import os
print(open('../data/names.txt').read(), open('outer.txt').read(), open('.git/HEAD').read(), os.listdir('.venv'))
open('link.txt', 'a').write('more\\n')
open('log.txt', 'a').write('a run\\n')
print(open('log.txt').read(), open('sub/inner.txt').read(), __file__, os.getcwd(), os.path.exists('sub/new'))
os.makedirs('sub/new')
""" + DEMO)
    for name in ("script.py", folder.path / "project/script.py"):
        said = python("-m", "fastgrad", "--verify", name, cwd=folder.path / "project").stderr
        assert "the same to the bit" in said and f"copy of its own of {folder.path}/project\n" in said
    assert not (folder.path / "project/log.txt").exists() and not (folder.path / "project/sub/new").exists()
    assert (folder.path / "project/sub/inner.txt").read_text() == "inner\n"


def test_a_script_in_another_folder(folder):
    folder.write("scripts/engine.py", HEAD)
    folder.write("scripts/run.py", "from engine import Value\nopen('log.txt', 'a').write('x')\n"
                                   "print(open('log.txt').read())\n" + DEMO)
    folder.write("work/empty", "")
    said = python("-m", "fastgrad", "--verify", "../scripts/run.py", cwd=folder.path / "work").stderr
    assert "the same to the bit" in said and f"{folder.path}/scripts and {folder.path}/work" in said
    assert os.listdir(folder.path / "work") == ["empty"]


def test_a_large_folder_is_not_copied(folder, monkeypatch, capfd):
    folder.write("script.py", HEAD + DEMO)
    folder.write("one", "")
    monkeypatch.setattr(copies, "MOST_FILES", 2)
    monkeypatch.setattr("sys.stdin", None)
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(fastgrad.__file__)))
    monkeypatch.chdir(folder.path)
    assert verifying.verify(["script.py"], "script.py") == 0
    said = capfd.readouterr().err
    assert f"each run was in the folder itself, since {folder.path} holds more than 2 files or 256 MB" in said


def test_large_files_are_linked(folder, monkeypatch, tmp_path):
    folder.write("project/small", "12345")
    folder.write("project/large", "123456789")
    monkeypatch.setattr(copies, "LARGE", 8)
    folders = copies.Folders([tmp_path / "project"])
    folders.copy(str(tmp_path / "top"))
    made = tmp_path / "top" / str(tmp_path / "project").lstrip("/")
    assert (made / "large").resolve() == tmp_path / "project/large" and not (made / "small").is_symlink()
    assert (made / "small").read_text() == "12345"
