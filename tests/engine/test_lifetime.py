"""Lifetime: a graph lives as long as a Value that can reach it, not longer; what belongs to a node stays with it."""
import gc
import math
import operator
import os
import sys
import time
import weakref

import pytest


@pytest.fixture
def Value():
    from fastgrad.engine import Value
    return Value


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Every test ends with as many live nodes as it began with, and an arena that adds up."""
    import fastgrad.engine as engine
    gc.collect()
    before = live()
    yield
    gc.collect()
    assert live() == before
    if hasattr(engine, "_check"):
        engine._check()


def live():
    from fastgrad import arena_stats
    return arena_stats()["live"]


class Witness:
    """Something to hang on a Value, that can be seen to die."""


def test_identity_through_children(Value):
    a, b = Value(2.0), Value(3.0)
    c = a * b
    assert c._children[0] is a and c._children[1] is b and c._prev == {a, b}
    d = c + a
    assert d._children[0] is c and id(d._children[0]) == id(c) and {c: 1}[d._children[0]] == 1
    inner = (a * b + a)._children[0]
    assert inner._children == (a, b)


def test_a_node_met_twice_is_one_object(Value):
    out = Value(2.0) * Value(3.0) + 1.0
    first = out._children[0]
    assert out._children[0] is first
    name = id(first)
    assert id(out._children[0]) == name and hash(out._children[0]) == hash(first)


def test_freed_at_once_without_the_collector(Value):
    gc.disable()
    try:
        before = live()
        a = Value(1.0)
        out = a
        for _ in range(1000):
            out = (out * 2.0 + a).tanh()
        if hasattr(sys.modules["fastgrad.engine"], "_check"):
            assert live() == before + 1 + 4 * 1000
        out.backward()
        del out
        assert live() == before + 1
        del a
        assert live() == before
    finally:
        gc.enable()


def test_a_result_dropped_at_once_leaves_no_trace(Value):
    a, b = Value(3.0), Value(4.0)
    kept = []
    before = live()
    for i in range(3000):       # more than a slab
        a * b
        a + a
        (a * b) + (b * a)
        a * 2.0
        if i % 3 == 0:
            kept.append(a * b + i)
    if hasattr(sys.modules["fastgrad.engine"], "_check"):
        sys.modules["fastgrad.engine"]._check()
        assert live() == before + 3 * len(kept)
    assert [x.data for x in kept] == [12.0 + 3 * i for i in range(1000)]
    kept[7].backward()
    assert (a.grad, b.grad) == (4.0, 3.0)


def test_results_of_any_kind_leave_no_trace(Value):
    """With operands of all kinds, of which each kind has its own way."""
    class Sub(Value):
        pass

    numbers = [2, 2.0, True, 2 ** 60]
    values = [Value(3), Value(3.0), Sub(3)]
    before = live()
    for v in values:
        for x in [*numbers, *values]:
            for operation in (operator.add, operator.sub, operator.mul, operator.truediv):
                operation(v, x), operation(x, v)
            if x != 2 ** 60:
                v ** x, x ** v
            assert live() == before, (v, x)
        -v, abs(v), v.exp(), v.relu(), v.detach(), v.log()
        assert live() == before, v


def test_differences_and_quotients_leave_no_trace(Value):
    """They are made of other operations, whose results nobody sees."""
    a, b = Value(3.0), Value(4.0)
    before = live()
    kept = [f() for f in (lambda: a - b, lambda: a / b, lambda: -a, lambda: a - 1.0, lambda: 1 - a, lambda: a / 2,
                          lambda: 2.0 / a)]
    assert [v.data for v in kept] == [-1.0, 0.75, -3.0, 2.0, -2.0, 1.5, 2.0 * 3.0 ** -1]
    del kept
    assert live() == before


def test_replaced_edges_let_go_of_what_they_led_to(Value):
    a, b = Value(3.0), Value(4.0)
    before = live()
    for n in (1, 2, 3, 5):
        for m in (0, 1, 2, 3, 5):
            out = Value(1.0, [a * 1.0 for _ in range(n)], [1.0] * n)
            out._children = [b] * m
            assert live() == before + 1
            del out
            assert live() == before


def test_a_product_with_a_number_where_a_run_of_slots_ends(Value):
    """It takes two slots, for the number and the product, and there may be one left."""
    for n in range(2):
        [Value(0.0) for _ in range(5000)]       # whose handles are free then
        shift, x = [Value(0.5) for _ in range(n)], Value(2.0)
        products = [x * (i + 0.5) for i in range(5000)]
        sums = [x + (i + 0.5) for i in range(5000)]
        assert [v.data for v in products] == [2.0 * (i + 0.5) for i in range(5000)]
        assert [v._children[1].data for v in sums] == [i + 0.5 for i in range(5000)]
        assert [v.data for v in shift] == [0.5] * n


def test_classes_that_take_turns(Value):
    """Each has handles of its own that are free."""
    from fastgrad.micrograd.engine import Value as Micrograd
    kept = []
    for i in range(300):
        for cls in (Value, Micrograd):
            a = cls(float(i))
            kept.append((cls, i, a * 2.0, a + a))
            a - 1.0
        if i % 3 == 0:
            del kept[i // 2]
    for cls, i, product, total in kept:
        assert type(product) is type(total) is cls and product.data == total.data == 2.0 * i
        assert product._children[0] is total._children[0] and len({id(v) for v in (product, total)}) == 2
    assert len({id(v) for *_, product, total in kept for v in (product, total)}) == 2 * len(kept)


def test_operands_live_under_their_result(Value):
    out = Value(2.0) * Value(3.0)
    out.backward()
    a, b = out._children
    del out
    assert (a.data, a.grad, b.grad) == (2.0, 3.0, 2.0)


def test_plain_values_are_not_tracked(Value):
    if Value.__module__ != "fastgrad.engine":
        pytest.skip("plain Python's objects are tracked and larger")
    v = Value(1.0) * 2
    assert not gc.is_tracked(v) and sys.getsizeof(v) <= 32
    v.note = 1
    assert not gc.is_tracked(v)


def test_attributes_outlast_the_handle_and_die_with_the_node(Value):
    a = Value(1.0, label="a")
    a.witness = Witness()
    seen = weakref.ref(a.witness)
    out = a * 2
    del a
    again = out._children[0]
    assert again.label == "a" and again.witness is seen()
    del again
    assert seen() is not None
    del out
    assert seen() is None


def lecture_tanh(x, Value, witness):
    t = x.tanh().data
    out = Value(t, (x,), "tanh")

    def _backward():
        witness
        x.grad += (1 - t * t) * out.grad
    out._backward = _backward
    return out


def test_closures_work_and_are_freed_by_one_collection(Value):
    witness = Witness()
    seen = weakref.ref(witness)
    x = Value(0.5)
    out = x
    for _ in range(200):        # closures in a row, with ordinary operations between them
        out = lecture_tanh(out, Value, witness) * 1.5 + x
    out.backward()
    assert x.grad != 0
    del out, witness
    gc.collect()
    assert seen() is None
    assert x.data == 0.5


def own_tanh(x):
    """An operation as teaching code writes it: its function refers to the result that it belongs to."""
    out = type(x)(math.tanh(x.data), (x,), "tanh")

    def _backward():
        x.grad += (1 - out.data ** 2) * out.grad
    out._backward = _backward
    return out


by_counts_alone = pytest.mark.skipif(os.environ.get("FASTGRAD_PURE") == "1",
                                     reason="in plain Python that takes the collector")


@pytest.fixture
def without_collector():
    gc.disable()
    yield
    gc.enable()


@by_counts_alone
@pytest.mark.parametrize("times", [1, 1000])
def test_closures_below_a_root_are_freed_with_it_at_once(Value, without_collector, times):
    a = Value(0.5)
    before = live()
    x = a
    for _ in range(times):
        x = own_tanh(x) + a
    x.backward()
    assert live() == before + 2 * times
    del x
    assert live() == before


@by_counts_alone
@pytest.mark.parametrize("n", [2, 20])
def test_closures_among_a_sum_s_operands_are_freed_with_it_at_once(Value, without_collector, n):
    from fastgrad.functional import dot
    a = Value(0.5)
    before = live()
    xs = [own_tanh(a) for _ in range(n)]
    root = dot(xs, [2.0] * n)
    root.backward()
    assert live() > before
    del xs, root
    assert live() == before


def test_closures_that_somebody_holds_are_not_freed_with_the_graph(Value):
    """The function, the result, its attributes, or what another function refers to."""
    others = live()
    a = Value(0.5)
    kept = []
    for keep in (lambda out: out, lambda out: out._backward, lambda out: out.__dict__,
                 lambda out: out._backward.__closure__, lambda out: out._backward.__closure__[0]):
        out = own_tanh(a)
        kept.append(keep(out))
        root = out + 1
        root.backward()
        before = a.grad
        del out, root
        assert live() == others + 1 + len(kept)
    kept[1]()
    assert a.grad > before and kept[0]._backward is not None and kept[2]["_backward"].__closure__
    kept.clear()


def test_a_closure_on_an_ordinary_result_is_freed(Value):
    witness = Witness()
    seen = weakref.ref(witness)
    a = Value(2.0)
    out = a * 3.0

    def _backward():
        a.grad += witness is not None and out.grad
    out._backward = _backward
    top = out * 2
    top.backward()
    assert a.grad == 2.0
    del out, top, _backward, witness
    gc.collect()
    assert seen() is None


def test_reachable_closures_survive_collections(Value):
    x = Value(0.5)
    out = lecture_tanh(x, Value, None) * 2
    gc.collect()
    out.backward()
    by_closure = x.grad
    assert by_closure == 2 * (1 - 0.46211715726000973 ** 2)
    inner = out._children[0]
    del out
    gc.collect()
    inner.grad = 1.0
    inner._backward()
    assert x.grad == by_closure + by_closure / 2


def test_a_closure_held_from_elsewhere_keeps_what_it_needs(Value):
    x = Value(0.5)
    out = lecture_tanh(x, Value, None)
    out.grad = 1.0
    function = out._backward
    del out
    gc.collect()
    function()
    assert x.grad > 0
    del function


@pytest.mark.parametrize("how", ["itself", "list", "below", "above", "dict of another"])
def test_cycles_through_attributes_are_freed(Value, how):
    witness = Witness()
    seen = weakref.ref(witness)
    a = Value(1.0)
    b = a * 2
    a.witness = witness
    if how == "itself":
        a.friend = a
    elif how == "list":
        a.friends = [a, [b, (a,)]]
    elif how == "below":
        b.operand = a
        a.result = b
    elif how == "above":
        a.result = b + 1
    else:
        a.other = Value(3.0)
        a.other.witness = {"back": b}
    gc.collect()
    assert a.witness is witness
    del a, b, witness
    gc.collect()
    assert seen() is None


def test_a_cycle_held_at_any_point_is_kept(Value):
    a = Value(1.0)
    a.result = a * 2
    b = a.result + 1
    del a
    gc.collect()
    assert b._children[0]._children[0].result is b._children[0]
    del b
    gc.collect()


def test_subclasses_and_their_attributes(Value):
    class Noted(Value):
        def doubled(self):
            return self * 2

    before = live()
    a = Noted(3.0)
    a.witness = Witness()
    seen = weakref.ref(a.witness)
    out = a.doubled().doubled() + 1
    del a
    gc.collect()
    leaf = out._children[0]._children[0]._children[0]
    assert type(out) is type(leaf) is Noted and leaf.witness is seen()
    leaf.loop = out
    del leaf, out
    gc.collect()
    assert seen() is None and live() == before


def test_subclasses_without_attributes_are_freed_at_once(Value):
    class Noted(Value):
        pass

    gc.disable()
    try:
        before = live()
        out = Noted(1.0) * 2 + 1
        out = out.exp() - Noted(2.0)
        assert live() > before
        del out
        assert live() == before
    finally:
        gc.enable()


def test_closures_that_build_values_call_backward_and_drop_references(Value):
    x = Value(2.0)
    y = x * 3.0
    held = [Value(1.0) * i for i in range(3000)]
    out = Value(5.0, (y,), "custom")
    runs = []

    def _backward():
        held.clear()                                    # drops thousands of nodes in the middle of a sweep
        fresh = [Value(0.5) * i for i in range(3000)]   # and makes others
        other = Value(4.0)
        (other * other).backward()                      # and sweeps another graph
        runs.append(other.grad)
        y.grad += out.grad * len(fresh) / 3000
    out._backward = _backward
    (out * 2.0).backward()
    assert runs == [8.0] and x.grad == 6.0


def test_a_closure_that_drops_the_graph_it_is_in(Value):
    x = Value(2.0)
    root = Value(1.0, (x * 3.0,), "custom")
    children = list(root._children)

    def _backward():
        children.pop().grad += 1.0
        root._children = ()         # nothing but the running sweep refers to the child now
        for i in range(3000):
            Value(i)
    root._backward = _backward
    root.backward()
    assert root._children == () and x.grad == 3.0


def test_a_node_that_dies_in_a_sweep_and_comes_back(Value):
    """The sweep calls the closure of a node whose last parent an earlier closure has cut off."""
    a = Value(2.0)
    calls = []

    class Kept(Value):
        def _backward(self):
            calls.append(self)      # from here on somebody holds it
            Value(0.0, (self,), (1.0,)).zero_grad()
    for make in (lambda: a * 1.0, lambda: Kept(3.0, (a,), (1.0,))):
        inner = make()
        if type(inner) is not Kept:
            inner._backward = lambda: calls.append(None)
        root = inner * 2.0
        root._backward = lambda root=root: setattr(root, "_prev", ())
        del inner
        root.backward()
        root._backward = None
    assert calls[0] is None and calls[1].data == 3.0 and calls[1]._children == (a,)


def test_exceptions_in_closures_come_through(Value):
    x = Value(2.0)
    y = x * 3.0
    out = Value(1.0, (y,), "custom")

    def _backward():
        raise LookupError("from the closure")
    out._backward = _backward
    with pytest.raises(LookupError, match="from the closure"):
        (out * 2.0).backward()
    assert (y.grad, x.grad, out.grad) == (0, 0, 2.0)
    z = x * x
    z.backward()
    assert x.grad == 4.0
    out._backward = None
    with pytest.raises(TypeError):
        out.backward()


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def train(Value, steps):
    weights = [Value(0.1 * i) for i in range(20)]
    for step in range(steps):
        x = [Value(step % 7 * 0.1) for _ in weights]
        loss = (sum(w * v for w, v in zip(weights, x)).tanh() - 0.5) ** 2
        loss.backward()
        for w in weights:
            w.data -= 0.01 * w.grad
            w.grad = 0


def is_flat(Value, steps):
    train(Value, 200)
    nodes, size = live(), resident()
    for _ in range(5):
        train(Value, steps // 5)
        assert live() == nodes
    return resident() - size < 1 << 20


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
def test_memory_is_flat_over_10_000_steps(Value):
    if Value.__module__ != "fastgrad.engine":
        pytest.skip("takes minutes in plain Python")
    assert is_flat(Value, 10_000)


@pytest.mark.long
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
def test_memory_is_flat_over_a_million_steps(Value):
    assert is_flat(Value, 1_000_000)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
def test_closures_do_not_pile_up(Value):
    """The collector's own runs have to keep the number of dead closures bounded: by twice what there was once."""
    x = Value(0.5)
    most = 0
    for _ in range(20_000):
        out = lecture_tanh(x, Value, None) * 2
        out.backward()
        most = max(most, live())
    assert most < 20_000 and x.grad != 0


