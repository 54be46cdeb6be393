"""The parameters that an optimiser changes, and the loops over them, in plain Python, which defines what is right.

The C engine has the same class with loops in C (csrc/optim.c), which give the same bits. The plain-Python engine uses
this class, and so does the C engine for a step that may raise.

An optimiser's numbers for each parameter are in arrays of doubles. A loop that can raise computes everything before it
changes anything, so that an error changes nothing.
"""
from fastgrad.value.base import printable
from fastgrad.value.copying import Copying


def name(i, p):
    """The name of parameter i in error messages."""
    label = getattr(p, "label", "")
    return f"parameter {i} ({printable(str(label))})" if label else f"parameter {i}"


def check_parameters(values, kind=Copying):
    """Raise TypeError or ValueError unless values are leaves, at least one, and each of them there once.

    kind: the class that they must be instances of. Copying is the base class of both engines' Value.
    """
    if not values:
        raise ValueError("params is empty: there is nothing to optimise")
    seen = {}
    for i, p in enumerate(values):
        if not isinstance(p, kind):
            raise TypeError(f"parameter {i} must be a Value, not {type(p).__name__!r}")
        if p._children:
            raise ValueError(f"{name(i, p)} must be a leaf, and it's the result of an operation, {p._op!r}")
        if seen.setdefault(id(p), i) != i:
            raise ValueError(f"{name(i, p)} is the same Value as parameter {seen[id(p)]}")


def too_large(i, p, g):
    return OverflowError(f"{name(i, p)} has a gradient too large to be squared: {g!r}")


class Parameters:
    """Values and the loops over them. values: a tuple of different leaves. Raises what `check_parameters` raises."""

    def __init__(self, values):
        check_parameters(values)
        self.values = values

    def __reduce__(self):
        from fastgrad.optim import _gather      # which takes the class of the engine in use
        return _gather, (self.values,)

    def zero_grad(self):
        for p in self.values:
            p.grad = 0

    def norm(self):
        """The square root of the sum of the squared gradients, added up in order. Raises OverflowError if a gradient is
        too large to be squared."""
        total = 0.0
        for i, p in enumerate(self.values):
            try:
                total += p.grad ** 2
            except OverflowError:
                raise too_large(i, p, p.grad) from None
        return total ** 0.5

    def scale(self, factor):
        for p in self.values:
            p.grad *= factor

    def sgd(self, velocity, lr, momentum, weight_decay):
        for i, p in enumerate(self.values):
            g = p.grad
            if weight_decay:
                g = g + weight_decay * p.data
            if momentum:
                g = velocity[i] = momentum * velocity[i] + g
            p.data -= lr * g

    def adam(self, m, v, lr, beta1, beta2, eps, weight_decay, decoupled, bias1, bias2):
        """Take one step.

        m, v: arrays of the running means of the gradients and of their squares. decoupled: whether weight decay is
        AdamW's. bias1, bias2: 1 - beta1 ** t and 1 - beta2 ** t in step t.

        Raises OverflowError if a gradient is too large to be squared, and ZeroDivisionError if eps is 0 and a parameter
        had no gradient but 0 so far.
        """
        after = []
        for i, p in enumerate(self.values):
            data, g = p.data, p.grad
            if weight_decay and decoupled:
                data *= 1 - lr * weight_decay
            elif weight_decay:
                g = g + weight_decay * data
            try:
                m_i = beta1 * m[i] + (1 - beta1) * g
                v_i = beta2 * v[i] + (1 - beta2) * g ** 2
                m_hat = m_i / bias1
                v_hat = v_i / bias2
                data -= lr * m_hat / (v_hat ** 0.5 + eps)
            except OverflowError:
                raise too_large(i, p, g) from None
            except ZeroDivisionError:
                raise ZeroDivisionError(f"{name(i, p)} had no gradient but 0 so far, and eps is 0") from None
            after.append((data, m_i, v_i))
        for i, p in enumerate(self.values):
            p.data, m[i], v[i] = after[i]
