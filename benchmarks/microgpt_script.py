"""microgpt as one publishes it: a script with its own class of numbers, to be run as it is by `python -m fastgrad`.

The arithmetic and its order are microgpt's, and so are the losses (see train_microgpt.py, which has the same model).
bench_microgpt.py changes nothing but the settings.
"""
import math
import os
import random

seed = 42
steps = 1000
layers = 1
width = 16
heads = 4
context = 16
names = os.path.join(os.path.dirname(os.path.abspath(__file__)), "names.txt")

random.seed(seed)
docs = [line.strip() for line in open(names, encoding="utf-8") if line.strip()]
random.shuffle(docs)
characters = sorted(set("".join(docs)))
boundary = len(characters)
vocabulary = len(characters) + 1


class Value:
    """A number that remembers what it was made of."""
    __slots__ = ("data", "grad", "_children", "_local_grads")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, other):
        return Value(self.data ** other, (self,), (other * self.data ** (other - 1),))

    def log(self):
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        return Value(math.exp(self.data), (self,), (math.exp(self.data),))

    def relu(self):
        return Value(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self):
        return self * -1

    def __radd__(self, other):
        return self + other

    def __sub__(self, other):
        return self + (-other)

    def __rsub__(self, other):
        return other + (-self)

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        return self * other ** -1

    def __rtruediv__(self, other):
        return other * self ** -1

    def backward(self):
        order, visited = [], set()

        def visit(v):
            if v not in visited:
                visited.add(v)
                for child in v._children:
                    visit(child)
                order.append(v)

        visit(self)
        self.grad = 1
        for v in reversed(order):
            for child, local_grad in zip(v._children, v._local_grads):
                child.grad += local_grad * v.grad


def matrix(rows, columns):
    return [[Value(random.gauss(0, 0.08)) for _ in range(columns)] for _ in range(rows)]


weights = {"tokens": matrix(vocabulary, width), "positions": matrix(context, width), "head": matrix(vocabulary, width)}
for i in range(layers):
    for name in ("wq", "wk", "wv", "wo"):
        weights[f"{name}{i}"] = matrix(width, width)
    weights[f"up{i}"] = matrix(4 * width, width)
    weights[f"down{i}"] = matrix(width, 4 * width)
params = [p for rows in weights.values() for row in rows for p in row]
print(f"{len(docs)} documents, {vocabulary} tokens, {len(params)} parameters")


def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in w]


def softmax(logits):
    largest = max(logit.data for logit in logits)
    exps = [(logit - largest).exp() for logit in logits]
    total = sum(exps)
    return [e / total for e in exps]


def rmsnorm(x):
    mean_square = sum(xi * xi for xi in x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def gpt(token, position, keys, values):
    head_width = width // heads
    x = [t + p for t, p in zip(weights["tokens"][token], weights["positions"][position])]
    x = rmsnorm(x)
    for i in range(layers):
        residual = x
        x = rmsnorm(x)
        q = linear(x, weights[f"wq{i}"])
        keys[i].append(linear(x, weights[f"wk{i}"]))
        values[i].append(linear(x, weights[f"wv{i}"]))
        mixed = []
        for h in range(heads):
            hs = h * head_width
            q_h = q[hs:hs + head_width]
            k_h = [k[hs:hs + head_width] for k in keys[i]]
            v_h = [v[hs:hs + head_width] for v in values[i]]
            scores = [sum(q_h[j] * k_h[t][j] for j in range(head_width)) / head_width ** 0.5 for t in range(len(k_h))]
            attention = softmax(scores)
            mixed.extend([sum(attention[t] * v_h[t][j] for t in range(len(v_h))) for j in range(head_width)])
        x = linear(mixed, weights[f"wo{i}"])
        x = [a + b for a, b in zip(x, residual)]
        residual = x
        x = rmsnorm(x)
        x = linear(x, weights[f"up{i}"])
        x = [xi.relu() for xi in x]
        x = linear(x, weights[f"down{i}"])
        x = [a + b for a, b in zip(x, residual)]
    return linear(x, weights["head"])


learning_rate, beta1, beta2, epsilon = 0.01, 0.85, 0.99, 1e-8
m, v = [0.0] * len(params), [0.0] * len(params)
for step in range(steps):
    doc = docs[step % len(docs)]
    tokens = [boundary] + [characters.index(c) for c in doc] + [boundary]
    n = min(context, len(tokens) - 1)
    keys, values = [[] for _ in range(layers)], [[] for _ in range(layers)]
    losses = []
    for position in range(n):
        probabilities = softmax(gpt(tokens[position], position, keys, values))
        losses.append(-probabilities[tokens[position + 1]].log())
    loss = (1 / n) * sum(losses)
    loss.backward()

    rate = learning_rate * (1 - step / steps)
    for i, p in enumerate(params):
        m[i] = beta1 * m[i] + (1 - beta1) * p.grad
        v[i] = beta2 * v[i] + (1 - beta2) * p.grad ** 2
        m_hat = m[i] / (1 - beta1 ** (step + 1))
        v_hat = v[i] / (1 - beta2 ** (step + 1))
        p.data -= rate * m_hat / (v_hat ** 0.5 + epsilon)
        p.grad = 0
    print(f"step {step + 1} of {steps}, loss {loss.data:.4f}")
