"""Promise: nobody can tell a program whose loops C runs from the program as its author wrote it, by numbers, classes,
graphs, exceptions and their lines, the variables that are left, or effects of iterables. Where anything is unusual the
author's own code runs, and nothing has happened before.

The programs are random ones (near_misses.py; fuzz.py runs any number of them), and those of corners.py.
"""

import random
import textwrap

import pytest

import fastgrad
import near_misses
import twins
from cast import with_cast
from corners import CORNERS
from loop_programs import with_setup

pytestmark = [pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine"),
              pytest.mark.filterwarnings("ignore")]     # of NumPy and of the compiler, about the random programs

RANDOM = 600
LENGTHS = (0, 1, 2, 5)

# Loops for lists with one unusual element.
FOR_ELEMENTS = (
    "r0 = [v * 2 for v in xs]",
    "r1 = sum(w * x for w, x in zip(xs, ys))",
    "r2 = sum(xs)",
    "r3 = max(v.data for v in xs)",
    "s = a\nfor v in xs:\n    s = s + v * 2",
    "for p in xs:\n    p.data -= lr * p.grad\n    p.grad = 0",
    "r4 = [v.relu() for v in xs]",
    "r5 = [sum(w * x for w, x in zip(row, xs)) for row in rows]",
    "r6 = [v.exp() for v in xs]",
    "for i, p in enumerate(xs):\n    mom[i] = 0.9 * mom[i] + p.grad\n    p.data -= mom[i]",
    "r7 = sum((v - a) ** 2 for v in xs)",
    "r8 = [xs[i] * ys[i] for i in range(n)]",
    "r9 = [v / 2 for v in xs]",
    "r10 = [2 / v for v in xs]",
)

# Loops with q, an unusual number.
FOR_NUMBERS = (
    "r0 = [v * q for v in xs]",
    "r1 = [q * v for v in xs]",
    "r2 = sum((v * v for v in xs), q)",
    "r3 = [v ** q for v in xs]",
    "r4 = [v / q for v in xs]",
    "r5 = [v.data * q for v in xs]",
    "r6 = [q for v in xs]",
    "r7 = [xs[q] for v in xs]",
    "r8 = [v - q for v in xs]",
    "r9 = [max(v.data, q) for v in xs]",
    "r10 = [q - v for v in xs]",
    "r11 = [q / v for v in xs]",
    "s = q\nfor v in xs:\n    s = s + v",
    "for i, p in enumerate(xs):\n    mom[i] = q * mom[i] + p.grad\n    p.data -= q * mom[i]",
    "for p in xs:\n    p.data = q - p.data * 2",
    "for p in xs:\n    p.grad = q",
)


def source_of(text, n):
    return with_cast(with_setup(text.split("\n"), random.Random(0), n))


@pytest.mark.parametrize("part", range(6))
def test_random_programs(part):
    for seed in range(part, RANDOM, 6):
        source, backward = near_misses.program(random.Random(seed)), seed // 6 % 2 == 1
        try:
            twins.assert_same(source, backward)
            assert twins.agrees_with_oracle(source, backward), twins.difference(source, backward, twins.on_reference)
        except twins.TooLong:
            pass


def in_a_function(source):
    """A program all of whose variables are local ones, or as it was if that can't be."""
    other = f"def main():\n{textwrap.indent(source, '    ')}\n    globals().update(locals())\nmain()\n"
    try:
        compile(other, twins.FILE, "exec")
    except SyntaxError:
        return source
    return other


@pytest.mark.parametrize("text", [pytest.param(text, id=f"{heading}-{name}") for heading, programs in CORNERS.items()
                                  for name, text in programs.items()])
def test_corners(text):
    for n in LENGTHS:
        twins.assert_same(source_of(text, n))
    for n in (0, 4):
        twins.assert_same(source_of(near_misses.tried(text), n))
        twins.assert_same(in_a_function(source_of(text, n)))


@pytest.mark.parametrize("place", ("xs[:1]", "xs[2:3]", "xs[-1:]"))
@pytest.mark.parametrize("element", near_misses.ELEMENTS)
def test_an_unusual_element(element, place):
    text = f"{place} = [{element}]\n" + "\n".join(FOR_ELEMENTS)
    twins.assert_same(source_of(near_misses.tried(text), 5))


@pytest.mark.parametrize("constant", near_misses.CONSTANTS)
def test_an_unusual_number(constant):
    text = f"q = {constant}\nfor p in xs:\n    p.grad = 0.5\n" + "\n".join(FOR_NUMBERS)
    twins.assert_same(source_of(near_misses.tried(text), 4))


def test_future_imports_and_docstrings():
    twins.assert_same(
        '"""About it."""\nfrom __future__ import annotations\nxs = [Value(1.0), Value(2.0)]\n'
        'def f(x: undefined):\n    """About f."""\n    return [v * 2 for v in x]\n'
        'r = f(xs)\nprint(__doc__, f.__doc__)\n'
        "print(f.__annotations__)\n"
    )


@pytest.mark.parametrize(
    "source",
    (
        "r = [v * 2 for v in",
        "return 3",
        "for v in xs:\nprint(v)",
        "r = [yield v for v in xs]",
        "1 = 2",
        "def f(a, a): pass",
        "\0",
    ),
)
def test_what_does_not_compile(source):
    errors = []
    for compiles in (compile, twins.compile_source):
        with pytest.raises((SyntaxError, ValueError)) as caught:
            compiles(source, twins.FILE, "exec")
        errors.append(
            (
                caught.type,
                str(caught.value),
                getattr(caught.value, "lineno", 0),
                getattr(caught.value, "offset", 0),
                getattr(caught.value, "text", ""),
            )
        )
    assert errors[0] == errors[1]


@pytest.mark.parametrize("mode", ("eval", "single", "exec"))
def test_modes_of_compile(mode, capsys):
    xs = [fastgrad.Value(1.5), fastgrad.Value(2.0)]
    results = []
    for compiles in (compile, twins.compile_source):
        result = eval(compiles("[v.data * 2 for v in xs]", twins.FILE, mode), {"xs": xs})
        results.append((result, capsys.readouterr().out))
    assert results[0] == results[1]


def test_separate_globals_and_locals():
    source = "s = 0\nfor v in xs:\n    s = s + v\nr = [v.data * 2 for v in xs]\n"
    left = []
    for compiles in (compile, twins.compile_source):
        space, names = {"__builtins__": {"sum": sum}}, {"xs": [fastgrad.Value(1.5), fastgrad.Value(2.0)]}
        exec(compiles(source, twins.FILE, "exec"), space, names)
        left.append((sorted(space), list(names), names["s"].data, names["r"]))
    assert left[0] == left[1]
