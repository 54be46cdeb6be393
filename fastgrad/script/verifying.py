"""--verify: run a script twice, with our class and with its own, and compare everything that can be compared. C runs
loops over Values in our run, Python in the other, also if the script imports fastgrad's own Value.

Each run is a process of its own, with the same seeds, in a copy of the folder. It records its output and, for each
backward(), the data and grads of all nodes of the graph, each sorted if operands are in sets, which have no order; and
which of them are floats. Our run comes first, and shows the script's output. It also records which attribute of each
replaced class holds which field. The other run reads that, and tries nothing.
"""
import array
import builtins
import functools
import json
import math
import os
import subprocess
import sys
import tempfile

import fastgrad
from fastgrad.script.copies import Folders, TooLarge
from fastgrad.script.likeness import TOLERANCE, Likeness, relative
from fastgrad.value.base import shown_file

FASTGRADS = "fastgrad.Value"    # its key
SAME, DIFFERENT, NOTHING = 0, 1, 2      # exit statuses
ROLES = {"backward": "backward", "data": "data", "grad": "grad", "children": "_children", "is_ordered": True}


class Recorder:
    """Records the graphs of one run in the file `path`: at each backward() of a watched class, the one below its Value.
    """

    def __init__(self, path):
        self.file, self.depth, self.start = open(path, "wb"), 0, os.getcwd()
        self.list = os.path.join(os.path.dirname(path), "classes")
        self.is_fastgrads_listed = False

    def note(self, report):
        """In our run: watch a class that is replaced, and list every class that looked like an engine."""
        roles = None
        if report.twin is not None:
            found = report.twin.dialect
            roles = {"backward": found.backward, "data": found.data, "grad": found.grad,
                     "children": next(iter(found.children)),
                     "is_ordered": found.is_ordered}
            self.watch(report.result, roles)
        where = f"class {report.cls.__qualname__} ({shown_file(report.file)}:{report.line})"
        self.write(self.key(report.cls, report.file), where, roles)

    def write(self, *entry):
        """Add an entry to the list of classes."""
        with open(self.list, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def watch_fastgrads(self):
        """In both runs: watch the Value that a script may import."""
        self.watch(fastgrad.Value, ROLES)

    def key(self, cls, file):
        """A key for a class that is the same in both runs."""
        return f"{os.path.relpath(file, self.start)}:{cls.__qualname__}"

    def watch_own(self):
        """In the other run: from now on watch the classes that were replaced in ours."""
        known, build_class = {}, builtins.__build_class__
        for key, _, roles in listed(self.list):
            known.setdefault(key, []).append(roles)

        def build(function, name, *bases, **keywords):
            cls = build_class(function, name, *bases, **keywords)
            times = known.get(self.key(cls, function.__code__.co_filename)) if isinstance(cls, type) else None
            if times:           # the same statement may have been run several times
                roles = times.pop(0) if len(times) > 1 else times[0]
                if roles and hasattr(cls, roles["backward"]):
                    self.watch(cls, roles)
                elif roles:         # its backward() is assigned later
                    self.watch_later(cls, roles)
            return cls
        builtins.__build_class__ = build

    def watch_later(self, cls, roles):
        """Watch a class from its first instance on."""
        construct = cls.__init__

        @functools.wraps(construct)
        def first(instance, *args, **named):
            cls.__init__ = construct
            self.watch(cls, roles)
            construct(instance, *args, **named)
        cls.__init__ = first

    def watch(self, cls, roles):
        backward = getattr(cls, roles["backward"])

        @functools.wraps(backward)
        def recorded(root, *args, **named):
            self.depth += 1         # only the outermost call of a recursive backward() counts
            try:
                result = backward(root, *args, **named)
            finally:
                self.depth -= 1
            if self.depth == 0:
                self.record(root, roles)
            return result
        setattr(cls, roles["backward"], recorded)

    def record(self, root, roles):
        if roles is ROLES and not self.is_fastgrads_listed:
            self.is_fastgrads_listed = True
            self.write(FASTGRADS, "class fastgrad.Value, with its loops in Python and in C", roles)
        nodes, todo = {id(root): root}, [root]
        while todo:
            for child in getattr(todo.pop(), roles["children"]) or ():
                if id(child) not in nodes:
                    nodes[id(child)] = child
                    todo.append(child)
        numbers = []
        for name in (roles["data"], roles["grad"]):
            found = [getattr(v, name) for v in nodes.values()]
            numbers += found if roles["is_ordered"] else sorted(found, key=lambda x: (float(x), isinstance(x, float)))
        array.array("q", [len(nodes)]).tofile(self.file)
        array.array("d", map(float, numbers)).tofile(self.file)
        self.file.write(bytes(isinstance(x, float) for x in numbers))
        self.file.flush()


def listed(path):
    """What note() has written: for each class its key, where it is in words, and the roles of its attributes, or None.
    """
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def verify(arguments, script=None):
    """Run what `python -m fastgrad ARGUMENTS` would run, both ways. Returns the exit status: 0 if they agree, 1 if they
    don't, 2 if there was nothing to compare.

    script: the path of the script; None for a module.
    """
    typed = None if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    try:
        folders = Folders([os.getcwd(), os.path.dirname(os.path.realpath(script)) if script else os.getcwd()])
        where = f"a copy of its own of {' and '.join(folders.roots)}"
    except TooLarge as reason:
        folders, where = None, f"the folder itself, since {reason}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        folder = os.path.realpath(folder)
        ours, own = (_run(folder, kind, arguments, typed, folders) for kind in ("ours", "own"))
        classes = listed(os.path.join(folder, "classes"))
    finding, compared, status = _compare(own[:3], ours[:3], classes)
    if own[0] != ours[0]:
        print(own[3], end="", file=sys.stderr)      # what only the other run says
    print(f"fastgrad --verify: {finding}\n    compared: {compared}; each run was in {where}", file=sys.stderr)
    return status


def _run(folder, kind, arguments, typed, folders):
    """Run a script one way. Returns the exit status, the output, the graphs that were recorded, and what it said on
    stderr, if it's its own class that runs: then it shows nothing.

    kind: "ours" or "own". typed: the bytes for stdin, or None.
    """
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    path, top, cwd = os.path.join(folder, kind), os.path.join(folder, "in", kind), None
    if folders:
        folders.copy(top)
        arguments, cwd = [folders.there(x, top) for x in arguments], folders.there(os.getcwd(), top)
        environment["PWD"] = cwd
    command = [sys.executable, "-m", "fastgrad", "--record-" + kind, path, *arguments]
    places = [(folders.there(root, top), root) for root in folders.roots] if folders else []

    def back(text):
        """A run's text, with the names of the folders that it has copies of."""
        text = text.decode(errors="replace")
        for there, root in places:
            text = text.replace(there, root)
        return text

    with tempfile.TemporaryFile() as file:
        file.write(typed or b"")
        file.seek(0)
        with subprocess.Popen(command, stdin=None if typed is None else file, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE if kind == "own" else None, env=environment, cwd=cwd) as process:
            if kind == "own":
                printed, said = map(back, process.communicate())
            else:
                lines, said = [], ""
                for line in process.stdout:
                    lines.append(back(line))
                    sys.stdout.buffer.write(lines[-1].encode())
                    sys.stdout.flush()
                printed = "".join(lines)
    with open(path, "rb") as file:
        graphs = file.read()
    return process.returncode, printed, graphs, said


def _compare(own, ours, classes):
    """Compare the results of two runs. Returns a sentence, what was compared in words, and the exit status."""
    replaced = [(where, roles) for _, where, roles in classes if roles]
    compared = "the exit status"
    if own[0] != ours[0]:
        return f"its own class ends with status {own[0]}, ours with {ours[0]}", compared, DIFFERENT
    if not replaced:
        reason = "; the reason is above" if classes else ": none looks like a scalar autograd engine"
        return f"no class was replaced{reason}. So there's nothing to compare", compared, NOTHING
    names = ", ".join(dict.fromkeys(where for where, _ in replaced))
    is_ordered = all(roles["is_ordered"] for _, roles in replaced)
    n, worst, difference = _compare_graphs(own[2], ours[2], is_ordered)
    compared += f", data and grads at {n:,} backward() of {names}"
    if difference:
        return difference, compared, DIFFERENT
    text = Likeness(own[1], ours[1], any_order=not is_ordered)
    n_lines = f"{own[1].count(chr(10)):,} lines of output"
    compared += f", {n_lines}"
    if text.masked:
        compared += f", {text.masked:,} of them but for times, dates, addresses and the order in sets"
    if text.moved:
        compared += f", {text.moved:,} of them in any order"
    if text.difference:
        return text.difference, compared, DIFFERENT
    worst = max(worst, text.worst)
    what = f"{n_lines}, and all data and grads at {n:,} backward()"
    if own[0]:
        what += f"; both end with status {own[0]}"
    if worst == 0.0:
        return f"the same to the bit: {what}", compared, SAME
    return f"the same within {TOLERANCE:g} (the largest relative difference is {worst:.1e}): {what}", compared, SAME


def _compare_graphs(own, ours, is_ordered):
    """Compare the graphs of two runs. Returns their number, the largest relative difference, and a sentence if that's
    too large, else None.

    Operands in sets have another order in each run, and gradients are added up in that order, so that large ones may
    cancel out differently. Therefore numbers may then differ by a thousandth of the tolerance times a graph's largest
    number.
    """
    n, worst, at, other = 0, 0.0, 0, 0
    while at < len(own) or other < len(ours):
        n += 1
        if at >= len(own) or other >= len(ours):
            return n, worst, f"one run calls backward() {n - 1} times, the other more often"
        sizes = [array.array("q", own[at:at + 8])[0], array.array("q", ours[other:other + 8])[0]]
        if sizes[0] != sizes[1]:
            return n, worst, f"at backward() number {n} its own graph has {sizes[0]} nodes, ours {sizes[1]}"
        size = 16 * sizes[0]
        parts = [graphs[i + 8:i + 8 + size + size // 8] for graphs, i in ((own, at), (ours, other))]
        theirs, found = (array.array("d", part[:size]) for part in parts)
        largest = max((abs(x) for x in theirs if abs(x) < math.inf), default=0.0)
        slack = 0.0 if is_ordered else 1e-3 * TOLERANCE * largest
        for i, (x, y, *are_floats) in enumerate(zip(theirs, found, *(part[size:] for part in parts))):
            error = 0.0 if abs(x - y) <= slack else relative(x, y)
            if error > TOLERANCE or x == y and is_seen_apart(x, y, are_floats, is_ordered):
                kind = "value (data)" if i < sizes[0] else "derivative (grad)"
                x, y = (z if is_float else int(z) for z, is_float in zip((x, y), are_floats))
                return n, worst, f"at backward() number {n} a {kind} is {x!r} with its own class, {y!r} with ours"
            worst = max(worst, error)
        at, other = at + 8 + len(parts[0]), other + 8 + len(parts[1])
    return n, worst, None


def is_seen_apart(x, y, are_floats, is_ordered):
    """Whether two equal numbers look different: 4 and 4.0, as far as ours can be ints, or, where sums have an order,
    0.0 and -0.0."""
    return are_floats[0] != are_floats[1] and abs(x) <= 2.0 ** 53 \
        or is_ordered and x == 0.0 and math.copysign(1.0, x) != math.copysign(1.0, y)
