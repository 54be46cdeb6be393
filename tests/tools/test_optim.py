"""fastgrad.optim gives the bits of the loops that one would write in Python, and says what is wrong before it changes
anything."""
import copy
import gc
import json
import math
import pickle
import random
import re

import numpy as np
import pytest
import train_microgpt as script

import fastgrad
import fastgrad.reference
from fastgrad import clip_grad_norm_, clip_grad_value_
from fastgrad.nn import MLP
from fastgrad.optim import SGD, Adam, AdamW, RMSprop

inf, nan = math.inf, math.nan


def number(rng):
    """Mostly floats of all sizes, some ints, and what isn't finite."""
    return rng.choice([
        rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 1e-3), rng.uniform(-1, 1) * 10 ** rng.uniform(-30, 30),
        rng.randint(-5, 5), rng.randint(-10 ** 9, 10 ** 9), 0, 0.0, -0.0, 1e-170, 5e-324, 2 ** 53, inf, -inf, nan])


def reprs(values):
    """What distinguishes every two floats, and ints from floats."""
    return [(repr(v.data), repr(v.grad)) for v in values]


def memory(optimizer):
    """What an optimiser remembers of its parameters."""
    return [list(map(repr, numbers)) for numbers in optimizer.state_dict().values() if isinstance(numbers, list)]


class Twin:
    """A parameter of the loops below: plain numbers, and what an optimiser remembers."""

    def __init__(self, data):
        self.data, self.grad, self.m, self.v = data, 0, 0.0, 0.0


def memory_of_loop(kind, twins):
    names = "m" if kind is SGD else "mv"
    return [[repr(getattr(twin, name)) for twin in twins] for name in names]


# The loops, written down as one would. Steps are counted from 1.

def sgd(params, t, lr=1e-3, momentum=0, weight_decay=0):
    for p in params:
        g = p.grad
        if weight_decay:
            g = g + weight_decay * p.data
        if momentum:
            p.m = momentum * p.m + g
            g = p.m
        p.data -= lr * g


def adam(params, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled=False):
    beta1, beta2 = betas
    for p in params:
        g = p.grad
        if weight_decay and decoupled:
            p.data *= 1 - lr * weight_decay
        elif weight_decay:
            g = g + weight_decay * p.data
        p.m = beta1 * p.m + (1 - beta1) * g
        p.v = beta2 * p.v + (1 - beta2) * g ** 2
        m_hat = p.m / (1 - beta1 ** t)
        v_hat = p.v / (1 - beta2 ** t)
        p.data -= lr * m_hat / (v_hat ** 0.5 + eps)


def adamw(params, t, weight_decay=1e-2, **settings):
    adam(params, t, weight_decay=weight_decay, decoupled=True, **settings)


