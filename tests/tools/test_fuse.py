"""@fastgrad.fuse: C runs a function's loops over Values, and nothing else about the function changes. Where there's no
compiled engine, or FASTGRAD_FUSE=0, nothing changes at all.
"""
import asyncio
import functools
import importlib.util
import inspect
import pickle
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

import fastgrad
from fastgrad import Value, fuse

only_c = pytest.mark.skipif(fastgrad.backend != "c", reason="the plain engine runs no loops")
XS = [Value(0.5 * i) for i in range(1, 6)]


def n_runs(function):
    """How often C has run each loop of a function."""
    from fastgrad.loops import loops
    return [loop.runs for loop in loops(function)]


@fuse
def linear(x, weight, *, bias: float = 0.5) -> list:
    """A layer."""
    return [sum(w * xi for w, xi in zip(row, x)) for row in weight]


def plain_linear(x, weight):
    return [sum(w * xi for w, xi in zip(row, x)) for row in weight]


def twice(function):
    """A decorator that tells what it has wrapped."""
    @functools.wraps(function)
    def called_twice(*arguments):
        function(*arguments)
        return function(*arguments)
    return called_twice


class Base:
    def scaled(self, xs):
        return [x * 1.5 for x in xs]


@fuse
class Model(Base):
    """A class with functions of all kinds."""
    factor = 2.0

    def __init__(self, ws):
        self.ws, self.__hidden = ws, ws

    @property
    def squares(self):
        return sum(w * w for w in self.ws)

    @squares.setter
    def squares(self, step):
        for w in self.ws:
            w.data -= step

    @staticmethod
    def exps(xs):
        return [x.exp() for x in xs]

    @classmethod
    def times(cls, xs):
        factor = cls.factor
        return [x * factor for x in xs]

    @functools.cached_property
    def doubled(self):
        return [w * 2.0 for w in self.ws]

    @twice
    def tripled(self, xs):
        return [x * 3.0 for x in xs]

    def scaled(self, xs):
        more = super().scaled(xs)
        return [x * 2.0 for x in more], self.__hidden

    @fuse(False)
    def left(self, xs):
        return [x * 4.0 for x in xs]

    class Inner:
        def quarters(self, xs):
            return [x / 4.0 for x in xs]

    relu = plain_linear


# ---- What it does ----

@only_c
def test_a_function():
    x, weight = XS, [XS, XS[::-1]]
    before = n_runs(linear)
    assert [y.data for y in linear(x, weight)] == [y.data for y in plain_linear(x, weight)]
    assert n_runs(linear) == [before[0] + 1] and n_runs(plain_linear) == []


def test_it_stays_the_same_function():
    def f(xs, k=2, *rest, scale: "a" = 2.0, **named) -> "b":
        """Doc."""
        return [x * scale for x in xs], k, rest, named
    f.note = 1
    code, shown = f.__code__, inspect.getsource(f)
    assert fuse(f) is f and fuse(f) is f and f.note == 1 and f.__doc__ == "Doc."
    assert inspect.getsource(f) == shown and inspect.signature(f) == inspect.signature(f)
    assert f.__defaults__ == (2,) and f.__kwdefaults__ == {"scale": 2.0}
    assert f.__annotations__ == {"scale": "a", "return": "b"}
    for name in ("co_name", "co_qualname", "co_filename", "co_firstlineno", "co_varnames", "co_freevars",
                 "co_cellvars", "co_flags", "co_argcount", "co_kwonlyargcount", "co_names"):
        assert getattr(f.__code__, name, None) == getattr(code, name, None), name
    assert f([3.0], 4, 5, also=6) == ([6.0], 4, (5,), {"also": 6})
    assert pickle.loads(pickle.dumps(linear)) is linear and linear.__qualname__ == "linear"


def test_a_class():
    model = Model(XS)
    assert model.squares.data == sum(w * w for w in XS).data
    assert [y.data for y in Model.exps(XS)] == [x.exp().data for x in XS]
    assert [y.data for y in model.times(XS)] == [y.data for y in model.doubled] == [(x * 2.0).data for x in XS]
    assert [y.data for y in model.tripled(XS)] == [(x * 3.0).data for x in XS]
    scaled, hidden = model.scaled(XS)
    assert [y.data for y in scaled] == [(x * 1.5 * 2.0).data for x in XS] and hidden is XS
    assert [y.data for y in model.left(XS)] == [(x * 4.0).data for x in XS]
    assert [y.data for y in Model.Inner().quarters(XS)] == [(x / 4.0).data for x in XS]
    values = [Value(1.0), Value(2.0)]
    Model(values).squares = 0.5
    assert [v.data for v in values] == [0.5, 1.5]


