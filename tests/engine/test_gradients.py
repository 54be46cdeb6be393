"""Promise: gradients that are returned, as numbers or as a graph, have backward()'s bits and leave every grad alone.

What fastgrad.grad asks its engine for is compared on both engines, bit for bit and node for node: on random programs
(grad_programs.py; `fuzz.py --kind grad` runs more), with fused sums, closures and data that was assigned in between.
tools/test_grad.py is about what users call.
"""
import gc
import math
import os
import random
import signal
import struct
import subprocess
import sys
import time

import pytest

import fastgrad
import grad_programs
import programs
from fastgrad.value.operations import OPERATIONS
from grad_programs import C, PYTHON, graph

only_c = pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")

@only_c
@pytest.mark.parametrize("kind, start, count", [("scalar", 0, 700), ("scalar", 10_000, 700), ("fused", 0, 70),
                                                ("calm", 0, 70)])
def test_random_programs(kind, start, count):
    n_graphs = 0
    for seed in range(start, start + count):
        program = grad_programs.generate(random.Random(seed), kind)
        one, other = (grad_programs.transcript(kind, program, engine, seed) for engine in (C, PYTHON))
        assert programs.same(one, other), f"seed {seed}\n{programs.listing(program)}\n" + "\n".join(
            f"{a}\n    {b}" for a, b in zip(programs.lines(one), programs.lines(other)) if a != b)
        n_graphs += len(one) >= 8
        assert not one or one[-1] != "False" or "closure" in repr(program) or kind == "fused"
    assert n_graphs > count / 2
    fastgrad.engine._check()


def of_function(engine, f, xs, order):
    """The graphs of f's derivatives of all orders up to this one; what an operation raises ends the list."""
    found = []
    values = tuple(engine["Value"](x) for x in xs)
    try:
        y = f(*values)
        for _ in range(order):
            numbers = engine["module"]._gradients((y,), None, values, False)
            grads = engine["module"]._gradients((y,), None, values, True)
            found.append(graph(grads))
            assert repr(numbers) == repr(tuple(v if v is None else v.data for v in grads))
            y = sum([v for v in grads if v is not None] or [engine["Value"](0.0)])
    except (ArithmeticError, ValueError) as error:
        found.append((type(error).__name__, str(error)))
    return found


@only_c
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda x: x.method)
def test_every_operation_to_the_fourth_order(operation):
    for sample in (*operation.samples, *operation.awkward, *operation.samples):
        xs = sample if isinstance(sample, tuple) else (sample,)
        for f in (operation.call, lambda *v: operation.call(*v) * 3.0 + operation.call(*v) * v[0]):
            found = [of_function(engine, f, xs, 4) for engine in (C, PYTHON)]
            assert programs.same(*found), xs
            assert sample not in operation.samples or len(found[0]) == 4 and len(found[0][3]) == 3


@only_c
@pytest.mark.parametrize("f, xs", [
    (lambda x, n: x ** n * n ** x, (2.0, 3.0)), (lambda x, n: x ** n, (0.0, 3.0)), (lambda x, n: x ** n, (-2.0, 3)),
    (lambda x, n: x ** n, (2, 3)), (lambda x: 3 ** x + 2.5 ** x + 0 ** x, (2.0,)), (lambda x: 0 ** x, (0,)),
    (lambda x: x ** 2 + x ** 1 + (x - 1) ** 0, (0.0,)), (lambda x: x ** 40, (3,)), (lambda x: x ** 2.5, (0.0,)),
    (lambda x: x ** 1.5, (0.0,)), (lambda x: (x ** 7) ** 3 + x ** -2 - 1 / x, (3,)), (lambda x: x ** -2, (1e-150,)),
    (lambda x, y: x * 0.0 * -1.0 + y, (0.1, 0.7)), (lambda x: x * -1 * 0, (5,)), (lambda x: x.exp(), (709.0,)),
    (lambda x: (x * x).exp(), (26.6,)), (lambda x: (-2) ** x, (2.0,)), (lambda x: x + x + x, (math.nan,)),
])
def test_numbers_with_which_something_could_go_wrong(f, xs):
    assert programs.same(*(of_function(engine, f, xs, 3) for engine in (C, PYTHON)))


# ---- Nobody's grad ----

