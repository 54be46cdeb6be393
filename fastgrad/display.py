"""How a Value shows itself in a notebook, a base class of both engines' Value; and text that may be shown.

Only the way to fastgrad.viz is here, which is imported when a notebook first asks: `import fastgrad` doesn't.
"""


def printable(text):
    """A text in one line: what can't be printed, such as an escape code, as Python writes it in a string."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


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
