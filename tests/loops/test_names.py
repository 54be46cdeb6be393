"""Promise: a loop never reads a variable that may not be bound where the author's code wouldn't read it: over an empty
list nobody looks at the factor. And what a name means is found out each time.
"""
import builtins
import textwrap

import pytest

import fastgrad
import twins

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")

# Bodies of f(xs, flag). k isn't bound if flag is 0; LOOP reads it, but only if xs isn't empty.
UNBOUND = {
    "if": "if flag:\n    k = 2.0\nLOOP",
    "else": "if not flag:\n    pass\nelse:\n    k = 2.0\nLOOP",
    "if that returns": "if not flag:\n    return LOOP\nk = 2.0\nLOOP",
    "elif": "if flag:\n    k = 2.0\nelif flag is None:\n    k = 3.0\nLOOP",
    "while": "while flag:\n    k, flag = 2.0, 0\nLOOP",
    "while's else": "i = 1\nwhile i:\n    if not flag:\n        break\n    i = 0\nelse:\n    k = 2.0\nLOOP",
    "for": "for k in [2.0] * flag:\n    pass\nLOOP",
    "for's body": "for i in range(flag):\n    k = 2.0\nLOOP",
    "for's else": "for i in range(1):\n    if not flag:\n        break\nelse:\n    k = 2.0\nLOOP",
    "with": "with suppress(ZeroDivisionError):\n    1 / flag\n    k = 2.0\nLOOP",
    "with's target": "with suppress(ZeroDivisionError), told(1 / flag) as k:\n    pass\nLOOP",
    "try": "try:\n    1 / flag\n    k = 2.0\nexcept ZeroDivisionError:\n    pass\nLOOP",
    "except": "try:\n    1 / (1 - flag)\nexcept ZeroDivisionError:\n    k = 2.0\nLOOP",
    "try's else": "try:\n    1 / flag\nexcept ZeroDivisionError:\n    pass\nelse:\n    k = 2.0\nLOOP",
    "an exception's name": "k = 2.0\ntry:\n    1 / (1 - flag)\nexcept ZeroDivisionError as k:\n    pass\nLOOP",
    "del": "k = 2.0\nif not flag:\n    del k\nLOOP",
    "del in a loop": "k = 2.0\nfor i in range(1 - flag):\n    del k\nLOOP",
    "del of another function": "k = 2.0\ndef g():\n    nonlocal k\n    del k\nif not flag:\n    g()\nLOOP",
    "a global of this function": "global k\nif flag:\n    k = 2.0\nLOOP",
    "an annotation": "k: float\nif flag:\n    k = 2.0\nLOOP",
    "match": "match flag:\n    case 1:\n        k = 2.0\nLOOP",
    "match's name": "match flag:\n    case 0:\n        pass\n    case k:\n        pass\nLOOP",
    "import": "if flag:\n    import math as k\nLOOP",
    "a function": "if flag:\n    def k(): pass\nLOOP",
    "a walrus": "flag and (k := 2.0)\nLOOP",
    "a walrus in a comprehension": "[(k := 2.0) for i in range(flag)]\nLOOP",
    "a closure": "def g():\n    return LOOP\nif flag:\n    k = 2.0\nreturn g()",
    "a comprehension's variable": "[k for k in [1.0]]\nif flag:\n    k = 2.0\nLOOP",
    "later": "r = LOOP if not flag else None\nk = 2.0\nreturn r",
    "a loop that returns": "for i in range(1):\n    if not flag:\n        return LOOP\n    k = 2.0\nLOOP",
}
LOOPS = ("[v * k for v in xs]", "[sum(v * k for v in xs) * 1.0]", "[v * k for v in told(xs)]")


TOLD = """from contextlib import suppress
class Told:
    def __init__(self, x):
        self.x = x
    def __enter__(self):
        return self.x
    def __exit__(self, *_):
        return None
def told(x):
    return Told(x) if isinstance(x, float) else x
"""
CALLS = """
for flag in 1, 0, 1:
    for xs in [], [Value(1.0), Value(2.0)]:
        for also in {}, {'k': 5.0}:
            globals().pop('k', None)
            globals().update(also)
            try:
                print(flag, [v.data for v in f(xs, flag)])
            except (NameError, TypeError) as error:
                print(flag, type(error).__name__, error)
"""


@pytest.mark.parametrize("name", UNBOUND)
def test_variables_that_may_not_be_bound(name):
    for loop in LOOPS:
        body = UNBOUND[name].replace("LOOP", loop)
        body = "\n".join(f"return {line}" if line == loop else line for line in body.split("\n"))
        source = f"{TOLD}def f(xs, flag):\n{textwrap.indent(body, '    ')}\n{CALLS}"
        twins.assert_same(source)


