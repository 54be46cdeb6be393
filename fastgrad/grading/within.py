"""Examine a method's gradients within other operations: a gradient from above that isn't 1, an operand that is a node
itself, an operand that is used twice. The other operations are + and *, where they have been found right.
"""
from fastgrad.grading import naming
from fastgrad.grading.expressions import SYMBOLS, expressions_of, is_same, oracle_text, right
from fastgrad.grading.naming import Name


def joiner(exam, method):
    return next((SYMBOLS[m] for m in (method, "__add__", "__mul__") if m in ("__add__", "__mul__")
                 and (m == method or exam.is_right(m))), None)


def examine_within(exam, method, alias, row):
    """A gradient from above that isn't 1; an operand that is a node; an operand that is used twice."""
    text, points = expressions_of(method, alias)[0]
    found = hung_on_operand(exam, text, points[0], oracle_text(text, alias, method)) \
        or from_above(exam, method, alias, text, points) or node_below(exam, method, alias, text, points)
    if method not in exam.inner:
        exam.blame(method, row, found or used_twice(exam, method, alias, text, points))


def hung_on_operand(exam, text, point, oracle):
    """The result's closure becomes an operand's: `self._backward = _backward`."""
    seen = exam.tester.see(text, point)
    if seen.error:
        return None
    fresh = naming.closures_of(exam.interface.leaf(1.0))
    for leaf in seen.leaves.values():
        for name, code in naming.closures_of(leaf).items():
            if fresh.get(name) is not code and naming.closures_of(seen.root).get(name) is fresh.get(name):
                trial = text, point, seen, right(oracle, point)
                return Name("wrong-closure", f"`{text}`: the closure becomes the operand's, and the next result with "
                            f"the same operand replaces it: `out.{name} = ...`, not `self.{name} = ...`", trial)
    return None


def compare(exam, text, point, alias, method):
    """(trial, the leaf whose gradient is wrong or None). None if there's nothing to compare."""
    wanted = right(oracle_text(text, alias, method), point)
    if wanted is None:
        return None
    trial = text, point, exam.tester.see(text, point), wanted
    if trial[2].error:
        return trial, None
    return trial, naming.wrong_operand([trial])[1]


def used_twice(exam, method, alias, text, points):
    """In the joined expressions the root adds to the gradient of `a` first, whatever the order of backward()."""
    single = {point["a"]: right(oracle_text(text, alias, method), {**point, "b": point["a"]} if "b" in point else point)
              for point in points}
    texts = [(text.replace("b", "a"), None)] if " b" in text else []
    if join := joiner(exam, method):
        texts.append((f"{within(text)} {join} a", f"{within(text)} {join} d"))
        if " b" in text:
            turned = text.replace("a", "_").replace("b", "a").replace("_", "b")
            texts.append((f"{within(turned)} {join} a", f"{within(turned)} {join} d"))
    for twice, apart in texts:
        for point in points:
            if apart is None:
                point = {"a": point["a"]}
            found = compare(exam, twice, point, alias, method)
            if found is None or found[1] != "a":
                continue
            parts = single[point["a"]].grads.values() if apart is None else \
                [right(oracle_text(apart, alias, method), {**point, "d": point["a"]}).grads[name] for name in "ad"]
            return naming.name_twice(found[0], "a", parts)
    return None


def from_above(exam, method, alias, text, points):
    """The result is an operand of a product: its gradient is the other operand."""
    if method != "__mul__" and not exam.is_right("__mul__"):
        return None
    trials = []
    for point in points:
        found = compare(exam, f"{within(text)} * c", {**point, "c": 5.0}, alias, method)
        if found is not None and found[1] is not None:
            trials.append((*found, point))
    if not trials:
        return None
    trial, operand, point = trials[0]
    if method in ("__add__", "__mul__") and not any(trial[2].grads[name] for (trial, name, _) in trials):
        return None             # nothing arrives: node_below says why
    single = right(oracle_text(text, alias, method), point)
    if operand in single.grads and is_same(trial[2].grads[operand], single.grads[operand]):
        return Name("chain-rule", "the gradient that comes from above is left out: multiply by `out.grad`", trial,
                    operand)
    if trial[2].grads[operand] == 0:
        return Name("no-gradient", "nothing arrives if the result is used further", trial, operand)
    return Name("wrong-derivative", "the gradient from above, `out.grad`, has to be multiplied in once", trial, operand)


def node_below(exam, method, alias, text, points):
    """An operand is a node with operands of its own, which have to be reached."""
    maker = next((SYMBOLS[m] for m in (method, "__mul__", "__add__") if m in ("__add__", "__mul__")
                  and (m == method or exam.is_right(m))), None)
    if maker is None:
        return None
    c = 5.0 if "b" in points[0] else 0.5
    for name in (x for x in "ab" if x in points[0]):
        below = text.replace(name, "u") if "." not in text else text.replace("a.", "u.", 1)
        for point in points:
            expression = f"u = {name} {maker} c; {below}"
            found = compare(exam, expression, {**point, "c": c}, alias, method)
            if found is None or found[1] is None:
                continue
            trial, operand = found
            seen = trial[2]
            holds = exam.interface.holds(seen.root, seen.names["u"])
            if seen.grads[operand] == 0 and holds is not False and method in ("__add__", "__mul__"):
                exam.inner[method] = trial, operand
                return None
            if seen.grads[operand] == 0:
                return unreached(exam, trial, operand, holds)
            return Name("wrong-derivative", "an operand that is itself a result gets a wrong gradient", trial, operand)
    return None


def unreached(exam, trial, operand, holds):
    where = f"`{exam.interface.children}`" if exam.interface.children else "the operands"
    words = f"the operand u isn't in {where} of the result" if holds is False else \
        f"the gradient doesn't get below u: is the operand in {where} of the result?"
    return Name("missing-child", f"{words}, so that backward() doesn't reach it", trial, operand)


def within(text):
    """An expression as an operand of + and *."""
    return text if text.endswith(")") or "**" in text else f"({text})"
