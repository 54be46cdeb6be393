"""Drawings of the graph below a Value: with Graphviz, as SVG and as text with nothing to install, and for notebooks.

    fastgrad.viz.draw_dot(loss)                 # as in Karpathy's lecture; needs `pip install fastgrad[viz]`
    fastgrad.viz.draw_svg(loss, depth=6)        # shows itself in a notebook
    print(fastgrad.viz.draw_text(loss))
    fastgrad.viz.play(loss)                     # forward and backward, step by step; in a notebook, or .save('a.html')

picture.py chooses the items that all of them show. layout.py places them for draw_svg and play, and says why the layout
is our own. plots.py draws losses and gradients.
"""
from collections import Counter
from html import escape

from fastgrad.drawing.picture import FILL, WALK, check_value, explore, make, number, plural, text
from fastgrad.drawing.play import Page, page
from fastgrad.drawing.plots import grad_flow, grad_histogram, need, plot_loss
from fastgrad.drawing.svg import Drawing, draw

__all__ = ["trace", "draw_dot", "draw_svg", "draw_text", "play", "to_networkx", "mimebundle", "plot_loss",
           "grad_histogram", "grad_flow", "Drawing", "Page"]

DIRECTIONS = ("LR", "RL", "TB", "BT")
SHOWN = 40      # a notebook draws a graph of up to so many nodes, and sums up a larger one
DISPLAY = "fastgrad.value.display"     # the module of Value's own _repr_html_ and _repr_mimebundle_


def trace(root):
    """The lecture's: all Values from root down as a set, and the pairs (child, parent) as a set.

    Raises TypeError if root isn't a Value.
    """
    check_value(root)
    nodes, children = explore(root, None)
    return set(nodes), {(child, v) for v in nodes for child in children[id(v)]}


def draw_dot(root, format="svg", rankdir="LR", *, max_nodes=500, depth=None, collapse=False):
    """The graph below root as a `graphviz.Digraph`, as in the lecture: a record per Value, a round node per operation.

    format: what Graphviz makes of it: 'svg', 'png', ... rankdir: where edges lead: 'LR', 'RL', 'TB' or 'BT'.
    max_nodes: how many Values are shown, those nearest to root; None: all. depth: how many levels below root are shown;
    None: all. What's left out is marked. collapse: whether a sum of 3 or more terms becomes one operation, along with
    the products and leaves that are used once and only there; None: if there are more than max_nodes Values.

    Raises ImportError without the package `graphviz` (and rendering needs the program), TypeError if root isn't a
    Value, TypeError or ValueError for wrong options.
    """
    _check_direction(rankdir)
    items = make(root, max_nodes, depth, collapse)
    dot = need("graphviz", "draw_dot").Digraph(format=format, graph_attr={"rankdir": rankdir})
    for i, item in enumerate(items):
        if item.kind == "cut":
            dot.node(f"n{i}", _dot_text(item.label), shape="box", style="dashed")
            continue
        label = f"{{ {_record_text(item.label)} | data {number(item.value.data)} | grad {number(item.value.grad)} }}"
        dot.node(f"n{i}", label, shape="record", fillcolor=FILL[item.kind],
                 style="filled" if item.kind == "leaf" else "filled,rounded")
        if item.op:
            dot.node(f"n{i}op", _dot_text(item.op), style="filled", fillcolor=FILL["run" if item.run else "op"])
            dot.edge(f"n{i}op", f"n{i}")
        for child in item.inputs:
            dot.edge(f"n{child}", f"n{i}op" if item.op else f"n{i}")
    return dot


