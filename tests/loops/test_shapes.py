"""Promise: C runs the loops that people write. SHAPES are those counted in public programs, with their variants. Each
is compared with its plain twin, at module level and in a function, and must have run in C without declining.

A line that C runs ends with `# C`. Everything else about these loops is in test_programs.py.
"""
import random
import re
import textwrap

import pytest

import fastgrad
import twins
from cast import with_cast

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")

LENGTHS = (0, 1, 2, 17)         # of lists, in the programs that are compared only
N = 5                           # where C must run the loop

SHAPES = {
    "divided": """
        r = [v / k for v in xs]  # C
        ---
        r = [v / a for v in xs]  # C
        ---
        r = [v / c.b for v in xs]  # C
        ---
        total = sum(xs)  # C
        r = [v / total for v in xs]  # C
        ---
        r = [v / n for v in c.w]  # C
        ---
        r = [xs[i] / k for i in range(len(xs))]  # C
        """,
    "softmax": """
        top = max(v.data for v in xs)  # C
        exps = [(v - top).exp() for v in xs]  # C
        total = sum(exps)  # C
        r = [e / total for e in exps]  # C
        ---
        r = [(v - a).exp() for v in xs]  # C
        ---
        top = max([v.data for v in xs])
        r = [(v - top).exp() for v in xs]  # C
        """,
    "added": """
        r = [a + b for a, b in zip(xs, ys)]  # C
        ---
        r = [xs[i] + ys[i] for i in range(n)]  # C
        ---
        r = [a + b for a, b in zip(xs, ys, strict=True)]  # C
        ---
        r = [t + p for t, p in zip(rows[0], rows[1])]  # C
        ---
        r = [a - b for a, b in zip(xs, ys)]  # C
        ---
        r = [w * x for w, x in zip(xs, ys)]  # C
        """,
    "scaled": """
        r = [v * k for v in xs]  # C
        ---
        r = [k * v for v in xs]  # C
        ---
        r = [v * a for v in xs]  # C
        ---
        r = [-v for v in xs]  # C
        ---
        r = [1 - v for v in xs]  # C
        ---
        ms = sum(xi * xi for xi in xs) / len(xs)  # C
        scale = (ms + 1e-5) ** -0.5
        r = [xi * scale for xi in xs]  # C
        """,
    "sum of squares": """
        r = sum(v * v for v in xs)  # C
        ---
        r = sum(v * v for v in xs) / len(xs)  # C
        ---
        r = sum(v ** 2 for v in xs)  # C
        ---
        r = sum([v * v for v in xs])  # C
        ---
        r = sum((v * v for v in xs), a)  # C
        ---
        r = sum((v * v for v in xs), 0.0)  # C
        ---
        r = sum(xs)  # C
        ---
        r = sum(v for v in xs)  # C
        """,
    "dot products with every row": """
        r = [sum(q[j] * rows[t][j] for j in range(n)) / n ** 0.5 for t in range(len(rows))]  # C
        ---
        r = [sum(q[j] * rows[t][j] for j in range(n)) / k for t in range(len(rows))]  # C
        ---
        r = [sum(q[hs + j] * rows[t][hs + j] for j in range(2)) / 2 ** 0.5 for t in range(len(rows))]  # C
        ---
        r = [sum(q[j] * rows[t][j] for j in range(n - 1, -1, -1)) for t in range(len(rows))]  # C
        ---
        r = [sum(q[j] * rows[t][j] for j in range(1, n)) for t in range(len(rows))]  # C
        ---
        r = [sum(x * rows[t][j] for j, x in enumerate(q)) for t in range(len(rows))]  # C
        ---
        r = [sum(x * rows[t][j - 1] for j, x in enumerate(q, 1)) for t in range(len(rows))]
        ---
        r = [sum(rows[-t][j] * q[j] for j in range(n)) for t in range(len(rows))]
        ---
        r = [sum(rows[t][j] * q[n - 1 - j] for j in range(n)) for t in range(len(rows))]
        """,
    "slices": """
        r = [row[hs:hs + 2] for row in rows]  # C
        ---
        r = [row[-2:n] for row in rows]  # C
        ---
        r = [row[hs + 1:2 ** 40] for row in rows]
        ---
        r = [row[i:i + 2] for i, row in enumerate(rows)]  # C
        ---
        r = [row[hs:len(row)] for row in rows]  # C
        ---
        r = [xs[i:n - i] for i in range(n)]  # C
        ---
        r = [row[hs:] for row in rows]  # C
        ---
        r = [row[n:hs] for row in rows]  # C
        """,
    "rows weighted": """
        r = [sum(xs[t] * rows[t][j] for t in range(len(rows))) for j in range(n)]  # C
        ---
        r = [sum(xs[t] * rows[t][hs + j] for t in range(len(rows))) for j in range(2)]  # C
        ---
        r = [sum(xs[t] * rows[t][j] for t in range(len(rows) - 1, -1, -1)) for j in range(n)]  # C
        ---
        r = [sum(xs[t] * rows[t][j] for t in range(len(rows))) for j in range(-1, n - 1)]  # C
        """,
    "linear": """
        r = [sum(w * x for w, x in zip(row, xs)) for row in rows]  # C
        ---
        r = [sum(row[j] * xs[j] for j in range(len(xs))) for row in rows]  # C
        ---
        r = [sum(row[j] * xs[j] for j in range(n)) for row in rows]  # C
        ---
        r = [sum(wi * xi for wi, xi in zip(wo, x)) for wo in rows]  # C
        ---
        r = [sum(rows[i][j] * xs[j] for j in range(n)) for i in range(len(rows))]  # C
        ---
        r = [sum(w * x for w, x in zip(row, xs)) + b for row, b in zip(rows, ys)]  # C
        """,
    "neuron": """
        r = sum((w * x for w, x in zip(c.w, xs)), c.b)  # C
        ---
        r = sum((w * x for w, x in zip(c.w, xs, strict=True)), c.b)  # C
        ---
        act = c.b
        for w, x in zip(c.w, xs):  # C
            act += w * x
        r = act
        ---
        act = c.b
        for w, x in zip(c.w, xs):  # C
            act = act + w * x
        r = act.tanh()
        ---
        r = sum([w * x for w, x in zip(c.w, xs)], c.b).relu()  # C
        ---
        act = 0
        for i in range(len(xs)):  # C
            act = act + c.w[i] * xs[i]
        r = act + c.b
        ---
        r = sum(w * x for w, x in zip(c.w, xs)) + c.b  # C
        """,
    "methods": """
        r = [v.relu() for v in xs]  # C
        ---
        r = [v.relu() ** 2 for v in xs]  # C
        ---
        r = [v.exp() for v in xs]  # C
        ---
        r = [v.tanh() for v in xs]  # C
        ---
        r = [v.log() for v in ps]  # C
        ---
        r = [v.sigmoid() for v in xs]  # C
        ---
        r = [xs[i].tanh() for i in range(n)]  # C
        """,
    "squared differences": """
        r = sum((a - b) ** 2 for a, b in zip(xs, ys))  # C
        ---
        r = [(a - b) ** 2 for a, b in zip(xs, ys)]  # C
        ---
        r = sum([(a - b) ** 2 for a, b in zip(xs, ys)])  # C
        ---
        r = Value(0.0)
        for a, b in zip(xs, ys):  # C
            r = r + (a - b) ** 2
        ---
        r = 0
        for a, b in zip(xs, targets):  # C
            d = a - b
            r += d ** 2
        ---
        r = sum((yout - ygt) ** 2 for ygt, yout in zip(targets, xs))  # C
        ---
        r = sum((a - b) ** 2 for a, b in zip(xs, ys)) / len(xs)  # C
        """,
    "hinge": """
        r = [(1 + -a * b).relu() for a, b in zip(targets, xs)]  # C
        ---
        r = [(1 + -yi * scorei).relu() for yi, scorei in zip(targets, xs)]  # C
        r = sum(r) * (1.0 / len(r))  # C
        ---
        r = 1e-4 * sum((p * p for p in c.parameters()))  # C
        ---
        r = sum(p * p for p in c.parameters())  # C
        """,
    "Adam": """
        for i, p in enumerate(xs):  # C
            m[i] = b1 * m[i] + (1 - b1) * p.grad
            v[i] = b2 * v[i] + (1 - b2) * p.grad ** 2
            mh = m[i] / (1 - b1 ** (step + 1))
            vh = v[i] / (1 - b2 ** (step + 1))
            p.data -= lr * mh / (vh ** 0.5 + eps)
            p.grad = 0
        ---
        for i, p in enumerate(xs):  # C
            m[i] = b1 * m[i] + (1 - b1) * p.grad
            v[i] = b2 * v[i] + (1 - b2) * p.grad * p.grad
            mh = m[i] / (1 - b1 ** step)
            vh = v[i] / (1 - b2 ** step)
            p.data -= lr * mh / (math.sqrt(vh) + eps)
        ---
        for i, p in enumerate(xs):  # C
            g = max(-1.0, min(1.0, p.grad))
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g * g
            p.data = p.data - lr * m[i] / (v[i] ** 0.5 + eps)
            p.grad = 0.0
        ---
        for i, p in enumerate(c.parameters()):  # C
            c.m[i] = b1 * c.m[i] + (1 - b1) * p.grad
            c.v[i] = b2 * c.v[i] + (1 - b2) * (p.grad ** 2)
            mh = c.m[i] / (1 - b1 ** step)
            vh = c.v[i] / (1 - b2 ** step)
            p.data -= c.lr * mh / (vh ** 0.5 + eps)
        ---
        for i, p in enumerate(xs):  # C
            g = p.grad + 0.01 * p.data
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g ** 2
            p.data -= lr * (m[i] / (math.sqrt(v[i]) + eps) + 0.01 * p.data)
        ---
        for i in range(len(xs)):  # C
            p = xs[i]
            m[i] = b1 * m[i] + (1 - b1) * p.grad
            v[i] = b2 * v[i] + (1 - b2) * p.grad ** 2
            p.data -= lr * m[i] / (v[i] ** 0.5 + eps)
        ---
        for i, p in enumerate(xs):  # C
            v[i] = 0.9 * v[i] - lr * p.grad
            p.data += v[i]
        ---
        for i, p in enumerate(xs):  # C
            v[i] = 0.9 * v[i] + 0.1 * p.grad ** 2
            p.data -= lr * p.grad / (v[i] ** 0.5 + eps)
        """,
    "zeroed gradients": """
        for p in c.parameters():  # C
            p.grad = 0
        ---
        for p in xs:  # C
            p.grad = 0.0
        ---
        for row in rows:
            for p in row:  # C
                p.grad = 0
        ---
        for i in range(len(xs)):  # C
            xs[i].grad = 0
        """,
    "gradient descent": """
        for p in c.parameters():  # C
            p.data -= k * p.grad
        ---
        for p in xs:  # C
            p.data += -k * p.grad
        ---
        for p in xs:  # C
            p.data = p.data - k * p.grad
        ---
        for p in xs:  # C
            p.data += -0.1 * p.grad
        ---
        for p in xs:  # C
            p.data -= lr * p.grad
            p.grad = 0
        ---
        for p in c.parameters():  # C
            p.data -= c.lr * p.grad
        ---
        norm = sum(p.grad ** 2 for p in xs) ** 0.5  # C
        for p in xs:  # C
            p.grad *= 0.5 / norm
        """,
    "accumulated": """
        r = xs[0] if xs else a
        for v in xs[1:]:  # C
            r = r + v
        ---
        r = 0
        for v in xs:  # C
            r += v
        ---
        mean = sum(xs) / n  # C
        r = sum((v - mean) ** 2 for v in xs) / n  # C
        ---
        mean = sum(xs) / len(xs)  # C
        var = sum([(v - mean) ** 2 for v in xs]) / len(xs)  # C
        r = [(v - mean) / (var + 1e-5) ** 0.5 for v in xs]  # C
        ---
        top = xs[0].data if xs else 0.0
        for v in xs[1:]:
            top = max(top, v.data)
        r = [v - top for v in xs]  # C
        ---
        r = []
        for row in rows:
            s = Value(0.0)
            for w, x in zip(row, xs):  # C
                s = s + w * x
            r.append(s)
        """,
}
PROGRAMS = [pytest.param(textwrap.dedent(part).strip("\n"), id=f"{shape}-{i}") for shape, text in SHAPES.items()
            for i, part in enumerate(textwrap.dedent(text).split("---"))]
