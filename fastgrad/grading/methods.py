"""Examine a class's methods: each alone, then with numbers as operands (operands.py), then within others (within.py).

Later methods are made of earlier ones, so that a mistake is found where it is.
"""
from fastgrad.grading import naming
from fastgrad.grading.examination import shown
from fastgrad.grading.expressions import (ALIASES, FUNCTION_NAMES, OPERATORS, REFLECTED, SYMBOLS, expressions_of,
                                          oracle_text, right, verdict)
from fastgrad.grading.operands import try_exponents, try_numbers
from fastgrad.grading.requirements import SETS
from fastgrad.grading.settling import settle_equals, settle_inner, settle_passing_on
from fastgrad.grading.within import examine_within

ORDER = ("right", "rounding", "untried", "wrong", "raises", "missing")
DELIBERATE = ("AssertionError", "TypeError", "NotImplementedError", "ValueError")


def examine_methods(exam, progress):
    """Examine all methods. progress: a function that is told which one is next."""
    for method in OPERATORS:
        progress(method)
        examine(exam, method)
        if method == "__mul__":
            settle_inner(exam)
            if exam.takes_numbers.get("__add__") is False and exam.takes_numbers.get("__mul__"):
                try_numbers(exam, "__add__", exam.data["methods"][0])
                exam.data["methods"][0]["failed"] |= bool(exam.faulty["__add__"])
            if exam.is_right("__add__") and exam.is_right("__mul__"):
                settle_equals(exam)
    aliases = {right_name: name for name, right_name in ALIASES.items()
               if not hasattr(exam.cls, right_name) and callable(getattr(exam.cls, name, None))}
    for method in FUNCTION_NAMES:
        progress(method)
        examine(exam, method, aliases.get(method))
    settle_passing_on(exam)
    if exam.takes_numbers and not any(exam.takes_numbers.values()):
        exam.remark("its operators take instances only, no plain numbers (`a + 2` raises)")


def examine(exam, method, alias=None):
    """Examine one method. alias: the class's own name of it."""
    has = callable(getattr(exam.cls, alias or method, None))
    row = {"method": alias or method, "shown": shown(method, alias), "value": "missing", "gradient": "missing",
           "required": method in (exam.required if exam.required is not None else SETS["basic"]),
           "failed": False, "note": ""}
    exam.data["methods"].append(row)
    if method in REFLECTED and exam.required is None and method != "__rpow__":
        row["required"] = bool(exam.takes_numbers.get(REFLECTED[method]))
    trials = [] if not has and method in FUNCTION_NAMES else tried_on(exam, method, alias)
    if not trials or not has and all(seen.kind in ("TypeError", "AttributeError") for *_, seen, _ in trials):
        missing(exam, method, row)
        return
    exam.faulty[method] = set()
    judge(exam, method, row, trials)
    try_numbers(exam, method, row)
    if method == "__pow__" and not exam.faulty[method]:
        try_exponents(exam, row)
    if not exam.faulty[method] and row["gradient"] in ("right", "rounding") and not exam.backward_is_wrong:
        examine_within(exam, method, alias, row)
    row["failed"] = bool(exam.faulty[method])


def tried_on(exam, method, alias):
    """The trials of a method alone."""
    found = []
    for text, points in expressions_of(method, alias):
        for point in points:
            wanted = right(oracle_text(text, alias, method), point)
            if wanted is not None:
                found.append((text, point, exam.tester.see(text, point), wanted))
                if found[-1][2].kind == "TimeUp":
                    return found
    return found


def missing(exam, method, row):
    """A method that isn't there."""
    if not row["required"]:
        return
    row["failed"] = True
    if method in REFLECTED:
        forward = SYMBOLS[REFLECTED[method]]
        error = exam.tester.see(f"2 {forward} a", {"a": 2.0}).error
        exam.add(method, "missing-reflected", f"`2 {forward} a` raises {error}; `a {forward} 2` works: "
                 f"`{method}` is missing, which Python calls when the left operand is a number"
                 + (" (so does sum(), which starts with 0 + a)" if method == "__radd__" else ""))
    else:
        exam.add(method, "missing-method", f"`{row['shown']}` doesn't work: `{method}` is missing")


def judge(exam, method, row, trials):
    """Fill the row from expressions with one call of the method, and name what is wrong."""
    if method == "__pow__":
        trials = only_deliberate(exam, trials)
    failing = {}                # stage: the first trial that raises there
    for trial in trials:
        *_, seen, wanted = trial
        if seen.error:
            failing.setdefault(seen.stage, trial)
            continue
        for kind, verdicts in (("value", [verdict(seen.value, wanted.value)]),
                               ("gradient", [verdict(x, wanted.grads[name]) for name, x in seen.grads.items()])):
            row[kind] = worst([row[kind] if row[kind] != "missing" else "right", *verdicts])
    if not exam.interface.backward or not exam.interface.grad:
        row["gradient"] = "missing"
    for stage in failing:
        row[stage] = "raises"
        if stage == "value":
            row["gradient"] = "untried"
    if row["gradient"] != "missing" and exam.backward_is_wrong and row["gradient"] not in ("right", "rounding"):
        row["note"] = "backward() is wrong"
        exam.faulty[method].add("gradient")
        if failing:
            return
    for kind in ("value", "gradient"):
        if row[kind] in ("wrong", "raises"):
            exam.faulty[method].add(kind)
    explain(exam, method, row, trials, failing)


def explain(exam, method, row, trials, failing):
    """Name what is wrong, if anything, unless it comes from elsewhere."""
    wrong_kinds = {*exam.faulty[method]}
    if not wrong_kinds:
        return
    if exam.cuts_numbers:
        row["note"] = "the constructor cuts numbers"
        return
    if exam.is_a_consequence(method, row, next(iter(failing.values()), trials[0]), wrong_kinds):
        return
    if failing and not naming.first_wrong_value(trials):
        exam.find_error(method, next(iter(failing.values())))
    elif "value" in wrong_kinds:
        exam.find(method, naming.name_value(method, trials))
    elif not exam.backward_is_wrong:
        exam.find(method, naming.name_derivative(method, [t for t in trials if not t[2].error], exam.tester))


def only_deliberate(exam, trials):
    """The trials of ** without those that the class refuses in words, such as fractional exponents."""
    refused = [t for t in trials if t[2].error and t[2].stage == "value" and t[2].kind in DELIBERATE]
    kept = [t for t in trials if t not in refused]
    if not kept or any(t[0] == "a ** 2" for t in refused):
        return trials
    if refused:
        texts = dict.fromkeys(f"`{t[0]}`" for t in refused)
        exam.remark(f"it refuses {', '.join(texts)}")
    return kept


def worst(verdicts):
    return max(verdicts, key=ORDER.index)
