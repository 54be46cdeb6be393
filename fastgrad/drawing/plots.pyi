# Plots of training: losses, and the gradients of parameters. They return matplotlib's Axes: Any, so that checking types
# needs no matplotlib.
from collections.abc import Iterable
from os import PathLike
from types import ModuleType
from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

_Path: TypeAlias = str | PathLike[str]
_Parameters: TypeAlias = Any    # a Value, what has parameters(), or lists and dicts of these, of any depth

def need(package: str, function: str) -> ModuleType: ...
def plot_loss(
    losses: Iterable[SupportsFloat | SupportsIndex],
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
    parameters: _Parameters, *, log: bool | None = None, ax: Any = None, path: _Path | None = None
) -> Any: ...
