"""Promise: a `for` that assigns does what the author's does where an element reads what another one assigns, and where
places are shared. (test_shapes.py has the usual ones, test_interrupts.py those that are cut.)
"""
import pytest

import fastgrad
import twins

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")

SETUP = """
a, b, lr = Value(0.5), Value(3.0), Value(0.1)
xs = [Value(1.0 + i) for i in range(8)]
ys = [Value(0.25 * i) for i in range(8)]
m = [0.0 + i for i in range(8)]
for v in xs:
    v.grad = v.data * 0.5
"""
PROGRAMS = {
    "the same Value for all elements": "for v in xs:\n    a.data += v.data",
    "its gradient": "for v in xs:\n    a.grad += v.data",
    "it's read, too": "for v in xs:\n    v.data = a.data\n    a.data = v.grad + 3.0",
    "one after the other": "for v in xs:\n    a.data = v.data\n    b.data = a.data * 2",
    "an item for all elements": "for i in range(8):\n    xs[0].data += 1.5",
    "a Value that is only read": "for v in xs:\n    v.data -= a.data * v.grad",
    "a Value twice": "for v in [*xs, xs[0], a, a]:\n    v.data = v.data * 2.0 + v.grad",
    "its neighbour": "for v, w in zip(xs[1:], xs):\n    v.data = w.data + 1.0",
    "a float that somebody holds":
        "held = m[2], m[5]\nfor i, v in enumerate(xs):\n    m[i] = m[i] * 0.5 + v.data\nprint(held)",
    "a list that somebody iterates over":
        "it = iter(m)\nnext(it)\nfor i, v in enumerate(xs):\n    m[i] = v.data\nprint([*it])",
    "two names of a list": "k = m\nfor i in range(1, 8):\n    m[i] = k[i - 1] + 1.0",
    "two names of a list, with the same index":
        "k = m\nfor i, v in enumerate(xs):\n    m[i] = v.data\n    k[i] = m[i] + 1.0",
    "two names of a list, one of which is read":
        "k = m\nfor i, v in enumerate(xs):\n    m[i] = v.data\n    v.grad = k[i]",
    "over the list itself": "for i, x in enumerate(m):\n    m[i] = x * 2.0",
    "over the list itself, backwards": "for x, y in zip(m, reversed(m)):\n    pass\n"
                                       "for i, x in enumerate(reversed(m)):\n    m[i] = x * 2.0 + 1.0",
    "ints and floats": "m[3] = 7\nfor i, v in enumerate(xs):\n    m[i] = m[i] * 2",
    "a list that is too short": "del m[5:]\nfor i, v in enumerate(xs):\n    m[i] = v.data",
    "from behind": "for i, v in enumerate(xs):\n    m[-1 - i] = v.data",
    "a negative start": "for i, v in enumerate(xs, start=-3):\n    m[i] = v.data + m[i]",
    "something else in the list": "m[6] = None\nfor i, v in enumerate(xs):\n    m[i] = v.data",
    "a Value in the list": "m[6] = a\nfor i, v in enumerate(xs):\n    m[i] = v.data",
    "a Value as a number": "for v in xs:\n    v.data -= lr * v.grad",
    "a number among the Values": "xs[6] = 2.0\nfor v in xs:\n    v.data -= 0.1 * v.grad",
    "the last element raises": "xs[-1].grad = 0.0\nfor v in xs:\n    v.data = 1.0 / v.grad",
    "the last but one raises": "xs[-2].grad = 0.0\nfor v in xs:\n    v.data = 1.0 / v.grad",
    "variables that are left": "for i, v in enumerate(xs, start=5):\n    g = v.grad * 2\n    v.data -= g",
    "variables that are left where the last element raises":
        "xs[-1].grad = 0.0\nfor i, v in enumerate(xs):\n    g = 1.0 / v.grad\n    v.data -= g",
    "variables that are left where an element raises":
        "xs[4].grad = 0.0\nfor i, v in enumerate(xs):\n    g = 1.0 / v.grad\n    v.data -= g",
    "reversed": "for v, w in zip(reversed(xs), ys):\n    v.data += w.data",
    "enumerate with a start, and a sum": "s = 0\nfor i, v in enumerate(xs, start=3):\n    s = s + v * i",
    "zip of lists that differ": "for v, w in zip(xs, ys[:3]):\n    v.data = w.data",
    "zip of lists that may not": "for v, w in zip(xs, ys[:3], strict=True):\n    v.data = w.data",
    "a range with a step": "for i in range(7, -1, -3):\n    xs[i].grad = m[i]",
    "sums of what was assigned": "r = []\nfor again in range(3):\n    r.append(sum(v * w for v, w in zip(xs, ys)))\n"
                                 "    for v in xs:\n        v.data -= 0.1 * v.grad",
    "what a statement before has assigned":
        "for i, v in enumerate(xs):\n    m[i] += v.grad\n    v.data -= m[i]\n    v.grad = v.data + m[i]",
    "an int for each": "for i, v in enumerate(xs):\n    v.data = i\n    v.grad = i * 2",
    "an int for some":
        "m[3] = 7\nm[5] = 0\nfor i, v in enumerate(xs):\n    v.grad = m[i]\nfor v in xs:\n    v.data = v.grad",
    "a Value's results": "v = xs[0] * ys[1]\nfor p in xs:\n    p.data = p.data * 0.5\nv.backward()",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_assigned(name):
    for again in "", "for again in range(3):\n":
        text = PROGRAMS[name].replace("\n", "\n    ") if again else PROGRAMS[name]
        twins.assert_same(f"{SETUP}{again}{'    ' if again else ''}{text}\n")


def test_a_value_that_is_only_read_may_be_the_same():
    found = twins.assert_same(f"{SETUP}for v in xs:\n    v.data -= a.data * v.grad\n")
    assert all(not loop.declines for loop in found)


HEADS = (
    "v in xs", "v in reversed(xs)", "v in (*xs,)", "v in xs[1:]", "v in iter(xs)", "v in {1: a}.values()",
    "(v,) in zip(xs)", "(v,) in zip(reversed(xs))", "v, w in zip(xs, ys)", "v, w in zip(xs, reversed(ys))",
    "v, w in zip(reversed(xs), ys)", "v, w in zip(xs, ys, strict=True)", "v, w in zip(xs, ys, strict=False)",
    "v, w, q in zip(xs, ys, xs)", "v, i in zip(xs, range(9))", "v, i in zip(reversed(xs), range(9, 0, -2))",
    "i, v in enumerate(xs)", "i, v in enumerate(reversed(xs))", "i, v in enumerate(xs, start=3)",
    "i, v in enumerate(xs, 3)", "i, (v,) in enumerate(zip(xs))", "i, (v, w) in enumerate(zip(xs, ys))",
    "i, (v, w) in enumerate(zip(reversed(xs), ys))", "i, (v, w) in enumerate(zip(xs, ys), start=-1)",
    "i, v in enumerate([*xs, None])", "v, w in zip(xs, None)", "v in None",
)
BODIES = ("v.grad = 0.5", "v.data += 0.25\n    v.grad = v.data", "s = s + v * 2.0", "s += v")


@pytest.mark.parametrize("head", HEADS)
def test_what_is_gone_over(head):
    """Lists of any length, also those of which C leaves all to the author's code."""
    for n in range(5):
        for body in BODIES:
            for unusual in "pass", "xs[-1:] = [2]", "xs[:1] = [None]":
                twins.assert_same(f"xs, ys, a, s = [Value(1.0 + i) for i in range({n})], [Value(0.5), Value(2.5)], "
                                  f"Value(1.5), Value(0.125)\n{unusual}\n"
                                  f"for {head}:\n    {body}\n", backward=False)
