"""Promise: what was an int in pure Python shows as an int, what was a float as a float, and no integer is rounded
without being seen: beyond 2**53 in magnitude an integer result is a float.
"""
import contextlib
import math
import re
import sys

import numpy as np
import pytest

import fastgrad
import fastgrad.micrograd.nn
from fastgrad import reference

inf, nan = math.inf, math.nan
E53 = 2 ** 53
NAMES = {"E53": E53, "inf": inf, "nan": nan}


def typed(x):
    return type(x).__name__, repr(x)


# An expression and what its data is, type and all. In pure Python each of the first group gives the same.

AS_IN_PYTHON = [
    ("V(2)", 2), ("V(2.0)", 2.0), ("V(0)", 0), ("V(-0.0)", -0.0), ("V(-7)", -7),
    ("V(2) * 3", 6), ("V(2) * 3.0", 6.0), ("V(2.0) * 3", 6.0), ("3 * V(2)", 6),
    ("V(2) + 1", 3), ("V(2) + 1.0", 3.0), ("1 + V(2)", 3), ("0.5 + V(2)", 2.5),
    ("V(2) + V(3)", 5), ("V(2) + V(3.0)", 5.0), ("V(2) * V(3)", 6), ("V(2) * V(3.0)", 6.0),
    ("V(2) - 5", -3), ("5 - V(2)", 3), ("V(2) - 5.0", -3.0), ("V(2) - V(5)", -3),
    ("-V(2)", -2), ("-V(2.0)", -2.0), ("-V(0)", 0), ("-V(0.0)", -0.0),
    ("V(0) * -1 * 1.0", 0.0), ("V(0) * -1 + -0.0", 0.0), ("-V(0) * 1.0", 0.0),
    ("V(0) * -1", 0), ("V(0) * -5", 0), ("V(0.0) * -1", -0.0), ("V(0) * -1.0", -0.0),
    ("V(-0.0) + 0", 0.0), ("V(-0.0) + V(-0.0)", -0.0), ("V(0) - 0", 0), ("V(0.0) - 0", 0.0),
    ("V(6) / 2", 3.0), ("V(7) / 2", 3.5), ("6 / V(2)", 3.0), ("V(0) / 5", 0.0),
    ("V(0) / -5", -0.0), ("V(6) / V(2)", 3.0), ("V(1) / 3", 1 / 3), ("V(5) / 3", 5 * 3 ** -1),
    ("V(2) ** 3", 8), ("V(2) ** 3.0", 8.0), ("V(2.0) ** 3", 8.0), ("V(2) ** -1", 0.5),
    ("V(-2) ** 3", -8), ("V(-2) ** 2", 4), ("V(-1) ** 1023", -1), ("V(5) ** 0", 1),
    ("V(5) ** 1", 5), ("V(9) ** 0.5", 3.0), ("V(0) ** 2", 0), ("V(0) ** 1", 0),
    ("2 ** V(3)", 8), ("2.0 ** V(3)", 8.0), ("2 ** V(-3)", 0.125), ("0 ** V(0)", 1),
    ("V(2) ** V(3)", 8), ("V(2) ** V(3.0)", 8.0), ("V(3) ** V(-1)", 3 ** -1),
    ("V(3).relu()", 3), ("V(3.0).relu()", 3.0), ("V(-3).relu()", 0), ("V(-3.0).relu()", 0),
    ("V(0).relu()", 0), ("V(0.0).relu()", 0), ("V(-0.0).relu()", 0), ("V(nan).relu()", 0),
    ("V(-inf).relu()", 0), ("V(inf).relu()", inf),
    ("abs(V(-3))", 3), ("abs(V(-3.0))", 3.0), ("abs(V(0))", 0), ("abs(V(-0.0))", 0.0),
    ("V(-3).abs()", 3),
    ("V(0).exp()", 1.0), ("V(1).log()", 0.0), ("V(0).tanh()", 0.0), ("V(0).sigmoid()", 0.5),
    ("V(4).sqrt()", 2.0), ("V(0).sin()", 0.0), ("V(0).cos()", 1.0), ("V(0).cosh()", 1.0), ("V(0).atan()", 0.0),
    ("sum([V(1), V(2)])", 3), ("sum([V(1), V(2)], V(0.0))", 3.0), ("V(2).detach()", 2),
    ("V(V(2))", 2), ("V(V(2.0))", 2.0), ("V(3, (V(1),), (2,))", 3),
    # Up to 2**53 ints are exact.
    ("V(E53)", E53), ("V(-E53)", -E53), ("V(E53) + 0", E53), ("V(E53 - 1) + 1", E53),
    ("V(E53) - 1", E53 - 1), ("V(-E53) + 1", 1 - E53), ("V(2 ** 26) * 2 ** 27", E53),
    ("V(-2 ** 26) * 2 ** 27", -E53), ("V(94906265) * 94906265", 94906265 ** 2), ("V(2) ** 53", E53),
    ("V(3) ** 33", 3 ** 33), ("V(E53) * -1", -E53), ("V(6361) * 1416003655831", E53 - 1),
]

