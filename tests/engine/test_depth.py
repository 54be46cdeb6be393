"""Depth: graphs of any shape and depth are built, swept, shown, copied and freed, on any thread's stack.

A million nodes by default, ten million with `pytest -m long`.
"""
import copy
import gc
import pickle

import pytest

from fastgrad import arena_stats
from fastgrad.engine import Value
from small_stack import on_a_small_stack


def chain(n):
    """x * 1.0000001 * ..., one below the other."""
    x = Value(1.0)
    out = x
    for _ in range(n // 2):
        out = out * 0.9999999
    return x, out, 0.9999999 ** (n // 2)


def comb(n):
    """x + (x + (x + ...)): the deep operand on the right."""
    x = Value(1.0)
    out = x
    for _ in range(n):
        out = x + out
    return x, out, n + 1


def zigzag(n):
    """The deep operand on either side in turn, and each level used twice."""
    x = Value(1.0)
    out = x
    for i in range(n // 2):
        half = out * 0.5
        out = out - half if i % 2 else half + half
    return x, out, None


def fan(n):
    """One leaf under n sums that meet in one wide node."""
    x = Value(1.0)
    children = [x + 1.0 for _ in range(n // 2)]
    return x, Value(0.0, children, [2.0] * len(children)), 2.0 * (n // 2)


SHAPES = [chain, comb, zigzag, fan]


def build_sweep_free(shape, n):
    before = arena_stats()["live"]
    x, out, expected = shape(n)
    assert arena_stats()["live"] >= before + n // 2
    out.backward()
    assert "grad=1" in repr(out)
    if expected is None:
        assert 0 < x.grad <= 1
    else:
        assert abs(x.grad - expected) <= 1e-6 * expected
    out.zero_grad()
    assert x.grad == 0
    del out
    assert arena_stats()["live"] == before + 1


@pytest.fixture(autouse=True)
def the_c_engine():
    if Value.__module__ != "fastgrad.engine":
        pytest.skip("takes minutes in plain Python")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_million_nodes(shape):
    build_sweep_free(shape, 1_000_000)


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
def test_ten_million_nodes(shape):
    build_sweep_free(shape, 10_000_000)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_million_nodes_on_a_small_stack(shape):
    on_a_small_stack(lambda: build_sweep_free(shape, 1_000_000))


def pickle_and_copy(n):
    x, out, expected = comb(n)
    for there_and_back in (lambda v: pickle.loads(pickle.dumps(v)), copy.deepcopy):
        x2, out2 = there_and_back((x, out))
        assert out2._children[0] is x2
        out2.backward()
        assert x2.grad == expected and x.grad == 0
        del x2, out2


def test_pickles_and_copies_on_a_small_stack():
    on_a_small_stack(lambda: pickle_and_copy(100_000))


def test_a_pickle_of_a_million_nodes():
    x, out, expected = comb(1_000_000)
    x2, out2 = pickle.loads(pickle.dumps((x, out)))
    assert out2.data == expected and out2._children[0] is x2


def test_a_copy_of_a_million_nodes():
    x, out, expected = comb(1_000_000)
    out2 = copy.deepcopy(out)
    del x, out
    out2.backward()
    assert out2._children[0].grad == expected


def test_a_chain_of_closures():
    """Each closure holds the Value before it: what Python frees by recursion goes level by level as well."""
    x = Value(1.0)
    out = x
    for _ in range(100_000):
        before, out = out, Value(out.data, (out,), "same")

        def _backward(before=before, out=out):
            before.grad += out.grad
        out._backward = _backward
    out.backward()
    assert x.grad == 1
    live = arena_stats()["live"]
    del before, out, _backward
    gc.collect()
    assert arena_stats()["live"] == live - 100_000
