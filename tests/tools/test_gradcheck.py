"""gradcheck: right derivatives pass, wrong ones are named, and nothing is left changed."""
import math
import random

import pytest

import fastgrad
from fastgrad import GradcheckError, Value, gradcheck, no_grad
from fastgrad.nn import MLP
from fastgrad.value.operations import OPERATIONS


def wrong_square(x, factor=3.0):
    """x * x with a wrong local derivative."""
    return Value(x.data ** 2, (x,), (factor * x.data,))


# What passes

@pytest.mark.parametrize("f, inputs", [
    *[(x.call, inputs) for x in OPERATIONS for inputs in x.samples],
    (lambda a: a ** 3, -1.5),
    (lambda a: 2 ** a, 1.5),
    (lambda a: 1 / a - a + 3, -1.5),
    (lambda a: a.relu(), 2.0),
    (lambda a: a.relu(), -2.0),
    (lambda a: a, 7),
    (lambda a, b: a * b + a * a, [2.0, 3.0]),
    (lambda a, b: b, [2.0, 3.0]),
])
def test_every_operation_passes(f, inputs):
    assert gradcheck(f, inputs) is True


@pytest.mark.parametrize("x", [1e-3, 1.0, 1e6, -1e12])
def test_the_step_grows_with_the_input(x):
    assert gradcheck(lambda a: a * a, x)
    with pytest.raises(GradcheckError):
        gradcheck(lambda a: wrong_square(a, 2.1), x, atol=0)


def test_a_random_expression_of_many_inputs():
    rng = random.Random(1)
    weights = [rng.uniform(-1, 1) for _ in range(50)]
    f = lambda *v: sum((w * x.tanh() * v[0] for w, x in zip(weights, v)), Value(0.0)).sigmoid()
    assert gradcheck(f, (rng.uniform(-2, 2) for _ in range(50)))


def test_a_model_that_reaches_its_parameters_by_itself():
    random.seed(2)
    model = MLP(2, [4, 1], nonlin="tanh")
    assert gradcheck(lambda *_: (model([1.0, -2.0]) - 0.5) ** 2, model.parameters())


def test_the_same_value_twice():
    a = Value(3.0)
    assert gradcheck(lambda x, y: x * y * y, [a, a])


def test_a_result_that_was_made_before():
    a = Value(3.0)
    square = a * a
    square.backward()
    with pytest.raises(GradcheckError):     # its data doesn't follow a's
        gradcheck(lambda x: square, a)
    assert (a.grad, square.grad) == (6, 1)


def test_inputs_may_be_inner_nodes():
    a = Value(3.0)
    b = a * 2
    assert gradcheck(lambda x: x * x, b)
    assert (a.grad, b.grad, b.data) == (0, 0, 6.0)


# What fails, and how it says so

def test_the_message_names_input_derivatives_and_distance():
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda x, y: wrong_square(x) * y, [Value(2.0, label="x"), Value(5.0, label="y")])
    assert str(caught.value).splitlines()[0] == "1 of 2 derivatives disagree:"
    line = str(caught.value).splitlines()[1]
    assert line.startswith("  input 0 (x): backward gives 30, central differences 20")
    assert line.endswith(": off by 10, 0.00201 is allowed")


def test_all_failures_are_listed_and_labels_are_optional():
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda a, b, c: wrong_square(a) + b * b + wrong_square(c), [1.0, 2.0, 3.0])
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 of 3 derivatives disagree:"
    assert [line.split(":")[0] for line in lines[1:]] == ["  input 0", "  input 2"]


def test_it_is_an_assertion_error():
    assert issubclass(GradcheckError, AssertionError) and fastgrad.GradcheckError is GradcheckError


def test_a_closure_that_forgets_an_operand():
    def times(a, b):
        out = Value(a.data * b.data, (a, b), "*")

        def _backward():
            a.grad += b.data * out.grad
        out._backward = _backward
        return out
    with pytest.raises(GradcheckError, match="input 1: backward gives 0, central differences 3"):
        gradcheck(times, [3.0, 4.0])


def test_tolerances():
    f = lambda x: wrong_square(x, 2.001)        # 4.002 where 4 is right
    assert gradcheck(f, 2.0, rtol=1e-3)
    assert gradcheck(f, 2.0, atol=3e-3)
    with pytest.raises(GradcheckError):
        gradcheck(f, 2.0)


def test_nan_is_never_right():
    nan = lambda x: Value(x.data, (x,), (math.nan,))
    with pytest.raises(GradcheckError, match="backward gives nan"):
        gradcheck(nan, 1.0)
    infinite = lambda x: x * math.inf
    with pytest.raises(GradcheckError, match="backward gives inf, central differences nan"):
        gradcheck(infinite, 1.0)


def test_a_kink():
    with pytest.raises(GradcheckError, match="backward gives 0, central differences 0.5"):
        gradcheck(lambda x: x.relu(), 0.0)


# What stays as it was

def state(*nodes):
    return [(repr(v.data), repr(v.grad)) for v in nodes]


def f_right(x, y):
    return x * y


def f_wrong(x, y):
    return wrong_square(x) * y


def f_leaves_its_domain(x, y):
    return y * (x - 1.999).sqrt()


def f_gives_no_value(x, y):
    return 1.0 if x.data < 2 else x * y


