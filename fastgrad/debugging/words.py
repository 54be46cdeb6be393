"""Nodes as text, in words and numbers, for the messages of detect_anomaly and the pages of explain."""
import linecache
import os

from fastgrad.engine import Value
from fastgrad.value.base import is_of_cells, printable, shown_file
from fastgrad.value.operations import OPERATIONS

MADE_AT = "_made_at"    # the attribute in which detect_anomaly notes "file:line:function"
LONGEST_NAME = 20
INFIX = {x.symbol for x in OPERATIONS if x.n_operands == 2}     # symbols that are written between two operands
ENGINE_S_BACKWARD = Value._backward     # as it is at import, before anybody assigns another to the class


def own(v, attribute):
    """An attribute that was set on a Value itself, or None. (vars(v) isn't used: it has side effects in the C engine.)
    """
    return (v._attributes() or {}).get(attribute)


def has_own_backward(v):
    """Whether backward() calls another function than the engine's on v, so that the local derivatives say nothing."""
    return own(v, "_backward") is not None or type(v)._backward is not ENGINE_S_BACKWARD


def place(v):
    """Where a node was made: (file, line, function), or None if that wasn't noted."""
    return parsed(own(v, MADE_AT))


def parsed(made_at):
    if made_at is None:
        return None
    file, line, function = made_at.rsplit(":", 2)
    return file, int(line), function


def where(v):
    """Where a node was made, in short: 'train.py:12 in loss', or '' if that wasn't noted."""
    if place(v) is None:
        return ""
    file, line, function = place(v)
    here = os.getcwd() + os.sep
    file = shown_file(file) if is_of_cells(file) else file.removeprefix(here)
    return f"{file}:{line} in {function}"


def traceback_lines(place):
    """A place as the lines of a traceback, with the source line if it can be read."""
    if place is None:
        return ["  made outside of detect_anomaly(), so the line isn't known"]
    file, line, function = place
    text = linecache.getline(file, line).strip()
    file = shown_file(file) if is_of_cells(file) else file
    return [f'  File "{file}", line {line}, in {function}'] + ([f"    {text}"] if text else [])


def number(x):
    """A number as text; a long float is rounded to 6 digits."""
    text = repr(x)
    return text if len(text) <= 10 or isinstance(x, int) else format(x, ".6g")


def shortened(text, length=LONGEST_NAME):
    text = printable(" ".join(str(text).split()))
    return text if len(text) <= length else text[:length - 3] + "..."


def label(v):
    return shortened(own(v, "label") or "")


def name(v, depth=2):
    """A node's name in a formula: its label, a leaf's number, or else the formula that made it, if that's short.

    depth: the levels of operations, from the node down, that the name may write out.
    """
    if label(v) or not v._operands:
        return label(v) or number(v.data)
    for below in range(depth - 1, -1, -1):
        text = formula(v, below)
        text = text if text.endswith(")") else f"({text})"
        if len(text) <= LONGEST_NAME:
            return text
    return "..." if depth == 0 else "(...)"


def formula(v, depth=2):
    """The formula that made a node: 'a * b'. depth: the depth of its operands' names."""
    return written(v._op, [name(child, depth) for child in v._operands])


def equation(v, with_data=True):
    """A node as 'c = a * b = 6.0', without the parts that it doesn't have."""
    parts = [label(v), formula(v) if v._operands else "", number(v.data) if with_data else ""]
    return " = ".join(part for part in parts if part)


def written(op, operands):
    """An operation in Python's notation: 'a * b', 'a ** 3', 'exp(a)'. op: a string. operands: a list of strings."""
    op, n = shortened(op), len(operands)
    if n == 2 and op in INFIX:
        return f"{as_base(operands[0]) if op == '**' else operands[0]} {op} {operands[1]}"
    if n == 1 and op.startswith("**"):
        return f"{as_base(operands[0])} ** {op[2:]}"
    if n == 1 and op.endswith("**"):
        return f"{as_base(op[:-2])} ** {operands[0]}"
    operands = [x[1:-1] if x.startswith("(") and x.endswith(")") else x for x in operands]
    if n > 4:
        operands[3:] = [f"... {n - 3} more"]
    return f"{op or 'f'}({', '.join(operands)})"


def as_base(text):
    """A number's text as the base of a power: a negative number is put in brackets."""
    return f"({text})" if text.startswith("-") else text
