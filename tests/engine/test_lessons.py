"""Promise: teaching code works. The worked examples of micrograd's lecture and README, of microgpt and of the courses
built on them, with their numbers spelled out, and the things that such code does with Values besides arithmetic.
"""
import math
import random

import pytest


def close(x):
    return pytest.approx(x, abs=1e-12)


# Arithmetic with numbers that fit on a blackboard.

def test_tour_of_micrograd_s_readme(Value):
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert f"{a.grad:.4f}" == "138.8338"
    assert f"{b.grad:.4f}" == "645.5773"


def test_a_step_of_gradient_descent(Value):
    w, b, x, target = Value(0.5), Value(0.1), Value(2.0), Value(3.0)
    wx = w * x
    pred = wx + b
    err = pred - target
    loss = err**2
    loss.backward()
    assert loss.data == close(3.61)
    assert [v.grad for v in (err, pred, b, wx, w)] == [close(-3.8), close(-3.8), close(-3.8), close(-3.8), close(-7.6)]
    for p in (w, b):
        p.data -= 0.01 * p.grad
    assert (w.data, b.data) == (close(0.576), close(0.138))
    w.grad = b.grad = 0.0
    again = (w * x + b - target)**2
    assert again.data < loss.data


def test_product_and_sum(Value):
    a, b, c = Value(2), Value(3), Value(10)
    d = a * b + c
    d.backward()
    assert (d.data, a.grad, b.grad, c.grad) == (16, 3, 2, 1)


def test_diamond(Value):
    a, b = Value(3.0), Value(4.0)
    out = a * b + a
    out.backward()
    assert (out.data, a.grad, b.grad) == (15.0, 4.0 + 1, 3.0)


def test_the_lecture_s_first_expression(Value):
    a = Value(2.0, label="a")
    b = Value(-3.0, label="b")
    c = Value(10.0, label="c")
    e = a * b; e.label = "e"
    d = e + c; d.label = "d"
    f = Value(-2.0, label="f")
    L = d * f; L.label = "L"
    assert L.data == -8.0
    L.backward()
    assert [v.grad for v in (L, f, d, c, e, b, a)] == [1, 4.0, -2.0, -2.0, -2.0, -4.0, 6.0]
    assert [v.label for v in (L, f, d, c, e, b, a)] == list("Lfdceba")
    for p in (a, b, c, f):
        p.data += 0.01 * p.grad
    assert ((a * b + c) * f).data == close(-7.286496)


def test_a_plus_a(Value):
    a = Value(3.0)
    b = a + a
    b.backward()
    assert a.grad == 2
    assert b._children == (a, a) and b._prev == {a}


def test_the_bug_of_the_lecture(Value):
    """Gradients are added up where a node is used twice."""
    a, b = Value(-2.0), Value(3.0)
    d, e = a * b, a + b
    f = d * e
    f.backward()
    assert (a.grad, b.grad) == (-3.0, -8.0)


def neuron(Value):
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    n = x1 * w1 + x2 * w2 + b
    return n, (x1, w1, x2, w2)


SQUASHED = [math.sqrt(0.5), [-1.5, 1.0, 0.5, 0.0]]     # the neuron's output and its gradients


def test_neuron(Value):
    n, leaves = neuron(Value)
    o = n.tanh()
    o.backward()
    assert [o.data, [v.grad for v in leaves]] == [close(SQUASHED[0]), list(map(close, SQUASHED[1]))]
    assert n.grad == close(0.5)


def test_neuron_with_tanh_taken_apart(Value):
    n, leaves = neuron(Value)
    e = (2 * n).exp()
    o = (e - 1) / (e + 1)
    o.backward()
    assert [o.data, [v.grad for v in leaves]] == [close(SQUASHED[0]), list(map(close, SQUASHED[1]))]


# Operations in the lecture's style, added from outside.

def lecture_tanh(Value):
    def tanh(self):
        x = self.data
        t = (math.exp(2*x) - 1)/(math.exp(2*x) + 1)
        out = Value(t, (self, ), 'tanh')

        def _backward():
            self.grad += (1 - t**2) * out.grad
        out._backward = _backward

        return out
    return tanh


