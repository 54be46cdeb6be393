"""Derivatives that are returned instead of left in `.grad`, of any order: grad, and what is made of it.

`grad` is torch.autograd.grad for Values. jacobian, hessian, hvp and value_and_grad take a function of Values, and
numbers or Values to call it with. The engine in use does the work: csrc/derive.h, or value/gradients.py in plain
Python.
"""
import functools
import sys

from fastgrad import engine
from fastgrad.engine import Value, _gradients
from fastgrad.value import gradients
from fastgrad.value.grad_mode import is_recording
from fastgrad.value.public import public

__all__ = ["grad", "hessian", "hvp", "jacobian", "value_and_grad"]

# A tuple of a list's or a tuple's items if these are Values alone, else None: there may be thousands, and the compiled
# engine is quick.
_as_values = getattr(engine, "_as_values", lambda given: None)


@public
def grad(outputs, inputs, grad_outputs=None, create_graph=False, allow_unused=False):
    """The derivatives of the sum of outputs by the inputs, as torch.autograd.grad gives them. No `.grad` changes.

    outputs, inputs: a Value or a sequence of Values, at least one. Inputs needn't be leaves.
    grad_outputs: a number, a Value or None for each output, by which its derivatives are multiplied; None is 1.
    create_graph: False gives numbers. True gives Values with a graph of their own, which can be differentiated again,
        also within a no_grad block.
    allow_unused: what to do about an input that no output was made of: False raises, True gives None.

    Returns a tuple with a derivative for each input. Its numbers have the bits that `backward()` leaves in a `.grad`
    that was 0. Several outputs are swept as the children of one root, in their order, with grad_outputs as its local
    derivatives. Every `.grad` below the outputs is afterwards what it was before, also if this raises. (A `_backward`
    of your own runs, and may change things elsewhere.)

    With create_graph local derivatives become graphs too. For an operation of your own give them as Values,
    `Value(y, (a,), local_grads=(d,))`, where d is a Value made of a. It's a RuntimeError if a node above an input has
    only numbers, or a `_backward` of its own, or operands whose data was assigned since, so that it has another
    derivative now; and, with the compiled engine, if Value has been given another `_backward` or `grad`. As everywhere
    in fastgrad an operation raises where it has no derivative: with create_graph x ** 1.5 is a ZeroDivisionError at 0,
    where the second derivative is infinite. Gradients are of the class fastgrad.Value, whatever that of the inputs,
    unless a Value in grad_outputs is one.

    Raises TypeError, ValueError, RuntimeError, MemoryError, and what operations and a user's `_backward` raise.
    Ctrl-C interrupts it. Under detect_anomaly a nan or an inf raises AnomalyError.
    """
    outputs, inputs = _collection("outputs", outputs), _collection("inputs", inputs)
    outputs = _as_values(outputs) or gradients.values_of(Value, "outputs", outputs)
    if type(inputs) is not list and type(inputs) is not tuple:      # these the engine looks through by itself
        inputs = gradients.values_of(Value, "inputs", inputs)
    seeds = _seeds(outputs, grad_outputs)
    anomaly = sys.modules.get("fastgrad.debugging.anomaly")
    if create_graph and anomaly is not None and anomaly._open_blocks:
        _gradients(outputs, seeds, inputs, False)       # the same numbers, watched
    return _gradients(outputs, seeds, inputs, bool(create_graph), bool(allow_unused))


@public
def jacobian(f, inputs, create_graph=False):
    """The derivatives of each of f's results by each input.

    f: a function of as many Values as there are inputs. It returns a Value, or a sequence of Values and numbers.
    inputs: a Value or a number, or a sequence of them. Values are handed to f themselves; numbers become Values.
    create_graph: False gives floats, True Values with a graph.

    Returns a list of n derivatives if f returns a Value, or else a list of such lists, a row for each result. What
    isn't made of an input has the derivative 0. Raises TypeError, RuntimeError within a no_grad block, and what f and
    `grad` raise.
    """
    inputs = _inputs(f, inputs)
    y = f(*inputs)
    if isinstance(y, Value):
        return _row(y, inputs, create_graph)
    if not hasattr(type(y), "__iter__"):
        raise TypeError(f"f must return a Value or a sequence of Values, not {type(y).__name__!r}")
    return [_row(x, inputs, create_graph) for x in y]


