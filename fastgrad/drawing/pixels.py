"""A drawing as a figure of matplotlib, which saves it as PNG, PDF or JPEG.

It reads the SVG that svg.py writes, and no other: rectangles, lines, paths of M, L and C, polygons, and centred text.
matplotlib brings the font that the boxes were measured for.
"""
import re
import xml.etree.ElementTree as ElementTree
from importlib import import_module

from fastgrad.drawing.plots import need

POINT = 0.75        # a CSS pixel in points
DOTS = 144          # an inch, of which a CSS pixel gets 1.5
MOST = 60_000       # dots in a direction, of which matplotlib can't draw more than 2 ** 16
SVG = "{http://www.w3.org/2000/svg}"
INHERITED = ("fill", "stroke", "stroke-width", "stroke-dasharray")


def save(svg, path):
    """Write an SVG text to a file of another kind, which its name says. Raises ImportError without matplotlib."""
    page = figure(svg)
    page.savefig(path, dpi=min(DOTS, MOST / max(page.get_size_inches())))


def figure(svg):
    """The Figure of an SVG text. Raises ImportError without matplotlib."""
    matplotlib = need("matplotlib.figure", "draw_svg(...).save")
    patches, lines = import_module("matplotlib.patches"), import_module("matplotlib.path").Path
    root = ElementTree.fromstring(svg)
    width, height = map(float, root.get("viewBox").split()[2:])
    page = matplotlib.Figure(figsize=(width * POINT / 72, height * POINT / 72), facecolor="white")
    axes = page.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")

    def look(style):
        dashes = [float(x) * POINT for x in style.get("stroke-dasharray", "").split()]
        return {"facecolor": style.get("fill", "none"), "edgecolor": style.get("stroke", "none"),
                "linewidth": float(style.get("stroke-width", 1)) * POINT, "linestyle": (0, dashes or None)}

    def add(element, style, order):
        """Draw an element and what's in it. order: how many were drawn before."""
        style = {**style, **{name: element.attrib[name] for name in INHERITED if name in element.attrib}}
        kind, at = element.tag.removeprefix(SVG), element.attrib
        if kind == "rect" and "x" in at:
            x, y, w, h = (float(at[name]) for name in ("x", "y", "width", "height"))
            r = min(float(at["rx"]), w / 2, h / 2)
            axes.add_patch(patches.FancyBboxPatch((x, y), w, h, boxstyle=f"round,pad=0,rounding_size={r}" if r else
                                                  "square,pad=0", zorder=order, **look(style)))
        elif kind == "line":
            axes.plot([float(at["x1"]), float(at["x2"])], [float(at["y1"]), float(at["y2"])], zorder=order,
                      color=style["stroke"], linewidth=POINT)
        elif kind == "polygon":
            points = [tuple(map(float, point.split(","))) for point in at["points"].split()]
            axes.add_patch(patches.Polygon(points, zorder=order, **look({**style, "stroke": "none"})))
        elif kind == "path":
            points, codes, meaning = [], [], {"M": lines.MOVETO, "L": lines.LINETO, "C": lines.CURVE4}
            for letter, rest in re.findall(r"([MLC])([^MLC]*)", at["d"]):
                corners = [tuple(map(float, point.split(","))) for point in rest.split()]
                points += corners
                codes += [meaning[letter]] * len(corners)
            axes.add_patch(patches.PathPatch(lines(points, codes), zorder=order, **look(style)))
        elif kind == "text":
            axes.text(float(at["x"]), float(at["y"]), element.text, ha="center", va="baseline", zorder=order,
                      color=style["fill"], fontsize=13 * POINT, fontfamily=["DejaVu Sans Mono", "monospace"],
                      parse_math=False)
        for child in element:
            order = add(child, style, order + 1)
        return order
    add(root, {}, 0)
    return page
