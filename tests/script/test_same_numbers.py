"""Promise: under python -m fastgrad a script's numbers have the bits and the kinds of its own class."""
import re

import pytest

import fastgrad
from fastgrad.script import powers
from launcher import engine, engine_of, python

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="the plain engine replaces nothing")


# ---- Powers, which may have another last bit than what they stand for ----

TANH = ("t = (math.exp(2 * self.data) - 1) / (math.exp(2 * self.data) + 1)", "t = math.tanh(self.data)", "(1 - t ** 2)")
MANY = """
xs = [Value(i / 1021) for i in range(1, 8000)]
ys = [x.{0}() for x in xs]
for y in ys: y.backward()
print([x.grad for x in xs])
one = Value(xs[{1}].data)
one.{0}().backward()
print(one.grad)
"""


def many(name):
    """A demonstration of a function at many operands: of all in a loop, and of one, whose power shows, alone."""
    return MANY.format(name, round(powers.telling(name)[0] * 1021) - 1)


@pytest.mark.parametrize("slope, is_ours", [
    ("(1 - t ** 2)", True), ("(1 - t * t)", True), ("(1 - pow(t, 2))", True), ("(1.0 - math.pow(t, 2.0))", True),
    ("(1 - t) * (1 + t)", False), ("(1 - round(t ** 2, 17))", False)])
def test_tanh_s_derivative_is_the_author_s_power_or_product(folder, slope, is_ours):
    said = folder.report(engine(*TANH, slope) + many("tanh"))
    assert bool(re.search(r"tanh +ours\n", said)) is is_ours, said


@pytest.mark.parametrize("slope", ["1 - t**2", "1 - t*t"])
def test_tanh_in_classes_that_take_derivatives_at_once(folder, slope):
    source = engine_of("Spaced")
    assert "1 - t**2" in source
    said = folder.report("import math\n" + source.replace("1 - t**2", slope) + many("tanh"))
    assert re.search(r"tanh +ours\n", said)


@pytest.mark.parametrize("name, value, slope", [
    ("log", "math.log(x)", "x ** -1"), ("log1p", "math.log1p(x)", "(1 + x) ** -1"),
    ("sqrt", "math.pow(x, 0.5)", "0.5 / out.data"), ("sqrt", "math.sqrt(x)", "0.5 * out.data ** -1"),
    ("atan", "math.atan(x)", "(1 + x * x) ** -1"),
    ("erf", "math.erf(x)", "2 / math.sqrt(math.pi) * math.exp(-x ** 2)")])
def test_functions_with_powers_are_the_author_s(folder, name, value, slope):
    source = engine("def tanh", f"def {name}", TANH[0], f"x = self.data\n        t = {value}", "(1 - t ** 2)",
                    f"({slope})", "'tanh'", f"'{name}'")
    said = folder.report(source + many(name))
    assert re.search(rf"{name} +the author's: at a = ", said)


# ---- Numbers with an arithmetic of their own: the author's class keeps them as they are ----

@pytest.mark.parametrize("number", ["np.float32(0.1)", "np.float16(0.1)", "np.uint8(3)", "Fraction(1, 3)"])
def test_numbers_of_other_kinds_are_a_type_error(folder, number):
    folder.write("numbers_of.py", f"import numpy as np\nfrom fractions import Fraction\nx = {number}\n")
    name = folder.write("script.py", "import math\nfrom numbers_of import x\n" + engine_of("Micrograd") + """
class Weight(Value): pass
v, w = Value(0.5), Weight(0.5)
for i, f in enumerate([lambda: Value(x), lambda: v * x, lambda: v + x, lambda: v - x, lambda: v / x, lambda: w * x,
                       lambda: w - x, lambda: v * 1.0 + x, lambda: sum(v * n for n in [x, x]),
                       lambda: setattr(v, "data", x), lambda: setattr(v, "grad", x)]):
    try:
        print(i, f())
    except TypeError as error:
        print(error)
""")
    said = python("-m", "fastgrad", name, cwd=folder.path).stdout
    kind = number.partition("(")[0].removeprefix("np.")
    assert {line.partition(":")[0] for line in said.splitlines()} == {
        f"a replaced class holds floats and ints, not {kind!r}"}


def test_numbers_of_other_kinds_on_the_left(folder):
    """NumPy makes Python's numbers of its own; what Python asks the class for is a TypeError too."""
    folder.write("numbers_of.py", "from fractions import Fraction\nthird = Fraction(1, 3)\n")
    folder.report("import numpy as np\n" + engine() + "v = Value(2)\nprint(np.float32(0.1) * v, np.float64(0.1) + v)\n")
    folder.write("left.py", "from numbers_of import third\n" + engine() + "print(third * Value(2))\n")
    said = python("-m", "fastgrad", "left.py", cwd=folder.path, status=1).stderr
    assert "a replaced class holds floats and ints, not 'Fraction'" in said


def test_numbers_that_are_floats_or_ints(folder):
    said = folder.report("import numpy as np\n" + engine() + """
v, n = Value(0.5), Value(3)
for x in (np.float64(0.1), np.int64(3), True):
    for y in (v * x, v + x, n * True, n - True):
        print(float(y.data))
    v.data = x
    v.grad = x
    print(float(v.data), float(v.grad))
""")
    assert "is replaced" in said


# ---- Ints and floats ----

ASSIGNED = """
w, v = Value(0.5), Value(0.25)
w.data, v.data = 2, -3
def show(*values): print([x.data for x in values])
show(w, w * v, w + v, w * w, -w, w - v, w ** 2, w * 2, w + 1, v.relu(), w.relu())
ws = [w, v, w * 0.5]
us = [w * 0.5, v * 0.5]
show(*[u.relu() for u in us])
show(*[x * x for x in ws], *[x + w for x in ws], *[x.relu() for x in ws])
show(sum(x * y for x, y in zip(ws[:2], ws[:2])), sum([w, v]))
(w * v + w).backward()
print(w.grad, v.grad)
"""


@pytest.mark.parametrize("number", ["data", "float(data)"])
def test_ints_that_are_assigned(folder, number):
    """A constructor that makes floats of ints does so with results, too."""
    source = engine_of("Micrograd")
    assert "self.data = data" in source
    said = folder.report("import math\n" + source.replace("self.data = data", f"self.data = {number}") + ASSIGNED)
    assert re.search(r"relu +ours\n", said)


def test_a_gradient_whose_kind_is_the_number_s(folder):
    said = folder.report(engine("self.grad = 0.0\n        self._b", "self.grad = type(data)(0)\n        self._b")
                         + "print(Value(2).grad, Value(2.0).grad, (Value(2) * 3).grad)\n")
    assert "whether a new gradient is an int depends on the number" in said
