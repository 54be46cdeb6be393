"""The neuron of Karpathy's micrograd lecture, with its gradients, in words and as a picture.

    python examples/neuron.py               writes neuron.svg, which any browser shows
    python examples/neuron.py my.svg

You learn what a neuron computes, what backward() leaves in every node, and how to look at a graph.
"""
import sys

from fastgrad import Value, explain, viz

# Two inputs. Labels are only for us, who read the pictures.
x1 = Value(2.0, label="x1")
x2 = Value(0.0, label="x2")

# Two weights, which say how much an input counts, and the bias, which says how easily the neuron fires.
w1 = Value(-3.0, label="w1")
w2 = Value(1.0, label="w2")
b = Value(6.8813735870195432, label="b")        # chosen so that the gradients below are round numbers

# The neuron, one operation a line so that each result gets a name.
x1w1 = x1 * w1
x1w1.label = "x1*w1"
x2w2 = x2 * w2
x2w2.label = "x2*w2"
weighted = x1w1 + x2w2
weighted.label = "x1*w1 + x2*w2"
n = weighted + b
n.label = "n"
o = n.tanh()        # squeezes any number into -1 to 1
o.label = "o"

# From the output back to the leaves, by the chain rule. grad says: if this grew by a tiny h, o would grow by grad * h.
o.backward()

print("The graph, the output first and what it is made of below:\n")
print(viz.draw_text(o))

print("\nWhere the gradient of w1 comes from:\n")
print(explain(w1))

# x2 is 0, so whatever w2 is, nothing reaches the output: the gradient of w2 is 0 too.
print(f"\nw2.grad is {w2.grad:.4f}, since x2 is {x2.data:.4f}")

path = sys.argv[1] if len(sys.argv) > 1 else "neuron.svg"
viz.draw_svg(o).save(path)      # from top to bottom; the lecture's "LR", from left to right, is wider than a page
print(f"\nThe picture is in {path}")
