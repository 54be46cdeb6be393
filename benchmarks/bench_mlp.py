"""micrograd's demo: an MLP(2, [16, 16, 1]) learns to tell two moons of 100 points apart; a step, split in phases.

    python benchmarks/bench_mlp.py

Every engine uses its own package's MLP, of the same weights, and takes the same steps: a hinge loss over all points and
a little weight decay, gradient descent at a falling rate. "floats" is fastgrad.nn's MLP with floats in it, whose
neurons are micrograd's loop. moons.ipynb does as micrograd's demo does: with NumPy, and more than a step needs (Values
of the inputs, accuracy, a line printed).
"""
import math
import os
import random
import time

import contest
import harness
import script_steps
import train_microgpt as microgpt
from commandline import integer

ENGINES = {
    "floats": "floats, no autograd",
    "fastgrad": "fastgrad",
    "notebook": "python -m fastgrad moons.ipynb",
    "oracle": "fastgrad/reference.py",
    "pypy": "reference.py on PyPy",
    "micrograd": "micrograd",
}
DECAY = 1e-4
SETTINGS = ("seed", "points", "width", "steps")     # of the notebook


def moons(count, rng, noise=0.1):
    """Two half circles that reach into each other: points, and 1 or -1 for which they belong to."""
    points, labels = [], []
    for i in range(count):
        angle, upper = math.pi * rng.random(), i % 2 == 0
        x, y = (math.cos(angle), math.sin(angle)) if upper else (1 - math.cos(angle), 0.5 - math.sin(angle))
        points.append([x + rng.gauss(0, noise), y + rng.gauss(0, noise)])
        labels.append(1 if upper else -1)
    return points, labels


def relu_of_value(x):
    return x.relu()


def relu_of_float(x):
    return max(0.0, x)


def train(model, parameters, relu, backward, points, labels, steps):
    """Gradient descent; yields the loss and its seconds forward, backward and in the update.

    weights of model and parameters are the same objects, unless they are floats, which have no gradient.
    """
    for step in range(steps):
        begin = time.perf_counter()
        scores = [model(point) for point in points]
        losses = [relu(1 + -label * score) for label, score in zip(labels, scores)]
        loss = sum(losses) * (1 / len(losses)) + DECAY * sum(p * p for p in model.parameters())
        forward = time.perf_counter()
        if backward:
            backward(loss)
        middle = time.perf_counter()
        rate = 1 - 0.9 * step / steps
        for p in parameters:
            p.data -= rate * p.grad
            p.grad = 0.0
        update = time.perf_counter()
        yield getattr(loss, "data", loss), forward - begin, middle - forward if backward else 0.0, update - middle


def with_floats(model):
    """Put a float in the place of every Value of fastgrad.nn's MLP, and micrograd's loop in its neurons."""
    class FloatNeuron(type(model.layers[0].neurons[0])):
        def __call__(self, x):
            act = sum((wi * xi for wi, xi in zip(self.w, x)), self.b)
            return relu_of_float(act) if self.nonlin else act

    for layer in model.layers:
        for neuron in layer.neurons:
            neuron.w, neuron.b = [w.data for w in neuron.w], float(neuron.b.data)
            neuron.__class__ = FloatNeuron


def training(engine, options):
    """What starts an engine's training from its beginning, and the versions of what it runs on; raises Missing."""
    if engine == "notebook":
        harness.require("numpy"), harness.require("fastgrad")
        settings = {name: getattr(options, name) for name in SETTINGS}
        return script_steps.training("moons.ipynb", settings, "total", options), {
            "python": harness.machine()["python"], **harness.versions("fastgrad", "numpy")}
    package = "micrograd" if engine == "micrograd" else "fastgrad"
    MLP = harness.require(f"{package}.nn").MLP
    if engine == "fastgrad" and harness.require("fastgrad").backend != "c":
        raise harness.Missing("engine c isn't in use here: this is PyPy")

    def begin():
        points, labels = moons(options.points, random.Random(options.seed))
        random.seed(options.seed)       # both packages draw their weights from the module
        model = MLP(2, [options.width, options.width, 1])
        if engine == "floats":
            with_floats(model)
            parameters = [microgpt.Parameter(p) for p in model.parameters()]
            return train(model, parameters, relu_of_float, None, points, labels, options.steps)
        return train(model, model.parameters(), relu_of_value, lambda loss: loss.backward(), points, labels,
                     options.steps)

    return begin, {"python": harness.machine()["python"], **harness.versions(package)}


def main():
    parser = harness.parser("Time a training step of micrograd's demo.")
    contest.add_options(parser, ENGINES, steps=40)
    parser.add_argument("--seed", type=int, default=1337, help="default 1337")
    parser.add_argument("--points", type=integer(1), default=100, help="default 100")
    parser.add_argument("--width", type=integer(1), default=16, help="of the hidden layers (default 16)")
    options = parser.parse_args()
    if options.worker:
        contest.work(options, lambda: training(options.worker, options))
        return 0
    rows, right = contest.run(os.path.abspath(__file__), ENGINES, options, "--seed", options.seed,
                              "--points", options.points, "--width", options.width)
    harness.write_json(options, rows, steps=options.steps, seed=options.seed, points=options.points,
                       width=options.width)
    return 0 if right else 1


if __name__ == "__main__":
    harness.main(main)
