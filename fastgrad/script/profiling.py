"""--profile: where the time of a script goes between one backward() and the next, and how large its graphs are.

A step ends with a backward(). `forward` is the time from the step's first operation on Values to its backward(). `rest`
is the time before that, since the last backward(): updates, printing, data.
"""
import json
import time

from fastgrad import engine
from fastgrad.engine import Value

now = time.perf_counter


class Profile:
    """Collects the steps of a process."""

    def __init__(self):
        self.steps = []
        self.doing = None           # "backward" or, while this class's own work is done, "profile"
        self.wait()

    def wait(self):
        """Begin the next step, and have its first operation noted."""
        self.begin = self.first = now()
        engine._at_next_operation(self.note_first)

    def note_first(self):
        self.first = now()

    def watch(self, cls, name):
        """Time each call of a class's backward(). name: the method's name."""
        backward = getattr(cls, name)

        def timed(root, *args, **named):
            called = now()
            self.doing = "backward"
            try:
                result = backward(root, *args, **named)
            finally:
                self.doing = None
            done = now()
            self.doing = "profile"
            self.steps.append({"step": len(self.steps) + 1, "loss": float(Value.data.__get__(root)),
                               "nodes": root._n_below(), "forward": called - self.first,
                               "backward": done - called, "rest": self.first - self.begin})
            self.wait()
            self.doing = None
            return result
        timed.__name__, timed.__doc__ = name, backward.__doc__
        setattr(cls, name, timed)
        self.wait()         # the time before was spent on trials of the class

    def table(self):
        if not self.steps:
            return "fastgrad: no backward() of a replaced class was called"
        after = now() - self.begin
        parts = {part: sum(step[part] for step in self.steps) for part in ("forward", "backward", "rest")}
        parts["rest"] += after
        whole, n = sum(parts.values()), len(self.steps)
        nodes = [step["nodes"] for step in self.steps]
        lines = [f"fastgrad: {n:,} backward(), {sum(nodes) // n:,} nodes each ({min(nodes):,} to {max(nodes):,})"]
        lines += [f"    {part:<9}{seconds:9.3f} s {100 * seconds / whole:5.1f}%" for part, seconds in parts.items()]
        return "\n".join(lines)

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"steps": self.steps}, file, indent=1)
