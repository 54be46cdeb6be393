"""Step 10: loops. The text is that of step 1, letter by letter, and @fuse lets C run each loop as a whole.

    python docs/steps/s10_loops.py
"""
from fastgrad import Value, fuse


@fuse
def network(layers, inputs):
    losses = []
    for xs in inputs:
        for rows in layers:
            xs = [sum(w * x for w, x in zip(row, xs)).relu() for row in rows]
        losses.append(sum(x * x for x in xs))
    return sum(losses)


@fuse
def update(weights, rate):
    for w in weights:
        w.data = w.data - rate * w.grad
        w.grad = 0.0


if __name__ == "__main__":
    import sys

    import plain
    import workload
    workload.main(plain, sys.modules["__main__"])
