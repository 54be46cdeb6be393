"""Run any number of random programs on the C engine and the oracle, and compare every bit.

    python tests/engine/fuzz.py --count 1000000 --seed 0 --jobs 4
    python tests/engine/fuzz.py --kind fused --count 1000000

Program k is made from random.Random(seed + k). The first difference, crash or hang ends the run with status 1 and
prints the seed, and for a difference also the shrunk program with both transcripts. `--seed THAT --count 1`, with the
same --kind, runs that program again. These are the kinds of programs:

    scalar      those of programs.py
    fused       those of fused_programs.py: with fused sums on the C engine, and loops on the oracle
    calm        the same without closures, subclasses and looks. Then no Python runs in a sweep, and a walk lists no
                leaves. As long as any Value has attributes, such as a closure, all walks may do.
    dialects    the same with classes that python -m fastgrad makes, such as deferred ones. Both run on the C engine,
                since the oracle has no such classes: once with fused sums, once with loops.
    grad        those of grad_programs.py: scalar, fused and calm ones by turns, and then gradients in their graphs, as
                numbers and as graphs, up to the third order
"""
import argparse
import faulthandler
import gc
import multiprocessing
import random
import sys
import time
import warnings

import fastgrad
import fastgrad.functional
import fused_programs
import grad_programs
import programs
from fastgrad import reference

HANG = 60.0     # seconds without a finished program that count as a hang
BATCH = 5000    # programs between two checks for leaks
KEPT = 200      # programs whose Values stay alive while others run


def engines():
    """The C engine and the oracle."""
    return ({"name": "C engine", "Value": fastgrad.Value, "no_grad": fastgrad.no_grad},
            {"name": "oracle", "Value": reference.Value, "no_grad": fastgrad.no_grad})


class Scalar:
    """How the programs of one kind are made and run."""

    def __init__(self):
        self.one, self.other = engines()

    def generate(self, seed):
        return programs.generate(random.Random(seed))

    def run(self, program, engine, keep=None):
        return programs.run(program, engine["Value"], engine["no_grad"], keep)

    def agree(self, program, keep=None):
        return programs.same(self.run(program, self.one, keep), self.run(program, self.other))


class Fused(Scalar):
    is_calm = False

    def __init__(self):
        super().__init__()
        self.one["F"], self.other["F"] = fastgrad.functional, fused_programs.loops_of(reference.Value)

    def generate(self, seed):
        return fused_programs.generate(random.Random(seed), self.is_calm)

    def run(self, program, engine, keep=None):
        return fused_programs.run(program, engine, keep)


class Calm(Fused):
    is_calm = True


class Dialects(Fused):
    def __init__(self):
        self.classes = fused_programs.make_dialects()
        loops = fused_programs.loops_of(fastgrad.Value)
        self.one = {"name": "fused", "no_grad": fastgrad.no_grad, "F": fastgrad.functional}
        self.other = {"name": "loops", "no_grad": fastgrad.no_grad, "F": loops}

    def generate(self, seed):
        self.one["Value"] = self.other["Value"] = self.classes[seed % len(self.classes)]
        return super().generate(seed)


class Grad(Scalar):
    def __init__(self):
        self.one, self.other = grad_programs.C, grad_programs.PYTHON

    def generate(self, seed):
        self.seed, self.kind = seed, grad_programs.KINDS[seed % len(grad_programs.KINDS)]
        return grad_programs.generate(random.Random(seed), self.kind)

    def run(self, program, engine, keep=None):
        return grad_programs.transcript(self.kind, program, engine, self.seed, keep)


KINDS = {"scalar": Scalar, "fused": Fused, "calm": Calm, "dialects": Dialects, "grad": Grad}


