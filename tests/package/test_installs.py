"""Promise: however fastgrad is installed, `import fastgrad` works, or says what to do; and so does the install itself.

An ordinary install has the compiled engine, a pure one the engine in plain Python, and a source folder without either
lends itself the engine that `pip install .` has installed. The same source gives the same wheel twice.
"""
import email
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import fastgrad

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(fastgrad.__file__).resolve().parent
PROGRAM = ("import fastgrad, fastgrad.engine, fastgrad.nn; assert fastgrad.engine.Value is fastgrad.Value; "
           "a = fastgrad.Value(3.0); (a * a).backward(); print(fastgrad.backend, a.grad, fastgrad.__file__)")

compiled = pytest.mark.skipif(fastgrad.backend != "c", reason="needs the compiled engine")
needs_setuptools = pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="needs a checkout")


def run(*command, cwd, **environment):
    """Run Python with these arguments in a folder, away from the settings of the session that tests."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("FASTGRAD_", "PYTHONPATH"))}
    return subprocess.run([sys.executable, *map(str, command)], cwd=cwd, env={**env, **environment},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def imported(cwd, **environment):
    """(backend, file) of the fastgrad that Python finds in a folder. -S: none in site-packages lends its engine."""
    done = run("-S", "-c", PROGRAM, cwd=cwd, **environment)
    assert done.returncode == 0, done.stdout
    backend, grad, file = done.stdout.split(maxsplit=2)
    assert grad == "6.0"
    return backend, Path(file.strip())


# What import gives

def put(folder, *, source=False, pure=False, engine=False):
    """A fastgrad in a folder: its Python files, and what makes it a source folder, a pure or a compiled install."""
    shutil.copytree(PACKAGE, folder / "fastgrad", ignore=shutil.ignore_patterns(
        "__pycache__", "*.so", "*.pyd", "*.c", "*.p[yx][xid]", "_pure.py"))
    if source:
        (folder / "fastgrad" / "engine" / "engine.pyx").touch()
    if pure:
        (folder / "fastgrad" / "_pure.py").touch()
    if engine:
        shutil.copy(sys.modules["fastgrad.engine.engine"].__file__, folder / "fastgrad" / "engine")
    return folder


def test_a_pure_install_needs_no_word(tmp_path):
    backend, _ = imported(put(tmp_path, pure=True))
    assert backend == "python"


@compiled
def test_a_source_folder_lends_itself_the_engine_of_the_install(tmp_path):
    source, installed = put(tmp_path / "source", source=True), put(tmp_path / "installed", engine=True)
    backend, file = imported(source, PYTHONPATH=str(installed))
    assert (backend, file) == ("c", source / "fastgrad" / "__init__.py")
    for module in ("fastgrad.engine", "fastgrad.functional", "fastgrad.engine.engine"):
        assert run("-S", "-c", f"import {module}", cwd=source, PYTHONPATH=str(installed)).returncode == 0
    script = source / "script.py"
    script.write_text("from micrograd.engine import Value\nprint(Value(2.0) * 3)\n")
    done = run("-S", "-m", "fastgrad", script, cwd=source, PYTHONPATH=str(installed))
    assert done.stdout == "Value(data=6.0, grad=0)\n"
    assert imported(source, PYTHONPATH=str(installed), FASTGRAD_PURE="1")[0] == "python"


def test_a_source_folder_after_a_pure_install(tmp_path):
    source, installed = put(tmp_path / "source", source=True), put(tmp_path / "installed", pure=True)
    assert imported(source, PYTHONPATH=str(installed)) == ("python", source / "fastgrad" / "__init__.py")


@compiled
@pytest.mark.parametrize("what", ["a file differs", "a file is new", "another source folder", "not a source folder"])
def test_no_engine_of_another_source_is_lent(tmp_path, what):
    source = put(tmp_path / "source", source=what != "not a source folder")
    installed = put(tmp_path / "installed", engine=True, source=what == "another source folder")
    if what == "a file differs":
        with open(source / "fastgrad" / "nn.py", "a") as file:
            file.write("\n")
    elif what == "a file is new":
        (source / "fastgrad" / "value" / "new.py").touch()
    done = run("-S", "-c", "import fastgrad", cwd=source, PYTHONPATH=str(installed))
    assert done.returncode == 1
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("ImportError: fastgrad's compiled engine is missing here")
    assert (f"installed in {installed} isn't of the same source" in last) == what.startswith("a file")


# What the plain engine says

LARGE = """
import sys, fastgrad
import fastgrad.reference as reference
def chain(length, Value):
    x = Value(1.0)
    for _ in range(length):
        x = -x                  # two nodes: a product and its constant
    return x
