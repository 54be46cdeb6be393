"""fastgrad.functional gives the graph, the bits, the gradients and the errors of the loops in its docstrings, which run
here as they stand; and it says what is wrong with an argument before it does anything."""
import builtins
import copy
import gc
import inspect
import math
import random
import re
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import fastgrad
import fastgrad.functional as F
from fastgrad import AnomalyError, Value, arena_stats, detect_anomaly, engine, gradcheck, micrograd, no_grad

inf, nan = math.inf, math.nan


class Own(Value):
    """A class of somebody's own, with operations of its own."""

    def exp(self):
        return super().exp() * 2.0

    def __radd__(self, other):
        return super().__radd__(other) * 0.5


# ---- The loops ----

ON_VALUES = ("relu", "tanh", "sigmoid", "exp", "log", "gelu", "silu", "softmax", "log_softmax", "cross_entropy")
NAMESPACE = {"builtins": builtins, "__name__": "loops"}


def loop_of(name):
    """The loop in a function's docstring as a function with the same arguments."""
    function = getattr(F, name)
    block, = re.findall(r"^(?:.*[Tt]he same as.*)\n\n((?:    .*\n)+)\n", inspect.getdoc(function), re.M)
    scope = dict(NAMESPACE)
    exec(f"def loop{inspect.signature(function)}:\n{textwrap.indent(textwrap.dedent(block), '    ')}", scope)
    scope.update({other: on_leaves(loop) for other, loop in LOOPS.items() if other in ("softmax", "log_softmax")})
    return scope["loop"] if name not in ON_VALUES else on_leaves(scope["loop"])


def on_leaves(loop):
    """The same where a number among the elements counts as a leaf."""
    return lambda xs, *rest: loop([x if is_value(x) else Value(x) for x in xs], *rest)


LOOPS = {}
for name in sorted(F.__all__, key=lambda name: name in ("cross_entropy", "scaled_dot_product_attention")):
    LOOPS[name] = loop_of(name)


def test_each_function_shows_its_loop():
    assert set(LOOPS) == set(F.__all__) == {name for name, x in vars(F).items()
                                            if inspect.isroutine(x) and getattr(x, "__module__", None) == F.__name__
                                            and not name.startswith("_")}


# ---- What is compared ----

def flat(x):
    """The elements of nested lists."""
    return [y for row in x for y in flat(row)] if isinstance(x, (list, tuple)) else [x]


def is_value(x):
    return isinstance(x, Value)


def graph(*roots):
    """All nodes below some Values and numbers in lists, each with all there is to tell it from another: an entry for
    each node in the order in which one comes to it. The same graphs have the same."""
    numbers, entries = {}, []
    todo = [x for x in reversed(flat(roots))]
    while todo:
        v = todo.pop()
        if not is_value(v):
            entries.append((type(v), repr(v)))
            continue
        if v in numbers:
            entries.append(numbers[v])
            continue
        numbers[v] = len(numbers)
        entries.append((type(v), v._op, repr(v.data), repr(v.grad), repr(v._local_grads), len(v._children)))
        todo += reversed(v._children)
    return entries


def shape(x):
    """Lists as such, and what else there is by its class."""
    return [shape(y) for y in x] if type(x) is list else type(x)


def total(results):
    """One Value of all results, each with a weight of its own; None if there's no Value among them."""
    terms = [x * (0.5 + i) for i, x in enumerate(flat(results)) if is_value(x)]
    return sum(terms, Value(0.0)) if terms else None


def outcome(function, arguments, way):
    """What a function does with some arguments, as something to compare."""
    try:
        results = function(*arguments)
    except Exception as error:
        return "raised", type(error), str(error), graph(arguments)
    found = [shape(results)]
    if "looked at" in way:
        found.append(graph(arguments, results))
    if "changed" in way:
        for x in flat(arguments):
            if is_value(x):
                x.data = 0.125
    if "backward" in way:
        root = total(results)
        for _ in range(way.count("backward")):
            if root is not None:
                root.backward()
        found.append(graph(arguments, results, root))
        if root is not None:
            root.zero_grad()
            found.append(graph(root))
    return found


WAYS = (["looked at", "backward"], ["backward"], ["changed", "backward", "backward"])


def compare(name, make, given=lambda x: x):
    """Compare a function with its loop in all ways. make: gives new arguments that are the same each time. given: what
    the function gets in place of the loop's lists."""
    function = lambda *arguments: getattr(F, name)(*map(given, arguments))
    for way in WAYS:
        assert outcome(function, make(), way) == outcome(LOOPS[name], make(), way)
    with no_grad():
        assert outcome(function, make(), ["looked at"]) == outcome(LOOPS[name], make(), ["looked at"])


# ---- Arguments ----

def number(rng):
    return rng.choice([rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 1), rng.randint(-3, 3)])


