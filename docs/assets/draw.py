"""Draws the four pictures of "From micrograd to C" into this folder: `python docs/assets/draw.py`.

Each has a background of its own, light or dark as the reader's system is, so that it can be read on any page.
"""
import pathlib
from html import escape

STYLE = """
.paper { fill: #f7faf9 } .box { fill: #ffffff; stroke: #33514c } .edge { fill: #d9efe9; stroke: #33514c }
.number { fill: #fdebcf; stroke: #33514c } .mark { fill: #f6cfc9; stroke: #33514c } .none { fill: none; stroke: none }
text { fill: #15211f; font: 13px sans-serif; text-anchor: middle }
.small { font-size: 11px } .left { text-anchor: start }
.head { font-weight: bold; text-anchor: start } path { stroke: #33514c; fill: none; stroke-width: 1.4 }
@media (prefers-color-scheme: dark) {
.paper { fill: #1b2423 } .box { fill: #26312f; stroke: #9cc4bb } .edge { fill: #1f4a42; stroke: #9cc4bb }
.number { fill: #57431c; stroke: #9cc4bb } .mark { fill: #5c2f29; stroke: #9cc4bb }
text { fill: #e8f1ef } path { stroke: #9cc4bb } }"""


class Picture:
    def __init__(self, title, width, height):
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                      f'height="{height}" role="img"><title>{escape(title)}</title><style>{STYLE}</style>',
                      '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
                      'orient="auto"><path d="M0,0 L8,4 L0,8"/></marker></defs>',
                      f'<rect class="paper" width="{width}" height="{height}" rx="8"/>']

    def text(self, x, y, words, kind=""):
        self.parts.append(f'<text x="{x}" y="{y}" class="{kind}">{escape(words)}</text>')

    def box(self, x, y, width, height, words="", kind="box", below=""):
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" class="{kind}"/>')
        self.text(x + width / 2, y + height / 2 + 4.5, words)
        if below:
            self.text(x + width / 2, y + height + 14, below, "small")

    def arrow(self, *points):
        path = "M" + " L".join(f"{x},{y}" for x, y in points)
        self.parts.append(f'<path d="{path}" marker-end="url(#tip)"/>')

    def save(self, name):
        path = pathlib.Path(__file__).with_name(name)
        path.write_text("\n".join([*self.parts, "</svg>", ""]), encoding="utf-8")


