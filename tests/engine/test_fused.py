"""Promise: nobody can tell a fused sum from the nodes of a plain loop. Numbers and gradients have the same bits, and
whoever looks at the inside finds the loop's nodes.

`F` are the functions of fastgrad.functional, on the C engine. `LOOPS` are the loops of their docstrings, on the oracle.
Random programs are compared too (fused_programs.py); fuzz.py runs any number of them.
"""
import _thread
import contextlib
import copy
import functools
import gc
import itertools
import math
import operator
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

import fastgrad
import fastgrad.functional as F
import fused_programs
import fuzz
import programs
from fastgrad import arena_stats, detect_anomaly, engine, explain, no_grad, optim, reference, viz
from fastgrad.debugging.anomaly import AnomalyError
from fastgrad.engine import Value
from fused_programs import loops_of
from small_stack import on_a_small_stack

only_c = pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")
needs_hooks = pytest.mark.skipif(not hasattr(engine, "_check"), reason="a build without the tests' hooks: see setup.py")
pytestmark = [only_c, needs_hooks]

LOOPS = loops_of(reference.Value)
LOOPS_IN_C = loops_of(Value)


class Sub(Value):
    pass


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Every test ends without live nodes of its own and without fused sums, and with an arena that adds up."""
    gc.collect()
    before = arena_stats()["live"]
    yield
    gc.collect()
    stats = arena_stats()
    assert (stats["live"], stats["fused"], stats["stood_for"]) == (before, 0, 0)
    engine._check()


def fused():
    return arena_stats()["fused"]


def state(*values):
    """What a transcript has of a graph, as text, so that nan is nan."""
    return programs.lines([programs.state(values)])


class Cut(Exception):
    pass


# ---- A sum is one node ----

@pytest.mark.parametrize("make, inner", [
    (lambda xs, ys, s: F.dot(xs, ys), 6), (lambda xs, ys, s: F.dot(xs, ys, s), 5),
    (lambda xs, ys, s: F.dot(xs, ys, 0.5), 6), (lambda xs, ys, s: F.dot(xs, [2.0, 3.0, 4.0]), 9),
    (lambda xs, ys, s: F.dot([2.0, 3.0, 4.0], xs, s), 8), (lambda xs, ys, s: F.dot(xs, xs, -1), 6),
    (lambda xs, ys, s: F.sum(xs), 3), (lambda xs, ys, s: F.sum(xs, s), 2), (lambda xs, ys, s: F.sum([*xs, 2.0]), 5),
    (lambda xs, ys, s: F.linear(xs, [ys])[0], 6), (lambda xs, ys, s: F.matmul([xs], [[y] for y in ys])[0][0], 6),
])
def test_a_sum_is_one_node(make, inner):
    """inner: the nodes that it stands for, besides itself."""
    xs, ys, s = list(map(Value, (1.0, 2.0, 3.0))), list(map(Value, (4.0, 5.0, 6.0))), Value(7.0)
    live = arena_stats()["live"]
    out = make(xs, ys, s)
    stats = arena_stats()
    assert (stats["fused"], stats["stood_for"], stats["live"]) == (1, inner + 1, live + 1)
    out.backward()
    assert fused() == 1
    assert out._op == "+" and fused() == 1
    assert len(out._children) == 2
    stats = arena_stats()
    assert (stats["fused"], stats["stood_for"], stats["live"]) == (0, 0, live + 1 + inner)
    del out
    assert arena_stats()["live"] == live


def test_operands_live_under_a_sum():
    live = arena_stats()["live"]
    out = F.dot([Value(2.0), Value(3.0)], [Value(5.0), 2.0][:1] * 2, Value(1.0))
    assert arena_stats()["live"] == live + 5 and out.data == 26.0
    out.backward()
    leaves = [v for v in out._topological() if not v._children]
    assert sorted(v.grad for v in leaves) == [1.0, 5.0, 5.0, 5.0]


# ---- Whoever looks inside ----

def build(Value, functions, raises=None):
    """A sum with a start, a node of its own among the operands, one operand twice, and a second sum above. Returns the
    leaves, the sum, and what is above it."""
    a, b, c, s = map(Value, (0.3, -0.7, 1.1, 0.2))
    h = (a * b).tanh()
    if raises is not None:
        accumulate = h._accumulate

        def _backward():
            accumulate()
            if raises:
                raise Cut
        h._backward = _backward
    out = functions.dot([a, h, b, h], [c, a, h, h], s)
    above = functions.sum([out, h, out * 0.5])
    return (a, b, c, s, h), out, above


def backward_cut_short(out, above, leaves):
    with pytest.raises(Cut):
        above.backward()


def two_sweeps(out, above, leaves):
    above.backward()
    above.backward()


def zeroed(out, above, leaves):
    above.backward()
    above.zero_grad()


def zeroed_and_again(out, above, leaves):
    above.backward()
    above.zero_grad()
    above.backward()


def leaves_zeroed_by_hand(out, above, leaves):
    above.backward()
    for v in (*leaves, out, above):
        v.grad = 0
    above.backward()


def numbers_changed(out, above, leaves):
    for v in leaves[:4]:
        v.data -= 0.25
    out.data, out.grad = 5.0, 0.25
    above.backward()


def two_roots(out, above, leaves):
    out.backward()
    above.backward()


SWEEPS = {
    "before": lambda out, above, leaves: None,
    "one": lambda out, above, leaves: above.backward(),
    "two": two_sweeps,
    "two roots": two_roots,
    "cut short": backward_cut_short,
    "zeroed": zeroed,
    "zeroed and again": zeroed_and_again,
    "by hand": leaves_zeroed_by_hand,
    "numbers changed": numbers_changed,
}


WHOLE = ("before", "one", "cut short", "numbers changed")     # after which the sums are whole


def pickled(out):
    with contextlib.suppress(AttributeError, pickle.PicklingError):     # of a local function, once all is listed
        pickle.dumps(out)


def assign(name, what):
    return lambda out, leaves: setattr(out, name, what(out, leaves))


# What looks at the inside of `out`, or changes it. The same is done to the oracle's, where it has such a thing.
LOOKS = {
    "_children": lambda out, leaves: out._children,
    "_operands": lambda out, leaves: out._operands,
    "_prev": lambda out, leaves: out._prev,
    "_local_grads": lambda out, leaves: out._local_grads,
    "_backward": lambda out, leaves: out._backward(),
    "_topological": lambda out, leaves: out._topological(),
    "_parents of an operand": lambda out, leaves: leaves[2]._parents(),
    "_parents of the start": lambda out, leaves: leaves[3]._parents(),
    "copy": lambda out, leaves: copy.copy(out),
    "deepcopy": lambda out, leaves: copy.deepcopy(out),
    "pickle": lambda out, leaves: pickled(out),
    "draw_text": lambda out, leaves: viz.draw_text(out),
    "draw_svg": lambda out, leaves: viz.draw_svg(out),
    "trace": lambda out, leaves: viz.trace(out),
    "notebook": lambda out, leaves: out._repr_mimebundle_(),
    "explain": lambda out, leaves: str(explain(out)) if isinstance(out, Value) else None,
    "explain an operand": lambda out, leaves: str(explain(leaves[0])) if isinstance(out, Value) else None,
    "_children=": assign("_children", lambda out, leaves: (leaves[0], leaves[1])),
    "_prev=": assign("_prev", lambda out, leaves: (leaves[0],)),
    "_local_grads=": assign("_local_grads", lambda out, leaves: (2.0, 3)),
    "_backward=": assign("_backward", lambda out, leaves: out._accumulate),
    "__dict__": lambda out, leaves: vars(out).update(_backward=lambda: None),
    "__init__": lambda out, leaves: out.__init__(2.0),
    "an edge to it": lambda out, leaves: leaves[4]._children[0]._children,
}


@pytest.mark.parametrize("sweeps", SWEEPS)
@pytest.mark.parametrize("way", LOOKS)
def test_the_inside(way, sweeps):
    """The same nodes with the same gradients, at whatever time and in whatever way somebody looks."""
    found = []
    for cls, functions in ((Value, F), (reference.Value, LOOPS)):
        raises = [True] if sweeps == "cut short" else None
        leaves, out, above = build(cls, functions, raises)
        SWEEPS[sweeps](out, above, leaves)
        before = fused()
        LOOKS[way](out, leaves)
        if cls is Value and way != "an edge to it" and sweeps in WHOLE:
            assert before > fused()
        if raises:
            raises.clear()
        found.append(state(*leaves, out, above))
        if way not in ("_backward=", "__dict__", "__init__", "_children=", "_prev=", "_local_grads="):
            above.backward()
            found[-1] += state(*leaves, out, above)
    assert found[0] == found[1]


def test_sums_stay_fused_unless_somebody_looks():
    """A first sweep needs no scalar nodes. A second one does, since it gives them different gradients."""
    leaves, out, above = build(Value, F)
    above.zero_grad()
    above.backward()
    repr(out), out.data, out.grad, above._op, hash(out), out == above, out.label, f"{out:.3f}"
    out.label = "x"
    for v in (*leaves, out):
        v.data, v.grad = v.data + 1, 0
    twin = F.dot(leaves, leaves, out)
    twin.detach()
    assert fused() == 3
    above.backward()
    assert fused() == 1
    twin.backward()
    assert fused() == 1
    twin.backward()
    assert fused() == 0


def test_copies_have_the_inside():
    leaves, out, above = build(Value, F)
    above.backward()
    copies = [copy.deepcopy(above), pickle.loads(pickle.dumps(above))]
    assert [state(x) for x in copies] == [state(above)] * 2


def test_all_that_is_below_is_counted():
    x, y = Value(2.0), Value(3.0)
    assert F.dot([x, y], [y, x])._n_below() == F.dot([x, y], [y, x], 1.0)._n_below() == 7
    out = F.sum([x, y])
    assert out._n_below() == 5 and fused() == 1
    assert len(out._topological()) == out._n_below() == 5 and fused() == 0


def test_zero_grad_keeps_sums_whole():
    def program(Value, F):
        x, y, before = Value(2.0), Value(-3.0), fused()
        out = F.dot([x, y], [y, x], F.sum([x, y, 2.5]))
        for _ in range(3):
            out.backward()
            out.zero_grad()
            assert fused() - before == 2 * (F is fastgrad.functional)
        out.backward()
        return x, y, out
    same_as_loops(program)


def test_a_sum_is_no_parameter():
    x = Value(2.0)
    for out in (F.dot([x, x], [x, x]), F.sum([x, x])):
        with pytest.raises(ValueError, match="parameter 1 must be a leaf, and it's the result of an operation, '\\+'"):
            optim.SGD([x, out], lr=0.1)


def test_ids_of_the_inside():
    x, y = Value(2.0), Value(3.0)
    out = F.dot([x, y], [y, x])
    first = out._children[0]
    assert out._children[0] is first and first._children[0] is not first._children[1]
    assert out._children[1]._children == (y, x) and id(out) == id(out._topological()[-1])


# ---- Gradients ----

def same_as_loops(program):
    """Call program(Value, functions) on both engines; it returns Values, whose graphs are compared."""
    ours, theirs = program(Value, F), program(reference.Value, LOOPS)
    assert state(*ours) == state(*theirs)


def test_several_roots():
    def program(Value, F):
        xs, ys = [Value(0.1 * i) for i in range(1, 6)], [Value(1 / i) for i in range(1, 6)]
        one = F.dot(xs, ys)
        other = F.dot(xs[::-1], ys, one)
        third = F.dot([one, other], [other, one], one)
        for root in (one, third, other, third, one):
            root.backward()
        return xs + ys + [one, other, third]
    same_as_loops(program)


def test_weights_that_are_used_again_and_again():
    """A recurrent network: the order of contributions to a weight decides its gradient's bits."""
    def program(Value, F):
        rng = random.Random(1)
        weight = [[Value(rng.uniform(-1, 1)) for _ in range(5)] for _ in range(3)]
        h, losses = [Value(0.1)] * 3, []
        for _ in range(6):
            h = F.tanh(F.linear([Value(rng.uniform(-1, 1)), *h, 1.0], weight))
            losses.append(F.cross_entropy(F.rms_norm(h), 1))
        F.mean(losses).backward()
        return sum(weight, []) + losses
    same_as_loops(program)