CHANGES = (
    "if xs: xs[0].data = 0.5",
    "if xs: xs[-1] = Value(0.75)",
    "if xs: xs[0] = Value(2)",
    "if xs: xs.pop(), c.w.pop()",
    "xs.append(Value(0.5)); ys.append(a)",
    "xs.reverse()",
    "xs = ys",
    "rows.reverse()",
    "if rows: rows[0] = [*rows[0]]",
    "if rows: rows[0][-1].data = 2.5",
)


def setup(n):
    """What the programs' names are: no loops, whose runs would be counted too."""
    rng = random.Random(n)

    def values(count, low=-1.5):
        return f"[{', '.join(f'Value({round(rng.uniform(low, 1.5), 3)})' for _ in range(count))}]"

    return with_cast(f"""import math
class Cell:
    def parameters(self):
        return self.w + [self.b]
xs = {values(n)}
ys = {values(n)}
ps = {values(n, 0.5)}
q, x = ys, xs
rows = [{', '.join(values(n) for _ in range(min(3, n)))}]
targets = {[pow(-1.0, i) for i in range(n)]}
c = Cell()
c.w, c.b, c.m, c.v, c.lr = {values(n)}, Value(0.25), [0.0] * {n + 1}, [0.0] * {n + 1}, 0.02
a, b, k, lr, eps, b1, b2, step, n, hs = Value(1.5), Value(-0.5), 0.3, 0.05, 1e-8, 0.9, 0.99, 2, {n}, 0
m, v = [0.0] * n, [0.0] * n
loss = ((xs[0] * 1.5).tanh() + xs[-1] * xs[0] - ys[-1] * c.w[0] + c.b * 2) if n else a
loss.backward()
""")


