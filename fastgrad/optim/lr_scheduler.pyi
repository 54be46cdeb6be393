# Schedules of an optimiser's learning rate.
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

from fastgrad.optim.optimizer import Optimizer

__all__ = ["LRScheduler", "StepLR", "CosineAnnealingLR", "LambdaLR", "LinearLR"]

_Number: TypeAlias = SupportsFloat | SupportsIndex
_Lambda: TypeAlias = Callable[[int], float]

class LRScheduler:
    optimizer: Optimizer
    last_epoch: int
    base_lrs: list[float]
    def __init__(self, optimizer: Optimizer, last_epoch: SupportsIndex = -1) -> None: ...
    def get_lr(self) -> list[float]: ...
    def get_last_lr(self) -> list[float]: ...
    def step(self) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None: ...

class StepLR(LRScheduler):
    step_size: int
    gamma: float
    def __init__(
        self, optimizer: Optimizer, step_size: SupportsIndex, gamma: _Number = 0.1, last_epoch: SupportsIndex = -1
    ) -> None: ...

class CosineAnnealingLR(LRScheduler):
    T_max: int
    eta_min: float
    def __init__(
        self, optimizer: Optimizer, T_max: SupportsIndex, eta_min: _Number = 0.0, last_epoch: SupportsIndex = -1
    ) -> None: ...

class LambdaLR(LRScheduler):
    lr_lambdas: list[_Lambda]
    def __init__(
        self, optimizer: Optimizer, lr_lambda: _Lambda | Sequence[_Lambda], last_epoch: SupportsIndex = -1
    ) -> None: ...

class LinearLR(LRScheduler):
    start_factor: float
    end_factor: float
    total_iters: int
    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: _Number = ...,
        end_factor: _Number = 1.0,
        total_iters: SupportsIndex = 5,
        last_epoch: SupportsIndex = -1,
    ) -> None: ...