def test_an_optimiser_changes_numbers_in_between():
    def program(Value, F):
        rng = random.Random(2)
        weight = [[Value(rng.uniform(-1, 1)) for _ in range(3)] for _ in range(3)]
        for _ in range(4):
            loss = F.sum(F.linear(F.linear([0.5, -1.0, 2.0], weight), weight))
            loss.backward()
            for w in sum(weight, []):
                w.data -= 0.01 * w.grad
                w.grad = 0
        return sum(weight, []) + [loss]
    same_as_loops(program)


def test_rows_share_their_inputs():
    """The rows of a layer share a column. One is taken apart, another dies, and the third stays whole."""
    def program(Value, F):
        x = [Value(0.1), Value(0.2), Value(0.3)]
        first, second, third = F.linear(x, [[Value(1.0 + i + j) for i in range(3)] for j in range(3)], [x[0], 1, 0.5])
        (first + second * third).backward()
        first._children
        del first
        (second * second + third).backward()
        return x + [second, third]
    same_as_loops(program)
    x = [Value(0.1), Value(0.2)]
    rows = F.linear(x, [[Value(1.0), Value(2.0)] for _ in range(3)])
    assert fused() == 3
    rows[0]._children
    del rows[1]
    engine._check()
    assert fused() == 1


@pytest.mark.parametrize("make", [
    lambda Value, h: h,                                     # sums
    lambda Value, h: [v.tanh() for v in h],                 # one child
    lambda Value, h: [v * v for v in h],                    # two
    lambda Value, h: [Value(2.0 * v.data, (v, h[0], h[0]), (2.0, 0.5, 0.25)) for v in h],
    lambda Value, h: [Value(v.data) for v in h],            # leaves
    lambda Value, h: [h[0], Value(0.5), *h[2:]],            # a leaf among others
    lambda Value, h: [Value(0.5), *h[1:]],
    lambda Value, h: [h[0], h[0], *h[2:]],                  # twice
], ids="sums tanh squares wide leaves a-leaf a-leaf-first twice".split())
@pytest.mark.parametrize("rows, times, also", [(9, 7, None), (5, 1, "a row"), (2, 9, "themselves"), (9, 9, "itself")])
def test_what_many_sums_share(make, rows, times, also):
    """Where nothing else refers to the operands of a column, the sweep keeps their gradients side by side."""
    def program(Value, F):
        rng = random.Random(rows)
        first = [[Value(rng.uniform(-1, 1)) for _ in range(3)] for _ in range(4)]
        second = [[Value(rng.uniform(-1, 1)) for _ in range(4)] for _ in range(rows)]
        inputs, results = [], []
        for i in range(times):
            x = [Value(rng.uniform(-1, 1)), i, 0.5]
            h = make(Value, F.linear(x, first))
            out = F.linear(h, second)
            if also == "a row":
                out.insert(-1, F.dot(h, second[0], h[1]))
            elif also == "themselves":
                out.insert(-1, F.dot(h, h))
            elif also == "itself":
                out.append(h[-1] * h[-2])
            results += out
            inputs += x[:1] if i % 3 else x[:1] + h
        for _ in range(1 if also is None else 2):
            F.mean(results).backward()          # so that gradients are floats
            results = [v for v in results if isinstance(v, Value)][::-1]
        return sum(first, []) + sum(second, []) + inputs
    same_as_loops(program)


