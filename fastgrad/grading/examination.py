"""The state of an examination: what has been found so far, and how a mistake gets into the report."""
from fastgrad.grading import report, sources
from fastgrad.grading.expressions import REFLECTED, SYMBOLS, at, is_same, number
from fastgrad.grading.guard import TimeUp
from fastgrad.grading.interface import Interface
from fastgrad.grading.requirements import required_methods
from fastgrad.grading.trying import Tester
from fastgrad.script.sandbox import TRIAL_ERRORS


class Examination:
    """The examination of one class. It fills `data`, which report.Report shows."""

    def __init__(self, cls, namespace, guard, file, line=None, source_file=None, require=None):
        self.cls, self.required = cls, None if require is None else required_methods(require)
        self.interface = guard.call(10.0, Interface, cls, namespace, patient=True)
        self.tester = Tester(self.interface, guard, source_file)
        self.data = report.new(cls, file, line)
        self.faulty = {}            # method: {"value", "gradient"}, which of them is wrong
        self.takes_numbers = {}     # operator: whether `a + 2` works
        self.backward_is_wrong = False
        self.cuts_numbers = False   # the constructor does
        self.merges_equals = False  # nodes with equal numbers are taken for one
        self.inner = {}             # + and *: the trial in which a node below gets no gradient

    def find(self, method, name):
        """Add a mistake. name: a Name."""
        text, point, seen, wanted = name.trial
        yours, should, what = None, None, None
        if name.operand is not None:
            yours, should, what = seen.grads[name.operand], wanted.grads[name.operand], f"gradient of {name.operand}"
        elif seen.value is not None and not is_same(seen.value, wanted.value):
            yours, should, what = seen.value, wanted.value, "value"
        message = name.words
        if what:
            several = len(wanted.grads) > 1 and name.operand
            message = (f"`{text}` at {at(point)}: your {'value' if what == 'value' else 'gradient'}"
                       f"{f' of {name.operand}' if several else ''} is {number(yours)}, "
                       f"it should be {number(should)}; {name.words}")
        example = {"expression": text, "at": point, "what": what, "yours": yours, "should": should}
        self.add(method, name.code, message, example, self.place(method, name))

    def add(self, method, code, message, example=None, place=None):
        line, source = place or (None, None)
        finding = {"code": code, "method": method, "message": message, "example": example, "line": line,
                   "source": source}
        if finding not in self.data["findings"]:
            self.data["findings"].append(finding)
        self.data["right"] = False

    def remark(self, text):
        self.data["remarks"].append(text)

    def place(self, method, name):
        """(line, text) of the mistake in the author's file."""
        function = sources.function_of(self.cls, self.interface.backward_name if method == "backward" else method)
        operand = None if name.operand is None else {"a": 0, "b": 1}.get(name.operand)
        return sources.place_of(function, name.code, self.cls.__name__, self.interface.grad, operand)

    def is_right(self, method):
        return self.faulty.get(method) == set() and not self.backward_is_wrong

    def find_error(self, method, trial):
        text, point, seen, _ = trial
        code = seen.kind if seen.kind in ("no-return", "cut-graph") else "raises"
        if seen.kind == "RecursionError":
            code = "endless-recursion"
        elif seen.error.startswith("no end"):
            code = "no-end"
        elif "unhashable" in seen.error:
            return          # `__eq__` without `__hash__` has been found already
        hint = ""
        if "'NoneType' object is not callable" in seen.error:
            hint = ": is a function called where it should be assigned, `out._backward = _backward()`?"
        when = "" if seen.stage == "value" else "backward() of "
        self.add(method, code, f"{when}`{text}` at {at(point)}: {seen.error}{hint}",
                 {"expression": text, "at": point, "what": seen.stage, "yours": None, "should": None},
                 (seen.place, sources.text_of_line(self.tester.file, seen.place)) if seen.place else None)

    def is_a_consequence(self, method, row, trial, kinds):
        """Whether what is wrong with a method comes from another one. A note in the row says so."""
        if parts := self.made_of(method, trial, kinds):
            row["note"] = f"it's made of {' and '.join(parts)}"
        elif self.faulty.get(REFLECTED.get(method)):
            row["note"] = f"as {shown_short(REFLECTED[method])}"
        elif self.merges_equals and trial[3].has_equal_numbers():
            row["note"] = "nodes with equal numbers"
        elif method in REFLECTED and (needed := self.missing_operand(trial[2])):
            row["note"] = f"it needs {shown_short(needed)}"
        return bool(row["note"])

    def missing_operand(self, seen):
        """The reflected operator for want of which an expression raises, among those found missing."""
        missing = [x["method"] for x in self.data["methods"] if x["failed"] and x["value"] == "missing"]
        return next((name for name in missing if name in REFLECTED and seen.kind == "TypeError"
                     and f" {SYMBOLS[REFLECTED[name]]}: " in seen.error), None)

    def made_of(self, method, trial, kinds):
        """The operators that a method calls and that are wrong in the same way, as symbols."""
        suspects = [name for name, wrong_kinds in self.faulty.items() if name != method and wrong_kinds & kinds]
        if not suspects:
            return []
        codes = self.tester.calls(trial[0], trial[1])
        parts = [name for name in suspects if (function := sources.function_of(self.cls, name)) is not None
                 and function.__code__ in codes]
        found = {x["method"] for x in self.data["findings"]}
        return [shown_short(name) for name in parts if name in found] or [shown_short(name) for name in parts[:1]]

    def blame(self, method, row, name):
        """A method's gradient is wrong within other operations, if a mistake is named."""
        if name is None:
            return
        row["gradient"], row["failed"] = "wrong", True
        self.faulty[method].add("gradient")
        if not self.is_a_consequence(method, row, name.trial, {"gradient"}):
            self.find(method, name)


def call(exam, function):
    """The function's result, or None if it raises."""
    try:
        return exam.tester.guard.call(10.0, function, patient=True)
    except (TimeUp, *TRIAL_ERRORS):
        return None


def shown(method, alias=None):
    """A method as an expression."""
    if method == "__neg__":
        return "-a"
    if method in REFLECTED:
        return f"2 {SYMBOLS[REFLECTED[method]]} a"
    if method == "__pow__":
        return "a ** n"
    if method == "__rpow__":
        return "2 ** a"
    return f"a {SYMBOLS[method]} b" if method in SYMBOLS else f"a.{alias or method}()"


def shown_short(method):
    return f"`{shown(method)}`"
