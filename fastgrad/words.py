"""Nodes in words and numbers: what the messages of detect_anomaly and the pages of explain are made of."""
import linecache
import os

from fastgrad.base import printable
from fastgrad.engine import Value
from fastgrad.operations import OPERATIONS

MADE_AT = "_made_at"    # detect_anomaly's attribute of a node: "file:line:function"
LONGEST_NAME = 20
INFIX = {x.symbol for x in OPERATIONS if x.n_operands == 2}     # what is written between its operands
ENGINE_S_BACKWARD = Value._backward     # whatever somebody gives the class later


def own(v, attribute):
    """What has been set on a Value itself, or None. (vars(v) would do, but that has side effects in the C engine.)"""
    return (v._attributes() or {}).get(attribute)


def has_own_backward(v):
    """Whether backward() calls a function that isn't the engine's, and so the local derivatives say nothing."""
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
    """The same in short, 'train.py:12 in loss', or ''."""
    if place(v) is None:
        return ""
    file, line, function = place(v)
    here = os.getcwd() + os.sep
    return f"{file[len(here):] if file.startswith(here) else file}:{line} in {function}"


def traceback_lines(place):
    """A place as a traceback shows it, with the line's text where that can be had."""
    if place is None:
        return ["  made outside of detect_anomaly(), so the line isn't known"]
    file, line, function = place
    text = linecache.getline(file, line).strip()
    return [f'  File "{file}", line {line}, in {function}'] + ([f"    {text}"] if text else [])


def number(x):
    """A number, rounded if it has many digits."""
    text = repr(x)
    return text if len(text) <= 10 or isinstance(x, int) else format(x, ".6g")


def shortened(text, length=LONGEST_NAME):
    text = printable(" ".join(str(text).split()))
    return text if len(text) <= length else text[:length - 3] + "..."


def label(v):
    return shortened(own(v, "label") or "")


def name(v, depth=2):
    """What a node goes by in a formula: its label, the number of a leaf, or how it was made, if that is short."""
    if label(v) or not v._operands:
        return label(v) or number(v.data)
    for below in range(depth - 1, -1, -1):
        text = formula(v, below)
        text = text if text.endswith(")") else f"({text})"
        if len(text) <= LONGEST_NAME:
            return text
    return "..." if depth == 0 else "(...)"


def formula(v, depth=2):
    """How a node was made: 'a * b'. depth: that of the names of its operands."""
    return written(v._op, [name(child, depth) for child in v._operands])


def equation(v, with_data=True):
    """A node in a line: 'c = a * b = 6.0', as much of it as there is."""
    parts = [label(v), formula(v) if v._operands else "", number(v.data) if with_data else ""]
    return " = ".join(part for part in parts if part)


def written(op, operands):
    """An operation on operands, both strings, as it's written in Python: 'a * b', 'a ** 3', 'exp(a)'."""
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
    """-2.0 as it's written below an exponent."""
    return f"({text})" if text.startswith("-") else text
