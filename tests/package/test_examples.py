"""Each example runs as a learner runs it, from a folder of its own, and what it claims is true."""
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import fastgrad

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOK = EXAMPLES / "microgpt.ipynb"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="needs a checkout")
compiled = pytest.mark.skipif(fastgrad.backend != "c", reason="classes are replaced by the C engine's only")


def run(folder, *command, **environment):
    """Run Python in a folder; returns what it prints. Nothing may go wrong or be warned of."""
    done = subprocess.run([sys.executable, *map(str, command)], cwd=folder, stdin=subprocess.DEVNULL,
                          capture_output=True, encoding="utf-8",
                          env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_are_listed_and_tested():
    names = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[(.+?)\]\(\1\) \|", table, re.M)) == names
    tests = Path(__file__).read_text(encoding="utf-8")
    for name in names:
        assert f'"{name}"' in tests
        if name.endswith(".py"):
            assert f"    python examples/{name}" in (EXAMPLES / name).read_text(encoding="utf-8").split('"""')[1]


def test_linear_fit_finds_the_line(tmp_path):
    out = run(tmp_path, EXAMPLES / "linear_fit.py")
    once, twice = map(float, re.findall(r"^slope\.grad .*?(-?\d+\.\d+) ", out, re.M))
    assert twice == pytest.approx(2 * once, abs=0.01)
    found, formula = (re.search(rf"^{what} +y = (.+)x (.+)$", out, re.M).groups() for what in ("found", "by formula"))
    assert [float(x) for x in found] == pytest.approx([2, -1], abs=0.15)
    assert [float(x) for x in found] == pytest.approx([float(x) for x in formula], abs=0.01)


def test_xor_is_learned_by_layers_and_not_by_a_neuron(tmp_path):
    neuron, layers = run(tmp_path, EXAMPLES / "xor.py").split("Four neurons")
    row = r"^ ([01])  ([01])   (yes|no) .*, (yes|no|can't tell)$"
    rows = re.findall(row, layers, re.M)
    assert [said for *_, said in rows] == ["no", "yes", "yes", "no"]
    for a, b, answer, said in rows:
        assert said == answer == ("yes" if a != b else "no")
    assert any(said != answer for *_, answer, said in re.findall(row, neuron, re.M))


@pytest.mark.parametrize("arguments, picture", [([], "neuron.svg"), (["my.svg"], "my.svg")])
def test_neuron_is_the_lecture_s(arguments, picture, tmp_path):
    out = run(tmp_path, EXAMPLES / "neuron.py", *arguments)
    for line in ("o | data 0.7071 | grad 1.0000 | tanh", "n | data 0.8814 | grad 0.5000 | +",
                 "x1 | data 2.0000 | grad -1.5000", "w1 | data -3.0000 | grad 1.0000",
                 "x2 | data 0.0000 | grad 0.5000", "w2 | data 1.0000 | grad 0.0000", "w1 = -3.0: a leaf"):
        assert line in out
    assert [path.name for path in tmp_path.glob("*.svg")] == [picture] and picture in out
    svg = ElementTree.parse(tmp_path / picture).getroot()
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"x1", "x2", "w1", "w2", "b", "x1*w1", "x2*w2", "x1*w1 + x2*w2", "n", "o", "tanh", "+", "*",
            "data 0.7071", "grad -1.5000"} <= texts


def check_moons(out):
    """The loss falls, the accuracy is high, and the drawing has two regions, each with its own moon."""
    losses = [float(loss) for loss in re.findall(r"loss (\d\.\d+)", out)]
    assert losses[-1] < 0.3 * losses[0]
    assert int(re.search(r"^trained .* accuracy (\d+)%$", out, re.M)[1]) > 90
    rows = re.findall(r"^[ .ox]{66}$", out, re.M)
    assert len(rows) == 24
    drawing = "".join(rows)
    assert min(map(drawing.count, " .")) > 300 and min(map(drawing.count, "ox")) > 30
    beside = {mark: "".join(re.findall(rf"(?<=([ .])){mark}", drawing)) for mark in "ox"}
    assert beside["o"].count(".") > 0.8 * len(beside["o"]) and beside["x"].count(" ") > 0.8 * len(beside["x"])


