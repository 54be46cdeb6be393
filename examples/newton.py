"""Newton's method finds the bottom of a curved valley in a few steps, where gradient descent crawls for thousands.

    python examples/newton.py

You learn what second derivatives are good for. A gradient says which way is down. The Hessian, the matrix of second
derivatives, says how the slope changes along the way, and so where it will be zero: that's where Newton's method jumps.
"""
from fastgrad import hessian, value_and_grad


def valley(x, y):
    """Rosenbrock's function: a long, curved, nearly flat valley. It's lowest at (1, 1), where it's 0."""
    return (1 - x) ** 2 + 100 * (y - x ** 2) ** 2


START = -1.2, 1.0
height_and_slope = value_and_grad(valley)

# Gradient descent: many small steps downhill. With steps three times as long it would fly out of the valley.
x, y = START
for step in range(1, 20_001):
    height, (by_x, by_y) = height_and_slope(x, y)
    x, y = x - 0.001 * by_x, y - 0.001 * by_y
    if step in (1, 10, 100, 1000, 10_000, 20_000):
        print(f"descent  step {step:5}   x {x:.6f}   y {y:.6f}   height {valley(x, y):.2e}")

# Newton's method: solve Hessian * step = -gradient, which for two unknowns can be written down, and go there at once.
x, y = START
for step in range(1, 8):
    height, (by_x, by_y) = height_and_slope(x, y)
    (xx, xy), (_, yy) = hessian(valley, [x, y])
    determinant = xx * yy - xy * xy
    x, y = x - (yy * by_x - xy * by_y) / determinant, y - (xx * by_y - xy * by_x) / determinant
    print(f"newton   step {step:5}   x {x:.6f}   y {y:.6f}   height {valley(x, y):.2e}")
