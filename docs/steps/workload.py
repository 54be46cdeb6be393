"""What every step computes: training steps of a small network, whose loops are in Python.

A layer is a list of rows of weights; a neuron is a sum of products, then relu. 32 inputs go through three layers of 16
neurons, which makes some 55,000 nodes. An engine is a module with a class Value, which takes a float and has `data`,
`grad`, `+`, `*`, `relu()` and `backward()`. If it has functions `network`, `update` or `forget`, they take the place of
those here.
"""
import gc
import random
import sys
import time

LAYERS, WIDTH, RATE = 3, 16, 0.001
# Seconds of this thread, which a busy machine stretches less than those on the wall. Windows counts them coarsely.
clock = time.perf_counter if sys.platform == "win32" else time.thread_time


def network(layers, inputs):
    """The loss: the sum of the squares of what the last layer gives."""
    losses = []
    for xs in inputs:
        for rows in layers:
            xs = [sum(w * x for w, x in zip(row, xs)).relu() for row in rows]
        losses.append(sum(x * x for x in xs))
    return sum(losses)


def update(weights, rate):
    for w in weights:
        w.data = w.data - rate * w.grad
        w.grad = 0.0


def forget(n_weights):
    """Free all nodes but the first ones. Engines whose nodes die with their last reference need nothing here."""


class Training:
    """A network of an engine's Values, and its steps. Every engine gets the same numbers."""

    def __init__(self, engine, positions=32, seed=1):
        numbers = random.Random(seed)
        self.engine = engine
        self.network, self.update, self.forget = (getattr(engine, name, globals()[name])
                                                  for name in ("network", "update", "forget"))
        self.layers = [[[engine.Value(numbers.gauss(0.0, 0.35)) for _ in range(WIDTH)] for _ in range(WIDTH)]
                       for _ in range(LAYERS)]
        self.weights = [w for rows in self.layers for row in rows for w in row]
        self.numbers = [[numbers.random() for _ in range(WIDTH)] for _ in range(positions)]

    def gradients(self):
        """The gradients of all weights, without a step."""
        self.network(self.layers, self.inputs()).backward()
        grads = [float(w.grad) for w in self.weights]
        self.forget(len(self.weights))
        self.update(self.weights, 0.0)
        return grads

    def inputs(self):
        return [[self.engine.Value(x) for x in row] for row in self.numbers]

    def step(self):
        """One step. Returns the seconds of making the graph, of backward(), and of the update and the graph's end."""
        start = clock()
        loss = self.network(self.layers, self.inputs())
        made = clock()
        loss.backward()
        swept = clock()
        self.update(self.weights, RATE)
        del loss
        self.forget(len(self.weights))
        return made - start, swept - made, clock() - swept


def time_floats(positions=32, rounds=7):
    """The median of the seconds that the loops of `network` take over plain floats, without a graph."""
    numbers = random.Random(1)
    layers = [[[numbers.gauss(0.0, 0.35) for _ in range(WIDTH)] for _ in range(WIDTH)] for _ in range(LAYERS)]
    inputs = [[numbers.random() for _ in range(WIDTH)] for _ in range(positions)]
    taken = []
    for _ in range(rounds):
        start = clock()
        losses = []
        for xs in inputs:
            for rows in layers:
                xs = [max(0.0, sum(w * x for w, x in zip(row, xs))) for row in rows]
            losses.append(sum(x * x for x in xs))
        sum(losses)
        taken.append(clock() - start)
    return sorted(taken)[rounds // 2]


def count_nodes(positions):
    """How many nodes a step makes: inputs, products, partial sums and the 0 that sum() starts with, relus, the loss."""
    neuron = 2 * WIDTH + 1 + 1
    return positions * (WIDTH + LAYERS * WIDTH * neuron + 2 * WIDTH + 1 + 1) + 1


def compare(engines, positions=32, rounds=7):
    """Let engines take turns, `rounds` times after one that doesn't count. {engine: medians of a step's three times}

    Between two turns the garbage collector runs off the clock, so that nobody pays for another's cycles.
    """
    trainings = [Training(engine, positions) for engine in engines]
    times = {engine: [] for engine in engines}
    for turn in range(rounds + 1):
        for training in trainings:
            gc.collect()
            training.step()     # once off the clock: now the caches have this engine's data
            taken = training.step()
            if turn > 0:
                times[training.engine].append(taken)
    return {engine: [sorted(column)[rounds // 2] for column in zip(*taken)] for engine, taken in times.items()}


def main(*engines):
    """What a step's file prints: a table of these engines alone."""
    nodes = count_nodes(32)
    for engine, (forward, backward, rest) in compare(engines, rounds=3).items():
        total = forward + backward + rest
        print(f"{engine.__name__}: forward {forward * 1e3:.2f} ms, backward {backward * 1e3:.2f} ms, "
              f"update and the graph's end {rest * 1e3:.2f} ms; {total / nodes * 1e9:.0f} ns a node")
