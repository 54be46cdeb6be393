# Loops over Values that C runs.
from types import CodeType
from typing import Any

from fastgrad.engine import Loop

__all__ = ["compile_source", "loops"]

def compile_source(source: Any, filename: str, mode: str = "exec", flags: int = 0, dont_inherit: bool = True,
                   optimize: int = -1, bound: Any = ()) -> CodeType: ...
def loops(code: Any) -> list[Loop]: ...