# Beyond 2**53 an integer result becomes a float, rounded once. Pure Python would go on exactly.

BEYOND = [
    ("V(E53) + 1", E53 + 1), ("V(E53) + 2", E53 + 2), ("V(E53) + 3", E53 + 3), ("V(-E53) - 1", -E53 - 1),
    ("V(E53) + V(E53)", 2 ** 54), ("V(94906267) * 94906267", 94906267 ** 2), ("V(E53) * E53", 2 ** 106),
    ("V(3) * 3002399751580331", E53 + 1),
    ("V(6700417) * 1344287039", 6700417 * 1344287039), ("V(-(2 ** 27)) * 2 ** 27", -(2 ** 54)),
    ("V(3) ** 34", 3 ** 34), ("V(7) ** 25", 7 ** 25), ("V(-3) ** 35", (-3) ** 35), ("5 ** V(30)", 5 ** 30),
    ("V(10) ** V(22)", 10 ** 22), ("V(10) ** 300", 10 ** 300), ("V(3) ** 600", 3 ** 600), ("V(2) ** 64", 2 ** 64),
]


@pytest.mark.parametrize("text, expected", AS_IN_PYTHON)
def test_results_are_ints_where_python_s_are(Value, text, expected):
    v = eval(text, {"V": Value, **NAMES})
    assert typed(v.data) == typed(expected)
    assert repr(v) == f"Value(data={expected!r}, grad=0)"


def test_the_table_is_python_s_own():
    """The table itself, with plain numbers for Values. (Only the method calls mean nothing there.)"""
    for text, expected in AS_IN_PYTHON:
        if not re.search(r"\)\.[a-z]|, \(", text) and text != "V(5) / 3":     # which is 5 * 3 ** -1, as in microgpt
            assert typed(eval(text, {"V": lambda x: x, **NAMES})) == typed(expected), text


@pytest.mark.parametrize("text, exact", BEYOND)
def test_beyond_2_53_ints_become_floats(Value, text, exact):
    assert abs(exact) > E53
    assert typed(eval(text, {"V": Value, **NAMES}).data) == typed(float(exact))
    assert eval(text, {"V": lambda x: x, **NAMES}) == exact


@pytest.mark.parametrize("x, expected", [
    (True, 1), (False, 0), (np.int64(3), 3), (np.uint8(200), 200), (np.int64(-E53), -E53), (np.float64(0.1), 0.1),
    (np.float64(2), 2.0),
    (np.float32(0.1), 0.10000000149011612), (np.float16(0.1), 0.0999755859375), (np.array(2.5), 2.5), (np.array(3), 3),
    (10 ** 22, 1e22), (2 ** 60, 2.0 ** 60), (-2 ** 1023, -2.0 ** 1023), (2 ** 53 + 2, 2.0 ** 53 + 2)])
def test_what_kinds_of_numbers_become(Value, x, expected):
    """Of whatever class a number is, what is shown is an int or a float. Exact ints beyond 2**53 are floats."""
    v, w = Value(x), Value(1.0)
    w.data, w.grad, w._local_grads = x, x, (x,)
    assert [typed(y) for y in (v.data, w.data, w.grad, *w._local_grads)] == [typed(expected)] * 4


@pytest.mark.parametrize("x, expected", [(True, 3), (np.int64(1), 3), (np.int8(1), 3), (1, 3), (1.0, 3.0),
                                         (np.float64(1), 3.0),
                                         (np.float32(1), 3.0)])
