"""The items of a picture as SVG: boxes of the size of their text, placed by layout.py, and curves between them.

The text is self-contained: no styles and no ids, which in a notebook would get mixed up with those of other pictures;
and a white page, so that it can be read on a dark one. Letters are of a typewriter's font, so that their widths are
known.
"""
import os
import unicodedata
from html import escape

from fastgrad.drawing.layout import layered
from fastgrad.drawing.picture import FILL, number

INK, LINE = "#111111", "#444444"
FONT = "font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13\""
LETTER, ROW, PAD = 7.9, 28.0, 8.0       # the width of a letter, the height of a field, the room beside its text
STEP, ARROW, MARGIN = 26.0, 8.0, 16.0   # between operation and Value; an arrowhead; the margin
ASIDE = 12.0                            # the distance of edges with the same ends, below MARGIN


class Drawing:
    """A picture as SVG: shows itself in a notebook, and str() gives its text."""

    def __init__(self, svg):
        self._svg = svg

    def __str__(self):
        return self._svg

    def _repr_svg_(self):
        return self._svg

    def save(self, path):
        """Write it to a file. Raises ValueError if the name has an ending other than .svg."""
        ending = os.path.splitext(os.fsdecode(path))[1]
        if ending.lower() not in ("", ".svg"):
            raise ValueError(f"a drawing is saved as SVG, so the file's name ends in .svg, not {ending}; "
                             "draw_dot(v, format='png').render() makes other pictures, by Graphviz")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._svg)


class _Box:
    """What's drawn of an item or of its operation: fields beside each other or, stacked, below each other."""

    def __init__(self, kind, fields, stacked=False, title=""):
        self.kind, self.fields, self.title = kind, fields, title
        widths = [LETTER * _length(field) + 2 * PAD for field in fields]
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
        return f"<g>{title}{''.join(out)}</g>"


def _length(text):
    """The width of a text in columns of a terminal: a Chinese letter takes two, an accent none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def draw(items, rankdir):
    """SVG of the items of a picture. rankdir: where edges lead, 'LR', 'RL', 'TB' or 'BT'."""
    upright = rankdir in ("TB", "BT")
    boxes, ops, sizes = [], [], []      # of each item; the size of both together, along the edges and across
    for item in items:
        if item.kind == "cut":
            boxes.append(_Box("cut", [item.label]))
        else:
            v = item.value
            fields = [*filter(None, [item.label]), f"data {number(v.data)}", f"grad {number(v.grad)}"]
            boxes.append(_Box(item.kind, fields, upright, repr(v)))
        ops.append(_Box("run" if item.run else "op", [item.op]) if item.op else None)
        sides = [box.size[::-1] if upright else box.size for box in (boxes[-1], ops[-1]) if box]
        sizes.append((sum(along for along, _ in sides) + STEP * (len(sides) - 1), max(across for _, across in sides)))
    edges = [(child, i) for i, item in enumerate(items) for child in item.inputs]
    centres, ways, size = layered(sizes, edges)

    def turned(point):
        x, y = point
        if rankdir in ("RL", "BT"):
            x = size[0] - x
        x, y = (y, x) if upright else (x, y)
        return x + MARGIN, y + MARGIN

    width, height = (side + 2 * MARGIN for side in (size[::-1] if upright else size))
    values = sum(item.kind != "cut" for item in items)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
           f'viewBox="0 0 {width:.1f} {height:.1f}" role="img" aria-label="Graph of {values} Values">',
           f'<rect width="100%" height="100%" fill="{FILL["cut"]}"/>', f'<g fill="none" stroke="{LINE}">']
    copies = {}
    for edge, way in zip(edges, ways):
        copies.setdefault(edge, []).append(way)
    for same in copies.values():
        for k, way in enumerate(same):
            aside = ASIDE * (2 * k / (len(same) - 1) - 1) if len(same) > 1 else 0.0
            out.append(_curve(way, aside, turned))
    places, tips = [], [same[0][-1] for same in copies.values()]
    for box, op, (x, y), (length, _) in zip(boxes, ops, centres, sizes):
        if op:      # it's at the start of its place; a straight edge leads to the Value at the end
            along, op_along = (b.size[upright] for b in (box, op))
            start, end = x - length / 2 + op_along, x + length / 2 - along
            places.append((op, (start - op_along / 2, y)))
            out.append(_curve([(start, y), (end, y)], 0.0, turned))
            tips.append((end, y))
            x = end + along / 2
        places.append((box, (x, y)))
    out.append(f'</g><g fill="{LINE}">')
    out += [_arrow(tip, turned) for tip in tips]
    out.append(f'</g><g {FONT} fill="{INK}" text-anchor="middle">')
    out += [box.draw(*turned(place)) for box, place in places]
    return "\n".join([*out, "</g></svg>"])


def _curve(way, bulge, turned):
    """A path along the points of an edge. bulge: how far the last curve goes aside, where edges have the same ends."""
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
    return f'<path d="{path}"/>'


def _arrow(tip, turned):
    x, y = tip
    corners = [turned(corner) for corner in ((x, y), (x - ARROW, y - 4), (x - ARROW, y + 4))]
    return '<polygon points="' + " ".join("{:.1f},{:.1f}".format(*corner) for corner in corners) + '"/>'
