# A page that steps through a graph's forward and backward.
from os import PathLike
from typing import Any

from fastgrad.engine import Value

MANY: int
UNKNOWN: str
UNTRUSTED: str

class Page:
    steps: list[dict[str, Any]]
    def __init__(self, html: str, steps: list[dict[str, Any]], picture: str) -> None: ...
    def _repr_html_(self) -> str: ...
    def save(self, path: str | bytes | PathLike[str]) -> None: ...

def page(root: Value, max_nodes: int | None, depth: int | None, collapse: bool | None) -> Page: ...
