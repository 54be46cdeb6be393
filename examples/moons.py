"""micrograd's demo: a network learns to tell two interleaved half moons apart, and its decision boundary is drawn.

    python examples/moons.py                draws with characters; with matplotlib installed also moons.png
    python examples/moons.py my.png
    python examples/moons.py --steps 5      stops early, with many points on the wrong side

You learn how a classifier is trained with a margin, and what "decision boundary" means: where the score is 0.
"""
import argparse
import math
import random

from fastgrad import no_grad
from fastgrad.nn import MLP

parser = argparse.ArgumentParser(description="Train a network on two half moons and draw its decision boundary.")
parser.add_argument("picture", nargs="?", default="moons.png", help="the picture to write (moons.png)")
parser.add_argument("--steps", type=int, default=100, help="training steps (100)")
options = parser.parse_args()


def make_moons(n, noise):
    """n points on two half circles that reach into each other, shaken a little, with answers 1 (upper) and -1."""
    points, answers = [], []
    for i in range(n):
        angle = random.uniform(0, math.pi)
        x, y = math.cos(angle), math.sin(angle)
        if i % 2:       # the lower moon is the upper one turned round and moved
            x, y = 1 - x, 0.5 - y
        points.append((x + random.gauss(0, noise), y + random.gauss(0, noise)))
        answers.append(-1 if i % 2 else 1)
    return points, answers


def loss_and_accuracy(model, points, answers):
    scores = [model(point) for point in points]
    # The hinge loss: a score should be on its answer's side of 0, and by at least 1. What is farther costs nothing.
    hinge = sum((1 - answer * score).relu() for answer, score in zip(answers, scores)) / len(scores)
    # L2 regularisation: large weights cost a little, so the boundary stays smooth.
    penalty = 1e-4 * sum(p * p for p in model.parameters())
    right = sum((score.data > 0) == (answer > 0) for answer, score in zip(answers, scores))
    return hinge + penalty, right / len(scores)


random.seed(1337)
points, answers = make_moons(100, noise=0.1)
model = MLP(2, [16, 16, 1])     # two inputs, two layers of 16 neurons, one output: the score
print(f"{len(points)} points, {len(model.parameters())} parameters")

for step in range(options.steps):
    loss, accuracy = loss_and_accuracy(model, points, answers)
    model.zero_grad()
    loss.backward()
    learning_rate = 1 - 0.9 * step / options.steps      # large steps first, then smaller ones
    for p in model.parameters():
        p.data -= learning_rate * p.grad
    if step % 10 == 0:
        print(f"step {step:3}   loss {loss.data:.4f}   accuracy {accuracy:.0%}")

# From here on no gradients are needed, so we compute within no_grad(): no graph is built, which saves time and memory.
with no_grad():
    loss, accuracy = loss_and_accuracy(model, points, answers)
print(f"trained    loss {loss.data:.4f}   accuracy {accuracy:.0%}")

# Ask the network about a grid of points.
left, right, low, high = -1.6, 2.6, -1.1, 1.6
xs = [left + (right - left) * i / 65 for i in range(66)]
ys = [low + (high - low) * i / 23 for i in range(24)]
with no_grad():
    grid = [[model((x, y)).data for x in xs] for y in ys]

# The picture in characters: dots where the score is above 0, o the upper moon's points, x the lower one's.
rows = [["." if score > 0 else " " for score in row] for row in grid]
for (x, y), answer in zip(points, answers):
    row, column = round((y - low) / (high - low) * 23), round((x - left) / (right - left) * 65)
    if 0 <= row < 24 and 0 <= column < 66:
        rows[row][column] = "o" if answer > 0 else "x"
print("\n".join("".join(row) for row in reversed(rows)))     # the first row has the lowest y, so it comes last

try:
    import matplotlib
except ImportError:
    print("for a picture in colour: pip install matplotlib")
else:
    matplotlib.use("Agg")       # draws into files, so that no screen is needed
    import matplotlib.pyplot as plt

    plt.figure(figsize=(8, 5.5))
    plt.contourf(xs, ys, grid, levels=[-math.inf, 0, math.inf], colors=["#fde0c5", "#cfe3f7"])
    plt.contour(xs, ys, grid, levels=[0], colors="black", linewidths=2.5)
    for answer, colour, marker, name in (1, "#0b4f9c", "o", "upper moon"), (-1, "#b8400e", "^", "lower moon"):
        moon = [point for point, its_answer in zip(points, answers) if its_answer == answer]
        plt.scatter(*zip(*moon), s=70, color=colour, marker=marker, edgecolor="black", label=name)
    plt.title(f"Two moons, and the line where the score is 0; accuracy {accuracy:.0%}")
    plt.legend()
    plt.savefig(options.picture, dpi=120, bbox_inches="tight")
    print(f"the picture is in {options.picture}")
