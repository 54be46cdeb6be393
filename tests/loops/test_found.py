"""Faults that were found once: programs that a rewritten loop got wrong, each with its plain twin.

They're programs that random ones seldom are: a variable that keeps what a place held, rows of different length, a loop
within one that assigns, objects whose methods run in the middle.
"""
import sys
import types

import pytest

import fastgrad
import twins

FOUND = {
    "a variable keeps a gradient that is zeroed": """
ps = [Value(1.0 + i) for i in range(4)]
for p in ps:
    p.grad = 2.0 * p.data
for p in ps:
    g = p.grad
    p.grad = 0
    p.data -= 0.1 * g
""",
    "Values beside their data and grad": """
xs, ys = [Value(1.0 + i) for i in range(4)], [Value(0.5 * i) for i in range(4)]
rows = [xs, ys, [Value(-2.0 * i) for i in range(3)]]
a = [[v + v.data for v in row] for row in rows]
b = sum(sum(v - v.data * 3.0 for v in row) for row in rows)
c = [x - y + y.data for x, y in zip(xs, ys)]
d = sum(y * x.data + x for x, y in zip(xs, ys))
e = [[(u - v.grad) * v for u, v in zip(row, ys)] for row in rows]
f = [x.data * y.data - y.grad for x, y in zip(xs, ys)]
""",
    "a Value as an operand after its data was assigned": """
ps = [Value(1.0 + i) for i in range(6)]
for p in ps:
    p.data *= 0.5
    p.grad = (p * p).data
qs = [Value(2.0 - i) for i in range(6)]
for p, q in zip(ps, qs):
    p.data -= 0.25
    q.data = (p * 2 + 1).data
norms = [0.0] * 6
for i, p in enumerate(ps):
    p.data -= 0.1 * p.grad
    norms[i] = abs(p).data
for p in qs:
    p.data = p.grad + 3.0
    t = p + 1
    p.grad = t.relu().data
for p in qs:
    t = p * 3
    p.data = t.data
""",
    "copies of a list that is assigned to": """
s = [1.0] * 6
for i, j in zip(range(1, 6), range(5)):
    s[i] = s[:][j] + 1.0
m = [float(i) for i in range(6)]
for i in range(6):
    m[i] = m[::-1][i] * 2
m, n = [float(i) for i in range(6)], [0.0] * 6
for i in range(6):
    m[i] = m[i] * 2
    n[i] = m[:][i] + 1.0
k = [m, n]
for i in range(6):
    m[i] = k[0][:6][5 - i] * 2
""",
    "which list it is depends on an item that is assigned to": """
n = 6
idx = [0] * n
rows = [[1] * n, [0] * n]
for i in range(n):
    idx[i] = rows[idx[0]][i] * 1
b, c, xs = [0] * 4, [7] * 4, [1, 0, 1, 0]
a = [b, c]
for i in range(4):
    a[b[0]][i] = xs[i] * 1
w = {0: [1.0] * 4, 1.0: [2.0] * 4}
d = [0.0] * 4
for i in range(4):
    d[i] = w[d[0]][i] * 1.0
e = [[1.0, 2.0], [3.0, 4.0]]
for r in range(2):
    for i in range(2):
        e[r][i] = e[r][i] * 2.0
""",
    "what runs after a nested call of reversed": """
ps = [Value(float(i)) for i in range(10)]
r = [p * x for p, x in zip(reversed(ps), [ps.pop().data for _ in range(3)])]
print(len(r))
qs = [Value(float(i)) for i in range(5)]
def more():
    qs.append(Value(100.0))
    return [1.0] * 9
t = sum(p * x for p, x in zip(reversed(qs), more()))
u = 0
for p, x in zip(reversed(qs), more()):
    u = u + p * x
for p, x in zip(reversed(qs), more()):
    p.grad = x
v = [p * x for i, (p, x) in enumerate(zip(reversed(qs), more()))]
w = [p * x for p, x in zip(reversed(qs), reversed(qs))]
""",
    "what runs after a nested call that raises": """
def g():
    print("g is called")
    return [1.0]
try:
    for i, x in zip(range(1.5), g()):
        a = x
        Value(1.0).data = x
except TypeError as e:
    print(e)
try:
    s = sum(i * x for i, x in zip(range(1.5), g()))
except TypeError as e:
    print(e)
""",
    "the order of calls of __iter__ and __reversed__": """
class L:
    def __init__(self, name):
        self.name = name
    def __reversed__(self):
        print("reversed", self.name)
        return iter([Value(1.0), Value(2.0)])
    def __iter__(self):
        print("iter", self.name)
        return iter([Value(3.0), Value(4.0)])
def g():
    print("g")
    return [2.0, 3.0]
a, b = L("a"), L("b")
r = [x * y for x, y in zip(reversed(a), g())]
r = [x * y for x, y in zip(reversed(a), reversed(b))]
s = 0
for i, (x, y) in enumerate(zip(reversed(L("c")), g())):
    s += x * y
for (i, x), y in zip(enumerate(a), g()):
    x.grad = y
""",
    "an element that can't be unpacked": """
for bad in (1.0, Value(2.0), "?"), (1.0,), 7.0, None:
    for at in 4, 5, 3:
        xs = [(float(i), Value(1.0 + i)) for i in range(6)]
        xs[at] = bad
        s = Value(0.0)
        try:
            for a, b in xs:
                s += a * b
        except (TypeError, ValueError) as e:
            print(e, "after", a, b, s)
        try:
            for a, b in xs:
                b.data -= a * 0.1
        except (TypeError, ValueError) as e:
            print(e, "after", a, b)
        try:
            for i, (a, b) in enumerate(xs):
                b.grad = a * i
        except (TypeError, ValueError) as e:
            print(e, "after", i, a, b)
        try:
            for a, b in reversed(xs):
                s = s + sum(b * w for w in [a, 2.0])
        except (TypeError, ValueError) as e:
            print(e, "after", a, b, s)
""",
    "the first element of a later portion can't be unpacked": """
xs = [(float(i), Value(1.0)) for i in range(600)]
for at in 256, 512, 257, 255:
    ys = xs[:]
    ys[at] = (1.0,)
    try:
        for a, b in ys:
            b.data -= a * 0.1
    except ValueError as e:
        print(e, "after", a, b)
""",
    "items as they are": """
nan = float("nan")
v, m, n = [nan] * 6, [0.0] * 6, [0.0] * 6
for i in range(6):
    m[i] = v[i]
print(m == v, m.count(nan), m[0] is v[0])
for i, x in enumerate(v):
    n[i] = x
print(n == v)
for i in range(6):
    m[i] = nan
    n[i] = m[i]
print(m == v, n == m)
for i in range(6):
    m[i] = v[i] * 1.0
    n[i] = m[i]
print(n == m)
for i in range(6):
    t = v[i] * 2.0
    m[i] = t
    n[i] = t
print(n == m)
""",
    "a global total that globals() has removed": """
xs = [Value(1.0)] * 3
s = 0
globals().pop("s")
for x in []:
    s += x * 2
print("fine")
s = 0
globals().pop("s")
try:
    for x in xs:
        s += x * 2
except NameError as e:
    print(e, "x" in globals())
""",
    "a Value that the body computes, in a sum within": """
xs, ws = [Value(0.1 + 0.3 * i) for i in range(6)], [Value(0.37 * i - 1) for i in range(4)]
s = Value(0.0)
for p in xs:
    g = p.exp()
    s += sum(g * w for w in ws)
for p in xs:
    h = sum(w * p for w in ws)
    k = h * 0.5
    s += sum(h * w for w in ws) * sum(k - w for w in ws)
for p in xs:
    g = p.tanh()
    s = s + g + sum(g + w for w in ws)
for p in xs:
    g = p.data
    s += sum(w * g for w in ws)
for p in xs:
    g = p
    s += sum(w * g for w in ws)
def f():
    t = 0
    for p in xs:
        g = p * p
        t += sum(sum(g * w for w in ws) * v for v in ws)
    return t
r = f()
""",
    "a loop within, over an element of the loop around": """
pairs = [[(Value(1.0 + i), 2.0), (Value(3.0), 4.0 * i)] for i in range(4)]
class Edge:
    def __init__(self, w, x):
        self.w, self.x = w, x
layers = [[Edge(w, x) for w, x in row] for row in pairs]
xs = [Value(0.5 * i) for i in range(8)]
a = [sum(w * x for w, x in row) for row in pairs]
b = [sum(e.w * e.x for e in layer) for layer in layers]
c = sum(sum(e.w * e.w for e in layer) for layer in layers)
d = [sum(xs[j - 1] for j in range(i, i + 3)) for i in range(1, 5)]
e = [sum(j * x for j, x in zip(range(i, i + 3), xs)) for i in range(4)]
f = [sum(j * x for j, x in enumerate(row, start=i)) for i, row in enumerate([xs[:3], xs[2:5], xs[4:7]])]
g = [sum(w * xs[i] for i, (w, x) in enumerate(row)) for row in pairs]
h = [sum(x * w + e.w for (w, x), e in zip(row, layer)) for row, layer in zip(pairs, layers)]
k = [max(e.w.data * e.x for e in layer) for layer in layers]
l = [[w * x for w, x in row] for row in pairs]
m = [sum(w[0] * 2.0 for w in row) for row in pairs]
s = Value(0.0)
for row in pairs:
    s += sum(w * x for w, x in row)
for i in range(4):
    s += sum(xs[j + 1] * j for j in range(i, i + 3))
""",
    "an item of rows of another loop's rows": """
mats = [[[Value(1.0 + i + j), 2.0] for j in range(4)] for i in range(4)]
xs = [Value(0.5 * i) for i in range(4)]
a = [sum(row[0] * x for row, x in zip(mat, xs)) for mat in mats]
b = [sum(x * row[0] for x, row in zip(xs, mat)) for mat in mats]
c = sum(sum(row[-1] * x for row, x in zip(mat, xs)) for mat in mats)
i = 0
d = [sum(row[i] * x for row, x in zip(mat, xs)) for mat in mats]
e = [[row[0] * x for row, x in zip(mat, xs)] for mat in mats]
""",
    "a total that is the loop's own variable": """
class Row:
    calls = 0
    def __iadd__(self, other):
        Row.calls += 1
        return self
rows = [Row() for _ in range(40)]
lr = 0.5
row = 0.0
for row in rows:
    row += lr * 2.0
print(Row.calls)
ms, ys, m = [Value(float(i)) for i in range(40)], [Value(2.0)] * 40, Value(0.0)
for m, y in zip(ys, ms):
    m = m + y
y = 0.0
try:
    for y in [None] * 39 + [1.0]:
        y += 1.0
except TypeError as error:
    print(error)
""",
    "a name twice in a target": """
xs, ys = [Value(1.0 + i) for i in range(5)], [Value(2.0 - i) for i in range(5)]
a = sum(x * y for x, (x, y) in enumerate(zip(xs, ys)))
b = [x * 2 for x, x in enumerate(xs)]
c = [x * 2 for x, (y, x) in enumerate(zip(xs, ys))]
d = [x * y for x, (x, y) in zip(xs, zip(xs, ys))] if 0 else [x * 2 for x, x in zip(xs, ys)]
m = [0.0] * 5
for i, i in enumerate(range(4, -1, -1)):
    m[i] = i * 2.0
i = 0.0
for i, (i, x) in enumerate(zip(ys, xs)):
    x.grad = i.data
""",
    "an element that can't be unpacked, around an empty list": """
rows = [(1.0, [Value(2.0)]), (1.0, [Value(2.0)], 3.0)]
for n in 0, 1:
    for pairs in rows, rows[:1]:
        try:
            print(len([[x[j] for j in range(n)] for a, x in pairs]))
            print(len([[x[j + 1] * 2 for j in range(n - 1)] for a, x in pairs]))
            print(len([[v * 2 for v in x[:n]] for a, x in pairs]))
        except ValueError as error:
            print(error)
""",
    "text that Python can't write again": """
rows = [["a", "b"], ["c", "d"]]
for row in rows:
    print(f"{'\u3000'.join(row)}")
r = [f"{'\u3000'.join(row)}" for row in rows]
for row in rows:
    f"{'\u3000'.join(row)}".strip()
""",
    "an int of too many digits for text": f"""
xs = [Value(1.0), Value(2.0)]
r = [x * (5 % 0x{"f" * 4000}) for x in xs]
for x in xs:
    x.grad = 5 % 0x{"f" * 4000}
""",
    "a name that a call before it rebinds": """
class Replay:
    def __init__(self, items):
        self.items = items
    def __reversed__(self):
        global rates
        rates = [r * 0.5 for r in rates]
        return iter(self.items[::-1])
class N:
    def __index__(self):
        global rates
        rates = [3.0] * 4
        return 4
history = Replay([Value(1.0 + i) for i in range(4)])
rates = [1.0] * 4
t = Value(0.0)
for v, r in zip(reversed(history), rates):
    t += v * r
for v, r in zip(reversed(history), rates):
    v.grad = r
u = [v * r for v, r in zip(reversed(history), rates)]
w = sum(v * r for v, r in zip(reversed(history), rates))
x = [i * r for i, r in zip(range(N()), rates)]
def f():
    ys = [1.0, 2.0]
    class M:
        def __reversed__(self):
            nonlocal ys
            ys = [5.0, 6.0]
            return iter(history.items)
    return [v * r for v, r in zip(reversed(M()), ys)], [v * r for v, r in zip(reversed(history), ys)]
y = f()
def g():
    return [v * r for i, (v, r) in enumerate(zip(reversed(history), rates))]
z = g()
""",
    "a name that isn't bound after a call that raises or prints": """
class L:
    def __reversed__(self):
        print("reversed")
        return iter([1.0])
l = L()
try:
    sum(i * x for i, x in zip(reversed((lambda: 5)()), undefined))
except (TypeError, NameError) as e:
    print(e)
try:
    for i, x in zip(reversed(l), undefined):
        Value(1.0).data = x
except (TypeError, NameError) as e:
    print(e)
""",
    "the loop's own global variables by another name": """
import sys, types
here = types.ModuleType("here")
G = globals()
lr, k, m = 0.5, 2.0, [0.1 * i for i in range(6)]
xs, out = [Value(1.0 + i) for i in range(6)], [0.0] * 6
for i, lr in enumerate(m):
    out[i] = G["lr"] * 2
for k, x in zip(m, xs):
    x.data = G["k"] * 2
for x in xs:
    k = x.data * 2
    x.grad = G["k"] + 1
G = None
""",
    "a function's global total that another deletes": """
xs = []
def clear():
    global s
    del s
def catch():
    global s
    try:
        raise KeyError
    except KeyError as s:
        pass
def f(unbind):
    global s
    s = 0
    unbind()
    for x in xs:
        s += x * 2
    return "fine"
print(f(clear), f(catch))
""",
    "a global total that a frame's globals have lost": """
import sys
xs = []
s = 0
sys._getframe().f_globals.pop("s")
for x in xs:
    s += x * 2
print("fine")
""",
    "a swap": """
m, k = [1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]
for i in range(len(m)):
    x = m[i]
    m[i] = k[i]
    k[i] = x
""",
    "Nesterov's momentum": """
ps = [Value(1.0 + i) for i in range(4)]
v = [0.5, 0.25, -0.5, 1.0]
for i, p in enumerate(ps):
    p.grad = 0.5 * i
for i, p in enumerate(ps):
    old = v[i]
    v[i] = 0.9 * v[i] - 0.1 * p.grad
    p.data += -0.9 * old + 1.9 * v[i]
""",
    "data kept, then assigned": """
ps = [Value(1.0 + i) for i in range(4)]
for p in ps:
    d = p.data
    p.data = 0.5
    p.grad = d
""",
    "a for adds without compensation": """
def add(xs):
    s = 0.0
    for x in xs:
        s += x
    return s
r = add([0.1] * 10), add([1e16, 1.0, -1e16, 1.0, 1.0]), sum(x * 1.0 for x in [0.1] * 10)
""",
    "the author's body raises for the last element": """
xs = [Value(1.5), Value(0.25), 2]
try:
    for p in xs:
        p.grad = 0.5
        old = -0.5
except AttributeError:
    pass
""",
    "the author's body raises for the last number": """
xs, new = [Value(1.5), Value(0.25), Value(2.0)], [1.0, 2.0, Value(3.0)]
try:
    for p, x in zip(xs, new):
        p.data = x
        old = -0.5
except TypeError:
    pass
""",
    "rows of different length": """
rows = [[Value(float(i * 3 + j)) for j in range(n)] for i, n in enumerate([2, 300, 2, 300, 2, 40, 2, 40, 2])]
xs = [Value(1.0 + i) for i in range(300)]
r = [sum(w * x for w, x in zip(row, xs)) for row in rows]
""",
    "a third list that differs by row": """
rows = [[Value(1.0 + i + j) for j in range(3)] for i in range(4)]
xs, masks = [Value(1.0), Value(2.0), Value(4.0)], [[1, 1, 1], [1, 1], [1], [1, 1, 1]]
r = [sum(w * x for w, x, _ in zip(row, xs, mask)) for row, mask in zip(rows, masks)]
try:
    s = [sum(w * x for w, x, _ in zip(row, xs, mask, strict=True)) for row, mask in zip(rows, masks)]
except ValueError as error:
    s = str(error)
""",
    "a loop within one that assigns": """
ps, m = [Value(1.0 + i) for i in range(5)], [1.0, 2.0, 3.0, 4.0, 5.0]
for p in ps:
    p.data = p.data - 0.1 * min(q.data for q in ps)
for i in range(len(m)):
    m[i] = m[i] - 0.5 * min(q * 1.0 for q in m)
""",
    "an item of a row that is the list": """
w = [1.0, 2.0, 3.0, 4.0, 5.0]
m = [w] * 5
for i in range(5):
    w[i] = w[i] + m[i][0]
""",
    "a walrus in a default": """
y = 100.0
def f(vs):
    g = lambda a=(y := 3.0): a
    return [v * y for v in vs]
r = f([Value(1.0), Value(2.0)])
""",
    "a walrus in a decorator's argument": """
y = 100.0
def f(vs):
    def g(q: (y := 3.0)):
        return q
    return [v * y for v in vs]
r = f([Value(1.0), Value(2.0)])
""",
    "the sign of a zero place": """
x = 0.0
r = [v * (-x // 3.0) for v in [Value(1.0), Value(2.0)]]
""",
    "nan is found as the object that it is": """
nan = float('nan')
xs = [nan, 1.0]
r = xs.index(max(x for x in xs)), nan in [max(x, 0.0) for x in xs]
""",
    "a variable of the second for before it's bound": """
r = [s for x in [[], []] for s in [a * s for a in x]]
""",
    "annotations as text": """
from __future__ import annotations
z = [1.0, 2.0]
def f(x: [v * 2 for v in z]) -> [v * 3 for v in z]:
    y: [v * 2 for v in z] = [v * 2 for v in z]
    return y
r = f.__annotations__, f(1)
""",
    "0 and 0.0 as an index": """
m, ps = [1.0, 2.0], [Value(1.0), Value(2.0), Value(3.0)]
try:
    for p in ps:
        m[0] = p.data
        p.data = m[0.0]
except TypeError as error:
    r = str(error)
""",
    "subtraction of nan": """
import math
r = [math.copysign(1.0, x - y) for x, y in zip([1, 2], [float('nan'), -float('nan')])]
""",
    "enumerate starts from what isn't an int": """
ps, said = [Value(1.0 + i) for i in range(4)], []
def a_float():
    for i, p in enumerate(ps, start=1.5):
        p.grad = p.data * i
def text():
    for i, p in enumerate(ps, start='a'):
        p.grad = p.data * i
def a_bool():
    for i, p in enumerate(ps, start=True):
        p.grad = p.data * i
for f in a_float, text, a_bool:
    try:
        said.append(f())
    except TypeError as error:
        said.append(str(error))
""",
    "a private variable by its long name": """
_A__x, xs = 7.0, [Value(1.0), Value(2.0)]
class A:
    def f(self, __x):
        return [v * _A__x for v in xs]
r = A().f(2.0)
""",
    "the class that functions of a class know": """
__class__, xs = 5.0, [Value(1.0), Value(2.0)]
class A:
    def f(self):
        return [v * __class__ for v in xs]
try:
    r = A().f()
except TypeError as error:
    r = str(error)
""",
    "a dict's key that runs code": """
class Key:
    def __hash__(self):
        return 0
    def __eq__(self, other):
        rows.clear()
        return False
rows = [[Value(1.0 + i)] for i in range(3)]
d = {Key(): 1.0, 0: 2.0, 1: 3.0, 2: 4.0}
r = [d[i] * row[0] for i, row in enumerate(rows)]
""",
}