CASES = [
    (SGD, sgd, {}),
    (SGD, sgd, {"lr": 0.1}),
    (SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    (SGD, sgd, {"lr": 0.1, "weight_decay": 0.3}),
    (SGD, sgd, {"lr": 0.0, "momentum": 0.5, "weight_decay": 0.01}),
    (Adam, adam, {}),
    (Adam, adam, {"lr": 0.01, "betas": (0.85, 0.99), "eps": 1e-8}),
    (Adam, adam, {"betas": (0.0, 0.0)}),
    (Adam, adam, {"eps": 1e-3, "weight_decay": 0.1}),
    (AdamW, adamw, {}),
    (AdamW, adamw, {"lr": 0.1, "weight_decay": 0.5}),
    (AdamW, adamw, {"weight_decay": 0.0}),
]
SOME = [(SGD, {"momentum": 0.9}), (Adam, {"betas": (0.85, 0.99)}), (AdamW, {"lr": 0.1})]


@pytest.mark.parametrize("kind, loop, settings", CASES)
def test_steps_have_the_bits_of_the_loop(Value, kind, loop, settings):
    rng = random.Random(repr(settings))
    twins = [Twin(number(rng)) for _ in range(300)]
    values = [Value(twin.data) for twin in twins]
    optimizer = kind(values, **settings)
    for t in range(1, 21):
        rate = settings.get("lr", 1e-3) * (1 - t / 25)
        optimizer.lr = rate
        for p, twin in zip(values, twins):
            p.grad = twin.grad = number(rng)
        loop(twins, t, **{**settings, "lr": rate})
        optimizer.step()
        assert reprs(values) == reprs(twins)
        assert memory(optimizer) == memory_of_loop(kind, twins)
        assert all(type(p.data) is float for p in values)


@pytest.mark.parametrize("kind, loop, settings", CASES)
def test_steps_on_ordinary_gradients(Value, kind, loop, settings):
    """A hundred thousand squares and roots, of which pow rounds some otherwise than * and sqrt."""
    rng = random.Random(1)
    twins = [Twin(rng.gauss(0, 1)) for _ in range(2000)]
    values = [Value(twin.data) for twin in twins]
    optimizer = kind(values, **settings)
    for t in range(1, 51 if kind is Adam else 11):
        for p, twin in zip(values, twins):
            p.grad = twin.grad = rng.gauss(0, 0.01)
        loop(twins, t, **settings)
        optimizer.step()
    assert reprs(values) == reprs(twins)
    assert memory(optimizer) == memory_of_loop(kind, twins)


@pytest.mark.parametrize("kind, loop", [(Adam, adam), (AdamW, adamw)])
def test_steps_on_int_gradients(Value, kind, loop):
    """An int's square is exact; with weight decay it's a float's, by pow."""
    rng = random.Random(2)
    twins = [Twin(rng.gauss(0, 1)) for _ in range(20_000)]
    values = [Value(twin.data) for twin in twins]
    settings = {"betas": (0.0, 0.0), "weight_decay": 0.1}
    optimizer = kind(values, **settings)
    for p, twin in zip(values, twins):
        p.grad = twin.grad = rng.randint(-10 ** 9, 10 ** 9)
    loop(twins, 1, **settings)
    optimizer.step()
    assert reprs(values) == reprs(twins)
    assert memory(optimizer) == memory_of_loop(kind, twins)


def test_any_setting_can_be_changed_between_steps(Value):
    p, twin = Value(1.0), Twin(1.0)
    optimizer = SGD([p], 0.1)
    for t, settings in enumerate([{}, {"momentum": 0.9}, {"momentum": 0.5, "weight_decay": 0.1}, {}], 1):
        for name in "momentum", "weight_decay":
            setattr(optimizer, name, settings.get(name, 0))
        p.grad = twin.grad = 0.3
        optimizer.step()
        sgd([twin], t, 0.1, **settings)
        assert reprs([p]) == reprs([twin])
    optimizer = Adam([p])
    optimizer.betas, optimizer.eps = [0.5, 0.6], 1
    assert (optimizer.betas, optimizer.eps) == ((0.5, 0.6), 1.0)


def test_settings_are_floats_whatever_they_were(Value):
    optimizer = Adam((Value(1.0) for _ in range(2)), np.float64(0.1), np.array([0.5, 0.25]), np.float32(0.5), True)
    assert [optimizer.lr, optimizer.betas, optimizer.eps, optimizer.weight_decay] == [0.1, (0.5, 0.25), 0.5, 1.0]
    optimizer.lr = np.int64(2)
    assert type(optimizer.lr) is float and optimizer.lr == 2.0
    assert all(type(x) is float for x in (optimizer.eps, optimizer.weight_decay, *optimizer.betas))


def test_arguments_and_defaults_are_torchs(Value):
    p = [Value(1.0)]
    assert repr(SGD(p)) == ("SGD(1 parameters, lr=0.001, momentum=0.0, dampening=0.0, weight_decay=0.0, "
                            "nesterov=False, maximize=False)")
    assert repr(Adam(p)) == ("Adam(1 parameters, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, "
                             "amsgrad=False, maximize=False)")
    assert repr(AdamW(p)) == ("AdamW(1 parameters, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, "
                              "amsgrad=False, maximize=False)")
    assert repr(RMSprop(p)) == ("RMSprop(1 parameters, lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0, momentum=0.0, "
                                "centered=False, maximize=False)")
    assert "lr=1.0, momentum=2.0, dampening=3.0, weight_decay=4.0, nesterov=False" in repr(SGD(p, 1, 2, 3, 4, False))
    assert "lr=1.0, betas=(0.0, 0.5), eps=3.0, weight_decay=4.0, amsgrad=True" in repr(
        AdamW(p, 1, (0, 0.5), 3, 4, True, maximize=False))
    assert "lr=1.0, alpha=0.5, eps=3.0, weight_decay=4.0, momentum=5.0, centered=True" in repr(
        RMSprop(p, 1, 0.5, 3, 4, 5, True, maximize=True))


def test_zero_grad_sets_the_int_0(Value):
    values = [Value(1.0), Value(2)]
    values[0].grad = nan
    Adam(values).zero_grad()
    assert reprs(values) == [("1.0", "0"), ("2", "0")]


def test_the_c_engine_s_loops_are_in_c(engine):
    assert type(Adam([engine.Value(1.0)]).param_groups[0].params) is engine.Parameters
    assert (engine.Parameters.adam is fastgrad.reference.Parameters.adam) == (engine is fastgrad.reference)


def test_parameters_live_as_long_as_the_optimizer(engine):
    gc.collect()
    before = engine.arena_stats()["live"]
    optimizer = SGD([engine.Value(1.0) for _ in range(10)], 0.1)
    assert engine.arena_stats()["live"] == before + 10
    optimizer.step()
    del optimizer
    assert engine.arena_stats()["live"] == before


def test_an_optimizer_among_its_parameters_attributes_is_collected(engine):
    gc.collect()
    before = engine.arena_stats()["live"]
    p = engine.Value(1.0)
    p.optimizer = Adam([p, engine.Value(2.0)])
    del p
    gc.collect()
    assert engine.arena_stats()["live"] == before


def test_a_copy_of_model_and_optimizer_belong_together(Value):
    p = Value(1.0)
    p.grad = 1.0
    optimizer = Adam([p])
    q, other = copy.deepcopy((p, optimizer))
    other.step()
    assert q.data != 1.0 == p.data
    optimizer.step()
    assert p.data == q.data


def test_parameters_of_a_subclass_out_of_order(Value):
    class Weight(Value):
        pass

    values = [Weight(1.0) for _ in range(5)]
    for i, p in enumerate(values):
        p.grad = float(i)
    SGD(reversed(values), 1).step()
    assert [p.data for p in values] == [1.0 - i for i in range(5)]


@pytest.mark.parametrize("when", ["at first", "later"])
def test_a_grad_and_data_of_a_subclass_s_own(Value, when):
    """As the loop does it: p.data -= lr * p.grad."""
    class Weight(Value):
        pass

    class Frozen(Value):
        grad = 0.5

    def change():
        Weight.grad = property(lambda self: 10 * Value.grad.__get__(self), Value.grad.__set__)
        Weight.data = property(Value.data.__get__, lambda self, x: Value.data.__set__(self, max(-1.0, min(1.0, x))))

    if when == "at first":
        change()
    p, q, r = Weight(0.5), Weight(0.5), Value(2.0)
    for x in p, q, r:
        x.grad = -0.01
    optimizers = SGD([p, r], lr=1), Adam([q], lr=5)
    change()
    for optimizer in optimizers:
        optimizer.step()
    assert (p.data, q.data, r.data) == (0.6, 1.0, 2.01)
    assert fastgrad.clip_grad_value_([p], 0.05) is None and p.grad == -0.5
    optimizers[0].zero_grad()
    assert (p.grad, r.grad) == (0, 0)
    frozen = Frozen(2.0)
    SGD([frozen], lr=1).step()
    assert frozen.data == 1.5


def test_attributes_that_a_subclass_sets_itself(Value, monkeypatch):
    class Weight(Value):
        def __setattr__(self, name, x):
            super().__setattr__(name, max(-1.0, min(1.0, x)) if name == "data" else x)

    p = Weight(0.5)
    p.grad = -5.0
    SGD([p], lr=1).step()
    assert p.data == 1.0
    fastgrad.set_data([p], [7.0])
    assert p.data == 1.0
    class Scaled(Value):
        def __getattribute__(self, name):
            x = super().__getattribute__(name)
            return 10.0 * x if name == "grad" else x

    scaled = Scaled(1.0)
    scaled.grad = 0.5
    SGD([scaled], lr=1).step()
    assert scaled.data == -4.0
    seen, q = [], Value(1.0)
    optimizer = SGD([q], lr=1)
    monkeypatch.setattr(Value, "__setattr__", lambda self, name, x: seen.append((name, x)))
    optimizer.step()
    optimizer.zero_grad()
    assert seen == [("data", 1.0), ("grad", 0)]


def test_a_model_learns():
    random.seed(1)
    model = MLP(3, [4, 4, 1], nonlin="tanh")
    points = [([2.0, 3.0, -1.0], 1.0), ([3.0, -1.0, 0.5], -1.0), ([0.5, 1.0, 1.0], -1.0), ([1.0, 1.0, -1.0], 1.0)]
    optimizer = AdamW(model.parameters(), lr=0.05)
    losses = []
    for step in range(100):
        loss = sum((model(x) - y) ** 2 for x, y in points)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.data)
    assert losses[-1] < 0.05 * losses[0]


