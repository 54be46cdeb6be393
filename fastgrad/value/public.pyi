from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")

SPECIAL: set[str]
NO_FUNCTIONS: int

def begin(wrapper: Callable[..., Callable[..., Any]]) -> None: ...
def public(thing: _T, first: Callable[..., Any] | None = ...) -> _T: ...