def node():
    p = Picture("A node: eight fields of 8 bytes", 800, 190)
    p.text(16, 26, "a * b: Python's object, and the node's fields", "head")
    p.box(16, 52, 60, 34, "header", "box", "16 bytes")
    p.box(76, 52, 60, 34, "index", "mark", "4, padded")
    p.box(136, 52, 74, 34, "attributes", "box", "8")
    p.arrow((106, 86), (106, 137), (224, 137))
    x = 226
    for words in (("child 0", "child 1"), ("refs", "next"), ("op ...", "mark"), ("data",), ("grad",), ("local 0",),
                  ("local 1",), ("face",)):
        for each in words:
            kind = "number" if each in ("data", "grad", "local 0", "local 1") else "edge"
            p.box(x, 120, 50, 34, each, kind, str(8 // len(words)))
            x += 50
        x += 2
    return p


def slab():
    p = Picture("A slab, and the two orders of allocation", 720, 300)
    p.text(16, 26, "fastgrad's slab, 1,008 nodes: one field of them all, then the next, and so on, eight times", "head")
    for i in range(8):
        p.box(16 + 42 * i, 42, 42, 30, ("0", "1", "2", "3", "...", "", "", "1007")[i], "edge")
        p.box(360 + 42 * i, 42, 42, 30, ("0", "1", "2", "3", "...", "", "", "1007")[i], "number")
    p.arrow((79, 74), (79, 92), (423, 92), (423, 76))
    p.text(250, 108, "the same distance for every node: 8,128 bytes", "small")
    p.text(16, 146, "A list of free slots: the last that died is filled first. For example, in this order:", "head")
    for i, when in enumerate((9, 2, 14, 5, 11, 1, 7, 16, 3, 12, 6, 10, 15, 4, 13, 8)):
        p.box(16 + 43 * i, 158, 43, 30, str(when), "mark")
    p.text(16, 226, "Ascending runs: a slab is filled again, from its first slot on, when all its nodes are dead",
           "head")
    for i in range(16):
        p.box(16 + 43 * i, 238, 43, 30, str(i + 1), "edge")
    p.arrow((20, 284), (700, 284))
    return p


def stack():
    p = Picture("The walk's stack for a * b + c * d", 720, 270)
    p.text(16, 26, "The walk through  s = a * b + p.exp(),  p = c * d", "head")
    p.box(130, 44, 40, 30, "s", "box")
    p.box(70, 110, 56, 30, "a * b", "box")
    p.box(176, 110, 40, 30, "e", "box")
    p.box(176, 170, 40, 30, "p", "box")
    for x, words in ((50, "a"), (100, "b")):
        p.box(x, 170, 34, 30, words, "number")
    for x, words in ((158, "c"), (204, "d")):
        p.box(x, 226, 34, 30, words, "number")
    for line in (((142, 74), (104, 110)), ((158, 74), (194, 110)), ((90, 140), (70, 170)), ((106, 140), (116, 170)),
                 ((196, 140), (196, 170)), ((188, 200), (176, 226)), ((204, 200), (218, 226))):
        p.arrow(*line)
    p.text(300, 62, "stack, top at the right", "small left")
    p.text(530, 62, "list, children first", "small left")
    p.text(16, 244, "@0: the first child", "small left")
    p.text(16, 258, "is next", "small left")
    rows = [(["s @0"], []), (["s @1", "a*b @0"], []), (["s @1"], ["a*b"]), (["s end", "e @0"], ["a*b"]),
            (["s end", "e end", "p @0"], ["a*b"]), (["s end"], ["a*b", "p", "e"]), ([], ["a*b", "p", "e", "s"])]
    for i, (entries, listed) in enumerate(rows):
        y = 72 + 27 * i
        for j, words in enumerate(entries):
            p.box(300 + 70 * j, y, 68, 23, words, "edge")
        for j, words in enumerate(listed):
            p.box(530 + 44 * j, y, 42, 23, words, "mark")
    return p


def events():
    p = Picture("Events of a fused sum", 720, 320)
    p.text(16, 26, "The list of the scalar walk: a layer's first row meets the inputs, the second has met them", "head")
    first = ["x0", "P0", "A0", "x1", "P1", "A1", "x2", "P2", "A2"]
    second = ["Q0", "B0", "Q1", "B1", "Q2", "B2"]
    for i, words in enumerate(first):
        p.box(16 + 44 * i, 42, 42, 28, words, "number" if words[0] == "x" else "edge")
    for i, words in enumerate(second):
        p.box(430 + 44 * i, 42, 42, 28, words, "mark")
    p.text(16, 107, "Fused:", "head")
    p.text(180, 175, "an entry of the list for each event", "small left")
    for i in range(3):
        p.box(16 + 132 * i, 128, 42, 28, f"x{i}", "number")
        p.box(60 + 132 * i, 128, 86, 28, f"A: {i} to {i + 1}", "edge")
        p.arrow((103 + 132 * i, 74), (103 + 132 * i, 124))
    p.box(430, 128, 262, 28, "B: 0 to 3", "mark")
    p.arrow((560, 74), (560, 124))
    p.text(16, 200, "What the sums keep: columns, of which A and B share one", "head")
    for i in range(3):
        p.box(16 + 62 * i, 214, 60, 28, f"w0{i}", "edge")
        p.box(260 + 62 * i, 214, 60, 28, f"x{i}", "number")
        p.box(504 + 62 * i, 214, 60, 28, f"w1{i}", "mark")
    p.box(150, 276, 60, 28, "A", "edge")
    p.box(490, 276, 60, 28, "B", "mark")
    for start, end in ((170, 110), (190, 310), (510, 390), (530, 590)):
        p.arrow((start, 276), (end, 246))
    return p


if __name__ == "__main__":
    for picture in (node, slab, stack, events):
        picture().save(f"{picture.__name__}.svg")
