"""What became of the loops of this process, for --report and --profile: keep() before any code is compiled.

If nobody asks, nothing is kept, and a loop goes with the code that it's in.
"""
import os
from collections import Counter

from fastgrad.engine import Loop
from fastgrad.value.base import shown_file

OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

kept: list = []             # a Found for each piece of code that has been rewritten


class Found:
    """The loops of a piece of code, and what has been left to Python: (line, reason)."""

    def __init__(self, rewriter):
        self.file = rewriter.filename
        self.loops = [each for each in rewriter.loops.values() if isinstance(each, Loop)]
        self.left = sorted(set(rewriter.left))


def keep():
    """From now on keep what becomes of loops."""
    from fastgrad.loops.rewriting import when_rewritten
    if note not in when_rewritten:
        when_rewritten.append(note)


def note(rewriter):
    if not rewriter.filename.startswith(OURS):
        kept.append(Found(rewriter))


def lines():
    """The report's lines: what C has run, what it has declined, and what isn't of the grammar."""
    loops = sorted((loop for found in kept for loop in found.loops), key=lambda loop: (loop.file, loop.line))
    left = Counter((found.file, *each) for found in kept for each in found.left)
    return [*table("fastgrad: loops that C ran", [(loop.file, loop.line, told(loop)) for loop in loops if loop.runs]),
            *table("fastgrad: loops that it could have run", [(loop.file, loop.line, told(loop)) for loop in loops
                                                              if not loop.runs]),
            *table("fastgrad: loops that are Python's", sorted((file, line, why) for file, line, why in left))]


def table(title, rows):
    if not rows:
        return []
    wheres = [f"{shown_file(file)}:{line}" for file, line, _ in rows]
    width = max(14, *map(len, wheres))
    return [title, *(f"    {where:<{width}} {what}" for where, (_, _, what) in zip(wheres, rows))]


def told(loop):
    """What became of a loop, in words."""
    parts = [loop.what]
    if loop.runs:
        n = number(loop.elements / loop.runs)
        parts.append(f"{times(loop.runs)}, {n} element{'s' * (n != '1')}{' on average' * (loop.runs > 1)}")
    if loop.declines:
        n, reasons = sum(loop.declines.values()), sorted(loop.declines.items(), key=lambda item: -item[1])
        why = "; ".join(reason if len(reasons) == 1 else f"{reason} ({k:,})" for reason, k in reasons)
        parts.append(f"declined {times(n)}{', and now mostly left to Python' if loop.pause else ''}: {why}")
    elif not loop.runs:
        parts.append("not run" if loop.is_on else "left as it is by fuse(False)")
    return ", ".join(parts)


def times(n):
    return "once" if n == 1 else f"{n:,} times"


def number(x):
    return f"{x:,.0f}" if x == int(x) else f"{x:,.1f}"
