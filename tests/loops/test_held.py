"""Promise: loops leave nothing behind, whether they run in C or decline: no node, no column, no Python object.
"""
import gc
import sys
import textwrap

import pytest

import fastgrad
import twins
from fastgrad import Value, arena_stats, engine
from twins import compile_source

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")

RUNS = 200
LOOPS = (
    "r = [v * 2.0 for v in xs]",
    "r = [(v - 1) / 3 for v in xs]",
    "r = [v.tanh() + v.relu() ** 2 for v in xs]",
    "r = [v.data * 2 for v in xs]",
    "r = [max(v.data, 0) for v in xs]",
    "r = [[w * 2.0 for w in row] for row in rows]",
    "r = [v[1:] for v in rows]",
    "r = [v[1] for v in rows]",
    "r = [sum(w * x for w, x in zip(row, xs)) for row in rows]",
    "r = [sum(w * x for w, x in zip(row, xs)) + sum(row) for row in rows]",
    "r = [sum(w * x for w, x in zip(row, xs)).log() for row in rows]",
    "r = [sum(row[j] * xs[j] for j in range(len(xs))) / 2 for row in rows]",
    "r = sum(v * w for v, w in zip(xs, ys))",
    "r = sum((v * w for v, w in zip(xs, ys)), xs[0])",
    "r = sum(v * v for v in f(xs))",
    "r = sum(v.data for v in xs)",
    "r = max(v.data for v in xs)",
    "r = max((v * w).grad for v, w in zip(xs, ys))",
    "r = [min((v * w).data for w in ys) for v in xs]",
    "r = max(v for v in xs)",
    "r = min(v * 2.0 for v in xs)",
    "r = sum((v * 2.0).exp() for v in xs)",
    "s = 0\nfor v in xs:\n    s = s + v * v",
    "s = 0\nfor v, w in zip(f(xs), ys):\n    s += v * w",
    "for v in xs:\n    v.data -= 0.001 * v.grad\n    v.grad = 0",
    "for i, v in enumerate(f(xs)):\n    m[i] = 0.9 * m[i] + v.grad\n    v.data -= 0.001 * m[i]",
    "for i, v in enumerate(xs):\n    m[i] = v.data * 2",
    "for i, (v, w) in enumerate(zip(xs, ys)):\n    m[i] = w.data * 2\n    v.data = w",
    "for i in range(len(xs)):\n    m[i] += 1",
    "for v in reversed(xs):\n    v.grad = 1.0",
    "for v, w in zip(xs, ys):\n    v.data = w.data",
)
# What a loop meets: most decline then, some before they have begun, some in the middle.
CHANGES = (
    "",
    "xs[2] = None",
    "rows[1] = None",
    "rows[2] = rows[2][:1]",
    "rows[-1][-1] = None",
    "xs[-1] = Value(float('inf'))",
    "xs[3] = Value(1)",
    "xs[3] = 1.0",
    "ys[1] = Value(10.0 ** 300)",
    "m[3] = None",
    "m[5] = None",
    "del m[4:]",
    "m[2] = xs[1]",
    "xs[1] = xs[2]",
    "xs[4] = 10 ** 20",
    "xs[-1].data = 1000.0",
    "xs = [v.data for v in xs]",
    "xs = (*xs,)",
    "xs = None",
)
SETUP = """
xs = [Value(0.1 * i + 0.5) for i in range(6)]
ys = [Value(0.2 * i - 0.5) for i in range(6)]
rows = [[Value(0.1 * i - 0.3 * j) for j in range(6)] for i in range(6)]
m = [0.5 * i for i in range(6)]
def f(x):
    return x
"""


def objects(space):
    """All that a program's names hold, with lists' items."""
    found = []
    for name in ("xs", "ys", "rows", "m"):
        x = space[name]
        found.append(x)
        if isinstance(x, (list, tuple)):
            found += x
            for row in x:
                found += row if isinstance(row, list) else []
    return found


def counts(space):
    return [sys.getrefcount(x) for x in objects(space) if isinstance(x, (list, Value))]