def f_gives_a_number(x, y):
    return x.data * y.data


def f_raises_in_backward(x, y):
    out = x * y
    out._backward = lambda: 1 / 0
    return out


@pytest.mark.parametrize("f, error", [
    (f_right, None),
    (f_wrong, GradcheckError),
    (f_leaves_its_domain, ValueError),
    (f_gives_no_value, TypeError),
    (f_gives_a_number, TypeError),
    (f_raises_in_backward, ZeroDivisionError),
])
def test_data_and_grad_are_as_before(f, error):
    x, y = Value(2), Value(5.0)
    x.grad, y.grad = 7, -0.5
    if error is None:
        assert gradcheck(f, [x, y])
    else:
        with pytest.raises(error):
            gradcheck(f, [x, y], eps=1e-3)
    assert state(x, y) == [("2", "7"), ("5.0", "-0.5")]


def test_grads_of_values_that_f_brings_along_are_as_before():
    weight, bias = Value(3.0), Value(1)
    weight.grad = 11
    shared = weight * bias
    shared.grad = 0.25
    x = Value(2.0)
    before = state(weight, bias, shared, x)
    assert gradcheck(lambda v: v * shared + bias, x)
    assert state(weight, bias, shared, x) == before
    assert x._children == () and shared._children == (weight, bias)


def test_earlier_grads_do_not_count():
    x = Value(2.0)
    x.grad = 100.0
    assert gradcheck(lambda v: v * v, x)


def test_numbers_become_plain_values():
    seen = []
    gradcheck(lambda *v: seen.append(v) or sum(v, Value(0.0)), [1, 2.0, True])
    assert all(type(v) is Value for v in seen[0])
    assert [v.data for v in seen[0]] == [1, 2.0, 1]
    assert len(seen) == 2 * 3 + 2


# Bad arguments

@pytest.mark.parametrize("inputs, error, message", [
    ([], ValueError, "inputs is empty"),
    ((), ValueError, "inputs is empty"),
    ([1.0, "x"], TypeError, "input 1: .*'str'"),
    ("x", TypeError, "input 0: .*'str'"),
    (None, TypeError, "input 0: .*not None"),
    ([[1.0]], TypeError, "input 0: .*'list'"),
    ([1.0, 2 ** 53 + 1], OverflowError, "input 1: "),
    ([1.0, math.nan], ValueError, "input 1 is nan"),
    (math.inf, ValueError, "input 0 is inf"),
])
def test_bad_inputs(inputs, error, message):
    with pytest.raises(error, match=message):
        gradcheck(lambda *v: v[0] * 2, inputs)


def test_a_bad_labelled_input():
    with pytest.raises(ValueError, match=r"input 0 \(lr\) is nan"):
        gradcheck(lambda v: v, Value(math.nan, label="lr"))


def test_an_input_made_from_another():
    a = Value(2.0, label="a")
    with pytest.raises(ValueError, match=r"input 0 was made from input 1 \(a\): compute it inside f"):
        gradcheck(lambda x, y: x * y, [a * 3, a])
    assert gradcheck(lambda x, y: x * y, [(a * 3).detach(), a])


@pytest.mark.parametrize("name, x, error", [
    ("eps", 0, ValueError),
    ("eps", -1e-6, ValueError),
    ("eps", math.nan, ValueError),
    ("eps", math.inf, ValueError),
    ("eps", 1e-20, ValueError),
    ("eps", "1e-6", TypeError),
    ("eps", None, TypeError),
    ("atol", -1e-6, ValueError),
    ("rtol", math.nan, ValueError),
    ("rtol", [1], TypeError),
])
def test_bad_tolerances(name, x, error):
    with pytest.raises(error, match=name):
        gradcheck(lambda v: v * v, 2.0, **{name: x})


def test_an_input_with_no_room_for_a_step():
    with pytest.raises(ValueError, match="too large a step from input 0"):
        gradcheck(lambda v: v, 1.7e308, eps=1.0)


@pytest.mark.parametrize("f", [None, 3, "f", Value(1.0)])
def test_f_must_be_a_function(f):
    with pytest.raises(TypeError, match="f must be a function"):
        gradcheck(f, 1.0)


def test_f_must_return_a_value():
    with pytest.raises(TypeError, match="f must return a Value, not 'list'"):
        gradcheck(lambda a: [a, a], 1.0)


def test_f_must_give_the_same_for_the_same():
    rng = random.Random(3)
    with pytest.raises(ValueError, match="different results for the same inputs"):
        gradcheck(lambda a: a * rng.random(), 1.0)


def test_no_grad_is_not_mistaken_for_a_wrong_derivative():
    with no_grad(), pytest.raises(RuntimeError, match="no_grad"):
        gradcheck(lambda a: a * a, 1.0)


def test_what_f_raises_comes_through():
    with pytest.raises(ValueError, match="math domain error|expected a positive input"):
        gradcheck(lambda a: a.log(), -1.0)
    with pytest.raises(TypeError):
        gradcheck(lambda a: a, [1.0, 2.0])


@pytest.mark.skipif(fastgrad.backend != "c", reason="this is that run")
def test_all_of_this_with_the_engine_in_plain_python(run_in_plain_python):
    run_in_plain_python(__file__)
