# Context managers as decorators, for functions of every kind.
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., object])

def decorated(function: _F, new_block: Callable[[], AbstractContextManager[Any]]) -> _F: ...
