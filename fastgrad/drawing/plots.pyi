# Plots of training: losses, and the gradients of parameters. They return matplotlib's Axes: Any, so that checking types
# needs no matplotlib.
from collections.abc import Iterable, Mapping
from os import PathLike
from types import ModuleType
from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeAlias

_Path: TypeAlias = str | PathLike[str]
_Number: TypeAlias = SupportsFloat | SupportsIndex
_Parameters: TypeAlias = Any    # a Value, what has parameters(), or lists and dicts of these, of any depth

CURVES: tuple[str, ...]

def need(package: str, function: str) -> ModuleType: ...
def plot_loss(
    losses: Iterable[_Number] | Mapping[Any, Any],
    *,
    smooth: float = 0.0,
    log: bool | None = None,
    ax: Any = None,
    path: _Path | None = None,
) -> Any: ...
def grad_histogram(
    parameters: _Parameters, *, bins: int = 50, log: bool | None = None, ax: Any = None, path: _Path | None = None
) -> Any: ...
def grad_flow(
    parameters: _Parameters,
    *,
    by: Literal["layer", "name"] = "layer",
    log: bool | None = None,
    ax: Any = None,
    path: _Path | None = None,
) -> Any: ...