def test_grads_are_untouched(engine):
    x, y = engine.Value(2.0), engine.Value(3)
    z = x * y + x.exp()
    z.backward()
    z.backward()
    x.grad, y.grad = -0.0, 7
    before = programs.state([z])
    for create_graph in (False, True):
        engine._gradients((z,), None, (x, y), create_graph)
        assert programs.state([z]) == before


def test_grads_are_untouched_by_closures_and_when_these_raise(engine):
    x = engine.Value(2.0)
    out = engine.Value(8.0, (x,), "cube")

    def backward():
        x.grad += 12.0 * out.grad
        if is_broken:
            raise KeyError("broken")
    out._backward = backward
    x.grad, out.grad = 5.0, -1.0
    for is_broken in (False, True):
        if is_broken:
            with pytest.raises(KeyError):
                engine._gradients((out * 2,), None, (x,), False)
        else:
            assert engine._gradients((out * 2,), None, (x,), False) == (24.0,)
        assert (x.grad, out.grad) == (5.0, -1.0)


@only_c
def test_fused_sums_stay_fused_for_numbers_and_their_state_is_kept():
    xs, ws = [fastgrad.Value(float(i)) for i in range(9)], [fastgrad.Value(0.1 * i) for i in range(9)]
    y = fastgrad.functional.dot(xs, ws)
    z = y * y + y
    z.backward()
    fused = fastgrad.arena_stats()["fused"]
    before = [v.grad for v in xs + ws]
    numbers = fastgrad.engine._gradients((z,), None, (*xs, *ws), False)
    assert list(numbers) == before == [v.grad for v in xs + ws] and fastgrad.arena_stats()["fused"] == fused == 1
    z.backward()                        # it's touched, so it's taken apart: as in the oracle
    assert fastgrad.arena_stats()["fused"] == 0


# ---- What can't be differentiated twice ----

def test_data_that_was_assigned_is_noticed(engine):
    """Also where the first derivative happens to be the same: x ** 3 at 2 and at -2."""
    for change, f in ((-2.0, lambda x: x ** 3), (3.0, lambda x: x * x), (1.0, lambda x: x.exp()), (0.5, abs),
                      (-0.5, lambda x: x.relu()), (4.0, lambda x: x.log())):
        x = engine.Value(2.0)
        y = f(x)
        numbers = engine._gradients((y,), None, (x,), False)
        x.data = change
        if f is abs:
            assert engine._gradients((y,), None, (x,), True)[0].data == 1.0     # of the same sign
        else:
            with pytest.raises(RuntimeError, match="was changed after"):
                engine._gradients((y,), None, (x,), True)
        assert engine._gradients((y,), None, (x,), False) == numbers            # as backward() gives them
        x.data = 2.0
        assert engine._gradients((y,), None, (x,), True)[0].data == numbers[0]


def test_one_factor_that_was_assigned_is_noticed(engine):
    x, y = engine.Value(2.0), engine.Value(3.0)
    for z in (x * y, x * y * 1.5):
        for v in (x, y):
            v.data += 1.0
            with pytest.raises(RuntimeError, match="was changed after"):
                engine._gradients((z,), None, (x, y), True)
            v.data -= 1.0
        assert [v.data for v in engine._gradients((z,), None, (x, y), True)] == [z.data / 2.0, z.data / 3.0]


def test_an_operation_with_numbers_for_derivatives(engine):
    def closure(x):
        out = engine.Value(x.data ** 3, (x,), "cube")
        out._backward = lambda: None
        return out
    for f, name in ((lambda x: engine.Value(x.data ** 3, (x,), (3 * x.data ** 2,)), "an operation without a name"),
                    (closure, "the operation 'cube'"), (lambda x: engine.Value(8.0, (x,), "bare"), "'bare'"),
                    (lambda x: engine.Value(8.0, (x, x), (x, 1.0)), "without a name")):
        x, other = engine.Value(2.0), engine.Value(5.0)
        y = f(x) * other
        with pytest.raises(RuntimeError, match=f"{name}, with the result 8.0, can't be .* local_grads="):
            engine._gradients((y,), None, (x,), True)
        grad, = engine._gradients((y,), None, (other,), True)       # no input is below it
        assert grad.data == 8.0


