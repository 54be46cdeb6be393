"""Optimisers: SGD, Adam and AdamW, with the names, arguments and defaults of torch.optim, and clip_grad_norm_.

    optimizer = Adam(model.parameters(), lr=0.01)
    for step in range(steps):
        optimizer.zero_grad()
        loss = ...
        loss.backward()
        optimizer.lr = 0.01 * (1 - step / steps)    # any setting can be changed between steps
        optimizer.step()

A step has the bits of the plain loop in Python; for Adam that's microgpt's loop. (torch's Adam divides in another
order.) This file has the settings, their checks, and the state. The loops are in value/parameters.py and, for the C
engine, in csrc/optim.c.
"""
import math
import operator
from array import array
from collections.abc import Mapping

from fastgrad import engine
from fastgrad.value.arguments import is_number
from fastgrad.value.parameters import Parameters

__all__ = ["SGD", "Adam", "AdamW", "clip_grad_norm_"]


# Checks of arguments.

def _number(name, x, below=math.inf, limit="finite"):
    """x as a float, 0 <= x < below, or 0 <= x <= math.inf if below is None.

    name: of the argument; limit: the upper bound in words, both for errors. Raises TypeError or ValueError.
    """
    if hasattr(type(x), "__len__") or not is_number(x):
        raise TypeError(f"{name} must be a number, not {type(x).__name__!r}")
    try:
        number = float(x)
    except OverflowError:
        number = math.inf
    if not 0 <= number:
        raise ValueError(f"{name} must be at least 0, not {x!r}")
    if below is not None and number >= below:
        raise ValueError(f"{name} must be {limit}, not {x!r}")
    return number


def _betas(name, x):
    """x as a tuple of two floats, both at least 0 and less than 1. Raises TypeError or ValueError."""
    try:
        first, second = x
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name} must be two numbers, not {x!r}") from None
    return tuple(_number(f"{name}[{i}]", beta, 1, "less than 1") for i, beta in enumerate((first, second)))


def _gather(params):
    """Values as Parameters of their engine. params: an iterable. Raises TypeError or ValueError."""
    try:
        params = iter(params)
    except TypeError:
        raise TypeError(f"params must be an iterable of Values, not {type(params).__name__!r}") from None
    values = tuple(params)
    kind = engine.Parameters if values and isinstance(values[0], engine.Value) else Parameters
    return kind(values)


class _Setting:
    """An attribute of an optimiser. Assigning x stores what check(name, x) returns, or raises what it raises."""

    def __init__(self, check=_number):
        self.check = check

    def __set_name__(self, owner, name):
        self.name = name

    def __set__(self, optimizer, x):
        vars(optimizer)[self.name] = self.check(self.name, x)


# The optimisers.

