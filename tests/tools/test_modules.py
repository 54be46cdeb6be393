"""Promise: a Module finds its parameters by itself, each once, with names as torch's, and takes the numbers of a
state_dict as a whole or not at all; the layers are the loops that one would write. A module with a parameters() of its
own, as with micrograd, is what it was."""
import copy
import math
import pickle
import random
import types

import numpy as np
import pytest

import fastgrad.functional as F
import fastgrad.micrograd.nn
from fastgrad import Value, nn, optim, reference
from fastgrad.nn import MLP, CausalSelfAttention, Embedding, LayerNorm, Linear, Module, RMSNorm, Sequential


def same(found, expected):
    return len(found) == len(expected) and all(a is b for a, b in zip(found, expected))


class Net(Module):
    """All that may be looked through."""

    def __init__(self):
        self.scale = Value(0.5)
        self.hidden = Linear(2, 3)
        self.blocks = [Linear(3, 3, bias=False), {"norm": RMSNorm(3), "bias": [Value(0), Value(1.0), Value(-0.0)]}]
        self.pair = (Value(1.0), [Value(2.0)])
        self.name, self.size, self.no_values = "net", 3, [1.0, None]
        self.out = Linear(3, 1)

    def forward(self, x):
        x = F.mul(self.blocks[1]["norm"](self.blocks[0](F.tanh(self.hidden(x)))), self.blocks[1]["bias"])
        return self.out(x)[0] * self.scale + self.pair[0]


NAMES = ["scale", "hidden.weight", "hidden.bias", "blocks.0.weight", "blocks.1.norm.weight", "blocks.1.bias", "pair.0",
         "pair.1", "out.weight", "out.bias"]


# ---- Finding ----

def test_parameters_are_found_in_the_order_of_attributes():
    net = Net()
    named = list(net.named_parameters())
    assert same([p for _, p in named], net.parameters()) and len(named) == 1 + 9 + 9 + 6 + 2 + 4
    names = [name for name, _ in named]
    assert names[:3] == ["scale", "hidden.weight.0.0", "hidden.weight.0.1"] and "blocks.1.bias.2" in names
    assert names[-6:] == ["pair.0", "pair.1.0", "out.weight.0.0", "out.weight.0.1", "out.weight.0.2", "out.bias.0"]
    assert list(net.state_dict()) == NAMES
    assert net([1.0, 2.0]).data == net.forward([1.0, 2.0]).data
    assert [type(m).__name__ for m in net.modules()] == ["Net", "Linear", "Linear", "RMSNorm", "Linear"]


def test_a_shared_parameter():
    net = Net()
    net.tied = net.hidden.weight
    net.again = net.hidden
    assert len(net.parameters()) == 31 == len(set(map(id, net.parameters())))
    assert len(list(net.modules())) == 5
    state = net.state_dict()
    assert list(state) == [*NAMES, "tied", "again.weight", "again.bias"] and state["tied"] == state["hidden.weight"]
    net.load_state_dict(state)
    state["tied"] = [[x + 1 for x in row] for row in state["tied"]]
    before = net.state_dict()
    with pytest.raises(ValueError, match="^hidden.weight and tied are the same parameter here, and have different"):
        net.load_state_dict(state)
    assert net.state_dict() == before


def test_results_of_operations_arent_parameters():
    class Keeping(Module):
        def __init__(self):
            self.w = Value(2.0)

        def forward(self, x):
            self.out = [self.w * x, x + 1]
            return self.out[0]

    module = Keeping()
    module(3.0)
    assert same(module.parameters(), [module.w]) and list(module.state_dict()) == ["w"]


def test_modules_within_each_other_end():
    class Node(Module):
        def __init__(self):
            self.w = Value(1.0)

    a, b = Node(), Node()
    a.next, b.next, b.all = b, a, [a, b]
    b.all.append(b.all)
    assert same(a.parameters(), [a.w, b.w]) and same(b.parameters(), [b.w, a.w])
    assert [name for name, _ in a.named_parameters()] == ["w", "next.w"]
    assert list(a.state_dict())[:2] == ["w", "next.w"]
    a.load_state_dict(a.state_dict())
    a.eval()
    assert b.training is False

    class Owner(Module):
        def parameters(self):
            return self.part.parameters() + [self.w]

    owner, part = Owner(), Node()
    owner.w, owner.part, part.owner = Value(2.0), part, owner
    assert same(part.parameters(), [part.w, owner.w])
    assert {*map(id, owner.parameters())} == {id(part.w), id(owner.w)}      # a list of its own making
    assert {name for name, _ in owner.named_parameters()} == {"w", "part.w"}


