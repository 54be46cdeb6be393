# How one Value was made, its local derivatives, and the chain-rule sum that gives its grad.
from collections.abc import Callable
from typing import Any

from fastgrad.engine import Value

WIDTH: int
SHOWN: int
LONGEST_FORMULA: int
FORMULAS: dict[str, tuple[str, ...]]
CALLS: dict[str, Callable[..., Any]]

class Explanation(str): ...

def explain(v: Value, root: Value | None = None) -> Explanation: ...

# viz.play asks these too.
def is_close(x: float, y: float) -> bool: ...
def recomputed(v: Value) -> float | None: ...
def formulas_of(v: Value) -> tuple[str, ...]: ...
