"""python -m fastgrad --check FILE: examine the engine in a student's file.

The file runs in a process of its own, so that nothing that it prints or does gets into the report. If that process
dies or hangs while the file runs, a second one runs only the file's definitions.
"""
import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import fastgrad
from fastgrad.grading.report import SCHEMA, Report
from fastgrad.grading.requirements import required_methods


RIGHT, WRONG, NOTHING, BROKEN = 0, 1, 2, 3      # exit statuses
GRACE = 5.0             # seconds that a file may take longer, in code that can't be interrupted
EXAMINATION = 120.0     # seconds for the examination
START = "import sys; sys.path.insert(0, sys.argv[1]); from fastgrad.grading import worker; del sys.path[0]; " \
        "worker.main(sys.argv[2], sys.argv[3])"


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m fastgrad --check", usage="python -m fastgrad --check FILE [--class CLASS] [--json] "
                                                 "[--require NAME,...] [--time-limit SECONDS]",
        description="Examine the scalar autograd engine that a script or a notebook defines, method by method, and "
                    "name its mistakes.",
        epilog="Exit status: 0 all is right, 1 there are mistakes, 2 there's nothing to examine, 3 the examination "
               "didn't come to its end.")
    parser.add_argument("file", metavar="FILE", help="a .py or a .ipynb file")
    parser.add_argument("--class", dest="cls", metavar="CLASS",
                        help="the class to examine; by default the one that looks most like an engine")
    parser.add_argument("--json", action="store_true", help="print the report as JSON (docs/check.md)")
    parser.add_argument("--require", metavar="NAME,...", type=names,
                        help="what has to be there: operators (+), methods (tanh), or sets: basic, lecture, micrograd, "
                             "microgpt")
    parser.add_argument("--time-limit", metavar="SECONDS", type=seconds, default=10.0,
                        help="how long the file's own code may run (10)")
    return parser.parse_args([x for x in arguments if x != "--check"])


def names(text):
    found = [x.strip() for x in text.split(",") if x.strip()]
    try:
        required_methods(found)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return found


def seconds(text):
    with contextlib.suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")


def main(arguments):
    """Examine, and print. Returns the exit status."""
    options = parse(arguments)
    if not os.path.isfile(options.file):
        return say_error(options, f"there's no file {options.file!r}", NOTHING)
    answer = in_process(options, only_definitions=False)
    notes = []
    if answer.get("stage") in (None, "running"):
        how = "didn't come to an end" if answer["killed"] else "ended the process"
        notes = [f"running it {how}; only its definitions are examined"]
        answer = in_process(options, only_definitions=True)
    if answer.get("stage") != "done":
        how = "didn't come to an end" if answer["killed"] else "ended the process"
        what = f" while {answer['doing']} was tried" if "doing" in answer else ""
        return say_error(options, f"its code {how}{what}", BROKEN)
    if "error" in answer:
        return say_error(options, answer["error"], NOTHING)
    data = answer["data"]
    data["loading"] = notes + data["loading"]
    report = Report(data)
    show(report.json() if options.json else str(report))
    return RIGHT if report else WRONG


def say_error(options, text, status):
    if options.json:
        show(json.dumps({"schema": SCHEMA, "fastgrad": fastgrad.__version__, "file": os.path.basename(options.file),
                         "right": False, "error": text}, indent=2, ensure_ascii=False))
    else:
        print(f"fastgrad: {options.file}: {text}", file=sys.stderr)
    return status


def show(text):
    """Print, with what the terminal can't show escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def in_process(options, only_definitions):
    """What the worker has answered last, with "killed": whether it was too slow."""
    request = json.dumps({"path": os.path.abspath(options.file), "class": options.cls, "require": options.require,
                          "seconds": options.time_limit, "only_definitions": only_definitions})
    root = os.path.dirname(os.path.dirname(os.path.abspath(fastgrad.__file__)))
    with tempfile.TemporaryDirectory(prefix="fastgrad-check-") as folder:
        path = os.path.join(folder, "answer")
        worker = subprocess.Popen([sys.executable, "-c", START, root, request, path], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env={**os.environ, "MPLBACKEND": "Agg"}, start_new_session=os.name == "posix")
        try:
            killed = wait(worker, path, options.time_limit + GRACE)
        finally:
            stop(worker)
        return {**read(path), "killed": killed}


def wait(worker, path, limit):
    """Wait for the worker's end. Returns True if it takes too long."""
    start = time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(0.2)
            return False
        late = time.monotonic() - start
        if late > limit + EXAMINATION or late > limit and read(path).get("stage") in (None, "running"):
            return True


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def stop(worker):
    """End the worker and the processes that the student's file has started."""
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(worker.pid, signal.SIGKILL)
        else:
            worker.kill()
    worker.wait()
