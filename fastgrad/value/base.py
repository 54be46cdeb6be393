"""What everything above it shares: the class that every Value is an instance of, and text that may be shown.

It imports nothing of fastgrad.
"""
import os
import sys


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


def shown_file(file):
    """A file's name without its folder; of a cell of a notebook "cell 3", if IPython knows its number."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None
    number = getattr(getattr(shell, "compile", None), "_filename_map", {}).get(file)
    return os.path.basename(file) if number is None or not is_of_cells(file) else f"cell {number}"


def is_of_cells(file):
    """Whether IPython has made a file's name from a cell's number or text, and nobody would know it again."""
    return file.startswith("<ipython-input-") or f"{os.sep}ipykernel_" in file