small, large = chain(1_000, reference.Value), chain(50_000, reference.Value)
small.backward()
print("quiet")
large.backward()                # this line is named
print("said")
large.backward()
print(large.grad, large._children[0].grad)
"""


def test_the_plain_engine_says_once_that_there_s_a_faster_one(tmp_path):
    (tmp_path / "large.py").write_text(LARGE)
    out = run("large.py", cwd=tmp_path, FASTGRAD_PURE="1", PYTHONPATH=str(PACKAGE.parent), PYTHONUNBUFFERED="1").stdout
    lines = [line for line in out.splitlines() if "this line is named" not in line]
    if sys.implementation.name == "pypy":
        assert lines == ["quiet", "said", "1 -2"]
        return
    assert [lines[0], *lines[2:]] == ["quiet", "said", "1 -2"]
    assert re.fullmatch(r".*large\.py:\d+: RuntimeWarning: backward\(\) over 100,001 nodes in plain Python: .*",
                        lines[1])
    assert int(re.search(r"py:(\d+)", lines[1])[1]) == LARGE.splitlines().index(
        "large.backward()                # this line is named") + 1


def test_where_warnings_are_errors_nothing_has_happened(tmp_path):
    (tmp_path / "large.py").write_text(LARGE.replace("large.backward()                # this line is named", """
try:
    large.backward()
