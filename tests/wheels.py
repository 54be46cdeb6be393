#!/usr/bin/env python3
"""Build the wheels as a release does, and try them as a stranger would, on any number of Pythons.

    python tests/wheels.py                                  # of this Python
    python tests/wheels.py python3.10 python3.14 pypy3      # of these
    python tests/wheels.py --twice --out dist               # built twice and compared; kept

The source archive comes first, then the pure wheel, then of each CPython a wheel from the archive. Each is looked at:
its names and tags, its links, what the extension offers, needs and still holds (Linux, with binutils). Then it's
installed into an empty environment whose PATH has no compiler, and runs: an example, `python -m fastgrad`, some steps
of microgpt. Last, the same from the source folder, which hides the install, as the README's first command leaves it.

Where they are installed, twine checks the archive and the wheels, and auditwheel says which Linux systems a wheel is
for. It ends at the first thing that is wrong.
"""
import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
URL = os.environ.get("FASTGRAD_URL", "https://example.org/somebody/fastgrad")
MICROGPT = ("benchmarks/train_microgpt.py", "--steps", "3")


def run(*command, cwd=ROOT, path=None, **environment):
    """Run a program; returns what it prints. path: its PATH. Ends all if it fails."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("FASTGRAD_", "PYTHON", "VIRTUAL_ENV", "SOURCE_DATE"))}
    env.update(environment, **({"PATH": str(path)} if path else {}))
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        fail(f"{' '.join(map(str, command))} in {cwd} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def fail(why):
    raise SystemExit(f"\n{why}\n\n1 failed")


def say(what):
    print(what, flush=True)


def ask(python, expression):
    return run(python, "-c", f"import sys, sysconfig; print({expression})").strip()


def has(module):
    return importlib.util.find_spec(module) is not None


# Building

def make_archive(work):
    """The source archive, built from the files that git knows, or all where there's no git."""
    copy = work / "checkout"
    ignored = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__", ".*_cache",
                                     ".hypothesis", "*.so", "*.pyd", "*.o", "engine.c")
    shutil.copytree(ROOT, copy, ignore=ignored)
    run(sys.executable, "-m", "build", "--sdist", "--outdir", work / "dist", copy, FASTGRAD_URL=URL)
    archive, = (work / "dist").glob("*.tar.gz")
    return archive


def unpack(archive, folder):
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extraction_filter = tarfile.data_filter
        tar.extractall(folder)
    return next(folder.iterdir())


def make_wheel(python, archive, out, mask=0o022, **environment):
    """A wheel from the archive, in a folder of its own, with the build's requirements fetched for it."""
    out.mkdir(parents=True)
    old = os.umask(mask)
    try:
        run(python, "-m", "pip", "wheel", "-q", "--no-deps", "--no-cache-dir", "-w", out, archive, cwd=out,
            **environment)
    finally:
        os.umask(old)
    wheel, = out.glob("*.whl")
    return wheel


def members(wheel):
    with zipfile.ZipFile(wheel) as zipped:
        return {(file.filename, file.CRC, file.date_time, oct(file.external_attr >> 16)) for file in zipped.infolist()}


def check_same(first, python, archive, folder, **environment):
    second = make_wheel(python, archive, folder / "another folder for the second time", mask=0o077, **environment)
    if first.name != second.name or first.read_bytes() != second.read_bytes():
        fail(f"built twice, {first.name} isn't the same: {sorted(members(first) ^ members(second))}")
    say("    built twice: the same bytes")


# Looking

def check_contents(wheel, source, tag=None):
    """The wheel has the package's Python files and stubs, its licence and its metadata, and no more.

    tag: 'cp311', or None for a pure wheel.
    """
    with zipfile.ZipFile(wheel) as zipped:
        names = set(zipped.namelist())
        about = {name: zipped.read(name).decode() for name in names if name.endswith(("/METADATA", "/WHEEL"))}
    wanted = {path.relative_to(source).as_posix() for pattern in ("*.py", "*.pyi", "py.typed", "*.html", "*.js")
              for path in (source / "fastgrad").rglob(pattern)}
    package = {name for name in names if ".dist-info/" not in name}
    compiled = {name for name in package if re.fullmatch(r"fastgrad/engine/engine\.[\w.-]*(so|pyd)", name)}
    extra = compiled if tag else {"fastgrad/_pure.py"}
    if package != wanted | extra or len(compiled) != bool(tag):
        fail(f"{wheel.name} has {sorted(package - wanted)} too much, and lacks {sorted(wanted - package)}")
    others = {name.split(".dist-info/")[1] for name in names - package}
    if others != {"METADATA", "WHEEL", "RECORD", "top_level.txt", "licenses/LICENSE"}:
        fail(f"{wheel.name}: beside the package it has {sorted(others)}")
    metadata, = (text for name, text in about.items() if name.endswith("METADATA"))
    head, shown = metadata.split("\n\n", 1)
    if re.search(r"^Requires-Dist: (?!.*extra ==)", head, re.M):
        fail(f"{wheel.name} needs something at run time")
    if f"Project-URL: Source, {URL}" not in head or re.search(r"\]\((?!https?://|#)[^)\s]+\)",
                                                              re.sub(r"```.*?```", "", shown, flags=re.S)):
        fail(f"{wheel.name}: the registry's page would have no address, or links that lead nowhere")
    form, = (text for name, text in about.items() if name.endswith("WHEEL"))
    want = f"Tag: {tag}-{tag}-" if tag else "Tag: py3-none-any"
    if want not in form or f"Root-Is-Purelib: {'false' if tag else 'true'}" not in form:
        fail(f"{wheel.name}: its tags are wrong:\n{form}")
    return compiled