# What faults that were planted have shown: nothing else looked at these.
FOUND |= {
    "weights that a loop has assigned are read again": """
W = [[Value(0.5 * i - j) for j in range(3)] for i in range(4)]
x = [Value(1.0), Value(-2.0), Value(0.5)]
def layer(x, W):
    return [sum(w * xi for w, xi in zip(row, x)) for row in W]
before = layer(x, W), layer(x, W)
sum(before[0] + before[1]).backward()
ps = [w for row in W for w in row]
for p in ps:
    p.data -= 0.1 * p.grad
    p.grad = 0
after = layer(x, W)
""",
    "a result that is 0, of an iterable that Python evaluates": """
xs = [Value(-1.0), Value(0.0), Value(-2.0)]
r = max(v.data for v in list(xs)), min(v.data * 0.0 for v in list(xs)), sum(v.data for v in list(xs[1:2]))
""",
    "an operand that a loop assigns": """
ps = [Value(1.0 + i) for i in range(4)]
a = ps[0]
for p in ps:
    p.data = (a * 2.0).data
""",
    "a function that is another one when the iterable is evaluated": """
xs = [Value(1.0), Value(2.0)]
def own(xs):
    return list(xs), 'own'
def restored():
    global sum
    del sum
    return xs
sum = own
r = sum(x * 2 for x in restored())
""",
    "a variable of a loop within, and around it": """
w, ws = Value(4.0), [Value(1.0), Value(3.0)]
xs = [Value(0.5), Value(2.0)]
r = [sum(w * v for w in ws) + w for v in xs], [[w * v for w in ws] for v in xs], [w for w in ws]
s = [sum(v * w for v in ws) + v * w for v in xs]
""",
    "builtins that are replaced between two runs": """
import builtins
xs = [Value(1.0), Value(2.0), Value(3.0)]
def f(xs):
    return sum(v * v for v in xs)
r = [f(xs), f(xs)]
old, builtins.sum = builtins.sum, lambda xs: 'another sum'
try:
    r.append(f(xs))
finally:
    builtins.sum = old
r.append(f(xs))
del old, builtins
""",
}