@pytest.mark.parametrize("n", [2, 3, 17])
@pytest.mark.parametrize("shift", [0, 1, 2, "behind"])
@pytest.mark.parametrize("start", [0, 3])
def test_values_made_one_after_the_other(n, shift, start):
    """Their gradients lie side by side, and the sweep adds to all of them at once, unless both factors have some of
    them. A start may be one of them too."""
    def program(Value, F):
        rng = random.Random(n)
        values = [Value(rng.uniform(-1, 1)) for _ in range(3 * n + 2)]
        values[0].grad = -0.0
        by = n if shift == "behind" else shift
        us, vs = values[:n], values[by:by + n]
        turned = us[::-1]
        results = []
        for _ in range(4):
            results += [F.dot(us, vs, start and values[by]), F.dot(vs, us), F.dot(us, turned)]
            results.append(F.dot(turned, values[n:2 * n]))
        for weight, v in zip((0.3, 0.7, -1.1), results):
            results[0] = results[0] + weight * v
        F.sum(results).backward()
        F.sum([v * v for v in F.linear(us, [vs, turned, vs])]).backward()
        return values
    same_as_loops(program)


def test_a_matrix_product_shares_columns_both_ways():
    def program(Value, F):
        a, b = ([[Value(rng.uniform(-1, 1)) for _ in range(3)] for _ in range(3)] for rng in (random.Random(3),) * 2)
        c = F.matmul(F.matmul(a, b), F.matmul(b, a))
        F.sum([x for row in c for x in row]).backward()
        return [v for matrix in (a, b, c) for row in matrix for v in row]
    same_as_loops(program)


@pytest.mark.parametrize("special", [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1e308])
def test_special_numbers(special):
    def program(Value, F):
        x, y, z = Value(special), Value(-0.0), Value(2.0)
        outs = [F.dot([x, y], [y, z], start) for start in (0, 0.0, -0.0, special, x, y, 1)]
        outs += [F.dot([x, y], [special, -0.0]), F.sum([x, y, special]), F.dot([special, 0.0], [y, x], z)]
        for out in outs:
            (out * special).backward()
            (out * -0.0).backward()
        return [x, y, z, *outs]
    same_as_loops(program)


def test_a_sum_with_more_terms_than_a_portion():
    """Walk and sweep look for Ctrl-C between portions, and a sum may be larger than one."""
    n = 300_000
    x, one = Value(2.0), Value(1.0)
    last = one * 1.0
    out = F.dot([x] * n, [one] * (n - 1) + [last])
    out.backward()
    assert (out.data, x.grad, one.grad) == (2.0 * n, n, 2.0 * n) and fused() == 1
    out.zero_grad()
    assert x.grad == one.grad == last.grad == 0 and fused() == 1
    out.backward()
    assert x.grad == n


# ---- Closures and other classes ----

@pytest.mark.parametrize("act", ["look", "assign edges", "backward", "zero_grad", "raise", "drop", "fuse", "closure"])
@pytest.mark.parametrize("first", [False, True])
def test_a_closure_in_the_middle_of_a_sum(act, first):
    """The sweep has passed on some of a sum's terms when the closure of an operand runs."""
    def program(Value, F):
        a, b, c = Value(0.5), Value(-1.5), Value(2.5)
        h = a * b
        held = {"out": F.dot([a, h, b], [c, a, h], b)}
        held["above"] = F.dot([held["out"], h], [h, held["out"]], a)
        accumulate, runs = h._accumulate, []

        def what():
            runs.append(1)
            if len(runs) > 2:
                return
            out = held["out"]
            if act == "look":
                out._children[0]._children
            elif act == "assign edges":
                out._children = (c, b)
            elif act == "backward":
                out.backward()
            elif act == "zero_grad":
                out.zero_grad()
            elif act == "raise":
                raise Cut
            elif act == "drop":
                held.clear()
                gc.collect()
            elif act == "fuse":
                held["new"] = F.dot([out, c], [h, out])
                held["new"].backward()
            else:
                out._backward = out._accumulate

        def _backward():
            if first:
                what()
            accumulate()
            if not first:
                what()
        h._backward = _backward
        for _ in range(3):
            if "above" in held:
                try:
                    held["above"].backward()
                except Cut:
                    pass
        del _backward
        return [a, b, c, h, *held.values()]
    same_as_loops(program)


@pytest.mark.parametrize("name", ["_backward", "grad"])
def test_a_class_that_changes_in_the_middle_of_a_sum(name):
    """From then on each node of the loop is asked."""
    def program(Value, F):
        own, seen = getattr(Value, name), []
        before = vars(Value).get(name)

        def get(v):
            seen.append(v.data)
            return own.__get__(v)
        a, b, c = Value(0.5), Value(-1.5), Value(2.5)
        h = a * b
        out = F.dot([a, h, b], [c, a, h], F.dot([b, a], [a, c]))
        accumulate = h._accumulate

        def _backward():
            accumulate()
            setattr(Value, name, property(get, own.__set__))
        h._backward = _backward
        try:
            out.backward()
        finally:
            setattr(Value, name, before) if before is not None else delattr(Value, name)
        Value(1.0).backward()
        del _backward
        return [a, b, c, h, out, *map(Value, seen)]
    same_as_loops(program)


def test_subclasses_are_declined():
    def program(Value, F):
        class Twice(Value):
            def _backward(self):
                self._accumulate()
                self._accumulate()
        x, y, z = Value(2.0), Twice(3.0), Value(5.0)
        outs = [F.dot([x, y], [z, x]), F.sum([x, y, z]), F.dot([x, z], [z, x], y)]
        outs.append(F.dot([outs[0], x], [x, z]))
        for out in outs:
            out.backward()
        return [x, y, z, *outs]
    same_as_loops(program)
    x = Sub(2.0)
    kept = F.dot([x, x], [x, x]), F.sum([x, Value(1.0)]), F.dot([Value(1.0)] * 2, [Value(1.0)] * 2, x)
    assert fused() == 0 and all(type(v) is Sub for v in kept)