def test_derivatives_given_as_values(engine):
    def cube(x):
        return engine.Value(x.data ** 3, (x,), local_grads=(3 * x ** 2,))
    x = engine.Value(2.0)
    y = cube(x) * 1.0
    y.backward()
    assert x.grad == 12.0 and y._children[0]._local_grads == (12.0,)
    expected = [12.0, 12.0, 6.0]
    for slope in expected:
        y, = engine._gradients((y,), None, (x,), True)
        assert y.data == slope
    y = engine.Value(1.0, (x,))
    y._local_grads = (x.sin(),)
    slope, = engine._gradients((y,), None, (x,), True)
    second, = engine._gradients((slope,), None, (x,), True)
    assert (slope.data, second.data) == (math.sin(2.0), math.cos(2.0))
    vars(y)["_derivatives"][0].data = 3.0
    with pytest.raises(RuntimeError, match="was changed after"):
        engine._gradients((y,), None, (x,), True)
    y._local_grads = (1.0,)
    with pytest.raises(RuntimeError, match="local_grads="):
        engine._gradients((y,), None, (x,), True)


def test_gradients_are_of_the_plain_class_whatever_a_subclass_does(engine):
    class Loud(engine.Value):
        def __mul__(self, other):
            return super().__mul__(other) if isinstance(other, (int, float)) or type(other) is Loud else 1 / 0
    x = Loud(3.0)
    y = x * x + x ** 2 * 2.0
    grad, = engine._gradients((y,), None, (x,), True)
    assert type(grad) is engine.Value and grad.data == 18.0
    assert {type(v) for v in grad._topological()} == {engine.Value, Loud}


def test_graphs_beside_classes_with_other_attributes(engine):
    V = engine.Value

    class Sets(V):
        def __setattr__(self, name, x):
            super().__setattr__(name, x)

    class Grad(V):
        grad = property(lambda self: V.grad.__get__(self) * 1, lambda self, x: V.grad.__set__(self, x))

    class Backward(V):
        @property
        def _backward(self):
            return lambda: None
    for cls in (Sets, Grad, Backward):
        alive, a = cls(1.0), V(2.0)
        y = a * a * a
        first, = engine._gradients((y,), None, (a,), True)
        second, = engine._gradients((first,), None, (a,), True)
        assert (first.data, second.data) == (12.0, 12.0) and type(first) is V
        y = alive * alive
        if cls is Backward:
            with pytest.raises(RuntimeError, match="local_grads="):
                engine._gradients((y,), None, (alive,), True)
        else:
            assert engine._gradients((y,), None, (alive,), True)[0].data == 2.0


@only_c
@pytest.mark.parametrize("name", ["_backward", "grad", "_local_grads"])
def test_a_value_with_other_attributes(name, monkeypatch):
    a = fastgrad.Value(2.0)
    y = a * a
    monkeypatch.setattr(fastgrad.Value, name, property(lambda self: lambda: None))
    with pytest.raises(RuntimeError, match="Value has been given another"):
        fastgrad.grad(y, a, create_graph=True)


def test_operations_that_are_assigned_to_the_class(engine, monkeypatch):
    """A derivative that is a graph is made by them."""
    V = engine.Value
    own, exp = V.__mul__, V.exp
    seen = []

    def multiply(a, b):
        out = own(a, b)
        out.data = round(out.data, 1)
        return out

    monkeypatch.setattr(V, "__mul__", multiply)
    monkeypatch.setattr(V, "exp", lambda self: seen.append(self.data) or exp(self))
    x, w = V(1.26), V(0.37)
    y = x * w * x
    y = y * y
    grads = engine._gradients((y,), None, (x, w), True)
    assert [v.data for v in grads] == [1.2, 1.9]
    z = (x ** 2 + 1.0).exp() / w
    n = len(seen)
    engine._gradients((z,), None, (x,), True)
    assert len(seen) > n
    monkeypatch.undo()
    first, = engine._gradients((x * x * x,), None, (x,), True)
    assert first.data == 1.26 * 1.26 + 1.26 * 1.26 + 1.26 * 1.26


def test_a_copy_can_be_differentiated_too(engine):
    import copy
    x = engine.Value(2.0)
    y = copy.deepcopy(x ** 3 * x.exp() + 2.0 ** x)
    leaf, = {v for v in y._topological() if v.data == 2.0 and not v._children}
    grad, = engine._gradients((y,), None, (leaf,), True)
    assert engine._gradients((y,), None, (leaf,), False) == (grad.data,)