def in_a_function(program):
    names = "xs, ys, ps, q, x, rows, targets, c, a, b, k, lr, eps, b1, b2, step, n, hs, m, v"
    back = "    return r\n" if re.search(r"^r\b", program, re.M) else ""
    call = "r = " if back else ""
    return f"def f({names}):\n{textwrap.indent(program, '    ')}\n{back}{call}f({names})"


def assert_in_c(source, found):
    """Assert that the loops of marked lines have run in C, and that none has declined."""
    declined = {(loop.line, reason) for loop in found for reason in loop.declines}
    ran = {loop.line for loop in found if loop.runs}
    marked = {i for i, line in enumerate(source.split("\n"), 1) if line.endswith("# C")}
    assert not declined and marked <= ran, f"{source}\ndeclined: {declined}, not run in C: {marked - ran}"


@pytest.mark.parametrize("place", (str, in_a_function))
@pytest.mark.parametrize("program", PROGRAMS)
def test_shapes(program, place):
    source = f"{setup(N)}{place(program)}\n"
    for backward in (False, True):
        assert_in_c(source, twins.assert_same(source, backward))
    assert "raises" not in "".join(twins.both(source).plain)
    for n in LENGTHS:
        twins.assert_same(f"{setup(n)}{place(program)}\n")


@pytest.mark.parametrize("program", PROGRAMS)
def test_shapes_without_a_graph(program):
    source = f"{setup(N)}with no_grad():\n{textwrap.indent(program, '    ')}\n"
    assert_in_c(source, twins.assert_same(source))