def test_a_subclass_above_a_sum():
    def program(Value, F):
        class Other(Value):
            pass
        x, y = Value(2.0), Value(3.0)
        out = F.dot([x, y], [y, x]) * Other(2.0)
        out.backward()
        return x, y, out
    same_as_loops(program)


def test_walks_in_a_sweep_over_many_sums():
    """Somebody looks at sums that a sweep has listed; their places in its list are taken by their parts."""
    def grads(dot, look):
        x, w = [Value(0.5), Value(-0.25), Value(3.0)], [Value(0.1), Value(-0.7), Value(2.0)]
        sums = [dot(x, w)]
        for _ in range(20):
            x = [*x[1:], sums[-1]]
            sums.append(dot(x, w))
        middle, root = sums[10], sums[-1] * sums[10]
        middle._children

        def closure():
            middle._accumulate()
            look(sums)
        middle._backward = closure
        root.backward()
        return [repr(v.grad) for v in [*x, *w, *sums]]

    for look in (lambda sums: sums[3]._children, lambda sums: sums[5]._topological(), lambda sums: sums[5].zero_grad(),
                 lambda sums: sums[7].backward(), lambda sums: sums.clear()):
        assert grads(F.dot, look) == grads(lambda u, v: sum(a * b for a, b in zip(u, v)), look)


# ---- Columns that are found again ----

