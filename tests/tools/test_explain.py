"""explain: how a Value was made and where its grad comes from, with numbers that are right, on one screen."""
import gc
import math
import re

import pytest

import fastgrad
import fastgrad.micrograd
from fastgrad import Value, arena_stats, detect_anomaly, explain
from fastgrad.debugging.explanation import FORMULAS
from fastgrad.value.operations import FUNCTIONS


@pytest.fixture(autouse=True)
def nothing_is_left():
    gc.collect()
    live = arena_stats()["live"]
    yield
    gc.collect()
    gc.collect()        # closures that were in frames
    assert arena_stats()["live"] == live


def lines(v, root=None):
    """The lines of an explanation that aren't empty; each of them fits on a screen, and all of them do."""
    text = str(explain(v, root)).splitlines()
    assert len(text) <= 40 and all(len(line) <= 100 for line in text), "\n".join(text)
    return [line for line in text if line]


def words_of(v, root=None):
    """The same in one line, with single spaces."""
    return " ".join(" ".join(lines(v, root)).split())


def lesson():
    a, b, f = Value(2.0, label="a"), Value(-3.0, label="b"), Value(0.5, label="f")
    c = a * b
    c.label = "c"
    out = (c + 10) * f - c
    out.label = "L"
    return a, b, f, c, out


def test_a_node_in_the_middle():
    a, b, f, c, out = lesson()
    out.backward()
    assert str(explain(c, out)).splitlines() == [
        "c = a * b = 2.0 * -3.0 = -6.0",
        "",
        "Its local derivatives, how fast c changes with each operand:",
        "    by a:  b = -3.0",
        "    by b:  a = 2.0",
        "",
        "Its grad, by the chain rule the sum over all uses of c, of the result's grad * its local derivative:",
        "    c * -1    1 * -1 = -1",
        "    c + 10    0.5 * 1 = 0.5",
        "The sum is -0.5, and that is c.grad, to the last bit."]
    without_root = lines(c)
    assert sorted(without_root) == sorted(lines(c, out))


def test_a_leaf_and_the_root():
    a, b, f, c, out = lesson()
    out.backward()
    assert words_of(a).startswith("a = 2.0: a leaf,")
    assert "    c = a * b    -0.5 * -3.0 = 1.5" in lines(a)
    assert words_of(a).endswith("The sum is 1.5, and that is a.grad, to the last bit.")
    assert words_of(out, out).endswith("Its grad: backward() starts here, and sets it to 1.")
    assert "on to 1." in words_of(out) and words_of(out).startswith("L = ((c + 10) * f) + (c * -1) = 2.0 + 6.0 = 8.0")


def test_it_shows_itself_at_the_prompt():
    page = explain(Value(2.0) * 3)
    assert isinstance(page, str) and repr(page) == str(page) == f"{page}" and "\n" in page


@pytest.mark.parametrize("make, made, derivatives", [
    (lambda a, b: a + b, "y = a + b = 0.5 + 3.0 = 3.5", ["by a: 1", "by b: 1"]),
    (lambda a, b: a * b, "y = a * b = 0.5 * 3.0 = 1.5", ["by a: b = 3.0", "by b: a = 0.5"]),
    (lambda a, b: a * a, "y = a * a = 0.5 * 0.5 = 0.25", ["by a: a = 0.5", "by a: a = 0.5"]),
    (lambda a, b: a ** b, "y = a ** b = 0.5 ** 3.0 = 0.125",
     ["by a: b * a ** (b - 1) = 0.75", "by b: log(a) * a ** b = -0.0866434"]),
    (lambda a, b: a ** 3, "y = a ** 3 = 0.5 ** 3 = 0.125", ["by a: 3 * a ** 2 = 0.75"]),
    (lambda a, b: a ** -0.5, "y = a ** -0.5 = 0.5 ** -0.5 = 1.41421", ["by a: -0.5 * a ** (-1.5) = -1.41421"]),
    (lambda a, b: (-b) ** 2, "y = (b * -1) ** 2 = (-3.0) ** 2 = 9.0", ["by (b * -1): 2 * (b * -1) ** 1 = -6.0"]),
    (lambda a, b: 2 ** b, "y = 2 ** b = 2 ** 3.0 = 8.0", ["by b: log(2) * 2 ** b = 5.54518"]),
    (lambda a, b: a.exp(), "y = exp(a) = exp(0.5) = 1.64872", ["by a: exp(a) = 1.64872"]),
    (lambda a, b: b.log(), "y = log(b) = log(3.0) = 1.09861", ["by b: 1 / b = 0.333333"]),
    (lambda a, b: a.relu(), "y = ReLU(a) = ReLU(0.5) = 0.5", ["by a: 1 if a > 0 else 0 = 1.0"]),
    (lambda a, b: a.tanh(), "y = tanh(a) = tanh(0.5) = 0.462117", ["by a: 1 - tanh(a) ** 2 = 0.786448"]),
    (lambda a, b: a.sigmoid(), "y = sigmoid(a) = sigmoid(0.5) = 0.622459",
     ["by a: sigmoid(a) * (1 - sigmoid(a)) = 0.235004"]),
    (lambda a, b: a.sqrt(), "y = sqrt(a) = sqrt(0.5) = 0.707107", ["by a: 0.5 / sqrt(a) = 0.707107"]),
    (lambda a, b: a.sin(), "y = sin(a) = sin(0.5) = 0.479426", ["by a: cos(a) = 0.877583"]),
    (lambda a, b: a.cos(), "y = cos(a) = cos(0.5) = 0.877583", ["by a: -sin(a) = -0.479426"]),
    (lambda a, b: a.erf(), "y = erf(a) = erf(0.5) = 0.5205", ["by a: 2 / sqrt(pi) * exp(-a * a) = 0.878783"]),
    (lambda a, b: abs(-b), "y = abs(b * -1) = abs(-3.0) = 3.0", ["by (b * -1): sign of (b * -1) = -1.0"]),
    (lambda a, b: Value(7.0, (a, b), (0.25, 4)), "y = f(a, b) = f(0.5, 3.0) = 7.0", ["by a: 0.25", "by b: 4"]),
    (lambda a, b: Value(7.0, (a, b, a, b, a), "mine"),
     "y = mine(a, b, a, ... 2 more) = mine(0.5, 3.0, 0.5, ... 2 more) = 7.0", []),
])
def test_every_operation(make, made, derivatives):
    a, b = Value(0.5, label="a"), Value(3.0, label="b")
    y = make(a, b)
    y.label = "y"
    page = lines(y)
    assert page[0] == made
    assert [" ".join(line.split()) for line in page if line.startswith("    by ")] == derivatives


