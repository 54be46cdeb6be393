"""explain: how one Value was made, its local derivatives, and the chain-rule sum that gives its grad, on one screen."""
import math
import textwrap

from fastgrad.debugging import words
from fastgrad.engine import Value
from fastgrad.value.arguments import rounded
from fastgrad.value.base import printable
from fastgrad.value.grad_mode import no_grad
from fastgrad.value.operations import OPERATIONS
from fastgrad.value.public import public

WIDTH = 100                 # of the screen, in columns
SHOWN = 8                   # operands, or uses, that are listed
LONGEST_FORMULA = 46        # in characters, so that lines fit

# What `_op` shows: the formulas of the local derivatives, one per operand. The operands are a, or a and b.
FORMULAS = {x.shown: x.derivatives for x in OPERATIONS if x.derivatives}
CALLS = {x.shown: x.call for x in OPERATIONS if x.derivatives}


class Explanation(str):
    """A string that is its own repr, so that a prompt or a notebook shows the text."""

    __slots__ = ()

    def __repr__(self):
        return str(self)


@public
def explain(v, root=None):
    """Explain a Value on one screen: how it was made, its local derivatives, and the sum that gives its grad.

    v: a Value. root: the Value whose `backward()` was called; the sum is then over the graph below it, in backward's
    own order. Without root the sum is over all living Values that were made from v.

    Returns a string, which a prompt shows as print() does. Raises TypeError if v or root isn't a Value, and ValueError
    if v isn't below root. Changes nothing.
    """
    for x in (v,) if root is None else (v, root):
        if not isinstance(x, Value):
            raise TypeError(f"explain takes Values, not {type(x).__name__!r}")
    parents = _parents(v, root)
    lines = _making(v) + [""] + _local_derivatives(v) + [""] + _chain_rule(v, parents, root)
    return Explanation("\n".join(map(printable, lines)))


def _parents(v, root):
    """The Values that were made from v, in the order in which backward() visits them."""
    if root is None:
        return v._parents()[::-1]
    nodes = root._topological()
    if not any(node is v for node in nodes):
        raise ValueError(f"{words.equation(v)} isn't below the root, {words.equation(root)}")
    return [node for node in reversed(nodes) if any(child is v for child in node._operands)]


def _sentences(text, indent=""):
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def is_close(x, y):
    return math.isclose(x, y, rel_tol=1e-9) or x != x and y != y


def _called(v):
    """The name of v in a sentence."""
    return words.label(v) or "this value"


# How it was made.

def _making(v):
    if not v._operands:
        lines = _sentences(f"{words.equation(v)}: a leaf, not made from other Values (or made under no_grad())")
    else:
        symbols, numbers = words.formula(v), words.written(v._op, [words.number(child.data) for child in v._operands])
        parts = [words.label(v), symbols, numbers if numbers != symbols else "", words.number(v.data)]
        parts = [words.shortened(part, WIDTH - 6) for part in parts if part]
        lines = [" = ".join(parts)] if len(" = ".join(parts)) <= WIDTH else "\n    = ".join(parts).split("\n")
        today = recomputed(v)
        if today is not None and not is_close(today, v.data):
            lines += _sentences("(Somebody has assigned to .data since: from the operands as they are now it would be "
                                f"{words.number(today)}. The local derivatives are of the time when it was made.)",
                                indent="  ")
    place = words.where(v)
    return lines + ([f"  made at {place}"] if place else [])


def recomputed(v):
    """The result of v's operation on its operands' present data; None if the operation isn't built in, or has none."""
    if not formulas_of(v) or v._op == "ReLU" and math.isnan(v._operands[0].data):     # nan or 0, by the dialect
        return None
    op, operands = v._op, [Value(child.data) for child in v._operands]
    try:
        with no_grad():
            if op in CALLS:
                return CALLS[op](*operands).data
            if op.startswith("**"):
                return (operands[0] ** _parsed(op[2:])).data
            return (_parsed(op[:-2]) ** operands[0]).data
    except (ArithmeticError, ValueError):
        return None


def _parsed(text):
    try:
        return int(text)
    except ValueError:
        return float(text)


# Local derivatives.

def formulas_of(v):
    """The formulas of v's local derivatives, one per operand; () if v's operation isn't built in."""
    op, n = v._op, len(v._operands)
    if not n or len(v._local_grads) != n or not isinstance(op, str):
        return ()
    if op in FORMULAS:
        return FORMULAS[op] if len(FORMULAS[op]) == n else ()
    try:
        if n == 1 and op.startswith("**"):
            exponent = _parsed(op[2:])
            return (f"{exponent} * {{base}} ** {words.as_base(str(exponent - 1))}",)
        if n == 1 and op.endswith("**"):
            base = _parsed(op[:-2])
            return (f"log({base}) * {words.as_base(str(base))} ** {{a}}",)
    except ValueError:
        pass
    return ()