class Optimizer:
    """The base class of optimisers: parameters, settings, a count of steps, and arrays with a number per parameter."""

    _settings = ()
    _arrays = ()
    lr = _Setting()
    weight_decay = _Setting()

    def __init__(self, params, **settings):
        for name in self._settings:
            setattr(self, name, settings[name])
        self._params = _gather(params)
        self._steps = 0
        self._memory = {name: array("d", [0.0]) * len(self._params.values) for name in self._arrays}

    def step(self):
        """Change the data of every parameter by its gradient."""
        raise NotImplementedError

    def zero_grad(self):
        """Set the gradient of every parameter to 0."""
        self._params.zero_grad()

    def state_dict(self):
        """The settings, the number of steps, and the lists with a number per parameter, as a dict."""
        state = {name: getattr(self, name) for name in self._settings}
        return {**state, "step": self._steps, **{name: memory.tolist() for name, memory in self._memory.items()}}

    def load_state_dict(self, state_dict):
        """Continue from another optimiser's state, settings included. Parameters aren't part of it.

        state_dict: what state_dict() of such an optimiser over as many parameters has returned. Raises TypeError or
        ValueError for anything else, and changes nothing then.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict must be a dict, not {type(state_dict).__name__!r}")
        names = [*self._settings, "step", *self._arrays]
        for name in names:
            if name not in state_dict:
                raise ValueError(f"state_dict has no {name!r}, which {type(self).__name__} needs")
        for name in state_dict:
            if name not in names:
                raise ValueError(f"state_dict has {name!r}, which {type(self).__name__} doesn't know")
        settings = {name: getattr(type(self), name).check(name, state_dict[name]) for name in self._settings}
        try:
            steps = operator.index(state_dict["step"])
        except TypeError:
            raise TypeError(f"step must be an int, not {type(state_dict['step']).__name__!r}") from None
        if not 0 <= steps < 2 ** 53:
            raise ValueError(f"step must be at least 0 and less than 2**53, not {steps}")
        memory = {name: self._array(name, state_dict[name]) for name in self._arrays}
        vars(self).update(settings)
        self._steps, self._memory = steps, memory

    def _array(self, name, numbers):
        """A list of a state_dict as an array of doubles. Raises TypeError or ValueError."""
        try:
            numbers = list(numbers)
            for x in numbers:
                if not is_number(x):        # array("d", ...) would accept NumPy's text and complex numbers
                    raise TypeError(f"{x!r} is none")
            memory = array("d", numbers)
        except (TypeError, OverflowError) as error:
            raise TypeError(f"{name} must be a list of numbers: {error}") from None
        n = len(self._params.values)
        if len(memory) != n:
            raise ValueError(f"{name} has {len(memory)} numbers, and there are {n} parameters")
        return memory

    def __repr__(self):
        settings = "".join(f", {name}={getattr(self, name)}" for name in self._settings)
        return f"{type(self).__name__}({len(self._params.values)} parameters{settings})"


class SGD(Optimizer):
    """Stochastic gradient descent: p.data -= lr * p.grad.

    With momentum it's p.data -= lr * velocity, where velocity = momentum * velocity + p.grad, starting at 0.

    params: an iterable of Values, all leaves and different. lr (the learning rate), momentum, weight_decay: finite
    numbers, at least 0; weight_decay * p.data is added to the gradient. All settings can be assigned later.

    Raises TypeError or ValueError for anything else. Formulas: torch.optim.SGD.
    """

    _settings = ("lr", "momentum", "weight_decay")
    _arrays = ("momentum_buffer",)
    momentum = _Setting()

    def __init__(self, params, lr=1e-3, momentum=0, weight_decay=0):
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)

    def step(self):
        """Change the data of every parameter by its gradient."""
        self._params.sgd(self._memory["momentum_buffer"], self.lr, self.momentum, self.weight_decay)
        self._steps += 1


class Adam(Optimizer):
    """Adam: a step is lr times the gradient's running mean, divided by the root of its running mean square.

    params: an iterable of Values, all leaves and different. lr: the learning rate, a finite number, at least 0. betas:
    how much of the two running means a step keeps, two numbers, at least 0 and less than 1. eps: a finite number, at
    least 0, which is added to the root. weight_decay: a finite number, at least 0; weight_decay * p.data is added to
    the gradient. All settings can be assigned later.

    Raises TypeError or ValueError for anything else. Formulas: Kingma and Ba, Adam: A Method for Stochastic
    Optimization (2015), algorithm 1.
    """

    _settings = ("lr", "betas", "eps", "weight_decay")
    _arrays = ("exp_avg", "exp_avg_sq")
    _decoupled = False
    betas = _Setting(_betas)
    eps = _Setting()

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def step(self):
        """Change the data of every parameter by its gradients in this step and in those before.

        Raises OverflowError if a gradient is too large to be squared, and ZeroDivisionError if eps is 0 and a parameter
        had no gradient but 0 so far; then nothing has changed.
        """
        t = self._steps + 1
        beta1, beta2 = self.betas
        self._params.adam(self._memory["exp_avg"], self._memory["exp_avg_sq"], self.lr, beta1, beta2, self.eps,
                          self.weight_decay, self._decoupled, 1 - beta1 ** t, 1 - beta2 ** t)
        self._steps = t

    def _array(self, name, numbers):
        memory = super()._array(name, numbers)
        if name == "exp_avg_sq" and any(x < 0 for x in memory):
            raise ValueError(f"{name} are means of squares, and {min(memory)} is negative")
        return memory


class AdamW(Adam):
    """Adam whose weight decay stays out of the running means: p.data *= 1 - lr * weight_decay before each step.

    Arguments and errors are Adam's. Formulas: Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019),
    algorithm 2, with the decay times the learning rate as in torch.
    """

    _decoupled = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, lr, betas, eps, weight_decay)


def clip_grad_norm_(params, max_norm):
    """Scale the gradients of params down so that their norm, the root of the sum of squares, is at most max_norm.

    params: an iterable of Values, all leaves and different. max_norm: a number, at least 0; with math.inf the norm is
    only measured.

    Returns the norm before scaling. As in torch, gradients are multiplied by max_norm / (norm + 1e-6) if that is below
    1. If it's nan, because a gradient is nan, all gradients become nan. Raises TypeError or ValueError for other
    arguments, and OverflowError if a gradient is too large to be squared; then nothing has changed.
    Source: torch.nn.utils.
    """
    max_norm = _number("max_norm", max_norm, below=None)
    params = _gather(params)
    norm = params.norm()
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:
        params.scale(factor)
    return norm
