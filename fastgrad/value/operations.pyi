# The table of operations, one entry each.
from collections.abc import Callable
from typing import Any

__all__ = ["FUNCTIONS", "OPERATIONS", "Operation"]

class Operation:
    method: str
    formula: str
    derivatives: tuple[str, ...]
    as_graph: tuple[str, ...]
    shown: str
    symbol: str
    raises: dict[str, str]
    samples: tuple[float, ...] | tuple[tuple[float, float], ...]
    awkward: tuple[float, ...]
    powers: tuple[tuple[str, str], ...]
    n_operands: int
    call: Callable[..., Any]
    def __init__(
        self,
        method: str,
        formula: str,
        *derivatives: str,
        as_graph: tuple[str, ...] | None = None,
        shown: str | None = None,
        symbol: str | None = None,
        raises: dict[str, str] | None = None,
        samples: tuple[float, ...] | tuple[tuple[float, float], ...] = (0.7, -1.3, 2.5),
        awkward: tuple[float, ...] = (),
        powers: tuple[tuple[str, str], ...] = (),
    ) -> None: ...
    @property
    def reflected(self) -> str | None: ...

CONSTANT: tuple[str, ...]
PAIR: dict[str, Any]
OPERATORS: tuple[Operation, ...]
FUNCTIONS: tuple[Operation, ...]
OPERATIONS: tuple[Operation, ...]