@pytest.mark.parametrize("program", PROGRAMS)
def test_shapes_again_and_again(program):
    """What C keeps of a list from one run to the next holds as long as nobody changes it."""
    for i, change in enumerate(CHANGES):
        source = f"{setup(N)}for again in range(3):\n{textwrap.indent(program, '    ')}\n    {change}\n"
        twins.assert_same(source, backward=i % 2 == 1)


def test_how_often_loops_run():
    """An inner loop's list may be an unusual one now and then. The others run in C."""
    source = f"{setup(N)}for xs in ([a, b, a], ys, [a, 1, b], (a, b), [a, b, b]):\n    r = [v * 2 for v in xs]\n"
    found = twins.assert_same(source, backward=False)
    runs, declines = twins.tally(found)
    assert sum(runs.values()) >= 3 and sum(declines.values()) + sum(runs.values()) == 5


@pytest.mark.parametrize("order", ["ps[::-1]", "[ps[(7 * i) % len(ps)] for i in range(len(ps))]"])
def test_parameters_in_any_order(order):
    """Values that are all different are assigned in portions, in whatever order they were made."""
    source = f"""
ps = [Value(0.01 * i) for i in range(600)]
for p in ps:
    p.grad = 1.0 + p.data
ps, m = {order}, [0.0] * 600
for i, p in enumerate(ps):
    g = p.grad
    m[i] = 0.9 * m[i] + 0.1 * g
    p.data -= 0.5 * m[i]  # C
"""
    found = twins.assert_same(source)
    assert all(loop.runs for loop in found if loop.what == "assigns items, data")