def awkward(rng):
    return rng.choice([nan, inf, -inf, -0.0, 0.0, 0, 1e200, -1e308, 5e-324, 1.5, 2 ** 53, 2 ** 60, True])


def positive(rng):
    return rng.choice([rng.uniform(0.1, 3), rng.uniform(0.1, 3), rng.randint(1, 3)])


class Kind:
    """Random elements: each kind of vector below is one of its methods, which gives n elements."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.pool = [Value(self.rng.gauss(0, 1)) for _ in range(3)]
        self.pool += [self.pool[0] * self.pool[1], self.pool[2].tanh(), self.pool[0] + 1.5]
        self.n_vectors = 0

    def values(self, n):
        return [Value(self.rng.gauss(0, 1)) for _ in range(n)]

    def positive_values(self, n):
        return [Value(self.rng.uniform(0.1, 3)) for _ in range(n)]

    def numbers(self, n):
        return [number(self.rng) for _ in range(n)]

    def floats(self, n):
        return [self.rng.uniform(0.1, 3) for _ in range(n)]

    def mixed(self, n):
        return [self.rng.choice([Value, Value, float, lambda x: x])(number(self.rng)) for _ in range(n)]

    def mixed_floats(self, n):
        return [self.rng.choice([Value, float])(self.rng.uniform(0.1, 3)) for _ in range(n)]

    def some_rows_of_numbers(self, n):
        return self.rng.choice([self.values, self.floats])(n)

    def numbers_first(self, n):
        """So many that what Python 3.12's sum does with floats shows."""
        return [x if i < 0.7 * n else Value(x) for i, x in enumerate(self.floats(n))]

    def left(self, n):
        self.n_vectors += 1
        return (self.floats if self.n_vectors == 1 else self.values)(n)

    def right(self, n):
        self.n_vectors += 1
        return (self.values if self.n_vectors == 1 else self.floats)(n)

    def ints_in_values(self, n):
        return [Value(self.rng.choice([self.rng.randint(-2, 2), self.rng.gauss(0, 1)])) for _ in range(n)]

    def all_ints(self, n):
        return [Value(self.rng.randint(1, 3)) for _ in range(n)]

    def awkward(self, n):
        return [self.rng.choice([Value, Value, lambda x: x])(awkward(self.rng)) for _ in range(n)]

    def awkward_values(self, n):
        return [Value(float(awkward(self.rng))) for _ in range(n)]

    def the_same(self, n):
        return [self.rng.choice(self.pool) for _ in range(n)]

    def of_a_subclass(self, n):
        return [Own(self.rng.gauss(0, 1)) for _ in range(n)]

    def some_of_a_subclass(self, n):
        return [self.rng.choice([Own, Value, Value, float])(self.rng.gauss(0, 1)) for _ in range(n)]

    def micrograds(self, n):
        return [micrograd.Value(number(self.rng)) for _ in range(n)]

    def dialects(self, n):
        classes = [Value, micrograd.Value, micrograd.Value, float, Own]
        return [self.rng.choice(classes)(number(self.rng)) for _ in range(n)]

    def other_numbers(self, n):
        classes = [np.float64, np.float32, np.int64, Fraction, np.bool_, bool, Value, Value, Value]
        return [self.rng.choice(classes)(number(self.rng)) for _ in range(n)]


KINDS = [name for name, x in vars(Kind).items() if inspect.isfunction(x) and not name.startswith("_")]
STARTS = [0, 0.5, -0.0, 2, 2 ** 60, nan, True, np.float64(0.5), Value, Own, micrograd.Value]


def start(rng):
    x = rng.choice(STARTS)
    return x(rng.choice([0.5, 2])) if isinstance(x, type) else x


def arguments(name, kind, n, seed):
    """Random arguments for a function, of vectors of n elements."""
    kind_of = Kind(seed)
    rng, vector = kind_of.rng, getattr(kind_of, kind)
    matrix = lambda rows, columns: [vector(columns) for _ in range(rows)]
    m, k = rng.choice([1, 2, 3]), rng.choice([1, 2])
    if name == "linear":
        return [vector(n), matrix(m, n)] + rng.choice([[], [None], [vector(m)], [[start(rng) for _ in range(m)]]])
    if name == "matmul":
        return [matrix(m, n), matrix(n, k)]
    if name == "scaled_dot_product_attention":
        return [vector(n), matrix(m, n), matrix(m, k)]
    if name in ("dot", "add", "mul", "mse_loss"):
        return [vector(n), vector(n)] + ([start(rng)] if name == "dot" and rng.random() < 0.6 else [])
    if name == "layer_norm":
        return [vector(n)] + rng.choice([[], [vector(n)], [None, vector(n)], [vector(n), vector(n), 1e-3]])
    if name == "rms_norm":
        return [vector(n)] + rng.choice([[], [0.1], [Value(0.1)]])
    if name == "sum":
        return [vector(n)] + ([start(rng)] if rng.random() < 0.6 else [])
    return [vector(n)] + ([rng.randrange(n)] if name == "cross_entropy" else [])


