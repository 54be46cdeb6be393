"""Derivatives by `backward()` against derivatives by differences: what shows that a hand-made operation is right."""
import math

from fastgrad.autograd import grad
from fastgrad.engine import Value
from fastgrad.value.base import AnyValue, input_name
from fastgrad.value.grad_mode import is_recording
from fastgrad.value.public import public


class GradcheckError(AssertionError):
    """Backward and central differences disagree."""


@public
def gradcheck(f, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-4, order=1):
    """Compare the derivatives that `backward()` gives for f(*inputs) with central differences.

    f: a function of Values that returns one Value. It is called 2n + 2 times for n inputs. If an input is an instance
        of another engine, such as a class of your own, f takes and returns such instances; numbers become some.
    inputs: a Value or a number, or a sequence of them. Values are handed to f themselves, with other data for a moment,
        so that f may also reach them by another way, as a model reaches its parameters. Numbers become Values.
    eps: the step, times max(1, |x|) for an input x.
    atol, rtol: backward's derivative may differ from the difference quotient q by atol + rtol * |q|.
    order: 2 also checks each derivative that fastgrad.grad makes as a graph: its own derivatives, the second ones of f,
        with differences of it. (torch has gradgradcheck for this.) Any order will do; each takes 2n times as long.

    Returns True, or raises GradcheckError with a line for each input that fails. Bad arguments, and an f that gives two
    results for the same inputs, are a TypeError or ValueError. What f raises comes through. In any case the data of the
    inputs, and the grad of every Value that the result was made of, is afterwards what it was before.

    Differences can't see a derivative at a kink or next to a jump, such as relu's at 0: choose other inputs there.
    """
    f, inputs = _any_engine(f, inputs)
    inputs = _leaves(f, inputs)
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"order must be 1, 2, ..., not {order!r}")
    if order > 1 and not all(isinstance(v, Value) for v in inputs):
        raise TypeError("order is more than 1, and another engine's backward() gives no graph to differentiate again")
    eps, atol, rtol = _tolerance("eps", eps), _tolerance("atol", atol), _tolerance("rtol", rtol)
    if eps == 0:
        raise ValueError("eps is 0")
    if not is_recording():
        raise RuntimeError("gradcheck needs the graph, and no_grad() is on")

    y, by_backward = _backward_derivatives(f, inputs)
    failures = []
    for i, (v, derivative) in enumerate(zip(inputs, by_backward)):
        quotient = _difference_quotient(f, inputs, i, eps)
        off, allowed = abs(derivative - quotient), atol + rtol * abs(quotient)
        if not off <= allowed:      # so that a nan fails
            failures.append(f"  {input_name(i, v)}: backward gives {derivative:.10g}, central differences "
                            f"{quotient:.10g}: off by {off:.3g}, {allowed:.3g} is allowed")
    again = _call(f, inputs).data
    if again != y and (again == again or y == y):
        raise ValueError(f"f gives different results for the same inputs, {y} and then {again}: nothing to compare")
    if failures:
        raise GradcheckError("\n".join([f"{len(failures)} of {len(inputs)} derivatives disagree:", *failures]))
    for i in range(len(inputs) if order > 1 else 0):
        try:
            gradcheck(_derivative(f, i), inputs, eps=eps, atol=atol, rtol=rtol, order=order - 1)
        except GradcheckError as error:
            raise GradcheckError(f"the derivative by {input_name(i, inputs[i])}: {error}") from None
    return True


def _derivative(f, i):
    """The derivative of f by input i, as a function of Values."""
    def derivative(*inputs):
        slope, = grad(_call(f, inputs), inputs[i], create_graph=True, allow_unused=True)
        return Value(0.0) if slope is None else slope
    return derivative


def _backward_derivatives(f, inputs):
    """f's result and backward's derivatives by the inputs, with every grad as it was before."""
    before = [(v, v.grad) for v in inputs]
    try:
        y = _call(f, inputs)
        nodes = y._topological()
        before = [(v, v.grad) for v in nodes] + before
        for v, _ in before:
            v.grad = 0
        y.backward()
        return y.data, [v.grad for v in inputs]
    finally:
        for v, grad in before:
            v.grad = grad


def _difference_quotient(f, inputs, i, eps):
    """(f(x + h) - f(x - h)) / 2h for input i, whose data is as before afterwards."""
    v = inputs[i]
    x = v.data
    h = eps * max(1.0, abs(x))
    low, high = x - h, x + h
    if not -math.inf < low < x < high < math.inf:
        raise ValueError(f"eps {eps} is too small or too large a step from {input_name(i, v)}, {x}")
    try:
        v.data = high
        above = _call(f, inputs).data
        v.data = low
        below = _call(f, inputs).data
    finally:
        v.data = x
    return (above - below) / (high - low)


def _call(f, inputs):
    y = f(*inputs)
    if not isinstance(y, AnyValue):
        raise TypeError(f"f must return a Value, not {type(y).__name__!r}")
    return y


def _any_engine(f, inputs):
    """f and the inputs as a list; those of another engine in wrappers with a Value's attributes."""
    if not hasattr(type(inputs), "__iter__"):
        inputs = [inputs]
    inputs = list(inputs)
    if callable(f) and any(not isinstance(x, Value) and hasattr(type(x), "__add__") and hasattr(type(x), "__mul__")
                           and not isinstance(x, (int, float)) for x in inputs):
        from fastgrad.grading.gradients import engine_of
        engine = engine_of(inputs)
        if engine is not None:
            return engine.function(f), [engine.input(x) for x in inputs]
    return f, inputs


def _leaves(f, inputs):
    """The inputs as a list of Values, checked."""
    if not callable(f):
        raise TypeError(f"f must be a function of Values, not {type(f).__name__!r}")
    values = []
    for i, x in enumerate(inputs):
        try:
            v = x if isinstance(x, AnyValue) else Value(x)
        except (TypeError, OverflowError) as error:
            raise type(error)(f"input {i}: {error}") from None
        if not math.isfinite(v.data):
            raise ValueError(f"{input_name(i, v)} is {v.data}: there are no differences")
        values.append(v)
    if not values:
        raise ValueError("inputs is empty: nothing to check")
    given = {id(v): i for i, v in enumerate(values)}
    for i, v in enumerate(values):
        for below in v._topological()[:-1]:
            if id(below) in given:
                raise ValueError(f"{input_name(i, v)} was made from {input_name(given[id(below)], below)}: "
                                 "compute it inside f, or give its detach()")
    return values


def _tolerance(name, x):
    if not isinstance(x, (int, float)):
        raise TypeError(f"{name} must be a number, not {type(x).__name__!r}")
    if not 0 <= x < math.inf:
        raise ValueError(f"{name} must be positive and finite, not {x}")
    return float(x)