@pytest.mark.parametrize("make", [lambda x: x ** 2.5, lambda x: 3 ** x, lambda x: x ** -1,
                                  *[x.call for x in FUNCTIONS if x.method != "abs"]])      # which has words
def test_formulas_are_right(make):
    """What stands before the last '=' computes what stands after it."""
    x = Value(0.7, label="x")
    page = lines(make(x))
    formula, number = next(line for line in page if line.startswith("    by x:"))[10:].rsplit(" = ", 1)
    functions = {**vars(math), "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "x": 0.7}
    assert math.isclose(eval(formula, functions), float(number), rel_tol=1e-5)


def test_every_function_has_its_formula():
    functions = {name for name in dir(Value) if not name.startswith("_") and callable(getattr(Value, name))}
    for name in functions - {"backward", "zero_grad", "detach", "conjugate"}:
        y = getattr(Value(0.5, label="x"), name)()
        assert y._op in FORMULAS and " = " in next(line for line in lines(y) if line.startswith("    by x:"))


def test_relu_of_nan_is_right_in_both_dialects():
    for cls in (Value, fastgrad.micrograd.Value):
        assert "Somebody has assigned" not in str(explain(cls(math.nan).relu()))


def test_many_uses_and_many_operands():
    w = Value(0.5, label="w")
    terms = [w * (i / 1000) for i in range(1000)]
    out = Value(0.0, terms, (1.0,) * 1000)
    out.backward()
    page = lines(w)
    used = [line for line in page if line.startswith("    w * ")]
    assert used[0].split() == ["w", "*", "0.999", "1.0", "*", "0.999", "=", "0.999"] and len(used) == 8
    together = next(line for line in page if line.startswith("    ... and 992 more, together "))
    assert math.isclose(float(together.split()[-1]), sum(i / 1000 for i in range(992)), rel_tol=1e-5)
    assert " 499.5" in words_of(w, out) and words_of(w, out).endswith("that is w.grad, to the last bit.")
    assert sum(line.startswith("    by ") for line in lines(out)) == 8
    assert "    ... and 992 more" in lines(out)


def test_operands_that_are_there_twice_count_twice():
    x = Value(3.0, label="x")
    y = x * x
    y.backward()
    assert lines(x).count("    x * x    1 * 3.0 = 3.0") == 2
    assert words_of(x).endswith("The sum is 6.0, and that is x.grad, to the last bit.")


def random_graph(rng):
    x = Value(rng.uniform(-1, 1))
    nodes = [x]
    for _ in range(30):
        a, b = rng.choice(nodes), rng.choice(nodes)
        nodes.append(rng.choice([a * b, a + x, (a * 3.0).tanh(), a - b]))
    return x, sum(nodes[1:], Value(0.0))


def test_with_the_root_the_sum_has_the_bits_of_backward():
    import random
    for seed in range(20):
        x, out = random_graph(random.Random(seed))
        out.backward()
        assert words_of(x, out).endswith("to the last bit.")
        assert re.search(r"that is its grad, (to the last bit|but for rounding \(explain.*order\))\.$", words_of(x))


# Why a grad isn't the sum

def test_products_and_their_sum_are_rounded_alike():
    a = Value(0.0, label="a")
    out = Value(0.0, (a,), (1.9999999999999996,))
    (out * 0.5).backward()
    assert a.grad == 0.9999999999999998
    text = words_of(a)
    assert "0.5 * 2 = 1" in text and text.endswith("The sum is 1, and that is a.grad, to the last bit.")


def test_backward_called_twice():
    a, b, f, c, out = lesson()
    out.backward()
    out.backward()
    assert "The sum is -0.5, but c.grad is -1.0: backward() has been called more than once without" in words_of(c, out)


def test_a_grad_set_to_zero_or_by_hand():
    a, b, f, c, out = lesson()
    out.backward()
    c.grad = 0
    assert "The sum is -0.5, but c.grad is 0: it has been set to 0 since" in words_of(c)
    c.grad = 7.0
    assert "or somebody has set it" in words_of(c)
    out.grad = 2
    assert "But it's 2: backward() hasn't been called, or somebody has set it." in words_of(out, out)


def test_before_backward():
    a, b, f, c, out = lesson()
    assert "The sum is 0, and so is c.grad: backward() hasn't come by" in words_of(c)
    assert words_of(out).endswith("No living Value was made from it, and backward() hasn't been called on it.")
    assert "But it's 0: backward() hasn't been called" in words_of(out, out)


def test_parents_that_are_gone():
    w = Value(2.0, label="w")
    for _ in range(3):
        loss = w * 5.0
        loss.backward()
    assert "The sum is 5.0, but w.grad is 15.0: " in words_of(w)
    assert "Values made from it that are gone now" in words_of(w)
    del loss
    assert "Its grad: 15.0." in words_of(w) and "Those that passed this on are gone" in words_of(w)


def test_data_assigned_since():
    a = Value(2.0, label="a")
    y = a * 5.0
    assert "Somebody" not in words_of(y)
    a.data = 3.0
    assert words_of(y).startswith("a * 5.0 = 3.0 * 5.0 = 10.0 (Somebody has assigned to .data since: from the operands "
                                  "as they are now it would be 15.0.")
    assert "by a: 5.0" in words_of(y) and "by 5.0: a = 2.0" in words_of(y)
    b = Value(1.0).log()
    b._children[0].data = -1.0              # of which there's no logarithm
    assert "Somebody" not in words_of(b)


def test_closures():
    x = Value(2.0, label="x")
    out = Value(8.0, (x,), "cube")
    out._backward = lambda: setattr(x, "grad", x.grad + 12 * out.grad)
    loss = out + x
    loss.backward()
    assert words_of(out).startswith("cube(x) = cube(2.0) = 8.0 Its local derivatives aren't known")
    assert "cube(x) not known, as it has a _backward of its own" in words_of(x)
    assert words_of(x).endswith("The known terms add up to 1, and x.grad is 13: if it was 0 before, the others have "
                                "added 12.")
    out._backward = None


def test_a_subclass_with_a_backward_of_its_own():
    class Own(Value):
        def _backward(self):
            self._children[0].grad += 1.0
    x = Own(1.0, label="x")
    y = x * 2
    assert "aren't known" in words_of(y) and "not known, as it has a _backward of its own" in words_of(x)


def test_nodes_without_local_derivatives():
    x = Value(2.0, label="x")
    y = Value(8.0, (x,), "mine")
    y.backward()
    assert "none were given, so backward() passes nothing on from here" in words_of(y)
    assert "has no local derivatives, so nothing is passed on" in words_of(x)
    z = Value(8.0, (x, y), (1.0, 2.0))
    z._local_grads = (1.0,)
    assert "by mine(x): none was given" in words_of(z)


def test_not_finite():
    x = Value(math.inf, label="x")
    y = x * 0.0
    y.backward()
    z = Value(1.0, (x, x), (math.inf, -math.inf))
    z.backward()
    assert words_of(y).startswith("x * 0.0 = inf * 0.0 = nan")
    assert words_of(x, z).endswith("The sum is nan, and that is x.grad, to the last bit.")
    assert len(lines(x)) < 12


def test_long_labels_and_numbers_fit():
    a, b = Value(-1.2345678901234567e-300, label="a label " * 20), Value(-1.2345678901234567e-300, label="{" * 300)
    out = Value(1.2345678901234567e-300, (a, b, a, b), "an operation with a long name")
    out.label = "out " * 50
    total = sum([out * a, out ** 0.12345678901234567, -1.2345678901234567 ** out, a.sigmoid() * b.tanh()])
    total.backward()
    for v in (a, b, out, total, *total._children):
        lines(v)
        lines(v, total)


def test_where_it_was_made():
    with detect_anomaly():
        v = Value(2.0) * 3
    assert re.search(r"  made at .*test_explain.py:\d+ in test_where_it_was_made\n", str(explain(v)))
    with detect_anomaly():
        assert words_of(v).startswith("2.0 * 3 = 6.0 made at")


def test_wrong_arguments():
    a, b = Value(1.0, label="a"), Value(2.0, label="b") * 1
    for arguments in ((3.0,), (a, 3.0), (None,), (a, "a")):
        with pytest.raises(TypeError, match="explain takes Values, not "):
            explain(*arguments)
    with pytest.raises(ValueError, match=r"a = 1.0 isn't below the root, b \* 1 = 2.0"):
        explain(a, b)
    with pytest.raises(TypeError):
        explain()


def test_nothing_is_changed():
    a, b, f, c, out = lesson()
    out.backward()
    nodes = out._topological()
    before = [(repr(v), v._op, v._local_grads, v._children, v.label) for v in nodes]
    live = arena_stats()["live"]
    for v in nodes:
        explain(v)
        explain(v, out)
    assert [(repr(v), v._op, v._local_grads, v._children, v.label) for v in nodes] == before
    assert arena_stats()["live"] == live


# The engine's part

def test_parents():
    a, b = Value(1.0), Value(2.0)
    c, d = a * b, a + 1
    wide = Value(0.0, (b, b, c, a, a), (1, 1, 1, 1, 1))
    assert {id(v) for v in a._parents()} == {id(c), id(d), id(wide)} and len(a._parents()) == 3
    assert [v for v in c._parents()] == [wide] and wide._parents() == []
    wide._children = (c,)
    assert {id(v) for v in a._parents()} == {id(c), id(d)}
    del d
    assert a._parents() == [c]
    top = (a * 2) + 0               # whose handle has died
    inner, = [v for v in a._parents() if v is not c]
    assert inner._op == "*" and top._children[0] is inner


def test_parents_among_many_and_after_many_have_died():
    a = Value(1.0, label="a")
    held = [a * i for i in range(5000)]
    for _ in range(3):
        others = [Value(1.0) * 2 for _ in range(20_000)]
        del others
    assert {v._children[1].data for v in a._parents()} == set(range(5000))
    del held[::2]
    assert len(a._parents()) == 2500
    held.clear()
    assert a._parents() == []


def test_parents_that_are_instances_of_subclasses():
    class Own(Value):
        pass
    a = Own(1.0)
    total = sum((a * i for i in range(100)), Own(0.0))
    parents = a._parents()
    assert len(parents) == 100 and {type(v) for v in parents} == {Own}
    del parents
    assert total.data == 4950 and len(a._parents()) == 100


def test_within_a_backward():
    """Closures that ask while the sweep runs, also for nodes that the sweep keeps from being freed."""
    x = Value(2.0, label="x")
    pages = []
    y = Value(4.0, (x * 1.0,), "y")
    out = y * 1.0

    def _backward():
        x.grad += 1.0
        y._children = ()
        pages.append(words_of(x))
    y._backward = _backward
    out.backward()
    # In plain Python the list of nodes keeps what has been cut off; in C it's waiting for its end.
    assert ("No living Value was made from it" if fastgrad.backend == "c" else "x * 1.0") in pages[0]



def test_what_cannot_be_printed_is_shown_escaped():
    """A terminal would take it for commands."""
    a = Value(2.0, label="\x1b[2Ja")
    b = Value(3.0, (a, a), "o\x1b[31mp\u202e")
    b.label = "b\x07"
    with detect_anomaly():
        c = eval(compile("b * 2.0", "file\x1b]0;name.py", "eval"))
    c.backward()
    for v in (a, b, c):
        assert all(line.isprintable() for line in lines(v))
    assert lines(b)[0] == r"b\x07 = o\x1b[31mp\u202e(\x1b[2Ja, \x1b[2Ja) = o\x1b[31mp\u202e(2.0, 2.0) = 3.0"
    assert r"by b\x07: 2.0" in words_of(c) and r"made at file\x1b]0;name.py:1" in words_of(c)
    with pytest.raises(ValueError) as raised:
        explain(c, b)
    assert str(raised.value).isprintable()


def test_a_backward_assigned_to_the_class(monkeypatch):
    a = Value(2.0, label="a")
    b = a * 3.0
    monkeypatch.setattr(Value, "_backward", lambda self: None, raising="_backward" in vars(Value))
    b.backward()
    assert "aren't known" in words_of(b) and "not known" in words_of(a)


@pytest.mark.skipif(fastgrad.backend != "c", reason="this is that run")
def test_all_of_this_with_the_engine_in_plain_python(run_in_plain_python):
    run_in_plain_python(__file__)
