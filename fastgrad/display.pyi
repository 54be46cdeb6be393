# How a Value shows itself in a notebook, a base class of both engines' Value; and text that may be shown.
from collections.abc import Container

def printable(text: str) -> str: ...

class Display:
    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]: ...
