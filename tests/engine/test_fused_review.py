"""Fused sums where other parts of the engine come by them, and functions of fastgrad.functional on numbers."""
import gc

import pytest

import fastgrad.functional as F
from fastgrad import arena_stats, no_grad
from fastgrad.engine import Value
from fastgrad.optim import SGD

only_c = pytest.mark.skipif(Value.__module__ != "fastgrad.engine", reason="about the C engine")


def live():
    gc.collect()
    return arena_stats()["live"]


def test_a_cycle_through_a_sum_with_constants_is_found():
    """The constants of a column aren't nodes, and the search goes past them."""
    before = live()
    x = Value(1.0)
    products, total = F.dot([x, x], [2.0, 3.0]), F.sum([x, 2.0, x])
    products.friend, total.friend = total, products
    gc.collect()
    assert (products.data, total.friend) == (5.0, products)
    del x, products, total
    assert live() == before


def test_a_sum_is_no_parameter():
    x, y = Value(1.0), Value(2.0)
    with pytest.raises(ValueError, match="parameter 2 must be a leaf, and it's the result of an operation, '[+]'"):
        SGD([x, y, F.dot([x, y], [y, x])], lr=0.1)


def test_a_product_of_numbers_under_no_grad():
    """It's added as sum() adds numbers, and what has no Value at all is a number."""
    x, y = Value(1.0), Value(0.5)
    with no_grad():
        row = F.matmul([[1.0, 2.0]], [[x, 1.0], [y, 2.0]])[0]
        assert [type(z) for z in row] == [Value, float] and (row[0].data, row[1]) == (2.0, 5.0)
        u, v = [1e16, 1.0, 1.0, -1e16, x], [1.0, 1.0, 1.0, 1.0, 0.5]
        assert F.dot(u, v).data == sum((a * b for a, b in zip(u, v)), 0).data
        assert F.dot([2.0, 3.0], [4.0, x], y).data == 11.5


@only_c
def test_a_list_that_shrinks_under_no_grad():
    """Up to Python 3.11 a collection may run in the middle of a call, and what it calls may change the lists."""
    x, row, calls = [Value(1.0)] * 300_000, [2.0] * 300_000, []

    def shrink(phase, info):
        calls.append(phase)
        if len(calls) == 3:
            x.clear()
    threshold = gc.get_threshold()
    weight = [row] * 300
    gc.collect()
    gc.callbacks.append(shrink)
    try:
        gc.set_threshold(10, 10, 10)
        with no_grad():
            F.linear(x, weight)
    except ValueError:
        pass                # they had shrunk before the call began
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(shrink)


def test_elements_that_are_numbers():
    """Floats and ints are multiplied and added as Python does it, with the sign of zero."""
    xs, ys = [0.0, -0.0, -0.0, 2.0], [-1, -1, 0, True]
    assert list(map(repr, F.mul(xs, ys))) == [repr(x * y) for x, y in zip(xs, ys)]
    assert list(map(repr, F.add(xs, ys))) == [repr(x + y) for x, y in zip(xs, ys)]


def test_a_list_that_an_operator_shortens():
    class Shortening(Value):
        def __add__(self, other):
            ys.clear()
            return other
    ys = [1.0, 2.0]
    assert F.add([Shortening(1.0), Value(1.0)], ys) == [1.0]


def test_the_sign_of_zero_while_a_class_is_odd(Value):
    class Odd(Value):
        grad = property(lambda self: Value.grad.__get__(self), lambda self, x: Value.grad.__set__(self, x))

    odd, x, w = Odd(1.0), Value(1.0), Value(0.0)
    y = w * x
    y.grad, x.grad, w.grad = -1, -0.0, -0.0
    y._backward()
    assert (repr(x.grad), repr(w.grad), odd.data) == ("-0.0", "-1.0", 1.0)
    z = x + w
    z.grad, x.grad = 0, -0.0
    z._backward()
    assert repr(x.grad) == "0.0"


def test_walks_in_a_sweep_over_many_sums(Value):
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
