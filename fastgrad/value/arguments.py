"""Checks of arguments for both engines: which objects are numbers, what is said of others, how a number is stored, and
the constructor's arguments under the names of both dialects."""
import operator

NOT_REAL = frozenset("cSUTMm")      # kinds of NumPy's dtypes: complex, bytes, two of text, times, spans of time
NO_SLOPE = ": x ** 0 is 1, but microgpt's formula for its derivative, 0 * 0.0 ** -1, has no value"

NO_GRAD = "grad holds a number, not None: use 0, or zero_grad()"
# How the engine's own errors begin, about what a Value doesn't hold.
REFUSALS = "a Value holds a number", "grad holds a number", "children are Values", "int "

EXACT = 2 ** 53     # a double holds every integer of at most this magnitude


def is_number(x):
    """Whether x counts as a real number: it has __float__ or __index__, and isn't text, bytes, or one of NumPy's
    complex numbers or times, which may have these methods too."""
    kind = type(x)
    if not (hasattr(kind, "__float__") or hasattr(kind, "__index__")):
        return False
    if isinstance(x, (str, bytes, bytearray)) or kind.__name__ == "void":
        return False
    return not hasattr(kind, "dtype") or getattr(x.dtype, "kind", "") not in NOT_REAL


def count(name, n):
    """n as an int of at least 1. name: of the argument, for errors. Raises TypeError or ValueError."""
    try:
        whole = operator.index(n)
    except TypeError:
        raise TypeError(f"{name} must be an int, not {type(n).__name__!r}") from None
    if whole < 1:
        raise ValueError(f"{name} must be at least 1, not {whole}")
    return whole


def not_a_number(x):
    """The text of the TypeError about an object in place of a number: what it is, and what to write instead."""
    kind, advice = type(x), ""
    if x is None:
        return "a Value holds a number, not None (which is what a function without `return` gives)"
    if isinstance(x, str):
        try:
            float(x)
            advice = f": write float({str(x)!r})" if len(x) < 30 else ": write float(...)"
        except ValueError:
            pass
    elif hasattr(kind, "__len__") and hasattr(kind, "__iter__") and not isinstance(x, (bytes, bytearray, dict)):
        advice = ": make a Value of each, [Value(x) for x in xs]"
    elif isinstance(x, complex):
        advice = ": take its .real"
    elif callable(x) and not isinstance(x, type):
        advice = ": are the () of a call missing?"
    return f"a Value holds a number, not {kind.__name__!r}{advice}"


def note_derivative(error, formula, at):
    """Say in a note to a Python error that a derivative has raised it, and not the operation itself. Python 3.10 has no
    notes. formula: the operation's, such as 'x ** 0.5'. at: the number x."""
    if hasattr(error, "add_note"):
        what = "is too large for a float" if isinstance(error, OverflowError) else "isn't finite"
        error.add_note(f"the derivative of {formula} at x = {at!r} {what} (no_grad() takes no derivatives)")


def power_formula(n):
    """x ** n in words."""
    return f"x ** {n!r}" if not isinstance(n, int) or abs(n) <= EXACT else "x ** n"


def rounded(x):
    """x as a node stores it: an int beyond 2**53 becomes a float, rounded once."""
    return float(x) if type(x) is int and abs(x) > EXACT else x


def parse(children, op_or_local_grads, named):
    """The constructor's arguments after data, as a tuple (children, op, local_grads), with defaults.

    children, op_or_local_grads: the second and third argument, or None. named: a dict of all others. Raises TypeError
    if a name is unknown, or if an argument is given twice.
    """
    if not named:
        children = () if children is None else children
        if op_or_local_grads is None:
            return children, "", ()
        if isinstance(op_or_local_grads, str):
            return children, op_or_local_grads, ()
        return children, "", op_or_local_grads
    if children is not None:
        named["children"] = children
    if op_or_local_grads is not None:
        third = "op" if isinstance(op_or_local_grads, str) else "local_grads"
        if third in named:
            raise TypeError(f"Value() got {third!r} twice")
        named[third] = op_or_local_grads
    children = _only_one(named, "children", "_children", "_prev")
    op = _only_one(named, "op", "_op")
    local_grads = _only_one(named, "local_grads", "_local_grads")
    if named:
        raise TypeError(f"Value() got an unexpected keyword argument {next(iter(named))!r}")
    return (() if children is None else children, op or "", () if local_grads is None else local_grads)


def _only_one(named, *names):
    """Take the one argument with one of these names out of `named`. Returns it, or None if it wasn't given."""
    given = [name for name in names if name in named]
    if len(given) > 1:
        raise TypeError(f"Value() got both {given[0]!r} and {given[1]!r}")
    return named.pop(given[0]) if given else None