except RuntimeWarning:
    print(large.grad)"""))
    out = run("-W", "error", "large.py", cwd=tmp_path, FASTGRAD_PURE="1", PYTHONPATH=str(PACKAGE.parent)).stdout
    assert out.splitlines() == ["quiet"] + ["0"] * (sys.implementation.name == "cpython") + ["said", "1 -1"]


@compiled
def test_the_oracle_beside_the_compiled_engine_says_nothing(tmp_path):
    (tmp_path / "large.py").write_text(LARGE)
    done = run("-W", "error", "large.py", cwd=tmp_path, PYTHONPATH=str(PACKAGE.parent))
    assert done.stdout.splitlines() == ["quiet", "said", "1 -2"]


# The install

IGNORED = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__", ".*_cache",
                                 ".hypothesis", "*.so", "*.pyd", "*.o")
URL = "https://example.org/somebody/fastgrad"


def make_wheel(folder, **environment):
    """Build a wheel of a copy of the checkout with what's installed here; returns its path, or what was printed."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools", minversion="77")
    shutil.copytree(ROOT, folder / "copy", ignore=IGNORED)
    done = run("setup.py", "-q", "bdist_wheel", "--dist-dir", folder / "dist", cwd=folder / "copy", **environment)
    return done.stdout if done.returncode else next((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def pure_wheel(tmp_path_factory):
    wheel = make_wheel(tmp_path_factory.mktemp("pure"), FASTGRAD_PURE="1", FASTGRAD_URL=URL)
    assert isinstance(wheel, Path), wheel
    return wheel


@needs_setuptools
def test_the_pure_wheel(pure_wheel, tmp_path):
    assert pure_wheel.name == f"fastgrad-{fastgrad.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(pure_wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        wheel.extractall(tmp_path)
    wanted = {path.relative_to(ROOT).as_posix() for pattern in ("*.py", "*.pyi", "*.js", "*.html", "py.typed")
              for path in (ROOT / "fastgrad").rglob(pattern)}
    assert names == wanted | {"fastgrad/_pure.py"}
    assert imported(tmp_path)[0] == "python"
    shutil.move(pure_wheel, tmp_path / "zipped.whl")        # a wheel is a zip file, from which Python imports
    shutil.copy(tmp_path / "zipped.whl", pure_wheel)
    shutil.rmtree(tmp_path / "fastgrad")
    assert imported(tmp_path, PYTHONPATH=str(tmp_path / "zipped.whl"))[0] == "python"


@needs_setuptools
def test_what_the_registry_shows_leads_somewhere(pure_wheel):
    """A registry's page has the README without the files beside it, so its links have to be whole."""
    with zipfile.ZipFile(pure_wheel) as zipped:
        name, = [name for name in zipped.namelist() if name.endswith(".dist-info/METADATA")]
        about = email.message_from_bytes(zipped.read(name))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = about.get_payload(decode=True).decode()
    release = f"{URL}/blob/v{fastgrad.__version__}"
    assert f"]({release}/CONTRIBUTING.md)" in shown
    assert f"]({URL}/raw/v{fastgrad.__version__}/docs/lesson.png)" in shown
    link = re.compile(r"\]\((?!https://|#)[^)\s]+\)")
    assert link.search(readme) and not link.search(re.sub(r"^```.*?^```", "", shown, flags=re.M | re.S))
    links = re.compile(r"\((https://example\.org/[^\s)]+)\)")
    assert {found.split("/v" + fastgrad.__version__ + "/")[1].split("#")[0] for found in links.findall(shown)} <= {
        path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")}
    assert links.sub("()", shown).strip() == re.sub(r"\]\((?!https://|#)[^)\s]+\)", "]()", readme).strip()
    assert dict(line.split(", ") for line in about.get_all("Project-URL")) == {
        "Source": URL, "Issues": f"{URL}/issues", "Documentation": f"{release}/README.md",
        "Changelog": f"{release}/CHANGELOG.md"}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_again(folder, **environment):
    """The same wheel in another folder, at another time, and by somebody with other habits."""
    mask = os.umask(0o077)
    try:
        wheel = make_wheel(folder / "a folder with a longer name", **environment)
    finally:
        os.umask(mask)
    assert isinstance(wheel, Path), wheel
    return wheel


@needs_setuptools
def test_the_same_source_gives_the_same_pure_wheel(pure_wheel, tmp_path):
    assert digest(make_again(tmp_path, FASTGRAD_PURE="1", FASTGRAD_URL=URL)) == digest(pure_wheel)


@pytest.mark.long
@compiled
@needs_setuptools
def test_the_same_source_gives_the_same_compiled_wheel(tmp_path):
    (tmp_path / "once").mkdir()
    (tmp_path / "again").mkdir()
    once = make_wheel(tmp_path / "once")
    assert isinstance(once, Path), once
    assert digest(make_again(tmp_path / "again")) == digest(once)


@needs_setuptools
@pytest.mark.skipif(sys.platform == "win32" or sys.implementation.name != "cpython", reason="needs a Unix and CPython")
def test_without_a_compiler_the_last_lines_say_what_to_do(tmp_path):
    printed = make_wheel(tmp_path, CC="no-such-compiler", LDSHARED="no-such-compiler -shared")
    assert isinstance(printed, str), "there was a compiler"
    last = printed.strip().splitlines()[-7:]
    assert last[0].endswith("fastgrad's engine could not be compiled; what went wrong is printed above.")
    assert last[2].strip() == "FASTGRAD_PURE=1 pip install ."
    assert "python3-dev" in last[5] and "xcode-select --install" in last[6]
    assert "no-such-compiler" in printed


# Who made it

@needs_setuptools
def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.M)[1] == fastgrad.__version__
    date = re.search(r"^date-released: '?(\d{4}-\d\d-\d\d)'?$", citation, re.M)[1]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(fastgrad.__version__)}\] - {date}$", changelog, re.M)
