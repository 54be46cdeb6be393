"""Promise: fastgrad.grad is torch.autograd.grad for Values, of any order, and what is made of it gives derivatives too.

engine/test_gradients.py has the bits, the graphs and the robustness of both engines.
"""
import gc
import math
import random

import pytest

import fastgrad
from fastgrad import GradcheckError, Value, detect_anomaly, grad, gradcheck, hessian, hvp, jacobian, value_and_grad
from fastgrad.nn import MLP
from fastgrad.value.operations import OPERATIONS

# ---- Closed forms ----


def derivatives(f, x, n):
    """f and its first n derivatives at x."""
    x = Value(x)
    found = [f(x)]
    for _ in range(n):
        found += grad(found[-1], x, create_graph=True)
    return [y.data for y in found]


def test_x_to_the_fifth():
    x = 1.3
    assert derivatives(lambda x: x ** 5, x, 5) == pytest.approx(
        [x ** 5, 5 * x ** 4, 20 * x ** 3, 60 * x ** 2, 120 * x, 120], rel=1e-14)
    assert derivatives(lambda x: x ** 2, 0.0, 2) == [0, 0, 2]


def test_exp_of_sin():
    x = 0.4
    s, c, y = math.sin(x), math.cos(x), math.exp(math.sin(x))
    assert derivatives(lambda x: x.sin().exp(), x, 3) == pytest.approx(
        [y, y * c, y * (c * c - s), y * (c ** 3 - 3 * s * c - c)], rel=1e-14)


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x ** 2) ** 2


@pytest.mark.parametrize("x, y", [(1.0, 1.0), (0.0, 0.0), (-1.2, 1.0), (0.3, -0.7)])
def test_rosenbrock(x, y):
    expected = [[2 - 400 * (y - 3 * x * x), -400 * x], [-400 * x, 200.0]]
    found = hessian(rosenbrock, [x, y])
    for i in range(2):
        assert found[i] == pytest.approx(expected[i], rel=1e-13, abs=1e-12)
        assert hvp(rosenbrock, [x, y], [1 - i, i]) == pytest.approx(expected[i], rel=1e-13, abs=1e-12)
    assert hvp(rosenbrock, (x, y), (2.0, Value(-3.0))) == pytest.approx(
        [2 * expected[0][i] - 3 * expected[1][i] for i in range(2)], rel=1e-13, abs=1e-12)


def log_sum_exp(*xs):
    return sum(x.exp() for x in xs).log()


def test_log_sum_exp():
    """Its gradient is softmax p, its Hessian diag(p) - p p'."""
    xs = [0.5, -1.0, 2.0]
    total = sum(map(math.exp, xs))
    p = [math.exp(x) / total for x in xs]
    value, slopes = value_and_grad(log_sum_exp)(*xs)
    assert value == math.log(total) and slopes == pytest.approx(p, rel=1e-14)
    for i, row in enumerate(hessian(log_sum_exp, xs)):
        assert row == pytest.approx([p[i] * (i == j) - p[i] * p[j] for j in range(3)], rel=1e-13)


# ---- Against differences ----

@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda x: x.method)
def test_every_operation_twice_and_three_times(operation):
    for sample in operation.samples:
        if min(sample if isinstance(sample, tuple) else (1,)) < 0 and operation.method == "__pow__":
            sample = (2.0, 1.5)
        if operation.derivatives:
            assert gradcheck(operation.call, sample, order=3, atol=1e-4)


def test_random_programs():
    """Second derivatives against differences of first ones."""
    functions = [x.call for x in OPERATIONS if x.method in ("tanh", "sigmoid", "sin", "cos", "atan", "erf", "__neg__")]
    for seed in range(25):
        rng = random.Random(seed)
        steps = [(rng.choice("+-*/f^"), rng.random(), rng.random(), rng.choice(functions), rng.choice([2, 3, -1, 1.5]))
                 for _ in range(8)]

        def f(*inputs):
            values = list(inputs)
            for what, i, j, function, n in steps:
                a, b = values[int(i * len(values))], values[int(j * len(values))]
                values.append({"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / (b * b + 1),
                               "f": lambda: function(a), "^": lambda: (a * a + 1) ** n}[what]().tanh())
            return sum(values[-4:])
        assert gradcheck(f, [rng.uniform(-1.5, 1.5) for _ in range(3)], order=2)


def test_a_network_s_hessian_vector_product():
    random.seed(3)
    model = MLP(2, [5, 1], nonlin="tanh")
    params, v = model.parameters(), [random.gauss(0, 1) for _ in model.parameters()]

    def loss(*params):
        return (model([0.3, -0.8]) - 0.5) ** 2 + (model([-0.1, 0.4]) + 0.2) ** 2
    product, h = hvp(loss, params, v), 1e-5
    for p, x in zip(params, v):
        p.data += h * x
    above = grad(loss(), params)
    for p, x in zip(params, v):
        p.data -= 2 * h * x
    below = grad(loss(), params)
    assert product == pytest.approx([(a - b) / (2 * h) for a, b in zip(above, below)], rel=1e-6, abs=1e-8)
    assert all(p.grad == 0 for p in params)


