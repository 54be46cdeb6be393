# SGD, Adam, AdamW and RMSprop.
from collections.abc import Iterable
from typing import TypeAlias

from fastgrad.optim.optimizer import Optimizer, Setting, _Number, _Params

_Betas: TypeAlias = Iterable[_Number]   # two

class SGD(Optimizer):
    momentum: Setting[_Number, float]
    dampening: Setting[_Number, float]
    nesterov: Setting[bool, bool]
    def __init__(
        self,
        params: _Params,
        lr: _Number = 1e-3,
        momentum: _Number = 0,
        dampening: _Number = 0,
        weight_decay: _Number = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None: ...

class Adam(Optimizer):
    betas: Setting[_Betas, tuple[float, float]]
    eps: Setting[_Number, float]
    amsgrad: Setting[bool, bool]
    def __init__(
        self,
        params: _Params,
        lr: _Number = 1e-3,
        betas: _Betas = (0.9, 0.999),
        eps: _Number = 1e-8,
        weight_decay: _Number = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None: ...

class AdamW(Adam):
    def __init__(
        self,
        params: _Params,
        lr: _Number = 1e-3,
        betas: _Betas = (0.9, 0.999),
        eps: _Number = 1e-8,
        weight_decay: _Number = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None: ...

class RMSprop(Optimizer):
    alpha: Setting[_Number, float]
    eps: Setting[_Number, float]
    momentum: Setting[_Number, float]
    centered: Setting[bool, bool]
    def __init__(
        self,
        params: _Params,
        lr: _Number = 1e-2,
        alpha: _Number = 0.99,
        eps: _Number = 1e-8,
        weight_decay: _Number = 0,
        momentum: _Number = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None: ...