def draw_text(root, *, max_nodes=500, depth=None, collapse=False):
    """The graph below root as a str for a terminal: a tree, in which a node used twice is shown once and then named.

    max_nodes, depth, collapse: as for draw_dot. Raises TypeError if root isn't a Value, TypeError or ValueError for
    wrong options.
    """
    items = make(root, max_nodes, depth, collapse)
    uses = Counter(child for item in items for child in item.inputs)
    marks, lines = {}, []
    stack = [(0, 0, "", "")]
    while stack:
        i, level, prefix, branch = stack.pop()
        item = items[i]
        if level > 30:      # the indent fills a terminal: from here on a number gives the depth
            prefix, branch = "", f"(level {level}) "
        if item.kind == "cut":
            lines.append(prefix + branch + item.label)
        elif i in marks:
            lines.append(prefix + branch + f"{marks[i]}{' ' + item.label if item.label else ''}, as above")
        else:
            fields = [item.label, f"data {number(item.value.data)}", f"grad {number(item.value.grad)}", item.op]
            if uses[i] > 1:
                marks[i] = f"#{len(marks) + 1}"
            lines.append(prefix + branch + (f"{marks[i]} " if i in marks else "") + " | ".join(filter(None, fields)))
            inner = prefix + {"": "", "├─ ": "│  "}.get(branch, "   ")
            for k, child in reversed(list(enumerate(item.inputs))):
                stack.append((child, level + 1, inner, "└─ " if k == len(item.inputs) - 1 else "├─ "))
    return "\n".join(lines)


def draw_svg(root, rankdir=None, *, max_nodes=100, depth=None, collapse=None):
    """The graph below root as a Drawing, for which nothing has to be installed. It fits its page, down to a size that
    can still be read, then scrolls; the wheel and two fingers zoom.

    rankdir: as for draw_dot; None: 'LR' if that's no wider than a page, or else 'TB'. max_nodes, depth, collapse: as
    for draw_dot. Raises TypeError if root isn't a Value, TypeError or ValueError for wrong options.
    """
    if rankdir is not None:
        _check_direction(rankdir)
    return Drawing(draw(make(root, max_nodes, depth, collapse), rankdir))


def play(root, *, max_nodes=300, depth=None, collapse=None):
    """A Page that steps through the forward and backward of the graph below root: which node, its formula with numbers,
    and what is added to which grad. Buttons, a slider and the arrow keys move it. It needs no network.

    The grads on it start from 0, as after zero_grad(), and end as backward() leaves them. The graph stays as it is, but
    a `_backward` of your own is called once. max_nodes, depth, collapse: as for draw_dot.

    Raises TypeError if root isn't a Value, TypeError or ValueError for wrong options, and what a `_backward` raises.
    """
    return page(root, max_nodes, depth, collapse)


def to_networkx(root):
    """The graph below root as a `networkx.MultiDiGraph`, whose nodes are the Values and whose edges lead to the root.

    Nodes have the attributes data, grad, op and label. The edge from operand k has the key k, so that `a * a` has two,
    and the attribute local_grad, if there is one.

    Raises ImportError without the package `networkx`, TypeError if root isn't a Value.
    """
    check_value(root)
    graph = need("networkx", "to_networkx").MultiDiGraph()
    nodes, children = explore(root, None)
    for v in nodes:
        graph.add_node(v, data=v.data, grad=v.grad, op=v._op, label=getattr(v, "label", ""))
    for v in nodes:
        local_grads = v._local_grads
        for k, child in enumerate(children[id(v)]):
            graph.add_edge(child, v, k, **({"local_grad": local_grads[k]} if k < len(local_grads) else {}))
    return graph


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
        drawing = draw_svg(value)
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


def _check_direction(rankdir):
    if rankdir not in DIRECTIONS:
        raise ValueError(f"rankdir must be one of {', '.join(map(repr, DIRECTIONS))}, not {rankdir!r}")


def _dot_text(x):
    """Text as the label of a Graphviz node. Graphviz would interpret entities and backslashes."""
    x = x.replace("&", "&amp;").replace("\\", "\\\\")
    return x.replace("<", "&lt;").replace(">", "&gt;")      # Graphviz takes a label <...> for HTML


def _record_text(x):
    """Text as a field of a Graphviz record. Braces and bars separate fields there."""
    x = _dot_text(x)
    for c in "{}|":
        x = x.replace(c, "\\" + c)
    return x
