"""fastgrad.nn is micrograd's nn: the same random numbers, reprs and bits; `nonlin` takes more than a bool."""
import math
import random

import numpy as np
import pytest

import fastgrad
from fastgrad import functional, reference
from fastgrad.engine import Value
from fastgrad.nn import MLP, Layer, Module, Neuron

XS = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
YS = [1.0, -1.0, -1.0, 1.0]


def reprs(values):
    """What distinguishes every two floats, and ints from floats."""
    return [(repr(v.data), repr(v.grad)) for v in values]


def mlp(nin, nouts, **kwargs):
    random.seed(1337)
    return MLP(nin, nouts, **kwargs)


def squared_error(network, xs=XS, ys=YS):
    return sum((network(x) - y) ** 2 for x, y in zip(xs, ys))


def test_weights_are_drawn_neuron_by_neuron_and_biases_are_the_int_0():
    network = mlp(2, [3, 1])
    random.seed(1337)
    expected = []
    for nin, nout in (2, 3), (3, 1):
        for _ in range(nout):
            expected += [random.uniform(-1, 1) for _ in range(nin)] + [0]
    assert [repr(p.data) for p in network.parameters()] == list(map(repr, expected))


def test_parameters_come_in_micrograds_order():
    network = mlp(3, [4, 4, 1])
    assert len(network.parameters()) == 41
    expected = [p for layer in network.layers for neuron in layer.neurons for p in [*neuron.w, neuron.b]]
    assert all(p is q for p, q in zip(network.parameters(), expected, strict=True))
    assert all(type(p) is Value for p in network.parameters())


def test_reprs_are_micrograds():
    assert repr(Neuron(3)) == "ReLUNeuron(3)"
    assert repr(Neuron(3, nonlin=False)) == "LinearNeuron(3)"
    assert repr(Layer(2, 2)) == "Layer of [ReLUNeuron(2), ReLUNeuron(2)]"
    assert repr(MLP(2, [2, 1])) == "MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]"


def test_reprs_of_what_micrograd_lacks():
    assert repr(Neuron(3, "relu")) == "ReLUNeuron(3)"
    assert repr(Neuron(3, "tanh")) == "TanhNeuron(3)"
    assert repr(Layer(1, 1, nonlin="sigmoid")) == "Layer of [SigmoidNeuron(1)]"
    assert repr(Neuron(3, abs)) == "absNeuron(3)"


@pytest.mark.parametrize("nonlin, last_too", [(True, False), ("relu", True), ("tanh", True), ("sigmoid", True)])
def test_data_and_gradients_are_those_of_the_same_network_by_hand(nonlin, last_too):
    network = mlp(3, [4, 4, 1], nonlin=nonlin)
    loss = squared_error(network)
    loss.backward()

    by_hand = [reference.Value(p.data) for p in network.parameters()]

    def plain_network(x):
        parameters = iter(by_hand)
        for nin, nout in (3, 4), (4, 4), (4, 1):
            out = []
            for _ in range(nout):
                w = [next(parameters) for _ in range(nin)]
                act = next(parameters)
                for wi, xi in zip(w, x):
                    act = act + wi * xi
                method = "relu" if nonlin is True else nonlin
                out.append(getattr(act, method)() if last_too or nout > 1 else act)
            x = out
        return x[0]

    expected = squared_error(plain_network)
    expected.backward()
    assert reprs([loss, *network.parameters()]) == reprs([expected, *by_hand])


def test_a_layer_gives_a_list_and_a_layer_of_one_its_value():
    assert isinstance(Layer(2, 1)([1.0, 2.0]), Value)
    out = Layer(2, 3)([1.0, 2.0])
    assert isinstance(out, list) and len(out) == 3
    assert isinstance(mlp(3, [4, 1])(XS[0]), Value)


def test_inputs_may_be_values_ints_and_tuples():
    neuron = Neuron(2, nonlin=False)
    x = Value(2.0), 3
    y = neuron(x)
    y.backward()
    assert y.data == neuron.b.data + neuron.w[0].data * 2.0 + neuron.w[1].data * 3
    assert x[0].grad == neuron.w[0].data


def test_nonlin_true_leaves_the_last_layer_linear():
    assert [layer.neurons[0].nonlin for layer in MLP(1, [2, 2, 1]).layers] == [True, True, False]


def test_nonlin_false_is_linear_everywhere():
    network = mlp(3, [4, 1], nonlin=False)
    assert repr(network).count("LinearNeuron") == 5
    middle = network([(a + b) / 2 for a, b in zip(XS[0], XS[1])]).data
    assert middle == pytest.approx((network(XS[0]).data + network(XS[1]).data) / 2)


def test_any_function_of_a_value_is_a_nonlinearity_of_every_layer():
    def leaky(v):
        return v if v.data > 0 else 0.1 * v

    network = mlp(3, [4, 1], nonlin=leaky)
    assert all(neuron.nonlin is leaky for layer in network.layers for neuron in layer.neurons)
    neuron = Neuron(1, nonlin=leaky)
    neuron.w[0].data = -2.0
    y = neuron([3.0])
    y.backward()
    assert y.data == pytest.approx(-0.6)
    assert neuron.w[0].grad == pytest.approx(0.3)


