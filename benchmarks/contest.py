"""Engines that train the same model on the same data in turn: what bench_microgpt.py and bench_mlp.py have in common.

An engine is a generator that yields, step by step, the loss and its seconds: forward, backward and update, or all in
one where they can't be told apart. "floats" is the same program without any autograd: what the interpreter alone
costs, and so the floor that the ratios are of. Numbers are compared too, since being fast at something else proves
nothing: every row says whether its losses have the bits of the oracle's, fastgrad/reference.py.

The first step of a turn isn't timed, in no row: it finds the processor's caches full of another engine's data, which
no training run does.
"""
import argparse
import importlib.util
import os
import shutil
import sys
import time

from commandline import integer
from harness import Worker, figure, print_table, progress, ratio, serve, shown
from train_microgpt import megabytes, peak_memory

PHASES = ("forward", "backward", "update")
CLOSE = 1e-9                                # how near to the oracle's the losses of other arithmetic must stay
# Engines that promise its bits.
EXACT = {"fastgrad", "fused", "published", "notebook", "adam", "functional", "oracle", "lesson", "no-fuse"}
MEASURES = ("oracle", "script", "fastgrad", "fused", "adam", "functional", "pypy")      # the first that is there
WITHOUT_GRADIENTS = {"floats"}


# The command line.

def add_options(parser, engines, steps):
    """What both take. engines: their names and what they are called in the table."""
    def names(text):
        for name in text.split(","):
            if name not in engines:
                raise argparse.ArgumentTypeError(f"there is no engine {name!r}, only {', '.join(engines)}")
        return text.split(",")

    parser.add_argument("--engines", metavar="A,B", type=names, default=list(engines),
                        help=f"some of {', '.join(engines)} (default: all)")
    parser.add_argument("--steps", type=integer(1), default=steps, help=f"default {steps}")
    parser.add_argument("--block", type=integer(1), default=5,
                        help="steps that each takes in its turn (default 5); if there are more than one, the first "
                             "isn't timed")
    parser.add_argument("--seconds", type=float, default=20,
                        help="an engine that has trained so long stops (default 20)")
    parser.add_argument("--warm", type=float, default=2, metavar="SECONDS", help="warm each up so long (default 2)")
    parser.add_argument("--pypy", metavar="FILE", default=shutil.which("pypy3") or shutil.which("pypy") or "pypy3",
                        help="the interpreter of that engine (default: pypy3)")
    parser.add_argument("--worker", metavar="ENGINE", help=argparse.SUPPRESS)       # be the process of one engine
    parser.add_argument("--package", help=argparse.SUPPRESS)                        # the fastgrad that it shall import


# The process of one engine.

def work(options, begin, compiles=False):
    """Serve one engine: begin() returns what starts its training anew, and its versions; it may raise Missing.

    Warming up is training too, of a model that is thrown away. compiles: whether the engine does so for every shape of
    data, so that it should have seen all before it is timed.
    """
    def start():
        if options.package:
            import_from(options.package)
        training, versions = begin()
        end, all_seen = time.perf_counter() + options.warm, not compiles
        while time.perf_counter() < end or not all_seen:
            for _ in training():
                if all_seen and time.perf_counter() >= end:
                    break
            all_seen = True
        steps = training()

        def turn(count):
            taken = [next(steps) for _ in range(count)]
            return {"losses": [loss for loss, *_ in taken], "seconds": [seconds for _, *seconds in taken],
                    "peak_bytes": peak_memory()}

        return {"versions": versions}, turn

    serve(start)


def import_from(folder):
    """Import fastgrad from its folder: PyPy doesn't look where CPython's packages are."""
    spec = importlib.util.spec_from_file_location("fastgrad", os.path.join(folder, "__init__.py"),
                                                  submodule_search_locations=[folder])
    sys.modules["fastgrad"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["fastgrad"])


# Who lets them take turns.