def test_closures(Value):
    n, leaves = neuron(Value)
    o = lecture_tanh(Value)(n)
    o.backward()
    assert [o.data, [v.grad for v in leaves]] == [close(SQUASHED[0]), list(map(close, SQUASHED[1]))]
    assert o._op == "tanh" and o._prev == {n}


def test_patching_the_class(Value, monkeypatch):
    monkeypatch.setattr(Value, "squash", lecture_tanh(Value), raising=False)
    n, leaves = neuron(Value)
    o = n.squash()
    o.backward()
    assert [v.grad for v in leaves] == list(map(close, SQUASHED[1]))
    monkeypatch.setattr(Value, "tanh", lambda self: "mine")
    assert n.tanh() == "mine"
    monkeypatch.setattr(Value, "__repr__", lambda self: f"Value(data={self.data})")
    assert repr(Value(2.0)) == str(Value(2.0)) == "Value(data=2.0)"
    monkeypatch.undo()
    assert repr(n.tanh()._prev) == f"{{{n!r}}}" and not hasattr(n, "squash")


def test_patching_an_operator(Value, monkeypatch):
    original = Value.__add__
    calls = []
    monkeypatch.setattr(Value, "__add__", lambda self, other: calls.append(1) or original(self, other))
    assert (Value(1.0) + 2.0).data == 3.0
    assert calls == [1]
    monkeypatch.undo()
    assert (Value(1.0) + 2.0).data == 3.0 and calls == [1]


def test_subclassing(Value):
    class Loud(Value):
        def cube(self):
            return self * self * self

        def __repr__(self):
            return f"LOUD({self.data})"

    a, b = Loud(2.0), Value(3.0)
    for result in (a * b, b * a, a + 1, 1 + a, -a, a - b, b / a, a**2, 2**a, a.exp(), a.relu(), abs(a), a.detach(),
                   sum([a, b])):
        assert type(result) is Loud
    out = (a * b).cube()
    out.backward()
    assert repr(out) == "LOUD(216.0)" and a.grad == 3 * 36.0 * 3.0
    assert repr(out._children[1]) == "LOUD(6.0)"


def test_subclass_with_its_own_operators(Value):
    class Tropical(Value):
        def __add__(self, other):
            return type(self)(max(self.data, float(other)))

        def __radd__(self, other):
            return type(self)(-1.0)

        def __mul__(self, other):
            return super().__mul__(other) + 0.5

    a, b = Tropical(2.0), Tropical(3.0)
    assert (a + b).data == 3.0 and (a + 7).data == 7.0
    assert (1.0 + a).data == -1.0
    assert (Value(1.0) + a).data == -1.0       # a subclass's reflected operator goes first
    assert (a * b).data == 6.0
    assert (a - 1.0).data == 2.0               # a - b is a + (-b)


def test_reflected_operators_go_through_the_others(Value):
    """As in micrograd, `1 + v` is `v + 1`: who counts additions in `__add__` also counts those of sum()."""
    class Counting(Value):
        calls = []

        def __add__(self, other):
            self.calls.append("+")
            return super().__add__(other)

        def __mul__(self, other):
            self.calls.append("*")
            return super().__mul__(other)

    a = Counting(2.0)
    for action, calls in ((lambda: 1 + a, "+"), (lambda: 2 * a, "*"), (lambda: sum([a, a]), "++"), (lambda: -a, "*"),
                          (lambda: a - 1, "+"), (lambda: a / 2, "*"), (lambda: 2 / a, "*"), (lambda: 1 - a, "*+")):
        Counting.calls.clear()
        action()
        assert "".join(Counting.calls) == calls


def test_reflected_operators_of_a_patched_class(Value, monkeypatch):
    calls = []
    for name in ("__add__", "__mul__"):
        original = getattr(Value, name)
        monkeypatch.setattr(Value, name, lambda a, b, f=original, name=name: calls.append(name) or f(a, b))
    a = Value(2.0)
    assert [(1 + a).data, (2 * a).data, sum([a, a]).data] == [3.0, 4.0, 4.0]
    assert calls == ["__add__", "__mul__", "__add__", "__add__"]


