"""What one operation costs: arithmetic, attributes, construction; each against what Python has that comes nearest, and
in a no_grad block against outside.

    python benchmarks/bench_ops.py

`a * b` of two Values is measured against `x * y` of two complex numbers, since those too are boxes of two doubles whose
every result is a new object; functions against math's; p.data and p.grad against the attributes of a Python object with
__slots__, of a class that is otherwise like microgpt's. The statement runs in a `for` loop, which costs too: ns are
net of an empty loop, and ratios are given both ways, net and raw, with the loop in both. An operation here includes
the release of what it makes: the result is dropped, and its node is the next one's.
"""
import functools
import gc
import itertools
import math
import time

import harness
from commandline import integer

# What is measured, the statement with Values, and what it is measured against.
PAIRS = {
    "arithmetic": [
        ("a * b", "x * y"), ("a + b", "x + y"), ("a - b", "x - y"), ("a / b", "x / y"), ("-a", "-x"),
        ("a * 2.0", "x * 2.0"), ("2.0 * a", "2.0 * x"), ("a + 1.0", "x + 1.0"), ("a / 4.0", "x / 4.0"),
        ("a ** 2", "x ** 2"), ("a ** -0.5", "f ** -0.5"), ("sum(values)", "sum(numbers)"), ("a < b", "f < g"),
    ],
    "functions": [
        ("a.exp()", "exp(f)"), ("a.log()", "log(f)"), ("a.relu()", "max(0.0, f)"), ("a.tanh()", "tanh(f)"),
        ("a.sqrt()", "sqrt(f)"), ("a.sin()", "sin(f)"), ("a.cos()", "cos(f)"), ("abs(a)", "abs(f)"),
        ("a.sigmoid()", "1 / (1 + exp(-f))"),
    ],
    "attributes": [
        ("p.data", "s.data"), ("p.grad", "s.grad"), ("p.data = f", "s.data = f"), ("p.grad = f", "s.grad = f"),
        ("p.grad = 0", "s.grad = 0"), ("p.data -= f", "s.data -= f"), ("p._children", "s._children"),
    ],
    "construction": [
        ("Value(f)", "Slots(f)"), ("Value(f, (a, b), (f, g))", "Slots(f, (a, b), (f, g))"),
    ],
    "in a no_grad block, against outside": [
        (f"no_grad: {statement}", statement)
        for statement in ("a * b", "a + b", "a - b", "a + 1.0", "sum(values)", "a.exp()", "Value(f, (a, b), (f, g))")
    ],
}
COUNTERPARTS = "x, y: complex; f, g: float; s: an object with __slots__; numbers: 16 complex"


class Slots:
    """What microgpt's class is when nothing but its attributes is left."""

    __slots__ = ("data", "grad", "_children", "_local_grads")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads


def names():
    """The variables of the statements."""
    Value = harness.require("fastgrad").Value
    return {"Value": Value, "Slots": Slots, "a": Value(1.5), "b": Value(0.75), "p": Value(0.5), "s": Slots(0.5),
            "x": 1.5 + 0.5j, "y": 0.75 - 0.25j, "f": 1.5, "g": 0.75, "values": [Value(1.5 + i) for i in range(16)],
            "numbers": [complex(1.5 + i, 0.5) for i in range(16)],
            **{name: getattr(math, name) for name in ("exp", "log", "tanh", "sqrt", "sin", "cos")}}


@functools.lru_cache(None)
def compiled(statement):
    """A function that runs a statement count times, on local variables, and returns its seconds."""
    variables = ", ".join(names())
    _, in_block, statement = statement.rpartition("no_grad: ")
    source = (f"def run(repeat, clock, {variables}):\n"
              f"    begin = clock()\n"
              f"    for _ in repeat:\n"
              f"        {statement}\n"
              f"    return clock() - begin\n")
    scope = {}
    exec(source, scope)
    return harness.require("fastgrad").no_grad(scope["run"]) if in_block else scope["run"]


def measure(pairs, rounds, count):
    """Nanoseconds a run of every statement, the empty one included, a list of its rounds each."""
    variables = names()
    statements = ["pass", *dict.fromkeys(itertools.chain(*pairs))]
    times = {statement: [] for statement in statements}
    gc.collect()
    for done in range(-1, rounds):      # the first round warms up
        harness.progress(f"round {done + 1} of {rounds}")
        for statement in statements:
            seconds = compiled(statement)(itertools.repeat(None, count), time.perf_counter, **variables)
            if done >= 0:
                times[statement].append(1e9 * seconds / count)
    harness.progress("")
    return times


def main():
    parser = harness.parser("Time single operations.")
    parser.add_argument("--rounds", type=integer(1), default=50, help="default 50")
    parser.add_argument("--count", type=integer(1), default=10_000, help="runs of a statement a round (default 10,000)")
    options = parser.parse_args()
    try:
        fastgrad = harness.require("fastgrad")
    except harness.Missing as error:
        parser.error(str(error))
    pairs = [pair for group in PAIRS.values() for pair in group]
    times = measure(pairs, options.rounds, options.count)
    loop = times["pass"]
    net = {statement: [ns - empty for ns, empty in zip(series, loop)] for statement, series in times.items()}
    rows, lines = [], []
    for group, members in PAIRS.items():
        for statement, other in members:
            row = {"group": group, "statement": statement, "against": other,
                   "ns": harness.figure(net[statement]), "against_ns": harness.figure(net[other]),
                   "ratio_raw": harness.ratio(times[statement], times[other])}
            # Net times of the cheapest statements can come out as nothing: then there is no ratio.
            sound = min(net[other]) > 0 and row["against_ns"]["low"] > 0.5
            row["ratio_net"] = harness.ratio(net[statement], net[other]) if sound else None
            rows.append(row)
            lines.append([statement, harness.shown(row["ns"], 1), other, harness.shown(row["against_ns"], 1, False),
                          harness.shown(row["ratio_net"], spread=False) or "-", harness.shown(row["ratio_raw"])])
    harness.print_table(["Value", "ns", "against", "ns", "ratio, net", "ratio with the loop"], lines)
    print(f"An empty loop takes {harness.shown(harness.figure(loop), 1)} ns a turn. {COUNTERPARTS}.")
    harness.write_json(options, rows, loop_ns=harness.figure(loop), rounds=options.rounds, count=options.count,
                       versions={**harness.versions("fastgrad"), "backend": fastgrad.backend})
    return 0


if __name__ == "__main__":
    harness.main(main)
