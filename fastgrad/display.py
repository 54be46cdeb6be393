"""How a Value shows itself in a notebook; a base class of both engines' Value.

Only the way to fastgrad.viz is here, which is imported when a notebook first asks: `import fastgrad` doesn't.
"""


class Display:
    """What a notebook calls. Its answer is made by `fastgrad.viz.mimebundle`."""

    __slots__ = ()

    def _repr_html_(self):
        from fastgrad import viz
        bundle = viz.mimebundle(self)
        return bundle.get("text/html") or bundle.get("image/svg+xml")

    def _repr_mimebundle_(self, include=None, exclude=None):
        from fastgrad import viz
        return viz.mimebundle(self)