def test_subclass_with_its_own_constructor(Value):
    class Named(Value):
        def __init__(self, name, data):
            super().__init__(data)
            self.name = name

    a = Named("a", 2.0)
    out = a * 3
    assert a.name == "a" and a.data == 2.0 and out.data == 6.0 and out._children[0].name == "a"


# Walking the graph by hand.

def test_stepping_through_by_hand(Value):
    n, leaves = neuron(Value)
    o = lecture_tanh(Value)(n)
    b = n._children[1]
    x1w1x2w2 = n._children[0]
    x1w1, x2w2 = x1w1x2w2._children
    o.grad = 1.0
    o._backward()
    assert n.grad == close(0.5)
    n._backward()
    assert (b.grad, x1w1x2w2.grad) == (close(0.5), close(0.5))
    b._backward()                   # a leaf's does nothing
    x1w1x2w2._backward()
    x1w1._backward()
    x2w2._backward()
    assert [v.grad for v in leaves] == list(map(close, SQUASHED[1]))


def test_build_topo_by_the_learner(Value):
    n, leaves = neuron(Value)
    o = lecture_tanh(Value)(n)
    topo = []
    visited = set()

    def build_topo(v):
        if v not in visited:
            visited.add(v)
            for child in v._prev:
                build_topo(child)
            topo.append(v)

    build_topo(o)
    assert len(topo) == 10 and topo[-1] is o
    o.grad = 1.0
    for node in reversed(topo):
        node._backward()
    assert [v.grad for v in leaves] == list(map(close, SQUASHED[1]))


def test_backward_by_the_learner_over_children(Value):
    """microgpt's backward, written outside of the class."""
    n, leaves = neuron(Value)
    topo, visited = [], set()

    def build_topo(v):
        if v not in visited:
            visited.add(v)
            for child in v._children:
                build_topo(child)
            topo.append(v)

    build_topo(n)
    n.grad = 1
    for v in reversed(topo):
        for child, local_grad in zip(v._children, v._local_grads):
            child.grad += local_grad * v.grad
    grads = [v.grad for v in topo]
    n.zero_grad()
    assert [v.grad for v in topo] == [0] * len(topo)
    n.backward()
    assert [v.grad for v in topo] == grads and leaves[0].grad == -3.0


def test_drawing(Value):
    def trace(root):
        nodes, edges = set(), set()

        def build(v):
            if v not in nodes:
                nodes.add(v)
                for child in v._prev:
                    edges.add((child, v))
                    build(child)
        build(root)
        return nodes, edges

    n, _ = neuron(Value)
    o = n.tanh()
    o.backward()
    nodes, edges = trace(o)
    dot = []
    for v in nodes:
        uid = str(id(v))
        dot.append((uid, "{ %s | data %.4f | grad %.4f }" % (v.label, v.data, v.grad)))
        if v._op:
            dot.append((uid + v._op, v._op))
    arrows = {(str(id(a)), str(id(b)) + b._op) for a, b in edges}
    names = [name for name, _ in dot]
    assert len(names) == len(set(names)) == 10 + 5
    assert len(arrows) == 9 and all(name in names for arrow in arrows for name in arrow)
    assert sorted(label for name, label in dot if not name.isdigit()) == ["*", "*", "+", "+", "tanh"]
    assert "{ x1 | data 2.0000 | grad -1.5000 }" in [label for _, label in dot]
    assert trace(o) == (nodes, edges)


def test_operations_have_the_spelling_of_micrograd(Value):
    a, b = Value(2.0), Value(3.0)
    assert [v._op for v in (a + b, a * b, a**2, a**-0.5, a.relu(), a.exp(), a.tanh(), a)] == \
        ["+", "*", "**2", "**-0.5", "ReLU", "exp", "tanh", ""]
    difference, quotient = a - b, a / b
    assert difference._op == "+" and difference._children[0] is a
    assert [v._op for v in difference._children] == ["", "*"]
    negative = difference._children[1]
    assert [v.data for v in negative._children] == [3.0, -1] and negative._children[0] is b
    assert [v._op for v in quotient._children] == ["", "**-1"] and quotient._children[1]._children == (b,)
    assert [v.data for v in (1 - a)._children] == [-2.0, 1] and [v._op for v in (1 / a)._children] == ["**-1", ""]


