"""Decide whose mistake it is, where several methods show it: a method's, backward()'s, or `__eq__`'s."""
from fastgrad.grading import naming, sources
from fastgrad.grading.expressions import EQUALS, PAIRS, right
from fastgrad.grading.naming import Name
from fastgrad.grading.within import from_above, unreached


def settle_passing_on(exam):
    """What + and * have in common, though it isn't in their own code, is backward()'s mistake. It's reported once."""
    for code, find in (("assigned", not_in_methods), ("wrong-grad-used", not_in_methods),
                       ("no-gradient", not_in_methods), ("chain-rule", from_above_or_below),
                       ("raises", in_backward), ("endless-recursion", in_backward),
                       ("no-end", in_backward)):
        mine = find(exam, code)
        needed = {"__mul__"} if code == "chain-rule" else {"__add__", "__mul__"}
        if needed <= {x["method"] for x in mine} and (code != "chain-rule" or len(mine) > 1 or mine[0]["code"] == code):
            give_to_backward(exam, code, mine)


def not_in_methods(exam, code):
    """The findings with a code, in methods that don't pass gradients on themselves, or that do it right by hand."""
    return [x for x in exam.data["findings"] if x["code"] == code and (
        naming.NOT_CALLED in x["message"] or not sources.mentions(
            sources.function_of(exam.cls, x["method"]), exam.interface.grad))]


def from_above_or_below(exam, code):
    """The same for what was found with a product above, or with a result below."""
    return [x for kind in (code, "wrong-derivative") for x in not_in_methods(exam, kind)
            if x["example"]["expression"].startswith("u = ") or x["example"]["expression"].endswith(" * c")]


def in_backward(exam, code):
    """The findings of errors that come in backward() in the same line."""
    found = [x for x in exam.data["findings"] if x["code"] == code and x["example"]["what"] == "gradient"]
    return [x for x in found if x["line"] == found[0]["line"]]


def give_to_backward(exam, code, mine):
    """Make one finding of backward()'s of those of several methods."""
    exam.backward_is_wrong = True
    first, methods = mine[0], {x["method"] for x in mine}
    for row in exam.data["methods"]:
        if row["method"] in methods:
            row["note"] = "backward() is wrong"
    exam.data["findings"] = [x for x in exam.data["findings"] if x is first or x not in mine]
    first.update(code=code, method="backward")
    if code == "no-gradient":
        first["message"] = first["message"].partition("; ")[0] + "; backward() adds nothing to the operands' gradients"
    if first["example"]["what"] != "gradient":
        first["line"], first["source"] = exam.place("backward", Name(code, "", None)) or (None, None)


def settle_equals(exam):
    """Whether nodes with equal numbers are taken for one. Other expressions may have some by chance."""
    text, point = EQUALS[0]
    trial = text, point, exam.tester.see(text, point), right(text, point)
    if not trial[2].error and (operand := naming.wrong_operand([trial])[1]):
        exam.find(*naming.name_equals(exam.cls, trial, operand))
        exam.merges_equals = True


def settle_inner(exam):
    """If + and * both don't reach what's below, it's backward(); if one of them does, it's the other."""
    if len(exam.inner) == 2:
        trial, operand = exam.inner["__add__"]
        exam.backward_is_wrong = True
        exam.find("backward", Name(
            "no-topological-order", "the nodes below the root don't pass their gradients on, or do it before they "
            "have them: all of them, from the root to the leaves, `reversed(topo)`", trial, operand))
        return
    rows = {x["method"]: x for x in exam.data["methods"]}
    for method, (trial, operand) in exam.inner.items():
        exam.blame(method, rows[method], unreached(exam, trial, operand, None))
    if exam.is_right("__add__") and exam.is_right("__mul__"):     # a sum within a product couldn't be tried before
        exam.blame("__add__", rows["__add__"], from_above(exam, "__add__", None, "a + b", PAIRS))