# ---- The same as the loop ----

@pytest.mark.parametrize("name", F.__all__)
def test_a_profiler_sees_the_function(name):
    """And nothing else changes."""
    def watched(*given):
        seen = []
        sys.setprofile(lambda frame, event, x: seen.append(frame.f_code) if event == "call" else None)
        try:
            return getattr(F, name)(*given)
        finally:
            sys.setprofile(None)
            assert inspect.unwrap(getattr(F, name)).__code__ in seen
    for way in WAYS:
        make = lambda: arguments(name, "values", 3, 1)
        assert outcome(watched, make(), way) == outcome(LOOPS[name], make(), way)


@pytest.mark.parametrize("name", F.__all__)
def test_too_many_and_too_few_arguments(name):
    """Python's own words."""
    function = inspect.unwrap(getattr(F, name))
    for given in [(), (V,) * 9]:
        with pytest.raises(TypeError) as found:
            getattr(F, name)(*given)
        with pytest.raises(TypeError) as expected:
            function(*given)
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("name", F.__all__)
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_loop_does(name, kind):
    for seed, n in enumerate([1, 2, 2, 3, 17] if fastgrad.backend == "c" else [1, 5]):
        compare(name, lambda: arguments(name, kind, n, seed))


def containers(name, x):
    """An argument's list in other containers, as (what the function gets, what the loop gets)."""
    yield tuple(map(tuple, x)) if isinstance(x[0], list) else tuple(x), x
    yield (y for y in x), x
    yield iter(x), x
    yield map(iter, x) if isinstance(x[0], list) else dict.fromkeys(x).keys(), x
    yield np.array(x, dtype=object), x


@pytest.mark.parametrize("name", F.__all__)
def test_containers(name):
    for way in WAYS[:2]:
        expected = outcome(LOOPS[name], arguments(name, "values", 3, 1), way)
        for i in range(5):
            def function(*args):
                return getattr(F, name)(*[list(containers(name, x))[i][0] if isinstance(x, list) else x for x in args])
            assert outcome(function, arguments(name, "values", 3, 1), way) == expected


@pytest.mark.parametrize("name", F.__all__)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8, bool])
def test_arrays_of_numbers_are_as_their_lists(name, dtype):
    def make(kind):
        """Arguments of which all vectors, or all but the first, have the numbers of an array."""
        first, *rest = [np.array(x, dtype).tolist() if isinstance(x, list) else x
                        for x in arguments(name, "floats", 3, seed)]
        return [first if kind == "floats" else arguments(name, kind, 3, seed)[0], *rest]

    def as_array(x):
        return np.array(x, dtype) if isinstance(x, list) and not any(map(is_value, flat(x))) else x

    for seed in range(2):
        compare(name, lambda: make("floats"), as_array)
        compare(name, lambda: make("values"), as_array)


def test_rows_of_a_matrix_may_be_of_different_kinds():
    x = [Value(1.0), Value(2.0)]
    rows = [np.array([1.0, 2.0]), (3.0, x[0]), (y for y in [x[1], 2])]
    assert [y.data for y in F.linear(x, rows)] == [5.0, 5.0, 6.0]


def test_nothing_of_the_arguments_changes():
    for name in F.__all__:
        given = arguments(name, "mixed", 3, 1)
        before = [list(x) if isinstance(x, list) else x for x in given]
        rows = [[list(y) for y in x if isinstance(y, list)] for x in given if isinstance(x, list)]
        outcome(getattr(F, name), given, [])
        assert given == before and rows == [[y for y in x if isinstance(y, list)] for x in given if isinstance(x, list)]


def test_arguments_have_torchs_places_and_names():
    x, w, b = [Value(1.0), Value(2.0)], [[3.0, 4.0]], [0.5]
    assert F.linear(x, weight=w, bias=b)[0].data == 11.5
    assert [y.data for y in F.layer_norm(x, bias=x)] == [y.data for y in F.layer_norm(x, None, x, eps=1e-5)]
    assert F.dot(a=x, b=x, start=1).data == F.sum(xs=[1, 5], start=0) == 6
    assert F.cross_entropy(logits=x, target=0).data == F.cross_entropy(x, 0).data
    assert F.scaled_dot_product_attention(q=x, k=[x], v=[x])[1].data == 2.0


FUSED = {"dot": 1, "linear": 3, "matmul": 4, "sum": 1, "mean": 1, "softmax": 1, "log_softmax": 1, "cross_entropy": 1,
         "mse_loss": 1, "rms_norm": 1, "layer_norm": 2, "scaled_dot_product_attention": 7}


