# Checkpoints.
from os import PathLike
from typing import Any

__all__ = ["save", "load"]

def save(path: str | bytes | PathLike[str] | PathLike[bytes], content: Any = None, /, **named: Any) -> None: ...
def load(path: str | bytes | PathLike[str] | PathLike[bytes], /, **targets: Any) -> Any: ...