@only_c
def test_which_functions_of_a_class():
    found = vars(Model)
    functions = [found["squares"].fget, found["squares"].fset, found["exps"].__func__, found["times"].__func__,
                 found["doubled"].func, found["tripled"].__wrapped__, found["scaled"], Model.Inner.quarters]
    assert all(len(n_runs(function)) == 1 for function in functions)
    # Not: what is left, what a base has, what the class hasn't defined.
    assert n_runs(found["left"]) == n_runs(Base.scaled) == n_runs(Model.relu) == n_runs(found["tripled"]) == []


def test_closures_and_private_names():
    def make(scale, unused):
        @fuse
        def scaled(xs):
            total = 0
            for x in xs * 4:
                total = total + x * scale
            return [x * scale for x in xs], total, lambda: unused
        return scaled
    one, other = make(2.0, "a"), make(3.0, "b")
    assert [one(XS)[0][0].data, other(XS)[0][0].data] == [1.0, 1.5] and one(XS)[2]() == "a"
    assert one.__closure__ != other.__closure__ and one.__code__.co_freevars == ("scale", "unused")
    if fastgrad.backend == "c":
        assert one.__code__ is other.__code__ and n_runs(one) == [3, 3]


def test_generators_and_coroutines():
    @fuse
    def each(xs):
        for x in xs:
            yield [y * x for y in xs]

    @fuse
    async def later(xs):
        await asyncio.sleep(0)
        return [x * 2.0 for x in xs]

    @fuse
    async def both(xs):
        for x in xs:
            yield [y * x for y in xs]

    async def all_of(xs):
        return [y async for y in both(xs)]
    expected = [0.5, 1.0, 1.5, 2.0, 2.5]
    assert [ys[1].data for ys in each(XS)] == [ys[1].data for ys in asyncio.run(all_of(XS))] == expected
    assert asyncio.run(later(XS))[1].data == 2.0
    assert inspect.isgeneratorfunction(each) and inspect.iscoroutinefunction(later) and inspect.isasyncgenfunction(both)


def test_lambdas():
    double, triple = fuse(lambda xs: [x * 2.0 for x in xs]), lambda xs: [x * 3.0 for x in xs]
    fuse(triple)
    assert double(XS)[0].data == 1.0 and triple(XS)[0].data == 1.5
    if fastgrad.backend == "c":
        assert n_runs(double) == n_runs(triple) == [1]


def test_above_and_below_other_decorators():
    @fuse
    @functools.lru_cache
    def above(xs):
        return [x * 2.0 for x in xs]

    @twice
    @fuse
    def below(xs):
        return [x * 2.0 for x in xs]

    @fuse
    @staticmethod
    def static(xs):
        return [x * 2.0 for x in xs]
    for f in (above, below, static.__func__):
        assert f(tuple(XS))[1].data == 2.0
    assert above.cache_info().misses == 1
    if fastgrad.backend == "c":
        assert n_runs(above.__wrapped__) == [1] and n_runs(below.__wrapped__) == [2] and n_runs(static.__func__) == [1]


def test_errors_have_the_authors_lines():
    def f(xs):
        total = 0.0
        for x in xs:
            total += x / (
                x - x)
        return total
    shown = []
    for function in (f, fuse(f)):
        with pytest.raises(ZeroDivisionError) as caught:
            function([1.0])
        shown.append(traceback.format_tb(caught.tb)[1:])
    assert shown[0] == shown[1] and "total += x / (" in shown[0][0]


def test_a_function_that_asserts():
    """pytest has rewritten what this file's functions were compiled to, but for those that assert nothing."""
    def f(xs):
        assert xs
        return [x * 2.0 for x in xs]
    if fastgrad.backend == "c":
        with pytest.raises(ValueError, match="or something else has rewritten the function"):
            fuse(f)
    assert f(XS)[0].data == 1.0


# ---- What it doesn't take ----

@pytest.mark.parametrize("thing", [3, None, "text", sum, len, functools.partial(linear), [].append, staticmethod(len)])
def test_what_is_no_function(thing):
    for decorate in (fuse, fuse(False)):
        with pytest.raises(TypeError, match=r"fuse\(\) takes a function or a class that is written in Python, not "):
            decorate(thing)


