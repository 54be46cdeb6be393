"""What fastgrad.grad costs beside a numeric backward(): a node that it makes, over a node that backward() goes through.

    python benchmarks/bench_grad.py

For each graph: the time of backward() over a fresh graph, by the nodes below the loss, leaves included; the time of
grad(loss, inputs, create_graph=True) over another fresh one, by the nodes that it makes; the same with the release of
these; and that of grad(loss, inputs), which makes none, by the nodes below the loss. Ratios are the median of the
rounds' own. Times are the processor's for this thread, since a busy machine interrupts what takes milliseconds. hvp and
hessian make nodes, and then go through those and the graph for numbers: their time is divided by the sum of both.

Graphs are scalar nodes, as loops make them, but for "fused": there backward() goes through fused sums, and grad first
takes them apart, since each product's derivative is a node of its own. It is divided by scalar nodes all the same.
"""
import gc
import random
import time

import harness
from commandline import integer

REPEATS = 4      # of a graph in its turn, after
WARM = 3         # that aren't timed, since what ran in between has had the caches
COLUMNS = {"graph": "grad, a node made", "released": "and released", "numbers": "grad without graph"}


def numbers(count, rng):
    return [rng.gauss(0, 0.3) for _ in range(count)]


def chain(Value, functional, rng):
    """x * 0.9 + x * 0.9 ** 2 + ..., one node upon the other."""
    x = Value(0.5)

    def build():
        y = x
        for _ in range(10_000):
            y = y * 0.9 + x
        return y
    return build, [x]


def perceptron(widths, points, is_fused=False):
    """The loss of a multilayer perceptron with relu over some points. Inputs: all weights."""
    def case(Value, functional, rng):
        layers = [[list(map(Value, numbers(fan_in + 1, rng))) for _ in range(fan_out)]
                  for fan_in, fan_out in zip(widths, widths[1:])]
        xs = [list(map(Value, numbers(widths[0], rng))) for _ in range(points)]

        def sum_of(x, row):
            total = row[0]
            for w, xi in zip(row[1:], x):
                total = total + w * xi
            return total

        def score(x):
            for layer in layers:
                if is_fused:
                    x = functional.linear(x, [row[1:] for row in layer], [row[0] for row in layer])
                else:
                    x = [sum_of(x, row) for row in layer]
                if layer is not layers[-1]:
                    x = [v.relu() for v in x]
            return x[0]

        def build():
            loss = (score(xs[0]) - 1.0) ** 2
            for x in xs[1:]:
                loss = loss + (score(x) - 1.0) ** 2
            return loss
        return build, [w for layer in layers for row in layer for w in row]
    return case


def microgpt(Value, functional, rng):
    """microgpt's loss over a name of seven letters. Inputs: all parameters."""
    import train_microgpt as script
    vocabulary = script.Vocabulary(["abcdefghijklmnopqrstuvwxyz"])
    model = script.MicroGPT(Value, rng, len(vocabulary), 1, 16, 4, 16)
    tokens = [vocabulary.boundary, *vocabulary.encode("emmalyn"), vocabulary.boundary]

    def build():
        keys, values = [[] for _ in model.layers], [[] for _ in model.layers]
        losses = []
        for position, token in enumerate(tokens[:-1]):
            probabilities = model.softmax(model.forward(token, position, keys, values))
            losses.append(model.surprise(probabilities[tokens[position + 1]]))
        return sum(losses) * (1 / len(losses))
    return build, model.parameters


GRAPHS = {
    "a chain": chain,
    "MLP 2-16-16-1, 100 points": perceptron([2, 16, 16, 1], 100),
    "MLP 16-64-64-32-1": perceptron([16, 64, 64, 32, 1], 1),
    "microgpt": microgpt,
    "fused: MLP 2-16-16-1": perceptron([2, 16, 16, 1], 100, True),
    "fused: MLP 16-64-64-32-1": perceptron([16, 64, 64, 32, 1], 1, True),
}
SECOND = {"hvp of MLP 8-16-1, 20 points": perceptron([8, 16, 1], 20), "hessian of MLP 3-4-1": perceptron([3, 4, 1], 5)}


def count_of(build, inputs):
    """How many nodes are below the loss, and how many grad makes, after fused sums are apart."""
    fastgrad = harness.require("fastgrad")
    loss = build()
    nodes, live = len(loss._topological()), fastgrad.arena_stats()["live"]
    grads = fastgrad.grad(loss, inputs, create_graph=True, allow_unused=True)
    return nodes, fastgrad.arena_stats()["live"] - live, grads


def backward_ns(build, nodes):
    """Nanoseconds a node of backward()."""
    loss = build()
    begin = time.thread_time()
    loss.backward()
    return 1e9 * (time.thread_time() - begin) / nodes