def run(script, engines, options, *arguments):
    """Let the engines train in turn, print the table; return the rows for JSON, and whether the numbers are right."""
    workers = {}
    try:
        for engine in options.engines:
            progress(f"warming up {engine}")
            workers[engine] = start(script, engine, options, *arguments)
        records = take_turns(workers, options)
    finally:
        for worker in workers.values():
            worker.close()
    rows = []
    for engine, worker in workers.items():
        row = {"engine": engine, "name": engines[engine]}
        rows.append({**row, "missing": worker.missing} if worker.missing else
                    {**row, "versions": worker.about["versions"], **records[engine]})
    right = judge(rows)
    table(rows, options)
    return rows, right


def start(script, engine, options, *arguments):
    arguments = ["--worker", engine, "--steps", options.steps, "--warm", options.warm, *arguments]
    if engine == "oracle":
        return Worker(script, *arguments, FASTGRAD_PURE="1")
    if engine == "pypy":
        package = importlib.util.find_spec("fastgrad")
        if package:
            arguments += ["--package", os.path.dirname(package.origin)]
        return Worker(script, *arguments, python=options.pypy)
    return Worker(script, *arguments)


def take_turns(workers, options):
    records = {engine: {"losses": [], "seconds": []} for engine in workers}
    for done in range(0, options.steps, options.block):
        progress(f"step {done} of {options.steps}")
        for engine, worker in workers.items():
            record = records[engine]
            if sum(map(sum, record["seconds"])) > options.seconds:
                continue
            answer = worker.turn(count=min(options.block, options.steps - done))
            if answer:
                record["losses"] += answer["losses"]
                record["seconds"] += answer["seconds"]
                record["peak_bytes"] = answer["peak_bytes"]
    progress("")
    return records


# What came out.

def judge(rows):
    """Write into every row what its losses are worth; return whether they are all that they should be."""
    measured = {row["engine"]: row for row in rows if "losses" in row}
    known = [engine for engine in MEASURES if engine in measured]
    right = True
    for engine, row in measured.items():
        if engine in WITHOUT_GRADIENTS:
            row["numbers"] = "no gradients"
        elif not known or engine == known[0]:
            row["numbers"] = "the measure" if known else "nothing to compare with"
        else:
            row["numbers"], fine = compare(row["losses"], measured[known[0]]["losses"], engine in EXACT)
            right = right and fine
    return right


def compare(losses, measure, exact):
    """Whether losses are those of the measure, in words, and whether that is good enough."""
    if all(a == b for a, b in zip(losses, measure)):
        return "same to the last bit", True
    error, step = max((abs(a - b) / max(1, abs(b)), step) for step, (a, b) in enumerate(zip(losses, measure), 1))
    if error <= CLOSE:
        return f"within {CLOSE:g}", not exact
    return f"differ by {error:.1g} in step {step}", False


def timed(seconds, block):
    """A row's steps without the first one of each turn; all, if turns have one step."""
    return [each for step, each in enumerate(seconds) if step % block > 0] or seconds


def table(rows, options):
    """Print the rows, and add to each its figures: milliseconds of the phases and of a step, and times floats."""
    floor = next((row["seconds"] for row in rows if row["engine"] == "floats" and "seconds" in row), None)
    lines = []
    for row in rows:
        if row.get("missing"):
            lines.append([row["name"], f"not measured: {row['missing']}"])
            continue
        seconds = timed(row["seconds"], options.block)
        steps = [sum(each) for each in seconds]
        phases = zip(*seconds) if len(seconds[0]) == len(PHASES) else []
        row["ms"] = {phase: figure(1000 * s for s in each) for phase, each in zip(PHASES, phases)}
        if row["engine"] in WITHOUT_GRADIENTS:
            row["ms"].pop("backward", None)
        row["ms"]["step"] = figure(1000 * s for s in steps)
        row["times_floats"] = ratio(steps, map(sum, timed(floor, options.block))) if floor else None
        lines.append([row["name"], *(shown(row["ms"].get(phase), spread=False) for phase in PHASES),
                      shown(row["ms"]["step"]), shown(row["times_floats"]), megabytes(row["peak_bytes"]),
                      str(len(row["seconds"])), row["numbers"]])
    print_table(["ms a step", *PHASES, "a step", "times floats", "peak MB", "steps", "losses"], lines)
    print("Medians (and quartiles) of the steps. Steps differ in length with their data, so ratios go step by step.")
