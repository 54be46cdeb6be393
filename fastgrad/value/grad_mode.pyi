# Whether operations record a graph.
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar, overload

from typing_extensions import Self

_F = TypeVar("_F", bound=Callable[..., object])

innermost: ContextVar[Any]

class Block:
    outer: Block | None
    is_open: bool
    def __init__(self, outer: Block | None) -> None: ...

def innermost_open() -> Any: ...
def is_recording() -> bool: ...

class no_grad:
    @overload
    def __new__(cls, function: None = None) -> Self: ...
    @overload
    def __new__(cls, function: _F) -> _F: ...       # type: ignore[misc]
    def __enter__(self) -> Self: ...
    def __exit__(
        self, *exc_info: type[BaseException] | BaseException | TracebackType | None
    ) -> None: ...
    def __call__(self, function: _F) -> _F: ...
