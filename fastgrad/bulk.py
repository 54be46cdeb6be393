"""Numbers of many Values at once: their data or gradients as an array of doubles, and back.

    numbers = get_data(model.parameters())      # array('d', ...), which numpy.frombuffer and sockets take as it is
    set_data(model.parameters(), numbers)

What is set may be any buffer of doubles (an array, a NumPy array of one dimension) or any sequence of numbers. All of
it is checked before the first Value changes. The compiled engine has the loops in C (engine/optim.pxi); Values of a
class whose `data` or `grad` is a property of the user's own go the plain way.
"""
from array import array
from collections.abc import Iterable

from fastgrad import engine
from fastgrad.value.base import AnyValue
from fastgrad.value.public import public

__all__ = ["get_data", "set_data", "get_grad", "set_grad"]

# These return None or False, without any effect, if the loop has to run, or if there is anything but Values.
_get_numbers = getattr(engine, "_get_numbers", lambda values, of_grads: None)
_set_numbers = getattr(engine, "_set_numbers", lambda values, numbers, of_grads: False)
_add_grads = getattr(engine, "_add_grads", lambda values, numbers: False)


@public
def get_data(params):
    """The data of Values as an array of doubles, array('d').

    params: an iterable of Values. Raises TypeError for anything else.
    """
    return _get(params, "data")


@public
def get_grad(params):
    """The gradients of Values as an array of doubles, array('d').

    params: an iterable of Values. Raises TypeError for anything else.
    """
    return _get(params, "grad")


@public
def set_data(params, numbers):
    """Set the data of Values: p.data = number for each.

    params: an iterable of Values. numbers: a buffer of doubles of one dimension, or a sequence of numbers, of which
    ints stay ints; as many as there are Values. A Value that is there twice keeps the last number.

    Raises TypeError for other arguments, ValueError if there are more or fewer numbers than Values, and OverflowError
    for an int that a double can't hold exactly; then nothing has changed.
    """
    _set(params, numbers, "data")


@public
def set_grad(params, numbers):
    """Set the gradients of Values: p.grad = number for each. Arguments and errors are those of set_data."""
    _set(params, numbers, "grad")


def add_grad(values, results):
    """Add to the gradients of values, a list of different Values, those in each of results, arrays of doubles."""
    if results and not all([_add_grads(values, numbers) for numbers in results]):
        total = get_grad(values)
        for numbers in results:
            total = array("d", map(float.__add__, total, numbers))
        set_grad(values, total)


def _sequence(params):
    if isinstance(params, AnyValue) or not isinstance(params, Iterable):
        raise TypeError(f"params must be an iterable of Values, not {type(params).__name__!r}")
    return params if type(params) in (list, tuple) else list(params)


def _check(values):
    for i, p in enumerate(values):
        if not isinstance(p, AnyValue):
            raise TypeError(f"parameter {i} must be a Value, not {type(p).__name__!r}")


def _get(params, attribute):
    values = _sequence(params)
    numbers = _get_numbers(values, attribute == "grad")
    if numbers is None:
        _check(values)
        numbers = array("d", [getattr(p, attribute) for p in values])
    return numbers


def _set(params, numbers, attribute):
    values, numbers = _sequence(params), _numbers(numbers)
    if len(numbers) != len(values):
        raise ValueError(f"there are {len(numbers)} numbers for {len(values)} parameters")
    if not _set_numbers(values, numbers, attribute == "grad"):
        _check(values)
        before = [getattr(p, attribute) for p in values]
        try:
            for p, x in zip(values, numbers):
                setattr(p, attribute, x)
        except BaseException:       # a property of the user's own
            for p, x in zip(values, before):
                setattr(p, attribute, x)
            raise


def _numbers(numbers):
    """An argument as an array of doubles, or as a list of floats, and of ints that a double holds."""
    if type(numbers) is array and numbers.typecode == "d":
        return numbers
    if isinstance(numbers, (str, bytes, bytearray, dict, set, frozenset, AnyValue)):    # bytes: of what?
        raise TypeError(f"numbers must be a buffer of doubles or a sequence of numbers, not {type(numbers).__name__!r}")
    try:
        buffer = memoryview(numbers)
    except TypeError:
        buffer = None
    if buffer is not None:
        if buffer.ndim != 1:
            raise TypeError(f"numbers must have one dimension, not {buffer.ndim}")
        if buffer.format == "d":        # doubles in the machine's own order of bytes
            return array("d", buffer.tobytes())
    if not isinstance(numbers, Iterable):
        raise TypeError(f"numbers must be a buffer of doubles or a sequence of numbers, not {type(numbers).__name__!r}")
    numbers = numbers.tolist() if hasattr(type(numbers), "tolist") else list(numbers)
    if set(map(type, numbers)) <= {float}:
        return numbers
    checked = []
    for i, x in enumerate(numbers):
        try:
            checked.append(x if type(x) is float else engine.Value(x).data)
        except TypeError:
            raise TypeError(f"number {i} is {type(x).__name__!r}") from None
    return checked
