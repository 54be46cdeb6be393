"""How the package is built; what it's called and what it carries is in pyproject.toml.

There are two kinds of wheel. The ordinary one has the extension, compiled with the flags below. The pure one has the
engine in plain Python alone and is for any machine: FASTGRAD_PURE=1 in the environment asks for it, and PyPy always
gets it. Both are reproducible: the same source and the same tools give the same bytes, wherever and whenever.
"""
import os
import re
import sys
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CCompilerError, ExecError, PlatformError, SetupError

HERE = Path(__file__).resolve().parent
is_pure = sys.implementation.name != "cpython" or os.environ.get("FASTGRAD_PURE", "0") not in ("", "0")
# An install that is editable, and a build in place, are for the tests too: there the engine can be told to run out of
# memory, and to check its arena. What is packed for others, a wheel or a plain install, has neither.
is_for_tests = (not {"editable_wheel", "develop", "--inplace", "-i"}.isdisjoint(sys.argv)
                or bool(os.environ.get("FASTGRAD_TESTING")))

# A wheel has dates: the builder's, if this is set, or always the same.
os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800")     # 1980-01-01, the first that a zip file can have

PURE_MARK = '"""Made by FASTGRAD_PURE=1: this install has no compiled engine. `import fastgrad` looks for it."""\n'
ADVICE = """fastgrad's engine could not be compiled; what went wrong is printed above.
To install it without a compiler, as plain Python with the same results, some 50 times slower:
    FASTGRAD_PURE=1 pip install {what}
    (on Windows: set FASTGRAD_PURE=1, then pip install {what})
To compile it, get a C compiler and Python's headers, then run the same command again:
    Debian, Ubuntu: apt install gcc python3-dev    Fedora: dnf install gcc python3-devel
    macOS: xcode-select --install                  Windows: Visual Studio Build Tools, with C++"""


def flags():
    """Options for the compiler and for the linker."""
    if sys.platform == "win32":
        return ["/O2", "/std:c11", "/fp:precise"], ["/Brepro"]      # /Brepro: no date in the file
    # -ffp-contract=off: a multiplication and an addition never become one rounding, so that bits are microgpt's.
    # -fno-tree-slp-vectorize: a new node's small fields are stored one by one; packing them first takes longer.
    # -fvisibility=hidden: the core's functions are nobody else's; all that the file offers is Python's PyInit_engine.
    # -ffile-prefix-map: the folder in which it was built leaves no trace.
    compiler = ["-O3", "-fno-tree-slp-vectorize", "-std=c11", "-ffp-contract=off", "-Wall", "-Wextra",
                "-fvisibility=hidden", f"-ffile-prefix-map={HERE}=."]
    if os.environ.get("FASTGRAD_DEBUG"):
        return [*compiler, "-O0", "-g", "-UNDEBUG", "-DFG_FRAMES"], []
    if is_for_tests or os.environ.get("PYODIDE"):
        return compiler, []         # with symbols, which profilers and sanitizers show; Pyodide strips by itself
    return compiler, ["-Wl,-x"] if sys.platform == "darwin" else ["-Wl,--strip-all"]


class BuildPackage(build_py):
    """Copies the Python files; of a pure install also the mark that says so."""

    def run(self):
        super().run()
        if is_pure and not self.editable_mode:
            Path(self.build_lib, "fastgrad", "_pure.py").write_text(PURE_MARK, encoding="utf-8")


class BuildEngine(build_ext):
    """Compiles the engine, or ends with what to do where that fails."""

    def run(self):
        try:
            super().run()
        except (CCompilerError, ExecError, PlatformError, OSError) as error:
            print(error, file=sys.stderr)
            raise SetupError(ADVICE.format(what="fastgrad" if (HERE / "PKG-INFO").exists() else ".")) from None


class BuildWheel(bdist_wheel):
    """Packs the wheel, with permissions that don't depend on the builder's umask."""

    def write_wheelfile(self, *args, **kwargs):
        super().write_wheelfile(*args, **kwargs)
        for path in Path(self.bdist_dir).rglob("*"):
            path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)


def extensions():
    if is_pure:
        return []
    from Cython.Build import cythonize
    compiler, linker = flags()
    engine = Extension(
        "fastgrad.engine.engine",
        sources=["fastgrad/engine/engine.pyx", "csrc/arena.c", "csrc/backward.c", "csrc/fused.c",
                 "csrc/program.c", "csrc/exact_pow.c", "csrc/fields.c", "csrc/optim.c", "csrc/derive.c"],
        depends=glob("csrc/*.h") + glob("fastgrad/engine/*.h") + glob("fastgrad/engine/*.px[di]"),
        include_dirs=["csrc"],
        define_macros=[("FG_TESTING", "1")] if is_for_tests else [],
        extra_compile_args=compiler,
        extra_link_args=linker,
        libraries=[] if sys.platform == "win32" else ["m"],
    )
    return cythonize([engine])


def version():
    return re.search(r'^__version__ = "(.+)"', (HERE / "fastgrad" / "__init__.py").read_text(encoding="utf-8"), re.M)[1]


def address():
    """Where the project lives on the web: FASTGRAD_URL, which a release sets; in a source archive, what it says."""
    if os.environ.get("FASTGRAD_URL"):
        return os.environ["FASTGRAD_URL"].rstrip("/")
    about = HERE / "PKG-INFO"
    found = about.exists() and re.search(r"^Project-URL: Source, (.+)$", about.read_text(encoding="utf-8"), re.M)
    return found and found[1]


def readme(url):
    """README.md; with links and pictures of this release's files, if their address is known."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    if not url:
        return text

    def absolute(link):
        kind = "raw" if link["picture"] else "blob"
        return f"{link['picture']}[{link['text']}]({url}/{kind}/v{version()}/{link['path']})"
    return re.sub(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?!https?:|mailto:|#)(?P<path>[^)\s]+)\)", absolute, text)


def urls(url):
    if not url:
        return {}
    release = f"{url}/blob/v{version()}"
    return {"Source": url, "Issues": f"{url}/issues", "Documentation": f"{release}/README.md",
            "Changelog": f"{release}/CHANGELOG.md"}


setup(
    ext_modules=extensions(),
    cmdclass={"build_py": BuildPackage, "build_ext": BuildEngine, "bdist_wheel": BuildWheel},
    long_description=readme(address()),
    long_description_content_type="text/markdown",
    project_urls=urls(address()),
)
