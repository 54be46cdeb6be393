from collections.abc import Iterable
from typing import Any

NOT_REAL: frozenset[str]
NO_SLOPE: str
EXACT: int

def is_number(x: object) -> bool: ...
def rounded(x: Any) -> Any: ...
def parse(
    children: Iterable[Any] | None, op_or_local_grads: str | Iterable[Any] | None, named: dict[str, Any]
) -> tuple[Iterable[Any], str, Iterable[Any]]: ...
