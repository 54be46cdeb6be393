"""Promise: under python -m fastgrad a script's numbers have the bits and the kinds of its own class."""
import re

import pytest

import fastgrad
from fastgrad.script import powers
from launcher import engine, engine_of

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
