# The parameters that an optimiser changes, and the loops over them.
from array import array

from fastgrad.value.copying import Copying

def name(i: int, p: Copying) -> str: ...
def check_parameters(values: tuple[Copying, ...], kind: type = ...) -> None: ...
def too_large(i: int, p: Copying, g: float) -> OverflowError: ...

class Parameters:
    values: tuple[Copying, ...]
    def __init__(self, values: tuple[Copying, ...]) -> None: ...
    def zero_grad(self) -> None: ...
    def norm(self) -> float: ...
    def scale(self, factor: float) -> None: ...
    def clamp(self, limit: float) -> None: ...
    def sgd(
        self,
        velocity: array[float],
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
        is_first: bool,
    ) -> None: ...
    def adam_is_safe(self, *arguments: object) -> bool: ...
    def adam(
        self,
        m: array[float],
        v: array[float],
        largest: array[float] | None,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        maximize: bool,
        bias1: float,
        bias2: float,
    ) -> None: ...
    def rmsprop_is_safe(self, *arguments: object) -> bool: ...
    def rmsprop(
        self,
        square: array[float],
        mean: array[float] | None,
        velocity: array[float] | None,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        maximize: bool,
    ) -> None: ...
