"""The items of a picture as SVG: boxes of the size of their text, placed by layout.py, and curves between them.

The text is self-contained: no style sheet and no ids, which in a notebook would get mixed up with those of other
pictures; and a white page, so that it can be read on a dark one. Letters are of a typewriter's font, so that their
widths are known. It's as wide as its container, but never smaller than can be read, and zoom.js is in it. What is drawn
says in data attributes which item it's of, for play.js.

In a notebook it's an image first, and a script puts the picture itself in its place. Where no script runs, as in a
notebook from elsewhere that its reader hasn't called trusted, the image stays; of the picture only words would.
"""
import os
import re
import unicodedata
from base64 import b64encode
from html import escape
from importlib import resources

from fastgrad.drawing.layout import layered
from fastgrad.drawing.picture import FILL, number, plural
from fastgrad.value.public import public

INK, LINE = "#111111", "#444444"
FONT = "font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13\""
LETTER, ROW, PAD = 7.9, 28.0, 8.0       # the width of a letter, the height of a field, the room beside its text
STEP, ARROW, MARGIN = 26.0, 8.0, 16.0   # between operation and Value; an arrowhead; the margin
ASIDE = 12.0                            # the distance of edges with the same ends, below MARGIN
PAGE = 1000.0                           # the width of a page; what's wider is drawn downwards
LEAST = 0.75                            # of its size: what a narrow page may make of it
# Puts the picture itself in the place of the image before. A script runs only if it's new in the page, not as a text's.
# Jupyter runs this one where it is, and VS Code after all the rest.
UNFOLD = """(function (here) {
  var before = here ? here.previousElementSibling : null;
  var image = before ? (before.matches("img") ? before : before.querySelector("img")) : null;
  if (!image) { return; }
  var box = document.createElement("div"), script = document.createElement("script");
  var bytes = Uint8Array.from(atob(image.src.split(",")[1]), function (c) { return c.charCodeAt(0); });
  box.innerHTML = new TextDecoder().decode(bytes);
  var old = box.querySelector("script");
  script.textContent = old.textContent;
  old.replaceWith(script);
  image.replaceWith(box.firstChild);
})(document.currentScript);"""


@public
class Drawing:
    """A picture as SVG: shows itself in a notebook, and str() gives its text."""

    def __init__(self, svg):
        self._svg = svg

    def __str__(self):
        return self._svg

    def __repr__(self):
        return "<fastgrad.viz.Drawing: shows itself in a notebook; .save('graph.svg') or .save('graph.png') writes it>"

    def _repr_svg_(self):
        return self._svg

    def _repr_html_(self):
        return f'<div style="overflow:auto;max-height:800px">{still(self._svg)}<script>{UNFOLD}</script></div>'

    def save(self, path):
        """Write it to a file: SVG, or by matplotlib PNG, PDF or JPEG, as the name's ending says.

        Raises ValueError for another ending, ImportError without matplotlib if the ending isn't .svg.
        """
        ending = os.path.splitext(os.fsdecode(path))[1].lower()
        if ending in ("", ".svg"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(self._svg)
        elif ending in (".png", ".pdf", ".jpg", ".jpeg"):
            from fastgrad.drawing import pixels
            pixels.save(self._svg, os.fsdecode(path))
        else:
            raise ValueError(f"a drawing's file is .svg, .png, .pdf or .jpg, not {ending}; "
                             "draw_dot(v, format=...).render() makes other pictures, by Graphviz")


class _Box:
    """What's drawn of an item or of its operation: fields beside each other or, stacked, below each other."""

    def __init__(self, item, kind, fields, stacked=False, title=""):
        self.item, self.kind, self.fields, self.title = item, kind, fields, title
        widths = [LETTER * length(field) + 2 * PAD for field in fields]
        if stacked:
            self.cells = [(max(widths), ROW * 0.85)] * len(fields)
            self.size = max(widths), ROW * 0.85 * len(fields)
        else:
            self.cells = [(width, ROW) for width in widths]
            self.size = sum(widths), ROW
        if kind in ("op", "run"):
            self.size = max(self.size[0], ROW + 4), ROW + 4
            self.cells = [self.size]
        self.stacked = stacked

    def draw(self, x, y):
        """SVG of this box with its centre at (x, y)."""
        width, height = self.size
        left, top = x - width / 2, y - height / 2
        radius = {"op": height / 2, "run": height / 2, "result": 8}.get(self.kind, 0)
        border = {"leaf": 'stroke-width="2"', "cut": 'stroke-dasharray="5 4"'}.get(self.kind, "")
        out = [f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:g}" '
               f'fill="{FILL[self.kind]}" stroke="{LINE}" {border}/>']
        for i, (field, (w, h)) in enumerate(zip(self.fields, self.cells)):
            if i:
                end = f'x2="{left + w:.1f}" y2="{top:.1f}"' if self.stacked else f'x2="{left:.1f}" y2="{top + h:.1f}"'
                out.append(f'<line x1="{left:.1f}" y1="{top:.1f}" {end} stroke="{LINE}"/>')
            out.append(f'<text x="{left + w / 2:.1f}" y="{top + h / 2 + 4.5:.1f}">{escape(field)}</text>')
            left, top = (left, top + h) if self.stacked else (left + w, top)
        title = f"<title>{escape(self.title)}</title>" if self.title else ""
        return f'<g data-{self.kind}="{self.item}">{title}{"".join(out)}</g>'