# Where plain Python raises.

def test_a_gradient_too_large_to_be_squared(Value):
    values = [Value(1.0), Value(2.0, label="w")]
    optimizer = Adam(values)
    for grad in 1e200, 2.0 ** 512, -1.4e154:
        values[0].grad, values[1].grad = 1.0, grad
        before, state = reprs(values), optimizer.state_dict()
        problem = re.escape(f"parameter 1 (w) has a gradient too large to be squared: {grad!r}")
        for attempt in optimizer.step, lambda: clip_grad_norm_(values, 1.0):
            with pytest.raises(OverflowError, match=problem):
                attempt()
            assert reprs(values) == before and optimizer.state_dict() == state
    values[1].grad, values[1].data = 1.0, 1e200
    optimizer.weight_decay = 1.0
    with pytest.raises(OverflowError, match="parameter 1"):
        optimizer.step()
    AdamW(values, weight_decay=1.0).step()


@pytest.mark.parametrize("grad", [1e154, -1.3e154, 1e153])
def test_a_huge_gradient_that_can_be_squared(Value, grad):
    p, twin = Value(1.0), Twin(1.0)
    p.grad = twin.grad = grad
    Adam([p]).step()
    adam([twin], 1)
    assert reprs([p]) == reprs([twin])


def test_no_eps(Value):
    values, twins = [Value(1.0), Value(2.0)], [Twin(1.0), Twin(2.0)]
    optimizer = Adam(values, eps=0)
    for p in values + twins:
        p.grad = 0.5
    optimizer.step()
    adam(twins, 1, eps=0)
    assert reprs(values) == reprs(twins)
    values[1].grad = 0
    optimizer.step()
    fresh, before = Adam(values, eps=0), reprs(values)
    with pytest.raises(ZeroDivisionError, match="parameter 1 had no gradient but 0 so far, and eps is 0"):
        fresh.step()
    assert reprs(values) == before and fresh.state_dict()["step"] == 0


# Bad input.

