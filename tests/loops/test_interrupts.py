"""Promise: what cuts a loop short does so as in plain Python. Ctrl-C stops it within 50 ms, memory that runs out is a
MemoryError or not noticed at all, and afterwards the program is where it would be: a loop that makes something has made
nothing, and a loop that assigns has stopped between two assignments.
"""
import builtins
import contextlib
import gc
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import fastgrad
import twins
from fastgrad import Value, arena_stats, engine
from twins import compile_source

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")
needs_hooks = pytest.mark.skipif(not hasattr(engine, "_check"), reason="a build without the tests' hooks: see setup.py")
needs_signals = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")

MAKES = {
    "a list": "r = [v * k + v for v in xs]\n",
    "a sum": "r = sum((v * k for v in xs), a)\n",
    "a sum of products": "r = sum(w * x for w, x in zip(xs, ys))\n",
    "a list of sums": "r = [sum(w * x for w, x in zip(row, ys)) for row in rows]\n",
    "a list of methods": "r = [v.tanh() for v in xs]\n",
}
ASSIGNS = {
    "data": "for p in xs:\n    p.data -= 1.0\n",
    "data and grad": "for p in xs:\n    p.data -= 1.0\n    p.grad = 2.0\n",
    "moments": "for i, p in enumerate(xs):\n    m[i] = m[i] + 1.0\n    p.data -= m[i]\n    p.grad = 2.0\n",
}


class Cut(Exception):
    pass


@contextlib.contextmanager
def cut_after(seconds):
    """Raise Cut from a signal handler once, while the program runs."""
    over = []

    def handler(signum, frame):
        while frame is not None and frame.f_code.co_filename != twins.FILE:
            frame = frame.f_back
        if frame is not None and not over:
            over.append(True)
            raise Cut

    old = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.001)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def names(n):
    xs, ys = [Value(0.5) for _ in range(n)], [Value(i / n) for i in range(n)]
    return {"xs": xs, "ys": ys, "rows": [xs, ys, xs[::-1]], "m": [0.0] * n, "k": 2.0, "a": Value(1.0)}


@needs_signals
@pytest.mark.parametrize("name", MAKES)
def test_a_loop_that_makes_something_is_cut(name):
    """It runs over and over, so that it's cut somewhere in its middle."""
    space = names(20_000)
    code = compile_source(f"while True:\n    r = None\n    {MAKES[name]}", twins.FILE)
    exec(compile_source(MAKES[name], twins.FILE), dict(space))
    gc.collect()
    live, delays = arena_stats()["live"], []
    for seconds in (0.003, 0.007, 0.011, 0.02, 0.031):
        start = time.perf_counter()
        with cut_after(seconds):
            try:
                exec(code, space)
            except Cut:
                pass
        delays.append(time.perf_counter() - start - seconds)
        space.pop("r", None)
        gc.collect()
        assert arena_stats()["live"] == live
    assert sorted(delays)[2] < 0.05, delays
    if hasattr(engine, "_check"):
        engine._check()