def one_round(build, inputs, nodes, made):
    """Nanoseconds a node of backward(), of grad with a graph, of its release, and of grad without."""
    grad, clock = harness.require("fastgrad").grad, time.thread_time
    walked = backward_ns(build, nodes)
    loss = build()
    begin = clock()
    grads = grad(loss, inputs, create_graph=True, allow_unused=True)
    done = clock()
    del grads
    released = clock()
    loss = build()
    again = clock()
    grad(loss, inputs, allow_unused=True)
    end = clock()
    return walked, 1e9 * (done - begin) / made, 1e9 * (released - begin) / made, 1e9 * (end - again) / nodes


def second_order(name, build, inputs):
    """A function that runs hvp or hessian on a loss, and how many nodes it makes and goes through for numbers."""
    from fastgrad import hessian, hvp
    nodes, made, slopes = count_of(build, inputs)
    # f returns a loss of the same Values, so what it's called with doesn't matter
    if name.startswith("hvp"):
        total = slopes[0]
        for slope in slopes[1:]:
            total = total + slope
        vector = [1.0] * len(inputs)
        return lambda f: hvp(f, inputs, vector), nodes, made + len(total._topological()) - len(slopes) + 1
    return lambda f: hessian(f, inputs), nodes, made + sum(len(slope._topological()) for slope in slopes)


def one_second_round(call, build, nodes, passed):
    """Nanoseconds a node of backward(), and of hvp or hessian without the building of the loss."""
    walked = backward_ns(build, nodes)
    loss = build()
    begin = time.thread_time()
    call(lambda *inputs: loss)
    return walked, 1e9 * (time.thread_time() - begin) / passed


def main():
    parser = harness.parser("Time fastgrad.grad beside backward().")
    parser.add_argument("--rounds", type=integer(1), default=15, help="turns of each graph (default 15)")
    options = parser.parse_args()
    try:
        fastgrad = harness.require("fastgrad")
    except harness.Missing as error:
        parser.error(str(error))
    if fastgrad.backend != "c":
        parser.error("the C engine isn't in use here, and nodes can't be counted")
    rng = random.Random(1)
    cases, seconds = {}, {}
    for name, case in GRAPHS.items():
        build, inputs = case(fastgrad.Value, fastgrad.functional, rng)
        cases[name] = build, inputs, *count_of(build, inputs)[:2]
    for name, case in SECOND.items():
        build, inputs = case(fastgrad.Value, fastgrad.functional, rng)
        seconds[name] = build, inputs, *second_order(name, build, inputs)
    times = {name: [] for name in [*cases, *seconds]}
    gc.collect()
    for done in range(options.rounds):
        harness.progress(f"round {done} of {options.rounds}")
        for name, case in cases.items():
            times[name] += [one_round(*case) for _ in range(WARM + REPEATS)][WARM:]
        for name, (build, _, call, nodes, passed) in seconds.items():
            times[name] += [one_second_round(call, build, nodes, passed) for _ in range(WARM + REPEATS)][WARM:]
    harness.progress("")
    rows, lines = [], []
    for name, (_, inputs, nodes, made) in cases.items():
        backward, *others = zip(*times[name])
        row = {"graph": name, "nodes": nodes, "inputs": len(inputs), "made": made,
               "backward_ns": harness.figure(backward),
               "ns": {key: harness.figure(ns) for key, ns in zip(COLUMNS, others)},
               "times_backward": {key: harness.ratio(ns, backward) for key, ns in zip(COLUMNS, others)}}
        rows.append(row)
        lines.append([name, f"{nodes:,}", f"{len(inputs):,}", f"{made:,}", harness.shown(row["backward_ns"], 1),
                      harness.shown(row["ns"]["graph"], 1), *map(harness.shown, row["times_backward"].values())])
    harness.print_table(["graph", "nodes", "inputs", "made", "backward, ns a node", "grad, ns a node made",
                         "times backward", "and released", "without a graph"], lines)
    lines = []
    for name, (_, inputs, _, nodes, passed) in seconds.items():
        backward, ns = zip(*times[name])
        rows.append({"graph": name, "nodes": nodes, "inputs": len(inputs), "passed": passed,
                     "backward_ns": harness.figure(backward), "ns": harness.figure(ns),
                     "times_backward": harness.ratio(ns, backward)})
        lines.append([name, f"{nodes:,}", f"{len(inputs):,}", f"{passed:,}",
                      *(harness.shown(rows[-1][key], 1) for key in ("backward_ns", "ns")),
                      harness.shown(rows[-1]["times_backward"])])
    print()
    harness.print_table(["second derivatives", "nodes", "inputs", "made and gone through", "backward, ns a node",
                         "ns a node", "times backward"], lines)
    harness.write_json(options, rows, rounds=options.rounds)
    return 0


if __name__ == "__main__":
    harness.main(main)