def test_names_are_the_methods_of_the_value():
    assert reprs([Neuron(0, nonlin=name)([]) for name in ("relu", "tanh", "sigmoid")]) == reprs(
        [Value(0).relu(), Value(0).tanh(), Value(0).sigmoid()])


@pytest.mark.parametrize("make", [lambda: Neuron(2, nonlin="tan"), lambda: Layer(2, 2, nonlin="tan"),
                                  lambda: MLP(2, [2, 1], nonlin="tan")])
def test_a_wrong_name_is_an_error_that_names_the_choices(make):
    random.seed(1)
    state = random.getstate()
    with pytest.raises(ValueError) as error:
        make()
    assert all(word in str(error.value) for word in ("'relu'", "'tanh'", "'sigmoid'", "'tan'"))
    assert random.getstate() == state


def test_zero_grad():
    network = mlp(3, [4, 1])
    squared_error(network).backward()
    assert any(p.grad for p in network.parameters())
    network.zero_grad()
    assert all(repr(p.grad) == "0" for p in network.parameters())


def test_a_module_of_ones_own():
    class Scale(Module):
        def __init__(self):
            self.factor = Value(3.0)

        def parameters(self):
            return [self.factor]

    assert Module().parameters() == []
    scale = Scale()
    (scale.factor * 2).backward()
    assert scale.factor.grad == 2.0
    scale.zero_grad()
    assert scale.factor.grad == 0


def test_the_lectures_tanh_network_learns():
    network = mlp(3, [4, 4, 1], nonlin="tanh")
    first = squared_error(network).data
    for _ in range(100):
        loss = squared_error(network)
        network.zero_grad()
        loss.backward()
        for p in network.parameters():
            p.data -= 0.05 * p.grad
    assert loss.data < 0.1 < first
    assert all(abs(network(x).data - y) < 0.3 for x, y in zip(XS, YS))


# ---- Weighted sums ----

def scalar_call(neuron, x):
    """micrograd's Neuron.__call__."""
    act = sum((wi * xi for wi, xi in zip(neuron.w, x)), neuron.b)
    return act.relu() if neuron.nonlin else act


def nodes_of(root):
    """A graph as a list: names, numbers, derivatives, and where the operands are in it."""
    order = root._topological()
    place = {id(v): i for i, v in enumerate(order)}
    return [(v._op, repr(v.data), repr(v.grad), repr(v._local_grads), [place[id(c)] for c in v._children])
            for v in order]


@pytest.mark.parametrize("inputs", [[2.0, 3.0, -1.0], [2, 3, -1], (0, 0.5, Value(0.25)), [Value(2), Value(-0.0), 1.0]])
def test_the_graph_of_a_neuron_is_micrograds(inputs):
    for nonlin in (True, False):
        neuron = Neuron(3, nonlin)
        ours, theirs = neuron(inputs), scalar_call(neuron, inputs)
        ours.backward()
        shown = nodes_of(ours)
        neuron.zero_grad()
        for x in inputs:
            if isinstance(x, Value):
                x.grad = 0
        theirs.backward()
        assert shown == nodes_of(theirs)


def test_the_graph_of_a_network_is_micrograds():
    def by_hand(network, x):
        for layer in network.layers:
            x = [scalar_call(neuron, x) for neuron in layer.neurons]
        return x[0]

    graphs = []
    for call in (lambda network, x: network(x), by_hand):
        network = mlp(3, [4, 4, 1])
        loss = sum((call(network, x) - y) ** 2 for x, y in zip(XS, YS))
        loss.backward()
        graphs.append(nodes_of(loss))
    assert graphs[0] == graphs[1]


@pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")
def test_weighted_sums_are_fused():
    network, before = mlp(3, [4, 4, 1]), fastgrad.arena_stats()["fused"]
    out = network(XS[0])
    assert fastgrad.arena_stats()["fused"] - before == 9
    out.backward()
    assert fastgrad.arena_stats()["fused"] - before == 9


@pytest.mark.parametrize("call", [lambda x: Neuron(3)(x), lambda x: Layer(3, 2)(x), lambda x: MLP(3, [2, 1])(x)])
def test_a_wrong_number_of_inputs(call):
    for x in ([1.0, 2.0], (), iter([1.0] * 4), np.ones(4)):
        n = len(x) if hasattr(x, "__len__") else 4
        with pytest.raises(ValueError, match=f"^this neuron has 3 inputs, not {n}: give it a list of 3 numbers$"):
            call(x)
    with pytest.raises(ValueError, match="^this neuron has 1 input, not 2: give it a list of 1 number$"):
        Neuron(1)([1.0, 2.0])


