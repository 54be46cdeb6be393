"""What everything above it shares: the class that every Value is an instance of, and text that may be shown.

It imports nothing of fastgrad.
"""


class AnyValue:
    """A Value of either engine, or of a class that derives from one."""

    __slots__ = ()


def printable(text):
    """A text in one line: what can't be printed, such as an escape code, as Python writes it in a string."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def input_name(i, v):
    """What messages call a function's input number i, the Value v."""
    label = getattr(v, "label", "")
    return f"input {i} ({printable(str(label))})" if label else f"input {i}"
