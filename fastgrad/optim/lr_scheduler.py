"""Schedules of an optimiser's learning rate, with the names, arguments and formulas of torch.optim.lr_scheduler.

A schedule sets the rate of each group when it is made, and again at each step(), which comes after optimizer.step(). As
in torch it goes on from the rate that the group has, so several schedules of one optimiser multiply. A group's rate at
the start is its `initial_lr`.
"""
import math
import operator
from collections.abc import Mapping

from fastgrad.optim import checks
from fastgrad.optim.optimizer import Optimizer
from fastgrad.value.arguments import count
from fastgrad.value.public import public

__all__ = ["LRScheduler", "StepLR", "CosineAnnealingLR", "LambdaLR", "LinearLR"]


@public
class LRScheduler:
    """The base class of schedules: get_lr() of a subclass gives the rates of all groups for step last_epoch.

    optimizer: an Optimizer. last_epoch: the number of the step before, whose rates the groups have, or -1 to begin;
    otherwise groups must have an `initial_lr`. (Newer versions of torch, such as 2.13, take these rates of LinearLR and
    CosineAnnealingLR for those of the next step.) Raises TypeError or ValueError for anything else.
    """

    def __init__(self, optimizer, last_epoch=-1):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be an Optimizer, not {type(optimizer).__name__!r}")
        last_epoch = operator.index(last_epoch)
        if last_epoch < -1:
            raise ValueError(f"last_epoch must be at least -1, not {last_epoch}")
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(f"group {i} of the optimizer has no 'initial_lr', which is needed to go on")
        self.optimizer, self.last_epoch = optimizer, last_epoch
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.step()

    def get_lr(self):
        """The rates for step last_epoch, one for each group."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr()")

    def get_last_lr(self):
        """The rates that were set last, one for each group."""
        return list(self._last_lr)

    def step(self):
        """Set the rates for the next step. Raises ValueError if one is negative by more than rounding errors; then
        nothing has changed."""
        self.last_epoch += 1
        try:
            rates = [checks.rate("lr", x) for x in self.get_lr()]
        except BaseException:
            self.last_epoch -= 1
            raise
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = rate
        self._last_lr = rates

    def state_dict(self):
        """All that the schedule knows but for the optimizer and functions, as a dict."""
        return {name: x for name, x in vars(self).items() if name != "optimizer" and not callable(x)}

    def load_state_dict(self, state_dict):
        """Continue from another schedule's state. The optimiser's own state has the rates.

        state_dict: what state_dict() of such a schedule has returned. Raises TypeError or ValueError for anything else,
        and changes nothing then.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict must be a dict, not {type(state_dict).__name__!r}")
        mine = self.state_dict()
        for name in mine:
            if name not in state_dict:
                raise ValueError(f"state_dict has no {name!r}, which {type(self).__name__} needs")
            if isinstance(mine[name], list) and (not isinstance(state_dict[name], (list, tuple))
                                                 or len(state_dict[name]) != len(mine[name])):
                raise ValueError(f"{name} must be a list of {len(mine[name])} numbers, not {state_dict[name]!r}")
        for name, x in state_dict.items():
            if name not in mine:
                raise ValueError(f"state_dict has {name!r}, which {type(self).__name__} doesn't know")
            for number in x if isinstance(x, (list, tuple)) else [x]:
                checks.real(name, number)
        vars(self).update({name: list(x) if isinstance(x, (list, tuple)) else x for name, x in state_dict.items()})

    def _rates(self):
        return [group["lr"] for group in self.optimizer.param_groups]


@public
class StepLR(LRScheduler):
    """The rate times gamma every step_size steps. step_size: an int, at least 1. gamma: a number, at least 0."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = count("step_size", step_size), checks.number("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        falls = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return [rate * self.gamma for rate in self._rates()] if falls else self._rates()


@public
class CosineAnnealingLR(LRScheduler):
    """The rate along half a cosine, down to eta_min at step T_max, and up again after that.

    T_max: an int, at least 1. eta_min: a number, at least 0. Formula: Loshchilov and Hutter, SGDR: Stochastic Gradient
    Descent with Warm Restarts (2017), equation 5, from one step to the next.
    """

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max, self.eta_min = count("T_max", T_max), checks.number("eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        t, half, low = self.last_epoch, self.T_max, self.eta_min
        if t == 0:
            return self._rates()
        if (t - 1 - half) % (2 * half) == 0:        # from the lowest point up, where the quotient below is 0 / 0
            return [rate + (base - low) * (1 - math.cos(math.pi / half)) / 2
                    for rate, base in zip(self._rates(), self.base_lrs)]
        now, before = (1 + math.cos(math.pi * s / half) for s in (t, t - 1))
        return [low + now / before * (rate - low) for rate in self._rates()]


@public
class LambdaLR(LRScheduler):
    """The rate at the start times lr_lambda(step).

    lr_lambda: a function of an int, the step, that returns a number; or a list of such functions, one for each group.
    They aren't part of the state.
    """

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        functions = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else None
        if isinstance(optimizer, Optimizer) and functions is None:
            functions = [lr_lambda] * len(optimizer.param_groups)
        for function in functions or ():
            if not callable(function):
                raise TypeError(f"lr_lambda must be a function, not {type(function).__name__!r}")
        if isinstance(optimizer, Optimizer) and len(functions) != len(optimizer.param_groups):
            raise ValueError(f"lr_lambda has {len(functions)} functions, and there are "
                             f"{len(optimizer.param_groups)} groups of parameters")
        self.lr_lambdas = functions
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas)]

    def state_dict(self):
        """All that the schedule knows but for the optimizer and functions, as a dict."""
        return {name: x for name, x in super().state_dict().items() if name != "lr_lambdas"}


@public
class LinearLR(LRScheduler):
    """The rate times a factor that goes from start_factor to end_factor in total_iters steps, and stays there.

    start_factor: a number above 0, at most 1. end_factor: a number from 0 to 1. total_iters: an int, at least 1.
    """

    def __init__(self, optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5, last_epoch=-1):
        self.start_factor, self.end_factor = (checks.number(name, x, math.nextafter(1, 2), "at most 1") for name, x in
                                              (("start_factor", start_factor), ("end_factor", end_factor)))
        if self.start_factor == 0:
            raise ValueError("start_factor must be above 0")
        self.total_iters = count("total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        t, rise = self.last_epoch, self.end_factor - self.start_factor
        if t == 0:
            return [rate * self.start_factor for rate in self._rates()]
        if t > self.total_iters:
            return self._rates()
        factor = 1 + rise / (self.total_iters * self.start_factor + (t - 1) * rise)
        return [rate * factor for rate in self._rates()]
