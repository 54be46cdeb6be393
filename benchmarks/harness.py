"""What every benchmark here shares: processes that take turns, medians with their spread, a table, and a JSON file.

Machines are noisy and differ, so nothing is timed once and nothing is timed alone. Contenders take short turns, round
after round, so that whatever else the machine does slows all of them alike; a figure is the median of its rounds and
comes with their quartiles, and a ratio is the median of the rounds' own ratios. A Worker is a contender in a process of
its own: objects that one keeps alive don't slow down another, and it may be run by another Python.
"""
import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile

from commandline import Parser

# One thread each: a contender that took both cores would slow down those that wait for nobody.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu",
               "JAX_ENABLE_X64": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "FASTGRAD_PURE": "0"}


class Missing(Exception):
    """What should be measured isn't on this machine; the message says what."""


def require(module):
    """Import a module that need not be installed and return it; raises Missing."""
    try:
        __import__(module)
    except ModuleNotFoundError as error:
        raise Missing(f"{error.name} isn't installed") from None
    except ImportError as error:
        raise Missing(str(error)) from None
    return sys.modules[module]


def versions(*modules):
    """The versions of modules that are imported, as a dict for JSON."""
    found = {}
    for name in modules:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:     # only on the path
            found[name] = getattr(sys.modules[name], "__version__", "unknown")
    return found


# Contenders in processes of their own. They speak JSON, a line for each turn, over the standard input and output.

class Worker:
    """A contender: what `serve` in another process makes of a script and its arguments.

    missing: why it can't be measured, or None. about: what it said of itself when it was ready.
    """

    def __init__(self, script, *arguments, python=sys.executable, **environment):
        self.missing, self.about, self.errors = None, {}, tempfile.TemporaryFile("w+")
        try:
            self.process = subprocess.Popen(
                [python, script, *map(str, arguments)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=self.errors, env={**os.environ, **ENVIRONMENT, **environment})
        except OSError as error:
            self.process, self.missing = None, f"can't start {python}: {error.strerror}"
        else:
            self.about = self.receive()

    def receive(self):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"missing": self.last_words()}
        self.missing = answer.get("missing")
        return answer

    def last_words(self):
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return f"it failed: {lines[-1]}" if lines else f"it ended with status {self.process.returncode}"

    def turn(self, **request):
        """Have it take a turn; returns its answer, a dict, or None if it's missing or breaks down."""
        if not self.missing:
            with contextlib.suppress(BrokenPipeError):      # what it died of is found by receive
                self.process.stdin.write(json.dumps(request) + "\n")
                self.process.stdin.flush()
            answer = self.receive()
        return None if self.missing else answer

    def close(self):
        """End the process."""
        if self.process:
            self.process.kill()
            self.process.communicate()
        self.errors.close()


def serve(start):
    """The other end of a Worker. start() gets ready and returns what to tell of it, and a function that takes a turn.

    Both what is told and what the function returns are dicts for JSON. start may raise Missing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C is for the process that started this one
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)       # what a library prints goes with the errors
    try:
        about, turn = start()
    except Missing as error:
        about = {"missing": str(error)}
    print(json.dumps(about), file=pipe, flush=True)
    for line in sys.stdin:
        print(json.dumps(turn(**json.loads(line))), file=pipe, flush=True)


# Figures.

def figure(numbers):
    """The median of some measurements and the quartiles around it, as a dict for JSON."""
    numbers = list(numbers)
    low, middle, high = statistics.quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else numbers * 3
    return {"median": middle, "low": low, "high": high}


def ratio(numbers, floor):
    """The figure of the ratios of two contenders' measurements, those of the same round to each other."""
    return figure(number / least for number, least in zip(numbers, floor))


def shown(value, digits=2, spread=True):
    """A figure as the tables show it: the median, and in brackets the quartiles."""
    if value is None:
        return ""
    text = f"{value['median']:.{digits}f}"
    return f"{text} ({value['low']:.{digits}f}-{value['high']:.{digits}f})" if spread else text


def print_table(headings, rows):
    """Print rows of strings below headings; a row that is shorter is a name and why there is nothing to show."""
    full = [row for row in rows if len(row) == len(headings)]
    widths = [max(len(row[i]) for row in [headings, *full]) for i in range(len(headings))]
    widths[0] = max([widths[0], *(len(row[0]) for row in rows)])
    for row in [headings, *rows]:
        cells = row[1:]
        if len(row) == len(headings):
            cells = [cell.rjust(width) for cell, width in zip(cells, widths[1:])]
        print("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())


def progress(text):
    """Show on a terminal, in one line that is written anew, how far it is; an empty text clears it."""
    if sys.stderr.isatty():
        print(f"\r{text[:78]:<78}", end="" if text else "\r", file=sys.stderr, flush=True)


# The machine, the JSON file, the command line.

def processor():
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def machine():
    """What was measured on, as a dict for JSON."""
    return {"processor": processor(), "architecture": platform.machine(), "cores": os.cpu_count(),
            "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            "system": platform.system(), "c_library": " ".join(platform.libc_ver()),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "python_compiler": platform.python_compiler()}


def write_json(options, rows, **facts):
    """Write to --json, if it was given: rows, facts, machine, date and the command."""
    if options.json:
        script, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
        if "--json" in arguments:       # that it was written here is no news
            at = arguments.index("--json")
            del arguments[at:at + 2]
        result = {"benchmark": os.path.splitext(script)[0],
                  "command": shlex.join(["python", f"benchmarks/{script}", *arguments]),
                  "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                  "machine": machine(), **facts, "rows": rows}
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


def parser(description):
    """A parser of the command line with what all benchmarks take."""
    made = Parser(description=description)
    made.add_argument("--json", metavar="FILE", help="write the results there too")
    return made


def main(function):
    """Run a benchmark's function, which returns the exit status, and exit; Ctrl-C ends it with a word."""
    try:
        sys.exit(function())
    except KeyboardInterrupt:
        progress("")
        print("interrupted", file=sys.stderr)
        sys.exit(130)