# What is printed.

def test_prints(Value, capsys):
    a, b = Value(2), Value(3.0)
    print(a, b, [a * 3], sep="\n")
    a.backward()
    print(a)
    print(f"{a} {b.data:.2f} {b:.3f} {a.grad}")
    assert capsys.readouterr().out.splitlines() == [
        "Value(data=2, grad=0)", "Value(data=3.0, grad=0)", "[Value(data=6, grad=0)]", "Value(data=2, grad=1)",
        "Value(data=2, grad=1) 3.00 3.000 1"]


def test_sums(Value):
    a, b = Value(1.0), Value(2.0)
    plain, started = sum([a, b]), sum((x for x in (a, b)), Value(0.0))
    assert (plain.data, started.data) == (3.0, 3.0)
    assert sum([], Value(5.0)).data == 5.0 and sum([]) == 0
    first = plain._children[0]          # 0 + a is a + 0
    assert first._op == "+" and first._children[0] is a and repr(first._children[1]) == "Value(data=0, grad=0)"
    plain.backward()
    assert (a.grad, b.grad) == (1, 1)
    assert sum(x * y for x, y in zip([a, b], [3, 4])).data == 11.0


def test_values_in_sets_and_dicts(Value):
    a, b = Value(1.0), Value(1.0)
    names = {a: "a", b: "b"}
    out = a * b
    assert len({a, b, a}) == 2 and a != b
    assert [names[child] for child in out._children] == ["a", "b"]
    assert a in out._prev and a in [b, a] and [b, a].index(a) == 1


# Training.

def test_adam(Value):
    """Moments are attributes of the parameters. Adam's first step is the learning rate, whatever the gradient."""
    params = [Value(1.0), Value(-2.0)]
    for p in params:
        p.m = p.v = 0.0
    for step in range(1, 301):
        loss = sum((p - target)**2 for p, target in zip(params, (3.0, 4.0)))
        for p in params:
            p.grad = 0
        loss.backward()
        for p in params:
            p.m = 0.9 * p.m + 0.1 * p.grad
            p.v = 0.99 * p.v + 0.01 * p.grad ** 2
            p.data -= 0.1 * (p.m / (1 - 0.9 ** step)) / ((p.v / (1 - 0.99 ** step)) ** 0.5 + 1e-8)
        if step == 1:
            assert [round(p.data, 6) for p in params] == [1.1, -1.9]
    assert [round(p.data, 2) for p in params] == [3.0, 4.0]


class Net:
    """The lecture's MLP of tanh neurons, and with a relu of micrograd's."""

    def __init__(self, Value, sizes, rng, activation):
        self.layers = [[([Value(rng.uniform(-1, 1)) for _ in range(n)], Value(rng.uniform(-1, 1))) for _ in range(m)]
                       for n, m in zip(sizes, sizes[1:])]
        self.activation = activation

    def __call__(self, x):
        for layer in self.layers:
            x = [self.activation(sum((wi * xi for wi, xi in zip(w, x)), b)) for w, b in layer]
        return x[0]

    def parameters(self):
        return [p for layer in self.layers for w, b in layer for p in w + [b]]


def train(Value, net, xs, ys, steps, rate):
    for _ in range(steps):
        predictions = [net(x) for x in xs]
        loss = sum(((p - y)**2 for p, y in zip(predictions, ys)), Value(0.0))
        for p in net.parameters():
            p.grad = 0.0
        loss.backward()
        for p in net.parameters():
            p.data += -rate * p.grad
    return loss.data, [p.data for p in predictions]


def test_mlp_on_four_points(Value):
    xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    ys = [1.0, -1.0, -1.0, 1.0]
    net = Net(Value, (3, 4, 4, 1), random.Random(1337), lambda v: v.tanh())
    assert len(net.parameters()) == 41
    before, _ = train(Value, net, xs, ys, 1, 0.05)
    after, predictions = train(Value, net, xs, ys, 150, 0.05)
    assert before > 1.0 and after < 0.05
    assert [round(p) for p in predictions] == ys