@pytest.mark.skipif(not importlib.util.find_spec("matplotlib"), reason="needs matplotlib")
def test_moons_are_told_apart_and_drawn(tmp_path):
    check_moons(run(tmp_path, EXAMPLES / "moons.py", "my.png", "--steps", 50))
    assert (tmp_path / "my.png").read_bytes().startswith(b"\x89PNG")


def test_moons_without_matplotlib(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    out = run(tmp_path, EXAMPLES / "moons.py", "--steps", 50, PYTHONPATH=path)
    check_moons(out)
    assert "pip install matplotlib" in out and not list(tmp_path.glob("*.png"))


def check_pinn(out):
    """The loss falls, the network comes near to cos(t), and so do the marks in the drawing."""
    losses = [float(loss) for loss in re.findall(r"loss (\d+\.\d+)", out)]
    assert losses[-1] < 0.01 * losses[0]
    assert float(re.search(r"at most (\d\.\d+) away from cos", out)[1]) < 0.2
    rows = re.findall(r"^[ +o]{61}$", out, re.M)
    assert len(rows) == 21
    for column in range(0, 61, 4):
        row, = [i for i in range(21) if rows[i][column] == "o"]
        assert abs(row - (10 - 9 * math.cos(6.0 * column / 60))) < 3


needs_minutes_in_python = pytest.mark.skipif(fastgrad.backend != "c", reason="takes minutes on the other engine")


@needs_minutes_in_python
@pytest.mark.skipif(not importlib.util.find_spec("matplotlib"), reason="needs matplotlib")
def test_pinn_solves_the_equation_and_draws(tmp_path):
    check_pinn(run(tmp_path, EXAMPLES / "pinn.py", "my.png", "--steps", 600))
    assert (tmp_path / "my.png").read_bytes().startswith(b"\x89PNG")


@needs_minutes_in_python
def test_pinn_without_matplotlib(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    out = run(tmp_path, EXAMPLES / "pinn.py", "--steps", 600, PYTHONPATH=path)
    check_pinn(out)
    assert "pip install matplotlib" in out and not list(tmp_path.glob("*.png"))


def test_newton_is_there_in_a_few_steps(tmp_path):
    out = run(tmp_path, EXAMPLES / "newton.py")
    steps = re.findall(r"^(\w+) +step +(\d+) +x (\S+) +y (\S+) +height (\S+)$", out, re.M)
    assert [float(x) for x in steps[-1][2:]] == pytest.approx([1, 1, 0], abs=1e-9) and steps[-1][:2] == ("newton", "7")
    descent = {int(n): float(height) for name, n, _, _, height in steps if name == "descent"}
    assert descent[1000] > 0.1 and descent[20_000] > 1e-9


@pytest.mark.parametrize("place, data", [("its folder", "5163 names, 27 tokens, 4192 parameters"),
                                         ("a folder without names.txt", "66 names, 24 tokens, 4096 parameters")])
def test_microgpt_learns_and_makes_up_names(place, data, tmp_path):
    script = EXAMPLES / "microgpt.py"
    if place != "its folder":
        script = shutil.copy(script, tmp_path)
    first, *lines = run(tmp_path, script, "--steps", 60, "--samples", 4).splitlines()
    assert first == data
    losses = [float(re.fullmatch(r"step +\d+   loss (\d\.\d+)", line)[1]) for line in lines[:10]]
    assert 3 < losses[0] < 3.6 and sum(losses[5:]) < 0.9 * sum(losses[:5])
    assert len(lines) == 14
    for line in lines[10:]:
        assert re.fullmatch(r"[a-z]{1,15}(   \(in the list\))?|\(no letters\)", line)


TINY = ["--layers", 1, "--width", 8, "--heads", 2, "--length", 6, "--batch", 3, "--steps", 12, "--every", 4,
        "--samples", 3]


def test_train_bigger_goes_on_after_a_kill_to_the_bit(tmp_path):
    script, text = EXAMPLES / "train_bigger.py", tmp_path / "my.txt"
    text.write_text("\n".join(f"{a}{b} \u00e9{a}" for a in "abcde" for b in "vwxyz"), encoding="utf-8")
    options = [script, "--text", text, *TINY]
    first, *lines = run(tmp_path, *options, "--checkpoint", "whole.json").splitlines()
    assert first == "23 documents, 2 held out, 13 tokens, 1048 parameters"
    pattern = (r"step +(\d+)/12   loss (\d\.\d{4})   validation (\d\.\d{4})   rate 0\.0\d{4}   "
               r"norm \d+\.\d\d   \d+ ms a step")
    shown = [re.fullmatch(pattern, line).groups() for line in lines[:3]]
    assert [step for step, *_ in shown] == ["4", "8", "12"] and len(lines) == 6
    assert float(shown[-1][1]) < float(shown[0][1])

    command = [sys.executable, *map(str, options), "--checkpoint", "killed.json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "killed.json").exists():
            assert process.poll() is None
        process.kill()
    done = fastgrad.load(tmp_path / "killed.json")["done"]
    assert 4 <= done["step"] <= 12
    rest = run(tmp_path, *options, "--checkpoint", "killed.json", "--resume", "--workers", 2).splitlines()
    whole, killed = (fastgrad.load(tmp_path / name) for name in ("whole.json", "killed.json"))
    assert len(whole["done"]["losses"]) == 12 and repr(killed) == repr(whole)
    assert rest[-3:] == lines[-3:]      # and makes up the same


def test_train_bigger_learns_names(tmp_path):
    out = run(tmp_path, EXAMPLES / "train_bigger.py", *TINY, "--steps", 40, "--every", 20, "--workers", 1)
    assert out.startswith("6984 documents, 50 held out, 27 tokens, 1272 parameters")     # long names in two pieces
    losses = [float(loss) for loss in re.findall(r" loss (\d\.\d+) ", out)]
    assert len(losses) == 2 and losses[1] < losses[0] < 3.6
    script = shutil.copy(EXAMPLES / "train_bigger.py", tmp_path)
    assert run(tmp_path, script, *TINY, "--steps", 1).startswith("61 documents, 6 held out, 24 tokens")
    (tmp_path / "short.txt").write_text("a\nb\n")
    done = subprocess.run([sys.executable, script, "--text", "short.txt"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "short.txt has 2 lines, and it takes at least 10" in done.stderr


def check_notebook(out):
    assert f"Scalar runs on fastgrad: {fastgrad.backend == 'c'}" in out
    assert "a.grad: -2.0" in out and "Scalar(data=-4.0, grad=1)" in out
    losses = [float(loss) for loss in re.findall(r"^step \d+   loss (\d\.\d+) ", out, re.M)]
    assert len(losses) == 4 and losses[-1] < 0.8 * losses[0]
    assert all(re.fullmatch(r"[a-z]{1,8}|\(no letters\)", name) for name in out.splitlines()[-8:])


def test_the_notebook_s_cells_run_in_a_terminal(tmp_path):
    check_notebook(run(tmp_path, "-m", "fastgrad", NOTEBOOK))


@compiled
def test_the_notebook_runs_in_jupyter(tmp_path):
    nbformat, _ = pytest.importorskip("nbformat"), pytest.importorskip("ipykernel")
    pytest.importorskip("nbclient")
    shutil.copy(NOTEBOOK, tmp_path)
    program = ("import nbclient, nbformat; page = nbformat.read('microgpt.ipynb', 4); nbformat.validate(page); "
               "nbclient.NotebookClient(page, kernel_name='python3').execute(); nbformat.write(page, 'done.ipynb')")
    settings = {name: str(tmp_path / name) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    run(tmp_path, "-c", program, **settings, JUPYTER_PREFER_ENV_PATH="1")
    outputs = [output for cell in nbformat.read(tmp_path / "done.ipynb", 4).cells
               for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    shown = [output.data for output in outputs if "data" in output]
    check_notebook("\n".join([data["text/plain"] for data in shown] + [o.text for o in outputs if "text" in o]))
    picture, = [data["image/svg+xml"] for data in shown if "image/svg+xml" in data]
    texts = {element.text for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")}
    assert {"a", "b", "c", "data -4.0000", "grad -2.0000", "*", "+"} <= texts


def test_the_notebook_holds_no_outputs():
    page = json.loads((EXAMPLES / "microgpt.ipynb").read_text(encoding="utf-8"))
    for cell in page["cells"]:
        assert not cell.get("outputs") and not cell.get("execution_count")


def test_debug_nan_names_the_line(tmp_path):
    script = EXAMPLES / "debug_nan.py"
    out = run(tmp_path, script)
    number, = [i for i, line in enumerate(script.read_text(encoding="utf-8").splitlines(), 1)
               if line.endswith("# the mistake")]
    assert out.startswith("the loss at the end: nan\n")
    assert f'debug_nan.py", line {number}, in ' in out