@pytest.mark.skipif(fastgrad.backend != "c", reason="only the C engine has fused sums")
@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("cls", [Value, micrograd.Value])
def test_sums_are_fused(name, cls):
    """Without this, all of the above would also hold if the loops themselves ran."""
    vector = [cls(1.0), cls(2.0), cls(3.0)]
    rows = [list(vector) for _ in range(3)]
    given = {"linear": [vector, rows], "matmul": [rows[:2], [row[:2] for row in rows]], "cross_entropy": [vector, 1],
             "scaled_dot_product_attention": [vector, rows, rows]}.get(name)
    given = given or [vector] * (2 if name in ("dot", "mse_loss") else 1)
    before = arena_stats()["fused"]
    results = getattr(F, name)(*given)
    assert arena_stats()["fused"] - before == FUSED[name]
    with no_grad():
        no_graph = getattr(F, name)(*given)
        assert arena_stats()["fused"] - before == FUSED[name]
    assert list(map(repr, flat(results))) == list(map(repr, flat(no_graph)))


# ---- What functions are for ----

def approx(x):
    return pytest.approx(x, rel=1e-14, abs=1e-15)


def data(xs):
    return [x.data if is_value(x) else data(x) for x in xs]


XS = [0.5, -1.25, 2.0, 0.0]


@pytest.mark.parametrize("name, formula", [
    ("relu", lambda x: max(0, x)),
    ("tanh", math.tanh),
    ("sigmoid", lambda x: 1 / (1 + math.exp(-x))),
    ("exp", math.exp),
    ("gelu", lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2))),
    ("silu", lambda x: x / (1 + math.exp(-x))),
    ("softmax", lambda x: math.exp(x) / sum(map(math.exp, XS))),
    ("log_softmax", lambda x: x - math.log(sum(map(math.exp, XS)))),
    ("rms_norm", lambda x: x / math.sqrt(math.fsum(y * y for y in XS) / 4 + 1e-5)),
    ("layer_norm", lambda x: (x - 0.3125) / math.sqrt(math.fsum((y - 0.3125) ** 2 for y in XS) / 4 + 1e-5)),
])
def test_closed_forms(name, formula):
    expected = approx([formula(x) for x in XS])
    assert data(getattr(F, name)([Value(x) for x in XS])) == expected
    with no_grad():
        assert data(getattr(F, name)([Value(x) for x in XS])) == expected


def test_closed_forms_of_sums_and_losses():
    xs, ys = [Value(x) for x in XS], [1.0, 2.0, -0.5, 3.0]
    assert data(F.log([Value(2.0), 0.5])) == [math.log(2.0), math.log(0.5)]
    assert F.dot(xs, ys, 10).data == 10 + 0.5 - 2.5 - 1.0
    assert data(F.linear(xs, [ys, XS], [1, Value(-1.0)])) == [-2.0, 4.8125]
    assert data(F.matmul([xs[:2], xs[2:]], [[1, 2, 3], [4, 5, 6]])) == [[-4.5, -5.25, -6.0], [2.0, 4.0, 6.0]]
    assert F.sum(xs, 1).data == 2.25 and F.mean(xs).data == 0.3125
    assert data(F.add(xs, ys)) == [1.5, 0.75, 1.5, 3.0] and data(F.mul(xs, ys)) == [0.5, -2.5, -1.0, 0.0]
    assert F.mse_loss(xs, ys).data == (0.5 ** 2 + 3.25 ** 2 + 2.5 ** 2 + 9) / 4
    assert F.cross_entropy(xs, 2).data == approx(math.log(sum(map(math.exp, XS))) - 2.0)
    assert data(F.layer_norm([Value(1.0), Value(3.0)], [2.0, 3.0], [1.0, 0.5], eps=0)) == [-1.0, 3.5]
    weights = [math.exp(0.75 / math.sqrt(2)), math.exp(-0.75 / math.sqrt(2))]
    p = weights[0] / sum(weights)
    attention = F.scaled_dot_product_attention([Value(0.75), 0.0], [[1, 2], [-1, 5]], [[1.0, 10.0, 0.0], [3, 20, 0.0]])
    assert data(attention) == approx([p + 3 * (1 - p), 10 * p + 20 * (1 - p), 0.0])


def test_probabilities_of_large_and_small_logits():
    xs = [Value(1000.0), Value(0.0), -1000]
    assert data(F.softmax(xs)) == [1.0, 0.0, 0.0]
    assert data(F.log_softmax(xs)) == [0.0, -1000.0, -2000.0]
    loss = F.cross_entropy(xs, 1)
    loss.backward()
    assert (loss.data, xs[0].grad, xs[1].grad) == (1000.0, 1.0, -1.0)
    assert sum(data(F.softmax([Value(x) for x in XS]))) == approx(1.0)


