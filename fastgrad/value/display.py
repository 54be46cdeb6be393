"""How a Value shows itself in a notebook: a base class of both engines' Value.

It imports what draws when a notebook first asks, so that `import fastgrad` doesn't.
"""
from fastgrad.value.base import AnyValue


class Display(AnyValue):
    """What a notebook calls. `fastgrad.viz.mimebundle` is the answer."""

    __slots__ = ()

    def _repr_html_(self):
        from fastgrad.drawing.cell import mimebundle
        bundle = mimebundle(self)
        return bundle.get("text/html") or bundle.get("image/svg+xml")

    def _repr_mimebundle_(self, include=None, exclude=None):
        from fastgrad.drawing.cell import mimebundle
        return mimebundle(self)
