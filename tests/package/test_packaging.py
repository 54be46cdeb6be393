"""The package as it is installed: stubs, source archive, wheel, what import says, the README's examples, version."""
import ast
import email
import importlib.metadata
import linecache
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import fastgrad
import stub_docstrings

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(fastgrad.__file__).resolve().parent
README = ROOT / "README.md"

compiled = pytest.mark.skipif(fastgrad.backend != "c", reason="needs the compiled engine")


def run(*command, cwd, **environment):
    """Run Python with these arguments in a folder, away from the settings of the session that tests."""
    env = {name: value for name, value in os.environ.items() if name not in ("FASTGRAD_PURE", "PYTHONPATH", "MYPYPATH")}
    return subprocess.run([sys.executable, *map(str, command)], cwd=cwd, env={**env, **environment},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def check(*command, cwd, **environment):
    """The same for what must succeed; returns its output."""
    done = run(*command, cwd=cwd, **environment)
    assert done.returncode == 0, done.stdout
    return done.stdout


# Types

def where_mypy_looks():
    """The environment in which mypy finds the package under test; what lies in site-packages it finds by itself."""
    env = {"PYTHONPATH": str(PACKAGE.parent)}
    if "site-packages" not in PACKAGE.parts:
        env["MYPYPATH"] = str(PACKAGE.parent)
    return env


@pytest.mark.parametrize("pure", ["0", "1"])
def test_stubs_describe_the_package(pure, tmp_path):
    pytest.importorskip("mypy")
    if pure == "0" and fastgrad.backend != "c":
        pytest.skip("needs the compiled engine")
    allowlist = Path(__file__).with_name("stubtest_allowlist.txt")
    check("-m", "mypy.stubtest", "fastgrad", "--allowlist", allowlist, "--ignore-unused-allowlist",
          cwd=tmp_path, FASTGRAD_PURE=pure, **where_mypy_looks())


TYPED = '''
from typing import Any

import numpy as np

import fastgrad
import fastgrad.functional as F
from fastgrad import (AnomalyError, GradcheckError, Value, arena_stats, backend, clip_grad_norm_, detect_anomaly,
                      explain, fuse, grad, gradcheck, hessian, hvp, jacobian, no_grad, value_and_grad)
from fastgrad.nn import MLP, CausalSelfAttention, Embedding, Linear, Module, Neuron, RMSNorm, Sequential
from fastgrad.optim import SGD, Adam, AdamW, RMSprop, lr_scheduler

a, b = Value(2.0), Value(3, label="b")
out: Value = a * 2 + b - 1 / a ** 2 + True
out = 2 ** a + abs(-a).relu().tanh() ** b
out = sum((x * 2 for x in [a, b]), Value(0.0))
out = Value(1.0, (a, b), "+")
out = Value(1.0, (a, b), (1.0, 2))
out = Value(1.0, _children=(a, b), _op="+", label="out")
out = Value(1.0, children=[a, b], local_grads=[1, 2])
out = Value(1.0, (a,), local_grads=(b * 2,))
numbers: tuple[float, ...] = grad(out, [a, b], allow_unused=False)
slope, = grad([out], a, grad_outputs=[2.0], create_graph=True)
out = slope + jacobian(lambda x: x, a, create_graph=True)[0]
rows: list[list[float]] = hessian(lambda x, y: x * y, [1.0, a])
row: list[float] = hvp(lambda x: x * x, 1.0, 2)
height, row = value_and_grad(lambda x: x * x)(3.0)
gradcheck(lambda x: x * x, 3.0, order=2)
out.backward()
a.data -= 0.01 * a.grad
a.grad = 0
a.m = 0.0
print(a.m, f"{a:.4f} {a.data:.4f}", float(a), int(a), a < b, max(a, b), sorted([a, b]), backend)


def _backward() -> None:
    a.grad += out.grad


out._backward = _backward
out._backward()
nodes: set[Value] = out._prev | set(out._children)


@no_grad()
def predict(x: float) -> Value:
    return a * x


@fuse
def dot(xs: list[Value], ys: list[Value]) -> Value:
    return sum((x * y for x, y in zip(xs, ys)), Value(0.0))


@fuse
class Summing:
    @fuse(False)
    def total(self, xs: list[Value]) -> Value:
        return sum(xs, dot(xs, xs))


with no_grad():
    out = predict(2.0).detach() + Summing().total([a, b])
ok: bool = gradcheck(lambda x, y: x * y, [a, 2.0]) and gradcheck(lambda x: x * x, 2.0)
model = MLP(2, [3, 1], nonlin="tanh")
model = MLP(2, [3, 1], nonlin=lambda v: v.sin())
(model([1.0, b]) - 1).backward()
parameters: list[Value] = model.parameters() + Neuron(3).parameters()
live: int = arena_stats()["live"]
optimizer = Adam(model.parameters(), lr=0.01, betas=(0.85, 0.99), eps=1e-8) if live else AdamW(p for p in [a, b])
optimizer.lr = 0.01 * (1 - live / 100) + optimizer.lr
optimizer.zero_grad()
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
logits: list[Value] = F.linear([a, 2.0], ([a, b], [1, b]), bias=np.array([0.5, 1.0]))
loss: Value = F.cross_entropy(F.layer_norm(logits), target=1) + F.dot(F.softmax(x for x in logits), [1, 2.0], start=a)
norm: float = clip_grad_norm_(model.parameters(), max_norm=1) + fastgrad.optim.SGD([a], momentum=0.9).momentum

for number in (bar := fastgrad.progress(range(3), label="error")):
    bar(loss * number)
fastgrad.viz.draw_svg(loss, "TB", max_nodes=None, collapse=True).save("loss.png")
fastgrad.viz.play(loss, depth=3).save("loss.html")
fastgrad.viz.plot_loss({"train": [1.0, loss], "test": {0: 2, 10: 1.5}}, smooth=0.9)
fastgrad.viz.grad_flow(model, by="name")


class Net(Module):
    def __init__(self) -> None:
        self.table, self.attention = Embedding(3, 2), CausalSelfAttention(2, num_heads=1)
        self.out = Sequential(Linear(2, 4, bias=False), F.relu, RMSNorm(4), Linear(4, 1))

    def forward(self, tokens: list[int]) -> Value:
        result: Value = self.out(self.attention(self.table(tokens)))[-1][0]
        return result


net = Net().train().eval()
(net([0, 1]) - 1).backward()
weights: list[Value] = net.out[0].weight[0] + [p for name, p in net.named_parameters() if name.startswith("table")]
missing: list[str] = net.load_state_dict(net.state_dict(), strict=False).missing_keys
both: list[dict[str, Any]] = [{"params": net.parameters(), "lr": 0.1}, {"params": [a]}]
groups = SGD(both, 0.1, 0.9, 0, 0.01, nesterov=True, maximize=False)
groups.param_groups[0]["lr"] *= 0.5
groups.add_param_group({"params": [b]})
stepped: Value = groups.step(lambda: a * b)
groups.step()
groups.momentum = 0
rate: float = RMSprop(net.parameters(), alpha=0.9, centered=True).alpha + groups.lr
scheduler = lr_scheduler.CosineAnnealingLR(groups, T_max=10, eta_min=0.01)
scheduler.step()
rates: list[float] = lr_scheduler.LambdaLR(groups, lambda step: 0.9 ** step).get_last_lr()
fastgrad.clip_grad_value_(net.parameters(), 1.0)
fastgrad.set_data(weights, fastgrad.get_data(weights))
fastgrad.set_grad([a, b], np.zeros(2))
fastgrad.save("c.json", model=net, optimizer=groups, step=3)
reached: int = fastgrad.load("c.json", model=net, optimizer=groups)["step"]


def of_model(model: Net, batch: list[int]) -> Value:
    return model.forward(batch) * 2


def of_values(params: list[Value], batch: float) -> Value:
    return params[0] * batch


losses: list[float] = fastgrad.parallel.gradients(of_model, net, [[0, 1], [2]], None)
losses += fastgrad.parallel.gradients(of_values, [a, b], [1.0], None)


class Own(Value):
    def gelu(self) -> "Own":
        return self * (self * 1.702).sigmoid()


own: Own = (Own(1.0) * 2 + a).gelu()
codes: list[str] = [] if (report := fastgrad.check(Own, require=["tanh"])) else report.codes


@detect_anomaly()
def step(x: float) -> Value:
    return a * x


try:
    with detect_anomaly():
        page: str = explain(step(2.0)) + explain(a, root=out)
except AnomalyError as error:
    runtime: RuntimeError = error
    print(error.op, error.operands, error.place, error.value)
'''

MISTYPED = ['a + "x"', "a * None", 'Value("x")', "a < 1j", "Value(1.0, [2.0])", 'MLP(2, [1], nonlin="swish")',
            "gradcheck(3, [a])", 'a.data = "x"', "Adam([1.0])", 'SGD([a], lr="x")', 'clip_grad_norm_([a], None)',
            'F.sum(["x"])', "F.dot(3.0, [a])", "F.linear([a], [1.0])", "F.cross_entropy([a], 0.0)", "fuse(3)",
            'dot("x")', "set_data([a], 3)", 'Linear("2", 1)', "SGD([a], nesterov=3.5)", "save(3.5)", "StepLR(a, 3)",
            'fastgrad.viz.play("x")', 'fastgrad.viz.draw_svg(a, "up")', "fastgrad.progress(3)", "a.backwards()"]


def mypy(program, tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(program)
    return run("-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", tmp_path / "cache", "program.py",
               cwd=tmp_path, **where_mypy_looks()).stdout


def every_public_name():
    """A program that reads every public name of the package and of its modules."""
    modules = ["fastgrad", *(f"fastgrad.{name}" for name in dir(fastgrad) if isinstance(
        getattr(fastgrad, name), type(fastgrad)))]
    names = [f"{module}.{name}" for module in modules for name in (
        dir(fastgrad) if module == "fastgrad" else getattr(sys.modules[module], "__all__", ()))]
    assert len(names) > 75 and {"fastgrad.nn.MLP", "fastgrad.optim.Adam", "fastgrad.viz.draw_svg"} <= {*names}
    return "\n".join(names) + "\n"


def test_types_of_ordinary_code(tmp_path):
    assert mypy(TYPED + every_public_name(), tmp_path) == ""


def test_types_catch_mistakes(tmp_path):
    lines = ["import fastgrad, fastgrad.functional as F",
             "from fastgrad import Value, clip_grad_norm_, gradcheck, save, set_data",
             "from fastgrad.nn import MLP, Linear", "from fastgrad.optim import SGD, Adam",
             "from fastgrad.optim.lr_scheduler import StepLR", "a = Value(1.0)", *MISTYPED]
    found = mypy("\n".join(lines) + "\n", tmp_path)
    wrong = {int(n) for n in re.findall(r"^program\.py:(\d+): error", found, re.M)}
    assert wrong == set(range(7, 7 + len(MISTYPED))), found


def test_every_module_has_a_stub():
    """For users it has types, and else it says that it's none of theirs, so that checkers know all of the types."""
    without = {path for path in PACKAGE.rglob("*.py") if not path.with_suffix(".pyi").exists()}
    empty = {path for path in without if len(ast.parse(path.read_text(encoding="utf-8")).body) == 1}    # a docstring
    assert without == empty


def test_pyright_knows_all_types(tmp_path):
    pyright = shutil.which("pyright")
    if pyright is None or subprocess.run([pyright, "--version"], capture_output=True).returncode:
        pytest.skip("needs pyright")
    done = subprocess.run([pyright, "--verifytypes", "fastgrad"], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)})
    assert "Type completeness score: 100%" in done.stdout, done.stdout


