"""benchmarks/train_microgpt.py as a user runs it: its options, what it prints, and a clear line for bad input."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

import fastgrad

SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks" / "train_microgpt.py"
TINY = ["--width", "2", "--heads", "1", "--context", "3", "--steps", "2", "--samples", "2"]

needs_c = pytest.mark.skipif(fastgrad.backend != "c", reason="the C engine isn't in use (FASTGRAD_PURE or PyPy)")
posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals as on POSIX")


def run(*arguments, status=0, **environment):
    """Run the script on a tiny model (later options override); return its output, or the line on stderr if it fails."""
    done = subprocess.run([sys.executable, SCRIPT, *TINY, *map(str, arguments)], capture_output=True, text=True,
                          encoding="utf-8", env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment}, timeout=120)
    assert done.returncode == status, done.stderr
    if status == 2:
        assert done.stdout == ""
        assert re.fullmatch(r"train_microgpt\.py: .+\n", done.stderr)
        return done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def data(tmp_path):
    """A small file of documents: spaces around them, an empty line, letters beyond ASCII, no last newline."""
    path = tmp_path / "data.txt"
    path.write_text("ana\n  zoë \n\nßa\nnana", encoding="utf-8")
    return path


def test_names_and_times_are_printed():
    out = run("--steps", 20, "--samples", 3, "--engine", "python")
    assert out.startswith("engine python: 162 parameters, 5,163 documents, 27 tokens\n")
    assert len(re.findall(r"^step .* of 20   loss \d\.\d{4}   [\d.]+ steps/s   0:\d\d left$", out, re.M)) == 10
    assert len(re.findall(r"^name [123]: [a-z]{0,3}$", out, re.M)) == 3
    assert re.search(r"^last loss \d\.\d+$", out, re.M)
    assert re.search(r"^20 steps in [\d.]+ s; [\d.]+ ms a step: forward [\d.]+, backward [\d.]+, update [\d.]+$", out,
                     re.M)
    assert re.search(r"^peak memory [\d?]+ MB$", out, re.M)


def test_the_default_engine_is_fastgrads():
    assert f"engine {fastgrad.backend}:" in run()
    assert "engine python:" in run(FASTGRAD_PURE="1")


def test_floats_make_up_no_names():
    out = run("--engine", "floats")
    assert "engine floats:" in out and "name" not in out
    assert "backward 0.00" in out


def test_data(data):
    out = run("--data", data, "--samples", 30)
    assert "4 documents, 7 tokens" in out
    assert set("".join(re.findall(r"^name +\d+: (.*)$", out, re.M))) <= set("anoszëß")


def test_json(tmp_path):
    results = []
    for name in "first", "again":
        run("--json", tmp_path / name, "--steps", 5)
        results.append(json.loads((tmp_path / name).read_text()))
    assert results[0]["losses"] == results[1]["losses"] and results[0]["samples"] == results[1]["samples"]
    assert [repr(float(loss)) for loss in results[0]["losses"]] == results[0]["losses"]
    assert len(results[0]["losses"]) == len(results[0]["seconds"]) == 5
    assert all(len(phases) == 3 for phases in results[0]["seconds"])
    assert results[0]["total_seconds"] > 0


@pytest.mark.parametrize("engine", [fastgrad.backend, "python", "floats"])
def test_the_optimizer_and_functional_change_no_bit(tmp_path, engine):
    losses = []
    for flags in [], ["--optim"], ["--functional"], ["--functional", "--optim"]:
        run("--json", tmp_path / "out", "--steps", 5, "--engine", engine, *flags)
        losses.append(json.loads((tmp_path / "out").read_text())["losses"])
    assert losses[0] == losses[1] == losses[2] == losses[3]


def test_a_seed_of_ones_own(tmp_path):
    losses = []
    for seed in 42, 43:
        run("--json", tmp_path / "out", "--seed", seed)
        losses.append(json.loads((tmp_path / "out").read_text())["losses"])
    assert losses[0] != losses[1]


def test_layers_and_heads():
    assert f"{2 * 27 * 4 + 3 * 4 + 3 * 12 * 4 * 4:,} parameters" in run("--layers", 3, "--width", 4, "--heads", 2)


def test_a_prompt_begins_every_name():
    names = re.findall(r"^name +\d+: (.*)$", run("--prompt", "jo", "--samples", 10), re.M)
    assert len(names) == 10 and all(name.startswith("jo") and len(name) <= 3 for name in names)


@needs_c
@pytest.mark.parametrize("flags", [[], ["--optim"], ["--functional", "--optim"]])
def test_compare(tmp_path, flags):
    out = run("--compare", "--steps", 7, "--json", tmp_path / "out", *flags)
    for engine in "floats", "c", "python":
        assert re.search(rf"^{engine}( +[\d.]+){{5}} +[\d?]+$", out, re.M)
    assert "losses of c and python: all 7 the same to the last bit" in out
    result = json.loads((tmp_path / "out").read_text())
    losses = {record["engine"]: record["losses"] for record in result["runs"]}
    assert losses["c"] == losses["python"] and len(losses["floats"]) == 7
    assert result["same_losses"]


@pytest.mark.parametrize("arguments, problem", [
    ("--steps 0", "0 isn't between 1 and"),
    ("--steps -3", "-3 isn't between 1 and"),
    ("--steps 1.5", "'1.5' isn't a whole number"),
    ("--steps many", "'many' isn't a whole number"),
    ("--steps 1" + 400 * "0", "isn't between 1 and"),
    ("--heads 0", "0 isn't between 1 and"),
    ("--width 0", "0 isn't between 1 and"),
    ("--layers 0", "0 isn't between 1 and"),
    ("--context 0", "0 isn't between 1 and"),
    ("--samples -1", "-1 isn't between 0 and"),
    ("--seed x", "invalid int value: 'x'"),
    ("--width 6 --heads 4", "width 6 isn't divisible by 4 heads"),
    ("--engine rust", "invalid choice: 'rust'"),
    ("--engine c --compare", "not allowed with"),
    ("--prompt Jo", "'Jo' has 'J', which is in no document"),
    ("--prompt ann", "'ann' leaves no room in a context of 3"),
    ("--json no/such/folder/out", "can't write no/such/folder/out: No such file"),
    ("--colour red", "unrecognized arguments: --colour red"),
])
def test_bad_options_get_a_line(arguments, problem):
    assert problem in run(*arguments.split(), status=2)


@pytest.mark.parametrize("arguments", [["--engine", "c"], ["--compare"]])
def test_engine_c_where_it_isnt_in_use_gets_a_line(arguments):
    assert "engine c isn't in use here" in run(*arguments, status=2, FASTGRAD_PURE="1")


def test_bad_files_get_a_line(tmp_path):
    missing, empty, blank, binary = (tmp_path / name for name in ("missing", "empty", "blank", "binary"))
    empty.write_bytes(b"")
    blank.write_bytes(b" \n\n\t\n")
    binary.write_bytes(b"anna\n\xff\xfe\n")
    assert f"can't read {missing}: " in run("--data", missing, status=2)
    assert f"can't read {tmp_path}: " in run("--data", tmp_path, status=2)
    assert f"{empty} has no documents" in run("--data", empty, status=2)
    assert f"{blank} has no documents" in run("--data", blank, status=2)
    assert f"{binary} isn't UTF-8 text" in run("--data", binary, status=2)


def test_names_that_the_output_cant_show_are_escaped(data):
    assert "name 2:" in run("--data", data, PYTHONIOENCODING="ascii")


@posix
@pytest.mark.parametrize("arguments", [[], pytest.param(["--compare"], marks=needs_c)])
def test_ctrl_c_is_a_line_and_status_130(arguments):
    process = subprocess.Popen([sys.executable, SCRIPT, *TINY, *arguments, "--steps", "100000000"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    if arguments:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)     # no line comes before ten seconds are over
    else:
        process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)       # as a terminal does, to the processes of a comparison too
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "interrupted\n"


@posix
def test_a_closed_pipe_ends_it_quietly():
    process = subprocess.Popen([sys.executable, SCRIPT, *TINY, "--steps", "200"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait(60)
    process.stderr.close()


@posix
def test_a_terminal_gets_one_line_that_changes():
    import pty
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, SCRIPT, *TINY, "--engine", "python", "--steps", "300"], stdout=theirs)
    os.close(theirs)
    out = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:     # Linux's end of file
            break
        if not piece:
            break
        out += piece
    os.close(ours)
    assert process.wait(60) == 0
    lines = [line for line in out.decode().split("\n") if "\rstep" in line]
    assert len(lines) == 1
    assert lines[0].count("\rstep") > 1 and "\rstep 300 of 300 " in lines[0]
    assert max(map(len, lines[0].split("\r"))) < 80
