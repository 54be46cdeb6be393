"""Fit a line through noisy points by gradient descent: the smallest training loop there is.

    python examples/linear_fit.py

You learn the four steps of every training: compute a loss, set gradients to 0, call backward(), move the parameters a
little against their gradients. And you see what goes wrong if the second step is forgotten.
"""
import random

from fastgrad import Value

# Points near the line y = 2x - 1. The noise is what a measurement would add.
random.seed(1)
xs = [random.uniform(-2, 2) for _ in range(50)]
ys = [2 * x - 1 + random.gauss(0, 0.3) for x in xs]

# The parameters: what is to be found. We start with a flat line, y = 0x + 0.
slope = Value(0.0, label="slope")
offset = Value(0.0, label="offset")


def loss_of_line():
    """How bad the line is: the sum of the squares of its errors. The best line has the smallest sum."""
    return sum((slope * x + offset - y) ** 2 for x, y in zip(xs, ys))


# backward() ADDS to the gradients. Called twice without zeroing in between, it gives twice the gradient.
loss_of_line().backward()
print(f"slope.grad after one backward()  {slope.grad:9.3f}    right: if the slope grows, the loss falls")
loss_of_line().backward()
print(f"slope.grad after another one     {slope.grad:9.3f}    wrong: it's the sum of both")

for step in range(51):
    loss = loss_of_line()           # 1. forward: compute the loss

    slope.grad = 0                  # 2. forget the gradients of the step before
    offset.grad = 0

    loss.backward()                 # 3. backward: how does the loss change with each parameter?

    slope.data -= 0.001 * slope.grad        # 4. a small step downhill; 0.001 is the learning rate
    offset.data -= 0.001 * offset.grad

    if step % 10 == 0:
        print(f"step {step:2}   loss {loss.data:8.3f}   y = {slope.data:.3f}x {offset.data:+.3f}")

# For a line there's also a formula for the best parameters. Gradient descent has come to the same point without it.
mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
best = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / sum((x - mean_x) ** 2 for x in xs)
print(f"found       y = {slope.data:.3f}x {offset.data:+.3f}")
print(f"by formula  y = {best:.3f}x {mean_y - best * mean_x:+.3f}")
print("the truth   y = 2.000x -1.000, which noise hides a little")
