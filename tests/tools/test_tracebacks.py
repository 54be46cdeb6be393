"""Promise: what a user sees of an error ends at a line of theirs. With the compiled engine, a traceback has no frame of
the package, also of its files in Python; frames of the user's own functions, and all else about the error, stay.

The functions are what they are in all other respects: signatures, docstrings, pickles, methods, subclasses.
"""
import copy
import inspect
import os
import pickle
import subprocess
import sys
import textwrap
import traceback

import pytest

import fastgrad
import fastgrad.functional as F
from fastgrad import Value, nn, optim, viz

PACKAGE = os.path.dirname(fastgrad.__file__) + os.sep
compiled = pytest.mark.skipif(fastgrad.backend != "c", reason="the engine in plain Python shows its frames")


def fails(*args):
    raise LookupError("mine")


class Failing(nn.Module):
    def forward(self, x):
        return fails(x)


def two():
    return [Value(1.0), Value(2.0)]


def sgd(**settings):
    return optim.SGD(two(), **{"lr": 0.1, **settings})


WRONG = {
    "MLP": lambda: nn.MLP(3, 1),
    "MLP call": lambda: nn.MLP(2, [3, 1])([1.0]),
    "Layer": lambda: nn.Layer(2, [3]),
    "Neuron": lambda: nn.Neuron(2, "gelu"),
    "Neuron call": lambda: nn.Neuron(2)(3),
    "Sequential": lambda: nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 1))([1, 2]),
    "load_state_dict": lambda: nn.MLP(2, [1]).load_state_dict({"w": 1}),
    "train": lambda: nn.MLP(2, [1]).train(3),
    "linear": lambda: F.linear([1.0], [[1, 2]]),
    "log": lambda: F.log([Value(-1.0)]),
    "attention": lambda: F.scaled_dot_product_attention([1], [[1]], []),
    "SGD": lambda: optim.SGD([], lr=0.1),
    "Adam": lambda: optim.Adam(two(), betas=(2, 3)),
    "lr": lambda: setattr(sgd(), "lr", "a"),
    "param_groups": lambda: sgd().param_groups[0].__setitem__("lr", -1),
    "scheduler": lambda: optim.lr_scheduler.StepLR(3, 1),
    "clip_grad_norm_": lambda: fastgrad.clip_grad_norm_(two(), -1),
    "check": lambda: fastgrad.check(3),
    "grad": lambda: fastgrad.grad(3, two()),
    "jacobian": lambda: fastgrad.jacobian(lambda x: 3, [1.0]),
    "gradcheck": lambda: fastgrad.gradcheck(lambda x: Value(x.data) * x, [1.0]),
    "explain": lambda: fastgrad.explain(3),
    "draw_dot": lambda: viz.draw_dot(3),
    "draw_svg": lambda: viz.draw_svg(Value(1.0), rankdir="XX"),
    "play": lambda: viz.play(3),
    "save": lambda: viz.draw_svg(Value(1.0)).save("/no/such/folder/a.svg"),
    "plot_loss": lambda: viz.plot_loss(3),
    "set_data": lambda: fastgrad.set_data(two(), [1]),
    "load": lambda: fastgrad.load("/no/such/file"),
    "progress": lambda: fastgrad.progress(3),
    "fuse": lambda: fastgrad.fuse(3),
    "no_grad": lambda: fastgrad.no_grad()(3),
    "name": lambda: fastgrad.nothing,
}

# Functions of the user's that ours call: their frames are the last.
THEIRS = {
    "forward": lambda: Failing()(1),
    "in Sequential": lambda: nn.Sequential(Failing(), Failing())([1]),
    "nonlin": lambda: nn.MLP(2, [2, 1], nonlin=fails)([1, 2]),
    "closure": lambda: sgd().step(fails),
    "jacobian": lambda: fastgrad.jacobian(fails, [1.0]),
    "hessian": lambda: fastgrad.hessian(fails, [1.0]),
    "value_and_grad": lambda: fastgrad.value_and_grad(fails)(1.0),
    "gradcheck": lambda: fastgrad.gradcheck(fails, [1.0]),
    "LambdaLR": lambda: optim.lr_scheduler.LambdaLR(sgd(), fails),
}


def frames_of(error):
    return traceback.extract_tb(error.__traceback__)[1:]        # without error_of()'s


def error_of(action):
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("there's no error")


@compiled
@pytest.mark.parametrize("name", WRONG)
def test_a_traceback_ends_at_the_caller_s_line(name):
    shown, = frames_of(error_of(WRONG[name]))
    assert (shown.filename, shown.name) == (__file__, "<lambda>")


@compiled
@pytest.mark.parametrize("name", THEIRS)
def test_frames_of_the_user_s_functions_stay(name):
    error = error_of(THEIRS[name])
    assert [frame.name for frame in frames_of(error) if frame.name != "forward"] == ["<lambda>", "fails"]
    assert str(error) == "mine" and {frame.filename for frame in frames_of(error)} == {__file__}


@compiled
def test_an_operation_under_detect_anomaly():
    with fastgrad.detect_anomaly():
        error = error_of(lambda: Value(0.0).log())
    assert {frame.filename for frame in frames_of(error)} == {__file__}
    assert len(frames_of(error)) == 1 and isinstance(error, ValueError)


