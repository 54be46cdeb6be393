"""Numbers as operands, and instances as exponents: what a class takes beside its own instances."""
from fastgrad.grading import naming
from fastgrad.grading.expressions import EXPONENTS, right, with_numbers
from fastgrad.grading.naming import Name


def try_numbers(exam, method, row):
    """`a + 2`: may be refused by all operators, but not by some, and not for ints or floats only."""
    texts = with_numbers(method)
    if not texts:
        return
    trials = [(text, point, exam.tester.see(text, point), right(text, point)) for text, points in texts
              for point in points]
    failing = [t for t in trials if t[2].error]
    exam.takes_numbers[method] = len(failing) < len(trials)
    if exam.faulty[method]:
        return
    if len(failing) == len(trials):
        if any(exam.takes_numbers.values()):
            exam.faulty[method].add("value")
            row["value"] = "raises"
            if exam.is_a_consequence(method, row, failing[0], {"value"}):
                return
            exam.add(method, "number-operand", f"`{failing[0][0]}` raises {failing[0][2].error}: make an instance "
                     f"of a plain number first, `other if isinstance(other, {exam.cls.__name__}) else "
                     f"{exam.cls.__name__}(other)`", place=exam.place(method, Name("number-operand", "", failing[0])))
        return
    if failing:
        works = next(t for t in trials if not t[2].error)
        exam.faulty[method].add("value")
        row["value"] = "raises"
        if exam.is_a_consequence(method, row, failing[0], {"value"}):
            return
        exam.add(method, "int-float", f"`{failing[0][0]}` raises {failing[0][2].error}; `{works[0]}` works: ints and "
                 "floats are both numbers, `isinstance(other, (int, float))`",
                 place=exam.place(method, Name("number-operand", "", failing[0])))
        return
    if naming.first_wrong_value(trials):
        exam.faulty[method].add("value")
        row["value"] = "wrong"
        if not exam.cuts_numbers and not exam.is_a_consequence(method, row, trials[0], {"value"}):
            exam.find(method, naming.name_value(method, trials))
    elif not exam.backward_is_wrong and naming.wrong_operand(trials)[0]:
        exam.faulty[method].add("gradient")
        row["gradient"] = "wrong"
        if not exam.is_a_consequence(method, row, trials[0], {"gradient"}):
            exam.find(method, naming.name_derivative(method, trials, exam.tester))


def try_exponents(exam, row):
    """`a ** b`, where the exponent is an instance too: a class needn't take it."""
    trials = [("a ** b", point, exam.tester.see("a ** b", point), right("a ** b", point)) for point in EXPONENTS]
    if any(t[2].error for t in trials):
        return
    if naming.first_wrong_value(trials):
        row["value"] = "wrong"
        exam.faulty["__pow__"].add("value")
        exam.find("__pow__", naming.name_value("__pow__", trials))
    elif not exam.backward_is_wrong and (operand := naming.wrong_operand(trials)[1]):
        if operand == "b" and not any(t[2].grads["b"] for t in trials):
            exam.remark("`a ** b` takes an instance as exponent, but b gets no gradient")
        else:
            exam.blame("__pow__", row, naming.name_derivative("__pow__", trials, exam.tester))