@pytest.mark.parametrize("call", [lambda x: Neuron(3)(x), lambda x: Layer(3, 2)(x), lambda x: MLP(3, [2, 1])(x)])
@pytest.mark.parametrize("x, words", [
    ([[1.0, 2.0, 3.0]] * 3, "[model(x) for x in xs]"), ([[1, 2, 3]], "[model(x) for x in xs]"),
    (np.ones((3, 3)), "[model(x) for x in xs]"), ([[Value(1.0)] * 3] * 2, "[model(x) for x in xs]"),
    (["abc"] * 3, "Values or numbers, but element 0 is 'str'"), (2.0, "not 'float': write [2.0]"),
    (np.array(2), "not 'int': write [2]"),
    ("abc", "not 'str'"), (None, "not 'NoneType'")], ids=repr)
def test_what_is_no_list_of_numbers(call, x, words):
    with pytest.raises(TypeError) as info:
        call(x)
    assert words in str(info.value)


def test_sizes_that_are_no_sizes():
    with pytest.raises(TypeError, match=r"nouts is a list.*: write MLP\(3, \[1\]\)"):
        MLP(3, 1)
    with pytest.raises(TypeError, match=r"nout is a number.*MLP\(nin, nouts\) takes a list"):
        Layer(3, [4, 1])
    for make, words in ((lambda: MLP(2.5, [3]), "nin must be an int, not 'float'"),
                        (lambda: MLP([2], [3]), "nin must be an int, not 'list'"),
                        (lambda: MLP(2, ["a"]), "nout must be an int, not 'str'"),
                        (lambda: MLP(2, [3, 1.0]), "nout must be an int, not 'float'"),
                        (lambda: Neuron("2"), "nin must be an int, not 'str'")):
        with pytest.raises(TypeError) as info:
            make()
        assert str(info.value) == words
    assert len(MLP(np.int64(2), [np.int64(3)]).parameters()) == 9


def test_a_value_in_place_of_a_list():
    with pytest.raises(TypeError, match=r"a list of numbers, not 'Value': write \[x\]"):
        Neuron(1)(Value(1.0))


def test_inputs_of_other_kinds():
    layer = Layer(2, 2, nonlin=False)
    expected = [repr(v) for v in layer([0.5, -2.0])]
    for x in (iter([0.5, -2.0]), np.array([0.5, -2.0]), {0.5: 0, -2.0: 1}.keys(), (y for y in (0.5, -2.0))):
        assert [repr(v) for v in layer(x)] == expected


def test_a_layer_of_one_neuron_within_a_network():
    network = mlp(2, [1, 2])
    hidden = network.layers[0]([1.0, 2.0])
    assert isinstance(hidden, Value)
    assert reprs(network([1.0, 2.0])) == reprs(network.layers[1]([hidden]))
    assert isinstance(mlp(2, [1, 1])([1.0, 2.0]), Value)


def test_neurons_of_ones_own_in_a_layer(monkeypatch):
    class Doubling(Neuron):
        def __call__(self, x):
            return super().__call__(x) * 2

    layer = Layer(2, 2, nonlin=False)
    single = [v.data for v in layer([1.0, 2.0])]
    layer.neurons[1].__class__ = Doubling
    assert [v.data for v in layer([1.0, 2.0])] == [single[0], 2 * single[1]]
    layer.neurons[1] = lambda x: x[0]
    assert layer([1.0, 2.0])[1] == 1.0
    monkeypatch.setattr(Neuron, "__call__", lambda self, x: "patched")
    assert Layer(2, 2)([1.0, 2.0]) == ["patched", "patched"]


def test_a_layer_reads_its_neurons_anew():
    layer = Layer(2, 2, nonlin=True)
    for neuron, scale in zip(layer.neurons, (1.0, -1.0)):
        neuron.w, neuron.b = [Value(scale), Value(0.5 * scale)], Value(0.25)
    assert [v.data for v in layer([1.0, 2.0])] == [2.25, 0.0]
    layer.neurons[1].nonlin = False
    assert [v.data for v in layer([1.0, 2.0])] == [2.25, -1.75]
    layer.neurons[0].w[1], layer.neurons[0].nonlin = Value(3.0), "tanh"
    vars(layer.neurons[1])["b"] = Value(1.0)
    assert [v.data for v in layer([1.0, 2.0])] == [math.tanh(7.25), -1.0]
    for neuron in layer.neurons:
        neuron.nonlin = "gelu"          # which fastgrad.functional has, and a Value hasn't
    functional.gelu([1.0])
    with pytest.raises(AttributeError, match="gelu"):
        layer([1.0, 2.0])
    layer.neurons[0].nonlin = "tanh"
    layer.neurons = tuple(layer.neurons[:1])
    assert layer([1.0, 2.0]).data == math.tanh(7.25)
    del layer.neurons[0].b
    with pytest.raises(AttributeError, match="'Neuron' object has no attribute 'b'"):
        layer([1.0, 2.0])
    layer.neurons = []
    assert layer([1.0, 2.0]) == layer.parameters() == []


def test_micrograds_networks():
    from fastgrad.micrograd import engine, nn
    random.seed(1337)
    network = nn.MLP(3, [4, 1])
    out = network(XS[0])
    assert type(out) is engine.Value and {type(v) for v in out._topological()} == {engine.Value}
