"""An experiment as a learner would write it: "u = a * b; u * u", with a, b, c for the leaves.

An experiment is a function of Values (trials.py). It's called with terms instead, which note what is done to them.
"""
import string

from fastgrad.value.operations import OPERATIONS

LONGEST = 60        # characters


class Term:
    """What an operation gives: its text with {} for each operand, and the operands, which are Terms or numbers."""

    def __init__(self, text, *operands):
        self.text, self.operands, self.n_uses = text, operands, 0
        for x in operands:
            if isinstance(x, Term):
                x.n_uses += 1

    def __neg__(self):
        return Term("-{}", self)

    def __abs__(self):
        return Term("abs({})", self)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda: Term("{}." + name + "()", self)


def _add_operator(operation):
    text = f"{{}} {operation.symbol} {{}}"
    setattr(Term, operation.method, lambda self, other: Term(text, self, other))
    setattr(Term, operation.reflected, lambda self, other: Term(text, other, self))


for _operation in OPERATIONS:
    if _operation.n_operands == 2:
        _add_operator(_operation)


def names(n):
    """The names of n leaves."""
    return string.ascii_lowercase[:n]


def written(make, n):
    """The text of an experiment with n leaves; None if it's too long to be read, or does something else."""
    try:
        root = make(*map(Term, names(n)))
        statements, named = [], {}
        text = _text(root, statements, named, iter("uvwxyz"))
    except Exception:
        return None
    text = "; ".join([*statements, text])
    return text if len(text) <= LONGEST else None


def _text(x, statements, named, unused):
    """A term's text. Those that are used several times get a name, and a statement."""
    if not isinstance(x, Term):
        return repr(x)
    if x in named:
        return named[x]
    parts = [_text(operand, statements, named, unused) for operand in x.operands]
    text = x.text.format(*[f"({part})" if " " in part and x.text != "abs({})" or part[0] == "-" and i == 0 else part
                           for i, part in enumerate(parts)])
    if x.n_uses > 1 and x.operands:
        named[x] = next(unused)
        statements.append(f"{named[x]} = {text}")
        return named[x]
    return text


def point(values):
    """A point in words: "a = 2, b = 0.5"."""
    return ", ".join(f"{name} = {x!r}" for name, x in zip(names(len(values)), values))
