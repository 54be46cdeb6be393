# Checkpoints.
from os import PathLike
from typing import Any

__all__ = ["save", "load"]

def save(path: str | PathLike[str], content: Any = None, /, **named: Any) -> None: ...
def load(path: str | PathLike[str], /, **targets: Any) -> Any: ...
