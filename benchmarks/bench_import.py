"""What `import fastgrad` adds to the start of Python: fresh processes with it and without, in turn.

    python benchmarks/bench_import.py               the whole, against `python -c pass`
    python benchmarks/bench_import.py --breakdown   also which modules take it, by -X importtime

A process is timed from the outside, from its start to its end. Both run in an empty folder, after one run each that
isn't timed, so that files are in memory and .pyc files written.
"""
import re
import subprocess
import sys
import tempfile
import time

import harness
from commandline import integer

PROGRAMS = {"pass": "pass", "fastgrad": "import fastgrad"}


def start(program, folder, *flags):
    """Run a program; returns its seconds and what it wrote on standard error. Raises Missing if it fails."""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, *flags, "-c", program], cwd=folder, stdin=subprocess.DEVNULL, text=True,
                          stderr=subprocess.PIPE)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise harness.Missing(done.stderr.strip().splitlines()[-1])
    return seconds, done.stderr


def import_times(program, folder):
    """Microseconds that each module took by itself, by -X importtime."""
    lines = start(program, folder, "-X", "importtime")[1].splitlines()
    found = [re.fullmatch(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", line) for line in lines]
    return {match[2]: int(match[1]) for match in found if match}


def breakdown(folder, rounds):
    """A row for each module that only `import fastgrad` loads, the costliest first."""
    series, without = {}, import_times(PROGRAMS["pass"], folder)
    for _ in range(rounds):
        for module, microseconds in import_times(PROGRAMS["fastgrad"], folder).items():
            if module not in without:
                series.setdefault(module, []).append(microseconds / 1000)
    rows = [{"module": module, "ms": harness.figure(times)} for module, times in series.items()]
    return sorted(rows, key=lambda row: -row["ms"]["median"])


def main():
    parser = harness.parser("Time a fresh `import fastgrad`.")
    parser.add_argument("--rounds", type=integer(1), default=30, help="processes of each (default 30)")
    parser.add_argument("--breakdown", action="store_true", help="show the modules and their own times")
    options = parser.parse_args()
    times, modules = {name: [] for name in PROGRAMS}, []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for done in range(-1, options.rounds):
                harness.progress(f"round {done + 1} of {options.rounds}")
                for name, program in PROGRAMS.items():
                    seconds = start(program, folder)[0]
                    if done >= 0:
                        times[name].append(1000 * seconds)
            harness.progress("")
            if options.breakdown:
                modules = breakdown(folder, min(options.rounds, 10))
    except harness.Missing as error:
        parser.error(str(error))
    more = [with_it - without for with_it, without in zip(times["fastgrad"], times["pass"])]
    rows = [{"program": "python -c pass", "ms": harness.figure(times["pass"])},
            {"program": "python -c 'import fastgrad'", "ms": harness.figure(times["fastgrad"])},
            {"program": "import fastgrad, over pass", "ms": harness.figure(more)}]
    harness.print_table(["program", "ms"], [[row["program"], harness.shown(row["ms"])] for row in rows])
    if modules:
        print()
        harness.print_table(["module, by itself", "ms"], [[row["module"], harness.shown(row["ms"])] for row in modules])
    harness.write_json(options, rows, modules=modules, rounds=options.rounds)
    return 0


if __name__ == "__main__":
    harness.main(main)