def _local_derivative(v, i):
    """The derivative of v by its operand i: 'formula = number', or the number alone if there's no short formula."""
    local, formulas = words.number(v._local_grads[i]), formulas_of(v)
    if not formulas:
        return local
    a, *rest = map(words.name, v._operands)
    formula = formulas[i].format(a=a, b=rest[0] if rest else "", base=words.as_base(a))
    return local if formula == local or len(formula) > LONGEST_FORMULA else f"{formula} = {local}"


def _local_derivatives(v):
    children, called = v._operands, _called(v)
    if not children:
        return ["Its local derivatives: none, as it has no operands."]
    if words.has_own_backward(v):
        return _sentences("Its local derivatives aren't known: backward() calls a _backward that isn't the engine's, "
                          "and that adds what it will.")
    if not v._local_grads:
        return ["Its local derivatives: none were given, so backward() passes nothing on from here."]
    lines = [f"Its local derivatives, how fast {called} changes with each operand:"]
    names = [words.name(child) for child in children[:SHOWN]]
    width = max(map(len, names))
    for i, name in enumerate(names):
        derivative = _local_derivative(v, i) if i < len(v._local_grads) else "none was given"
        lines.append(f"    by {name + ':':<{width + 1}}  {derivative}")
    return lines + ([f"    ... and {len(children) - SHOWN} more"] if len(children) > SHOWN else [])


# The chain rule.

def _terms(v, parents):
    """What each use of v adds to its grad: (parent, grad of the parent, local derivative, their product). The last two
    are None if the parent has a `_backward` of its own, which makes them unknown."""
    terms = []
    for parent in parents:
        if words.has_own_backward(parent):
            terms.append((parent, parent.grad, None, None))
            continue
        for child, local in zip(parent._operands, parent._local_grads):
            if child is v:
                terms.append((parent, parent.grad, local, rounded(local * parent.grad)))
    return terms


def _chain_rule(v, parents, root):
    called, terms = _called(v), _terms(v, parents)
    grad = words.number(v.grad)
    if v is root:
        but = f" But it's {grad}: backward() hasn't been called, or somebody has set it."
        return _sentences("Its grad: backward() starts here, and sets it to 1." + (but if v.grad != 1 else ""))
    if not terms:
        return [f"Its grad: {grad}.", *_sentences(_why_without_terms(v, parents))]
    lines = _sentences(f"Its grad, by the chain rule the sum over all uses of {called}, of the result's grad * its "
                       "local derivative:")
    known = [term for *_, term in terms if term is not None]
    shown, rest = terms, []
    if len(terms) > SHOWN:
        by_size = sorted(terms, key=lambda use: -abs(use[3]) if use[3] is not None else -math.inf)
        shown, rest = by_size[:SHOWN], by_size[SHOWN:]
    equations = [words.shortened(words.equation(parent, with_data=False), LONGEST_FORMULA) for parent, *_ in shown]
    width = max(map(len, equations))
    for equation, (parent, above, local, term) in zip(equations, shown):
        product = ("not known, as it has a _backward of its own" if term is None else
                   f"{words.number(above)} * {words.number(local)} = {words.number(term)}")
        lines.append(f"    {equation:<{width}}    {product}")
    if rest:
        together = sum(term for *_, term in rest if term is not None)
        lines.append(f"    ... and {len(rest)} more, together {words.number(together)}")
    return lines + _sentences(_verdict(v, known, len(terms) - len(known), root))


def _why_without_terms(v, parents):
    if parents:
        return "What was made from it has no local derivatives, so nothing is passed on."
    if v.grad == 1:
        return "No living Value was made from it. backward() sets the grad of the Value that it's called on to 1."
    if v.grad == 0:
        return "No living Value was made from it, and backward() hasn't been called on it."
    return ("No living Value was made from it. Those that passed this on are gone, as a loss is after a training step, "
            "or somebody has set it.")


def _verdict(v, known, n_unknown, root):
    """A sentence that says whether the known terms add up to the grad, and if not, what the probable reason is."""
    total = 0
    for term in known:
        total = rounded(total + term)
    grad, its_grad = v.grad, f"{words.label(v)}.grad" if words.label(v) else "its grad"
    if n_unknown:
        return (f"The known terms add up to {words.number(total)}, and {its_grad} is {words.number(grad)}: if it was 0 "
                f"before, the others have added {words.number(grad - total)}.")
    if total == grad == 0 and not any(known):
        return (f"The sum is 0, and so is {its_grad}: backward() hasn't come by, zero_grad() has, or what is above "
                "doesn't depend on it.")
    if total == grad or total != total and grad != grad:
        return f"The sum is {words.number(total)}, and that is {its_grad}, to the last bit."
    if is_close(total, grad):
        order = "" if root is not None else " (explain(v, root=...) adds in backward's own order)"
        return f"The sum is {words.number(total)}, and that is {its_grad}, but for rounding{order}."
    sums = f"The sum is {words.number(total)}, but {its_grad} is {words.number(grad)}: "
    if grad == 0:
        return sums + "it has been set to 0 since, or backward() hasn't come to its end."
    return sums + ("backward() has been called more than once without zero_grad() in between"
                   + (", Values made from it that are gone now have" if root is None else ", another graph has")
                   + " added to it too, or somebody has set it.")