def test_a_parameters_of_ones_own_decides():
    class Some(Module):
        def __init__(self):
            self.w, self.frozen = Value(1.0), Value(2.0)
            self.elsewhere = types.SimpleNamespace(value=Value(3.0))        # isn't looked through

        def parameters(self):
            return [self.elsewhere.value, self.w]

    class More(Some):
        def __init__(self):
            super().__init__()
            self.layer = Linear(1, 1)

        def parameters(self):
            return super().parameters() + Module.parameters(self.layer)

    class Around(Module):
        def __init__(self):
            self.some, self.more = Some(), [More()]

    some = Some()
    assert same(some.parameters(), [some.elsewhere.value, some.w])
    assert [name for name, _ in some.named_parameters()] == ["parameters.0", "w"]
    assert some.state_dict() == {"w": 1.0, "frozen": 2.0, "parameters.0": 3.0}
    around = Around()
    more = around.more[0]
    assert same(around.parameters(), [*around.some.parameters(), *more.parameters()]) and len(around.parameters()) == 6

    class Extended(Module):
        def __init__(self):
            self.a, self.extra = Value(1.0), Value(2.0)

        def parameters(self):
            return super().parameters()[::-1]

    class Holder(Module):
        def __init__(self):
            self.part = Extended()

    holder = Holder()
    assert same(holder.parameters(), [holder.part.extra, holder.part.a])


def test_modules_of_both_dialects():
    class Both(Module):
        def __init__(self):
            self.ours, self.theirs = MLP(1, [1]), fastgrad.micrograd.nn.MLP(1, [1])
            self.oracle = reference.Value(1.0)

    both = Both()
    assert isinstance(both.theirs, Module) and len(both.parameters()) == 5
    assert list(both.state_dict()) == ["ours.layers.0.neurons.0.w", "ours.layers.0.neurons.0.b",
                                       "theirs.layers.0.neurons.0.w", "theirs.layers.0.neurons.0.b", "oracle"]


def test_train_and_eval():
    net = Net()
    assert net.training is True and "training" not in vars(net)
    assert net.eval() is net and not any(module.training for module in net.modules())
    assert net.train() is net and all(module.training for module in net.modules())
    with pytest.raises(ValueError, match="^mode must be True or False, not 3$"):
        net.train(3)


def test_zero_grad_and_no_forward():
    net = Net()
    net([1.0, -1.0]).backward()
    assert any(p.grad for p in net.parameters())
    net.zero_grad(set_to_none=True)
    assert {repr(p.grad) for p in net.parameters()} == {"0"}
    with pytest.raises(NotImplementedError, match="^Module has no forward"):
        Module()(1)


def test_copies_and_pickles():
    net = Net()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.state_dict() == net.state_dict()
        assert not {*map(id, other.parameters())} & {*map(id, net.parameters())}
        assert other([1.0, 2.0]).data == net([1.0, 2.0]).data


def test_a_model_without_parameters():
    class Empty(Module):
        def __init__(self):
            self.sizes, self.act, self.part, self.table = [2, 3], "relu", Module(), {"a": (1.0, "x")}
            self.out = Value(1.0) * 2

    for make, problem in [
        (lambda: optim.Adam(Module().parameters()), r"in Module, which has no attributes$"),
        (lambda: optim.SGD(Empty().parameters()), r"in the attributes of Empty: sizes \(list of int\), act \(str\), "
         r"table.a \(tuple of float, str\), out \(the result of an operation\)$"),
        (lambda: optim.clip_grad_norm_(Empty().parameters(), 1), "in the attributes of Empty"),
    ]:
        with pytest.raises(ValueError, match="^params is empty: there are no Values to optimise " + problem):
            make()
    with pytest.raises(TypeError, match=r"an iterable of Values, not 'Net': give it Net's parameters\(\)$"):
        optim.Adam(Net())
    assert Module().parameters() == []


# ---- States ----