@pytest.mark.parametrize("kind", [SGD, Adam, AdamW, lambda params: clip_grad_norm_(params, 1.0)])
def test_bad_parameters(Value, kind):
    a, b = Value(1.0), Value(2.0, label="b")
    for params, error, problem in [
        ([], ValueError, "params is empty"),
        ((p for p in []), ValueError, "params is empty"),
        (a, TypeError, "params must be an iterable of Values, not 'Value'"),
        (None, TypeError, "params must be an iterable of Values, not 'NoneType'"),
        (list, TypeError, "params must be an iterable of Values, not 'type': are the .. of a call missing?"),
        (1.0, TypeError, "params must be an iterable of Values, not 'float'"),
        ([1.0, a], TypeError, "parameter 0 must be a Value, not 'float'"),
        ([a, None], TypeError, "parameter 1 must be a Value, not 'NoneType'"),
        ([a, [b]], TypeError, "parameter 1 must be a Value, not 'list'"),
        ("ab", TypeError, "parameter 0 must be a Value, not 'str'"),
        ([a, {"params": [b]}], TypeError, "parameter 1 must be a Value, not 'dict'"),
        ([a, a * b], ValueError, r"parameter 1 must be a leaf, and it's the result of an operation, '\*'"),
        ([a, Value(1.0, (a,), "f", label="c")], ValueError, r"parameter 1 \(c\) must be a leaf, .*'f'"),
        ([a, b, a], ValueError, "parameter 2 is the same Value as parameter 0"),
        ([b, a, b], ValueError, r"parameter 2 \(b\) is the same Value as parameter 0"),
    ]:
        with pytest.raises(error, match=f"^{problem}"):
            kind(params)
    kind([b, a])


NOT_NUMBERS = ["0.1", None, 1j, [0.1], np.array([0.1])]


@pytest.mark.parametrize("kind, name", [
    (SGD, "lr"), (SGD, "momentum"), (SGD, "weight_decay"),
    (Adam, "lr"), (Adam, "eps"), (Adam, "weight_decay"), (AdamW, "lr"), (AdamW, "weight_decay")])
def test_bad_settings(Value, kind, name):
    values = [Value(1.0)]
    optimizer = kind(values, **{name: 0.25})
    tiny = -1e-300 if name != "lr" else -1e-11      # a rate that was assigned may be below 0 by rounding
    for bad, problem in [(-1, "at least 0, not -1"), (tiny, f"at least 0, not {tiny}"),
                         (np.float64(-0.5), "at least 0, not"), (nan, "at least 0, not nan"),
                         (inf, "finite, not inf"), (10 ** 400, "finite, not 1000")]:
        with pytest.raises(ValueError, match=f"^{name} must be {problem}"):
            kind(values, **{name: bad})
        with pytest.raises(ValueError, match=f"^{name} must be {problem}"):
            setattr(optimizer, name, bad)
    for bad in NOT_NUMBERS:
        with pytest.raises(TypeError, match=f"^{name} must be a number, not '{type(bad).__name__}'"):
            kind(values, **{name: bad})
        with pytest.raises(TypeError):
            setattr(optimizer, name, bad)
    assert getattr(optimizer, name) == 0.25


@pytest.mark.parametrize("betas, error, problem", [
    ((1.0, 0.9), ValueError, r"betas\[0\] must be less than 1, not 1.0"),
    ((0.9, 1), ValueError, r"betas\[1\] must be less than 1, not 1"),
    ((0.9, 7.0), ValueError, r"betas\[1\] must be less than 1"),
    ((-0.1, 0.9), ValueError, r"betas\[0\] must be at least 0, not -0.1"),
    ((0.9, nan), ValueError, r"betas\[1\] must be at least 0, not nan"),
    ((0.9, "0.9"), TypeError, r"betas\[1\] must be a number, not 'str'"),
    ((0.9,), ValueError, r"betas must be two numbers, not \(0.9,\)"),
    ((0.9, 0.9, 0.9), ValueError, "betas must be two numbers"),
    (0.9, TypeError, "betas must be two numbers, not 0.9"),
    (None, TypeError, "betas must be two numbers, not None"),
])
def test_bad_betas(Value, betas, error, problem):
    optimizer = Adam([Value(1.0)])
    with pytest.raises(error, match=f"^{problem}"):
        AdamW([Value(1.0)], betas=betas)
    with pytest.raises(error, match=f"^{problem}"):
        optimizer.betas = betas
    assert optimizer.betas == (0.9, 0.999)


# State.

def random_steps(optimizer, values, seed, n):
    rng = random.Random(seed)
    for _ in range(n):
        for p in values:
            p.grad = number(rng)
        optimizer.step()


@pytest.mark.parametrize("kind, settings", SOME)
@pytest.mark.parametrize("through", [dict, copy.deepcopy, lambda state: pickle.loads(pickle.dumps(state)),
                                     lambda state: json.loads(json.dumps(state))], ids=["", "copy", "pickle", "json"])
def test_a_state_goes_on_to_the_bit(Value, kind, settings, through):
    rng = random.Random(1)
    values = [Value(rng.gauss(0, 1)) for _ in range(50)]
    optimizer = kind(values, **settings)
    random_steps(optimizer, values, 2, 5)
    state = through(optimizer.state_dict())
    others = [Value(0.0) for p in values]
    other = kind(others, lr=7.0)
    random_steps(other, others, 3, 2)       # which is forgotten
    for p, q in zip(values, others):
        q.data = p.data
    other.load_state_dict(state)
    assert repr(other) == repr(optimizer)
    assert repr(other.state_dict()) == repr(optimizer.state_dict())
    random_steps(optimizer, values, 4, 5)
    random_steps(other, others, 4, 5)
    assert reprs(others) == reprs(values)


