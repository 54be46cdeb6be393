# @fuse
from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

_T = TypeVar("_T", bound=Callable[..., Any] | staticmethod[..., Any] | classmethod[Any, ..., Any] | property)

@overload
def fuse(thing: bool = True) -> Callable[[_T], _T]: ...
@overload
def fuse(thing: _T) -> _T: ...
