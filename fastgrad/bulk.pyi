# Numbers of many Values at once.
from array import array
from collections.abc import Iterable
from typing import SupportsFloat, SupportsIndex, TypeAlias

from fastgrad.engine import Value

__all__ = ["get_data", "set_data", "get_grad", "set_grad"]

# A buffer of doubles is iterable too: array('d'), numpy.ndarray, memoryview.
_Numbers: TypeAlias = Iterable[SupportsFloat | SupportsIndex]

def get_data(params: Iterable[Value]) -> array[float]: ...
def get_grad(params: Iterable[Value]) -> array[float]: ...
def set_data(params: Iterable[Value], numbers: _Numbers) -> None: ...
def set_grad(params: Iterable[Value], numbers: _Numbers) -> None: ...