@pytest.mark.parametrize("source", FOUND.values(), ids=FOUND)
def test_found(source):
    twins.assert_same(source)


def test_a_function_that_sets_attributes(monkeypatch):
    source = "for p in xs:\n    p.grad = 0.5\nfor p in xs:\n    p.data -= 0.1 * p.grad\n"
    seen = []
    for compiler in compile, twins.compile_source:
        xs, calls = [fastgrad.Value(1.0 + i) for i in range(20)], []
        with monkeypatch.context() as patch:
            patch.setattr(fastgrad.Value, "__setattr__", lambda self, name, x: calls.append((name, x)))
            exec(compiler(source, "<program>", "exec"), {"xs": xs})
        seen.append((calls, [x.data for x in xs]))
    assert seen[0] == seen[1] and len(seen[0][0]) == 40


def test_a_total_that_is_removed_as_a_modules_attribute(monkeypatch):
    source = "s = 0\nforget()\nfor x in xs:\n    s += x\n"
    forgets = "def forget():\n    del here.s\n"
    here = types.ModuleType("here")
    here.xs, here.here = [], here
    code = twins.compile_source(forgets + source, "<program>", "exec")
    exec(code, vars(here))
    assert not hasattr(here, "s") and not twins.loops(code)
    assert twins.loops(twins.compile_source(source, "<program>", "exec"))


