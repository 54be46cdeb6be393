# How a Value shows itself in a notebook: a base class of both engines' Value.
from collections.abc import Container

from fastgrad.value.base import AnyValue

class Display(AnyValue):
    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]: ...