@compiled
def test_the_stub_of_the_engine_has_its_docstrings():
    """`python tests/package/stub_docstrings.py` writes them."""
    text = stub_docstrings.STUB.read_text(encoding="utf-8")
    assert stub_docstrings.with_docstrings(text) == text


# Source archive and wheel

IGNORED = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__", ".*_cache",
                                 ".hypothesis", "*.so", "*.pyd", "*.o", "engine.c")


def source_files(under):
    """The files of the checkout that a build doesn't make, as posix paths."""
    files = [path.relative_to(ROOT) for path in (ROOT / under).rglob("*") if path.is_file()]
    return {path.as_posix() for path in files if not {"__pycache__", "build"} & set(path.parts)
            and path.suffix not in (".o", ".so", ".pyd", ".pyc")}


def build(folder, *options, **environment):
    """Build the source archive from a copy of the checkout, and a wheel from that archive; returns their paths."""
    pytest.importorskip("build")
    if not (ROOT / "setup.py").exists():
        pytest.skip("needs a checkout")
    shutil.copytree(ROOT, folder / "checkout", ignore=IGNORED)
    check("-m", "build", *options, "--outdir", folder / "dist", folder / "checkout", cwd=folder, **environment)
    (archive,), (wheel,) = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    return archive, wheel


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Archive and wheel, built with the Cython and setuptools that are installed here. They have the same files and the
    same metadata without optimisation, which takes half as long; tests/wheels.py tries the others."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools", minversion="77")
    return build(tmp_path_factory.mktemp("built"), "--no-isolation", FASTGRAD_DEBUG="1")


