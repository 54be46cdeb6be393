# Where the boxes of a drawing go: a layered layout of a graph without cycles.
from collections.abc import Sequence
from typing import TypeAlias

_Point: TypeAlias = tuple[float, float]

BOX_GAP: float
EDGE_GAP: float
COLUMN_GAP: float
WIDEST_GAP: float
SWEEPS: int

def layered(
    sizes: Sequence[_Point], edges: Sequence[tuple[int, int]], breadth: float = ...
) -> tuple[list[_Point], list[list[_Point]], _Point]: ...
