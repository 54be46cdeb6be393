"""viz.play: a page that steps through a graph's forward and backward, with the graph's own numbers.

The steps are taken here, as a list of what each says and changes; play.js only shows them, and play.html is the page
that both are put into. Forward goes by topological order. Backward is the graph's own: each node's `_backward` is
called as backward() calls it, on grads that start from 0, and all grads are put back. Where that adds what the local
derivatives say, each addition is a step, so that a node used twice is seen to get its grad in two; where it doesn't,
it's a function of the user's own, and one step.

Nodes that aren't shown take part; what they add to those that are is shown.
"""
import json
import os
from html import escape
from importlib import resources

from fastgrad.debugging import words
from fastgrad.debugging.explanation import formulas_of, is_close, recomputed
from fastgrad.drawing.picture import make, number, plural, text
from fastgrad.drawing.svg import draw, fields_of, length, narrow, still
from fastgrad.value.arguments import rounded
from fastgrad.value.public import public

MANY = 2000     # steps; when there would be more, what nodes that aren't shown do is summed up
UNKNOWN = "data ..."
UNTRUSTED = "Trust this notebook (in Jupyter: File, Trust Notebook) to go through this graph step by step."


@public
class Page:
    """A page of HTML that needs nothing else, neither files nor network: shows itself in a notebook; str() is its text.

    steps: what it shows, a list of dicts: `phase`, `lines`, and `set`, in which [item, 'data' or 'grad', number, text]
    says what a step changes. picture: of the graph, as SVG.
    """

    def __init__(self, html, steps, picture):
        self._html, self.steps, self._picture = html, steps, picture

    def __str__(self):
        return self._html

    def __repr__(self):
        return (f"<fastgrad.viz.Page of {len(self.steps)} steps: shows itself in a notebook; "
                ".save('play.html') writes it>")

    def _repr_html_(self):
        # In a frame: its styles and keys are its own. A notebook that isn't trusted shows what's below it.
        return ('<div style="position:relative;height:640px"><div style="height:640px;overflow:auto">'
                f'<p>{UNTRUSTED}</p>{still(self._picture)}</div>'
                f'<iframe srcdoc="{escape(self._html)}" sandbox="allow-scripts" title="A graph, step by step" '
                'style="position:absolute;top:0;left:0;width:100%;height:640px;border:1px solid #8888"></iframe></div>')

    def save(self, path):
        """Write it to a file, which any browser shows. Raises ValueError if the name has an ending other than .html."""
        ending = os.path.splitext(os.fsdecode(path))[1]
        if ending.lower() not in ("", ".html", ".htm"):
            raise ValueError(f"a page's file is .html, not {ending}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._html)


def page(root, max_nodes, depth, collapse):
    """The Page of the graph below root. The arguments are picture.make's."""
    items = make(root, max_nodes, depth, collapse)
    steps = _Steps(root, items)
    steps.forward()
    steps.backward()
    fields = []
    for i, item in enumerate(items):
        texts = {"data": UNKNOWN, "grad": "grad " + number(0)}
        for step in steps.list:
            for at, what, _, shown in step["set"]:
                if at == i and length(f"{what} {shown}") > length(texts[what]):
                    texts[what] = f"{what} {shown}"
        fields.append(fields_of(item) if item.kind == "cut" else [steps.name(item.value), *texts.values()])
    return Page(_html(narrow(items, ("TB", "LR"), fields), steps.list), steps.list, draw(items))


def _html(svg, steps):
    """The page's text: play.html with its script, the steps and the picture."""
    folder = resources.files("fastgrad.drawing")
    parts = folder.joinpath("play.html").read_text(encoding="utf-8").split("$")
    script = folder.joinpath("play.js").read_text(encoding="utf-8")
    fill = {"SVG": svg, "SCRIPT": script, "STEPS": json.dumps(steps, ensure_ascii=False).replace("<", "\\u003c")}
    return "".join(fill.get(part, part) for part in parts)


def _same(x, y):
    return x == y or x != x and y != y


class _Steps:
    """The steps as they're taken: `list` has a dict each, of what play.js needs.

    phase: 'forward' or 'backward'. lines: what is said; the first is the headline. at, to: the items that are marked,
    where it happens and where it goes; -1 for none. edges: [name, copy], copy -1 for all of the same ends. set: what
    changes. adds: [item, from, term, sum], what flows into which grad.
    """

    def __init__(self, root, items):
        self.root, self.items, self.list = root, items, []
        self.order = root._topological()
        self.index = {id(item.value): i for i, item in enumerate(items) if item.kind != "cut"}
        self.labels = {id(v): text(v.label) for v in self.order if getattr(v, "label", "")}
        self.taken, self.count = set(self.labels.values()), 0
        for v in self.order:
            if id(v) in self.index:
                self.name(v)
        self.within = {}        # of each node within a run: the run's item
        for i, item in enumerate(items):
            stack = list(item.value._operands) if item.run else []
            while stack:
                v = stack.pop()
                if id(v) not in self.index and id(v) not in self.within:
                    self.within[id(v)] = i
                    stack.extend(v._operands)

    def name(self, v):
        """A node's label; one without gets a name: v1, v2 and so on."""
        while id(v) not in self.labels:
            self.count += 1
            if f"v{self.count}" not in self.taken:
                self.labels[id(v)] = f"v{self.count}"
        return self.labels[id(v)]

    def operand(self, v):
        """A node's name within a formula."""
        return self.name(v) if self.name(v).isidentifier() else f"({self.name(v)})"

    def grad_of(self, v):
        return f"{self.operand(v)}.grad"

    def slope(self, v, child):
        """How the derivative of v by a child is written."""
        return f"d{self.operand(v)}/d{self.operand(child)}"

    def step(self, phase, *lines, at=-1, to=-1, edges=(), changes=(), adds=()):
        self.list.append({
            "phase": phase, "lines": [line for line in lines if line], "at": at, "to": to, "edges": list(edges),
            "set": [[self.index[id(v)], what, repr(x), number(x)] for v, what, x in changes],
            "adds": [[self.index[id(v)], source, term, words.number(total)] for v, source, term, total in adds]})

    # Forward.

    def forward(self):
        leaves = [item.value for item in self.items if item.kind == "leaf"]
        cut = any(item.kind == "cut" for item in self.items)
        self.step("forward", "The leaves have their numbers.", "Each operation makes a new node of them.",
                  "What isn't shown is computed too." if cut else "", changes=[(v, "data", v.data) for v in leaves])
        for v in self.order:
            i = self.index.get(id(v))
            if i is None or self.items[i].kind == "leaf":
                continue
            item, name = self.items[i], self.name(v)
            edges = [[f"{child}-{i}", -1] for child in dict.fromkeys(item.inputs)] + [[str(i), -1]]
            if item.run or not v._operands:
                lines = [f"{name} = {item.op}"]
            else:
                lines = [f"{name} = {words.written(v._op, [self.operand(child) for child in v._operands])}",
                         f"{' ' * len(name)} = {words.written(v._op, [words.number(c.data) for c in v._operands])}"]
            today = None if item.run else recomputed(v)
            stale = today is not None and not is_close(today, v.data)
            self.step("forward", *lines, f"{' ' * len(name)} = {words.number(v.data)}",
                      "(Somebody has assigned to .data since: of the numbers as they are now it would be "
                      f"{words.number(today)}.)" if stale else "", at=i, edges=edges, changes=[(v, "data", v.data)])

    # Backward.

    def backward(self):
        saved = [(v, v.grad) for v in self.order]
        try:
            for v in self.order:
                v.grad = 0
            self.root.grad = 1
            self.step("backward", f"{self.grad_of(self.root)} = 1", f"{self.name(self.root)} changes with itself, 1 to "
                      "1. All other grads start as 0.", at=0, changes=[(self.root, "grad", 1)])
            events = [event for v in reversed(self.order) for event in self.sweep(v)]
            ends = {id(v): v.grad for v in self.order if id(v) in self.index}
        finally:
            for v, grad in saved:
                v.grad = grad
        if len(events) > MANY:
            events = self.summed_up(events)
        grads = {id(v): 0 for v in self.order}
        grads[id(self.root)] = 1
        for event in events:
            hidden, _ = event.pop("hidden"), event.pop("times", None)
            if hidden:
                event["lines"].append(f"({hidden})")
            self.step("backward", *event.pop("lines"), **event)
            grads.update((id(v), x) for v, _, x in event["changes"])
        name = self.name(self.root)
        self.step("backward", "Done.", f"Each grad says how fast {name} changes with that node: if it grew by a little "
                  f"h, {name} would grow by grad * h.",
                  changes=[(v, "grad", ends[id(v)]) for v in self.order        # of functions that add elsewhere
                           if id(v) in ends and not _same(ends[id(v)], grads[id(v)])])

    def sweep(self, v):
        """Call a node's `_backward`, and list what that adds to nodes that are shown."""
        children, grad = v._operands, v.grad
        old = {id(child): child.grad for child in children}
        sums, terms = dict(old), []
        for k, (child, local) in enumerate(zip(children, v._local_grads)):
            term, before = rounded(local * grad), sums[id(child)]
            sums[id(child)] = rounded(before + term)
            terms.append((k, child, local, term, before, sums[id(child)]))
        v._backward()
        if not all(_same(child.grad, sums[id(child)]) for child in children):
            return [self.own(v, [child for child in dict.fromkeys(map(id, children))], old)] if children else []
        return [self.addition(v, grad, *rest) for rest in terms if id(rest[1]) in self.index]

    def where(self, v):
        """The item at which v does something, and, if it's hidden, words that say so."""
        if id(v) in self.index:
            return self.index[id(v)], ""
        run = self.within.get(id(v), -1)
        place = f"is within {self.name(self.items[run].value)} = {self.items[run].op}" if run >= 0 else "isn't shown"
        return run, f"{self.name(v)} {place}."

    def addition(self, v, grad, k, child, local, term, before, total):
        """One `+=`: of the grad of v, through its local derivative, into the grad of its operand k."""
        (i, hidden), to = self.where(v), self.index[id(child)]
        slope, formulas = self.slope(v, child), formulas_of(v)
        derivative = words.number(local)
        if formulas:
            names = [self.operand(x) for x in v._operands]
            formula = formulas[k].format(a=names[0], b=names[-1], base=words.as_base(names[0]))
            derivative = formula if formula == derivative else f"{formula} = {derivative}"
        same = [x for x, other in enumerate(v._operands) if other is child and not hidden]
        added = f"{words.number(before)} + {words.number(local)} * {words.number(grad)}"
        return {"lines": [f"{self.grad_of(child)} += {slope} * {self.grad_of(v)}", f"{slope} = {derivative}",
                          f"{self.grad_of(child)} = {added} = {words.number(total)}"],
                "hidden": hidden, "at": i, "to": to,
                "edges": [[f"{to}-{i}", same.index(k) if same else -1], [str(i), -1]],
                "changes": [(child, "grad", total)], "adds": [(child, self.name(v), words.number(term), total)]}

    def own(self, v, ids, old):
        """What a `_backward` of the user's own has added."""
        (i, hidden), children = self.where(v), {id(child): child for child in v._operands}
        shown = [children[x] for x in ids if x in self.index]
        changed = [(child, child.grad) for child in shown if not _same(child.grad, old[id(child)])]
        return {"lines": [f"{self.name(v)} calls its own _backward()",
                          *(f"{self.grad_of(child)}: {words.number(old[id(child)])}, then {words.number(grad)}"
                            for child, grad in changed)],
                "hidden": hidden, "at": i, "to": self.index[id(changed[0][0])] if len(changed) == 1 else -1,
                "edges": [[f"{self.index[id(child)]}-{i}", -1] for child in shown] + [[str(i), -1]],
                "changes": [(child, "grad", grad) for child, grad in changed],
                "adds": [(child, self.name(v), words.number(rounded(grad - old[id(child)])), grad)
                         for child, grad in changed]}

    def summed_up(self, events):
        """The events, with those of hidden nodes, as far as they follow each other in one place, as one."""
        merged = []
        for event in events:
            last = merged[-1] if merged else event
            if last is event or not event["hidden"] or not last["hidden"] or event["at"] != last["at"]:
                merged.append(event)
                continue
            last["times"] = last.get("times", len(last["adds"])) + len(event["adds"])
            for what in ("adds", "changes"):
                last[what] = list({id(change[0]): change for change in last[what] + event[what]}.values())
            last["lines"] = [f"Nodes that aren't shown add {last['times']:,} times to "
                             f"{plural(len(last['changes']), 'grad')}."]
            last["adds"] = [(child, "several nodes", "several terms", total) for child, _, _, total in last["adds"]]
            last["hidden"], last["to"], last["edges"] = "A step for each would be too many.", -1, []
        return merged