def test_a_state_is_of_plain_numbers_and_isnt_the_optimizers_own(Value):
    p = Value(1.0)
    optimizer = Adam([p])
    p.grad = 2.0
    optimizer.step()
    state = optimizer.state_dict()
    assert state == {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False,
                     "maximize": False, "step": 1, "exp_avg": [(1 - 0.9) * 2.0], "exp_avg_sq": [(1 - 0.999) * 4.0]}
    optimizer.step()
    assert state["step"] == 1 and state["exp_avg"] == [(1 - 0.9) * 2.0]
    optimizer.load_state_dict(state)
    state["exp_avg"][0] = 100.0
    assert optimizer.state_dict()["exp_avg"] != [100.0]


def test_a_state_of_the_other_engine(Value):
    values, others = [Value(1.0)], [fastgrad.reference.Value(1.0)]
    optimizer, other = Adam(values), Adam(others)
    random_steps(optimizer, values, 1, 3)
    other.load_state_dict(optimizer.state_dict())
    others[0].data = values[0].data
    random_steps(optimizer, values, 2, 3)
    random_steps(other, others, 2, 3)
    assert reprs(values) == reprs(others)


@pytest.mark.parametrize("kind, settings", SOME)
def test_a_state_of_numpys_numbers(Value, kind, settings):
    """As it comes out of np.savez and the like: scalars and arrays for numbers and lists."""
    values, others = [[Value(0.1 * i) for i in range(20)] for _ in range(2)]
    optimizer, other = kind(values, **settings), kind(others, lr=7.0)
    random_steps(optimizer, values, 2, 5)
    state = optimizer.state_dict()
    assert type(state["step"]) is int and state["step"] == 5
    as_numpy = {name: np.array(x) if isinstance(x, (list, tuple)) else np.float64(x) for name, x in state.items()}
    for step in (np.int64(5), np.uint8(5), np.array(5)):
        other.load_state_dict({**as_numpy, "step": step})
        assert repr(other.state_dict()) == repr(state)
    for p, q in zip(values, others):
        q.data = p.data
    random_steps(optimizer, values, 4, 5)
    random_steps(other, others, 4, 5)
    assert reprs(others) == reprs(values)


@pytest.mark.parametrize("change, error, problem", [
    (lambda s: None, TypeError, "state_dict must be a dict, not 'NoneType'"),
    (lambda s: list(s), TypeError, "state_dict must be a dict, not 'list'"),
    (lambda s: {}, ValueError, "state_dict has no 'lr', which Adam needs"),
    (lambda s: {**s, "momentum": 0.9}, ValueError, "state_dict has 'momentum', which Adam doesn't know"),
    (lambda s: SGD([fastgrad.Value(1.0)]).state_dict(), ValueError, "state_dict has no 'betas', which Adam needs"),
    (lambda s: {**s, "lr": -1.0}, ValueError, "lr must be at least 0, not -1.0"),
    (lambda s: {**s, "lr": "1"}, TypeError, "lr must be a number, not 'str'"),
    (lambda s: {**s, "betas": [0.9, 1.0]}, ValueError, r"betas\[1\] must be less than 1"),
    (lambda s: {**s, "eps": nan}, ValueError, "eps must be at least 0, not nan"),
    (lambda s: {**s, "step": -1}, ValueError, "step must be at least 0"),
    (lambda s: {**s, "step": 10 ** 400}, ValueError, "step must be at least 0 and less than"),
    (lambda s: {**s, "step": 1.0}, TypeError, "step must be an int, not 'float'"),
    (lambda s: {**s, "step": "1"}, TypeError, "step must be an int, not 'str'"),
    (lambda s: {**s, "step": np.float64(1)}, TypeError, "step must be an int, not 'float64'"),
    (lambda s: {**s, "step": np.array([1])}, TypeError, "step must be an int, not 'ndarray'"),
    (lambda s: {**s, "step": np.int64(-1)}, ValueError, "step must be at least 0"),
    (lambda s: {**s, "lr": np.complex128(1)}, TypeError, "lr must be a number, not 'complex128'"),
    (lambda s: {**s, "lr": np.str_("1")}, TypeError, "lr must be a number, not 'str_'"),
    (lambda s: {**s, "betas": [0.9, np.complex64(0)]}, TypeError, r"betas\[1\] must be a number"),
    (lambda s: {**s, "exp_avg": np.array([0j, 1j])}, TypeError, "exp_avg must be a list of numbers"),
    (lambda s: {**s, "exp_avg": [0.0, np.str_("1")]}, TypeError, "exp_avg must be a list of numbers"),
    (lambda s: {**s, "exp_avg": [0.0]}, ValueError, "exp_avg has 1 numbers, and there are 2 parameters"),
    (lambda s: {**s, "exp_avg": [0.0] * 3}, ValueError, "exp_avg has 3 numbers, and there are 2 parameters"),
    (lambda s: {**s, "exp_avg": [0.0, "x"]}, TypeError, "exp_avg must be a list of numbers"),
    (lambda s: {**s, "exp_avg": [0.0, 10 ** 400]}, TypeError, "exp_avg must be a list of numbers"),
    (lambda s: {**s, "exp_avg": None}, TypeError, "exp_avg must be a list of numbers"),
    (lambda s: {**s, "exp_avg_sq": [0.0, -1.0]}, ValueError, "exp_avg_sq are means of squares, and -1.0 is negative"),
])
def test_bad_states(Value, change, error, problem):
    values = [Value(1.0), Value(2.0)]
    optimizer = Adam(values, 0.5)
    random_steps(optimizer, values, 5, 2)
    before = repr((optimizer.state_dict(), reprs(values)))
    with pytest.raises(error, match=f"^{problem}"):
        optimizer.load_state_dict(change(optimizer.state_dict()))
    assert repr((optimizer.state_dict(), reprs(values))) == before