def test_globals_of_a_class_of_their_own():
    """exec() takes any dict for globals, and a class derived from dict may have a __getitem__."""
    class Globals(dict):
        def __getitem__(self, name):
            return 5.0 if name == "k" else dict.__getitem__(self, name)

    results = []
    for compiler in (compile, twins.compile_source):
        space = Globals(k=2.0, xs=[3.0, 4.0])
        exec(compiler("r = [x * k for x in xs]", "<program>", "exec"), space)
        results.append(dict.__getitem__(space, "r"))
    assert results[0] == results[1]


def test_locals_that_are_not_globals():
    """exec() of a module's code with both: its variables are the locals, and the globals may have the same names."""
    results = []
    for compiler in (compile, twins.compile_source):
        inside = {"xs": [1.0, 2.0], "k": 2.0}
        exec(compiler("r = [x * k for x in xs]\nt = sum(x * 1.0 for x in xs)", "<program>", "exec"),
             {"xs": [5.0, 6.0], "k": 3.0}, inside)
        results.append((inside["r"], inside["t"]))
    assert results[0] == results[1]


def test_adam_after_thousands_of_steps():
    """The powers of Adam's betas become the smallest numbers that there are, and then 0."""
    for step in 4300, 4400, 4500, 5000:
        found = twins.assert_same(f"""
m, v = [0.1] * 40, [0.2] * 40
ps = [Value(1.0 + i) for i in range(40)]
for i, p in enumerate(ps):
    p.grad = 1e-160 * i
for i, p in enumerate(ps):
    m[i] = 0.85 * m[i] + (1 - 0.85) * p.grad
    v[i] = 0.99 * v[i] + (1 - 0.99) * p.grad ** 2
    m_hat = m[i] / (1 - 0.85 ** ({step} + 1))
    v_hat = v[i] / (1 - 0.99 ** ({step} + 1))
    p.data -= 0.01 * m_hat / (v_hat ** 0.5 + 1e-8)
    p.grad = 0
""")
        runs, declines = twins.tally(found)
        assert not declines and runs["assigns items, data, grad"] > 0, step


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are type parameters from 3.12 on")
def test_type_parameters():
    twins.assert_same("""
k, xs = 3.0, [Value(1.0), Value(2.0)]
def f[k](xs):
    return [x * k for x in xs]
class A[k]:
    def f(self, xs):
        return [x * k for x in xs]
for f in f, A().f:
    try:
        r = f(xs)
    except TypeError as error:
        print(error)
""")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sum() compensates from 3.12 on")
def test_sum_compensates():
    space = {"xs": [0.1] * 10}
    exec(twins.compile_source("r = sum(x * 1.0 for x in xs)", "<program>", "exec"), space)
    assert space["r"] == sum([0.1] * 10) == 1.0


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is there from 3.12 on")
@pytest.mark.parametrize("is_local", [False, True])
def test_a_tool_sees_all_lines(is_local):
    """Debuggers, coverage and cProfile use sys.monitoring: they set no trace function."""
    lines = ["xs = [1.0, 2.0, 3.0]", "r = [x * 2.0 for x in xs]", "s = 0.0", "for x in xs:", "    s = s + x * x"]
    monitoring, seen = sys.monitoring, []
    for compiler in (compile, twins.compile_source):
        code, found = compiler("\n".join(lines), "<program>", "exec"), []
        monitoring.use_tool_id(monitoring.PROFILER_ID, "test")
        try:
            monitoring.register_callback(monitoring.PROFILER_ID, monitoring.events.LINE,
                                         lambda code, line: found.append(line) if code.co_name == "<module>" else None)
            if is_local:
                monitoring.set_local_events(monitoring.PROFILER_ID, code, monitoring.events.LINE)
            else:
                monitoring.set_events(monitoring.PROFILER_ID, monitoring.events.LINE)
            exec(code, {})
        finally:
            monitoring.set_events(monitoring.PROFILER_ID, 0)
            monitoring.set_local_events(monitoring.PROFILER_ID, code, 0)
            monitoring.free_tool_id(monitoring.PROFILER_ID)
        seen.append([line for line, before in zip(found, [None, *found]) if line != before])
        space = {}
        exec(code, space)
        assert space["s"] == 14.0
    assert seen[0] == seen[1] and seen[0].count(5) == 3
    assert sum(loop.runs for loop in twins.loops(code)) == 2       # after the tool is gone


def test_a_profiler_sees_generators():
    import cProfile
    import pstats
    calls = []
    for compiler in (compile, twins.compile_source):
        code, profile = compiler("r = sum(x * x for x in xs)", "<program>", "exec"), cProfile.Profile()
        profile.enable()
        exec(code, {"xs": [fastgrad.Value(1.0)] * 5})
        profile.disable()
        calls.append({name: found[:2] for (_, _, name), found in pstats.Stats(profile).stats.items() if "gen" in name})
    assert calls[0] == calls[1] == {"<genexpr>": (6, 6)}