CHANGES = {
    "data": lambda row, x, optim: setattr(row[0], "data", row[0].data + 1.0),
    "data, with ints": lambda row, x, optim: setattr(row[0], "data", 3),
    "data += in a loop": lambda row, x, optim: [setattr(p, "data", p.data - 0.1 * p.grad) for p in row
                                                if not isinstance(p, float)],
    "sgd": lambda row, x, optim: optim.SGD(row, 0.1).step(),
    "adam": lambda row, x, optim: optim.Adam(row, 0.1).step(),
    "another Value": lambda row, x, optim: row.__setitem__(1, x[0]),
    "another number": lambda row, x, optim: row.__setitem__(1, 2.0),
    "order": lambda row, x, optim: row.reverse(),
    "__init__": lambda row, x, optim: row[0].__init__(7.0),
    "the inputs": lambda row, x, optim: setattr(x[1], "data", -5.0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_columns_that_are_found_again(change):
    """The same list again, with other numbers or Values in it, while the first sum lives."""
    def program(Value, F):
        row, x = [Value(0.5), Value(-1.5), Value(0.25)], [Value(2.0), Value(3.0), Value(4.0)]
        weights = list(row)
        first = F.linear(x, [row, row]) + F.linear(x, [row])
        first[0].backward()
        CHANGES[change](row, x, fastgrad.optim)
        second = F.linear(x, [row, row, row, row, row], first + first[:2])
        F.sum(second).backward()
        return *weights, *x, *first, *second
    same_as_loops(program)


GROWTHS = {
    "edges": lambda w, c, Value: setattr(w, "_prev", {c}),
    "children and derivatives": lambda w, c, Value: w.__init__(w.data, (c,), (3.0,)),
    "a closure": lambda w, c, Value: setattr(w, "_backward", lambda: setattr(c, "grad", c.grad + 5.0 * w.grad)),
    "a closure below": lambda w, c, Value: (setattr(w, "_prev", {c}),
                                            setattr(c, "_backward", lambda: setattr(w, "extra", c.grad * 2.0))),
}


@pytest.mark.parametrize("keeps_old", [True, False])
@pytest.mark.parametrize("growth", GROWTHS)
def test_weights_that_are_leaves_no_more(growth, keeps_old):
    """A walk doesn't look at the weights of a row that were leaves. When one gets edges or a closure, it has to."""
    def program(Value, F):
        row, x, c = [Value(0.5), Value(-1.5), Value(0.25)], [Value(2.0), Value(3.0) * 1.5, Value(4.0)], Value(7.0)
        old = []
        for _ in range(3):
            out = F.linear(x, [row, row, row])
            (out[0] * out[1] + out[2]).backward()
            old = [out] if keeps_old else []
            del out
        first = F.linear(x, [row, row])
        GROWTHS[growth](row[1], c, Value)
        second = F.linear(x, [row, row, row])
        total = first[0] * second[0] + first[1] + second[1] * second[2]
        total.backward()
        return *row, *x, c, *first, *second, total, *itertools.chain(*old)
    same_as_loops(program)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("steps", [5, 6])
def test_columns_that_take_turns(change, steps):
    """The same list again in each step, while the sum of the step before still lives."""
    def program(Value, F):
        row, x = [Value(0.5), Value(-1.5), Value(0.25)], [Value(2.0), Value(3.0), Value(4.0)]
        weights, numbers, total = list(row), [], None
        for step in range(steps):
            out = F.linear(x, [row, row, row, row, row])
            total = out[0] * out[1] * out[2] + out[3] * out[4]
            total.backward()
            numbers += [total.data, *(v.grad for v in weights + x)]
            CHANGES[change if step == steps - 3 else "data += in a loop"](row, x, fastgrad.optim)
        return *weights, *x, *out, *[Value(number) for number in numbers]
    same_as_loops(program)


@pytest.mark.parametrize("change", CHANGES)
def test_columns_that_come_back(change):
    """The same list again in each step, with other numbers or Values in it, while no sum lives."""
    def program(Value, F):
        row, x = [Value(0.5), Value(-1.5), Value(0.25)], [Value(2.0), Value(3.0), Value(4.0)]
        weights, numbers = list(row), []
        for step in range(4):
            out = F.linear(x, [row, row, row, row, row])
            total = out[0] * out[1] * out[2] + out[3] * out[4]
            total.backward()
            numbers += [total.data, *(v.grad for v in weights + x)]
            if step == 3:
                return *weights, *x, *out, *[Value(number) for number in numbers]
            del out, total
            if step > 0:
                CHANGES[change](row, x, fastgrad.optim)
    same_as_loops(program)


def test_columns_that_come_back_keep_nothing_alive():
    live = arena_stats()["live"]
    rows, x = [[Value(0.5 * i), Value(-1.5)] for i in range(8)], [Value(2.0), Value(3.0)]
    for _ in range(3):
        out = F.linear(x, rows) + F.linear(x, rows)
        F.sum(out).backward()
        assert arena_stats()["live"] == live + 16 + 2 + 16
        del out
        assert arena_stats()["live"] == live + 16 + 2
    out = F.linear(x, rows) + F.linear(x, rows)
    del rows, x
    assert arena_stats()["live"] == live + 16 + 2 + 16
    assert out[1].data == out[9].data == 0.5 * 2.0 + -1.5 * 3.0
    del out
    assert arena_stats()["live"] == live
    engine._check()


def test_a_handle_at_the_address_of_another():
    """A Value dies while a sum still has it. The next result would get its handle, and takes its place in the list."""
    x, nine = [Value(2.0), Value(3.0)], Value(9.0)
    for i in range(5):
        row = [Value(0.5), Value(i + 1.0)]
        out = F.linear(x, [row, row, row])
        row[1] = None
        row[1] = nine + 1.0
        more = F.linear(x, [row, row, row])
        assert [v.data for v in out + more] == [1.0 + 3.0 * (i + 1.0)] * 3 + [31.0] * 3
        assert [v.data for v in out[1]._children[1]._children] == [i + 1.0, 3.0]
    engine._check()


def test_values_that_come_and_go_in_a_list():
    """Lists get other Values between sums, at the addresses of those that went, with sums alive or none, and in the
    middle of backward(), where what dies waits."""
    rng = random.Random(1)
    x, rows, kept = [Value(2.0), Value(3.0), Value(-1.0)], [[Value(float(i)) for i in range(3)] for _ in range(2)], []
    nine = Value(9.0)

    def change():
        row, k = rng.choice(rows), rng.randrange(3)
        what = rng.randrange(40)
        if what > 7:
            row[k] = None                   # the next result gets its handle
            row[k] = nine + rng.random()
        elif what < 3:
            row[k], row[k - 1] = row[k - 1], row[k]
        elif what == 3:
            row[:] = [Value(rng.random()) for _ in row]
        elif what == 4:
            row[k].data = rng.choice([rng.random(), 3])
        elif what == 5:
            row[k].note = rng.random()
        elif what == 6:
            row[k]._backward = lambda: None
        else:
            row[k] = rng.choice(x)

    def look():
        for row in rows:
            total = 0
            for w, xi in zip(row, x):
                total += w.data * xi.data       # sum() compensates floats, from CPython 3.12 on
            for v in F.linear(x, [row, row, row]):
                assert v.data == total
                if rng.random() < 0.1:
                    kept.append(v)

    for i in range(1500):
        for _ in range(rng.choice([0, 0, 1, 2])):
            change()
        look()
        if rng.random() < 0.5:
            kept.clear()
        if i % 4 == 0:
            for row in rows:
                row[:] = [Value(rng.random()) for _ in row]
        if i % 10 == 0:
            top = x[0] * x[1]
            top._backward = lambda: (change(), look(), change(), look())
            (top * 2.0).backward()
    rows.clear()
    kept.clear()
    engine._check()


@pytest.mark.parametrize("n", [*range(1, 10), 12, 17, 33, 40])
def test_rows_are_added_up_each_in_its_order(n):
    """However many there are, and whatever they share."""
    def program(Value, F):
        rng = random.Random(n)
        matrix = lambda m: [[Value(rng.uniform(-1, 1)) for _ in range(5)] for _ in range(m)]
        a, b, starts = matrix(n), matrix(5), matrix(2)[0][:1] * n
        outs = F.linear(b[0], a) + F.linear(b[1], a, starts) + sum(F.matmul(a, b), [])
        F.sum(outs).backward()
        F.mean([out * out for out in outs]).backward()
        return sum(a + b, []) + outs
    same_as_loops(program)


def test_found_columns_of_another_class():
    made = engine._make_class("m", "Made")
    x, ys = [Value(2.0), Value(3.0)], [made(0.5), made(0.25)]
    first = F.linear(ys, [ys, ys, ys])
    assert fused() == 3 and first[0].data == 0.3125
    mixed = F.linear(ys, [x, x])            # the class of the first Value, which is x's, becomes the active one
    assert fused() == 3 and mixed[0].data == 1.75
    assert type(mixed[0]) is type(sum(a * b for a, b in zip(x, ys)))


def test_a_list_at_the_address_of_another():
    found = 0
    for i in range(200):
        a, b = [Value(float(i)), Value(2.0)], [Value(3.0), Value(float(-i))]
        address, out = id(a), F.dot(a, b)
        del a
        other = [Value(0.5), Value(0.25)]
        found += id(other) == address
        assert F.dot(other, b).data == 0.5 * 3.0 + 0.25 * -i and out.data == 3.0 * i - 2.0 * i
    assert found > 0


# ---- Ints ----

@pytest.mark.parametrize("call", [
    lambda F, x, i: F.dot([i, x], [x, x]), lambda F, x, i: F.dot([x, x], [x, i]),
    lambda F, x, i: F.dot([x, x], [2, 3.0]), lambda F, x, i: F.dot([x, i, i], [x, x, x], i),
    lambda F, x, i: F.linear([x, i], [[1.0, 2.0]])[0],
    lambda F, x, i: F.linear([x.relu(), (x * -1).relu()], [[x, x]], [i])[0],
])
def test_ints_beside_floats(call):
    def program(Value, F):
        x, i = Value(1.5), Value(3)
        out = call(F, x, i)
        assert fused() == (F is fastgrad.functional)
        out.backward()              # the int 1, which passes on ints where the other factor is one
        (out * 1.0).backward()
        return x, i, out
    same_as_loops(program)


def test_a_leaf_of_an_int_in_a_sum():
    x = [Value(1.5), Value(2.0)]
    out = F.dot(x, [3, 0.5])
    assert fused() == 1
    out.backward()
    leaf = out._children[0]._children[0]._children[1]
    assert (repr(leaf.data), repr(leaf.grad)) == ("3", "1.5") and out._children[0]._children[0]._local_grads == (3, 1.5)


# ---- Gradients side by side ----

@pytest.mark.parametrize("distance", [1, 2, 9, 29, 30])
@pytest.mark.parametrize("may_start", [False, True])
def test_columns_of_the_same_values(distance, may_start):
    """The columns of leaves that were made one after the other, whose gradients lie side by side; some in both."""
    def program(Value, F):
        rng = random.Random(distance)
        xs = [Value(rng.gauss(0, 1)) for _ in range(60)]
        us, vs = xs[:30], xs[distance:30 + distance]
        out = Value(0.0)
        for i in range(6):
            out = out + F.dot(us, vs, xs[i] if may_start else 0) * rng.gauss(0, 1)
        assert fused() == 6             # the loops make none, but those of the first program are still there
        out.backward()
        return (*xs, out)
    same_as_loops(program)


# ---- What is declined ----

@pytest.mark.parametrize("call", [
    lambda F, x, i: F.dot([x, 2], [x, x]), lambda F, x, i: F.dot([i, x], [x, i]),
    lambda F, x, i: F.dot([x, x], [True, 3]), lambda F, x, i: F.sum([x, i]), lambda F, x, i: F.sum([x, x, 1]),
    lambda F, x, i: F.dot([i, i], [i, i]),
    lambda F, x, i: F.dot([x, x], [x, x], 2 ** 53), lambda F, x, i: F.dot([x, x], [x, x], True),
    lambda F, x, i: F.dot([1.0, x], [x, 1.0]), lambda F, x, i: F.dot([x], [x]), lambda F, x, i: F.sum([2.0, x, x]),
    lambda F, x, i: F.dot([x, 2 ** 60], [x, x]),
])
def test_ints_and_mixtures_are_declined(call):
    def program(Value, F):
        x, i = Value(1.5), Value(3)
        out = call(F, x, i)
        assert fused() == 0
        out.backward()
        return x, i, out
    same_as_loops(program)


@pytest.mark.parametrize("start", [0, 1, -7, 2 ** 53 - 1, 0.0, -0.0, 2.5, "Value", "int Value", "constant", None])
def test_starts(start):
    def program(Value, F):
        x, y = Value(0.1), Value(-0.2)
        s = {"Value": Value(0.7), "int Value": Value(3), "constant": x, None: x * y}.get(start, start)
        out, total = F.dot([x, y], [y, x], s), F.sum([x, y], s)
        assert fused() == 2 * (F is fastgrad.functional)
        (out * total).backward()
        (out * total).backward()
        return x, y, out, total
    same_as_loops(program)


def test_a_loop_runs_with_its_own_errors():
    x = Value(1.0)
    for F_ in (F, LOOPS_IN_C):
        with pytest.raises(TypeError):
            F_.dot([x, "2"], [x, x])
        with pytest.raises(TypeError):
            F_.dot([x, x], [x, x], "2")
        with pytest.raises(OverflowError):
            F_.dot([x, x], [x, 2 ** 53 + 1])
    assert fused() == 0


@pytest.mark.parametrize("name", ["__add__", "__radd__", "__mul__", "__rmul__"])
def test_patched_operators_are_called(monkeypatch, name):
    own, calls = getattr(Value, name), []

    def other(*operands):
        calls.append(name)
        return own(*operands)
    xs, ys = [Value(0.1), Value(0.2)], [Value(0.3), Value(0.4)]
    before = F.dot(xs, ys)
    assert fused() == 1
    monkeypatch.setattr(Value, name, other)
    counts = []
    for functions in (F, LOOPS_IN_C):
        calls.clear()
        kept = [functions.dot(xs, ys), functions.dot([2.0, 3.0], ys), functions.sum(xs), *functions.linear(xs, [ys])]
        counts.append(len(calls))
        assert fused() == 1
    assert counts[0] == counts[1] > 0
    monkeypatch.undo()
    again = F.dot(xs, ys)
    assert fused() == 2 and again.data == before.data == kept[0].data


def test_numbers_of_another_meaning(monkeypatch):
    """Another `grad` or `_backward` of the class sees each node of the loop."""
    for name in ("grad", "_backward"):
        own, seen = getattr(Value, name), set()

        def get(v):
            seen.add(v._op)
            return own.__get__(v)
        xs = [Value(0.1), Value(0.2)]
        out = F.dot(xs, xs)
        monkeypatch.setattr(Value, name, property(get, own.__set__))
        out.backward()
        assert seen >= {"*", "+"} and fused() == 0
        with_it = F.dot(xs, xs)
        assert name == "_backward" or fused() == 0
        with_it.backward()
        monkeypatch.undo()
        Value(1.0).backward()       # the engine sees that the class is as before
        after = F.dot(xs, xs)
        assert fused() == 1
        del after
        found = [x.grad for x in xs]
        xs = list(map(reference.Value, (0.1, 0.2)))
        for _ in range(2):
            LOOPS.dot(xs, xs).backward()
        assert found == [x.grad for x in xs]


def test_detect_anomaly():
    x, y = Value(1e200), Value(0.5)
    before = F.dot([x, y], [y, y])
    with detect_anomaly():
        within = F.dot([x, y], [y, y])
        assert fused() == 1
        before.backward()
        assert fused() == 0
        within.backward()
        with pytest.raises(AnomalyError) as error:
            F.dot([x, x], [x, y])
        assert error.value.op == "*"
        big = Value(1e308)
        with pytest.raises(AnomalyError) as error:
            F.sum([big, big, big])
        assert error.value.op == "+"
        del error
    out = F.dot([x, y], [y, x]) * 1e200
    assert fused() == 1
    with detect_anomaly(), pytest.raises(AnomalyError):
        out.backward()
    assert fused() == 0 and state(before) == state(within)


# ---- no_grad ----

def test_leaves_under_no_grad():
    def program(Value, F):
        x, y = Value(0.1), Value(-0.0)
        with no_grad():
            outs = [F.dot([x, y], [y, y], start) for start in (0, -0.0, y, 2.5)] + [F.sum([x, y], -0.0), F.sum([y, y])]
            outs += [F.dot([x, 2.0], [3.0, y]), *F.linear([x, y], [[1.0, 2.0], [x, y]], [1, x])]
        assert all(not v._children for v in outs) and fused() == 0
        return outs
    same_as_loops(program)


def test_numbers_stay_numbers():
    """A sum without Values is a number, though other rows have Values; recorded or not."""
    x = Value(1.0)
    for mode in (no_grad, contextlib.nullcontext):
        with mode():
            (number,), (value,) = F.matmul([[1.0, 2.0], [x, x]], [[3.0], [4.0]])
            assert number == 11.0 and type(number) is float and isinstance(value, Value)
            # Python's own sum of floats, which from 3.12 on is more exact than a loop
            floats = [0.1] * 10
            out = F.dot([*floats, x], [1.0] * 11)
            assert out.data == sum((a * b for a, b in zip([*floats, x], [1.0] * 11)), 0).data


NUMBERS = (0, 1, -1, 2 ** 53, 10 ** 25, True, 0.0, -0.0, 1.5, math.inf, math.nan, -2 ** 70)


@pytest.mark.parametrize("function, one", [(F.add, operator.add), (F.mul, operator.mul)])
def test_elements_that_are_numbers(function, one):
    """They have Python's bits: 0 + -0.0 is 0.0."""
    for a, b in itertools.product(NUMBERS, NUMBERS):
        assert repr(function([a], [b])[0]) == repr(one(a, b)), (a, b)


def test_a_product_of_numbers_under_no_grad():
    """It's added as sum() adds numbers, and what has no Value at all is a number."""
    x, y = Value(1.0), Value(0.5)
    with no_grad():
        row = F.matmul([[1.0, 2.0]], [[x, 1.0], [y, 2.0]])[0]
        assert [type(z) for z in row] == [Value, float] and (row[0].data, row[1]) == (2.0, 5.0)
        u, v = [1e16, 1.0, 1.0, -1e16, x], [1.0, 1.0, 1.0, 1.0, 0.5]
        assert F.dot(u, v).data == sum((a * b for a, b in zip(u, v)), 0).data
        assert F.dot([2.0, 3.0], [4.0, x], y).data == 11.5


def test_a_list_that_an_operator_shortens():
    class Shortening(Value):
        def __add__(self, other):
            ys.clear()
            return other
    ys = [1.0, 2.0]
    assert F.add([Shortening(1.0), Value(1.0)], ys) == [1.0]


# ---- Dialects ----

DIALECTS = [dict(deferred=True), dict(float_data=True, float_grad=True, float_seed=True), dict(micrograd_relu=True),
            dict(deferred=True, float_data=True, float_grad=True)]
MADE = []


def dialects():
    if not MADE:
        for i, options in enumerate(DIALECTS):
            MADE.append(engine._make_class(__name__, f"Made{i}", **options))
            globals()[f"Made{i}"] = MADE[-1]
    return MADE


@pytest.mark.parametrize("i", range(len(DIALECTS)))
@pytest.mark.parametrize("sweeps", SWEEPS)
def test_dialects(i, sweeps):
    """The loops run on the same class, since the oracle has no such dialects."""
    cls, found = dialects()[i], []
    for functions in (F, LOOPS_IN_C):
        raises = [True] if sweeps == "cut short" else None
        before = fused()
        leaves, out, above = build(cls, functions, raises)
        assert fused() == before + 2 * (functions is F)
        SWEEPS[sweeps](out, above, leaves)
        found.append(state(*leaves, out, above))
        if raises:
            raises.clear()
        above.backward()
        found[-1] += state(*leaves, out, above)
    assert found[0] == found[1]


def test_deferred_sums_take_what_the_numbers_are_at_the_sweep():
    for functions in (F, LOOPS_IN_C):
        cls = dialects()[0]
        x, y, s = cls(2.0), cls(3.0), cls(1.0)
        out = functions.dot([x, y], [y, x], s)
        assert fused() == (functions is F)
        x.data, y.data = 10.0, 7
        out.backward()
        assert (x.grad, y.grad, s.grad, out.data) == (14.0, 20.0, 1, 13.0)
        assert out._children[1]._local_grads == (10.0, 7)
    y.data = 7.0
    constants = F.dot([x, y], [2.0, 3.0]), F.sum([x, y, 2.0])
    assert fused() == 0 and [v.data for v in constants] == [41.0, 19.0]


def test_classes_that_take_turns():
    made = dialects()[1]
    for _ in range(3):
        for cls in (Value, made):
            out = F.dot([cls(1.0), cls(2.0)], [cls(3.0), cls(4.0)])
            assert type(out) is cls and fused() == 1
    del out
    out = F.dot([Value(1.0), made(2.0)], [made(3.0), Value(4.0)])
    assert fused() == 0 and out.data == 11.0


# ---- Memory ----

def allocating(xs, ys):
    """What needs the core's memory."""
    rows = [xs, ys, xs]

    def looked_at():
        return F.dot(xs, ys)._topological()

    def parents():      # in the order of their operands; they come in none
        return sorted((F.linear(xs, rows), xs[0]._parents())[1],
                      key=lambda v: [(xs + ys).index(x) for x in v._children])

    def swept(times):
        out = F.dot(F.linear(xs, rows), F.tanh(F.linear(ys, rows)), F.dot(xs, xs))
        for _ in range(times):
            out.backward()
        return out

    def taken_apart_in_a_sweep():
        h = xs[0] * ys[0]
        out = F.dot([xs[0], h, xs[1]], [ys[0], xs[1], h])
        accumulate = h._accumulate

        def _backward():
            accumulate()
            out._children
        h._backward = _backward
        try:
            out.backward()
        finally:
            h._backward = print
    return {
        "dot": lambda: F.dot(xs, ys), "dot with a start": lambda: F.dot(xs, ys, xs[0]), "sum": lambda: F.sum(xs),
        "constants": lambda: F.dot([1.0, 2.0, 3.0], ys, 2.0), "linear": lambda: F.linear(xs, rows, ys),
        "matmul": lambda: F.matmul(rows, rows), "softmax": lambda: F.softmax(xs), "look": looked_at,
        "parents": parents, "one sweep": lambda: swept(1),
        "two sweeps": lambda: swept(2), "in a sweep": taken_apart_in_a_sweep,
        "zero_grad": lambda: F.dot(xs, ys).zero_grad(), "deepcopy": lambda: copy.deepcopy(F.dot([1.0] * 3, ys)),
        "edges": lambda: setattr(F.dot(xs, ys), "_children", xs),
        "closure": lambda: setattr(F.dot(xs, ys), "_backward", print),
        "many": lambda: [F.dot(xs, ys) for _ in range(1100)],
    }


THREE = [0.1, 0.2, 0.3]


@pytest.mark.parametrize("name", allocating([Value(1.0)] * 3, [Value(1.0)] * 3))
def test_every_allocation_fails_once(name):
    """It gives a MemoryError, or goes the loop's way. Nothing is lost."""
    xs, ys = list(map(Value, THREE)), list(map(Value, THREE))
    action = allocating(xs, ys)[name]
    gc.collect()
    nodes = arena_stats()["live"]
    expected, got = None, None
    for n in itertools.count(0):        # 0: none fails
        engine._fail_allocation(n)
        try:
            got = action()
        except MemoryError:
            failed = True
        else:
            failed = False
        engine._fail_allocation(0)
        if not failed:
            grads = [x.grad for x in xs + ys]
            shown = state(*flat(got)), grads
            expected = expected or shown
            assert shown == expected, n
        got = None
        for x in xs + ys:
            x.grad = 0
        if name == "in a sweep":
            gc.collect()
        assert (arena_stats()["live"], fused()) == (nodes, 0)
        engine._check()
        if n == (12 if name == "many" else 40):
            break


def flat(x):
    if isinstance(x, Value):
        return [x]
    return [v for item in x for v in flat(item)] if isinstance(x, (list, tuple)) else []


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("how", ["u", "v", "start", "sum itself"])
def test_cycles_through_a_sum_are_freed(how, constant):
    """An operand's attribute leads to a sum above it. Constants are in no cycle."""
    class Witness:
        pass
    a, b, c = Value(1.0), Value(2.0), Value(3.0)
    witness = Witness()
    seen = weakref.ref(witness)
    a.witness = witness
    others = [0.5, 0.25] if constant else [b, c]
    out = {"u": lambda: F.dot([a, b], others), "v": lambda: F.dot([b, c] if not constant else others, [c, a]),
           "start": lambda: F.dot([b, c], others, a), "sum itself": lambda: F.sum([b, a, *others])}[how]()
    assert fused() == 1
    if how == "sum itself":
        out.me = out
    a.result = out
    rows = F.linear([a, b], [others, [b, a]])
    del witness, a, b, c
    gc.collect()
    assert seen() is not None and fused() == 3
    out = None
    gc.collect()
    assert seen() is not None           # the rows hold it
    rows.pop()
    gc.collect()
    assert seen() is not None
    rows.clear()
    gc.collect()
    assert seen() is None and fused() == 0


def test_a_cycle_through_a_shared_column_is_kept_while_a_row_is_held():
    x = [Value(1.0), Value(2.0)]
    rows = F.linear(x, [[Value(3.0), 4.0][:1] * 2, [Value(5.0)] * 2])
    x[0].result = rows[0]
    held = rows[1]
    del x, rows
    gc.collect()
    assert fused() == 2
    found = held._children[0]._children[0]._children[1]
    assert found.result.data == 9.0
    del held, found
    gc.collect()
    assert fused() == 0


@pytest.mark.parametrize("mode", [no_grad, contextlib.nullcontext])
@pytest.mark.parametrize("change", [lambda x: x.clear(), lambda x: x.pop(), lambda x: x.append(x[0])])
def test_a_list_that_changes_while_sums_are_made(mode, change):
    """Up to CPython 3.11 the collector, and so its callbacks, may run where a list is made."""
    v, x, runs = Value(1.0), [], []

    def callback(phase, info):
        runs.append(phase)
        if x:
            change(x)
    threshold = gc.get_threshold()
    gc.callbacks.append(callback)
    try:
        for i in range(1, 300, 2):
            x[:], weight = [v] * 50, [[v] * 50 for _ in range(300)]
            gc.set_threshold(i)
            with mode(), contextlib.suppress(ValueError):       # of other lengths
                F.linear(x, weight)
            gc.set_threshold(*threshold)
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(callback)
    assert runs


# ---- Depth, time, signals, threads ----

def a_chain(n, functions=F):
    x, y = Value(1.0), Value(0.5)
    out = x
    for _ in range(n):
        out = functions.dot([out, x], [y, y])
    return x, y, out


def test_a_chain_of_100_000_sums():
    def run():
        live = arena_stats()["live"]
        x, y, out = a_chain(100_000)
        assert fused() == 100_000 and out.data == 1.0
        out.zero_grad()
        out.backward()
        assert fused() == 100_000 and x.grad == 1.0
        del out
        assert (arena_stats()["live"], fused()) == (live + 2, 0)
    on_a_small_stack(run)


def test_a_chain_that_is_taken_apart():
    def run():
        found = []
        for functions in (F, LOOPS_IN_C):
            x, y, out = a_chain(20_000, functions)
            out.backward()
            out.backward()              # takes all apart
            assert fused() == 0 and out._n_below() == 2 + 20_000 * 5
            found.append((x.grad, y.grad, copy.deepcopy(out)._children[0].grad))
        assert found[0] == found[1]
    on_a_small_stack(run)


@pytest.mark.skipif(sys.gettrace() is not None, reason="measures time")
def test_taking_apart_takes_little_more_than_making_scalar_nodes():
    """2,000 sums of 16 terms, each with inputs that the sums before it have too."""
    def layers(functions):
        rng = random.Random(0)
        x = [Value(rng.random()) for _ in range(16)]
        weight = [[Value(rng.random()) for _ in range(16)] for _ in range(16)]
        for _ in range(125):
            x = functions.linear(x, weight)
        return functions.sum(x)

    def seconds(action):
        start = time.perf_counter()
        result = action()
        return time.perf_counter() - start, result
    ratios = []
    for _ in range(5):
        scalar, loops = seconds(lambda: layers(LOOPS_IN_C))
        out = layers(F)
        assert fused() == 2001
        apart, n = seconds(lambda: len(out._topological()))
        assert fused() == 0 and n == loops._n_below()
        out = layers(F)
        out.backward()
        again, _ = seconds(out.backward)
        assert fused() == 0
        ratios.append(max(apart, again) / scalar)
        if ratios[-1] < 3:
            break
    assert min(ratios) < 3


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer signal")
def test_ctrl_c_in_a_large_graph():
    """Whenever it comes, the graph is whole, and the next sweep is right."""
    n = 1000
    xs, one = [Value(0.001 * i) for i in range(n)], Value(1.0)

    def expected():
        for x in (*xs, one):
            x.grad = 0
        root = F.sum(F.linear(xs, [[one] * n] * 600))
        start = time.perf_counter()
        root.backward()
        return time.perf_counter() - start, [x.grad for x in xs[:5]] + [one.grad]

    def ring(signum, frame):
        raise KeyboardInterrupt
    length, grads = min(expected() for _ in range(3))
    before = signal.signal(signal.SIGALRM, ring)
    try:
        for share in (0.1, 0.4, 0.8, 1.5, 3):       # the later ones come where the sums are being taken apart
            root = F.sum(F.linear(xs, [[one] * n] * 600))
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, length * share)
                while True:
                    root.backward()
            engine._check()
            root.zero_grad()
            root.backward()
            assert [x.grad for x in xs[:5]] + [one.grad] == grads == expected()[1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_signal_handler_that_looks_inside():
    """Between two portions of a walk or a sweep a handler takes the sums apart that the walk has listed."""
    n = 150_000
    x, y = Value(1.0), Value(2.0)
    results, runs = [], []
    before = signal.signal(signal.SIGINT, lambda signum, frame: runs.append(len(out._children)))
    try:
        for with_signal in (False, True):
            h = x * y
            out = F.dot([x] * n + [h], [y] * n + [x])
            root = F.dot([out, x], [out, out])
            if with_signal:
                list(map(functools.partial.__call__, [functools.partial(_thread.interrupt_main),
                                                      functools.partial(root.backward)]))
            else:
                root.backward()
            results.append((x.grad, y.grad, h.grad, out.grad))
            x.grad = y.grad = 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert runs and results[0] == results[1]
    del h, out, root


def test_threads():
    def work(seed, results):
        rng = random.Random(seed)
        for _ in range(60):
            xs = [Value(rng.uniform(-1, 1)) for _ in range(8)]
            rows = F.linear(xs, [xs, xs[::-1]], [shared, 0.5])
            out = F.dot(rows, F.tanh(rows))
            out.backward()
            if rng.random() < 0.3:
                out._topological()
            results.append([x.grad for x in xs])
    shared = Value(0.25)
    alone, together = [[] for _ in range(4)], [[] for _ in range(4)]
    for seed in range(4):
        work(seed, alone[seed])
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(seed, together[seed])) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert alone == together


# ---- Random programs ----

@pytest.mark.parametrize("kind", ["calm", "fused"])
def test_random_programs(kind):
    kind = fuzz.KINDS[kind]()
    sums = 0
    for seed in itertools.chain(range(250), (random.randrange(10 ** 12) for _ in range(50))):
        program = kind.generate(seed)
        if not kind.agree(program):
            program = programs.shrink(program, lambda p: not kind.agree(p))
            pytest.fail(f"seed {seed}\n{programs.difference(program, kind.one, kind.other, kind.run)}", pytrace=False)
        sums += any(step[0] in ("dot", "linear", "matmul", "total", "rnn", "chain") for step in program)
    assert sums > 250


def test_random_programs_of_dialects():
    """In a process of its own, since there's room for few classes in one."""
    command = [sys.executable, str(Path(__file__).with_name("fuzz.py")), "--kind", "dialects", "--count", "300"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.stdout.splitlines()[-1:] == ["no difference"], result.stdout + result.stderr


def test_random_programs_make_fused_sums():
    """Programs that never fuse, or never look inside, would prove little."""
    kind, steps, most = fuzz.Fused(), set(), []
    for seed in range(200):
        program, run = kind.generate(seed), fused_programs.Run(kind.one)
        most.append(0)
        before = fused()        # what closures of earlier programs keep
        for step in program:
            steps.add(step[:2] if step[0] in ("look", "patch") else step[0])
            if step[0] == "act":
                steps.add((step[0], step[3][0]))
            try:
                run.play(step)
            except Exception:
                pass
            most[-1] = max(most[-1], fused() - before)
        while run.blocks:
            run.blocks.pop().__exit__(None, None, None)
    del run
    assert sum(n > 0 for n in most) > 150 and sum(n > 3 for n in most) > 50
    assert steps >= {("look", way) for way in fused_programs.LOOKS}
    acts = ("raise", "backward", "look", "set children", "drop", "dot", "zero_grad")
    assert steps >= {("act", what) for what in acts}
    assert steps >= {"dot", "total", "linear", "matmul", "attention", "of one", "rnn", "chain", "no_grad", "subclass"}


def test_random_programs_where_memory_is_short():
    """In every third step one of the core's allocations fails. It's a MemoryError at most, and the arena adds up."""
    kind, failures = fuzz.Fused(), 0
    for seed in range(300):
        rng, run = random.Random(seed), fused_programs.Run(kind.one)
        for step in kind.generate(seed):
            fails = rng.random() < 0.35
            engine._fail_allocation(rng.randrange(1, 12) if fails else 0)
            try:
                run.play(step)
            except MemoryError:
                failures += 1
            except Exception:
                pass
            engine._fail_allocation(0)
            if fails:
                engine._check()
        while run.blocks:
            run.blocks.pop().__exit__(None, None, None)
    assert failures > 60
