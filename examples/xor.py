"""A small network learns XOR, "one or the other, but not both", which a single neuron can't.

    python examples/xor.py

You learn why networks have layers. A neuron draws one straight line through the plane of its inputs and says yes on one
side of it and no on the other. XOR's two yeses, (0, 1) and (1, 0), can't be parted from its two noes by a line.
"""
import random

from fastgrad.nn import MLP

INPUTS = [(0, 0), (0, 1), (1, 0), (1, 1)]
ANSWERS = [-1, 1, 1, -1]        # -1 is no, 1 is yes: the two ends between which tanh lies


def train(model, steps=200):
    for step in range(steps):
        loss = sum((model(x) - answer) ** 2 for x, answer in zip(INPUTS, ANSWERS))
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
    return loss.data


def show(model):
    print(" a  b   a xor b   the model says")
    for (a, b), answer in zip(INPUTS, ANSWERS):
        output = model((a, b)).data
        said = "yes" if output > 0.5 else "no" if output < -0.5 else "can't tell"
        print(f" {a}  {b}   {'yes' if answer > 0 else 'no':7}   {output:+.2f}, {said}")


random.seed(42)         # the same first weights in every run
for what, model in [("One neuron", MLP(2, [1], nonlin="tanh")),
                    ("Four neurons, and one that reads them", MLP(2, [4, 1], nonlin="tanh"))]:
    loss = train(model)
    print(f"{what}: {len(model.parameters())} parameters, loss {loss:.4f} after training")
    show(model)
    print()