def test_gradcheck_finds_a_wrong_second_derivative():
    def square(x):
        return Value(x.data ** 2, (x,), local_grads=(x * 2.0 if is_right else x.detach() + x,))
    is_right = True
    assert gradcheck(square, 0.7, order=2)
    is_right = False
    assert gradcheck(square, 0.7)
    with pytest.raises(GradcheckError, match=r"the derivative by input 0: 1 of 1 .*\n.* gives 1, central .* 2"):
        gradcheck(square, 0.7, order=2)
    assert gradcheck(lambda x, y: x * 2 + 0 * y, [1.0, 2.0], order=2)
    for order in (0, 1.5, "2"):
        with pytest.raises(ValueError, match="order"):
            gradcheck(square, 0.7, order=order)


# ---- grad ----

def test_what_it_returns():
    x, y, other = Value(2.0, label="x"), Value(3.0), Value(1.0, label="w")
    z = x * y
    assert grad(z, x) == (3.0,) and grad([z], (x, y, x, z)) == (3.0, 2.0, 3.0, 1)
    assert grad((v for v in [z]), [y]) == (2.0,)
    with pytest.raises(RuntimeError, match=r"no output was made of input 1 \(w\): allow_unused=True"):
        grad(z, [x, other])
    with pytest.raises(RuntimeError, match="input 0: "):
        grad(x, z, create_graph=True)
    for create_graph in (False, True):
        found = grad(z, [other, x], create_graph=create_graph, allow_unused=True)
        assert found[0] is None and float(found[1]) == 3.0
    assert (x.grad, y.grad, z.grad) == (0, 0, 0)


def test_several_outputs_and_grad_outputs():
    x, y = Value(2.0), Value(3.0)
    outputs = [x * y, x ** 2]
    assert grad(outputs, [x, y]) == (7.0, 2.0)
    assert grad(outputs, [x, y], [10, None]) == (34.0, 20.0)
    assert grad(outputs[1], x, 0.5) == (2.0,)
    assert grad(outputs + outputs, x, [1, 1, -1, -1.0]) == (0.0,)
    seed = Value(10.0)
    found, = grad(outputs, x, (seed, None), create_graph=True)
    assert found.data == 34.0 and grad(found, seed) == (3.0,)       # a derivative by grad_outputs
    assert grad(outputs, x, (seed, None)) == (34.0,)


class Liar:
    """isinstance() believes `__class__`; the core mustn't."""
    __class__ = Value


