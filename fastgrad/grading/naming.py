"""Name the mistake behind wrong numbers: which guess of wrong.py computes what the class computed?

A trial is (text, point, seen, wanted): an expression, its leaves' numbers, what the class gives, what is right.
"""
import math
import re

from fastgrad.grading import wrong
from fastgrad.grading.expressions import REFLECTED, is_same, right, verdict

PRESETS = {"a": 5.0, "b": 7.0}
NOT_CALLED = "backward() doesn't call it"


class Name:
    """A named mistake. code: its stable name. words: what to say after the example. operand: the leaf, or None.
    trial: the smallest one that shows it."""

    def __init__(self, code, words, trial, operand=None):
        self.code, self.words, self.trial, self.operand = code, words, trial, operand


def numbers_of(text, point):
    """The operands' numbers, left one first: x and y of the formulas; y is None if there's one operand."""
    symbol = re.fullmatch(r"(\S+) \S+ (\S+)", text)
    if symbol is None:
        return point["a"], None
    return tuple(point[name] if name in point else float(name) for name in symbol.groups())


def agrees(formula, cases):
    """Whether a formula computes what was found, in all cases where it computes anything; in some it isn't what is
    right. cases: (names, found, right)."""
    tried = [(value, found, wanted) for names, found, wanted in cases
             if (value := wrong.compute(formula, names)) is not None]
    return len(tried) >= min(2, len(cases)) and all(is_same(value, found) for value, found, _ in tried) \
        and any(not is_same(value, wanted) for value, _, wanted in tried)


def first_wrong_value(trials):
    return next((t for t in trials if t[2].value is not None and verdict(t[2].value, t[3].value) == "wrong"), None)


def wrong_operand(trials):
    """The first trial with a wrong gradient and the leaf's name, or (None, None)."""
    for trial in trials:
        for name, x in trial[2].grads.items():
            if verdict(x, trial[3].grads[name]) == "wrong":
                return trial, name
    return None, None


# ---- Values ----

def name_value(method, trials):
    """What is wrong with the numbers that a method gives."""
    trial = first_wrong_value(trials)
    cases = []
    for text, point, seen, wanted in trials:
        if seen.value is not None:
            x, y = numbers_of(text, point)
            cases.append(({"x": x, "y": y, "t": wanted.value}, seen.value, wanted.value))
    for formula, words in wrong.VALUES.get(REFLECTED.get(method, method), ()):
        if agrees(formula, cases):
            code = "int-float" if "//" in formula or "int(" in formula else "swapped-operands" \
                if "changed places" in words else "wrong-value"
            return Name(code, words, trial)
    for name, words in wrong.CUT:
        cut = getattr(math, name, round)
        if all(is_same(found, cut(wanted)) for _, found, wanted in cases):
            return Name("int-float", f"the result is {words} to a whole number", trial)
        if all(is_cut(cut, *t) for t in trials if t[2].value is not None):
            return Name("int-float", f"the operands are {words} to whole numbers", trial)
    return Name("wrong-value", "the formula isn't right", trial)


def is_cut(cut, text, point, seen, wanted):
    other = right(text, {name: float(cut(x)) for name, x in point.items()})
    return other is not None and is_same(other.value, seen.value)


# ---- Derivatives ----

def name_derivative(method, trials, tester):
    """What is wrong with the gradients of a single operation."""
    trial, operand = wrong_operand(trials)
    mine = [t for t in trials if operand in t[2].grads]
    found = [t[2].grads[operand] for t in mine]
    if not any(found):
        return name_nothing(method, trial, operand, tester)
    if (name := name_foreign_gradient(trial, operand, tester)) is not None:
        return name
    cases = []
    for text, point, seen, wanted in mine:
        x, y = numbers_of(text, point)
        cases.append(({"x": x, "y": y, "t": wanted.value, "r": wanted.grads[operand],
                       "da": seen.grads.get("a", math.nan)}, seen.grads[operand], wanted.grads[operand]))
    for guesses in (wrong.DERIVATIVES.get(method, ()), wrong.ANY_DERIVATIVE):
        for which, formula, words in guesses:
            if which in (None, operand) and agrees(formula, cases):
                code = "int-float" if "floor" in formula else "wrong-derivative"
                return Name(code, words, trial, operand)
    for factor, words in wrong.FACTORS:
        if (factor != "da" or operand != "a") and agrees(f"r * {factor}", cases):
            return Name("wrong-grad-used", words, trial, operand)
    return Name("wrong-derivative", "the local derivative isn't right", trial, operand)