@public
def hessian(f, inputs, create_graph=False):
    """The second derivatives of f's result by each two inputs: row i has the derivatives of that by input i.

    f: a function of as many Values as there are inputs, which returns a Value. inputs, create_graph: as in `jacobian`.

    Returns a list of n lists of n floats, or Values, by n + 1 sweeps. Raises what `jacobian` raises.
    """
    inputs = _inputs(f, inputs)
    return [_row(slope, inputs, create_graph) for slope in _row(_result(f, inputs), inputs, True)]


@public
def hvp(f, inputs, v, create_graph=False):
    """The product of f's Hessian with a vector, at the cost of two sweeps.

    f, inputs, create_graph: as in `hessian`. v: a number or a Value for each input.

    Returns a list of n floats, or Values. Raises ValueError, and what `jacobian` raises.
    """
    inputs = _inputs(f, inputs)
    v = _row_of_numbers("v", v)
    if len(v) != len(inputs):
        raise ValueError(f"v has {len(v)} numbers for {len(inputs)} inputs")
    slopes = _row(_result(f, inputs), inputs, True)
    return _returned(grad(slopes, inputs, v, create_graph, True), create_graph)


@public
def value_and_grad(f, create_graph=False):
    """A function that returns what f returns, and its derivatives: `loss, slopes = value_and_grad(f)(1.0, 2.0)`.

    f: a function of Values that returns a Value. The new one takes as many numbers or Values, and returns a tuple of
    f's result and a list of the derivatives by each argument: floats, or with create_graph Values. Keyword arguments
    are handed to f as they are. It raises what `jacobian` raises.
    """
    if not callable(f):
        raise TypeError(f"f must be a function of Values, not {type(f).__name__!r}")

    @public
    @functools.wraps(f)
    def function(*inputs, **named):
        inputs = _inputs(f, inputs)
        y = _result(functools.partial(f, **named), inputs)
        return y if create_graph else float(y.data), _row(y, inputs, create_graph)
    return function


# ---- Arguments ----

def _collection(name, given):
    """Outputs or inputs, one or several, as something that can be iterated over."""
    given = (given,) if isinstance(given, Value) else given
    if not hasattr(type(given), "__iter__"):
        raise TypeError(f"{name} must be a Value or a sequence of Values, not {type(given).__name__!r}")
    return given


def _seeds(outputs, grad_outputs):
    """grad_outputs as a tuple of numbers and Values, or None."""
    if grad_outputs is None:
        return None
    given = tuple(grad_outputs) if hasattr(type(grad_outputs), "__iter__") else (grad_outputs,)
    given = _row_of_numbers("grad_outputs", [1 if x is None else x for x in given])
    if len(given) != len(outputs):
        raise ValueError(f"grad_outputs has {len(given)} numbers for {len(outputs)} outputs")
    return given


def _row_of_numbers(name, given):
    """Numbers and Values as a tuple of ints, floats and Values."""
    given = tuple(given) if hasattr(type(given), "__iter__") else (given,)
    numbers = []
    for i, x in enumerate(given):
        try:
            numbers.append(x if issubclass(type(x), Value) else Value(x).data)
        except (TypeError, OverflowError) as error:
            raise type(error)(f"{name}, number {i}: {error}") from None
    return tuple(numbers)


def _inputs(f, inputs):
    """A function's inputs as a tuple of Values."""
    if not callable(f):
        raise TypeError(f"f must be a function of Values, not {type(f).__name__!r}")
    if not is_recording():
        raise RuntimeError("the derivatives of a function need its graph, and no_grad() is on")
    given = (inputs,) if isinstance(inputs, Value) or not hasattr(type(inputs), "__iter__") else tuple(inputs)
    if not given:
        raise ValueError("inputs is empty")
    values = []
    for i, x in enumerate(given):
        try:
            values.append(x if issubclass(type(x), Value) else Value(x))
        except (TypeError, OverflowError) as error:
            raise type(error)(f"input {i}: {error}") from None
    return tuple(values)


def _result(f, inputs):
    y = f(*inputs)
    if not isinstance(y, Value):
        raise TypeError(f"f must return a Value, not {type(y).__name__!r}")
    return y


def _row(y, inputs, create_graph):
    """The derivatives of a Value by each input; those of a number are 0."""
    if not isinstance(y, Value):
        y = Value(y)
    return _returned(grad(y, inputs, None, create_graph, True), create_graph)


def _returned(grads, create_graph):
    if create_graph:
        return [Value(0.0) if x is None else x for x in grads]
    return [0.0 if x is None else float(x) for x in grads]
