"""Promise: what has torch's name in fastgrad computes what torch computes, to 12 digits. torch_numbers.json has torch's
numbers; torch_numbers.py, which made it, is compared with it where torch is installed."""
import json
import math
from pathlib import Path

import pytest
from torch_numbers import (CLIPPINGS, EPS, GRADS, LIMIT, OPTIMISERS, ROWS, SCHEDULES, START, numbers_of_torch, optimise,
                           schedule, weights)

import fastgrad
from fastgrad import nn, optim

TORCH = json.loads(Path(__file__).with_name("torch_numbers.json").read_text(encoding="utf-8"))


def assert_close(ours, theirs):
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for name in theirs:
            assert_close(ours[name], theirs[name])
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for x, y in zip(ours, theirs):
            assert_close(x, y)
    elif isinstance(theirs, str):
        assert ours == theirs
    else:
        assert math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=1e-12), (ours, theirs)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers(Value, name):
    params = [Value(x) for x in START]
    assert_close(optimise(optim, params, lambda ps: [p.data for p in ps], fastgrad.set_grad, *OPTIMISERS[name]),
                 TORCH["optimisers"][name])


@pytest.mark.parametrize("name", OPTIMISERS)
def test_groups(Value, name):
    """Three groups with the same settings are one."""
    params = [Value(x) for x in START]

    class Grouped:
        def __getattr__(self, kind):
            return lambda params, **settings: getattr(optim, kind)(
                [{"params": params[:1]}, {"params": params[1:4]}, {"params": params[4:]}], **settings)

    assert_close(optimise(Grouped(), params, lambda ps: [p.data for p in ps], fastgrad.set_grad, *OPTIMISERS[name]),
                 TORCH["optimisers"][name])


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(Value, name):
    assert_close(list(schedule(optim, [Value(x) for x in START], *SCHEDULES[name])), TORCH["schedules"][name])


def test_clipping(Value):
    params = [Value(x) for x in START]
    for (max_norm, norm_type), theirs in zip(CLIPPINGS, TORCH["clipped"], strict=True):
        fastgrad.set_grad(params, GRADS)
        norm = fastgrad.clip_grad_norm_(params, max_norm, norm_type)
        assert_close([norm, fastgrad.get_grad(params).tolist()], theirs)
    fastgrad.set_grad(params, GRADS)
    fastgrad.clip_grad_value_(params, LIMIT)
    assert fastgrad.get_grad(params).tolist() == TORCH["limited"]


def outcome(layer):
    rows = [[fastgrad.Value(x) for x in row] for row in ROWS]
    out = layer(rows)
    factors = weights(len(out), len(out[0]), 5)
    sum(y * w for row, ws in zip(out, factors) for y, w in zip(row, ws)).backward()
    return [[[y.data for y in row] for row in out], [[x.grad for x in row] for row in rows]]


def filled(layer):
    """A layer with the weights that torch_numbers.py gives torch's."""
    state = layer.state_dict()
    layer.load_state_dict({name: weights(len(x), len(x[0]), i) if isinstance(x[0], list) else weights(1, len(x), i)[0]
                           for i, (name, x) in enumerate(sorted(state.items()))})
    return layer


def test_layers():
    assert_close(outcome(filled(nn.Linear(4, 5))), TORCH["layers"]["Linear"])
    for kind, epsilons in EPS.items():
        for eps in epsilons:
            assert_close(outcome(filled(getattr(nn, kind)(4, eps=eps))), TORCH["layers"][f"{kind} {eps}"])
    attention = nn.CausalSelfAttention(4, 2, bias=False)
    for seed, name in enumerate(("q_proj", "k_proj", "v_proj", "out_proj")):
        getattr(attention, name).load_state_dict({"weight": weights(4, 4, seed)})
    assert_close(outcome(attention), TORCH["layers"]["CausalSelfAttention"])


def test_the_table_is_torch_s():
    pytest.importorskip("torch")
    numbers = json.loads(json.dumps(numbers_of_torch()))
    del numbers["torch"], TORCH["torch"]
    assert_close(numbers, TORCH)