def check_extension(wheel, member, work):
    """On Linux: no symbols but the one that Python asks for, no library but C's, no path of the builder's."""
    if not sys.platform.startswith("linux") or not shutil.which("readelf"):
        return
    with zipfile.ZipFile(wheel) as zipped:
        file = Path(zipped.extract(member, work))
    sections = run("readelf", "-SW", file)
    if re.search(r"\.symtab|\.debug_", sections):
        fail(f"{member} isn't stripped")
    offered = {line.split()[-1] for line in run("nm", "-D", "--defined-only", file).splitlines()}
    if offered != {"PyInit_engine"}:
        fail(f"{member} offers {sorted(offered)}")
    libraries = set(re.findall(r"NEEDED.*\[(.+?)\]", run("readelf", "-dW", file)))
    if not {library.split(".")[0] for library in libraries} <= {"libc", "libm", "libpthread", "ld-linux-x86-64"}:
        fail(f"{member} needs {sorted(libraries)}")
    content = file.read_bytes()
    for folder in (tempfile.gettempdir(), str(ROOT)):       # not the home, where Python itself may be
        if os.fsencode(folder) in content:
            fail(f"{member} has the folder in which it was built, {folder}, in it")
    say(f"    {member}: {len(content) >> 10} KiB, stripped, needs {', '.join(sorted(libraries))}")


def audit(wheel, out):
    """What auditwheel calls the wheel, if there's an auditwheel: the systems that it's for are in the name."""
    if not sys.platform.startswith("linux") or not (has("auditwheel") and shutil.which("patchelf")):
        return wheel
    run(sys.executable, "-m", "auditwheel", "repair", "--plat", "auto", "-w", out, wheel,
        path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    repaired, = out.glob(f"{wheel.name.rsplit('-', 1)[0]}-*linux*.whl")
    say(f"    auditwheel: {repaired.name}")
    return repaired


# Trying

def try_wheel(python, wheel, source, work, backend):
    """Install into an empty environment without a compiler, and run what a reader of the README runs."""
    environment, empty = work / "venv", work / "empty"
    run(python, "-m", "venv", environment)
    empty.mkdir()
    inside = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    run(inside, "-m", "pip", "install", "-q", "--no-index", wheel, path=empty)
    away = {"cwd": empty, "path": empty}
    program = "import fastgrad; print(fastgrad.backend, fastgrad.__file__)"
    found, file = run(inside, "-c", program, **away).split(maxsplit=1)
    if found != backend or not Path(file).is_relative_to(environment):
        fail(f"{wheel.name} gives {found}, from {file}")
    run(inside, source / "examples" / "neuron.py", **away)
    run(inside, source / MICROGPT[0], *MICROGPT[1:], **away)
    run(inside, "-m", "fastgrad", source / "examples" / "neuron.py", **away)

    # the source folder, which hides the install from Python started there
    here = {"cwd": source, "path": empty}
    found, file = run(inside, "-c", program, **here).split(maxsplit=1)
    if found != backend:
        fail(f"in the source folder, import fastgrad gives {found}")
    run(inside, *MICROGPT, **here)
    run(inside, "-m", "fastgrad", source / "examples" / "neuron.py", work / "neuron.svg", **here)
    say(f"    installed without a compiler, it runs: backend {backend}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", nargs="*", default=[sys.executable], help="a Python to build for; without, this one")
    parser.add_argument("--twice", action="store_true", help="build each wheel twice and compare")
    parser.add_argument("--out", type=Path, help="a folder for the archive and the wheels")
    options = parser.parse_args()
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        archive = make_archive(work)
        say(archive.name)
        source = unpack(archive, work / "source")
        shipped = [archive]
        pure = make_wheel(options.python[0], archive, work / "pure", FASTGRAD_PURE="1")
        say(pure.name)
        check_contents(pure, source)
        check_same(pure, options.python[0], archive, work / "pure again", FASTGRAD_PURE="1")
        shipped.append(pure)
        for number, python in enumerate(options.python):
            room = work / str(number)
            say(f"{python}: {ask(python, 'sys.version.split()[0]')}")
            try_wheel(python, pure, source, room / "pure", "python")
            count += 1
            if ask(python, "sys.implementation.name") != "cpython":
                continue
            wheel = make_wheel(python, archive, room / "built")
            say(f"  {wheel.name}")
            tag = ask(python, "'cp%d%d' % sys.version_info[:2]")
            member, = check_contents(wheel, source, tag)
            check_extension(wheel, member, room / "extension")
            if options.twice:
                check_same(wheel, python, archive, room / "again")
            repaired = audit(wheel, room / "repaired")
            try_wheel(python, repaired, source, room / "compiled", "c")
            shipped.append(repaired)
            count += 1
        if has("twine"):
            say(run(sys.executable, "-m", "twine", "check", "--strict", *shipped).strip())
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            for file in shipped:
                shutil.copy(file, options.out)
    print(f"{count} passed, 0 failed")


if __name__ == "__main__":
    main()