def test_a_state_goes_into_another_model():
    random.seed(3)
    net, other = Net(), Net()
    net.pair[0].data = 7
    assert other.state_dict() != net.state_dict()
    assert other.load_state_dict(net.state_dict()) == ([], [])
    assert repr(other.state_dict()) == repr(net.state_dict()) and repr(other.pair[0].data) == "7"
    arrays = {name: np.array(numbers) for name, numbers in net.state_dict().items()}
    third = Net()
    third.load_state_dict(arrays)
    assert third([1.0, 2.0]).data == net([1.0, 2.0]).data


def test_a_state_that_doesn_t_fit_changes_nothing():
    net = Net()
    good = net.state_dict()
    other = {name: numbers for name, numbers in good.items()}
    for change, problem in [
        ({"hidden.weight": None}, "hidden.weight is 3 x 2 here, and one number there"),
        ({"hidden.weight": [[1, 2], [3, 4]]}, "hidden.weight is 3 x 2 here, and 2 x 2 there"),
        ({"hidden.weight": [[1, 2], [3, 4], [5]]}, "and 3 rows of several lengths there"),
        ({"scale": [1.0]}, "scale is one number here, and a list of 1 there"),
        ({"hidden.bias": [1.0], "new": 1.0}, "not expected: new; hidden.bias is a list of 3 here, and a list of 1"),
        ({"hidden.bias": [1.0, "x", 2.0]}, "'str'"), ({"scale": "x"}, "'str'"), ({"scale": 2 ** 53 + 1}, "int 9007"),
    ]:
        with pytest.raises((ValueError, TypeError, OverflowError), match=problem):
            net.load_state_dict({**{name: math.pi if name == "pair.0" else x for name, x in other.items()}, **change})
        assert net.state_dict() == good
    del other["scale"], other["out.bias"]
    with pytest.raises(ValueError, match="^state_dict doesn't fit Net: missing: scale, out.bias; not expected: more$"):
        net.load_state_dict({**other, "more": 1})
    assert net.load_state_dict({**other, "more": 1}, strict=False) == (["scale", "out.bias"], ["more"])
    with pytest.raises(TypeError, match="^state_dict must be a dict, not 'list'$"):
        net.load_state_dict([])


def test_names_that_cannot_be_told_apart():
    class Odd(Module):
        def __init__(self):
            self.d = {1: Value(1.0), "1": Value(2.0)}

    assert len(Odd().parameters()) == 2
    with pytest.raises(ValueError, match="^two parameters of Odd are called 'd.1'$"):
        Odd().state_dict()


# ---- Layers ----

def reprs(x):
    return [reprs(part) for part in x] if isinstance(x, list) else repr(x)


def test_layers_are_functionals():
    random.seed(5)
    x, xs = [1.0, -2.0, Value(0.5)], [[1.0, -2.0, 0.5], (0.0, 3.0, 1.0)]
    for layer, function in [
        (Linear(3, 2), lambda v: F.linear(v, layer.weight, layer.bias)),
        (Linear(3, 2, bias=False), lambda v: F.linear(v, layer.weight)),
        (RMSNorm(3, 1e-5), lambda v: F.mul(F.rms_norm(v), layer.weight)),
        (RMSNorm(3, elementwise_affine=False), lambda v: F.rms_norm(v, 2 ** -52)),
        (LayerNorm(3), lambda v: F.layer_norm(v, layer.weight, layer.bias)),
        (LayerNorm(3, 0.1, bias=False), lambda v: F.layer_norm(v, layer.weight, eps=0.1)),
        (LayerNorm(3, elementwise_affine=False), F.layer_norm),
        (Sequential(Linear(3, 4), F.relu, Linear(4, 1)), lambda v: layer[2](F.relu(layer[0](v)))),
    ]:
        assert reprs(layer(x)) == reprs(function(x))
        if not isinstance(layer, Sequential):
            assert reprs(layer(xs)) == [reprs(function(v)) for v in xs]
            assert reprs(layer(np.array(xs))) == reprs(layer(xs))


def test_attention_is_the_loop():
    random.seed(6)
    layer = CausalSelfAttention(4, 2)
    xs = [[random.gauss(0, 1) for _ in range(4)] for _ in range(5)]
    out = []
    for t in range(5):
        q = layer.q_proj(xs[t])
        k, v = ([linear(x) for x in xs[:t + 1]] for linear in (layer.k_proj, layer.v_proj))
        mixed = []
        for h in (slice(0, 2), slice(2, 4)):
            logits = [sum(q[h][j] * row[h][j] for j in range(2)) / 2 ** 0.5 for row in k]
            weights = F.softmax(logits)
            mixed += [sum(weights[s] * v[s][h][j] for s in range(t + 1)) for j in range(2)]
        out.append(layer.out_proj(mixed))
    assert reprs(layer(xs)) == reprs(out)
    assert reprs(layer(xs[:3])) == reprs(out[:3])       # nobody looks ahead


