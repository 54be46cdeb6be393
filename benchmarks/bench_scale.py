"""What a node costs as graphs grow from a thousand nodes to ten million: to build, to walk back, to release; and bytes.

    python benchmarks/bench_scale.py                    up to a million nodes
    python benchmarks/bench_scale.py --most 10000000

The graph is what neural networks of scalars are made of: units of two layers of 16 neurons, weights times inputs plus
a bias, tanh, each unit's outputs added to the loss. It has no constants, so that engines agree on how many nodes that
is. Building runs the interpreter too, a share that the same program on floats shows. "fused" is the same graph made by
fastgrad.functional, by as many scalar nodes as it stands for. Every size has a process of its own, whose first build
pays for fresh memory and is told apart from the later ones; the sizes take turns.
"""
import argparse
import gc
import math
import os
import random
import time

import harness
from commandline import integer

WIDTH = 16
UNIT = WIDTH * (2 * WIDTH + 1) * 2 + WIDTH      # nodes in a unit: products, sums, tanh; adding the outputs
STANDARD = 10 ** 5                              # the size that the others are compared with
PHASES = "build", "backward", "release"
TURN = 2 * 10 ** 5                              # nodes that a size builds in its turn, at least


def build(units, inputs, layers, tanh):
    """The loss over some units."""
    loss = inputs[0]
    for _ in range(units):
        x = inputs
        for weights, biases in layers:
            y = []
            for row, total in zip(weights, biases):
                for w, xi in zip(row, x):
                    total = total + w * xi
                y.append(tanh(total))
            x = y
        for xi in x:
            loss = loss + xi
    return loss


def build_fused(functional, units, inputs, layers):
    """The same with fused sums."""
    loss = inputs[0]
    for _ in range(units):
        x = inputs
        for weights, biases in layers:
            x = functional.tanh(functional.linear(x, weights, biases))
        for xi in x:
            loss = loss + xi
    return loss


def parameters(number):
    """Inputs and two layers of weights and biases, always the same numbers."""
    rng = random.Random(0)

    def row():
        return [number(rng.gauss(0, 0.25)) for _ in range(WIDTH)]

    return row(), [([row() for _ in range(WIDTH)], row()) for _ in range(2)]