def still(svg):
    """A picture as an HTML image, which a page shows that runs no script: a notebook that its reader doesn't trust."""
    style = re.search(' style="[^"]*"', svg)[0]
    return f'<img src="data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}" alt="A graph"{style}>'


def length(text):
    """The width of a text in columns of a terminal: a Chinese letter takes two, an accent none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fields_of(item):
    """The texts in an item's box."""
    if item.kind == "cut":
        return [item.label]
    return [*filter(None, [item.label]), f"data {number(item.value.data)}", f"grad {number(item.value.grad)}"]


def draw(items, rankdir=None):
    """SVG of the items of a picture.

    rankdir: where edges lead, 'LR', 'RL', 'TB' or 'BT'; None: from left to right, as in the lecture, if that's no wider
    than a page, or else downwards, if that's narrower.
    """
    return narrow(items, ("LR", "TB") if rankdir is None else (rankdir,), list(map(fields_of, items)))


def narrow(items, directions, fields):
    """SVG in the first of the directions in which it's no wider than a page, or else in the one where it's narrowest.

    fields: the texts in each item's box.
    """
    narrowest = None
    for rankdir in directions:
        arranged = _Arranged(items, rankdir, fields)
        if narrowest is None or arranged.page[0] < narrowest.page[0]:
            narrowest = arranged
        if arranged.page[0] <= PAGE:
            break
    return narrowest.svg()