def test_the_error_is_the_user_s_own():
    """The same object, with its cause, context and attributes; and its traceback elsewhere isn't touched."""
    class Mine(Exception):
        pass

    mine, cause, seen = Mine("x"), KeyError("cause"), []

    def raises(x):
        try:
            try:
                raise ValueError("context")
            except ValueError:
                raise mine from cause
        except Mine as error:
            seen.append((error.__traceback__, traceback.format_tb(error.__traceback__)))
            raise

    mine.extra = "kept"
    error = error_of(lambda: fastgrad.jacobian(raises, [1.0]))
    assert error is mine and error.__cause__ is cause and error.__suppress_context__
    assert str(error.__context__) == "context" and isinstance(error.__context__, ValueError)
    assert error.extra == "kept" and error.args == ("x",)
    before, text = seen[0]
    assert traceback.format_tb(before) == text
    assert frames_of(error)[-1].name == "raises"


@compiled
def test_a_memory_error_keeps_its_frames():
    """The compiled engine's handlers of MemoryErrors rely on a traceback."""
    def raises(x):
        raise MemoryError

    assert any(frame.filename.startswith(PACKAGE) for frame in frames_of(error_of(
        lambda: fastgrad.jacobian(raises, [1.0]))))


def test_at_the_stack_s_end():
    def recurse(x):
        return fastgrad.jacobian(recurse, [1.0])

    assert isinstance(error_of(lambda: recurse(1)), RecursionError)
    assert F.dot([2.0], [3.0]) == 6.0


def test_plain_python_shows_its_frames(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import fastgrad\nprint(fastgrad.backend)\nfastgrad.nn.MLP(3, 1)\n")
    for pure in "0", "1":
        done = subprocess.run([sys.executable, script], capture_output=True, text=True,
                              env={**os.environ, "FASTGRAD_PURE": pure, "PYTHONPATH": os.path.dirname(PACKAGE[:-1])})
        shown = ["neurons.py" in line for line in done.stderr.splitlines() if line.startswith("  File ")]
        assert shown == ([False] if done.stdout == "c\n" else [False, True])
        assert done.stderr.endswith("TypeError: nouts is a list, with the size of each layer: write MLP(3, [1])\n")


# ---- What stays as it is ----

def public_things():
    for module in (fastgrad, F, nn, optim, optim.lr_scheduler, viz):
        for name in module.__all__:
            yield module, name, getattr(module, name)


def functions_of(thing):
    """A function, or the methods of a class that are functions in Python and public."""
    if isinstance(thing, type):
        return [method for name, method in vars(thing).items() if not name.startswith("_") and callable(method)
                and not inspect.isgeneratorfunction(method) and not isinstance(method, (type, Value))]
    return [thing] if callable(thing) else []


@compiled
def test_all_that_is_public_is_so():
    """Also a function that's new."""
    kind, seen = type(F.dot), 0
    for module, name, thing in public_things():
        if thing not in (Value, fastgrad.arena_stats):
            for function in functions_of(thing):
                assert type(function) is kind, (module.__name__, name, function)
                seen += 1
    assert seen > 80


def test_signatures_and_docstrings():
    for _, name, thing in public_things():
        if callable(thing):
            assert inspect.getdoc(thing), name
            if not isinstance(thing, type) or "__init__" in vars(thing) and thing is not Value:
                inspect.signature(thing)
    assert str(inspect.signature(F.linear)) == "(x, weight, bias=None)"
    assert str(inspect.signature(nn.MLP)) == "(nin, nouts, nonlin=True)"
    assert str(inspect.signature(nn.MLP(1, [1]).load_state_dict)) == "(state_dict, strict=True)"
    assert str(inspect.signature(optim.SGD.zero_grad)) == "(self, set_to_none=True)"
    assert inspect.getsource(F.dot).startswith("@public\ndef dot(")
    assert (F.dot.__name__, F.dot.__qualname__, F.dot.__module__) == ("dot", "dot", "fastgrad.functional")
    assert nn.MLP.zero_grad.__qualname__ == "Module.zero_grad" and F.dot.__defaults__ == (0,)
    assert inspect.isroutine(F.dot) and repr(F.dot).startswith("<function dot at ")


@pytest.mark.parametrize("function", [F.dot, fastgrad.jacobian, nn.Module.zero_grad, nn.Module.__call__])
def test_pickles_and_copies(function):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(function, protocol)) is function
    assert copy.copy(function) is function and copy.deepcopy(function) is function


def test_methods():
    net = nn.MLP(2, [1])
    assert nn.MLP.__call__ is nn.MLP.__call__ and net.parameters == net.parameters
    assert inspect.ismethod(net.parameters) and net.parameters.__self__ is net
    assert len(nn.MLP.parameters(net)) == 3 and len(pickle.loads(pickle.dumps(net.parameters))()) == 3

    class Mine(nn.MLP):
        def __init__(self, nin):
            super().__init__(nin, [1])

        def __call__(self, x, scale=1):
            return super().__call__(x) * scale

        def parameters(self):
            return super().parameters()[:1]

    mine = Mine(2)
    assert mine([1, 1], scale=2).data == 2 * nn.MLP.__call__(mine, [1, 1]).data and len(mine.parameters()) == 1
    with pytest.raises(TypeError, match=r"dot\(\) missing 1 required positional argument: 'b'"):
        F.dot([1])
    assert F.dot(b=[2], *[[3]], **{"start": 1}) == 7


def test_attributes_and_references():
    import gc
    import weakref
    function = fastgrad.value_and_grad(lambda x: x)
    function.note = function        # a circle
    assert function.note(1.0) == (1.0, [1.0]) and function.__wrapped__
    gone = weakref.ref(function)
    del function
    gc.collect()
    assert gone() is None


def test_help_shows_the_function(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent("""
        import fastgrad.functional as F
        from fastgrad import nn
        help(F.linear); help(nn.MLP.__call__); help(nn.Module)
        """))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": os.path.dirname(PACKAGE[:-1])})
    assert "linear(x, weight, bias=None)\n    A layer: the sum of products" in done.stdout
    assert "load_state_dict(self, state_dict, strict=True)\n" in done.stdout
