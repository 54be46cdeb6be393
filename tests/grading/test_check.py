"""fastgrad.check: wrong engines are told what's wrong with them, and right ones that they are right."""
import json
import math

import pytest

import fastgrad
import fastgrad.micrograd.engine
import fastgrad.reference
from fastgrad import check
from fastgrad.grading import trying
from others import OTHERS
from planted import CLASSES, ENGINES, PLANTED, RDIV, RSUB, load, text_of


def checked(engine, *changes, name="student.py", **how):
    """The report on one of the right engines with parts replaced."""
    return check(load(text_of((engine, None, None, *changes)), name, CLASSES[engine]), **how)


# What is right

RIGHT = [*OTHERS, fastgrad.Value, fastgrad.reference.Value, fastgrad.micrograd.engine.Value]


@pytest.mark.parametrize("cls", RIGHT, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_no_false_alarm(cls):
    report = check(cls)
    assert report and not report.findings, str(report)
    assert "right" in str(report) and "wrong" not in str(report)
    assert all(x["gradient"] in ("right", "rounding", "missing") for x in report.methods)


@pytest.mark.parametrize("engine", CLASSES)
def test_the_engines_in_which_mistakes_are_planted_are_right(engine):
    report = check(load(ENGINES[engine], f"{engine}.py", CLASSES[engine]))
    assert report and not report.findings, str(report)
    assert {x["value"] for x in report.methods if x["required"]} <= {"right", "rounding"}


def test_numpy_numbers_and_arrays_of_one():
    np = pytest.importorskip("numpy")
    arrays = checked("closures", "self.data = data", "self.data = np.array(data, dtype=float)", "self.grad = 0.0",
                     "self.grad = np.zeros(())", "import math", "import math\nimport numpy as np")
    assert arrays, str(arrays)
    assert checked("local_grads", "self.data = data", "self.data = np.float64(data)", "import math",
                   "import math\nimport numpy as np")
    singles = checked("local_grads", "self.data = data", "self.data = np.float32(data)", "import math",
                      "import math\nimport numpy as np")
    assert singles and any(x["value"] == "rounding" for x in singles.methods)


@pytest.mark.parametrize("old, new", [("def backward", "def calc_gradients"), (
    "    def backward(self):\n", "    pass\n\n\ndef back_prop(self):\n    if True:\n")])
def test_other_names_of_backward(old, new):
    report = checked("closures", old, new)
    assert report and all(x["gradient"] != "missing" for x in report.methods if x["value"] != "missing"), str(report)


def test_a_class_of_ours_with_a_wrong_method_of_its_own():
    class Own(fastgrad.Value):
        def cube(self):
            return Own(self.data ** 3, (self,), (2 * self.data ** 2,))

        def twice(self):
            return self * 2
    report = check(Own)
    assert [(x["code"], x["method"]) for x in report.findings] == [("wrong-derivative", "cube")]
    assert next(x for x in report.methods if x["method"] == "twice")["gradient"] == "right"


OWN = """
    def leaky_relu(self, slope=0.1):
        x = self.data
        out = Value(x if x > 0 else slope * x, (self,), 'leaky')

        def _backward():
            self.grad += (1.0 if x > 0 else slope) * out.grad
        out._backward = _backward
        return out

    def max(self, other):
        out = Value(max(self.data, other.data), (self, other), 'max')

        def _backward():
            self.grad += (self.data >= other.data) * out.grad
            other.grad += (self.data < other.data) * out.grad
        out._backward = _backward
        return out

    def minimum(self, other):
        return self if self.data < other.data else other

    def clip(self, lo, hi):
        out = Value(min(max(self.data, lo), hi), (self,), 'clip')

        def _backward():
            self.grad += (lo < self.data < hi) * out.grad
        out._backward = _backward
        return out

    def elu(self, alpha):
        return self if self.data > 0 else (self.exp() - 1) * alpha

    def pow(self, n):
        return self ** n

    def blend(self, other, t):
        return self * t + other * (1 - t)

    def __iadd__(self, other):
        self.data += other.data
        return self

    def backward(self):"""


def with_own(old="", new=""):
    return checked("closures", "\n    def backward(self):", OWN.replace(old, new) if old else OWN)


def test_methods_with_arguments():
    report = with_own()
    assert report, str(report)
    rows = {x["shown"]: x for x in report.methods if x["value"] == "unknown"}
    assert {text: x["gradient"] for text, x in rows.items()} == dict.fromkeys(
        ["a.leaky_relu()", "a.max(b)", "a.minimum(b)", "a.clip(-1, 1)", "a.elu(0.1)", "a.pow(3)"], "right")
    assert "not tried: `a += b`, `a.blend(other, t)`" in report.remarks
    assert "No mistake, but good to know: not tried: `a += b`" in str(report)


@pytest.mark.parametrize("old, new, code, method, said", [
    ("else slope) *", "else 1) *", "wrong-derivative", "leaky_relu",
     "`a.leaky_relu()` at a = -1.5: your gradient is 1, it should be 0.1, by the differences of its own values"),
    ("(self.data < other.data) *", "0 *", "no-gradient", "max",
     "`a.max(b)` at a = 2, b = 3: your gradient of b is 0, it should be 1, by the differences of its own values; "
     "b gets no gradient"),
    ("(self.data >= other.data) *", "(self.data < other.data) *", "wrong-derivative", "max",
     "`a.max(b)` at a = 2, b = 3: your gradient of a is 1, it should be 0"),
    ("(lo < self.data < hi) *", "(lo < self.data) *", "wrong-derivative", "clip",
     "`a.clip(-1, 1)` at a = 2: your gradient is 1, it should be 0")])
def test_a_mistake_in_a_method_with_arguments(old, new, code, method, said):
    report = with_own(old, new)
    assert [(x["code"], x["method"]) for x in report.findings] == [(code, method)], str(report)
    assert report.findings[0]["message"].startswith(said) and report.findings[0]["line"]


def test_the_lecture_s_class_is_right_if_the_lecture_is_what_is_asked_for():
    """It lacks `2 - a` and `2 / a`, which are mistakes by default."""
    assert checked("closures", RSUB, "", RDIV, "", require="lecture")
    assert checked("closures", RSUB, "", RDIV, "").codes == ["missing-reflected"]


# What is wrong

def test_there_are_enough_of_them():
    assert len(PLANTED) >= 40 and {x[0] for x in PLANTED} == CLASSES.keys()
    assert all(sum(x[0] == engine for x in PLANTED) >= 10 for engine in CLASSES)


@pytest.mark.parametrize("planted", PLANTED, ids=[f"{x[0]}-{x[1]}-{x[2]}-{i}" for i, x in enumerate(PLANTED)])
def test_a_planted_mistake_is_named(planted, monkeypatch):
    monkeypatch.setattr(trying, "SECONDS", 0.5)
    report = check(load(text_of(planted), "student.py", CLASSES[planted[0]]))
    assert not report
    assert [(x["code"], x["method"]) for x in report.findings] == [planted[1:3]], str(report)


def test_two_mistakes_are_two_findings():
    report = checked("closures", "(1 - t ** 2)", "(1 - x ** 2)", "n * self.data ** (n - 1)", "n * self.data ** n")
    assert [x["method"] for x in report.findings] == ["__pow__", "tanh"]


def test_what_is_made_of_a_wrong_method_says_so():
    report = checked("closures", "self.grad += other.data * out.grad", "self.grad += self.data * out.grad")
    rows = {x["method"]: x for x in report.methods}
    assert len(report.findings) == 1
    assert rows["__truediv__"]["note"] == "it's made of `a * b`" and rows["__truediv__"]["gradient"] == "wrong"
    assert rows["__add__"]["gradient"] == rows["exp"]["gradient"] == "right"


# What it says

def message(*changes):
    report = checked(*changes)
    assert len(report.findings) == 1, str(report)
    return report.findings[0]


def test_the_smallest_example_in_words():
    finding = message("closures", "self.grad += other.data * out.grad\n            other.grad += self.data * out.grad",
                      "self.grad = other.data * out.grad\n            other.grad = self.data * out.grad")
    assert finding["message"] == ("`a * a` at a = 2: your gradient is 2, it should be 4; an operand that is used "
                                  "twice: `=` where `+=` belongs")
    assert finding["example"] == {"expression": "a * a", "at": {"a": 2.0}, "what": "gradient of a", "yours": 2.0,
                                  "should": 4.0}
    assert (finding["line"], finding["source"]) == (32, "self.grad = other.data * out.grad")


@pytest.mark.parametrize("changes, said", [
    (("closures", "(1 - t ** 2)", "(1 - x ** 2)"),
     "`a.tanh()` at a = 2: your gradient is -3, it should be 0.0706508; 1 - x**2 where 1 - t**2 belongs"),
    (("closures", "n * self.data ** (n - 1)", "n * self.data ** n"),
     "`a ** 3` at a = 2: your gradient is 24, it should be 12; the exponent isn't lowered"),
    (("local_grads", "-self.data / other.data ** 2", "self.data / other.data ** 2"),
     "`a / b` at a = 2, b = 3: your gradient of b is 0.222222, it should be -0.222222; the sign is wrong"),
    (("closures", "other.data * out.grad", "other.data * self.grad"),
     "`self.grad`, the operand's, where `out.grad` belongs"),
    (("closures", "        self.grad = 1.0\n", ""), "the root's own gradient has to be 1 before the sweep"),
    (("local_grads", "elif id(v) not in visited:", "else:"),
     "`u = a * b; u * u` at a = 2, b = 3: your gradient of a is 72, it should be 36"),
    (("closures", "def __radd__", "def radd"), "sum(), which starts with 0 + a"),
    (("closures", "math.exp(self.data)", "math.exp(self)"), "TypeError: must be real number, not Value"),
])
def test_messages(changes, said):
    assert said in message(*changes)["message"]


def test_a_deep_chain_is_no_mistake():
    assert any("3000 nodes is too deep" in text for text in checked("closures").remarks)
    assert not checked("local_grads").remarks


def test_the_report_as_text_html_and_json():
    report = checked("closures", "def __radd__", "def radd")
    assert str(report) == repr(report) and str(report).startswith("class Value (student.py, line 5): 1 mistake\n")
    assert report._repr_html_().startswith("<pre ") and ">class Value" in report._repr_html_()
    assert json.loads(report.json()) == report.data
    assert report.codes == ["missing-reflected"]
    assert str(checked("closures")).startswith("class Value (student.py, line 5): all that it has is right\n")


# What is required

def test_what_is_missing_is_no_mistake_unless_it_is_required():
    assert checked("tensors")
    report = checked("tensors", require=["exp", "tanh", "+"])
    assert [(x["code"], x["method"]) for x in report.findings] == [("missing-method", "exp")]
    assert checked("closures", require="micrograd") and checked("local_grads", require="microgpt")


def test_require_names_all_that_has_to_be_there():
    changes = "closures", "def __rsub__", "def rsub"
    assert not checked(*changes)
    assert checked(*changes, require="lecture")
    assert not checked(*changes, require=["__rsub__"])


def test_numbers_as_operands_may_be_refused_by_all_operators():
    from others import OnlySums
    assert any("no plain numbers" in text for text in check(OnlySums).remarks)


# What a class may do to the one who examines it

@pytest.mark.parametrize("trap, code", [
    ("raise SystemExit", "raises"), ("import sys; sys.exit(3)", "raises"), ("return self.exp()", "endless-recursion"),
    ("raise KeyError('x' * 10 ** 6)", "raises"), ("print('y' * 10 ** 6)", None),
    ("import warnings; warnings.warn('w')", None),
])
def test_traps(trap, code, capsys, recwarn):
    report = checked("closures", "    def exp(self):\n", f"    def exp(self):\n        {trap}\n")
    assert report.codes == ([code] if code else []) and len(str(report)) < 5000
    assert capsys.readouterr() == ("", "") and not recwarn.list


def test_an_error_whose_text_raises():
    assert checked("closures", "    def exp(self):\n", "    def exp(self):\n        raise Mute\n", "import math",
                   "import math\n\n\nclass Mute(Exception):\n    def __str__(self): 1 / 0\n").codes == ["raises"]


@pytest.mark.parametrize("old, new", [("self.data = data", "pass"), ("self.data = data", "raise ValueError('no')"),
                                      ("def __init__(self, data", "def __init__(self, other, data, more=0"),
                                      ("self.data = data", "self.data = [data, data]")])
def test_what_can_not_be_examined_says_so(old, new):
    report = checked("closures", old, new)
    assert report.codes == ["not-gradable"] or not report


def test_bad_arguments():
    with pytest.raises(TypeError, match=r"one of the class's instances: write check\(Value\)"):
        check(fastgrad.Value(1.0))
    with pytest.raises(TypeError, match="takes a class, not 'str'; python -m fastgrad --check takes a file"):
        check("student.py")
    with pytest.raises(TypeError, match="takes a class, not 'int'"):
        check(3)
    with pytest.raises(ValueError, match="'tan' can't be required"):
        check(fastgrad.Value, require=["tan"])


def test_nothing_is_left_behind():
    import sys
    import threading
    limit, threads, profile = sys.getrecursionlimit(), threading.active_count(), sys.getprofile()
    checked("closures")
    assert (sys.getrecursionlimit(), threading.active_count(), sys.getprofile()) == (limit, threads, profile)


def test_in_a_thread(monkeypatch):
    import threading
    monkeypatch.setattr(trying, "SECONDS", 0.5)
    reports, exp = [], "def exp(self):\n        out"
    thread = threading.Thread(target=lambda: reports.append(
        checked("closures", exp, exp.replace("out", "while True: pass\n        out"))))
    thread.start()
    thread.join()
    assert reports[0].codes == ["no-end"]


# gradcheck

@pytest.mark.parametrize("engine", CLASSES)
def test_gradcheck_takes_functions_of_any_engine(engine):
    cls = load(ENGINES[engine], f"{engine}.py", CLASSES[engine])
    a = cls(2.0)
    assert fastgrad.gradcheck(lambda x, y: x * y + x ** 3 / y, [a, 3.0]) is True
    assert fastgrad.gradcheck(lambda x: x * x, a) is True
    data, grad = ("value", "gradient") if engine == "tensors" else ("data", "grad")
    assert (getattr(a, data), getattr(a, grad) or 0) == (2.0, 0)


def test_gradcheck_on_wrong_engines():
    cls = load(text_of(("closures", None, None, "(1 - t ** 2)", "(1 - x ** 2)")), "student.py", "Value")
    a = cls(0.5, label="a")
    a.grad = 7
    with pytest.raises(fastgrad.GradcheckError,
                       match=r"input 0 \(a\): backward gives 0.75, central differences 0.7864"):
        fastgrad.gradcheck(lambda x: x.tanh(), a)
    assert a.grad == 7 and a.data == 0.5
    with pytest.raises(TypeError, match="f must return a Value, not 'float'"):
        fastgrad.gradcheck(lambda x: x.data, a)
    with pytest.raises(ValueError, match="input 0 was made from input 1"):
        fastgrad.gradcheck(lambda x, y: x * y, [a * 3, a])
    with pytest.raises(ValueError, match="is nan"):
        fastgrad.gradcheck(lambda x: x * x, cls(math.nan))


def test_gradcheck_on_the_oracle():
    assert fastgrad.gradcheck(lambda x, y: x * y, [fastgrad.reference.Value(2.0), 3])
