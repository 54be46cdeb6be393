"""Examine what is left of a backward() when the next one runs; and two things that are no mistakes, depth and time."""
import sys

from fastgrad.grading.examination import call
from fastgrad.grading.expressions import is_same, number, right
from fastgrad.grading.guard import TimeUp
from fastgrad.grading.interface import attribute_names
from fastgrad.script.sandbox import TRIAL_ERRORS, codes_of

DEEP = 3000         # nodes in a chain, of which Python's usual recursion limit of 1000 allows a third


def examine_state(exam):
    """backward() over new graphs of the same leaves, over a graph that shares a node with the last one, and again."""
    it, tester = exam.interface, exam.tester
    point = {"a": 2.0, "b": 3.0}

    def run(texts):
        """The gradients of the last text's leaves. The texts share names; before each all gradients that leaves and
        inner nodes have are put back."""
        names = {name: it.leaf(x) for name, x in point.items()}
        grown = None
        for text in texts:
            statements, last = text.rsplit("; ", 1) if "; " in text else ("", text)
            exec(statements.replace("; ", "\n"), names)
            root = eval(last, names)
            for name, v in names.items():
                if name in "abuv":
                    it.set_gradient(v, None)
            it.set_gradient(root, None)
            watched, marks = Containers(exam.cls), marks_of(exam, names)
            if tester.seeds_by_hand:
                it.set_gradient(root, 1.0)
            it.backward(root)
            after = marks_of(exam, names)
            marked = next((f"`{key[1]}` of the nodes" for key, x in marks.items() if after.get(key, x) != x), None)
            grown = grown or watched.grown() or marked
        tester.kept.append((names, root))
        return {name: it.gradient(names[name]) for name in point}, grown
    probe = call(exam, lambda: it.set_gradient(it.leaf(1.0), None))
    for texts, words in (
            (["a * b", "a + b"], "`a * b`, then `a + b` of the same a and b"),
            (["u = a * b; u + a", "u * b"], "`u = a * b`, then `u + a`, then `u * b`"),
            (["u = a * b; v = u * a; v + u", "v + u"], "`u = a * b; v = u * a; v + u` and backward() twice")):
        found = call(exam, lambda texts=texts: run(texts)) if probe else None
        if found is None:
            continue
        grads, grown = found
        whole = "; ".join(text for text in texts[:-1] if "=" in text)
        whole = (whole.rsplit("; ", 1)[0] + "; " if whole else "") + texts[-1]
        wanted = right(whole, point).grads
        wrong_ones = [name for name in point if not is_same(grads[name], wanted[name])]
        if not wrong_ones:
            continue
        name = wrong_ones[0]
        used_up = right(texts[-1], {**point, "u": 6.0, "v": 12.0}).grads if "u" in texts[-1] else {}
        if not grown and all(is_same(grads[name], used_up.get(name, 0.0)) for name in point):
            exam.remark("a graph's backward() works once: what is used up then passes nothing on the second time")
            return
        kept = "something is kept from one backward() to the next" + (f", in {grown}" if grown else "")
        exam.add("backward", "state-kept", f"{words}, gradients put back to 0 before each backward(): the gradient of "
                 f"{name} is then {number(grads[name])}, it should be {number(wanted[name])}; {kept}: make it anew in "
                 "each",
                 {"expression": whole, "at": point, "what": f"gradient of {name}", "yours": grads[name],
                  "should": wanted[name]})
        return


class Containers:
    """The lists, sets and dicts that outlive a call of backward(): the class's, defaults of its methods, and those of
    its module."""

    def __init__(self, cls):
        self.found = {}
        functions = [getattr(x, "__func__", x) for x in vars(cls).values()]
        for function in functions:
            for default in (*(getattr(function, "__defaults__", None) or ()),
                            *(getattr(function, "__kwdefaults__", None) or {}).values()):
                self.note(f"a default of {function.__name__}()", default)
            for cell in getattr(function, "__closure__", None) or ():
                try:
                    self.note("a variable around the class", cell.cell_contents)
                except ValueError:
                    continue
        for name, x in vars(cls).items():
            self.note(f"`{cls.__name__}.{name}`", x)
        functions = [f for f in functions if hasattr(f, "__globals__")]
        names = {name for f in functions for code in codes_of(f.__code__) for name in code.co_names}
        for name in names if functions else ():
            self.note(f"the global `{name}`", functions[0].__globals__.get(name))

    def note(self, name, x):
        if isinstance(x, (list, set, dict)) and not name.startswith("`__"):
            self.found.setdefault(id(x), (name, x, len(x)))

    def grown(self):
        return next((name for name, x, n in self.found.values() if len(x) > n), None)


def marks_of(exam, names):
    """The flags and counters of nodes: {(node's name, attribute): number}."""
    it = exam.interface
    return {(name, x): getattr(v, x, None) for name, v in names.items() if it.is_node(v)
            for x in attribute_names(v, ()) if x not in (it.data, it.grad) and type(getattr(v, x, None)) in (bool, int)}


def examine_depth(exam):
    """A remark if a chain of a few thousand nodes is too deep."""
    it = exam.interface

    def chain():
        a = b = it.leaf(1.0)
        for _ in range(DEEP):
            b = b + a
        if exam.tester.seeds_by_hand:
            it.set_gradient(b, 1.0)
        it.backward(b)
    try:
        exam.tester.guard.call(5.0, chain, patient=True)
    except RecursionError:
        exam.remark(f"a chain of {DEEP} nodes is too deep for backward(): Python allows about "
                    f"{sys.getrecursionlimit()} calls within calls (RecursionError). A list in place of the recursion "
                    "has no such limit")
    except TimeUp:
        exam.remark(f"backward() of a chain of {DEEP} nodes takes more than 5 seconds")
    except TRIAL_ERRORS as error:
        exam.remark(f"backward() of a chain of {DEEP} nodes raises {type(error).__name__}")


def examine_paths(exam):
    """A remark if each path is walked by itself: right, but twice the time with each node that is used twice."""
    it = exam.interface

    def calls(n):
        u = it.leaf(0.5)
        for _ in range(n):
            u = u + u * it.leaf(0.5)
        if exam.tester.seeds_by_hand:
            it.set_gradient(u, 1.0)
        count, before = 0, sys.getprofile()

        def note(frame, event, argument):
            nonlocal count
            count += event == "call"
        sys.setprofile(note)
        try:
            it.backward(u)
        finally:
            sys.setprofile(before)
        return count
    few, more = call(exam, lambda: calls(4)), call(exam, lambda: calls(8))
    if few and (more is None or more > 6 * few):
        exam.remark("backward() walks each path by itself: that is right, but each node that is used twice doubles the "
                    "time")
