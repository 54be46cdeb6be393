# Whoever makes a nan or an inf is told at once where, and of what.
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from typing_extensions import Self

from fastgrad.engine import Value

_F = TypeVar("_F", bound=Callable[..., object])

OPERATIONS: dict[str, str]
SHOWN_OF_PATH: int
CONSTANT: str
LIBRARY: str
NOTE: str

class AnomalyError(FloatingPointError, RuntimeError):
    value: Value | None
    op: str | None
    operands: tuple[float, ...] | None
    place: tuple[str, int, str] | None

class detect_anomaly:
    def __init__(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, *exc_info: type[BaseException] | BaseException | TracebackType | None
    ) -> None: ...
    def __call__(self, function: _F) -> _F: ...
