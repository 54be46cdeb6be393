"""Promise: under python -m fastgrad a `_backward` that a script assigns is the node's, also one that does nothing."""
import pytest

import fastgrad
from launcher import engine

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="the plain engine replaces nothing")

FIFTH = "self.label = label", "self.label = label\n        self.name = name", "label=''):", "label='', name=None):"
FLOAT = "self.data = data", "self.data = float(data)"
NONE = "self._backward = lambda: None", "self._backward = None", "v._backward()", "if v._backward: v._backward()"
HELPER = ("self._backward = lambda: None", "self.reset()", "    def double(self):",
          "    def reset(self): self._backward = lambda: None\n    def double(self):")
SHARED = "self._backward = lambda: None", "self._backward = idle", "class Value:", "def idle(): pass\nclass Value:"
MISSING = "        self._backward = lambda: None\n", "", "v._backward()", "if hasattr(v, '_backward'): v._backward()"
STOP = """
def show(*values): print(*[(v.data, v.grad, len(v._prev), v._op) for v in values])
def nothing(): pass
class Parameter(Value): pass
a, b, p = Value(3.0), Value(4.0), Parameter(0.5)
for stop in STOPS:
    y = a * b
    y._backward = stop
    print(y._backward is stop)
    z = y * p + a
    z.backward()
    show(a, b, p, y, z)
"""
LATER = """
y = a * b
called = []
y._backward = lambda: called.append(1)
z = y + a
z.backward()
show(a, b, y, z)
print(called)
for v in (z, y, a, b): v._backward = STOPS[0]
z = y + a * b
z.backward()
show(a, b, y, z)
a._backward = lambda: called.append(2)
z.backward()
print(called, a._backward is STOPS[0])
"""
AGAIN = """
y = a * b
y._backward = lambda: print('called')
y.__init__(5.0, (a,), 'x')
y.backward()
show(a, b, y)
"""
METHOD = ("    def double(self):", """    def freeze(self):
        self._backward = lambda: None
        return self
    def double(self):""")
FUNCTIONS = "[lambda: None, nothing]"


@pytest.mark.parametrize("changes", [(), FIFTH, FLOAT, (*FIFTH, *NONE), NONE, (*FIFTH, *HELPER)],
                         ids=["ours", "one-more-argument", "float", "None-and-one-more", "None", "helper"])
def test_a_constructor_that_is_called_again_takes_the_closure_away(folder, changes):
    assert "is replaced" in folder.report(engine(*changes) + STOP.replace("STOPS", "()") + AGAIN)


@pytest.mark.parametrize("changes, stops", [
    ((), FUNCTIONS), (FIFTH, FUNCTIONS), (FLOAT, FUNCTIONS), ((*FIFTH, *NONE), f"[None, *{FUNCTIONS}]"),
    (NONE, f"[None, *{FUNCTIONS}]"), ((*FIFTH, *HELPER), FUNCTIONS), ((*FIFTH, *SHARED), FUNCTIONS),
    ((*FIFTH, *MISSING), FUNCTIONS), (MISSING, FUNCTIONS)],
    ids=["ours", "one-more-argument", "float", "None-and-one-more", "None", "helper", "shared", "missing-and-one-more",
         "missing"])
def test_a_closure_that_does_nothing_stops_the_gradient(folder, changes, stops):
    source = engine(*changes, *METHOD) + STOP + LATER + "y = (a * b).freeze() + a\ny.backward()\nshow(a, b, y)\n"
    said = folder.report(source.replace("STOPS", stops))
    assert "class Value (script.py:" in said and "is replaced" in said
