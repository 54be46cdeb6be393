"""Promise: the same bits. Every data and grad of every node is what pure Python gives, ints stay ints, errors too.

Random programs (programs.py) run on the C engine and on the oracle; and the oracle itself is held against the class
at the end of this file, which is the arithmetic of microgpt and nothing else. fuzz.py runs any number of them.
"""
import functools
import math
import operator
import random
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastgrad
import fastgrad.micrograd
import programs
from fastgrad.engine import Value as CValue
from fastgrad.reference import Value as PyValue

C = {"name": "C engine", "Value": CValue, "no_grad": fastgrad.no_grad}
PYTHON = {"name": "oracle", "Value": PyValue, "no_grad": fastgrad.no_grad}


def agree(program):
    return programs.same(programs.run(program, CValue, fastgrad.no_grad),
                         programs.run(program, PyValue, fastgrad.no_grad))


def check(program, name="program"):
    if not agree(program):
        program = programs.shrink(program, lambda p: not agree(p))
        pytest.fail(f"the engines differ, {name}\n{programs.difference(program, C, PYTHON)}", pytrace=False)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(rng=st.randoms(use_true_random=True))
def test_random_programs(rng):
    """Other programs on every run: hypothesis draws a seed."""
    check(programs.generate(rng))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(rng=st.randoms(use_true_random=False))
def test_programs_of_hypothesis(rng):
    """Programs in which hypothesis makes every choice: it likes repetition and extremes, which chance avoids."""
    check(programs.generate(rng))


@pytest.mark.parametrize("start", range(0, 2000, 500))
def test_pinned_programs(start):
    """The same programs on every run and every machine."""
    for seed in range(start, start + 500):
        check(programs.generate(random.Random(seed)), f"seed {seed}")


def test_programs_in_micrograds_dialect(monkeypatch):
    oracle = ModuleType("oracle")       # where pickles find its class
    oracle.Value = fastgrad.reference._make_class("oracle", "Value", micrograd_relu=True)
    monkeypatch.setitem(sys.modules, "oracle", oracle)
    for seed in range(500):
        program = programs.generate(random.Random(seed))
        assert programs.same(programs.run(program, fastgrad.micrograd.Value, fastgrad.no_grad),
                             programs.run(program, oracle.Value, fastgrad.no_grad)), f"seed {seed}"


