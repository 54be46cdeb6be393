"""What both engines ask of arguments: what is a number, how it's stored, and what the constructor is given, with both
dialects' names for that."""

NOT_REAL = frozenset("cSUTMm")      # kinds of NumPy's dtypes: complex, bytes, two of text, times and spans of time
NO_SLOPE = ": x ** 0 is 1, but microgpt's formula for its derivative, 0 * 0.0 ** -1, has no value"

EXACT = 2 ** 53     # every integer up to here, in magnitude, is a double


def is_number(x):
    """Whether x can be taken for a real number: it has __float__ or __index__, and isn't NumPy's text, raw bytes, a
    complex number or a time, which have these as well."""
    kind = type(x)
    if not (hasattr(kind, "__float__") or hasattr(kind, "__index__")):
        return False
    if isinstance(x, (str, bytes, bytearray)) or kind.__name__ == "void":
        return False
    return not hasattr(kind, "dtype") or getattr(x.dtype, "kind", "") not in NOT_REAL


def rounded(x):
    """A number as it is stored: an integer beyond 2**53 becomes a float, rounded once."""
    return float(x) if type(x) is int and abs(x) > EXACT else x


def parse(children, op_or_local_grads, named):
    """Children, op and local gradients, with defaults; raises TypeError for a name that is unknown or there twice.

    children, op_or_local_grads: the second and third argument, or None. named: a dict of all others.
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
    """The value of the one argument among names that was given, or None."""
    given = [name for name in names if name in named]
    if len(given) > 1:
        raise TypeError(f"Value() got both {given[0]!r} and {given[1]!r}")
    return named.pop(given[0]) if given else None