def test_xor(Value):
    xs, ys = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    net = Net(Value, (2, 4, 1), random.Random(3), lambda v: v.sigmoid())
    _, predictions = train(Value, net, xs, ys, 1200, 2.0)
    assert [round(p) for p in predictions] == ys


# microgpt's dialect.

def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(wo, x)) for wo in w]


def softmax(logits):
    max_val = max(val.data for val in logits)
    exps = [(val - max_val).exp() for val in logits]
    total = sum(exps)
    return [e / total for e in exps]


def rmsnorm(x):
    ms = sum(xi * xi for xi in x) / len(x)
    scale = (ms + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def test_microgpt_s_functions(Value):
    logits = [Value(1.0), Value(2.0), Value(3.0)]
    probs = softmax(logits)
    assert [f"{p.data:.4f}" for p in probs] == ["0.0900", "0.2447", "0.6652"]
    loss = -probs[2].log()
    loss.backward()
    assert loss.data == close(math.log(1 + math.exp(-1) + math.exp(-2)))
    assert [f"{v.grad:.4f}" for v in logits] == ["0.0900", "0.2447", "-0.3348"]
    x = rmsnorm([Value(3.0), Value(4.0)])
    assert [f"{v.data:.4f}" for v in x] == ["0.8485", "1.1314"]
    w = [[Value(1.0), Value(2.0)], [Value(0), Value(-1)]]
    assert [v.data for v in linear([Value(3.0), Value(4.0)], w)] == [11.0, -4.0]


def test_microgpt_s_operations(Value):
    """`Value(data, children, local_grads)`: an operation of the script's own."""
    def square(v):
        return Value(v.data * v.data, (v,), (2 * v.data,))

    def mean(*values):
        return Value(sum(v.data for v in values) / len(values), values, (1 / len(values),) * len(values))

    a, b, c = Value(2.0), Value(3.0), Value(4.0)
    out = mean(square(a), b, square(c))
    out.backward()
    assert out.data == (4 + 3 + 16) / 3
    assert [v.grad for v in (a, b, c)] == [close(4 / 3), close(1 / 3), close(8 / 3)]
    assert [v._local_grads for v in out._children] == [(4.0,), (), (8.0,)]


def test_microgpt_in_small(Value):
    """Bigrams of two names: embedding, rmsnorm, a layer, softmax, cross-entropy, Adam; the loss goes down."""
    rng = random.Random(42)
    names = ["mira", "mia"]
    letters = sorted(set("".join(names)))
    bos, width = len(letters), 4
    matrix = lambda rows, cols: [[Value(rng.gauss(0, 0.3)) for _ in range(cols)] for _ in range(rows)]
    wte, w1, head = matrix(bos + 1, width), matrix(8, width), matrix(bos + 1, 8)
    params = [p for m in (wte, w1, head) for row in m for p in row]
    m, v, losses = [0.0] * len(params), [0.0] * len(params), []
    for step in range(30):
        tokens = [bos] + [letters.index(ch) for ch in names[step % len(names)]] + [bos]
        terms = []
        for token, target in zip(tokens, tokens[1:]):
            hidden = [h.relu() for h in linear(rmsnorm(wte[token]), w1)]
            terms.append(-softmax(linear(hidden, head))[target].log())
        loss = (1 / len(terms)) * sum(terms)
        loss.backward()
        losses.append(loss.data)
        for i, p in enumerate(params):
            m[i] = 0.85 * m[i] + 0.15 * p.grad
            v[i] = 0.99 * v[i] + 0.01 * p.grad ** 2
            p.data -= 0.05 * (m[i] / (1 - 0.85 ** (step + 1))) / ((v[i] / (1 - 0.99 ** (step + 1))) ** 0.5 + 1e-8)
            p.grad = 0
    assert losses[0] == pytest.approx(math.log(5), abs=0.2)
    assert sum(losses[-4:]) / 4 < 0.75
