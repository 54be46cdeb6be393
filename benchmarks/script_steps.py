"""Run a script or a notebook as `python -m fastgrad` does, some training steps at a time, so that it can take turns.

It runs in a thread, unedited but for its settings. It prints a line for each step, and after the last of a turn's it
waits there for its next turn: what it has printed to is an Output. A step's time is that from its turn, or from the
line before, to its line. Within a turn nothing switches threads: a thread that wakes up may do so on another processor,
whose caches have nothing of the script.
"""
import io
import json
import os
import re
import sys
import tempfile
import threading
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
ENDLESS = 10 ** 9


class Output(io.TextIOBase):
    """What the script prints to. loss: the name of its variable with the loss. count: the steps of a turn."""

    def __init__(self, loss, count):
        self.loss, self.count, self.line, self.begin = loss, count, "", 0.0
        self.turn, self.is_done, self.found, self.end = threading.Semaphore(0), threading.Semaphore(0), [], None

    def write(self, text):
        self.line += text
        if text.endswith("\n"):
            if self.line.startswith("step "):
                seconds = time.perf_counter() - self.begin
                frame = sys._getframe(1)
                while self.loss not in frame.f_globals:         # IPython prints by functions of its own
                    frame = frame.f_back
                self.found.append((frame.f_globals[self.loss].data, seconds))
                if len(self.found) == self.count:
                    self.is_done.release()
                    self.turn.acquire()
            self.line, self.begin = "", time.perf_counter()
        return len(text)

    def leave(self, why):
        self.end = why
        self.is_done.release()


def with_settings(text, settings):
    """A script's text with other numbers in the lines `name = number`."""
    for name, value in settings.items():
        text, n = re.subn(rf"^{name} = .*$", lambda _: f"{name} = {value!r}", text, flags=re.M)
        if n > 1:
            raise ValueError(f"{name} is set {n} times")
    return text


def copied(name, settings, folder):
    """The path of a copy of a script or notebook of this folder, with other settings."""
    path = os.path.join(folder, name)
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file, open(path, "w", encoding="utf-8") as copy:
        if name.endswith(".ipynb"):
            notebook = json.load(file)
            for cell in notebook["cells"]:
                cell["source"] = with_settings("".join(cell["source"]), settings)
            json.dump(notebook, copy)
        else:
            copy.write(with_settings(file.read(), settings))
    return path


def steps_of(name, settings, loss, arguments=(), count=1):
    """Yield the loss and the seconds of each step of a script or notebook in this folder.

    loss: the name of its variable with the loss. arguments: of `python -m fastgrad`, before the script. count: the
    steps that it runs before it waits.
    """
    from fastgrad.__main__ import main
    output = Output(loss, count)

    def run():
        with tempfile.TemporaryDirectory() as folder:
            try:
                output.leave(f"it ended with status {main([*arguments, copied(name, settings, folder)])}")
            except BaseException as error:
                output.leave(f"{type(error).__name__}: {error}")

    stdout, sys.stdout = sys.stdout, output
    threading.Thread(target=run, daemon=True).start()
    try:
        while True:
            output.is_done.acquire()
            yield from output.found
            if output.end:
                raise RuntimeError(output.end)
            output.found.clear()
            sys.stdout = output
            output.turn.release()
    finally:
        sys.stdout = stdout


def training(name, settings, loss, options, arguments=()):
    """What starts such a training from its beginning, for contest.work. options: contest's; with options.warm, it's
    started to warm up first. That run has no end, since each replaces the script's class anew, of which there can't be
    many in a process."""
    runs = iter([{**settings, "steps": ENDLESS}] if options.warm else [])
    return lambda: steps_of(name, next(runs, settings), loss, arguments, options.block)
