"""Run one expression on a class, and note what comes of it: the number, the gradients, or the error."""
import sys
import traceback

from fastgrad.grading.expressions import evaluate
from fastgrad.grading.guard import TimeUp
from fastgrad.script.sandbox import TRIAL_ERRORS

SECONDS = 2.0       # for one expression


class NoNode(Exception):
    """An expression gives something else than a node. code: the mistake's name."""

    def __init__(self, code, words):
        super().__init__(words)
        self.code = code


class Seen:
    """What came of an expression. value, grads (by leaf): floats, or None. error: in words, or None; kind: its type's
    name. stage: "value" or "gradient", where the error came. root, leaves, names: the objects."""

    def __init__(self):
        self.value = self.root = self.error = self.kind = self.place = None
        self.grads, self.leaves, self.names, self.stage = {}, {}, {}, "value"

    def fail(self, error, file):
        self.kind = type(error).__name__
        if isinstance(error, TimeUp):
            self.error = f"no end after {SECONDS:g} seconds"
        elif isinstance(error, RecursionError):
            self.error = "RecursionError: it calls itself without end"
        elif isinstance(error, NoNode):
            self.error, self.kind = str(error), error.code
        elif isinstance(error, SystemExit):
            self.error = "it ends the program (sys.exit)"
        else:
            self.error = " ".join(f"{self.kind}: {safe_str(error)}".split())[:300].rstrip(": ")
        frames = traceback.extract_tb(error.__traceback__)
        theirs = [frame for frame in frames[:50] if frame.filename == file]
        self.place = theirs[-1].lineno if theirs else None
        return self


def safe_str(error):
    try:
        return str(error)
    except Exception:
        return "?"


class Tester:
    """Tries expressions on a class by its interface. guard: a Guard."""

    def __init__(self, interface, guard, file):
        self.interface, self.guard, self.file = interface, guard, file
        self.seeds_by_hand = False
        self.kept = []              # all that was made, since an id that comes again could hide a mistake or make one

    def see(self, text, point, preset=None):
        """Run an expression and backward(). preset: gradients by leaf, assigned before."""
        seen = Seen()
        try:
            self.guard.call(SECONDS, self._run, seen, text, point, preset or {}, patient=True)
        except (TimeUp, *TRIAL_ERRORS) as error:
            seen.fail(error, self.file)
        self.kept.append((seen.root, seen.names))
        return seen

    def _run(self, seen, text, point, preset):
        it = self.interface
        seen.leaves = {name: it.leaf(x) for name, x in point.items()}
        seen.root, seen.names = evaluate(text, seen.leaves)
        if not it.is_node(seen.root):
            if seen.root is None:
                raise NoNode("no-return", "it gives None: is a `return` missing?")
            raise NoNode("cut-graph", f"it gives a plain {type(seen.root).__name__}, not a {it.cls.__name__}, so that "
                                      "the graph is cut")
        seen.value = it.number(seen.root)
        seen.stage = "gradient"
        for name, x in preset.items():
            it.set_gradient(seen.leaves[name], x)
        if it.backward is None or it.grad is None:
            return
        if self.seeds_by_hand:
            it.set_gradient(seen.root, 1.0)
        it.backward(seen.root)
        seen.grads = {name: it.gradient(v) for name, v in seen.leaves.items()}

    def by_hand(self, text, point, closure):
        """The gradients if the root's gradient is set to 1 and its closure is called by hand; None if that raises."""
        it = self.interface

        def run():
            leaves = {name: it.leaf(x) for name, x in point.items()}
            root, names = evaluate(text, leaves)
            self.kept.append((root, names))
            it.set_gradient(root, 1.0)
            getattr(root, closure)()
            return {name: it.gradient(v) for name, v in leaves.items()}
        try:
            return self.guard.call(SECONDS, run, patient=True)
        except (TimeUp, *TRIAL_ERRORS):
            return None

    def calls(self, text, point):
        """The code objects of the functions that an expression calls while it makes its nodes."""
        codes, before = set(), sys.getprofile()

        def note(frame, event, argument):
            if event == "call":
                codes.add(frame.f_code)

        def run():
            leaves = {name: self.interface.leaf(x) for name, x in point.items()}
            sys.setprofile(note)
            try:
                self.kept.append(evaluate(text, leaves))
            finally:
                sys.setprofile(before)
        try:
            self.guard.call(SECONDS, run, patient=True)
        except (TimeUp, *TRIAL_ERRORS):
            pass
        return codes
