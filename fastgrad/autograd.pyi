# Derivatives that are returned instead of left in `.grad`, of any order.
from collections.abc import Callable, Iterable
from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeAlias, overload

from fastgrad.engine import Value

__all__ = ["grad", "hessian", "hvp", "jacobian", "value_and_grad"]

_Number: TypeAlias = SupportsFloat | SupportsIndex
_Numbers: TypeAlias = _Number | Iterable[_Number]
_Values: TypeAlias = Value | Iterable[Value]
_Seeds: TypeAlias = _Number | Iterable[_Number | None] | None

@overload
def grad(
    outputs: _Values,
    inputs: _Values,
    grad_outputs: _Seeds = None,
    create_graph: Literal[False] = False,
    allow_unused: Literal[False] = False,
) -> tuple[float, ...]: ...
@overload
def grad(
    outputs: _Values,
    inputs: _Values,
    grad_outputs: _Seeds = None,
    *,
    create_graph: Literal[True],
    allow_unused: Literal[False] = False,
) -> tuple[Value, ...]: ...
@overload
def grad(
    outputs: _Values,
    inputs: _Values,
    grad_outputs: _Seeds = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]: ...
def jacobian(f: Callable[..., Any], inputs: _Numbers, create_graph: bool = False) -> list[Any]: ...
@overload
def hessian(f: Callable[..., Value], inputs: _Numbers, create_graph: Literal[False] = False) -> list[list[float]]: ...
@overload
def hessian(f: Callable[..., Value], inputs: _Numbers, create_graph: Literal[True]) -> list[list[Value]]: ...
@overload
def hessian(
    f: Callable[..., Value], inputs: _Numbers, create_graph: bool
) -> list[list[float]] | list[list[Value]]: ...
@overload
def hvp(
    f: Callable[..., Value], inputs: _Numbers, v: _Numbers, create_graph: Literal[False] = False
) -> list[float]: ...
@overload
def hvp(f: Callable[..., Value], inputs: _Numbers, v: _Numbers, create_graph: Literal[True]) -> list[Value]: ...
@overload
def hvp(
    f: Callable[..., Value], inputs: _Numbers, v: _Numbers, create_graph: bool
) -> list[float] | list[Value]: ...
@overload
def value_and_grad(
    f: Callable[..., Value], create_graph: Literal[False] = False
) -> Callable[..., tuple[float, list[float]]]: ...
@overload
def value_and_grad(
    f: Callable[..., Value], create_graph: Literal[True]
) -> Callable[..., tuple[Value, list[Value]]]: ...
@overload
def value_and_grad(
    f: Callable[..., Value], create_graph: bool
) -> Callable[..., tuple[float, list[float]]] | Callable[..., tuple[Value, list[Value]]]: ...
