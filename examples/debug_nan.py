"""A training that goes nan, and how detect_anomaly finds the line that is wrong.

    python examples/debug_nan.py

The network learns to tell points inside of a circle from points outside. It ends in a probability p, and the loss is
-log(p) of the right answer.
"""
import random

from fastgrad import AnomalyError, detect_anomaly
from fastgrad.nn import MLP


def probability(score):
    e = (-score).exp()
    return 1 / (1 + e)


def loss_of(p, inside):
    # Meant well: what's about to become log(0) is held up by a tiny number. But log's derivative is 1 / p, and one
    # divided by 1e-320 is more than a float can hold: inf. So the loss looks fine, and its gradient isn't.
    q = p if inside else 1 - p
    return -(q + 1e-320).log()      # the mistake


def train(steps):
    random.seed(3)
    points = [(random.uniform(-2, 2), random.uniform(-2, 2)) for _ in range(20)]
    model = MLP(2, [4, 1])
    for step in range(steps):
        loss = sum(loss_of(probability(model(xy) * 50), xy[0] ** 2 + xy[1] ** 2 < 1) for xy in points) / len(points)
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
    return loss.data


print("the loss at the end:", train(steps=10))     # nan: but since when, and why?

# The same once more, watched. It's a hundred times slower, so only while you look for something.
try:
    with detect_anomaly():
        train(steps=10)
except AnomalyError as error:
    print(error)
