"""What arguments of optimisers, schedules and clipping may be."""
import math

from fastgrad import engine
from fastgrad.value.arguments import is_number
from fastgrad.value.base import AnyValue
from fastgrad.value.parameters import Parameters

ROUNDING = 1e-12        # as far below 0 rounding may take a rate that decays to 0


def number(name, x, below=math.inf, limit="finite", least=0):
    """x as a float, least <= x < below, or least <= x <= math.inf if below is None.

    name: of the argument; limit: the upper bound in words, both for errors. Raises TypeError or ValueError.
    """
    if hasattr(type(x), "__len__") or not is_number(x):
        raise TypeError(f"{name} must be a number, not {type(x).__name__!r}")
    try:
        as_float = float(x)
    except OverflowError:
        as_float = math.inf
    if not least <= as_float:
        raise ValueError(f"{name} must be at least 0, not {x!r}")
    if below is not None and as_float >= below:
        raise ValueError(f"{name} must be {limit}, not {x!r}")
    return as_float


def rate(name, x):
    """x as a float that may be a learning rate: finite, at least 0, or below it by no more than rounding errors."""
    return number(name, x, least=-ROUNDING)


def real(name, x):
    """x as a finite float. Raises TypeError or ValueError."""
    if hasattr(type(x), "__len__") or not is_number(x) or not math.isfinite(x):
        kind = ValueError if is_number(x) else TypeError
        raise kind(f"{name} must be a finite number, not {x!r}")
    return float(x)


def betas(name, x):
    """x as a tuple of two floats, both at least 0 and less than 1. Raises TypeError or ValueError."""
    try:
        first, second = x
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name} must be two numbers, not {x!r}") from None
    return tuple(number(f"{name}[{i}]", beta, 1, "less than 1") for i, beta in enumerate((first, second)))


def flag(name, x):
    """x as a bool; 0 and 1, as a file may have them, are bools too. Raises TypeError."""
    if hasattr(type(x), "__len__") or not (is_number(x) or type(x).__name__ == "bool_") or x not in (0, 1):
        raise TypeError(f"{name} must be True or False, not {x!r}")
    return bool(x)


def gather(params):
    """Values as Parameters of their engine. params: an iterable. Raises TypeError or ValueError."""
    try:
        values = tuple(params)
    except TypeError:
        if hasattr(type(params), "__iter__"):
            raise
        hint = f": give it {type(params).__name__}'s parameters()" if hasattr(type(params), "parameters") else \
            ": are the () of a call missing?" if callable(params) else \
            ": write [p]" if isinstance(params, AnyValue) else ""
        raise TypeError(f"params must be an iterable of Values, not {type(params).__name__!r}{hint}") from None
    where = getattr(params, "looked_through", "")
    if not values and where:
        raise ValueError(f"params is empty: there are no Values to optimise in {where}")
    kind = engine.Parameters if values and isinstance(values[0], engine.Value) else Parameters
    return kind(values)
