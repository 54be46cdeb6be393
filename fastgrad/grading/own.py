"""Functions that the oracle doesn't have, such as a class's own gelu: their derivatives against differences of their
own values.

They are tried on the number alone, with arguments' defaults. What needs arguments is tried where its name says which;
the report names the rest.
"""
import inspect

from fastgrad.grading import sources
from fastgrad.grading.expressions import ALIASES, FUNCTION_NAMES, at, number
from fastgrad.grading.interface import needed

POINTS = ({"a": 2.0}, {"a": 0.5}, {"a": -1.5})
PAIRS = ({"a": 2.0, "b": 3.0}, {"a": 3.0, "b": 0.5}, {"a": -1.5, "b": 2.0})
STEP, TOLERANCE = 1e-5, 1e-4
# What isn't a function of a number, though it may return an instance.
OTHERS = {"detach", "clone", "copy", "zero_grad", "zero", "item", "numpy", "step", "stop_gradient", "no_grad", "reset",
          "conjugate", "round", "floor", "ceil", "sign", "dropout", "argmax", "trace", "topological_sort"}
# What functions of these names are given beside the number, the first that they take. Names are without "_", in lower
# case.
ARGUMENTS = {
    **dict.fromkeys(("add", "sub", "subtract", "mul", "multiply", "div", "divide", "truediv", "max", "maximum", "min",
                     "minimum", "atan2", "arctan2", "hypot", "logaddexp"), ("b",)),
    **dict.fromkeys(("pow", "power"), ("3", "b")),
    **dict.fromkeys(("leakyrelu", "lrelu", "prelu", "elu", "celu", "softplus", "swish"), ("0.1",)),
    **dict.fromkeys(("clip", "clamp", "hardtanh"), ("-1, 1",)),
}
# Operators that have a method of their own and aren't tried.
UNTRIED = {"__iadd__": "a += b", "__isub__": "a -= b", "__imul__": "a *= b", "__itruediv__": "a /= b",
           "__ipow__": "a **= n", "__mod__": "a % b", "__floordiv__": "a // b", "__matmul__": "a @ b"}


def examine_own(exam):
    """Add a row for each such function, and a remark about those that aren't tried."""
    if exam.backward_is_wrong:
        return
    known = {*FUNCTION_NAMES, *ALIASES, *OTHERS, exam.interface.backward_name}
    untried = []
    for name in dir(exam.cls):
        function = sources.function_of(exam.cls, name)
        if name in UNTRIED and function is not None:
            untried.append(f"`{UNTRIED[name]}`")
        if name.startswith("_") or name in known or "back" in name or function is None \
                or isinstance(inspect.getattr_static(exam.cls, name), (staticmethod, classmethod)):
            continue
        if needed(function) == 1:
            examine(exam, name, f"a.{name}()", POINTS)
        elif not any(examine(exam, name, f"a.{name}({given})", PAIRS if given == "b" else POINTS)
                     for given in ARGUMENTS.get(name.replace("_", "").lower(), ())):
            untried.append(f"`a.{name}({', '.join(list(inspect.signature(function).parameters)[1:])})`")
    if untried:
        exam.remark(f"not tried: {', '.join(untried)}")


def examine(exam, name, text, points):
    """Compare one function's derivatives. Returns whether it can be."""
    tried, has_gradient, wrong = 0, False, None
    for point in points:
        seen = exam.tester.see(text, point)
        if seen.kind == "TimeUp":
            return False
        slopes = {leaf: difference(exam, text, point, leaf) for leaf in point} if not seen.error else {}
        if seen.error or None in slopes.values() or len(point) == 1 and seen.root is seen.leaves["a"]:
            continue
        tried, has_gradient = tried + 1, has_gradient or any(seen.grads.values())
        for leaf, slope in slopes.items():
            if wrong is None and abs(seen.grads[leaf] - slope) > TOLERANCE * max(1.0, abs(slope)):
                wrong = point, leaf, slope, seen
    if not tried:
        return False
    row = {"method": name, "shown": text, "value": "unknown", "gradient": "right" if wrong is None else "wrong",
           "required": False, "failed": False, "note": "compared with differences of its own values"}
    exam.data["methods"].append(row)
    if wrong is not None and has_gradient:
        blame(exam, row, *wrong)
    elif wrong is not None:
        row["note"] = "its result has no gradient"
    return True


def blame(exam, row, point, leaf, slope, seen):
    """A function's derivative by one of the leaves of a point isn't its slope."""
    name, text, yours = row["method"], row["shown"], seen.grads[leaf]
    if exam.made_of(name, (text, point), {"value", "gradient"}):
        row["note"] = "it's made of what is wrong"
        return
    row["failed"] = True
    code, words = ("wrong-derivative", "the local derivative isn't right") if yours else \
        ("no-gradient", f"{leaf} gets no gradient")
    exam.add(name, code, f"`{text}` at {at(point)}: your gradient{f' of {leaf}' if len(point) > 1 else ''} is "
             f"{number(yours)}, it should be {number(slope)}, by the differences of its own values; {words}",
             {"expression": text, "at": point, "what": f"gradient of {leaf}", "yours": yours, "should": slope},
             sources.place_of(sources.function_of(exam.cls, name), code, exam.cls.__name__, exam.interface.grad,
                              list(point).index(leaf)))


def difference(exam, text, point, leaf):
    """The slope of a function's own values by a leaf; None at a kink, or if it isn't a function of numbers alone."""
    values = [exam.tester.see(text, {**point, leaf: point[leaf] + k * STEP}).value for k in (-1, 0, 0, 1)]
    if None in values or values[1] != values[2]:
        return None
    left, right = (values[1] - values[0]) / STEP, (values[3] - values[2]) / STEP
    return (left + right) / 2 if abs(left - right) <= 1e-2 * max(1.0, abs(left), abs(right)) else None
