"""Chooses what a drawing shows: turns a root and the options into a list of items, which fastgrad.viz draws.

Graphs can have millions of nodes and any depth. So nothing here recurses, what is shown is chosen breadth first from
the root, and what isn't shown is counted up to a limit only. Nodes are told apart by id(), since a subclass may define
an equality of its own.
"""
import operator
from collections import Counter

from fastgrad.value.base import AnyValue, printable

WALK = 100_000      # the most nodes that are visited beyond those that are shown
TERMS = 3           # the fewest terms of a run

# Light colours, for dark text. Leaves, results, operations and cuts also differ in shape.
FILL = {"leaf": "#ffe9a8", "result": "#d6e8ff", "op": "#ececec", "run": "#d5f2d5", "cut": "#ffffff"}


class Item:
    """A Value with the operation that made it, or a mark where the picture is cut.

    kind: 'leaf', 'result' or 'cut'. inputs: indices of items, in operand order, duplicates kept. run: whether op tells
    of several operations at once. value: the Value; None for a cut, whose text is its label.
    """

    __slots__ = ("kind", "label", "op", "inputs", "run", "value")

    def __init__(self, kind, label, op="", run=False, value=None):
        self.kind, self.label, self.op, self.run, self.value = kind, label, op, run, value
        self.inputs = []


def check_value(root):
    """Raise TypeError unless root is a Value, of either engine."""
    if not isinstance(root, AnyValue):
        raise TypeError(f"root must be a Value, not {type(root).__name__!r}")


def check_count(name, n, least):
    """n as an int of at least `least`, or None for no limit; raises TypeError and ValueError."""
    if n is None:
        return None
    if type(n).__name__ in ("bool", "bool_") or not hasattr(type(n), "__index__"):
        raise TypeError(f"{name} must be an int or None, not {type(n).__name__!r}")
    n = operator.index(n)
    if n < least:
        raise ValueError(f"{name} must be at least {least}, not {n}")
    return n


def text(x, longest=32):
    """A label or an operation's name in one line: what can't be printed as Python writes it, and not too long."""
    x = "" if x is None else str(x)
    if len(x) > longest:
        x = x[:longest - 1] + "…"
    return printable(x)


def number(x):
    """A number as the lecture shows it, 1.0000; a very large or small one as 1.234e+20."""
    size = abs(x)
    return f"{x:.3e}" if size >= 1e6 or 0 < size < 5e-5 else f"{x:.4f}"


def plural(n, noun, nouns=None):
    return f"{n:,} {noun if n == 1 else nouns or noun + 's'}"


def explore(root, limit):
    """The nodes below root, breadth first, and the children of each by its id.

    Once more than limit nodes are known (None: never), no further ones are asked for their children.
    """
    nodes, children, seen = [root], {}, {id(root)}
    for v in nodes:
        if limit is not None and len(nodes) > limit:
            break
        children[id(v)] = v._operands
        for child in children[id(v)]:
            if id(child) not in seen:
                seen.add(id(child))
                nodes.append(child)
    return nodes, children


def make(root, max_nodes, depth, collapse):
    """The picture of the graph below root, as a list of Items, of which the first is the root.

    max_nodes: how many Values are shown. depth: how many levels below the root. Both may be None. collapse: whether a
    run of additions becomes one operation; None: if there are more than max_nodes Values. Raises TypeError and
    ValueError for what these can't be.
    """
    check_value(root)
    max_nodes, depth = check_count("max_nodes", max_nodes, 1), check_count("depth", depth, 0)
    if collapse is None:
        collapse = max_nodes is not None and len(explore(root, max_nodes)[0]) > max_nodes
    runs = _runs(root, None if max_nodes is None else max(WALK, max_nodes)) if collapse else {}

    def inputs_of(v):
        return runs[id(v)][1] if id(v) in runs else v._operands

    shown, level, below = [root], {id(root): 0}, []
    for v in shown:
        below.append(inputs_of(v))
        for child in below[-1]:
            if id(child) not in level and (max_nodes is None or len(shown) < max_nodes) and \
                    (depth is None or level[id(v)] < depth):
                level[id(child)] = level[id(v)] + 1
                shown.append(child)

    items, index = [], {id(v): i for i, v in enumerate(shown)}
    for v in shown:
        op, run = (runs[id(v)][0], True) if id(v) in runs else (text(v._op), False)
        items.append(Item("result" if op or v._operands else "leaf", text(getattr(v, "label", "")), op, run, v))
    cuts = sum(any(id(child) not in index for child in children) for children in below)
    for item, children in zip(items[:], below):
        hidden = [child for child in children if id(child) not in index]
        for child in children:
            if id(child) in index:
                item.inputs.append(index[id(child)])
            elif hidden:
                item.inputs.append(len(items))
                items.append(Item("cut", _how_many(hidden, inputs_of, index, max(100, WALK // cuts))))
                hidden = None
    return items


def _how_many(hidden, inputs_of, index, limit):
    """The label of the mark for hidden nodes. It counts them and all nodes below them that aren't in the picture."""
    seen, stack = {id(v) for v in hidden}, list({id(v): v for v in hidden}.values())
    while stack and len(seen) <= limit:
        for child in inputs_of(stack.pop()):
            if id(child) not in seen and id(child) not in index:
                seen.add(id(child))
                stack.append(child)
    if len(seen) > limit:
        return f"... more than {plural(limit, 'more node')} below"
    return f"... {plural(len(seen), 'more node')} below"


def _runs(root, limit):
    """The runs of additions below root: for the id of each one's last '+', what it's called and its inputs.

    A run is a tree of '+' of at least TERMS terms, as `a + b + c` and `sum(...)` make. In it are also the 0 that `sum`
    starts with, the products among its terms, and leaves, as far as all these are used once and only there. Results
    with a label stay out, which somebody wants to see.
    """
    nodes, children = explore(root, limit)
    uses = Counter(id(child) for operands in children.values() for child in operands)
    runs, inner = {}, set()

    def is_leaf(v):     # and is used once
        return uses[id(v)] == 1 and children.get(id(v)) == ()

    def is_inner(v, op):
        return uses[id(v)] == 1 and children.get(id(v)) and v._op == op and not getattr(v, "label", "")

    for v in nodes:     # breadth first: a node used once comes after its user, so a run is found at its top
        if id(v) in inner or not children.get(id(v)) or v._op != "+":
            continue
        inside, inputs, terms, products = [v], {}, 0, 0
        stack = list(reversed(children[id(v)]))
        last = v        # the deepest '+' so far on the way of first operands, where sum's 0 is the second operand
        while stack:
            term = stack.pop()
            if is_inner(term, "+"):
                if term is children[id(last)][0]:
                    last = term
                inside.append(term)
                stack.extend(reversed(children[id(term)]))
                continue
            start = children[id(last)][1:]
            if start and term is start[0] and is_leaf(term) and type(term.data) is int and term.data == 0:
                continue
            terms += 1
            if is_inner(term, "*"):
                products += 1
                inputs.update((id(factor), factor) for factor in children[id(term)] if not is_leaf(factor))
            elif not is_leaf(term):
                inputs[id(term)] = term
        if terms >= TERMS:
            inner.update(map(id, inside))
            what = (f"sum of {plural(terms, 'product')}" if products == terms else f"sum of {plural(terms, 'term')}"
                    + (f", {plural(products, 'product')}" if products else ""))
            runs[id(v)] = what, list(inputs.values())
    return runs
