# The items of a picture as SVG.
from collections.abc import Sequence
from os import PathLike

from fastgrad.drawing.picture import Item

INK: str
LINE: str
FONT: str
LETTER: float
ROW: float
PAD: float
STEP: float
ARROW: float
MARGIN: float
ASIDE: float

class Drawing:
    def __init__(self, svg: str) -> None: ...
    def _repr_svg_(self) -> str: ...
    def save(self, path: str | PathLike[str]) -> None: ...

def draw(items: Sequence[Item], rankdir: str) -> str: ...