def test_an_embedding_gives_its_rows():
    layer = Embedding(5, 3)
    assert same(layer(2), layer.weight[2]) and same(layer([4, 2])[1], layer.weight[2])
    assert same(layer(np.array([0, 1]))[1], layer.weight[1])
    layer(2).append(1)
    assert len(layer.weight[2]) == 3
    for bad in (5, -1):
        with pytest.raises(IndexError, match=f"index {bad} is not from 0 to 4"):
            layer(bad)
    for bad in (1.0, "1", Value(1.0)):
        with pytest.raises(TypeError, match="an embedding takes an index"):
            layer(bad)


def test_weights_start_as_torch_s():
    random.seed(7)
    state = random.getstate()
    layer = Linear(4, 3)
    random.setstate(state)
    assert layer.state_dict()["weight"] == [[random.uniform(-0.5, 0.5) for _ in range(4)] for _ in range(3)]
    assert layer.state_dict()["bias"] == [random.uniform(-0.5, 0.5) for _ in range(3)]
    assert LayerNorm(2).state_dict() == {"weight": [1.0, 1.0], "bias": [0.0, 0.0]}
    numbers = [x for row in Embedding(100, 10).state_dict()["weight"] for x in row]
    assert abs(sum(numbers)) < 150 and 800 < sum(x * x for x in numbers) < 1200


def test_a_sequential_is_a_list():
    first, last = Linear(2, 3), Linear(3, 1)
    model = Sequential(first, F.tanh, last)
    assert len(model) == 3 and list(model) == [first, F.tanh, last] and model[-1] is last and len(model[:2]) == 2
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert list(model[1:].state_dict()) == ["2.weight", "2.bias"] and len(model[:0]) == 0
    named = Sequential({"in": first, "out": last})
    assert list(named.state_dict())[0] == "in.weight"
    assert list(named[1:].state_dict()) == ["out.weight", "out.bias"] and list(named[::-1]) == [last, first]
    assert repr(model) == ("Sequential(Linear(in_features=2, out_features=3, bias=True), tanh, "
                           "Linear(in_features=3, out_features=1, bias=True))")
    assert pickle.loads(pickle.dumps(model))([1.0, 2.0])[0].data == model([1.0, 2.0])[0].data
    with pytest.raises(TypeError, match="part 0 of a Sequential must be a Module or a function, not 'int'"):
        Sequential(3)
    for name in ("a.b", "forward", 1):
        with pytest.raises(ValueError, match="can't be the name of a part"):
            Sequential({name: first})


@pytest.mark.parametrize("make, error, problem", [
    (lambda: Linear(0, 1), ValueError, "in_features must be at least 1, not 0"),
    (lambda: Linear(1, 2.0), TypeError, "out_features must be an int, not 'float'"),
    (lambda: Embedding(3, "2"), TypeError, "embedding_dim must be an int"),
    (lambda: CausalSelfAttention(4, 3), ValueError, "num_heads must divide embed_dim, and 3 doesn't divide 4"),
    (lambda: Linear(2, 1)([1.0]), ValueError, "this layer has in_features=2, and was given a vector of 1"),
    (lambda: Linear(2, 1)([[1.0, 2.0], [1.0]]), ValueError, "in_features=2, and was given a vector of 1"),
    (lambda: LayerNorm(2)([]), ValueError, "a layer takes a vector or a list of vectors, and this list is empty"),
    (lambda: RMSNorm(2)(3.0), TypeError, "a layer takes a vector or a list of vectors, not 'float'"),
    (lambda: Linear(2, 1)(["x", "y"]), ValueError, "this layer has in_features=2, and was given a vector of 1"),
    (lambda: CausalSelfAttention(2, 1)([1.0, 2.0]), TypeError, r"attention takes a list of vectors; .* \[x\]"),
])
def test_bad_layers_and_inputs(make, error, problem):
    with pytest.raises(error, match=problem):
        make()


def test_all_of_nn_is_there():
    assert all(hasattr(nn, name) for name in nn.__all__)
