# micrograd's networks: Neuron, Layer and MLP.
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeAlias

from fastgrad.engine import Value
from fastgrad.nn.module import Module

NONLINEARITIES: dict[str, str]

_Nonlin: TypeAlias = bool | Literal["relu", "tanh", "sigmoid"] | Callable[[Value], Value]
_Inputs: TypeAlias = Iterable[SupportsFloat | SupportsIndex]    # Values or numbers

class Neuron(Module):
    w: list[Value]
    b: Value
    nonlin: _Nonlin
    def __init__(self, nin: int, nonlin: _Nonlin = True) -> None: ...
    def __call__(self, x: _Inputs) -> Value: ...

class Layer(Module):
    neurons: list[Neuron]
    def __init__(self, nin: int, nout: int, *, nonlin: _Nonlin = ...) -> None: ...
    # A Value when there is one neuron, a list of Values when there are more: Any, so that neither needs a cast.
    def __call__(self, x: _Inputs) -> Any: ...

class MLP(Module):
    layers: list[Layer]
    def __init__(self, nin: int, nouts: Sequence[int], nonlin: _Nonlin = True) -> None: ...
    def __call__(self, x: _Inputs) -> Any: ...
