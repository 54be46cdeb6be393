# What a drawing shows: a root and the options become a list of items.
from typing import Literal

from fastgrad.engine import Value

WALK: int
TERMS: int
FILL: dict[str, str]

class Item:
    kind: Literal["leaf", "result", "cut"]
    label: str
    op: str
    inputs: list[int]
    run: bool
    value: Value | None
    def __init__(
        self, kind: Literal["leaf", "result", "cut"], label: str, op: str = "", run: bool = False,
        value: Value | None = None
    ) -> None: ...

def check_value(root: object) -> None: ...
def check_count(name: str, n: int | None, least: int) -> int | None: ...
def text(x: object, longest: int = 32) -> str: ...
def number(x: float) -> str: ...
def plural(n: int, noun: str, nouns: str | None = None) -> str: ...
def explore(root: Value, limit: int | None) -> tuple[list[Value], dict[int, tuple[Value, ...]]]: ...
def make(root: Value, max_nodes: int | None, depth: int | None, collapse: bool | None) -> list[Item]: ...
