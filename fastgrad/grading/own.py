"""Functions that the oracle doesn't have, such as a class's own gelu: their derivatives against differences of their
own values.
"""
from fastgrad.grading import sources
from fastgrad.grading.expressions import ALIASES, FUNCTION_NAMES, at, number
from fastgrad.grading.interface import needed

POINTS = ({"a": 2.0}, {"a": 0.5}, {"a": -1.5})
STEP, TOLERANCE = 1e-5, 1e-4
# What isn't a function of a number, though it may return an instance.
OTHERS = {"detach", "clone", "copy", "zero_grad", "zero", "item", "numpy", "step", "stop_gradient", "no_grad", "reset",
          "conjugate", "round", "floor", "ceil", "sign", "dropout", "argmax", "trace", "topological_sort"}


def examine_own(exam):
    """Add a row for each such function."""
    if exam.backward_is_wrong:
        return
    known = {*FUNCTION_NAMES, *ALIASES, *OTHERS, exam.interface.backward_name}
    for name in dir(exam.cls):
        function = sources.function_of(exam.cls, name)
        if not name.startswith("_") and name not in known and "back" not in name and function is not None \
                and not isinstance(vars(exam.cls).get(name), (staticmethod, classmethod, property)) \
                and needed(function) == 1:
            examine(exam, name)


def examine(exam, name):
    text, tried, wrong = f"a.{name}()", 0, None
    for point in POINTS:
        seen, slope = exam.tester.see(text, point), difference(exam, text, point["a"])
        if seen.kind == "TimeUp":
            return
        if seen.error or slope is None or seen.root is seen.leaves["a"]:
            continue
        tried += 1
        if abs(seen.grads["a"] - slope) > TOLERANCE * max(1.0, abs(slope)):
            wrong = wrong or (point, seen.grads["a"], slope)
    if not tried:
        return
    row = {"method": name, "shown": text, "value": "unknown", "gradient": "right" if wrong is None else "wrong",
           "required": False, "failed": False, "note": "compared with differences of its own values"}
    exam.data["methods"].append(row)
    if wrong is None:
        return
    point, yours, should = wrong
    if yours == 0 or exam.made_of(name, (text, point), {"value", "gradient"}):
        row["note"] = "its result has no gradient" if yours == 0 else "it's made of what is wrong"
        return
    row["failed"] = True
    exam.add(name, "wrong-derivative", f"`{text}` at {at(point)}: your gradient is {number(yours)}, it should be "
             f"{number(should)}, by the differences of its own values; the local derivative isn't right",
             {"expression": text, "at": point, "what": "gradient of a", "yours": yours, "should": should},
             sources.place_of(sources.function_of(exam.cls, name), "wrong-derivative", exam.cls.__name__,
                              exam.interface.grad, 0))


def difference(exam, text, x):
    """The slope of a function's own values at x; None at a kink, or if it isn't a function of the number alone."""
    values = [exam.tester.see(text, {"a": x + k * STEP}).value for k in (-1, 0, 0, 1)]
    if None in values or values[1] != values[2]:
        return None
    left, right = (values[1] - values[0]) / STEP, (values[3] - values[2]) / STEP
    return (left + right) / 2 if abs(left - right) <= 1e-2 * max(1.0, abs(left), abs(right)) else None
