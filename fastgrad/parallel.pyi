# Data-parallel gradients on any executor.
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from fastgrad.engine import Value
from fastgrad.nn.module import Module

__all__ = ["gradients"]

_Batch = TypeVar("_Batch")
_Model = TypeVar("_Model", bound=Module)

# executor: a concurrent.futures.Executor, or a dask.distributed.Client, which has no types; or None.
@overload
def gradients(
    loss: Callable[[_Model, _Batch], Value], params: _Model, batches: Iterable[_Batch], executor: Any
) -> list[float]: ...
@overload
def gradients(
    loss: Callable[[list[Value], _Batch], Value], params: Iterable[Value], batches: Iterable[_Batch], executor: Any
) -> list[float]: ...
