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
        from fastgrad.optim.checks import gather        # which takes the class of the engine in use
        return gather, (self.values,)

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

    def clamp(self, limit):
        for p in self.values:
            if p.grad > limit:
                p.grad = limit
            elif p.grad < -limit:
                p.grad = -limit

    def sgd(self, velocity, lr, momentum, dampening, weight_decay, nesterov, maximize, is_first):
        """Take one step. velocity: an array. is_first: whether velocity holds nothing yet, which dampening asks."""
        for i, p in enumerate(self.values):
            g = -p.grad if maximize else p.grad
            if weight_decay:
                g = g + weight_decay * p.data
            if momentum:
                if not dampening:
                    velocity[i] = momentum * velocity[i] + g
                else:
                    velocity[i] = g if is_first else momentum * velocity[i] + (1 - dampening) * g
                g = g + momentum * velocity[i] if nesterov else velocity[i]
            p.data -= lr * g

    def adam_is_safe(self, *arguments):
        """Whether adam(*arguments) is known to raise nothing."""
        return False

    def adam(self, m, v, largest, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias1, bias2):
        """Take one step.

        m, v: arrays of the running means of the gradients and of their squares. largest: AMSGrad's array of the largest
        v so far, or None. decoupled: whether weight decay is AdamW's. bias1, bias2: 1 - beta1 ** t and 1 - beta2 ** t
        in step t.

        Raises OverflowError if a gradient is too large to be squared, and ZeroDivisionError if eps is 0 and a parameter
        had no gradient but 0 so far.
        """
        after = []
        for i, p in enumerate(self.values):
            data, g = p.data, -p.grad if maximize else p.grad
            if weight_decay and decoupled:
                data *= 1 - lr * weight_decay
            elif weight_decay:
                g = g + weight_decay * data
            try:
                m_i = beta1 * m[i] + (1 - beta1) * g
                v_i = square = beta2 * v[i] + (1 - beta2) * g ** 2
                if largest is not None:
                    square = largest[i] if square <= largest[i] else square
                m_hat = m_i / bias1
                v_hat = square / bias2
                data -= lr * m_hat / (v_hat ** 0.5 + eps)
            except OverflowError:
                raise too_large(i, p, g) from None
            except ZeroDivisionError:
                raise ZeroDivisionError(f"{name(i, p)} had no gradient but 0 so far, and eps is 0") from None
            after.append((data, m_i, v_i, square))
        for i, p in enumerate(self.values):
            p.data, m[i], v[i], square = after[i]
            if largest is not None:
                largest[i] = square

    def rmsprop_is_safe(self, *arguments):
        """Whether rmsprop(*arguments) is known to raise nothing."""
        return False

    def rmsprop(self, square, mean, velocity, lr, alpha, eps, weight_decay, momentum, maximize):
        """Take one step.

        square, mean: arrays of the running means of the gradients' squares and of the gradients; mean may be None.
        velocity: an array, or None. Raises what adam raises.
        """
        after = []
        for i, p in enumerate(self.values):
            g = -p.grad if maximize else p.grad
            if weight_decay:
                g = g + weight_decay * p.data
            mean_i = velocity_i = 0.0
            try:
                average = square_i = alpha * square[i] + (1 - alpha) * g ** 2
                if mean is not None:
                    mean_i = alpha * mean[i] + (1 - alpha) * g
                    average = average - mean_i ** 2
                    average = 0.0 if average < 0 else average       # which only rounding can make it
                change = g / (average ** 0.5 + eps)
            except OverflowError:
                raise too_large(i, p, g) from None
            except ZeroDivisionError:
                raise ZeroDivisionError(f"{name(i, p)} has a root of 0 to be divided by, and eps is 0") from None
            if velocity is not None:
                change = velocity_i = momentum * velocity[i] + change
            after.append((p.data - lr * change, square_i, mean_i, velocity_i))
        for i, p in enumerate(self.values):
            p.data, square[i], mean_i, velocity_i = after[i]
            if mean is not None:
                mean[i] = mean_i
            if velocity is not None:
                velocity[i] = velocity_i
