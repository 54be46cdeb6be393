"""Promise: the table of operations is true, of both engines, and it's the only list of them in Python.

What each entry says is tried here: name, formula, derivatives, where it raises. Numbers at awkward operands are
test_errors.py's, random programs test_bits.py's; they take their operations from the table as well.
"""
import ast
import inspect
import math
import re
from pathlib import Path

import pytest

import fastgrad
from fastgrad import engine, gradcheck
from fastgrad.debugging.explanation import FORMULAS
from fastgrad.value.operations import FUNCTIONS, OPERATIONS
from operands import FLOATS, INTS

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
PACKAGE = ROOT / "fastgrad"
every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda x: x.method)
every_function = pytest.mark.parametrize("operation", FUNCTIONS, ids=lambda x: x.method)
only_c = pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine, or python -m fastgrad, which needs it")
of_sources = pytest.mark.skipif(not (PACKAGE / "engine" / "engine.pyx").exists(), reason="the sources aren't here")


def computed(text, *operands):
    """What a formula of the table gives."""
    return eval(text.format(a="a", b="b"), vars(math) | {"sigmoid": lambda x: 1 / (1 + math.exp(-x))},
                dict(zip("ab", operands)))


def operands_of(sample):
    return sample if isinstance(sample, tuple) else (sample,)


def raised(action, *args):
    """The name of the exception that it raises, and its text; or None."""
    try:
        action(*args)
    except (ArithmeticError, ValueError) as error:
        return type(error).__name__, str(error)
    return None


# ---- What an entry says ----

@every_operation
def test_both_engines_have_it_under_its_names(Value, operation):
    y = operation.call(*map(Value, operands_of(operation.samples[0])))
    assert y._op == operation.shown
    assert callable(getattr(Value, operation.method))
    assert operation.reflected is None or callable(getattr(Value, operation.reflected))
    assert len(operation.derivatives) in (0, operation.n_operands)
    if operation.derivatives:
        assert len(y._local_grads) == operation.n_operands and FORMULAS[y._op] == operation.derivatives


@every_operation
def test_its_formula_and_derivatives_are_right(Value, operation):
    for sample in operation.samples:
        operands = operands_of(sample)
        y = operation.call(*map(Value, operands))
        assert y.data == pytest.approx(computed(operation.formula, *operands), rel=1e-14)
        for text, slope in zip(operation.derivatives, y._local_grads):
            if not text.startswith("sign of"):      # which is no formula
                assert slope == pytest.approx(computed(text, *operands), rel=1e-14)
        if Value is fastgrad.Value:
            assert gradcheck(operation.call, list(operands))


@every_function
def test_it_raises_where_the_table_says_and_nowhere_else(Value, operation):
    for x in (*FLOATS, *INTS, *operation.samples, *operation.awkward):
        expected = [name for name, condition in operation.raises.items() if computed(condition, x)]
        found = raised(operation.call, Value(x))
        assert ([found[0]] if found else []) == expected, x
        if found and found[0] != "ZeroDivisionError":       # which is the derivative's
            assert found == raised(computed, operation.formula, x)


@every_function
def test_of_an_int_it_is_an_int_where_its_formula_is(Value, operation):
    for x in (1, 2, 3):
        expected = computed(operation.formula, x)
        data = operation.call(Value(x)).data
        assert (type(data), data) == (type(expected), pytest.approx(expected, rel=1e-14)), x


# ---- That nothing is missing, and that it's the only list ----

def test_every_method_of_value_that_computes_is_in_the_table(Value):
    others = {"backward", "zero_grad", "detach", "conjugate"}
    names = {name for name in dir(Value) if not name.startswith("_") and callable(getattr(Value, name))}
    assert names - others == {x.method for x in FUNCTIONS}
    assert len({x.method for x in OPERATIONS}) == len(OPERATIONS) and {x.shown for x in FUNCTIONS} <= FORMULAS.keys()


@only_c
@of_sources
def test_the_engine_s_codes_are_in_the_order_of_the_table():
    codes = re.search(r"enum fg_op \{(.*?)\};", (ROOT / "csrc" / "arena.h").read_text(), re.S)[1]
    codes = re.findall(r"\bFG_(\w+),", codes)
    assert [name.lower() for name in codes[codes.index("EXP"):]] == [x.method for x in FUNCTIONS]
    assert [name for name, code in sorted(engine.CODES.items(), key=lambda item: item[1])] == [
        "+", "*", "**", *[x.shown for x in FUNCTIONS]]


