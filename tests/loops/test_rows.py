"""Promise: sums for each row of a layer have the bits and the graph of the author's, however many rows there are and
whatever one of them is. (Rows are read and made up to 32 at a time.)
"""
import pytest

import fastgrad
import twins

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")

LOOPS = (
    "r = [sum(w * x for w, x in zip(row, xs)) for row in rows]",
    "r = [sum(x * w for w, x in zip(row, xs)) for row in rows]",
    "r = [sum(row[j] * xs[j] for j in range(len(xs))) for row in rows]",
    "r = [sum(row[j] * xs[j] for j in range(2)) for row in rows]",
    "r = [sum((w * x for w, x in zip(row, xs)), a) for row in rows]",
    "r = [sum(w * x for w, x in zip(row, xs)) + b for row, b in zip(rows, ys)]",
    "r = [sum(w * x for w, x in zip(row, xs)).relu() for row in rows]",
    "r = [sum(row) for row in rows]",
    "r = [max(v.data for v in row) for row in rows]",
    "r = [[v * 2.0 for v in row] for row in rows]",
    "r = [sum(w * w for w in row) for row in rows]",
    "r = [sum(rows[i][j] * xs[j] for j in range(len(xs))) for i in range(len(rows))]",
    "r = [sum(rows[i][j] * xs[i] for i in range(4)) for j in range(3)]",
    "r = [sum(row[j + 1] * xs[j] for j in range(2)) for row in rows]",
    "r = [sum(xs[j] * row[j + 1] for j in range(2)) for row in rows]",
    "r = [sum(w * x for w, x in zip(row[-3:-1], xs)) for row in rows]",
    "r = [row[-2:-1] for row in rows], [row[-9:2] for row in rows]",
    "r = [row[1:9] for row in rows], [row[:-1] for row in rows], [row[-1:0] for row in rows]",
    "r = [rows[i][0] * a for i in range(len(rows) - 1, -1, -2)], [rows[i][0] * a for i in range(1, len(rows), 3)]",
    "r = [w * x + y for w, x, y in rows]",
    "r = [w * x for w, x in rows]",
    "r = [row[i + 2] * a for i, row in enumerate(rows, start=-4)]",
    "r = [sum(x * y for _, x, y in zip(row, xs, ys)) for row in rows]",
    "r = [row[-1] * a for row in rows]",
    "r = [row[-1].data + row[0].data for row in rows]",
)
CHANGES = (
    "",
    "rows[5] = rows[5][:2]",
    "rows[1] = rows[1] + [a]",
    "rows[0] = rows[0][:2]",
    "rows[7] = []",
    "rows[3] = tuple(rows[3])",
    "rows[6] = [1, 2, 3]",
    "rows[6][1] = 2.0",
    "rows[2][0] = Value(3)",
    "xs[1] = Value(3)\nrows[2][0] = Value(3)",
    "rows[4] = rows[3]",
    "rows[4] = xs",
    "rows[6] = None",
    "rows[5][2] = rows[5][0] * 1.5",
    "del rows[4:]",
    "del rows[5:]",
    "xs = [1.0, 2.0, 3.0]",
    "xs = [x.data for x in xs]\nrows[3] = [1.0, 2.0, 3.0]",
    "rows = iter(rows)",
    "rows[4] = {0: a, 1: a, 2: a}",
    "rows[5][1] = 10 ** 20",
)


@pytest.mark.parametrize("n", [9, 67])
@pytest.mark.parametrize("loop", LOOPS)
def test_rows(loop, n):
    for change in CHANGES:
        twins.assert_same("a = Value(0.5)\nxs = [Value(0.3), Value(-1.7), Value(2.1)]\n"
                          f"ys = [Value(0.1 * i) for i in range({n})]\n"
                          f"rows = [[Value(0.37 * i - 0.91 * j) for j in range(3)] for i in range({n})]\n"
                          f"{change}\n{loop}\n")
