"""The lecture's network, whose class has tanh as an operation of its own: a step of lecture_script.py.

    python benchmarks/bench_lecture.py

"as written" is the script under `python -m fastgrad`, and "Python's loops" the same with --no-fuse. "floats" is the
same network on plain floats, and "its own class" the script as plain Python runs it.
"""
import math
import os
import random
import time

import contest
import harness
import script_steps
import train_microgpt as microgpt

ENGINES = {
    "floats": "floats, no autograd",
    "script": "as written, python -m fastgrad",
    "no-fuse": "the same, Python's loops",
    "own": "its own class",
}
POINTS = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
LABELS = [1.0, -1.0, -1.0, 1.0]


class Neuron:
    def __init__(self, n_inputs):
        self.w = [random.uniform(-1, 1) for _ in range(n_inputs)]
        self.b = random.uniform(-1, 1)

    def __call__(self, x):
        act = sum((w * xi for w, xi in zip(self.w, x)), self.b)
        return (math.exp(2 * act) - 1) / (math.exp(2 * act) + 1)

    def parameters(self):
        return self.w + [self.b]


def floats(options):
    """The script's training on floats, in whose gradients' place parameters have zeros: it learns nothing."""
    random.seed(options.seed)
    layers = [[Neuron(n_inputs) for _ in range(n)] for n_inputs, n in ((3, 4), (4, 4), (4, 1))]
    parameters = [microgpt.Parameter(p) for layer in layers for neuron in layer for p in neuron.parameters()]
    for _ in range(options.steps):
        begin = time.perf_counter()
        predictions = []
        for x in POINTS:
            for layer in layers:
                x = [neuron(x) for neuron in layer]
            predictions.append(x[0])
        loss = sum((y - label) ** 2 for label, y in zip(LABELS, predictions))
        for p in parameters:
            p.grad = 0.0
        for p in parameters:
            p.data += -0.1 * p.grad
        yield loss, time.perf_counter() - begin


def training(engine, options):
    """What starts an engine's training from its beginning, and the versions of what it runs on; raises Missing."""
    python = {"python": harness.machine()["python"]}
    if engine == "floats":
        return lambda: floats(options), python
    harness.require("fastgrad")
    arguments = {"script": [], "no-fuse": ["--no-fuse"], "own": ["--keep", "Value"]}[engine]
    return script_steps.training("lecture_script.py", {"seed": options.seed, "steps": options.steps}, "loss",
                                 options, arguments), {**python, **harness.versions("fastgrad")}


def main():
    parser = harness.parser("Time a training step of the lecture's network.")
    contest.add_options(parser, ENGINES, steps=1000)
    parser.add_argument("--seed", type=int, default=1337, help="default 1337")
    options = parser.parse_args()
    if options.worker:
        contest.work(options, lambda: training(options.worker, options))
        return 0
    rows, right = contest.run(os.path.abspath(__file__), ENGINES, options, "--seed", options.seed)
    harness.write_json(options, rows, steps=options.steps, seed=options.seed)
    return 0 if right else 1


if __name__ == "__main__":
    harness.main(main)
