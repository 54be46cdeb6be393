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
PAGE: float
LEAST: float
UNFOLD: str

class Drawing:
    def __init__(self, svg: str) -> None: ...
    def _repr_svg_(self) -> str: ...
    def _repr_html_(self) -> str: ...
    def save(self, path: str | bytes | PathLike[str]) -> None: ...

def still(svg: str) -> str: ...
def length(text: str) -> int: ...
def fields_of(item: Item) -> list[str]: ...
def draw(items: Sequence[Item], rankdir: str | None = None) -> str: ...
def narrow(items: Sequence[Item], directions: Sequence[str], fields: Sequence[Sequence[str]]) -> str: ...
