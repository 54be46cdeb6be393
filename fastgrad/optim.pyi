# Optimisers: SGD, Adam, AdamW and clip_grad_norm_.
from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

from fastgrad.engine import Value

__all__ = ["SGD", "Adam", "AdamW", "clip_grad_norm_"]

_Number: TypeAlias = SupportsFloat | SupportsIndex
_Betas: TypeAlias = Iterable[_Number]   # two

class Optimizer:
    def __init__(self, params: Iterable[Value], **settings: Any) -> None: ...
    @property
    def lr(self) -> float: ...
    @lr.setter
    def lr(self, x: _Number) -> None: ...
    @property
    def weight_decay(self) -> float: ...
    @weight_decay.setter
    def weight_decay(self, x: _Number) -> None: ...
    def step(self) -> None: ...
    def zero_grad(self) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None: ...

class SGD(Optimizer):
    @property
    def momentum(self) -> float: ...
    @momentum.setter
    def momentum(self, x: _Number) -> None: ...
    def __init__(
        self, params: Iterable[Value], lr: _Number = 1e-3, momentum: _Number = 0, weight_decay: _Number = 0
    ) -> None: ...

class Adam(Optimizer):
    @property
    def betas(self) -> tuple[float, float]: ...
    @betas.setter
    def betas(self, x: _Betas) -> None: ...
    @property
    def eps(self) -> float: ...
    @eps.setter
    def eps(self, x: _Number) -> None: ...
    def __init__(
        self,
        params: Iterable[Value],
        lr: _Number = 1e-3,
        betas: _Betas = (0.9, 0.999),
        eps: _Number = 1e-8,
        weight_decay: _Number = 0,
    ) -> None: ...

class AdamW(Adam):
    def __init__(
        self,
        params: Iterable[Value],
        lr: _Number = 1e-3,
        betas: _Betas = (0.9, 0.999),
        eps: _Number = 1e-8,
        weight_decay: _Number = 1e-2,
    ) -> None: ...

def clip_grad_norm_(params: Iterable[Value], max_norm: _Number) -> float: ...