class Kept:
    """Graphs that are kept alive while other programs run, with their states, which must not change. They leave old
    nodes between new ones in the arena."""

    def __init__(self):
        self.rng = random.Random(0)
        self.places = [None] * KEPT

    def put(self, values):
        """Keep a program's Values in a random place. Returns whether the Values that were there are unchanged."""
        place = self.rng.randrange(KEPT)
        old, self.places[place] = self.places[place], (values, programs.state(values))
        return old is None or programs.same([programs.state(old[0])], [old[1]])

    def clear(self):
        """Drop all Values. Returns whether they are unchanged."""
        places, self.places = self.places, [None] * KEPT
        return all(old is None or programs.same([programs.state(old[0])], [old[1]]) for old in places)


def work(kind, seeds, seed_now, done, reports):
    """Run the programs of these seeds in a worker process. The counters are shared with the parent process, which
    reports where a worker has died."""
    faulthandler.enable()
    warnings.simplefilter("ignore")     # NumPy's warnings about nan and overflow
    kind = KINDS[kind]()
    kept = Kept()
    gc.collect()
    gc.freeze()     # the oracle's _parents looks at all objects that the collector knows
    for batch in range(0, len(seeds), BATCH):
        for seed in seeds[batch:batch + BATCH]:
            seed_now.value = seed
            program = kind.generate(seed)
            keep = [] if seed % 8 == 0 else None
            if not kind.agree(program, keep):
                shrunk = programs.shrink(program, lambda p: not kind.agree(p))
                text = programs.difference(shrunk, kind.one, kind.other, kind.run)
                reports.put(f"seed {seed}: the engines differ\n{text}")
                return
            if keep and not kept.put(keep.pop()):
                reports.put(f"by seed {seed}: a program has changed the Values of another one")
                return
            done.value += 1
        if not kept.clear():
            reports.put(f"seeds {seeds[batch]} to {seed}: a program has changed the Values of another one")
            return
        gc.collect()
        live = fastgrad.arena_stats()["live"]
        if live:
            reports.put(f"seeds {seeds[batch]} to {seed}: {live} nodes are alive and nobody holds them")
            return
        if hasattr(fastgrad.engine, "_check"):
            fastgrad.engine._check()


class Worker:
    def __init__(self, kind, seeds):
        self.seed_now = multiprocessing.Value("q", seeds[0], lock=False)
        self.done = multiprocessing.Value("q", 0, lock=False)
        self.reports = multiprocessing.SimpleQueue()
        self.process = multiprocessing.Process(target=work, daemon=True,
                                               args=(kind, seeds, self.seed_now, self.done, self.reports))
        self.process.start()
        self.seen, self.since = -1, time.monotonic()

    def complaint(self):
        """What went wrong in this worker, in words, or None."""
        ended = not self.process.is_alive()
        if not self.reports.empty():
            return self.reports.get()
        if ended and self.process.exitcode:
            return f"seed {self.seed_now.value}: the process died with exit code {self.process.exitcode}"
        if self.seen != self.done.value:
            self.seen, self.since = self.done.value, time.monotonic()
        elif not ended and time.monotonic() - self.since > HANG:
            return f"seed {self.seed_now.value}: not done after {HANG:.0f} s"
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="how many programs (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed (default %(default)s)")
    parser.add_argument("--kind", choices=list(KINDS), default="scalar", help="see above (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s)")
    args = parser.parse_args()
    if args.count < 1 or args.jobs < 1:
        parser.error("--count and --jobs are at least 1")
    if fastgrad.backend != "c":
        parser.error("the C engine isn't in use (FASTGRAD_PURE or PyPy): there is nothing to compare")

    seeds = range(args.seed, args.seed + args.count)
    workers = [Worker(args.kind, seeds[job::args.jobs]) for job in range(min(args.jobs, args.count))]
    start = shown = time.monotonic()
    while True:
        running = any(worker.process.is_alive() for worker in workers)
        complaint = next(filter(None, (worker.complaint() for worker in workers)), None)
        done, now = sum(worker.done.value for worker in workers), time.monotonic()
        if complaint or not running or now - shown > 5:
            shown = now
            print(f"{done:,} of {args.count:,} programs, {done / (now - start):,.0f} a second", flush=True)
        if complaint:
            for worker in workers:
                worker.process.terminate()
            print(complaint)
            return 1
        if not running:
            print("no difference")
            return 0
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