@pytest.mark.parametrize("name", F.__all__)
@pytest.mark.parametrize("kind", ["positive_values", "mixed_floats", "of_a_subclass"])
def test_gradcheck(name, kind):
    if kind == "of_a_subclass" and name in ("log", "exp", "softmax", "log_softmax", "cross_entropy", "sum", "mean",
                                            "relu"):
        kind = "positive_values"        # Own's operations aren't what they are called, or it has no logarithms
    given = arguments(name, kind, 3, 1)
    inputs = [x for x in flat(given) if is_value(x)]
    if inputs:
        assert gradcheck(lambda *_: total(getattr(F, name)(*given)) * 0.1, inputs)


def test_no_grad_gives_leaves():
    for name in F.__all__:
        with no_grad():
            results = flat(getattr(F, name)(*arguments(name, "positive_values", 3, 1)))
        expected = flat(getattr(F, name)(*arguments(name, "positive_values", 3, 1)))
        assert all(x._children == () and x._op == "" and x._local_grads == () for x in results)
        assert list(map(repr, results)) == list(map(repr, expected))


def test_numbers_alone_give_numbers_where_the_loop_does():
    assert F.dot([1, 2], [3.0, 4]) == 11.0 and type(F.dot([1, 2], [3, 4])) is int
    assert F.linear([1, 2], [[3, 4]]) == [11] and F.mse_loss([1, 2], [2, 4]) == 2.5
    assert F.layer_norm([1.0, 3.0], eps=0) == [-1.0, 1.0]
    assert [type(x) for x in F.relu([1, -2.0])] == [Value, Value]


@pytest.mark.parametrize("name, given", [
    ("linear", ([1.0, 2.0], [[Value(1.0), 2.0], [3.0, 4.0]])),
    ("linear", ([0.1, 0.2], [[0.3, Value(1.0)], [3.0, 4.0]], [Value(0.5), 0.5])),
    ("matmul", ([[Value(1.0), 2.0], [3.0, 4.0]], [[5.0, 6.0], [Value(7.0), 8.0]])),
    ("dot", ([0.1] * 10 + [Value(1.0)], [0.1] * 11)),
    ("sum", ([0.1] * 10 + [Value(1.0)], -0.0)),
])
def test_a_sum_is_one_of_numbers_up_to_its_first_value(name, given):
    """And Python 3.12's sum adds floats with more precision than + has."""
    compare(name, lambda: copy.deepcopy(given))


# ---- Operators that aren't the engine's ----

@pytest.fixture
def patch():
    """A function that puts another method, made of the class's own, in its place until the test ends."""
    before = {}

    def patch(name, make):
        before[name] = vars(Value).get(name)
        setattr(Value, name, make(getattr(Value, name)))
    yield patch
    for name, method in before.items():
        if method is None:
            delattr(Value, name)
        else:
            setattr(Value, name, method)


@pytest.mark.parametrize("patched", ["__add__", "__radd__", "__mul__", "__rmul__", "__sub__", "__truediv__", "__pow__",
                                     "__neg__", "exp", "log", "relu", "sigmoid", "erf"])
def test_methods_that_somebody_has_assigned(patched, patch):
    calls = []

    def make(own):
        def method(self, *other):
            calls.append(patched)
            return own(self, *other)
        return method
    patch(patched, make)
    for name in F.__all__:
        del calls[:]
        expected = outcome(LOOPS[name], arguments(name, "mixed", 3, 1), WAYS[0])
        n_calls = len(calls)
        assert outcome(getattr(F, name), arguments(name, "mixed", 3, 1), WAYS[0]) == expected
        assert len(calls) == 2 * n_calls


def test_methods_of_one_value_alone():
    def make():
        xs = [Value(0.5), Value(2.0)]
        xs[0].exp = lambda: xs[1] * 3.0
        xs[0].relu = xs[1].tanh
        return [xs]
    compare("exp", make)
    compare("relu", make)


def test_methods_that_take_no_value(patch):
    patch("relu", lambda own: staticmethod(lambda: Value(7.0)))
    compare("relu", lambda: [[Value(1.0), Value(2.0)]])


def test_operators_that_compute_something_else(patch):
    patch("__mul__", lambda own: lambda self, other: own(self, other) + 1000)
    patch("__add__", lambda own: lambda self, other: own(own(self, other), 0.25))
    for name in F.__all__:
        compare(name, lambda: arguments(name, "values", 3, 1))


@pytest.mark.parametrize("function, message", [
    (lambda: F.dot([Value(1e200), Value(2.0)], [Value(1e200), Value(3.0)]),
     "'*' has made inf: 1e+200 * 1e+200 = inf"),
    (lambda: F.sum([Value(1e308), Value(1e308)]), "'+' has made inf: 1e+308 + 1e+308 = inf"),
    (lambda: F.linear([Value(inf), Value(1.0)], [[Value(0.0), 1.0]]), "'*' has made nan: 0.0 * inf = nan"),
    (lambda: F.softmax([Value(nan), Value(1.0)]), "'+' has made nan"),
    (lambda: F.gelu([Value(1.0), Value(inf), -inf]), "'*' has made nan"),
])
def test_detect_anomaly_finds_what_it_finds_in_the_loop(function, message):
    with detect_anomaly(), pytest.raises(AnomalyError) as caught:
        function()
    assert str(caught.value).startswith(message)
    assert caught.value.place[0] == __file__ and caught.value.place[2] == "<lambda>"