def test_bad_arguments():
    x = Value(2.0)
    y = x * x
    for args, error, message in (
            ((3.0, x), TypeError, "outputs must be a Value or a sequence of Values, not 'float'"),
            ((y, [x, 1.0]), TypeError, "inputs must be Values, not 'float'"), ((y, "x"), TypeError, "not 'str'"),
            ((y, [x, Liar()]), TypeError, "inputs must be Values, not 'Liar'"),
            (([y, Liar()], x), TypeError, "outputs must be Values, not 'Liar'"), ((Liar(), x), TypeError, "Liar"),
            ((y, Liar()), TypeError, "Liar"), ((y, {x, 1}), TypeError, "not 'int'"), ((y, ()), ValueError, "is empty"),
            (([], x), ValueError, "outputs is empty"), ((y, []), ValueError, "inputs is empty"),
            ((y, x, [1, 2]), ValueError, "grad_outputs has 2 numbers for 1 outputs"),
            ((y, x, "1"), TypeError, "grad_outputs, number 0: a Value holds a number, not 'str'"),
            ((y, x, Liar()), TypeError, "grad_outputs, number 0: .* 'Liar'"),
            ((y, x, [2 ** 53 + 1]), OverflowError, "grad_outputs, number 0: int")):
        with pytest.raises(error, match=message):
            grad(*args)
    for call in (lambda: jacobian(3, [1.0]), lambda: jacobian(lambda x: 1.0, 1.0), lambda: jacobian(lambda x: x, "ab"),
                 lambda: hessian(lambda x: 1.0, [1.0]), lambda: hessian(rosenbrock, "ab"),
                 lambda: hvp(rosenbrock, [1, 2], None), lambda: hvp(rosenbrock, [1, 2], [1, "2"]),
                 lambda: value_and_grad(3), lambda: value_and_grad(lambda x: None)(1.0)):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError, match="v has 1 numbers for 2 inputs"):
        hvp(rosenbrock, [1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="inputs is empty"):
        jacobian(rosenbrock, [])


def test_functions_of_values_need_their_graph():
    """Within no_grad f makes none, and all derivatives would be 0 without a word."""
    f = value_and_grad(rosenbrock)
    calls = (lambda: jacobian(rosenbrock, [1.0, 2.0]), lambda: hessian(rosenbrock, [1.0, 2.0]),
             lambda: hvp(rosenbrock, [1.0, 2.0], [1, 0]), lambda: f(1.0, 2.0))
    with fastgrad.no_grad():
        for call in calls:
            with pytest.raises(RuntimeError, match="no_grad"):
                call()
    for call in calls:
        call()


@pytest.mark.skipif(fastgrad.backend != "c", reason="counts nodes")
def test_garbage_that_a_backward_makes_is_collected():
    """A collection waits as long as the arena is held, and comes after that."""
    def cube(x):
        out = Value(x.data ** 3, (x,))
        out._backward = lambda: setattr(x, "grad", x.grad + 3 * x.data ** 2 * out.grad)
        return out

    def backward():
        for _ in range(200):
            cube(x)
        x.grad += y.grad
    x = Value(2.0)
    y = Value(8.0, (x,))
    y._backward = backward
    gc.collect()
    live = fastgrad.arena_stats()["live"]
    for _ in range(500):
        assert grad(y, x) == (1,)
    assert fastgrad.arena_stats()["live"] < live + 20_000
    y._backward = lambda: [cube(x), gc.collect(), setattr(x, "grad", x.grad + y.grad)]
    gc.collect()
    live = fastgrad.arena_stats()["live"]
    assert grad(y, x) == (1,) and fastgrad.arena_stats()["live"] == live


def test_no_derivative_is_an_error_as_everywhere():
    x = Value(0.0)
    y = x ** 1.5
    assert grad(y, x) == (0.0,)
    with pytest.raises(ZeroDivisionError):
        grad(y, x, create_graph=True)


def test_under_detect_anomaly():
    with detect_anomaly():
        x = Value(1e-300)
        y = x * 1e200 * 1e200
        for create_graph in (False, True):
            with pytest.raises(fastgrad.AnomalyError, match="made the grad of 1e-300 inf"):
                grad(y, x, create_graph=create_graph)
        slope, = grad(x ** 3, x, create_graph=True)
        assert grad(slope, x) == (6e-300,)


# ---- jacobian, hessian, hvp, value_and_grad ----

def test_jacobian():
    def f(x, y):
        return [x * y, x + 2 * y, 3.0, Value(4.0)]
    assert jacobian(f, [2.0, 3]) == [[3.0, 2.0], [1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]
    assert {type(x) for row in jacobian(f, [2, 3]) for x in row} == {float}
    assert jacobian(lambda x, y: x * y, [2, 3]) == [3.0, 2.0] and jacobian(lambda x: x * x, 3.0) == [6.0]
    x = Value(2.0)
    (slope,), = jacobian(lambda x: (x ** 3,), [x], create_graph=True)
    assert grad(slope, x) == (12.0,)


def test_values_are_handed_over_themselves_and_any_order_can_be_asked_for():
    x, y = Value(0.3), Value(-0.4)
    rows = hessian(lambda a, b: (a * y).sin() * b if (a, b) == (x, y) else None, [x, y], create_graph=True)
    third, = grad(rows[0][0], x, create_graph=True)
    assert third.data == pytest.approx(-(y.data ** 4) * math.cos(x.data * y.data), rel=1e-13)
    assert [v.data for v in hvp(rosenbrock, [x, y], [0, 1], create_graph=True)] == hessian(rosenbrock, [x, y])[1]
    assert hessian(lambda a, b: a + 2 * b, [x, y]) == [[0.0, 0.0], [0.0, 0.0]]
    assert (x.grad, y.grad) == (0, 0)


def test_value_and_grad():
    @value_and_grad
    def loss(w, x, power=2):
        """How bad it is."""
        return (w * x - 1.0) ** power
    assert loss(2.0, 3) == (25.0, [30.0, 20.0]) and loss(2, 3, power=1) == (5.0, [3.0, 2.0])
    assert loss.__name__ == "loss" and loss.__doc__ == "How bad it is."
    w = Value(2.0)
    value, (slope,) = value_and_grad(lambda w: w ** 3, create_graph=True)(w)
    assert value.data == 8.0 and grad(slope, w) == (12.0,)


def test_newton_s_method_finds_the_minimum_of_rosenbrock():
    x, y = -1.2, 1.0
    for _ in range(7):
        (a, b), (_, d) = hessian(rosenbrock, [x, y])
        _, (gx, gy) = value_and_grad(rosenbrock)(x, y)
        determinant = a * d - b * b
        x, y = x - (d * gx - b * gy) / determinant, y - (a * gy - b * gx) / determinant
    assert (x, y) == pytest.approx((1, 1), abs=1e-8)


@pytest.mark.skipif(fastgrad.backend != "c", reason="it runs these tests on the other engine")
def test_in_plain_python(run_in_plain_python):
    run_in_plain_python(__file__)