@pytest.mark.skipif(fastgrad.backend != "c", reason="the C engine isn't in use")
def test_fuzz_script():
    command = [sys.executable, str(Path(__file__).with_name("fuzz.py")), "--count", "400", "--seed", "7", "--jobs", "2"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.stdout.splitlines()[-1:] == ["no difference"], result.stdout + result.stderr
    assert result.returncode == 0 and "400 of 400 programs" in result.stdout
    assert subprocess.run(command[:2] + ["--count", "0"], capture_output=True).returncode == 2


def test_programs_reach_everything():
    """Programs that never get to an operation, an error or a special number would prove little."""
    steps, seen, errors, numbers = set(), set(), set(), set()
    for seed in range(1500):
        program = programs.generate(random.Random(seed))
        transcript = programs.run(program, PyValue, fastgrad.no_grad)
        steps |= {s[:2] if s[0] in ("vv", "vn", "nv", "unary", "iv", "in", "ask") else s[:1] for s in program}
        for line in programs.lines(transcript):
            seen.add(line.split(":")[0].split()[0])
            if line.startswith("raises"):
                errors.add(line.split()[1].rstrip(":"))
            numbers |= {word.strip("[],") for word in line.split()}
    names = {"vv": programs.BINARY, "vn": programs.BINARY, "nv": programs.BINARY, "unary": programs.UNARY,
             "iv": programs.INPLACE, "in": programs.INPLACE, "ask": programs.ASK}
    assert {(kind, name) for kind in names for name in names[kind]} <= steps
    assert {"deepcopy", "pickle", "closure", "user", "no_grad", "child", "drop"} <= {s[0] for s in steps}
    assert {"ZeroDivisionError", "OverflowError", "ValueError", "TypeError", "AttributeError"} <= errors
    assert {"done", "gives", "raises", "Value", "Sub"} <= seen
    assert {"nan", "inf", "-inf", "-0.0", "0", "1", "2.0"} <= numbers


# The comparison itself: it must see what it's there for.

@pytest.mark.parametrize("one, other, equal", [
    (1.0, 1.0, True), (1.0, 1, False), (0.0, -0.0, False), (math.nan, -math.nan, True), (math.nan, math.inf, False),
    (1.0, math.nextafter(1.0, 2.0), False), (0, -0.0, False), (2 ** 53, 2.0 ** 53, False), (5e-324, 0.0, False),
])
def test_comparison(one, other, equal):
    transcripts = [programs.run([("leaf", x), ("backward", 0)], PyValue, fastgrad.no_grad) for x in (one, other)]
    assert programs.same(*transcripts) is equal


def test_shrinking():
    program = programs.generate(random.Random(3)) + [("set data", 0, 7.0)] + programs.generate(random.Random(4))
    assert programs.shrink(program, lambda p: ("set data", 0, 7.0) in p) == [("set data", 0, 7.0)]


# What microgpt computes, and nothing else.

class Plain:
    """A float with a graph: local derivatives are taken at once, and backward follows the reversed post-order."""

    def __init__(self, data, inputs=(), slopes=()):
        self.data, self.grad, self.inputs, self.slopes = data, 0, inputs, slopes

    def __add__(self, b):
        b = lift(b)
        return Plain(self.data + b.data, (self, b), (1, 1))

    def __mul__(self, b):
        b = lift(b)
        return Plain(self.data * b.data, (self, b), (b.data, self.data))

    def __pow__(self, n): return Plain(self.data ** n, (self,), (n * self.data ** (n - 1),))
    def log(self): return Plain(math.log(self.data), (self,), (1 / self.data,))
    def exp(self): return Plain(math.exp(self.data), (self,), (math.exp(self.data),))
    def relu(self): return Plain(max(0, self.data), (self,), (float(self.data > 0),))
    def __radd__(self, b): return self + b
    def __rmul__(self, b): return self * b
    def __neg__(self): return self * -1
    def __sub__(self, b): return self + (-b)
    def __rsub__(self, b): return b + (-self)
    def __truediv__(self, b): return self * b ** -1
    def __rtruediv__(self, b): return b * self ** -1

    def backward(self):
        order, seen = [], set()

        def visit(v):
            if v not in seen:
                seen.add(v)
                for u in v.inputs:
                    visit(u)
                order.append(v)

        visit(self)
        self.grad = 1
        for v in reversed(order):
            for u, slope in zip(v.inputs, v.slopes):
                u.grad += slope * v.grad


def lift(x):
    return x if isinstance(x, Plain) else Plain(x)


MICROGPT = [lambda a, b, x: a + b, lambda a, b, x: a * b, lambda a, b, x: a - b, lambda a, b, x: a / b,
            lambda a, b, x: a + x, lambda a, b, x: a * x, lambda a, b, x: a - x, lambda a, b, x: a / x,
            lambda a, b, x: x + a, lambda a, b, x: x * a, lambda a, b, x: x - a, lambda a, b, x: x / a,
            lambda a, b, x: a ** x, lambda a, b, x: a ** 2, lambda a, b, x: a ** 0.5, lambda a, b, x: a ** -1,
            lambda a, b, x: -a, lambda a, b, x: a + a, lambda a, b, x: a * a, lambda a, b, x: sum([a, b, a]),
            lambda a, b, x: a.log(), lambda a, b, x: a.exp(), lambda a, b, x: a.relu()]


def microgpt_program(cls, seed):
    """What a random program of microgpt's operations on floats gives: data, grad and error of every step, as bits."""
    rng = random.Random(seed)
    values, log = [cls(rng.uniform(-2, 2)) for _ in range(4)], []
    for _ in range(rng.randrange(5, 60)):
        op, a, b, x = rng.choice(MICROGPT), rng.choice(values), rng.choice(values), rng.uniform(-3, 3)
        x = rng.choice([x, x, 1.0, 0.5, 3, -1, 0.0])
        try:
            out = op(a, b, x)
        except (ArithmeticError, ValueError) as error:
            log.append((type(error).__name__, str(error).partition(": x ** 0 is 1")[0]))     # where ours says why
        else:
            if isinstance(out.data, complex):
                log.append(("ValueError", f"{a.data!r} ** {x!r} is a complex number, and a Value is real"))
            else:
                values.append(out)
    for root in (values[-1], rng.choice(values), values[-1]):
        root.backward()
        log.extend((type(x), bits(x)) for v in values for x in (v.data, v.grad))
    return log


def bits(x):
    return "nan" if x != x else struct.pack("<d", x)


def complex_free(log):
    """The log without what isn't microgpt's: how a complex result is refused (its own class would go on with it)."""
    return [entry if "complex" not in str(entry[1]) else "complex" for entry in log]


def test_microgpt_arithmetic(Value):
    for seed in range(300):
        assert complex_free(microgpt_program(Value, seed)) == complex_free(microgpt_program(Plain, seed)), seed


def test_order_of_contributions(Value):
    """Three contributions whose sum depends on their order: microgpt's is the reversed post-order."""
    x = Value(1.0)
    a, b, c = x * 1e16, x * 1.0, x * -1e16
    (a + b + c).backward()      # post-order: x a b + c +; reversed: c first, then b, then a
    assert x.grad == (-1e16 + 1.0) + 1e16 != 1.0
    y = Value(1.0)
    (y * 1.0 + (y * 1e16 + y * -1e16)).backward()
    assert y.grad == (-1e16 + 1e16) + 1.0 == 1.0


def test_order_of_contributions_of_many_children(Value):
    """As above where a node has more than two children, of which each passes on to the same one; and where it is the
    same child several times, which it comes by in operand order."""
    for n in range(3, 9):
        x, slopes = Value(1.0), [0.1 * i for i in range(1, n + 1)]
        Value(0.0, [x * slope for slope in slopes], [1.0] * n).backward()
        assert x.grad == functools.reduce(operator.add, reversed(slopes))
        x.grad = 0
        Value(0.0, [x] * n, slopes).backward()
        assert x.grad == functools.reduce(operator.add, slopes)
    one_way, other_way = (functools.reduce(operator.add, order) for order in ((0.1, 0.2, 0.3), (0.3, 0.2, 0.1)))
    assert one_way != other_way
    x = Value(1.0)
    x.grad = 0.1
    Value(0.0, (x, x), (0.2, 0.3)).backward()
    assert x.grad == one_way
    x.grad = 0.3
    Value(0.0, (x, x), (0.2, 0.1)).backward()
    assert x.grad == other_way


def test_zero_gradients_are_not_skipped(Value):
    x = Value(2.0)
    node = Value(1.0, (x,), (math.inf,))
    (node * 0.0).backward()
    assert math.isnan(x.grad)


def test_signs_of_zeros_where_grad_is_a_property(Value, monkeypatch):
    """Then Python's numbers are added and multiplied, as Python does it: 0 + -0.0 is 0.0, and 0.0 * -1 is -0.0."""
    own = Value.grad
    monkeypatch.setattr(Value, "grad", property(lambda v: own.__get__(v), lambda v, x: own.__set__(v, x)))
    x, y = Value(1.0), Value(1.0)
    (x * -0.0).backward()
    assert repr(x.grad) == "0.0"
    inner = Value(0.0, (y,), (0.0,))
    y.grad = -0.0
    Value(0.0, (inner,), (-1,)).backward()
    assert inner.grad == -1 and repr(y.grad) == "-0.0"


def test_no_fused_multiply_add(Value):
    """A product is rounded before it's added: fused, the difference below would be 2**-104 and not 0."""
    a = Value(1 + 2.0 ** -52)
    square = a.data * a.data
    assert (a * a + -square).data == 0.0
    a.grad = -square
    (a * a.data).backward()
    assert a.grad == -square + a.data


@pytest.mark.parametrize("f, exponent", [
    (lambda one, x: one / x, -1), (lambda one, x: one / type(one)(x), -1), (lambda one, x: 1.0 / type(one)(x), -1),
    (lambda one, x: type(one)(x) ** -1, -1), (lambda one, x: type(one)(x) ** 2, 2),
    (lambda one, x: type(one)(x) ** 0.5, 0.5)])
def test_powers_are_the_librarys(Value, f, exponent):
    """Compilers make 1 / x of pow(x, -1) where they know the exponent: another last bit for one x in a thousand. Each x
    is new, since the engine keeps the last power."""
    rng, one = random.Random(exponent), Value(1.0)
    for _ in range(10_000):
        x = rng.uniform(0.01, 100.0)
        assert f(one, x).data == operator.pow(x, exponent)


def test_powers_in_turn():
    """The engine keeps the last powers. Every order of asking gives the same."""
    bases, exponents = (2.0, 3.0, 0.0, -0.0, -2.0, 2, 3, 1.5), (-1, -2, 2, 3, 0, -1.0, 2.0, 0.5)
    pairs = [(x, n) for x in bases for n in exponents] * 3
    random.Random(0).shuffle(pairs)

    def outcome(Value, x, n):
        try:
            y = Value(x) ** n
            return repr(y.data), repr(y._local_grads)
        except (ValueError, ZeroDivisionError) as error:
            return repr(error)
    for x, n in pairs:
        for _ in range(2):
            assert outcome(CValue, x, n) == outcome(PyValue, x, n)