def names_in_archive(archive):
    with tarfile.open(archive) as tar:
        names = [member.name for member in tar.getmembers() if member.isfile()]
    return {name.split("/", 1)[1] for name in names}


def test_the_archive_carries_all_sources(built):
    names = names_in_archive(built[0])
    for folder in ("csrc", "docs", "tests", "benchmarks", "examples"):
        missing = source_files(folder) - names
        assert not missing
    wanted = {"setup.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff",
              "fastgrad/__init__.py", "fastgrad/engine/__init__.pyi", "fastgrad/engine/README.md", "fastgrad/py.typed"}
    wanted |= {f"fastgrad/engine/{path.name}"
               for pattern in ("*.pyx", "*.px[di]", "*.h") for path in (ROOT / "fastgrad" / "engine").glob(pattern)}
    assert not wanted - names


def test_the_archive_carries_nothing_that_a_build_makes(built):
    names = names_in_archive(built[0])
    assert "fastgrad/engine/engine.c" not in names
    assert not [name for name in names if name.endswith((".so", ".pyd", ".o", ".pyc")) or name.startswith("build/")]


def test_the_wheel_carries_what_runs_and_what_types_and_no_more(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    folder = ROOT / "fastgrad"
    wanted = {path.relative_to(ROOT).as_posix()
              for pattern in ("*.py", "*.pyi", "*.js", "*.html", "py.typed") for path in folder.rglob(pattern)}
    engine = {name for name in names if re.fullmatch(r"fastgrad/engine/engine\.[\w.-]*(so|pyd)", name)}
    assert len(engine) == 1
    assert names - engine == wanted


def metadata(wheel):
    with zipfile.ZipFile(wheel) as zipped:
        name, = [name for name in zipped.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(zipped.read(name))


def test_the_wheel_needs_nothing_at_run_time(built):
    about = metadata(built[1])
    requirements = about.get_all("Requires-Dist", [])
    assert [line for line in requirements if "extra ==" not in line] == []
    assert set(about.get_all("Provides-Extra")) == {"test", "viz", "docs", "bench", "peers", "parallel"}
    assert about["License-Expression"] == "MIT" and about["License-File"] == "LICENSE"
    assert about["Requires-Python"] == ">=3.10"


def test_the_wheel_works(built, tmp_path):
    with zipfile.ZipFile(built[1]) as wheel:
        wheel.extractall(tmp_path)
    program = ("import fastgrad; a = fastgrad.Value(3.0); (a * a).backward(); fastgrad.viz.play(a * a); "
               "print(fastgrad.backend, a.grad, fastgrad.__file__)")
    backend, grad, file = check("-S", "-c", program, cwd=tmp_path).split(maxsplit=2)
    assert (backend, grad) == ("c", "6.0")
    assert Path(file.strip()).is_relative_to(tmp_path)
    program = "import fastgrad.engine as e; print([n for n in ('_fail_allocation', '_check') if hasattr(e, n)])"
    assert check("-S", "-c", program, cwd=tmp_path) == "[]\n"       # hooks for the tests


@pytest.mark.long
def test_the_isolated_build(tmp_path):
    """As a stranger builds it: the build requirements come from their registry into an environment of their own."""
    archive, wheel = build(tmp_path)
    assert "fastgrad/engine/engine.c" not in names_in_archive(archive)
    check("-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python, = [*(tmp_path / "venv").glob("bin/python"), *(tmp_path / "venv").glob("Scripts/python.exe")]
    subprocess.run([python, "-m", "pip", "install", "--no-index", "--no-deps", wheel], check=True, cwd=tmp_path)
    program = "import fastgrad; print(fastgrad.backend, fastgrad.__version__)"
    out = subprocess.run([python, "-c", program], check=True, cwd=tmp_path, capture_output=True, text=True).stdout
    assert out.split() == ["c", fastgrad.__version__]


# What import gives

@pytest.fixture
def uncompiled(tmp_path):
    """A folder with the package's Python files only."""
    for path in PACKAGE.rglob("*.py"):
        copy = tmp_path / path.relative_to(PACKAGE.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tmp_path


# -S: without site-packages, where an installed fastgrad would lend its compiled engine.

@pytest.mark.skipif(sys.implementation.name == "pypy", reason="PyPy runs the engine in plain Python")
@pytest.mark.parametrize("module", ["fastgrad", "fastgrad.engine", "fastgrad.nn"])
def test_import_without_the_compiled_engine_says_how_to_build_it(uncompiled, module):
    done = run("-S", "-c", f"import {module}", cwd=uncompiled)
    assert done.returncode == 1
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("ImportError: fastgrad's compiled engine is missing here: build it with `pip install -e .`")
    assert "FASTGRAD_PURE=1" in last


def test_fastgrad_pure_gives_the_engine_in_plain_python(uncompiled):
    program = ("import fastgrad, fastgrad.engine, fastgrad.reference, fastgrad.nn as nn; "
               "assert fastgrad.Value is fastgrad.engine.Value is fastgrad.reference.Value is nn.Value; "
               "print(fastgrad.backend)")
    assert check("-S", "-c", program, cwd=uncompiled, FASTGRAD_PURE="1") == "python\n"


@compiled
def test_the_compiled_engine_is_used_where_it_is():
    program = ("import fastgrad, fastgrad.engine; assert fastgrad.Value is fastgrad.engine.Value; "
               "print(fastgrad.backend)")
    for unset in ("", "0"):
        assert check("-c", program, cwd=PACKAGE.parent, FASTGRAD_PURE=unset) == "c\n"


def test_all_that_is_promised_is_exported():
    assert {"Value", "no_grad", "arena_stats", "gradcheck", "clip_grad_norm_", "detect_anomaly", "explain",
            "__version__"} <= set(fastgrad.__all__)
    assert all(hasattr(fastgrad, name) for name in fastgrad.__all__)


def test_dir_is_what_is_public():
    """Before and after modules have been imported, each of which works as an attribute."""
    program = ("import fastgrad\nbefore = dir(fastgrad)\n"
               "for name in before: getattr(fastgrad, name)\n"
               "import fastgrad.bulk, fastgrad.script.replace\nassert dir(fastgrad) == before\nprint(*before)")
    names = {*check("-c", program, cwd=PACKAGE.parent).split()}
    modules = {"engine", "functional", "micrograd", "nn", "optim", "parallel", "viz"}
    assert names == {*fastgrad.__all__} | modules


# README

def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)


def test_the_readme_s_examples_run_as_they_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = blocks("python")
    assert examples
    namespace = {"__name__": "__main__"}
    for i, example in enumerate(examples):
        name = f"README.md, example {i + 1}"
        linecache.cache[name] = len(example), None, example.splitlines(True), name      # where fuse() finds its source
        exec(compile(example, name, "exec"), namespace)


def test_continuous_integration_runs_the_readme_s_test_command():
    command = "pip install -e '.[test]' && pytest -n auto"
    assert command in README.read_text(encoding="utf-8")
    assert f'command="{command}"' in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


# Version

def test_the_version_is_the_same_everywhere(built):
    assert metadata(built[1])["Version"] == fastgrad.__version__
    newest = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)[1]
    assert newest == fastgrad.__version__


def test_the_version_of_the_installed_distribution():
    try:
        installed = importlib.metadata.version("fastgrad")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("fastgrad isn't installed, only on the path")
    assert installed == fastgrad.__version__
