"""Run any number of random programs as they are and with their loops rewritten, and compare all that can be seen.

    python tests/loops/fuzz.py --count 100000 --seed 0
    python tests/loops/fuzz.py --seconds 600

Program k is made from random.Random(seed + k). Each also runs on the oracle, fastgrad/reference.py. The first
difference ends the run with status 1 and prints the seed, the shrunk program and both transcripts. `--seed THAT
--count 1` runs that program again, and `--show` prints programs. At the end are the numbers of loops that ran in C, by
their kind, and that declined, by reason.
"""
import argparse
import faulthandler
import gc
import random
import sys
import time
import warnings
from collections import Counter

import fastgrad
import near_misses
import twins

BATCH = 500     # programs between two checks for leaks


def differs(source, backward):
    return not is_same(source, backward)


def is_same(source, backward, found=None):
    """Whether nobody can tell a program from the rewritten one. found: a list for the rewritten loops."""
    try:
        result = twins.both(source, backward)
    except twins.TooLong:
        return True
    if found is not None:
        found += result.loops
    return result.plain == result.rewritten


def agrees_with_oracle(source, backward):
    try:
        return twins.agrees_with_oracle(source, backward)
    except twins.TooLong:
        return True


def check(seed, runs, declines):
    """Run a program. Returns a complaint or None. The two Counters note what its loops did."""
    source, backward, found = near_misses.program(random.Random(seed)), seed % 2 == 1, []
    if not is_same(source, backward, found):
        shrunk = twins.shrink(source, lambda text: differs(text, backward))
        return f"seed {seed}: the rewritten program differs\n{twins.difference(shrunk, backward)}"
    if not agrees_with_oracle(source, backward):
        shrunk = twins.shrink(source, lambda text: not agrees_with_oracle(text, backward))
        return f"seed {seed}: the engines differ\n{twins.difference(shrunk, backward, twins.on_reference)}"
    for counter, more in zip((runs, declines), twins.tally(found)):
        counter.update(more)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="how many programs (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed (default %(default)s)")
    parser.add_argument("--seconds", type=float, help="as many programs as these seconds allow")
    parser.add_argument("--show", action="store_true", help="print every program")
    args = parser.parse_args()
    if fastgrad.backend != "c":
        parser.error("the C engine isn't in use (FASTGRAD_PURE or PyPy): there is nothing to compare")

    faulthandler.enable()
    warnings.simplefilter("ignore")
    start = shown = time.monotonic()
    runs, declines, seed, complaint = Counter(), Counter(), args.seed, None
    live = fastgrad.arena_stats()["live"]
    while complaint is None and (args.seconds or seed < args.seed + args.count):
        if args.show:
            print(f"# seed {seed}\n{near_misses.program(random.Random(seed))}", flush=True)
        complaint = check(seed, runs, declines)
        seed += 1
        if complaint is None and seed % BATCH == 0:
            gc.collect()
            if fastgrad.arena_stats()["live"] != live:
                complaint = f"one of the {BATCH} programs before seed {seed} left nodes that nobody holds"
            if hasattr(fastgrad.engine, "_check"):
                fastgrad.engine._check()
        now = time.monotonic()
        if now - shown > 10:
            shown = now
            print(f"{seed - args.seed:,} programs, {(seed - args.seed) / (now - start):,.0f} a second", flush=True)
        if args.seconds and now - start > args.seconds:
            break
    print(f"{seed - args.seed:,} programs, {time.monotonic() - start:.0f} s")
    for title, counter in (("ran in C", runs), ("declined", declines)):
        print(f"{title}: {sum(counter.values()):,}")
        for what, count in counter.most_common():
            print(f"  {count:10,}  {what}")
    print(complaint or "no difference")
    return 1 if complaint else 0


if __name__ == "__main__":
    sys.exit(main())