@of_sources
def test_stubs_and_readme_name_every_function():
    stub = (PACKAGE / "engine" / "__init__.pyi").read_text()
    readme = re.search(r"`(exp log [a-z0-9 ]+)`", (ROOT / "README.md").read_text())[1].split()
    assert sorted(readme) == sorted(x.method for x in FUNCTIONS)
    for x in OPERATIONS:
        for name in filter(None, (x.method, x.reflected)):
            assert re.search(rf"^    def {name}\(self(, other: _Number, /)?\) -> Self:( \.\.\.)?$", stub, re.M), name


@of_sources
def test_the_recipe_in_contributing_names_every_place():
    """cosh is in the files that the recipe lists, and in no others. (sinh, whose derivative it is, is in the same.)"""
    recipe = (ROOT / "CONTRIBUTING.md").read_text().split("## Where does a new operation go?")[1]
    places = re.findall(r"^\d\. `([^`]+)`", recipe.split("\n## ")[0], re.M)
    assert len(places) <= 9
    suffixes = (".py", ".pyi", ".pyx", ".pxi", ".pxd", ".h")
    files = [path for folder in ("fastgrad", "csrc") for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    found = {path for path in [*files, *(ROOT / "csrc").glob("*.c"), ROOT / "README.md", ROOT / "CHANGELOG.md"]
             if re.search("cosh", path.read_text(), re.IGNORECASE)}
    assert {path.relative_to(ROOT).as_posix() for path in found} == set(places)


TELL_TALE = {"sqrt", "sin", "cos", "exp", "sinh", "log1p", "erf", "__truediv__", "__rsub__"}
TABLES_ELSEWHERE = {
    "operations.py",
    "functional.py",        # torch's names of functions on lists
    "known_texts.py",       # made by tests/known_texts.py of engines as people write them
}


@of_sources
def test_no_other_module_lists_operations():
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").glob("**/programs.py")]
    assert len(files) > 30
    for file in files:
        if file.name not in TABLES_ELSEWHERE and file.parent.name != "grading":     # which is about others' operations
            strings = {x.value for x in ast.walk(ast.parse(file.read_text()))
                       if isinstance(x, ast.Constant) and isinstance(x.value, str)}
            listed = strings & TELL_TALE
            if file.name == "reference.py":     # each method names its node
                listed -= {x.shown for x in FUNCTIONS}
            assert not listed, file


@only_c
@every_function
def test_it_says_what_it_does(operation):
    assert len(inspect.getdoc(getattr(fastgrad.Value, operation.method)).splitlines()[0]) > 10


# ---- python -m fastgrad ----

ENGINE = """
import math
from math import {names}

class Value:
    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads
    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1, 1))
    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))
    def backward(self):
        topo, visited = [], set()
        def build_topo(v):
            if v not in visited:
                visited.add(v)
                for child in v._children:
                    build_topo(child)
                topo.append(v)
        build_topo(self)
        self.grad = 1
        for v in reversed(topo):
            for child, local_grad in zip(v._children, v._local_grads):
                child.grad += local_grad * v.grad
"""


def method(name, formula, derivative):
    return (f"    def {name}(self):\n        x = self.data\n"
            f"        return Value({formula.format(a='x')}, (self,), ({derivative.format(a='x')},))\n")


@only_c
def test_an_author_s_own_is_tried_against_ours(folder):
    """Each function, as somebody would write it, is ours; with twice the derivative it's the author's."""
    written = {x.method: (x.formula, *x.derivatives) for x in FUNCTIONS if x.method not in ("abs", "sigmoid", "tanh")}
    written["relu"] = ("max(0, {a})", "float({a} > 0)")
    written["tanh"] = ("tanh({a})", "1 - tanh({a}) * tanh({a})")
    for factor, whose in (("", "ours"), ("2.0 * ", "the author's: at a = 0.7 ")):
        names = sorted(set(re.findall(r"[a-z]\w*", "".join(map("".join, written.values())))) & vars(math).keys())
        text = ENGINE.replace("{names}", ", ".join(names)) + "".join(method(name, formula, f"{factor}({slope})")
                                for name, (formula, slope) in written.items())
        demo = "".join(f"x = Value(0.7)\ny = x.{name}() * 3.0\ny.backward()\nprint(y.data, x.grad)\n"
                       for name in written)
        said = folder.report(text + demo)
        verdicts = dict(re.findall(r"^    (\w+) +(.*)$", said, re.M))
        assert [name for name in written if not verdicts[name].startswith(whose)] == [], said