def test_operands_keep_their_kind(Value, x, expected):
    assert typed((Value(2) + x).data) == typed((x + Value(2)).data) == typed(expected)
    assert typed((Value(3) * x).data) == typed((x * Value(3)).data) == typed(expected)


# Ints that no double holds are welcome where they aren't stored: in comparisons, as divisors, in powers.

HUGE = (sys.maxsize, -sys.maxsize, 2 ** 53 + 1, -2 ** 53 - 1, 2 ** 53 + 2, 2 ** 60, 2 ** 64 - 1, 10 ** 25, -10 ** 25,
        math.factorial(23), 2 ** 1023, 2 ** 1024 - 2 ** 970 - 1)


def what(action):
    """A number, type and all, or the error."""
    try:
        return typed(action())
    except (ArithmeticError, ValueError) as error:
        return type(error).__name__, str(error)


@pytest.mark.parametrize("n", [*HUGE, 10 ** 400, -10 ** 400])
def test_comparisons_with_huge_ints_are_exact(Value, n):
    for x in (0.5, -3, 2.0 ** 53, 2 ** 53, 2.0 ** 60, 2.0 ** 63, 1e25, -1e25, math.inf, -math.inf, math.nan):
        v = Value(x)
        assert [v < n, v <= n, v > n, v >= n] == [x < n, x <= n, x > n, x >= n]
        assert [n < v, n <= v, n > v, n >= v] == [n < x, n <= x, n > x, n >= x]
    assert Value(0.5) < sys.maxsize and Value(2 ** 53) < np.uint64(2 ** 64 - 1)


@pytest.mark.parametrize("n", HUGE)
def test_division_by_huge_ints(Value, n):
    """As microgpt has it, x * n ** -1: what is stored is the inverse."""
    for x in (1.0, 3, -0.5, 1e300):
        v = Value(x) / n
        assert typed(v.data) == typed(x * n ** -1)
        assert list(map(typed, v._local_grads)) == list(map(typed, (n ** -1, x)))
        v.backward()
    assert (Value(1.0) / math.factorial(23)).data == 3.8681701706306835e-23
    assert (Value(1.0) / np.uint64(2 ** 64 - 1)).data == (2 ** 64 - 1) ** -1


@pytest.mark.parametrize("n", [*HUGE, -2 ** 60, 1 - 2 ** 1024 + 2 ** 971])
def test_powers_with_huge_exponents(Value, n):
    """As microgpt has it: x ** n, with the derivative n * x ** (n - 1). Stored ints beyond 2**53 are floats."""
    stored = lambda x: float(x) if type(x) is int and abs(x) > E53 else x
    for x in (1.0, -1.0, 1, -1, 0.5, 1.0000000000000002, 0, 0.0, math.inf, math.nan):
        if what(lambda: x ** n)[0].endswith("Error") or what(lambda: n * x ** (n - 1))[0].endswith("Error"):
            with pytest.raises(ArithmeticError):
                Value(x) ** n
            continue
        v = Value(x)
        y = v ** n
        assert typed(y.data) == typed(stored(x ** n)), (x, n)
        assert list(map(typed, y._local_grads)) == [typed(stored(n * x ** (n - 1)))], (x, n)
        assert (y._op, y._children) == (f"**{n}", (v,))
        y.backward()
        assert repr(float(v.grad)) == repr(0.0 + stored(n * x ** (n - 1)))
        with fastgrad.no_grad():
            assert (v ** n)._op == ""


@pytest.mark.parametrize("n", HUGE)
def test_powers_of_huge_bases(Value, n):
    for x in (0.5, 2, 1, 0, -1, -0.25, 1.0):
        wanted = what(lambda: n ** x)
        if wanted[0] == "complex":
            with pytest.raises(ValueError, match="complex"):
                n ** Value(x)
        elif wanted[0].endswith("Error") or wanted[0] == "int" and abs(n ** x) >= 2 ** 1024:
            with pytest.raises(OverflowError):
                n ** Value(x)
        else:
            y, exact = n ** Value(x), n ** x
            assert typed(y.data) == typed(float(exact) if abs(exact) > E53 else exact)
            slope = y.data * math.log(n) if n > 0 else math.nan
            assert (repr(y._local_grads), y._op) == (f"({slope!r},)", f"{n}**")


