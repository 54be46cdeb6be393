"""A network solves a differential equation without ever seeing the solution: u'' + u = 0 with u(0) = 1 and u'(0) = 0.

    python examples/pinn.py                 draws with characters; with matplotlib installed also pinn.png
    python examples/pinn.py my.png
    python examples/pinn.py --steps 100     stops early, far from the solution, which is cos(t)

You learn what a physics-informed network is: its loss says how badly the equation holds, so the loss itself has
derivatives of the network in it. grad(..., create_graph=True) returns derivatives that can be differentiated again.
"""
import argparse
import math
import random

from fastgrad import Value, fuse, grad, no_grad
from fastgrad.optim import Adam

parser = argparse.ArgumentParser(description="Solve u'' + u = 0 with a network of tanh neurons.")
parser.add_argument("picture", nargs="?", default="pinn.png", help="the picture to write (pinn.png)")
parser.add_argument("--steps", type=int, default=1000, help="training steps (1000)")
options = parser.parse_args()

END = 6.0       # the equation shall hold from t = 0 to here
random.seed(5)
NEURONS = 12
weights = [Value(random.gauss(0, 1)) for _ in range(NEURONS)]
biases = [Value(random.uniform(-2, 2)) for _ in range(NEURONS)]
out = [Value(random.gauss(0, 0.3)) for _ in range(NEURONS)]
offset = Value(0.0)
parameters = [*weights, *biases, *out, offset]


@fuse
def solution(t):
    """1 + t**2 * N(t), where the network N is a layer of tanh neurons and a weighted sum of them. So u(0) = 1 and
    u'(0) = 0 whatever the weights, and only the equation is left to be learned."""
    x = t * (2 / END) - 1       # a number between -1 and 1, which neurons like
    return 1 + t * t * (sum([v * (w * x + b).tanh() for w, b, v in zip(weights, biases, out)]) + offset)


def loss_of(times):
    """How badly the equation holds at these times."""
    ts = [Value(t) for t in times]
    us = [solution(t) for t in ts]
    # Each u is made of its own t alone. So the derivatives of the sum of all are those of each, in one call.
    slopes = grad(us, ts, create_graph=True)                # u'
    curvatures = grad(slopes, ts, create_graph=True)        # u''
    residuals = [curvature + u for u, curvature in zip(us, curvatures)]
    return sum([r * r for r in residuals]) / len(ts)


times = [END * i / 24 for i in range(25)]
optimizer = Adam(parameters, lr=0.1)
for step in range(options.steps):
    loss = loss_of(times)
    optimizer.zero_grad()
    loss.backward()             # by the weights, through u''
    optimizer.lr = 0.1 * (1 - step / options.steps)
    optimizer.step()
    if step % (options.steps // 10 or 1) == 0:
        print(f"step {step:4}   loss {loss.data:.6f}")
loss = loss_of(times)
print(f"trained     loss {loss.data:.6f}")

ts = [END * i / 60 for i in range(61)]
with no_grad():
    found = [solution(t).data for t in ts]
right = [math.cos(t) for t in ts]
print(f"the network is at most {max(abs(u - c) for u, c in zip(found, right)):.4f} away from cos(t)")

# The picture in characters: + is cos(t), o the network; where they meet there's only an o.
rows = [[" "] * 61 for _ in range(21)]
for mark, us in ("+", right), ("o", found):
    for column, u in enumerate(us):
        rows[min(max(round(10 - 9 * u), 0), 20)][column] = mark
print("\n".join("".join(row) for row in rows))

try:
    import matplotlib
except ImportError:
    print("for a picture in colour: pip install matplotlib")
else:
    matplotlib.use("Agg")       # draws into files, so that no screen is needed
    import matplotlib.pyplot as plt

    plt.figure(figsize=(8, 4.5))
    plt.plot(ts, right, color="#b8400e", linewidth=6, alpha=0.4, label="cos(t)")
    plt.plot(ts, found, color="#0b4f9c", linewidth=2, label="the network")
    plt.xlabel("t")
    plt.title(f"u'' + u = 0, solved by {NEURONS} tanh neurons; loss {loss.data:.1e}")
    plt.legend()
    plt.savefig(options.picture, dpi=120, bbox_inches="tight")
    print(f"the picture is in {options.picture}")
