"""Plant faults, one at a time, and see whether the tests find them:

    python tests/mutate.py [--list] [--only NAME ...] [--jobs N]

mutants.py has the faults. Each is a change to one file that makes the package wrong, and the test that must fail then.
Everything happens in copies of the checkout in a temporary folder, where the engine is built without optimisation,
because that takes less time. First the tests must pass there without a fault.

A line for each fault gives the result:

    found       the test failed, crashed or didn't end
    SURVIVED    the test passed
    BROKEN      nothing was tried: the text isn't there exactly once, it doesn't compile, or the test doesn't run

The exit status is 0 if all faults are found, and 1 if not. Whoever changes a text that mutants.py quotes must change
mutants.py too.
"""
import argparse
import concurrent.futures
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mutants import MUTANTS

CHECKOUT = Path(__file__).resolve().parent.parent
COMPILED = {".c", ".h", ".pyx", ".pxd", ".pxi"}
TIME_LIMIT = 120    # seconds that a test may take


def main():
    parser = argparse.ArgumentParser(description="Plant faults, and see whether the tests find them.")
    parser.add_argument("--list", action="store_true", help="print the names and the tests, and do nothing")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="these faults alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="as many at a time")
    options = parser.parse_args()
    names = [mutant.name for mutant in MUTANTS]
    unknown = sorted(set(options.only) - set(names)) or sorted({name for name in names if names.count(name) > 1})
    if unknown or options.jobs < 1:
        parser.error(f"not the name of one fault: {', '.join(unknown)}" if unknown else "--jobs must be at least 1")
    mutants = [mutant for mutant in MUTANTS if not options.only or mutant.name in options.only]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name:<45} {mutant.test}")
        return 0

    with tempfile.TemporaryDirectory(prefix="fastgrad-mutants-") as folder:
        trees = make_trees(Path(folder), options.jobs)
        tests = sorted({mutant.test for mutant in mutants})
        in_c = [test for test in tests if test.endswith(".c")]
        for some in [[test] for test in in_c] + [[test for test in tests if test not in in_c]]:
            if some and run(trees.queue[0], *some, limit=None) != "passed":
                print("without a fault one of these fails, or doesn't run:", *some, sep="\n    ")
                return 1

        def one(mutant):
            tree = trees.get()
            try:
                return fate(tree, mutant)
            finally:
                trees.put(tree)

        survivors = 0
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for mutant, what in zip(mutants, pool.map(one, mutants)):
                survivors += not what.startswith("found")
                print(f"{mutant.name:<45} {what}", flush=True)
    print(f"{len(mutants)} faults, {survivors or 'none'} not found")
    return 1 if survivors else 0


def make_trees(folder, n):
    """A queue of n copies of the checkout, without the files that git ignores, and with the engine built."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    trees = [folder / str(i) for i in range(n)]
    for file in files:
        if (CHECKOUT / file).is_file():     # a deleted file is listed until its deletion is committed
            (trees[0] / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / file, trees[0] / file)
    if not build(trees[0]):
        sys.exit("the engine doesn't build")
    out = queue.Queue()
    for tree in trees:
        if tree is not trees[0]:
            shutil.copytree(trees[0], tree, symlinks=True)
        out.put(tree)
    return out


def environment(tree):
    """The environment variables for a command in a tree. Imports find the tree's own package first, also in processes
    that tests start. No bytecode is written, since it might outlast its source."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("FASTGRAD", "PYTEST"))}
    return {**settings, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}


def call(tree, *command, limit=None, **more):
    """Run a command in a tree. Returns its exit status, or None if it took longer than limit, in seconds."""
    try:
        return subprocess.run(command, cwd=tree, env={**environment(tree), **more}, timeout=limit,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode
    except subprocess.TimeoutExpired:
        return None


def build(tree):
    return call(tree, sys.executable, "setup.py", "-q", "build_ext", "--inplace", FASTGRAD_DEBUG="1") == 0


def run(tree, *tests, limit=TIME_LIMIT):
    """Run tests in a tree. Returns 'passed', 'failed', or why they didn't run. tests: tests for pytest, or one C file
    of tests/c."""
    if tests[0].endswith(".c"):
        program = f"build/{Path(tests[0]).stem}"
        if call(tree, "make", "-C", "tests/c", program) != 0:
            return "it doesn't compile"
        return "passed" if call(tree, f"tests/c/{program}", limit=limit) == 0 else "failed"
    status = call(tree, sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests, limit=limit)
    if status == 0:
        return "passed"
    return "failed" if status is None or status < 0 or status == 1 else "the test doesn't run"


def fate(tree, mutant):
    """Plant a fault, run its test, and return the result. Afterwards the tree is as before, the built engine included.
    """
    file = tree / mutant.file
    original = file.read_bytes()
    text = original.decode()
    if text.count(mutant.before) != 1:
        return f"BROKEN: the text is there {text.count(mutant.before)} times in {mutant.file}"
    is_compiled = file.suffix in COMPILED
    built = [(engine, engine.read_bytes()) for engine in (tree / "fastgrad" / "engine").glob("engine.*") if is_compiled
             and engine.suffix in (".so", ".pyd")]
    try:
        file.write_bytes(text.replace(mutant.before, mutant.after).encode())
        if is_compiled and not mutant.test.endswith(".c") and not build(tree):
            return "BROKEN: it doesn't compile"
        what = run(tree, mutant.test)
    finally:
        file.write_bytes(original)
        for engine, content in built:
            engine.write_bytes(content)
    return {"failed": "found", "passed": f"SURVIVED {mutant.test}"}.get(what, f"BROKEN: {what}")


if __name__ == "__main__":
    sys.exit(main())