PROGRAMS = {
    "a builtin that is assigned between": """
old = sum
for again in range(4):
    r = sum(v * 2.0 for v in xs)
    if again == 1:
        builtins.sum = lambda them: 'mine'
    print(r)
builtins.sum = old
""",
    "a global that is assigned between": """
for again in range(4):
    r = sum(v * 2.0 for v in xs)
    if again == 1:
        sum = lambda them: 'mine'
    print(r)
""",
    "zip that is assigned between": """
def f():
    for v, w in zip(xs, xs):
        v.grad = w.data
for again in range(4):
    f()
    if again == 1:
        zip = lambda *them: [(them[0][0], them[1][1])]
    print([v.grad for v in xs])
    xs[0].data += 1.0
""",
    "a function of math that is assigned": """
import math
old_exp = math.exp
for again in range(4):
    r = [math.exp(v.data) for v in xs]
    if again == 1:
        math.exp = lambda x: 'mine'
    print(r)
math.exp = old_exp
""",
    "1 and 1.0": """
r = [v * 1 + v * 1.0 for v in xs], [v * 1.0 + v * 1 for v in xs], [v ** 2 + v ** 2.0 for v in xs]
""",
    "an iterable with an effect": """
def told(x):
    print('told')
    return x
r = [v * 2.0 for v in told(iter(xs))]
r = sum(v * 2.0 for v in told(iter(xs)))
r = [v * w for v, w in zip(told(iter(xs)), told(xs))]
for v in told(iter(xs)):
    v.grad = 2.0
for v, w in zip(told(xs), told(iter(xs))):
    v.grad = w.data
s = 0
for v in told(iter(xs)):
    s = s + v
""",
    "private names of a class": """
_A__k, __k = 2.0, 3.0
class A:
    def __init__(self, xs):
        self.__xs = xs
        setattr(self, '__xs', xs[1:])
    def f(self, xs):
        return [v * __k for v in xs], [v * 2.0 for v in self.__xs]
r = A(xs).f(xs)
""",
    "an item that is unpacked and not used": """
try:
    r = [v * 2.0 for (w, x), v in zip([xs, xs], xs)]
except ValueError as error:
    print(error)
""",
    "a sum that is the loop's variable": """
s = Value(3.0)
for s in xs:
    s = s + 1.5
""",
    "Values of two classes": """
class Sub(Value):
    pass
r = [v * w for v, w in zip([Value(1.0), Sub(2.0), Value(3.0)], [Value(1.0), Value(2.0), Sub(3.0)])]
r = [v * 2.0 for v in [Value(1.0), Sub(2.0)]], [2.0 * v for v in [Sub(1.0), Value(2.0)]], sum([Value(1.0), Sub(2.0)])
r = sum(v * w for v, w in zip([Value(1.0), Value(1.0), Value(2.0)], [Value(1.0), Sub(2.0), Sub(3.0)]))
from fastgrad.micrograd.engine import Value as Micrograd
for q in [Value(1.0), Micrograd(2.0)], [Micrograd(1.0), Value(2.0)], [Value(1), Micrograd(2.0)]:
    r = [v.relu() for v in q]
    print([type(v) is Micrograd for v in r], [v._local_grads for v in r])
    del q, r
""",
    "a method of one Value": """
xs[1].relu = lambda: print('called') or xs[0]
r = [v.relu() for v in xs], [v.tanh() for v in xs]
del xs[1].relu
r = [v.relu() for v in xs]
""",
    "the first of those that are equal": """
r = [max(x * 1 for x in q) for q in ([0.0, -0.0], [-0.0, 0.0], [1, 1.0], [1.0, 1])]
r = [min(x * 1 for x in q) for q in ([0.0, -0.0], [-0.0, 0.0], [1, 1.0], [1.0, 1])]
q = [1, 1.0]
r = max(x * 1 for x in q), min(x * 1 for x in q)
""",
    "a variable of a loop within": """
w = Value(4.0)
r = [sum(w * v for w in [v, v]) + w for v in xs]
""",
    "a global sum that isn't bound": """
for v in xs[:0]:
    total = total + v
""",
    "what a statement's variable was": """
g = 1.0
for v in xs:
    v.data -= g
    g = v.data * 0.5
""",
    "a result that says whether it's true": """
Value.__bool__ = lambda self: print('asked') or False
try:
    r = sum(v * 2.0 for v in xs)
    s = sum(v * 2.0 for v in list(xs))
finally:
    del Value.__bool__
""",
    "a result with a length": """
Value.__len__ = lambda self: print('asked') or 0
try:
    r = sum(v * 2.0 for v in xs)
finally:
    del Value.__len__
""",
    "a class that changes when the loop has run": """
def f():
    return [v.relu() for v in xs], [v * 2.0 for v in xs], max(v.data for v in xs)
r = f(), f()
for name, other in ('relu', lambda v: 'relu'), ('__mul__', lambda v, w: 'times'), ('data', property(lambda v: 7.0)):
    own = vars(Value).get(name)
    setattr(Value, name, other)
    try:
        print(f())
    finally:
        delattr(Value, name)
        if own is not None:
            setattr(Value, name, own)
    s = f()
    print(s)
""",
    "an operator in place": """
Value.__iadd__ = lambda self, other: print('in place') or other
try:
    s = Value(1.0)
    for v in xs:
        s += v * 2.0
finally:
    del Value.__iadd__
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_names_mean(name):
    old = builtins.sum
    try:
        twins.assert_same(f"import builtins\nxs = [Value(0.5), Value(1.0), Value(2)]{PROGRAMS[name]}")
    finally:
        builtins.sum = old


def test_private_attributes_run_in_c():
    """Also within a class within a class, whose private names are its own, and in one whose name is underscores."""
    found = twins.assert_same("""
xs = [Value(0.5), Value(1.0)]
class _Outer:
    def __init__(self):
        self.__w, self._Inner__w = xs, [2.0]
    def f(self):
        return [w * 2.0 for w in self.__w]
    class __Inner:
        def g(self, of):
            return [w * 3.0 for w in of.__w], (lambda: sum(w * w for w in of.__w))()
    inner = __Inner()
class __:
    __w = xs
    def h(self):
        for w in self.__w:
            w.data -= 0.5
r = _Outer().f(), _Outer.inner.g(_Outer()), __().h()
""", backward=False)
    assert [loop.runs for loop in sorted(found, key=lambda loop: loop.line)] == [1, 1, 1, 1]