class _Arranged:
    """Boxes for items, and where they stand when edges lead in one direction. page: (width, height) of it all."""

    def __init__(self, items, rankdir, fields):
        self.items, self.rankdir, self.upright = items, rankdir, rankdir in ("TB", "BT")
        self.boxes, self.ops, self.sizes = [], [], []   # of each item; the size of both together, along and across
        for i, (item, texts) in enumerate(zip(items, fields)):
            self.boxes.append(_Box(i, item.kind, texts, self.upright and item.kind != "cut",
                                   "" if item.kind == "cut" else repr(item.value)))
            self.ops.append(_Box(i, "run" if item.run else "op", [item.op]) if item.op else None)
            sides = [box.size[::-1] if self.upright else box.size for box in (self.boxes[-1], self.ops[-1]) if box]
            length = sum(along for along, _ in sides) + STEP * (len(sides) - 1)
            self.sizes.append((length, max(across for _, across in sides)))
        self.edges = [(child, i) for i, item in enumerate(items) for child in item.inputs]
        self.centres, self.ways, self.size = layered(self.sizes, self.edges, *[PAGE] * self.upright)
        self.page = [side + 2 * MARGIN for side in (self.size[::-1] if self.upright else self.size)]

    def turned(self, point):
        """A point of the layout, which goes from left to right, on the page."""
        x, y = point
        if self.rankdir in ("RL", "BT"):
            x = self.size[0] - x
        x, y = (y, x) if self.upright else (x, y)
        return x + MARGIN, y + MARGIN

    def svg(self):
        width, height = self.page
        values = sum(item.kind != "cut" for item in self.items)
        out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
               f'viewBox="0 0 {width:.1f} {height:.1f}" role="img" aria-label="Graph of {plural(values, "Value")}" '
               f'tabindex="-1" style="max-width:100%;min-width:{LEAST * width:.0f}px;height:auto;outline:none">',
               f'<rect width="100%" height="100%" fill="{FILL["cut"]}"/>', f'<g fill="none" stroke="{LINE}">']
        copies = {}
        for edge, way in zip(self.edges, self.ways):
            copies.setdefault(edge, []).append(way)
        for (child, parent), same in copies.items():
            for k, way in enumerate(same):
                aside = ASIDE * (2 * k / (len(same) - 1) - 1) if len(same) > 1 else 0.0
                out.append(_curve(way, aside, self.turned, f"{child}-{parent}"))
        places, tips = [], [(same[0][-1], f"{child}-{parent}") for (child, parent), same in copies.items()]
        for i, (box, op, (x, y), (length, _)) in enumerate(zip(self.boxes, self.ops, self.centres, self.sizes)):
            if op:      # it's at the start of its place; a straight edge leads to the Value at the end
                along, op_along = (b.size[self.upright] for b in (box, op))
                start, end = x - length / 2 + op_along, x + length / 2 - along
                places.append((op, (start - op_along / 2, y)))
                out.append(_curve([(start, y), (end, y)], 0.0, self.turned, str(i)))
                tips.append(((end, y), str(i)))
                x = end + along / 2
            places.append((box, (x, y)))
        out.append(f'</g><g fill="{LINE}">')
        out += [_arrow(tip, self.turned, edge) for tip, edge in tips]
        out.append(f'</g><g {FONT} fill="{INK}" text-anchor="middle">')
        out += [box.draw(*self.turned(place)) for box, place in places]
        script = resources.files("fastgrad.drawing").joinpath("zoom.js").read_text(encoding="utf-8")
        script = script[script.index("(function"):].rstrip()       # without its first comment
        return "\n".join([*out, f"</g><script>{script}</script></svg>"])


def _curve(way, bulge, turned, edge):
    """A path along the points of an edge. bulge: how far the last curve goes aside, where edges have the same ends.
    edge: what it's called."""
    end, y = way[-1][0] - ARROW, way[-1][1]
    way = [*way[:-2], (min(way[-2][0], end), way[-2][1]), (end, y)]
    at = ["{:.1f},{:.1f}".format(*turned(point)) for point in way]
    path = f"M{at[0]}"
    for i in range(1, len(way)):
        if i % 2:
            path += f" L{at[i]}"
        else:
            (x0, y0), (x1, y1) = way[i - 1], way[i]
            aside = bulge if i == len(way) - 2 else 0.0
            controls = [turned(((x0 + x1) / 2, y + aside)) for y in (y0, y1)]
            path += " C" + " ".join(f"{x:.1f},{y:.1f}" for x, y in controls) + f" {at[i]}"
    return f'<path d="{path}" data-edge="{edge}"/>'


def _arrow(tip, turned, edge):
    x, y = tip
    corners = [turned(corner) for corner in ((x, y), (x - ARROW, y - 4), (x - ARROW, y + 4))]
    points = " ".join("{:.1f},{:.1f}".format(*corner) for corner in corners)
    return f'<polygon points="{points}" data-edge="{edge}"/>'