def test_the_same_parameter_next_to_itself(Value):
    a = Value(1.0)
    with pytest.raises(ValueError, match="parameter 1 is the same Value as parameter 0"):
        Adam([a, a])


# clip_grad_norm_.

def clip(params, max_norm):
    total = 0.0
    for p in params:
        total += p.grad ** 2
    norm = total ** 0.5
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:
        for p in params:
            p.grad *= factor
    return norm


@pytest.mark.parametrize("max_norm", [0, 1e-3, 1, 5.0, 1e6, 1e300, inf])
@pytest.mark.parametrize("n, awkward", [(1, False), (100, False), (3, True), (100, True)])
def test_clipping_has_the_bits_of_the_loop(Value, max_norm, n, awkward):
    rng = random.Random(n)
    for _ in range(30):
        twins, values = [Twin(1.0) for _ in range(n)], [Value(1.0) for _ in range(n)]
        for p, twin in zip(values, twins):
            p.grad = twin.grad = number(rng) if awkward else rng.gauss(0, 1)
        assert repr(clip_grad_norm_(iter(values), max_norm)) == repr(clip(twins, max_norm))
        assert reprs(values) == reprs(twins)


def test_norms_have_the_bits_of_the_loop(Value):
    """Roots of which pow rounds one in a thousand otherwise than sqrt."""
    rng, a, b = random.Random(1), Value(1.0), Value(1.0)
    for _ in range(20_000):
        a.grad, b.grad = rng.gauss(0, 1), rng.gauss(0, 1)
        assert clip_grad_norm_([a, b], inf) == (0.0 + a.grad ** 2 + b.grad ** 2) ** 0.5


def test_clipping(Value):
    a, b = Value(1.0), Value(2.0)
    a.grad, b.grad = 3, -4.0
    assert clip_grad_norm_([a, b], 10.0) == 5.0
    assert reprs([a, b]) == [("1.0", "3"), ("2.0", "-4.0")]     # nothing to do
    assert clip_grad_norm_([a, b], np.float32(2.5)) == 5.0
    assert (a.grad, b.grad) == pytest.approx((1.5, -2.0), rel=1e-6)
    assert clip_grad_norm_([a, b], 2.5) < 2.5
    a.grad = nan
    assert math.isnan(clip_grad_norm_([a, b], 2.5))
    assert math.isnan(a.grad) and math.isnan(b.grad)


def test_clipping_by_a_factor_of_exactly_1_leaves_ints_ints(Value):
    a, b = Value(1.0), Value(2.0)
    a.grad, b.grad = 3, -4
    assert clip_grad_norm_([a, b], 5.0 + 1e-6) == 5.0
    assert reprs([a, b]) == [("1.0", "3"), ("2.0", "-4")]


@pytest.mark.parametrize("bad, error, problem", [
    (-1, ValueError, "max_norm must be at least 0, not -1"), (nan, ValueError, "max_norm must be at least 0, not nan"),
    (-inf, ValueError, "max_norm must be at least 0"), (None, TypeError, "max_norm must be a number, not 'NoneType'"),
    ("1", TypeError, "max_norm must be a number"), (np.array([1.0]), TypeError, "max_norm must be a number")])
def test_a_bad_max_norm(Value, bad, error, problem):
    a = Value(1.0)
    a.grad = 3.0
    with pytest.raises(error, match=f"^{problem}"):
        clip_grad_norm_([a], bad)
    assert a.grad == 3.0


# microgpt.

@pytest.mark.parametrize("shape", ["", "--layers 2 --width 6 --heads 3 --context 5 --seed 1"], ids=["default", "small"])
def test_microgpt_is_the_same_with_the_optimizer(shape):
    runs = []
    for flags in [], ["--optim"]:
        options = script.parse_arguments(["--steps", "10", *flags, *shape.split()])[1]
        run = script.Run(fastgrad.backend, script.read_documents(options.data), options)
        for _ in range(10):
            run.step()
        runs.append((list(map(repr, run.losses)), reprs(run.model.parameters)))
    assert runs[0] == runs[1]


# More of torch's. What C does is compared with the oracle in plain Python.