@pytest.mark.parametrize("name", MAKES)
def test_an_interrupt_before_a_loop_begins(name):
    """What the engine calls at the next operation may be interrupted. The loop then hasn't begun."""
    def interrupt():
        raise KeyboardInterrupt
    space, code = names(100), compile_source(MAKES[name], twins.FILE)
    exec(code, space)
    made, space["r"] = space["r"], None
    engine._at_next_operation(interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        exec(code, space)
    assert space["r"] is None and twins.FILE in [entry.path for entry in caught.traceback]
    exec(code, space)
    assert repr(space["r"]) == repr(made)


def place_of_cut(space):
    """How many elements a loop has assigned. Asserts that all before are, and none behind."""
    states = [(p.data, p.grad, x) for p, x in zip(space["xs"], space["m"])]
    place = next((i for i, state in enumerate(states) if state[0] == 0.5), len(states))
    assert all(state == (0.5, 0, 0.0) for state in states[place + 1:])      # at the place a moment may be there already
    assert all(state == states[0] for state in states[:max(place - 1, 0)])  # before the place a grad may be missing
    return place


@needs_signals
@pytest.mark.parametrize("name", ASSIGNS)
def test_a_loop_that_assigns_is_cut(name):
    """All elements before one place are assigned, and none behind it. At the place itself the first assignments are."""
    n, places = 50_000, set()
    code = compile_source(ASSIGNS[name], twins.FILE)
    for step in range(12):
        space = names(n)
        with cut_after(0.0005 * (step + 1)):
            try:
                exec(code, space)
            except Cut:
                pass
        places.add(place_of_cut(space))
    assert len(places) > 1 or places <= {n - 1, n}      # or the loop is over before a signal comes


@needs_hooks
@pytest.mark.parametrize("name", [*MAKES, *ASSIGNS])
def test_memory_runs_out(name):
    """The core's allocations fail, each in turn. The loop raises MemoryError on its own line or gives what it gives."""
    text = {**MAKES, **ASSIGNS}[name]
    expected, space = names(300), None
    exec(compile(text, twins.FILE, "exec"), expected)
    code = compile_source(text, twins.FILE)
    for count in range(1, 200):
        space = names(300)
        gc.collect()
        live = arena_stats()["live"]
        engine._fail_allocation(count)
        try:
            exec(code, space)
        except MemoryError as error:
            engine._fail_allocation(0)
            at = error.__traceback__.tb_next
            assert at.tb_frame.f_code.co_filename == twins.FILE
            at = error = None
            gc.collect()
            if name in MAKES:
                assert "r" not in space and arena_stats()["live"] == live
            engine._check()
            exec(code, space)       # it can be used again
        else:
            engine._fail_allocation(0)
            assert same_numbers(space, expected)
            if count > 20:
                break
        engine._check()


def test_memory_of_python_runs_out():
    """The same for CPython's own allocations, with its own hook, where it was built with it."""
    if not has_testcapi():
        pytest.skip("this Python has no _testcapi, or doesn't stand it")
    script = f"""if True:
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_interrupts import *
        every_allocation_of_python_fails()
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def has_testcapi():
    """CPython 3.12 and 3.13 themselves may crash when a generator of floats finds no memory."""
    if sys.version_info >= (3, 12):
        return False
    try:
        import _testcapi
    except ImportError:
        return False
    return hasattr(_testcapi, "set_nomemory")


def every_allocation_of_python_fails():
    import _testcapi
    for name, text in {**MAKES, **ASSIGNS}.items():
        code, expected, quiet, count = compile_source(text, twins.FILE), names(20), 0, -1
        exec(compile(text, twins.FILE, "exec"), expected)
        while quiet < 10 and count < 1000:
            count += 1
            kept, space, failed = [Value(1.0) for _ in range(4096)], names(20), False   # no handle is left to be reused
            space["__builtins__"] = builtins
            live = arena_stats()["live"]
            _testcapi.set_nomemory(count, count + 1)
            try:
                exec(code, space)
            except MemoryError:
                failed = True
            finally:
                _testcapi.remove_mem_hooks()
            quiet = 0 if failed else quiet + 1
            if not failed:
                assert same_numbers(space, expected), (name, count)
            elif name in ASSIGNS:
                place_of_cut(space)
            else:
                gc.collect()
                assert "r" not in space and arena_stats()["live"] == live, (name, count)
            del kept
            engine._check()


def same_numbers(space, expected):
    return all(numbers(space.get(name)) == numbers(expected.get(name)) for name in ("r", "xs", "ys", "m"))


def numbers(x):
    if isinstance(x, list):
        return [numbers(y) for y in x]
    return (x.data, x.grad) if isinstance(x, Value) else x


def test_threads_with_loops_of_their_own():
    """Each thread has its own Values, and one of them records no graph."""
    source = ("for again in range(30):\n"
              "    loss = sum((w * x for w, x in zip(xs, ys)), a)\n"
              "    r = [sum(w * x for w, x in zip(row, ys)) for row in rows]\n"
              "    loss.backward()\n"
              "    for i, p in enumerate(xs):\n"
              "        m[i] = 0.9 * m[i] + p.grad\n"
              "        p.data -= 0.001 * m[i]\n"
              "        p.grad = 0\n")
    expected = names(50)
    exec(compile(source, twins.FILE, "exec"), expected)
    code, spaces, errors = compile_source(source, twins.FILE), [names(50) for _ in range(6)], []

    def work(space):
        try:
            exec(code, space)
        except BaseException as error:
            errors.append(error)

    def work_without_a_graph():
        space = names(50)
        with fastgrad.no_grad():
            exec(code, space)
        if space["loss"]._children or any(v._children for v in space["r"]):
            errors.append("a graph under no_grad")

    threads = [threading.Thread(target=work, args=(space,)) for space in spaces]
    threads.append(threading.Thread(target=work_without_a_graph))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(same_numbers(space, expected) and space["loss"].data == expected["loss"].data for space in spaces)


def test_a_list_that_another_thread_changes():
    """Nobody knows what comes out, but nothing breaks."""
    space, over = names(200), threading.Event()
    code = compile_source("for again in range(200):\n"
                          "    r = [v * 2 for v in xs]\n"
                          "    s = sum(w * x for w, x in zip(xs, ys))\n"
                          "    for p in xs:\n"
                          "        p.data -= 0.001\n"
                          "        p.grad = 0\n", twins.FILE)

    def change():
        xs = space["xs"]
        while not over.is_set():
            xs.append(Value(1.0))
            xs.pop(0)
            xs[:] = xs[::-1]
            del xs[100:]
            xs.extend([Value(0.5)] * 100)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        exec(code, space)
    finally:
        over.set()
        thread.join()
    space.clear()
    if hasattr(engine, "_check"):
        engine._check()