def name_nothing(method, trial, operand, tester):
    """An operand gets no gradient at all."""
    text, point, seen, _ = trial
    it = tester.interface
    if it.holds(seen.root, seen.leaves[operand]) is False:
        return Name("missing-child", f"the operand isn't in the result's `{it.children}`", trial, operand)
    if (name := name_foreign_gradient(trial, operand, tester)) is not None:
        return name
    fresh, own = closures_of(it.leaf(1.0)), closures_of(seen.root)
    if (name := next((name for name in fresh if own.get(name) is fresh[name]), None)) and not any(seen.grads.values()):
        return Name("no-gradient", f"the result has no closure of its own: is `out.{name} = ...` missing?", trial,
                    operand)
    if name := next((name for name in own if tester.by_hand(text, point, name) == trial[3].grads), None):
        return Name("no-gradient", f"the result's `{name}` is right, and {NOT_CALLED}", trial, operand)
    return Name("no-gradient", f"nothing is added to the gradient of {operand}, or it's multiplied by a gradient that "
                               "is 0, such as `self.grad` where `out.grad` belongs", trial, operand)


def closures_of(node):
    """The code of the functions that a node holds, by attribute."""
    return {name: x.__code__ for name, x in getattr(node, "__dict__", {}).items() if hasattr(x, "__code__")}


def name_foreign_gradient(trial, operand, tester):
    """Whether a gradient other than out.grad is passed on. It's seen by giving the operands gradients before."""
    text, point, plain, wanted = trial
    presets = {name: PRESETS[name] for name in point if name in PRESETS}
    seen = tester.see(text, point, presets)
    if seen.error or not seen.grads:
        return None
    r, before = wanted.grads[operand], presets.get(operand, 0.0)
    without = plain.grads.get(operand, 0.0)
    if r == 0 or is_same(seen.grads[operand] - before, without):
        return None                             # the gradients before don't count
    for name, x in presets.items():
        for factor in filter(None, (x, seen.grads[name])):
            # added to what was there, or put in its place
            if is_same(seen.grads[operand], before + r * factor) or is_same(seen.grads[operand], r * factor):
                whose = "self.grad" if name == "a" else "other.grad"
                return Name("wrong-grad-used", f"`{whose}`, the operand's, where `out.grad` belongs: the gradient of "
                                               "the result", trial, operand)
    return None


def name_twice(trial, operand, singles):
    """An operand that is used twice gets a wrong gradient, though one that is used once gets the right one.

    singles: the contributions that it should get, in their order.
    """
    text, _, seen, wanted = trial
    found = seen.grads[operand]
    if any(is_same(found, x) for x in singles):
        return Name("assigned", "an operand that is used twice: `=` where `+=` belongs", trial, operand)
    return Name("wrong-derivative", "an operand that is used twice gets the sum of both gradients", trial, operand)


def name_equals(cls, trial, operand):
    """(method, Name): two nodes with the same number are taken for one."""
    has_eq = cls.__eq__ is not object.__eq__
    return "__eq__" if has_eq else "backward", Name(
        "equal-nodes", "two nodes with the same number are taken for one: " + (
            "`__eq__` compares numbers, and sets, dicts and `in` go by it. Leave it out" if has_eq else
            "it's the object that counts (`is`, `id`), not its number"), trial, operand)