# ---- Robustness ----

def build(f, n):
    x = fastgrad.Value(0.5)
    y = x
    for _ in range(n):
        y = f(x, y)
    return x, y


@only_c
@pytest.mark.parametrize("create_graph", [False, True])
def test_every_allocation_of_the_core_fails_once(create_graph):
    engine = fastgrad.engine
    xs = [fastgrad.Value(float(i)) for i in range(4)]
    y = fastgrad.functional.dot(xs, xs[::-1]).tanh() * xs[0] ** 2.5 + fastgrad.Value(1.0, xs, [x.exp() for x in xs])
    y = y + xs[1].log1p() ** xs[2].cos()
    y.backward()
    keep = [fastgrad.Value(0.0) for _ in range(1000)]       # so that new nodes need new slots
    gc.collect()
    before, live = programs.state([y]), fastgrad.arena_stats()["live"]
    failed = 0
    for n in range(1, 100):
        engine._fail_allocation(n)
        try:
            grads = engine._gradients((y, xs[0]), (2.0, xs[3]), (*xs, y), create_graph)
        except MemoryError:
            failed += 1
        else:
            break
        finally:
            engine._fail_allocation(0)
        engine._check()
        assert fastgrad.arena_stats()["live"] == live and programs.state([y]) == before
    assert failed >= 4 and keep
    assert [float(g) for g in grads] == [float(g) for g in engine._gradients(
        (y, xs[0]), (2.0, xs[3]), (*xs, y), create_graph)]


def test_inputs_that_come_twice(engine):
    """Each time it's the same gradient; and the next call finds nothing of this one's."""
    x, y, other = engine.Value(1.5), engine.Value(-2.0), engine.Value(3.0)
    z = x * y + x
    for _ in range(2):
        grads = engine._gradients((z,), None, (x, y, other, x, z, z), True)
        assert [g if g is None else g.data for g in grads] == [-1.0, 1.5, None, -1.0, 1, 1]
        assert grads[0] is grads[3] and grads[4] is grads[5]
        if engine is fastgrad.engine and fastgrad.backend == "c":
            engine._check()
        assert [g.data for g in engine._gradients((z * other,), None, (other, y), True)] == [-1.5, 4.5]


@only_c
def test_depth_and_memory():
    live = fastgrad.arena_stats()["live"]
    x, y = build(lambda x, y: y * 1.0 + x, 300_000)
    for create_graph in (False, True):
        grad, = fastgrad.engine._gradients((y,), None, (x,), create_graph)
        assert float(grad) == 300_001.0
    second, = fastgrad.engine._gradients((grad * x,), None, (x,), True)
    assert second.data == 300_001.0
    del x, y, grad, second
    assert fastgrad.arena_stats()["live"] == live


@only_c
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer signal")
@pytest.mark.parametrize("create_graph", [False, True])
def test_ctrl_c(create_graph):
    """A handler sees all grads as they are, may take the graph apart, and what it raises ends the sweep."""
    x, y = build(lambda x, y: y * x + 0.5, 400_000)
    y = y + fastgrad.functional.dot([x, x], [x, x])
    y.backward()
    before, rang = (x.grad, y.grad), []
    expected = fastgrad.engine._gradients((y,), None, (x,), False)

    def ring(signum, frame):
        rang.append((x.grad, y.grad) == before and y._children[1]._children)
        if is_raising:
            raise KeyboardInterrupt
    old = signal.signal(signal.SIGALRM, ring)
    try:
        for is_raising in (False, True):
            for delay in (0.002, 0.006, 0.012):
                signal.setitimer(signal.ITIMER_REAL, delay)
                start = time.perf_counter()
                try:
                    grads = fastgrad.engine._gradients((y,), None, (x,), create_graph)
                    assert tuple(map(float, grads)) == expected
                    while time.perf_counter() < start + delay + 0.05:
                        pass
                except KeyboardInterrupt:
                    assert is_raising and time.perf_counter() - start - delay < 0.5
                fastgrad.engine._check()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert len(rang) == 6 and all(rang)


