"""SGD, Adam, AdamW and RMSprop: their settings, and which loop of value/parameters.py takes a step.

Arguments are in torch's order with torch's defaults; what comes after * is by name alone.
"""
from fastgrad.optim import checks
from fastgrad.optim.optimizer import Optimizer, Setting
from fastgrad.value.public import public


def _below_1(name, x):
    return checks.number(name, x, 1, "less than 1")


@public
class SGD(Optimizer):
    """Stochastic gradient descent: p.data -= lr * p.grad.

    With momentum it's p.data -= lr * velocity, where velocity = momentum * velocity + (1 - dampening) * p.grad, and in
    the first step p.grad; with nesterov, p.data -= lr * (p.grad + momentum * velocity).

    params: an iterable of Values, all leaves and different, or of dicts, the groups. lr (the learning rate), momentum,
    dampening, weight_decay: finite numbers, at least 0; weight_decay * p.data is added to the gradient. nesterov: a
    bool, which needs momentum and no dampening. maximize: whether to go up, along the gradient, instead of down. All
    settings can be assigned later.

    Raises TypeError or ValueError for anything else. Formulas: torch.optim.SGD.
    """

    _settings = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
    _arrays = ("momentum_buffer",)
    _newer = ("dampening", "nesterov", "maximize")
    _has_start = True
    momentum = Setting()
    dampening = Setting()
    nesterov = Setting(checks.flag)

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False):
        super().__init__(params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                         nesterov=nesterov, maximize=maximize)

    @classmethod
    def _check_settings(cls, settings):
        if settings["nesterov"] and (settings["momentum"] == 0 or settings["dampening"] != 0):
            raise ValueError("nesterov needs momentum and no dampening")

    def _is_safe(self, group):
        return True

    def _step(self, group):
        g = group.settings
        group.params.sgd(group.memory["momentum_buffer"], g["lr"], g["momentum"], g["dampening"], g["weight_decay"],
                         g["nesterov"], g["maximize"], not group.started)
        group.started = group.started or g["momentum"] != 0
        group.steps += 1


@public
class Adam(Optimizer):
    """Adam: a step is lr times the gradient's running mean, divided by the root of its running mean square.

    params: an iterable of Values, all leaves and different, or of dicts, the groups. lr: the learning rate, a finite
    number, at least 0. betas: how much of the two running means a step keeps, two numbers, at least 0 and less than 1.
    eps: a finite number, at least 0, which is added to the root. weight_decay: a finite number, at least 0;
    weight_decay * p.data is added to the gradient. amsgrad: whether the largest mean square so far is divided by.
    maximize: whether to go up, along the gradient, instead of down. All settings can be assigned later.

    A step raises OverflowError if a gradient is too large to be squared, and ZeroDivisionError if eps is 0 and a
    parameter had no gradient but 0 so far; then nothing has changed.

    Raises TypeError or ValueError for anything else. Formulas: Kingma and Ba, Adam: A Method for Stochastic
    Optimization (2015), algorithm 1; Reddi et al., On the Convergence of Adam and Beyond (2018), for amsgrad.
    """

    _settings = ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize")
    _arrays = ("exp_avg", "exp_avg_sq")
    _late_arrays = ("max_exp_avg_sq",)
    _squares = ("exp_avg_sq", "max_exp_avg_sq")
    _newer = ("amsgrad", "maximize")
    _decoupled = False
    betas = Setting(checks.betas)
    eps = Setting()
    amsgrad = Setting(checks.flag)

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *,
                 maximize=False):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
                         maximize=maximize)

    def _arguments(self, group):
        g, t = group.settings, group.steps + 1
        beta1, beta2 = g["betas"]
        largest = group.late("max_exp_avg_sq", g["amsgrad"])
        return (group.memory["exp_avg"], group.memory["exp_avg_sq"], largest, g["lr"], beta1, beta2, g["eps"],
                g["weight_decay"], self._decoupled, g["maximize"], 1 - beta1 ** t, 1 - beta2 ** t)

    def _is_safe(self, group):
        return group.params.adam_is_safe(*self._arguments(group))

    def _step(self, group):
        _, _, largest, *_ = arguments = self._arguments(group)
        group.params.adam(*arguments)
        group.remember(max_exp_avg_sq=largest)
        group.steps += 1


@public
class AdamW(Adam):
    """Adam whose weight decay stays out of the running means: p.data *= 1 - lr * weight_decay before each step.

    Arguments and errors are Adam's. Formulas: Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019),
    algorithm 2, with the decay times the learning rate as in torch.
    """

    _decoupled = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *,
                 maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


@public
class RMSprop(Optimizer):
    """RMSprop: a step is lr times the gradient, divided by the root of its running mean square.

    params: an iterable of Values, all leaves and different, or of dicts, the groups. lr: the learning rate, a finite
    number, at least 0. alpha: how much of the running mean a step keeps, at least 0 and less than 1. eps: a finite
    number, at least 0, which is added to the root. weight_decay, momentum: finite numbers, at least 0. centered:
    whether the square of the gradient's running mean is subtracted under the root, which makes it a deviation.
    maximize: whether to go up, along the gradient, instead of down. All settings can be assigned later.

    A step raises OverflowError if a gradient is too large to be squared, and ZeroDivisionError if eps is 0 and so is a
    root; then nothing has changed.

    Raises TypeError or ValueError for anything else. Formulas: torch.optim.RMSprop, after Hinton's lecture 6e (2012)
    and Graves, Generating Sequences With Recurrent Neural Networks (2013), equation 40, for centered. A centered mean
    square below 0, which rounding makes, counts as 0.
    """

    _settings = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize")
    _arrays = ("square_avg",)
    _late_arrays = ("grad_avg", "momentum_buffer")
    _squares = ("square_avg",)
    alpha = Setting(_below_1)
    eps = Setting()
    momentum = Setting()
    centered = Setting(checks.flag)

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, *,
                 maximize=False):
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
                         centered=centered, maximize=maximize)

    def _arguments(self, group):
        g = group.settings
        mean, velocity = group.late("grad_avg", g["centered"]), group.late("momentum_buffer", g["momentum"])
        return (group.memory["square_avg"], mean, velocity, g["lr"], g["alpha"], g["eps"], g["weight_decay"],
                g["momentum"], g["maximize"])

    def _is_safe(self, group):
        return group.params.rmsprop_is_safe(*self._arguments(group))

    def _step(self, group):
        _, mean, velocity, *_ = arguments = self._arguments(group)
        group.params.rmsprop(*arguments)
        group.remember(grad_avg=mean, momentum_buffer=velocity)
        group.steps += 1