@pytest.mark.parametrize("cls", [int, list, functools.partial])
def test_a_class_that_is_not_pythons(cls):
    with pytest.raises(TypeError, match="fuse.. takes a class that is written in Python, which .* isn't"):
        fuse(cls)


def test_an_empty_class():
    class Empty:
        pass
    assert fuse(Empty) is Empty


@only_c
def test_no_source():
    found = {"__name__": "somewhere"}
    text = "def f(xs): return [x * 2.0 for x in xs]\nclass A:\n    def f(self): pass\n"
    exec(compile(text, "<made>", "exec"), found)        # "<string>" has the source of `python -c` since 3.13
    for thing, name in ((found["f"], "f"), (found["A"], "A.f")):
        with pytest.raises(ValueError, match=rf"the source of somewhere\.{name}, and there's none in <made>"):
            fuse(thing)
    assert found["f"]([1.0]) == [2.0]


def module_of(path, text, name="made"):
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


@only_c
def test_a_source_that_has_changed(tmp_path):
    path = tmp_path / "made.py"
    module = module_of(path, "def f(xs):\n    return [x * 2.0 for x in xs]\n")
    path.write_text("def f(xs):\n    return [x * 3.0 for x in xs]\n")
    with pytest.raises(ValueError, match=r"fuse\(\) finds other code at .*made.py:1 than made.f was made of: the file"):
        fuse(module.f)
    assert module.f([1.0]) == [2.0]
    path.write_text("def f(xs:\n")
    with pytest.raises(ValueError, match="finds other code"):
        fuse(module.f)


@only_c
def test_functions_that_a_decorator_has_made_without_a_source(tmp_path):
    module = module_of(tmp_path / "made.py", """
from __future__ import annotations
import dataclasses
from fastgrad import fuse

@fuse
@dataclasses.dataclass
class Layer:
    ws: nothing
    def __call__(self, xs):
        return [w * x for w, x in zip(self.ws, xs)]
""")
    assert [y.data for y in module.Layer(XS)(XS)] == [(x * x).data for x in XS] and n_runs(module.Layer.__call__) == [1]
    assert module.Layer.__annotations__ == {"ws": "nothing"}


@only_c
def test_the_same_code_in_two_files(tmp_path):
    """Codes are equal whatever file they're from. Each function keeps its own."""
    text = "def f(xs):\n    return [x * 2.0 for x in xs]\n"
    modules = [module_of(tmp_path / f"{name}.py", text, name) for name in ("one", "other")]
    for module in modules:
        fuse(module.f)
        assert module.f.__code__.co_filename == module.__file__
    modules[0].f(XS)
    assert [n_runs(module.f) for module in modules] == [[1], [0]]


# ---- Switched off ----

def test_false_and_true():
    @fuse(False)
    def left(xs):
        return [x * 2.0 for x in xs]

    @fuse(True)
    def done(xs):
        return [x * 2.0 for x in xs]

    @fuse
    class Outer:
        @fuse(False)
        class Inner:
            def f(self, xs):
                return [x * 2.0 for x in xs]
    assert left(XS)[0].data == done(XS)[0].data == Outer.Inner().f(XS)[0].data == 1.0
    if fastgrad.backend == "c":
        assert n_runs(left) == n_runs(Outer.Inner.f) == [] and n_runs(done) == [1]


@only_c
def test_false_for_what_has_been_fused():
    @fuse
    def f(xs):
        return [x * 2.0 for x in xs]
    f(XS)
    fuse(False)(f)
    assert f(XS)[0].data == 1.0 and n_runs(f) == [1]


@only_c
def test_the_environment(monkeypatch):
    monkeypatch.setenv("FASTGRAD_FUSE", "0")

    @fuse
    def f(xs):
        return [x * 2.0 for x in xs]
    code = f.__code__
    assert f(XS)[0].data == 1.0 and n_runs(f) == []
    monkeypatch.setenv("FASTGRAD_FUSE", "1")
    assert fuse(f).__code__ is not code and f(XS)[0].data == 1.0 and n_runs(f) == [1]


@only_c
def test_in_plain_python(run_in_plain_python):
    run_in_plain_python(__file__)


def test_import_fastgrad_imports_none_of_it():
    program = "import fastgrad, sys; print({'fastgrad.loops', 'ast', 'inspect'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(fastgrad.__file__).parents[1],
                          stdout=subprocess.PIPE, text=True)
    assert done.stdout == "set()\n"