def random_settings(rng, kind):
    def some(*numbers):
        return rng.choice([0, 0, *numbers])

    settings = {"lr": rng.choice([0.1, 1e-3, 3]), "weight_decay": some(0.1, 2), "maximize": rng.random() < 0.5}
    if kind is SGD:
        settings |= {"momentum": some(0.9, 0.5), "dampening": some(0.3, 1)}
        settings["nesterov"] = bool(settings["momentum"]) and not settings["dampening"] and rng.random() < 0.7
    elif kind is RMSprop:
        settings |= {"alpha": rng.choice([0, 0.5, 0.99]), "momentum": some(0.9), "centered": rng.random() < 0.5}
    else:
        settings |= {"betas": rng.choice([(0.9, 0.999), (0, 0.5)]), "amsgrad": rng.random() < 0.5}
    return settings | ({} if kind is SGD else {"eps": rng.choice([1e-8, 0.1, 1e-3, 0])})


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW, RMSprop])
def test_random_settings_and_gradients(kind):
    """Values of the engine in use, and the oracle's, take the same steps, or raise the same error and stay the same."""
    rng = random.Random(kind.__name__)
    errors = 0
    for _ in range(60):
        settings = random_settings(rng, kind)
        start = [number(rng) for _ in range(20)]
        sides = [[cls(x) for x in start] for cls in (fastgrad.Value, fastgrad.reference.Value)]
        optimizers = [kind(values, **settings) for values in sides]
        size = rng.choice([1, 1, 1e100, 1e160])
        for t in range(8):
            grads, outcomes = [number(rng) for _ in start], []
            if size > 1 and t > 3:
                grads[3] *= size
            for values, optimizer in zip(sides, optimizers):
                for p, g in zip(values, grads):
                    p.grad = g
                before = reprs(values), repr(optimizer.state_dict())
                try:
                    optimizer.step()
                    outcomes.append(None)
                except ArithmeticError as error:
                    outcomes.append(repr(error))
                    assert (reprs(values), repr(optimizer.state_dict())) == before
            assert outcomes[0] == outcomes[1], settings
            errors += outcomes[0] is not None
            assert reprs(sides[0]) == reprs(sides[1]), settings
            assert memory(optimizers[0]) == memory(optimizers[1]), settings
    assert errors > 0 or kind is SGD


def test_settings_that_dont_go_together(Value):
    p = Value(1.0)
    for settings in {}, {"momentum": 0.9, "dampening": 0.1}:
        with pytest.raises(ValueError, match="^nesterov needs momentum and no dampening$"):
            SGD([p], nesterov=True, **settings)
    optimizer = SGD([p], momentum=0.9)
    with pytest.raises(ValueError, match="^nesterov needs"):
        optimizer.load_state_dict({**optimizer.state_dict(), "momentum": 0, "nesterov": True})
    for bad in ("yes", None, 2, 0.5, [True]):
        with pytest.raises(TypeError, match="^nesterov must be True or False, not"):
            SGD([p], momentum=0.9, nesterov=bad)
    with pytest.raises(TypeError):
        SGD([p], 0.1, 0, 0, 0, False, True)     # maximize is by name alone, as in torch
    with pytest.raises(ValueError, match="alpha must be less than 1"):
        RMSprop([p], alpha=1)


def test_step_takes_a_closure(Value):
    p = Value(3.0)
    optimizer = SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad(set_to_none=False)
        loss = p * p
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    assert loss.data == 9.0 and p.data == 3.0 - 0.1 * 6.0
    assert optimizer.step() is None
    optimizer.zero_grad(set_to_none=True)
    assert repr(p.grad) == "0"


def test_groups_have_settings_of_their_own(Value):
    a, b, c = (Value(1.0) for _ in range(3))
    optimizer = SGD([{"params": [a]}, {"params": (p for p in [b]), "lr": 0.5, "name": "fast"}], lr=0.1)
    optimizer.add_param_group({"params": [c], "momentum": 0.9})
    groups = optimizer.param_groups
    assert [group["lr"] for group in groups] == [0.1, 0.5, 0.1] and groups[1]["name"] == "fast"
    assert groups[2]["params"] == (c,) and [group["momentum"] for group in groups] == [0.0, 0.0, 0.9]
    for _ in range(2):
        for p in a, b, c:
            p.grad = 1.0
        optimizer.step()
    assert [p.data for p in (a, b, c)] == [1 - 0.1 - 0.1, 0.0, 1 - 0.1 - 0.1 * 1.9]
    groups[0]["lr"] = 2
    assert repr(groups[0]["lr"]) == "2.0"
    with pytest.raises(ValueError, match="^lr must be at least 0, not -1$"):
        groups[0]["lr"] = -1
    with pytest.raises(TypeError, match="add_param_group"):
        groups[0]["params"] = [a]
    with pytest.raises(TypeError, match="can't be deleted"):
        del groups[0]["lr"]
    with pytest.raises(ValueError, match="^the groups have different settings of lr: see param_groups$"):
        optimizer.lr
    optimizer.lr = 0.25
    assert [group["lr"] for group in groups] == [0.25] * 3 and optimizer.lr == 0.25
    optimizer.zero_grad()
    assert [repr(p.grad) for p in (a, b, c)] == ["0"] * 3
    assert repr(optimizer) == "SGD(3 groups of parameters)"