@pytest.mark.parametrize("name", F.__all__)
def test_detect_anomaly_changes_nothing_else(name):
    expected = outcome(LOOPS[name], arguments(name, "positive_values", 3, 1), WAYS[1])
    with detect_anomaly():
        assert outcome(getattr(F, name), arguments(name, "positive_values", 3, 1), WAYS[1]) == expected


# ---- Errors ----

@pytest.fixture
def nothing_is_left():
    """After a test there are as many nodes as before, without the garbage collector's help."""
    gc.disable()
    try:
        live = arena_stats()["live"]
        yield
        assert arena_stats()["live"] == live
    finally:
        gc.enable()


def error_of(function, *arguments):
    """The error of a call as "TypeError: message". The arguments are unchanged."""
    before = graph(arguments)
    try:
        function(*arguments)
    except (TypeError, ValueError, OverflowError) as error:
        text = f"{type(error).__name__}: {error}"
    else:
        raise AssertionError("no error")
    assert graph(arguments) == before
    return text


V = Value(1.0)
LENGTHS = {
    "dot": [(([V], [V, V]), "a has 1 element, but b has 2 elements"),
            (([V, V, V], [1.0]), "a has 3 elements, but b has 1 element")],
    "add": [(([V], [V, V]), "a has 1 element, but b has 2 elements")],
    "mul": [(([V], [V, V]), "a has 1 element, but b has 2 elements")],
    "mse_loss": [(([V, 1], [V]), "a has 2 elements, but b has 1 element")],
    "linear": [(([V, V], [[V, V], [V]]), "row 1 of weight has 1 element, but x has 2 elements"),
               (([V], [[V, V], [V]]), "row 0 of weight has 2 elements, but x has 1 element"),
               (([V], [[V], [V]], [V]), "weight has 2 rows, but bias has 1 element"),
               (([V], [[V]], [V, 1, 2]), "weight has 1 row, but bias has 3 elements")],
    "matmul": [(([[V, V]], [[V]]), "row 0 of a has 2 elements, but b has 1 row"),
               (([[V]], [[V], [V]]), "row 0 of a has 1 element, but b has 2 rows"),
               (([[V, V], [V]], [[V], [V]]), "row 1 of a has 1 element, but b has 2 rows"),
               (([[V, V]], [[V, V], [V]]), "row 1 of b has 1 element, but row 0 of b has 2 elements")],
    "scaled_dot_product_attention": [
        (([V], [[V], [V]], [[V]]), "k has 2 rows, but v has 1 row"),
        (([V], [[V]], [[V], [V]]), "k has 1 row, but v has 2 rows"),
        (([V], [[V], [V, V]], [[V], [V]]), "row 1 of k has 2 elements, but q has 1 element"),
        (([V], [[V], [V]], [[V], [V, V]]), "row 1 of v has 2 elements, but row 0 of v has 1 element")],
    "layer_norm": [(([V, V], [V]), "weight has 1 element, but x has 2 elements"),
                   (([V, V], None, [V, V, V]), "bias has 3 elements, but x has 2 elements")],
}


@pytest.mark.parametrize("name, given, message", [(name, *case) for name in LENGTHS for case in LENGTHS[name]])
def test_lengths_that_do_not_fit(name, given, message, nothing_is_left):
    assert error_of(getattr(F, name), *given) == f"ValueError: {message}"


def vectors(name):
    """For each vector or matrix that a function takes: its place, its name, and good arguments, as (i, name, list)."""
    good = {"linear": [[V], [[V]], [V]], "matmul": [[[V]], [[V]]], "scaled_dot_product_attention": [[V], [[V]], [[V]]],
            "layer_norm": [[V], [V], [V]], "cross_entropy": [[V], 0]}.get(name)
    parameters = list(inspect.signature(getattr(F, name)).parameters)
    if good is None:
        good = [[V]] * (2 if parameters[:2] == ["a", "b"] else 1)
    return [(i, parameters[i], good) for i, x in enumerate(good) if isinstance(x, list)]


def with_bad(good, i, bad):
    return [bad if j == i else x for j, x in enumerate(good)]


EVERY = [(name, *case) for name in F.__all__ for case in vectors(name)]