@only_c
def test_a_destructor_that_replaces_edges_in_the_middle():
    """The core asks Python about numbers that it isn't sure of, and then anything may run."""
    class Trap:
        def __del__(self):
            y._children[0]._local_grads = y._children[0]._local_grads
    x = fastgrad.Value(3)
    y = (x ** 4) * 1.0 + 0.5        # a power of ints: Python's
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(5):
            trap = Trap()
            trap.me = trap
            del trap
            try:
                grads = fastgrad.engine._gradients((y,), None, (x,), True)
                assert grads[0].data == 108.0
            except RuntimeError as error:       # the product isn't ours any more
                assert "local_grads=" in str(error)
    finally:
        gc.set_threshold(*threshold)
    fastgrad.engine._check()


@only_c
def test_a_key_that_replaces_edges_in_the_middle():
    """To look for derivatives that are Values may run a key's `__eq__`."""
    is_armed = False

    class Key(str):
        def __hash__(self):
            return hash("_derivatives")

        def __eq__(self, other):
            nonlocal is_armed
            if is_armed:
                is_armed = False
                fresh.extend(fastgrad.Value(float(i)) for i in range(100_000))     # more than there were slots for
                y._children = (fresh[-1],)
                y._local_grads = (x * 1.0,)
            return False

    fresh, x = [], fastgrad.Value(2.0)
    y = fastgrad.Value(8.0, (x,))
    vars(y)[Key("other")] = 1
    y._local_grads = (3 * x ** 2,)
    is_armed = True
    assert fastgrad.engine._gradients((y,), None, (x,), True) == (None,)
    assert fresh and not is_armed
    assert fastgrad.engine._gradients((y,), None, (fresh[-1],), True)[0].data == 2.0
    fastgrad.engine._check()
    vars(y).clear()         # a circle by way of a class, which no collection opens


LOSES_ITS_INPUTS = """
import fastgrad

class Key(str):
    def __hash__(self):
        return hash("_derivatives")

    def __eq__(self, key):
        if inputs or not made:
            if not inputs:
                made.extend(fastgrad.Value(0.0) for _ in range(fastgrad.arena_stats()["capacity"]))     # in all slots
            inputs.clear()
            other._children = (x, *made)        # so that the sweep begins again, and comes to what has been made
            other._local_grads = (x * 1.0,) * (1 + len(made))
        return False

inputs, made, x = [], [None], fastgrad.Value(2.0)
odd, other = fastgrad.Value(8.0, (x,)), fastgrad.Value(1.0, (x,), local_grads=(x * 1.0,))
vars(odd)[Key("other")] = 1
odd._local_grads = (x * 12.0,)
y = other + odd
inputs, made = [x, *(fastgrad.Value(float(i)) for i in range(5000))], []
grads = fastgrad.grad(y, inputs, create_graph=True, allow_unused=True)
assert grads[0].data == 26.0 and grads[1:] == (None,) * 5000 and made
fastgrad.engine._check()
"""


@only_c
def test_a_list_of_inputs_that_loses_its_values_in_the_middle():
    """No reference is taken to inputs. So a dead one's slot mustn't become another node's while the sweep runs. In a
    process of its own, where there are few slots."""
    subprocess.run([sys.executable, "-c", LOSES_ITS_INPUTS], check=True, timeout=60,
                   env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "0"})


def test_it_works_where_nothing_is_recorded(engine):
    x = engine.Value(3.0)
    y = x ** 3
    with fastgrad.no_grad():
        grad, = engine._gradients((y,), None, (x,), True)
    assert grad._children and engine._gradients((grad,), None, (x,), False) == (18.0,)


def test_the_bits_of_backward(engine):
    """-0.0 becomes 0.0, contributions are added in backward()'s order, and ints stay ints."""
    x = engine.Value(0.1)
    y = x * 0.3 + x.sin() * x + (x - 0.7) * (x * x) + 0.2 * x
    y.backward()
    number, = engine._gradients((y,), None, (x,), False)
    assert struct.pack("d", number) == struct.pack("d", x.grad)
    y = x * -0.0
    assert repr(engine._gradients((y,), None, (x,), False)) == "(0.0,)"
    assert repr(engine._gradients((y,), None, (x,), True)[0].data) == "0.0"
    assert repr(engine._gradients((y * 1.5,), None, (x,), True)[0].data) == "0.0"       # of a gradient that is a float
    n = engine.Value(3)
    assert repr(engine._gradients((n * n,), None, (n,), False)) == "(6,)"