def resident():
    """Bytes of this process that are in memory now, or None where the system doesn't say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def work(units):
    """Serve one size: a turn builds, walks and releases a graph, as often as asked."""
    def start():
        fastgrad = harness.require("fastgrad")
        values, floats = parameters(fastgrad.Value), parameters(float)
        stats, clock, functional = fastgrad.arena_stats, time.perf_counter, fastgrad.functional

        def phases(build, *arguments):
            begin = clock()
            loss = build(*arguments)
            built = clock()
            loss.backward()
            walked = clock()
            del loss
            return built - begin, walked - built, clock() - walked

        def once():
            scalar = phases(build, units, *values, fastgrad.Value.tanh)
            fused = phases(build_fused, functional, units, *values)
            begin = clock()
            build(units, *floats, math.tanh)
            return *scalar, *fused, clock() - begin

        def first():
            """The first graph of the process: its times, its exact number of nodes, and what it adds to memory."""
            gc.collect()
            live, size = stats()["live"], resident()
            begin = clock()
            loss = build(units, *values, fastgrad.Value.tanh)
            built = clock()
            nodes, memory = stats()["live"] - live, resident()
            again = clock()
            loss.backward()
            walked = clock()
            return {"nodes": nodes, "build": built - begin, "backward": walked - again, "arena_bytes": stats()["bytes"],
                    "built_bytes": memory and memory - size, "walked_bytes": memory and resident() - size,
                    "arena_nodes": stats()["capacity"]}

        # Memory that engine and interpreter take for whatever is first isn't the graph's.
        build(1, *values, fastgrad.Value.tanh).backward()
        about = {"first": first(), "versions": {**harness.versions("fastgrad"), "backend": fastgrad.backend}}

        def turn(count):
            once()      # what ran in between has had the caches
            return {"seconds": [once() for _ in range(count)]}

        return about, turn

    harness.serve(start)


def main():
    parser = harness.parser("Time and weigh graphs of growing size, a node.")
    parser.add_argument("--most", type=integer(UNIT), default=10 ** 6, help="nodes of the largest (default 1,000,000)")
    parser.add_argument("--rounds", type=integer(1), default=7, help="turns of each size (default 7)")
    parser.add_argument("--worker", type=integer(1), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return 0
    sizes = sorted({round(10 ** (half / 2)) for half in range(6, 15) if 10 ** (half / 2) < options.most} |
                   {options.most})
    workers, times = {}, {}
    try:
        for size in sizes:
            harness.progress(f"first graph of {size:,} nodes")
            workers[size] = harness.Worker(os.path.abspath(__file__), "--worker", max(1, size // UNIT))
            times[size] = []
        for done in range(options.rounds):
            harness.progress(f"round {done} of {options.rounds}")
            for size, worker in workers.items():
                answer = worker.turn(count=max(1, TURN // size))
                times[size] += answer["seconds"] if answer else []
        harness.progress("")
    finally:
        for worker in workers.values():
            worker.close()
    rows = [row_of(size, workers[size], times[size]) for size in sizes]
    table(rows)
    harness.write_json(options, rows, rounds=options.rounds)
    return 0 if all("ns" in row for row in rows) else 1


def row_of(size, worker, times):
    if worker.missing:
        return {"size": size, "missing": worker.missing}
    first = worker.about["first"]
    nodes = first["nodes"]
    series = dict(zip((*PHASES, *(f"fused {phase}" for phase in PHASES), "floats"), zip(*times)))
    return {"size": size, "nodes": nodes, "repeats": len(times), "versions": worker.about["versions"],
            "ns": {phase: harness.figure(1e9 * s / nodes for s in seconds) for phase, seconds in series.items()},
            "first_ns": {phase: 1e9 * first[phase] / nodes for phase in ("build", "backward")},
            "bytes": {"arena": first["arena_bytes"] / first["arena_nodes"],
                      "built": first["built_bytes"] and first["built_bytes"] / nodes,
                      "walked": first["walked_bytes"] and first["walked_bytes"] / nodes}}


def table(rows):
    standard = min((row for row in rows if "ns" in row), key=lambda row: abs(row["nodes"] - STANDARD), default=None)
    lines = []
    for row in rows:
        if "missing" in row:
            lines.append([f"{row['size']:,}", f"not measured: {row['missing']}"])
            continue
        cells = []
        for phase in PHASES:
            relative = row["ns"][phase]["median"] / standard["ns"][phase]["median"]
            row.setdefault("times_standard", {})[phase] = relative
            cells += [harness.shown(row["ns"][phase], 1), f"{relative:.2f}"]
        # The resident size counts whole pages, and of a small graph mostly other things.
        memory = [f"{row['bytes'][name]:.0f}" if row["bytes"][name] and row["nodes"] > STANDARD / 2 else "-"
                  for name in ("built", "walked")]
        lines.append([f"{row['nodes']:,}", *cells, harness.shown(row["ns"]["floats"], 1, False),
                      *(harness.shown(row["ns"][f"fused {phase}"], 1, False) for phase in PHASES),
                      *(f"{row['first_ns'][phase]:.0f}" for phase in ("build", "backward")),
                      f"{row['bytes']['arena']:.0f}", *memory, str(row["repeats"])])
    harness.print_table(["nodes", "build, ns a node", "times", "backward", "times", "release", "times", "floats",
                         "fused: build", "backward", "release", "first build", "backward", "bytes: arena", "resident",
                         "after backward", "repeats"], lines)
    if standard:
        print(f"times: the figure before, times that of {standard['nodes']:,} nodes. floats: to build without "
              "autograd. first: in a fresh process.")


if __name__ == "__main__":
    harness.main(main)
