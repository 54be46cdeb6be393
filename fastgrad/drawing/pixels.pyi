# A drawing as a matplotlib.figure.Figure: Any, so that checking types needs no matplotlib.
from os import PathLike
from typing import Any

POINT: float
DOTS: float
MOST: float
SVG: str
INHERITED: tuple[str, ...]

def save(svg: str, path: str | PathLike[str]) -> None: ...
def figure(svg: str) -> Any: ...
