"""Promise: the steps from micrograd's class to C (docs/steps) run, each by itself and all by one command, and give the
same gradients."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastgrad

STEPS = Path(__file__).resolve().parents[2] / "docs" / "steps"
NAMES = sorted(path.name for path in STEPS.glob("s[01]*.py"))

pytestmark = [
    pytest.mark.skipif(not STEPS.exists(), reason="needs a checkout"),
    pytest.mark.skipif(fastgrad.backend != "c", reason="the last steps are the C engine's"),
    pytest.mark.skipif(sys.platform == "win32" or not any(map(shutil.which, ("cc", "gcc", "clang"))),
                       reason="steps 5 to 8 are compiled when they run, by gcc or clang"),
]


def run(name, *arguments):
    path = os.pathsep.join(filter(None, (str(Path(fastgrad.__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    done = subprocess.run([sys.executable, STEPS / name, *arguments], capture_output=True, encoding="utf-8",
                          env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_all_steps_give_the_same_gradients():
    assert len(NAMES) == 10
    assert run("run.py", "--check", "--positions", "2") == "11 engines give the same gradients\n"


def test_the_check_finds_a_gradient_that_differs(monkeypatch):
    monkeypatch.syspath_prepend(str(STEPS))
    for name in ("workload", "run", "plain", "s02_slots"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import plain
    import run as steps
    import s02_slots
    steps.check([s02_slots, plain], 1)
    monkeypatch.setattr(s02_slots.Value, "relu", lambda v: s02_slots.Value(max(0.0, v.data), (v,), (1.0,)))
    with pytest.raises(AssertionError, match="s02_slots"):
        steps.check([s02_slots, plain], 1)
    for name in ("workload", "run", "plain", "s02_slots"):
        sys.modules.pop(name, None)


def test_one_command_prints_what_each_step_gains():
    out = run("run.py", "--positions", "1", "--rounds", "1")
    rows = [line.split("|")[1:-1] for line in out.splitlines() if re.match(r"\| (\d+:|fastgrad)", line)]
    names = [row[0].split(":")[0].strip() for row in rows]
    assert names == [*map(str, range(1, 9)), "fastgrad, loops in Python", "9", "10"]
    nodes = int(re.search(r"of ([\d,]+) nodes", out)[1].replace(",", ""))
    assert nodes == 1 + 16 + 3 * 16 * (2 * 16 + 1 + 1) + (2 * 16 + 1) + 1
    for forward, backward, rest, total, per_node, *_ in (row[1:] for row in rows):
        assert float(total) == pytest.approx(float(forward) + float(backward) + float(rest), abs=0.02)
        assert int(per_node) == pytest.approx(1e6 * float(total) / nodes, abs=6)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_s_file_says_how_to_run_it(name):
    doc = (STEPS / name).read_text(encoding="utf-8").split('"""')[1]
    assert doc.startswith(f"Step {int(name[1:3])}: ") and f"    python docs/steps/{name}" in doc


def test_a_step_runs_by_itself():
    assert re.fullmatch(r"__main__: forward [\d.]+ ms, .*\d ns a node\n", run("s08_prefetch.py"))


def test_the_count_of_nodes_is_right(monkeypatch):
    monkeypatch.syspath_prepend(str(STEPS))
    monkeypatch.delitem(sys.modules, "workload", raising=False)
    import types

    import workload
    before = fastgrad.arena_stats()["live"]
    training = workload.Training(types.SimpleNamespace(Value=fastgrad.Value, __name__="plain"), 3)
    loss = training.network(training.layers, training.inputs())
    assert fastgrad.arena_stats()["live"] - before - len(training.weights) == workload.count_nodes(3) and loss.data > 0
    sys.modules.pop("workload", None)