def test_a_collection_in_a_sweep_keeps_what_the_sweep_needs(Value):
    """In plain Python the list of nodes holds them, closures and all, until backward() returns."""
    x = Value(2.0)

    def scaled(v, factor):
        out = Value(v.data * factor, (v,), "scaled")

        def _backward():
            v.grad += factor * out.grad
            out._prev = ()
            gc.collect()
        out._backward = _backward
        return out
    scaled(scaled(scaled(x, 2.0), 3.0), 5.0).backward()
    assert x.grad == 30.0


def test_a_collection_put_off_is_made_after_the_sweep(Value):
    out = Value(2.0) * 3.0

    def _backward():
        lost = Value(1.0)
        lost.me = lost
        del lost
        gc.collect()
    out._backward = _backward
    before = live()
    gc.disable()
    try:
        for _ in range(3):
            out.backward()
        assert live() == before
    finally:
        gc.enable()


def test_labels_cost_a_collection_nothing(Value):
    if Value.__module__ != "fastgrad.engine":
        pytest.skip("in plain Python a collection goes through each node")
    out = Value(1.0)
    for _ in range(300_000):
        out = out * 1.0
    gc.collect()
    out.label, out.step = "loss", 7
    begin = time.process_time()
    gc.collect()
    assert time.process_time() - begin < 0.2        # going through the graph takes ten times as long


@pytest.mark.parametrize("drop", ["children", "prev"])
def test_closures_that_free_the_graph_as_they_go(Value, drop):
    class Freeing(Value):
        def _backward(self):
            for child, local_grad in zip(self._children, self._local_grads):
                child.grad += local_grad * self.grad
            if drop == "children":
                self._children = ()
            else:
                self._prev = set()
    w = Freeing(2.0)
    for _ in range(50):
        loss = (w * 3 + 1) * (w * 2) + w
        loss.backward()
    assert w.grad == 50 * 27
