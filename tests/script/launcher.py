"""Shared by the tests of `python -m fastgrad`: functions that run a script both ways, and engines for scripts."""
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import fastgrad

SCRIPTS = Path(__file__).parent / "scripts"
LECTURE = (SCRIPTS / "lecture.py").read_text()
ENGINE = LECTURE[LECTURE.index("class Value"):LECTURE.index("random.seed")]
DEMO = """
a, b = Value(2.0), Value(-3.0)
c = a * b + a
d = c ** 2 - a
d.backward()
print(a, b, c, d, a.data, a.grad, sorted(x._op for x in d._prev))
"""


# Two lines of it that tests replace.
ADD = "out = Value(self.data + other.data, (self, other), '+')"
MUL = "out = Value(self.data * other.data, (self, other), '*')"


def engine(*changes):
    """The lecture's engine with parts replaced: a text, what comes in its place, and so on."""
    source = ENGINE
    for old, new in zip(changes[::2], changes[1::2]):
        assert old in source
        source = source.replace(old, new)
    return "import math\n" + source


def engine_of(name):
    """The source of one of the classes of scripts/engines.py, renamed to Value."""
    text = (SCRIPTS / "engines.py").read_text().partition(f"class {name}:\n")[2].partition("\n\n\nclass ")[0]
    return f"class Value:\n{text}\n".replace(name, "Value")


MICROGPT_ENGINE = engine_of("Microgpt")
MICROGPT = "\nimport math\n" + MICROGPT_ENGINE + '''
x = [Value(0.1 * i) for i in range(1, 9)]
exps = [(v - max(w.data for w in x)).exp() for v in x]
total = sum(exps)
loss = -(exps[3] / total).log() + sum(v.relu() for v in x) / len(x)
loss.backward()
print(loss.data, loss.grad, [v.grad for v in x], loss._children[0].data, loss._local_grads)
'''


def python(*arguments, cwd, status=0, text=None):
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(Path(fastgrad.__file__).parent.parent)}
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, input=text,
                          env=environment, timeout=300)
    assert done.returncode == status, done.stderr
    return done


class Folder:
    """A folder in which tests write scripts and run them both ways."""

    def __init__(self, path):
        self.path = path

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return name

    def both(self, *arguments, options=()):
        """Run a script both ways. Returns its stdout under plain Python and under fastgrad, and fastgrad's stderr."""
        plain = python(*arguments, cwd=self.path)
        ours = python("-m", "fastgrad", *options, *arguments, cwd=self.path)
        return plain.stdout, ours.stdout, ours.stderr

    def report(self, text):
        """Run a script both ways, check that it prints the same, and return fastgrad's report on it."""
        name = self.write("script.py", text)
        plain, ours, said = self.both(name, options=["--report"])
        assert ours == plain and plain
        return said


def notebook(*sources, tags=()):
    """The JSON of a notebook. sources: the text of each cell. tags: pairs of a cell's number, from 1, and its tag."""
    tagged = dict(tags)
    return json.dumps({"cells": [{"cell_type": "code", "source": source, "outputs": [], "execution_count": None,
                                  "metadata": {"tags": [tagged[i]]} if i in tagged else {}}
                                 for i, source in enumerate(sources, 1)],
                       "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