@pytest.mark.parametrize("name, i, argument, good", EVERY)
def test_empty_vectors(name, i, argument, good, nothing_is_left):
    for empty in [], (), iter(()), np.array([]):
        assert error_of(getattr(F, name), *with_bad(good, i, empty)) == f"ValueError: {argument} is empty"
    if isinstance(good[i][0], list):
        text = error_of(getattr(F, name), *with_bad(good, i, [[]]))
        assert text == f"ValueError: row 0 of {argument} is empty"
        with_empty_row = with_bad(good, i, good[i] + [np.array([])])
        assert error_of(getattr(F, name), *with_empty_row) == f"ValueError: row 1 of {argument} is empty"


@pytest.mark.parametrize("name, i, argument, good", EVERY)
def test_what_is_no_vector(name, i, argument, good, nothing_is_left):
    content = "rows" if isinstance(good[i][0], list) else "Values or numbers"
    for bad in "12", b"12", bytearray(b"1"), "", V, 1.0, 3, {0: V}, {1.0}, {}, np.array(1.0), np.float64(1.0), len, int:
        if content == "rows":
            text = error_of(getattr(F, name), *with_bad(good, i, [bad]))
            kind = "float" if isinstance(bad, np.ndarray | np.float64) else type(bad).__name__
            assert text == f"TypeError: row 0 of {argument} is a list of Values or numbers, not {kind!r}"
        text = error_of(getattr(F, name), *with_bad(good, i, bad))
        kind = "float" if isinstance(bad, np.ndarray | np.float64) else type(bad).__name__
        assert text == f"TypeError: {argument} is a list of {content}, not {kind!r}"


@pytest.mark.parametrize("name, i, argument, good", EVERY)
def test_none_is_no_vector(name, i, argument, good, nothing_is_left):
    if argument in ("weight", "bias") and inspect.signature(getattr(F, name)).parameters[argument].default is None:
        getattr(F, name)(*with_bad(good, i, None))
        return
    assert re.fullmatch(f"TypeError: {argument} is a list of .*, not 'NoneType'",
                        error_of(getattr(F, name), *with_bad(good, i, None)))


@pytest.mark.parametrize("name, i, argument, good", EVERY)
def test_elements_that_are_no_numbers(name, i, argument, good, nothing_is_left):
    whose = f"row 0 of {argument}" if isinstance(good[i][0], list) else argument
    for bad in None, "a", "1", [1.0], [V], (V,), 1j, np.complex128(1j), {}, np.array([1.0]), np.array(1.0), b"1", len:
        for place, elements in (0, [bad]), (1, [V, bad]), (0, (bad, V)), (1, [2.0, bad, bad]):
            given = with_bad(good, i, [elements] if whose != argument else elements)
            kind = type(bad).__name__
            assert (error_of(getattr(F, name), *given)
                    == f"TypeError: {whose} is a list of Values or numbers, but element {place} is {kind!r}")


def test_arrays_with_too_many_dimensions_or_no_numbers(nothing_is_left):
    row = "is a list of Values or numbers, but element 0 is"
    assert error_of(F.softmax, np.ones((2, 2))) == f"TypeError: xs {row} 'list'"
    assert error_of(F.linear, [V], np.ones((1, 1, 1))) == f"TypeError: row 0 of weight {row} 'list'"
    assert error_of(F.linear, [V], np.ones(1)) == ("TypeError: row 0 of weight is a list of Values or numbers, "
                                                   "not 'float'")
    assert error_of(F.sum, np.array(["a"])) == f"TypeError: xs {row} 'str'"
    assert error_of(F.sum, np.array([1j])) == f"TypeError: xs {row} 'complex'"


@pytest.mark.parametrize("target, message", [
    (3, "ValueError: target is an index from 0 to 2, not 3"),
    (-1, "ValueError: target is an index from 0 to 2, not -1"),
    (10 ** 30, f"ValueError: target is an index from 0 to 2, not {10 ** 30}"),
    (np.int64(7), "ValueError: target is an index from 0 to 2, not 7"),
    (1.0, "TypeError: target is an index, an int, not 'float'"),
    (np.float64(1.0), "TypeError: target is an index, an int, not 'float64'"),
    ("1", "TypeError: target is an index, an int, not 'str'"),
    (None, "TypeError: target is an index, an int, not 'NoneType'"),
    ([1], "TypeError: target is an index, an int, not 'list'"),
    (V, "TypeError: target is an index, an int, not 'Value'"),
])
def test_targets_that_are_no_index(target, message, nothing_is_left):
    assert error_of(F.cross_entropy, [V, V, 2.0], target) == message


@pytest.mark.parametrize("target", [1, np.int64(1), np.uint8(1), True, np.array(1)])
def test_targets_that_are_an_index(target):
    xs = [Value(0.5), Value(1.5), Value(-1.0)]
    assert repr(F.cross_entropy(xs, target)) == repr(LOOPS["cross_entropy"](xs, 1))


