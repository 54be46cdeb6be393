"""Step 9: fused sums. One node stands for all products and partial sums of a neuron; fastgrad's functional.linear.

From here on it's fastgrad's own engine. What it gains is to be seen beside plain.py, the same engine with the loops of
steps 1 to 8.

    python docs/steps/s09_fused.py
"""
import fastgrad.functional as F
from fastgrad import Value


def network(layers, inputs):
    losses = []
    for xs in inputs:
        for rows in layers:
            xs = F.relu(F.linear(xs, rows))
        losses.append(F.dot(xs, xs))
    return F.sum(losses)


if __name__ == "__main__":
    import sys

    import plain
    import workload
    workload.main(plain, sys.modules["__main__"])