def test_bad_groups(Value):
    a, b = Value(1.0), Value(2.0)
    for params, error, problem in [
        ([{"params": [a]}, {"params": [a, b]}], ValueError, "a parameter is in more than one group"),
        ([{"params": []}], ValueError, "params is empty"),
        ([{"lr": 0.1}], ValueError, "a group must have 'params'"),
        ([{"params": [a]}, b], TypeError, "group 1 must be a dict, not 'Value'"),
        ([{"params": [a], "lr": -1}], ValueError, "lr must be at least 0, not -1"),
        ([{"params": [a], "nesterov": True}], ValueError, "nesterov needs"),
    ]:
        with pytest.raises(error, match=f"^{problem}"):
            SGD(params)
    optimizer = SGD([a])
    with pytest.raises(ValueError, match="more than one group"):
        optimizer.add_param_group({"params": [b, a]})
    with pytest.raises(TypeError, match="param_group must be a dict, not 'list'"):
        optimizer.add_param_group([b])
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("kind", [SGD, Adam, RMSprop])
def test_a_state_of_groups(Value, kind):
    def made():
        values = [Value(0.1 * i) for i in range(6)]
        return values, kind([{"params": values[:2], "lr": 0.3}, {"params": values[2:]}], weight_decay=0.1)

    (values, optimizer), (others, other) = made(), made()
    random_steps(optimizer, values, 2, 5)
    state = json.loads(json.dumps(optimizer.state_dict()))
    assert [group["lr"] for group in state["param_groups"]] == [0.3, optimizer.param_groups[1]["lr"]]
    before = repr(other.state_dict())
    for bad in ({"param_groups": state["param_groups"][:1]}, {"param_groups": state["param_groups"][::-1]},
                {"param_groups": 3}, {"param_groups": [1, 2]}, state["param_groups"][0]):
        with pytest.raises((ValueError, TypeError)):
            other.load_state_dict(bad)
        assert repr(other.state_dict()) == before
    other.load_state_dict(state)
    for p, q in zip(values, others):
        q.data = p.data
    random_steps(optimizer, values, 4, 5)
    random_steps(other, others, 4, 5)
    assert reprs(others) == reprs(values)


@pytest.mark.parametrize("kind", [Adam, RMSprop])
@pytest.mark.parametrize("huge", [[0], [2], [0, 1], [1, 2]])
def test_a_step_of_several_groups_is_all_or_nothing(Value, kind, huge):
    values = [Value(1), Value(2.0), Value(3.0)]
    optimizer = kind([{"params": [p]} for p in values])
    for i, p in enumerate(values):
        p.grad = 0.5
    optimizer.step()
    values[2].data = 7
    # Groups whose gradients are so large that it's not sure whether they raise, and the last one that does.
    for i in huge:
        values[i].grad = 1.2e154
    values[huge[-1]].grad = 1e200
    before, state = reprs(values), repr(optimizer.state_dict())
    with pytest.raises(OverflowError):
        optimizer.step()
    assert reprs(values) == before and repr(optimizer.state_dict()) == state


def test_states_of_0_1(Value):
    """Without the settings that came later."""
    values = [Value(1.0), Value(2.0)]
    optimizer = SGD(values)
    optimizer.load_state_dict({"lr": 0.5, "momentum": 0.9, "weight_decay": 0.0, "step": 3,
                               "momentum_buffer": [1.0, 2.0]})
    optimizer.step()
    assert [p.data for p in values] == [1.0 - 0.5 * 0.9, 2.0 - 0.5 * 1.8]
    assert optimizer.dampening == 0.0 and optimizer.nesterov is False


# Clipping, the rest of it.

def test_a_norm_that_isnt_finite_can_be_an_error(Value):
    values = [Value(1.0), Value(2.0)]
    for grad in nan, inf, -inf:
        for norm_type in 2, 1, inf, 3:
            values[0].grad, values[1].grad = grad, 1
            before = reprs(values)
            with pytest.raises(RuntimeError, match="the norm of the gradients is (nan|inf)"):
                clip_grad_norm_(values, 1.0, norm_type, error_if_nonfinite=True)
            assert reprs(values) == before
    for bad in (0, -1, nan):
        with pytest.raises(ValueError, match="norm_type must be"):
            clip_grad_norm_(values, 1.0, bad)
    values[0].grad = 1e200
    with pytest.raises(OverflowError, match="too large to be raised to the power 3.0: 1e\\+200"):
        clip_grad_norm_(values, 1.0, 3)


def test_clipping_by_value(Value):
    grads = [3, -3, 2, -2, 0, 2.0, -0.0, 1.5, -9.5, inf, -inf, nan]
    values = [Value(1.0) for _ in grads]
    for p, g in zip(values, grads):
        p.grad = g
    clip_grad_value_(values, 2)
    clipped = [repr(p.grad) for p in values]
    assert clipped == ["2.0", "-2.0", "2", "-2", "0", "2.0", "-0.0", "1.5", "-2.0", "2.0", "-2.0", "nan"]
    for bad in (-1, nan):
        with pytest.raises(ValueError, match="clip_value must be at least 0"):
            clip_grad_value_(values, bad)