@pytest.mark.parametrize("name, given", [
    ("dot", ([V, V], [V, V], None)),
    ("dot", ([V, V], [V, V], "a")),
    ("dot", ([1.0], [1.0], [1.0])),
    ("sum", ([V, V], None)),
    ("sum", ([V, V], 1j)),
    ("sum", ([V, V], 2 ** 53 + 1)),
    ("dot", ([2 ** 53 + 1, 1], [V, V])),
    ("dot", ([V, V], [1.0, 2 ** 1024])),
    ("add", ([2 ** 53 + 1, 1], [V, V])),
    ("exp", ([V, Value(710.0)],)),
    ("exp", ([1000.0],)),
    ("log", ([V, Value(0.0)],)),
    ("log", ([V, -1],)),
    ("relu", ([2 ** 53 + 1],)),
    ("rms_norm", ([V, V], None)),
    ("rms_norm", ([V, V], "a")),
    ("rms_norm", ([0.0, Value(0.0)], 0)),
    ("rms_norm", ([V, V], -5.0)),
    ("layer_norm", ([V, V], None, None, 0.0)),
    ("layer_norm", ([V, V], None, None, None)),
    ("mse_loss", ([Value(1e200), V], [0.0, 1.0])),
])
def test_operations_raise_what_they_raise_in_the_loop(name, given, nothing_is_left):
    expected = outcome(LOOPS[name], given, WAYS[0])
    assert expected[0] == "raised"
    assert outcome(getattr(F, name), given, WAYS[0]) == expected


@pytest.mark.skipif(not hasattr(engine, "_fail_allocation"), reason="needs a build for the tests")
@pytest.mark.parametrize("name", F.__all__)
@pytest.mark.parametrize("records", [True, False])
def test_every_allocation_of_the_core_fails_once(name, records, nothing_is_left):
    """A function then gives what it always gives, or raises MemoryError and leaves nothing."""
    given = arguments(name, "positive_values", 3, seed=2)
    function = getattr(F, name) if records else no_grad()(getattr(F, name))
    expected, live = graph(given, function(*given)), arena_stats()["live"]
    for n in range(1, 40):
        results = None
        engine._fail_allocation(n)
        try:
            results = function(*given)
        except MemoryError:
            pass
        finally:
            engine._fail_allocation(0)
        engine._check()
        assert arena_stats()["live"] == live if results is None else graph(given, results) == expected
    assert results is not None


@pytest.mark.skipif(not hasattr(engine, "_at_next_operation"), reason="needs the compiled engine")
@pytest.mark.parametrize("name", F.__all__)
def test_ctrl_c_in_the_middle_comes_through(name):
    def interrupt():
        raise KeyboardInterrupt
    given = arguments(name, "positive_values", 3, seed=2)
    getattr(F, name)(*given)
    engine._at_next_operation(interrupt)
    with pytest.raises(KeyboardInterrupt):
        getattr(F, name)(*given)


def test_what_an_iterator_raises_comes_through():
    def elements():
        yield V
        raise KeyError("mine")
    for name, i, argument, good in EVERY:
        with pytest.raises(KeyError, match="mine"):
            getattr(F, name)(*with_bad(good, i, elements()))


@pytest.mark.parametrize("name", F.__all__)
def test_no_node_is_left_of_results_and_gradients(name, nothing_is_left):
    for way in WAYS:
        assert outcome(getattr(F, name), arguments(name, "positive_values", 17, 1), way)[0] != "raised"


# ---- Where it is ----

@pytest.mark.parametrize("program", [
    "import fastgrad.functional as F; F.dot",
    "from fastgrad import functional as F; F.dot",
    "import fastgrad; fastgrad.functional.dot",
    "import fastgrad; from fastgrad.functional import *; dot; assert sum is fastgrad.functional.sum",
])
def test_it_is_imported_when_it_is_asked_for(program):
    program = f"import sys, fastgrad; assert 'fastgrad.functional' not in sys.modules; {program}"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(fastgrad.__file__).parents[1])


def test_the_order_of_all_is_that_of_the_stub():
    stub = Path(F.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    assert set(re.findall(r"^def (\w+)\(", stub, re.M)) == set(F.__all__)
    for name in F.__all__:
        parameters = re.search(rf"^def {name}\((.*?)\) -> ", stub, re.M | re.S)[1]
        assert re.findall(r"(\w+): ", parameters) == list(inspect.signature(getattr(F, name)).parameters)


def test_docstrings_name_every_argument():
    for name in F.__all__:
        text = getattr(F, name).__doc__.split("The same as")[0]
        assert all(re.search(rf"\b{x}\b", text) for x in inspect.signature(getattr(F, name)).parameters), name
        assert "Raises TypeError" in getattr(F, name).__doc__


@pytest.mark.skipif(fastgrad.backend != "c", reason="this is that run")
def test_all_of_this_with_the_engine_in_plain_python(run_in_plain_python):
    run_in_plain_python(__file__)