@pytest.mark.parametrize("loop", LOOPS)
def test_no_object_is_left(loop):
    """A loop runs many times, each time with the same objects. What is alive then is what was alive before."""
    code = compile_source(f"try:\n{textwrap.indent(loop, '    ')}\nexcept Exception:\n    pass\n", twins.FILE)
    for change in CHANGES:
        space, n_nodes = {"Value": Value}, arena_stats()["live"]
        exec(compile(SETUP + change, "<setup>", "exec"), space)
        found, m = twins.loops(code), space["m"].copy()

        def run(times):
            for _ in range(times):
                for each in found:
                    each.pause = 0              # it'd be left to Python if it declines again and again
                exec(code, space)
                space["m"][:] = m
            for name in ("r", "s", "v", "w", "i"):
                space.pop(name, None)

        run(3)
        gc.collect()
        for last in (False, False, True):
            before, live, n_blocks = counts(space), arena_stats()["live"], sys.getallocatedblocks()
            n_bytes = arena_stats()["bytes"]
            run(RUNS)
            gc.collect()
            n_blocks = sys.getallocatedblocks() - n_blocks
            assert counts(space) == before, change
            assert arena_stats()["live"] == live, change
            assert n_blocks < RUNS / 2, (change, n_blocks)
            if arena_stats()["bytes"] - n_bytes < 8 * RUNS:             # a column takes more
                break
            assert not last, change     # once it may have been a slab's room for fused sums
        space.clear(), m.clear()
        assert arena_stats()["live"] == n_nodes, change     # nor does a column hold the lists' Values
    if hasattr(engine, "_check"):
        engine._check()


@pytest.mark.parametrize("change", CHANGES)
def test_the_collector_is_on_again(change):
    assert gc.isenabled()
    for loop in LOOPS:
        twins.assert_same(f"import gc\n{SETUP}{change}\n{loop}\nprint(gc.isenabled())\n", backward=False)
        assert gc.isenabled()
    gc.disable()
    try:
        for loop in LOOPS[:4]:
            twins.assert_same(f"import gc\n{SETUP}{change}\n{loop}\nprint(gc.isenabled())\n", backward=False)
            assert not gc.isenabled()
    finally:
        gc.enable()


def test_no_argument_is_kept():
    """Of a loop that declines, the author's code gets the arguments from rest(), which doesn't keep them."""
    code = compile_source("def f(xs):\n    return [v * 2 for v in told(xs)]\ndef g(xs):\n    s = 0\n"
                          "    for v, w in zip(told(xs), xs):\n        s += v * w\n    return s\n"
                          "def h(xs):\n    for v in told(xs):\n        v.grad = 1.0\n", twins.FILE)
    space = {"told": lambda x: x}
    exec(code, space)
    for xs in [Value(1.0), Value(2)], [Value(1.0), None], [], [Value(1.0), 2.0, Value(3.0)]:
        for name in "fgh":
            before = sys.getrefcount(xs)
            try:
                space[name](xs)
            except (TypeError, AttributeError):
                pass
            assert sys.getrefcount(xs) == before


def test_a_loop_that_always_declines():
    """It's left to Python after a while, but not if it runs now and then; and it's tried again now and then."""
    code = compile_source("def f(xs):\n    return [v * 2.0 for v in xs]\n", twins.FILE)
    space = {}
    exec(code, space)
    loop, = twins.loops(code)
    for _ in range(30):
        for i in range(5):
            space["f"]({Value(1.0)})
        space["f"]([Value(1.0)])
    assert loop.pause == 0 and loop.runs == 30 and sum(loop.declines.values()) == 150
    for _ in range(30):
        space["f"]({Value(1.0)})
    assert loop.pause > 0 and sum(loop.declines.values()) < 170
    for _ in range(10000):
        space["f"]({Value(1.0)})
    assert sum(loop.declines.values()) < 190
    for _ in range(5000):
        space["f"]([Value(1.0)])
    assert loop.pause == 0 and loop.runs > 500
