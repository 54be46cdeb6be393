"""--verify: a script is run twice, with its own class and with ours, and everything that can be compared is compared.

Each run is a process of its own, with the same seeds. It leaves what it prints and, for each backward(), the data and
grads of all nodes of the graph, each sorted, since a set of operands has no order.
"""
import array
import os
import re
import subprocess
import sys
import tempfile

TOLERANCE = 1e-9
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|nan|inf)", re.IGNORECASE)
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


class Recorder:
    """Writes down the graphs of one run, and in a second file which classes it can do that for."""

    def __init__(self, path):
        self.file, self.path, self.depth = open(path, "wb"), path, 0

    def watch(self, report):
        """Write down the graph below each Value of a class whose backward() is called."""
        if report.twin is None:
            return
        with open(self.path + ".classes", "a", encoding="utf-8") as file:
            file.write(f"{report.cls.__name__} ")
        cls, roles = report.result, report.twin.dialect
        backward, name = getattr(cls, roles.backward), next(iter(roles.children))

        def recorded(root, *args, **named):
            self.depth += 1         # of a backward() that calls itself only the outermost counts
            try:
                result = backward(root, *args, **named)
            finally:
                self.depth -= 1
            if self.depth == 0:
                self.record(root, name, roles)
            return result
        setattr(cls, roles.backward, recorded)

    def record(self, root, name, roles):
        nodes, todo = {id(root): root}, [root]
        while todo:
            for child in getattr(todo.pop(), name) or ():
                if id(child) not in nodes:
                    nodes[id(child)] = child
                    todo.append(child)
        data = array.array("d", sorted(float(getattr(v, roles.data)) for v in nodes.values()))
        grads = array.array("d", sorted(float(getattr(v, roles.grad)) for v in nodes.values()))
        array.array("q", [len(data)]).tofile(self.file)
        data.tofile(self.file)
        grads.tofile(self.file)
        self.file.flush()


def verify(arguments):
    """Run what `python -m fastgrad ARGUMENTS` would run, both ways. Returns the exit status: 0 if they agree."""
    typed = None if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    with tempfile.TemporaryDirectory() as folder:
        own, ours = (_run(os.path.join(folder, kind), ["--record-" + kind], arguments, typed)
                     for kind in ("own", "ours"))
        finding, is_same = _compare(own, ours)
    print(f"fastgrad --verify: {finding}", file=sys.stderr)
    return 0 if is_same else 1


def _run(path, options, arguments, typed):
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "fastgrad", *options, path, *arguments]
    done = subprocess.run(command, input=typed, stdout=subprocess.PIPE, env=environment)
    with open(path, "rb") as file:
        graphs = file.read()
    return done.returncode, done.stdout.decode(errors="replace"), graphs, os.path.exists(path + ".classes")


def _compare(own, ours):
    """A sentence, and whether both runs agree."""
    if own[0] != ours[0]:
        return f"its own class ends with status {own[0]}, ours with {ours[0]}", False
    if not ours[3]:
        return "no class was replaced, so there's nothing to compare", True
    n, worst, difference = _compare_graphs(own[2], ours[2])
    if difference:
        return difference, False
    printed = _compare_text(own[1], ours[1])
    if isinstance(printed, str):
        return printed, False
    worst = max(worst, printed)
    what = f"{own[1].count(chr(10)):,} lines of output, and all data and grads at {n:,} backward()"
    if own[0]:
        what += f"; both end with status {own[0]}"
    if worst == 0.0:
        return f"the same to the bit: {what}", True
    return f"the same within {TOLERANCE:g} (the largest relative difference is {worst:.1e}): {what}", True


def _compare_graphs(own, ours):
    """How many graphs there are, the largest relative difference, and a sentence if it's too large."""
    n, worst, at, other = 0, 0.0, 0, 0
    while at < len(own) or other < len(ours):
        n += 1
        if at >= len(own) or other >= len(ours):
            return n, worst, f"one run calls backward() {n - 1} times, the other more often"
        sizes = [array.array("q", own[at:at + 8])[0], array.array("q", ours[other:other + 8])[0]]
        if sizes[0] != sizes[1]:
            return n, worst, f"at backward() number {n} its own graph has {sizes[0]} nodes, ours {sizes[1]}"
        size = 16 * sizes[0]
        pairs = zip(array.array("d", own[at + 8:at + 8 + size]), array.array("d", ours[other + 8:other + 8 + size]))
        for i, (x, y) in enumerate(pairs):
            error = _relative(x, y)
            if error > TOLERANCE:
                kind = "data" if i < sizes[0] else "grad"
                return n, worst, f"at backward() number {n} a {kind} is {x!r} with its own class, {y!r} with ours"
            worst = max(worst, error)
        at, other = at + 8 + size, other + 8 + size
    return n, worst, None


def _compare_text(own, ours):
    """The largest relative difference of the numbers in two texts, or a sentence on what else differs."""
    own, ours, worst = own.splitlines(), ours.splitlines(), 0.0
    for i, (x, y) in enumerate(zip(own, ours)):
        x, y = ADDRESS.sub("0x", x), ADDRESS.sub("0x", y)
        if x == y:
            continue
        error = max(map(_relative, map(float, NUMBER.findall(x)), map(float, NUMBER.findall(y))), default=1.0)
        if NUMBER.sub("#", x) != NUMBER.sub("#", y) or error > TOLERANCE:
            return f"line {i + 1} of the output is {x!r} with its own class, {y!r} with ours"
        worst = max(worst, error)
    if len(own) != len(ours):
        return f"its own class prints {len(own)} lines, ours {len(ours)}"
    return worst


def _relative(x, y):
    if x == y or x != x and y != y:
        return 0.0
    difference = abs(x - y) / max(abs(x), abs(y), 1e-300)
    return difference if difference == difference else 1.0
