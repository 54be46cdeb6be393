"""Drawings of the graph below a Value: with Graphviz, as SVG and as text with nothing to install, and for notebooks.

    fastgrad.viz.draw_dot(loss)                 # as in Karpathy's lecture; needs `pip install fastgrad[viz]`
    fastgrad.viz.draw_svg(loss, depth=6)        # shows itself in a notebook
    print(fastgrad.viz.draw_text(loss))
    fastgrad.viz.play(loss)                     # forward and backward, step by step; in a notebook, or .save('a.html')

They are made of what is in fastgrad/drawing. picture.py chooses the items that all of them show. layout.py places them
for draw_svg and play, and says why the layout is our own. plots.py draws losses and gradients.
"""
from collections import Counter

from fastgrad.drawing.cell import mimebundle
from fastgrad.drawing.picture import FILL, check_value, explore, make, number
from fastgrad.drawing.play import Page, page
from fastgrad.drawing.plots import grad_flow, grad_histogram, need, plot_loss
from fastgrad.drawing.svg import Drawing, draw
from fastgrad.value.public import public

__all__ = ["trace", "draw_dot", "draw_svg", "draw_text", "play", "to_networkx", "mimebundle", "plot_loss",
           "grad_histogram", "grad_flow", "Drawing", "Page"]

DIRECTIONS = ("LR", "RL", "TB", "BT")


@public
def trace(root):
    """The lecture's: all Values from root down as a set, and the pairs (child, parent) as a set.

    Raises TypeError if root isn't a Value.
    """
    check_value(root)
    nodes, children = explore(root, None)
    return set(nodes), {(child, v) for v in nodes for child in children[id(v)]}


@public
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


@public
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


@public
def draw_svg(root, rankdir=None, *, max_nodes=100, depth=None, collapse=None):
    """The graph below root as a Drawing, for which nothing has to be installed. It fits its page, down to a size that
    can still be read, then scrolls; the wheel and two fingers zoom.

    rankdir: as for draw_dot; None: 'LR' if that's no wider than a page, or else 'TB'. max_nodes, depth, collapse: as
    for draw_dot. Raises TypeError if root isn't a Value, TypeError or ValueError for wrong options.
    """
    if rankdir is not None:
        _check_direction(rankdir)
    return Drawing(draw(make(root, max_nodes, depth, collapse), rankdir))


@public
def play(root, *, max_nodes=300, depth=None, collapse=None):
    """A Page that steps through the forward and backward of the graph below root: which node, its formula with numbers,
    and what is added to which grad. Buttons, a slider and the arrow keys move it. It needs no network.

    The grads on it start from 0, as after zero_grad(), and end as backward() leaves them. The graph stays as it is, but
    a `_backward` of your own is called once. max_nodes, depth, collapse: as for draw_dot.

    Raises TypeError if root isn't a Value, TypeError or ValueError for wrong options, and what a `_backward` raises.
    """
    return page(root, max_nodes, depth, collapse)


@public
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