def test_powers_with_huge_ints_can_be_copied(Value):
    import copy
    import pickle
    for y in (Value(1.0) ** (E53 + 1), Value(-1) ** 10 ** 25, (10 ** 30) ** Value(0.5), Value(1.0) ** 2 ** 60):
        for z in (copy.copy(y), copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
            assert (z._op, z._local_grads, z.data) == (y._op, y._local_grads, y.data)


@pytest.mark.skipif(fastgrad.backend != "c", reason="the plain engine has no such dialect")
@pytest.mark.parametrize("deferred", [False, True])
def test_tanh_s_derivative_with_a_power(deferred):
    """For scripts whose own tanh has it so. Python's t ** 2 isn't t * t for some t."""
    Power = fastgrad.engine._make_class(__name__, "Power", tanh_by_power=True, deferred=deferred)
    xs = [i / 1021 for i in range(-3000, 3000)]
    expected = [1 - math.tanh(x) ** 2 for x in xs]
    assert [Power(x).tanh()._local_grads[0] for x in xs] == expected
    several = [Power(x) for x in xs]
    assert [y._local_grads[0] for y in fastgrad.functional.tanh(several)] == expected
    if not deferred:
        assert [fastgrad.grad(x.tanh(), x, create_graph=True)[0].data for x in several] == expected
    assert [fastgrad.Value(x).tanh()._local_grads[0] for x in xs] == [1 - math.tanh(x) * math.tanh(x) for x in xs]


@pytest.mark.skipif(fastgrad.backend != "c", reason="the plain engine has no such dialect")
def test_results_where_a_constructor_makes_floats():
    """For scripts' classes whose constructor does so. An int that was assigned stays one."""
    Float, Value = fastgrad.engine._make_class(__name__, "Float", float_data=True), fastgrad.Value
    for no_grad in (False, True):
        with fastgrad.no_grad() if no_grad else contextlib.nullcontext():
            for cls, kind in ((Float, float), (Value, int)) * 2:
                x = cls(1.0)
                x.data = -2
                for f in (lambda x: x.relu(), abs, lambda x: x * x, lambda x: x + x, lambda x: x * 3, lambda x: 3 + x,
                          lambda x: -x, lambda x: x - 1, lambda x: x ** 2, lambda x: x - x, lambda x: sum([x, x, x])):
                    (Value if cls is Float else Float)(1.0) * 1.0       # makes the other class the active one
                    y = f(x)
                    assert type(y) is cls and type(y.data) is kind and x.data == -2


# Relu in two dialects: microgpt's max(0, x) in fastgrad.Value, micrograd's in fastgrad.micrograd, which is what
# `micrograd` means after install() and under python -m fastgrad.

@pytest.fixture
def Micrograd(engine):
    """micrograd's Value of one engine."""
    if engine is fastgrad.engine:
        return fastgrad.micrograd.engine.Value
    return reference._make_class("fastgrad.micrograd.engine", "Value", micrograd_relu=True)


@pytest.mark.parametrize("x", [nan, -nan, 0.0, -0.0, 0, 3, 3.0, -3, -3.0, inf, -inf, 5e-324, -5e-324])
def test_relu_of_micrograd(Micrograd, x):
    v = Micrograd(x)
    out = v.relu()
    assert type(out) is Micrograd and out._op == "ReLU"
    assert typed(out.data) == typed(0 if x < 0 else x)
    for seed in (1, 2.5, -2, inf, nan):
        out.grad, v.grad = seed, 0
        out._backward()
        assert typed(v.grad) == typed(0 + (out.data > 0) * seed)
    v.grad = 0
    out.backward()
    assert typed(v.grad) == typed(0 + (out.data > 0) * 1)


@pytest.mark.parametrize("x", [nan, 0.0, -0.0, 0, 3, 3.0, -3.0])
def test_relu_of_microgpt(Value, x):
    out = Value(x).relu()
    assert typed(out.data) == typed(max(0, x))
    assert list(map(typed, out._local_grads)) == [typed(float(x > 0))]


def test_both_dialects_in_one_expression(Value, Micrograd):
    v, m = Value(nan), Micrograd(2.0)
    for out in (v * m, m * v, v + m, m - v, m / v, v / m, m ** v, v ** m, m + 1, 1 + m, 2.0 * m, 1 / m, m ** 2, 2 ** m,
                -m, abs(m), m.exp(), m.detach(), sum([m, v]), sum([v, m])):
        assert type(out) is Micrograd
        assert isinstance(out, Value)
    assert typed((v * m).relu().data) == typed(nan) and typed(v.relu().data) == typed(0)
    assert [type(child) for child in (m + 1)._children] == [Micrograd] * 2
    assert [type(child) for child in (v + 1)._children] == [Value] * 2
    x, y = Value(3.0), Micrograd(-2.0)
    loss = (x * y + 7.0).relu() * x.relu() - y.relu()
    loss.backward()
    assert (loss.data, x.grad, y.grad) == (3.0, 1.0 + 3.0 * -2.0, 9.0)


def test_micrograd_s_value_takes_what_value_takes(Micrograd):
    class Mine(Micrograd):
        pass
    assert Micrograd(np.float32(0.5)).data == 0.5 and typed(Micrograd(np.bool_(True)).data) == typed(1)
    assert typed((Mine(nan) * 1).relu().data) == typed(nan) and type(Mine(1.0) + 1) is Mine
    assert type(Mine(1.0).relu()) is Mine


def test_micrograd_s_nn_is_of_micrograd_s_values():
    import random
    nn, Value = fastgrad.micrograd.nn, fastgrad.micrograd.engine.Value
    random.seed(3)
    model = nn.MLP(2, [3, 1])
    random.seed(3)
    other = fastgrad.nn.MLP(2, [3, 1])
    assert repr(model) == repr(other)
    assert {type(p) for p in model.parameters()} == {Value}
    assert {type(p) for p in other.parameters()} == {fastgrad.Value}
    assert [p.data for p in model.parameters()] == [p.data for p in other.parameters()]
    assert typed(model([nan, 1.0]).data) == typed(nan) != typed(other([nan, 1.0]).data)
    assert type(model([1.0, 2.0])) is Value


# Gradients and local derivatives are numbers too.

def test_fresh_gradients_and_the_root_s_are_ints(Value):
    v = Value(2.0)
    assert typed(v.grad) == typed(0)
    v.backward()
    assert typed(v.grad) == typed(1)
    v.zero_grad()
    assert typed(v.grad) == typed(0)


@pytest.mark.parametrize("text, expected", [
    ("a + b", [1, 1]), ("a * b", [3.5, 2]), ("a * 3", [3, 0]), ("a * 3.0", [3.0, 0]), ("b * 3", [0, 3]),
    ("-a", [-1, 0]), ("a - b", [1, -1]),
    ("a ** 2", [4, 0]), ("b ** 2", [0, 7.0]), ("a ** 2.0", [4.0, 0]), ("a / 2", [0.5, 0]),
    ("2 / a", [2 * (-1 * 2 ** -2), 0]),
    ("a.relu()", [1.0, 0]), ("(-a).relu()", [0.0, 0]), ("abs(a)", [1.0, 0]), ("a + a", [2, 0]), ("a * a", [4, 0]),
    ("a * a * a", [12, 0]),
    ("a * 0", [0, 0]), ("a * -0.0", [0.0, 0]), ("a ** 1", [1, 0]), ("2 ** a", [4 * math.log(2), 0]),
    ("a ** a", [4 + 4 * math.log(2), 0])])
def test_gradients_are_ints_where_python_s_are(Value, text, expected):
    a, b = Value(2), Value(3.5)
    eval(text).backward()
    assert [typed(v.grad) for v in (a, b)] == [typed(x) for x in expected]


def test_a_gradient_s_kind_is_that_of_its_sum(Value):
    for start, expected in ((0, 3), (0.0, 3.0), (5, 8), (-3, 0), (-3.0, 0.0), (-0.0, 3.0)):
        a = Value(2)
        out = a * 3
        a.grad = start
        out.backward()
        assert typed(a.grad) == typed(expected)


def test_int_gradients_beyond_2_53_become_floats(Value):
    a = Value(1)
    (a * E53 + a).backward()
    assert typed(a.grad) == typed(float(E53 + 1))
    a.grad = 0
    (a * 94906267 * 94906267).backward()
    assert typed(a.grad) == typed(float(94906267 ** 2))
    a.grad = 0
    (a * E53).backward()
    assert typed(a.grad) == typed(E53)
    a.grad = -10 ** 9
    (a * 94906267 * 94906267).backward()        # the sum would be an int, but its last term is a float
    assert typed(a.grad) == typed(float(94906267 ** 2) - 10 ** 9)
    a.grad = 1
    (-a + a * E53).backward()           # E53 comes first; then -1 brings it back, but it's a float by then
    assert typed(a.grad) == typed(float(E53 + 1) - 1)


def test_negative_zero_of_gradients(Value):
    """0 + -0.0 is 0.0, and an int has no negative zero."""
    a = Value(2.0)
    (a * -0.0).backward()
    assert typed(a.grad) == typed(0.0)
    a.grad = -0.0
    assert typed(a.grad) == typed(-0.0)
    (a * -0.0).backward()
    assert typed(a.grad) == typed(-0.0)
    b = Value(2)
    (-(b * 0)).backward()
    assert typed(b.grad) == typed(0)


def test_local_derivatives_keep_their_kind(Value):
    a, b = Value(2), Value(3.5)
    class Sub(Value):
        pass
    results = (a + b, a * b, a ** 2, a ** 2.0, b ** 2, a.relu(), a.exp(), 3 * a, Sub(2) * b, b * Sub(2))
    expected = ((1, 1), (3.5, 2), (4,), (4.0,), (7.0,), (1.0,), (math.exp(2),), (3, 2), (3.5, 2), (2, 3.5))
    assert [list(map(typed, v._local_grads)) for v in results] == [list(map(typed, x)) for x in expected]
    user = Value(1, (a,) * 5, (1, 1.0, True, -0.0, np.float32(0.5)))
    assert list(map(typed, user._local_grads)) == list(map(typed, (1, 1.0, 1, -0.0, 0.5)))
    assert list(map(typed, (Value(E53) * 3)._local_grads)) == list(map(typed, (3, E53)))


def test_assignments_keep_their_kind(Value):
    v = Value(2)
    for x in (5, 5.0, -0.0, 0, inf):
        v.data = x
        assert typed(v.data) == typed(x)
        v.grad = x
        assert typed(v.grad) == typed(x)
    v.data = 2
    v.data -= 0.5
    assert typed(v.data) == typed(1.5)
    v.grad = 0
    v.grad += 2
    assert typed(v.grad) == typed(2)


def test_conversions(Value):
    assert typed(float(Value(2))) == typed(2.0)
    assert typed(int(Value(2.9))) == typed(2) and typed(int(Value(-2.9))) == typed(-2)
    assert int(Value(1e300)) == int(1e300)
    assert f"{Value(2)} {Value(2):d} {Value(2):.2f}" == "Value(data=2, grad=0) 2 2.00"
    assert f"{Value(2.5):6.1f}|{Value(1e6):,}" == "   2.5|1,000,000.0"
    assert repr(Value(1e16)) == "Value(data=1e+16, grad=0)"
    assert repr(Value(0.1 + 0.2)) == "Value(data=0.30000000000000004, grad=0)"
    assert repr(Value(nan)) == "Value(data=nan, grad=0)" and repr(Value(-inf)) == "Value(data=-inf, grad=0)"


def test_what_a_float_has(Value):
    for x in (2.5, -2.5, 3.5, 2, -7, 1234.5678, 1e300, -0.0):
        v = Value(x)
        assert typed(round(v)) == typed(round(x))
        for n in (None, 0, 1, 2, -2):
            assert typed(round(v, n)) == typed(round(x, n))
        for f in (math.trunc, math.floor, math.ceil):
            assert typed(f(v)) == typed(f(x))
        assert +v is v and v.conjugate() is v
        assert math.isnan(v) is False and math.isfinite(v) and math.isnan(Value(nan))


def test_means_and_deviations_of_arrays(Value):
    numbers = [1.0, 2.0, 4.0]
    values = [Value(x) for x in numbers]
    array = np.array(values)
    for f in (np.mean, np.var, np.std, lambda x: np.std(x, ddof=1)):
        assert type(f(array)) is Value
        assert f(array).data == pytest.approx(f(numbers))
    array.std().backward()
    mean, deviation = np.mean(numbers), np.std(numbers)
    assert [v.grad for v in values] == pytest.approx([(x - mean) / (3 * deviation) for x in numbers])
