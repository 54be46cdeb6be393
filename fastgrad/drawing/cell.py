"""What a notebook shows of a Value that a cell ends with: a picture if its graph is small, and a summary if not."""
from collections import Counter
from html import escape

from fastgrad.drawing.picture import WALK, check_value, explore, make, plural, text
from fastgrad.drawing.svg import Drawing, draw
from fastgrad.value.public import public

SHOWN = 40      # a notebook draws a graph of up to so many nodes, and sums up a larger one
DISPLAY = "fastgrad.value.display"     # the module of Value's own _repr_html_ and _repr_mimebundle_


@public
def mimebundle(value):
    """What a notebook shows of a Value, by MIME type: a picture of a small graph, a summary of a large one.

    A subclass with a `_repr_html_`, `_repr_svg_` or the like of its own gets {}: the notebook then calls that.
    Raises TypeError if value isn't a Value.
    """
    check_value(value)
    cls = type(value)
    if any(name.startswith("_repr_") and getattr(getattr(cls, name), "__module__", None) != DISPLAY
           for name in dir(cls)):
        return {}
    nodes, children = explore(value, WALK)
    if len(nodes) <= SHOWN and sum(map(len, children.values())) <= 4 * SHOWN:
        drawing = Drawing(draw(make(value, None, None, False)))
        return {"text/plain": repr(value), "text/html": drawing._repr_html_(), "image/svg+xml": str(drawing)}
    return {"text/plain": repr(value), "text/html": _summary(value, nodes, children)}


def _summary(value, nodes, children):
    """The size of the graph and its operations as HTML, in the page's colours."""
    known = [v for v in nodes if id(v) in children]
    leaves = plural(sum(not children[id(v)] for v in known), "leaf", "leaves")
    ops = Counter(text(v._op) or "no name" for v in known if children[id(v)])
    if len(nodes) > WALK:
        size = f"more than {plural(WALK, 'node')}; of the {len(known):,} nearest, {leaves}"
    else:
        size = f"{plural(len(nodes), 'node')}, {leaves}, depth {_depth(nodes, children):,}"
    rows = "".join(f"<tr><th>{escape(op)}</th><td>{count:,}</td></tr>" for op, count in ops.most_common(20))
    rest = "<tr><th>others</th><td>{:,}</td></tr>".format(sum(ops.values()) - sum(n for _, n in ops.most_common(20)))
    return (f"<div><code>{escape(repr(value))}</code><p>A graph of {size}. "
            f"<code>fastgrad.viz.draw_svg(v, depth=6)</code> shows the part that is nearest.</p>"
            f"<table>{rows}{rest if len(ops) > 20 else ''}</table></div>")


def _depth(nodes, children):
    """The length of the longest path from the root, which is the first node, to a leaf."""
    waiting = Counter(id(child) for operands in children.values() for child in operands)
    depth, ready = {id(nodes[0]): 0}, nodes[:1]
    for v in ready:     # a node comes after all nodes that use it, and the deepest comes last
        for child in children[id(v)]:
            waiting[id(child)] -= 1
            if not waiting[id(child)]:
                depth[id(child)] = depth[id(v)] + 1
                ready.append(child)
    return depth[id(ready[-1])]
