"""Promise: the benchmarks run, say what they measured, and measure engines that compute the same thing."""
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastgrad

FOLDER = Path(__file__).parents[2] / "benchmarks"
SMALL = "--layers 2 --width 4 --heads 2 --context 4".split()

needs_c = pytest.mark.skipif(fastgrad.backend != "c", reason="the C engine isn't in use (FASTGRAD_PURE or PyPy)")


def run(script, *arguments, status=0):
    """Run a benchmark; returns what it printed."""
    done = subprocess.run([sys.executable, FOLDER / script, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == status, done.stdout
    return done.stdout


def run_json(tmp_path, script, *arguments, status=0):
    """The same with --json: what it printed, and what it wrote."""
    file = tmp_path / "result.json"
    out = run(script, *arguments, "--json", file, status=status)
    result = json.loads(file.read_text())
    assert result["benchmark"] == script[:-len(".py")] and script in result["command"]
    assert {"processor", "python", "cores"} <= set(result["machine"])
    assert result["date"][:2] == "20" and result["rows"]
    return out, result


def is_figure(figure):
    return figure["low"] <= figure["median"] <= figure["high"]


@needs_c
def test_microgpt(tmp_path):
    out, result = run_json(tmp_path, "bench_microgpt.py", *SMALL, "--steps", 4, "--block", 2, "--warm", 0,
                           "--engines", "floats,fastgrad,oracle,lesson,pypy", "--pypy", tmp_path / "no-such-pypy")
    floats, c, oracle, lesson, pypy = result["rows"]
    assert floats["numbers"] == "no gradients"
    assert c["numbers"] == lesson["numbers"] == "same to the last bit"
    assert oracle["numbers"] == "the measure"
    assert len(c["losses"]) == len(c["seconds"]) == 4 and c["losses"] == oracle["losses"]
    assert all(is_figure(c["ms"][phase]) for phase in ("forward", "backward", "update", "step"))
    assert is_figure(c["times_floats"]) and floats["times_floats"]["median"] == 1
    assert pypy["missing"].startswith("can't start") and "ms" not in pypy
    lines = out.splitlines()
    assert lines[0].split() == "ms a step forward backward update a step times floats peak MB steps losses".split()
    assert lines[2].startswith("fastgrad ") and lines[2].endswith("same to the last bit")
    assert re.match("reference.py on PyPy +not measured: can't start", lines[5])


@needs_c
def test_scripts_as_they_are_written(tmp_path):
    result = run_json(tmp_path, "bench_microgpt.py", *SMALL, "--steps", 4, "--block", 2, "--warm", 0.3,
                      "--engines", "floats,published,oracle")[1]
    script, oracle = result["rows"][1:]
    assert script["numbers"] == "same to the last bit" and script["losses"] == oracle["losses"]
    result = run_json(tmp_path, "bench_lecture.py", "--steps", 20, "--warm", 0)[1]
    floats, script, no_fuse, own = result["rows"]
    assert script["losses"][-1] < script["losses"][0] == pytest.approx(floats["losses"][0], rel=1e-12)
    assert no_fuse["losses"] == script["losses"] == pytest.approx(own["losses"], rel=1e-9)


@needs_c
def test_an_engine_that_is_too_slow_stops_early(tmp_path):
    result = run_json(tmp_path, "bench_microgpt.py", *SMALL, "--steps", 4, "--block", 1, "--warm", 0, "--seconds", 0,
                      "--engines", "fastgrad")[1]
    assert len(result["rows"][0]["losses"]) == 1


def test_an_engine_that_does_not_exist_is_named():
    assert run("bench_microgpt.py", "--engines", "floats,magic", status=2).splitlines() == [
        "bench_microgpt.py: argument --engines: there is no engine 'magic', only floats, fastgrad, fused, published, "
        "adam, functional, oracle, lesson, pypy, micrograd, xad, casadi, numpy, torch, jax, jax-jit"]


@needs_c
def test_mlp(tmp_path):
    out, result = run_json(tmp_path, "bench_mlp.py", "--points", 4, "--width", 3, "--steps", 4, "--warm", 0,
                           "--engines", "floats,fastgrad,oracle")
    floats, c, oracle = result["rows"]
    assert c["numbers"] == "same to the last bit" and c["losses"][-1] < c["losses"][0]
    assert floats["losses"][0] == pytest.approx(c["losses"][0], rel=1e-12)
    assert "times floats" in out


@needs_c
def test_a_notebook(tmp_path):
    pytest.importorskip("numpy")
    result = run_json(tmp_path, "bench_mlp.py", "--points", 4, "--width", 3, "--steps", 4, "--warm", 0,
                      "--engines", "notebook,oracle")[1]
    assert result["rows"][0]["numbers"] == "same to the last bit"


def test_operations(tmp_path):
    out, result = run_json(tmp_path, "bench_ops.py", "--rounds", 2, "--count", 20)
    statements = {row["statement"]: row for row in result["rows"]}
    assert {"a * b", "a.exp()", "p.data", "p.data = f", "p.grad", "Value(f)"} <= set(statements)
    assert statements["a * b"]["against"] == "x * y"
    assert all(is_figure(row["ns"]) and is_figure(row["ratio_raw"]) for row in result["rows"])
    assert out.splitlines()[-1].startswith("An empty loop takes ")


@needs_c
def test_gradients(tmp_path):
    out, result = run_json(tmp_path, "bench_grad.py", "--rounds", 1)
    mlp = {row["graph"]: row for row in result["rows"]}["MLP 16-64-64-32-1"]
    assert mlp["inputs"] == 7361 and mlp["nodes"] == 21_940 and mlp["made"] > mlp["inputs"]
    assert all(is_figure(row["backward_ns"]) for row in result["rows"])
    assert all(is_figure(x) for row in result["rows"][:6] for x in row["times_backward"].values())
    assert out.splitlines()[0].startswith("graph ")


@needs_c
def test_scale(tmp_path):
    out, result = run_json(tmp_path, "bench_scale.py", "--most", 4000, "--rounds", 1)
    assert [row["size"] for row in result["rows"]] == [1000, 3162, 4000]
    for row in result["rows"]:
        assert abs(row["nodes"] - row["size"]) < 1100
        assert all(is_figure(row["ns"][phase]) for phase in ("build", "backward", "release", "floats"))
    assert out.splitlines()[0].startswith("nodes ")


def test_the_graph_of_scale_has_as_many_nodes_as_it_says(monkeypatch):
    scale = benchmark("bench_scale", monkeypatch)
    inputs, layers = scale.parameters(fastgrad.Value)
    before = fastgrad.arena_stats()["live"]
    loss = scale.build(2, inputs, layers, fastgrad.Value.tanh)
    assert fastgrad.arena_stats()["live"] - before == 2 * scale.UNIT
    loss.backward()
    assert all(w.grad for _, biases in layers for w in biases)


def test_import(tmp_path):
    out, result = run_json(tmp_path, "bench_import.py", "--rounds", 2, "--breakdown")
    assert [row["program"] for row in result["rows"]][2] == "import fastgrad, over pass"
    assert "fastgrad.engine" in {row["module"] for row in result["modules"]} or fastgrad.backend != "c"
    assert "python -c pass" in out


@pytest.mark.skipif(os.name != "posix", reason="a shell script")
def test_instructions_without_valgrind_says_so(tmp_path):
    done = subprocess.run([shutil.which("sh"), FOLDER / "bench_instructions.sh"], env={"PATH": str(tmp_path)},
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "bench_instructions.sh: valgrind isn't installed\n"


@needs_c
def test_plot(tmp_path):
    run_json(tmp_path, "bench_microgpt.py", *SMALL, "--steps", 1, "--warm", 0, "--engines", "floats,fastgrad")
    picture = tmp_path / "picture.png"
    try:
        import matplotlib   # noqa: F401
    except ImportError:
        assert "matplotlib isn't installed: pip install" in run("plot.py", tmp_path / "result.json", status=2)
    else:
        run("plot.py", tmp_path / "result.json", "--out", picture)
        assert picture.read_bytes().startswith(b"\x89PNG")
        run("plot.py", tmp_path / "result.json", "--bars", "--out", tmp_path / "bars.png")
        assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")


def test_bars(monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    plot = benchmark("plot", monkeypatch)
    times = {"floats": 4.0, "fused": 2.0, "lesson": 400.0, "micrograd": 900.0, "torch": 7.0}
    rows = [{"engine": engine, "ms": {"step": {"median": ms}}} for engine, ms in times.items()]
    about = {"machine": {"python": "CPython", "processor": "x"}, "date": "2026-11-26"}
    figure = plot.draw_bars({"rows": [*rows, {"engine": "xad", "missing": "not here"}], **about}, pyplot)
    axes, = figure.axes
    assert axes.get_xscale() == "linear" and axes.get_xlim()[0] == 0        # a bar stands on 0
    assert [round(bar.get_width(), 9) for bar in axes.patches] == [900.0, 400.0, 4.0, 2.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "micrograd", "the lesson's own class", "no autograd: plain floats", "fastgrad, the same script"]
    assert [text.get_text() for text in axes.texts] == ["900 ms", "400 ms", "4.0 ms", "2.0 ms: 200 times as fast"]


def benchmark(module, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module(module)


@pytest.mark.parametrize("engine, module", [("adam", "fastgrad.optim"), ("micrograd", "micrograd"), ("xad", "xad"),
                                            ("casadi", "casadi"), ("numpy", "numpy"), ("torch", "torch"),
                                            ("jax", "jax"), ("jax-jit", "jax")])
@needs_c
def test_peers_compute_the_same(engine, module, tmp_path):
    pytest.importorskip(module)
    run = run_json(tmp_path, "bench_microgpt.py", *SMALL, "--steps", 6, "--warm", 0, "--engines", f"fastgrad,{engine}")
    peer = run[1]["rows"][1]
    assert peer["numbers"] in ("same to the last bit", "within 1e-09"), run[0]
    assert len(peer["losses"]) == 6
