"""Where the boxes of a drawing go: a layered layout of a graph without cycles, after Sugiyama, Tagawa and Toda (1981).

Every box gets a rank, its longest path to a box that has no way out, and all boxes of a rank stand in one column, at
its right edge; what would make a column too high goes to the next rank (the idea is Coffman and Graham's, 1972). An
edge that crosses columns goes through a bend in each. Then the order in each column is improved so that fewer edges
cross, and boxes move along their columns towards their neighbours without coming too close to each other. Curves bend
only between columns, so no edge runs through a box.

It's written here because drawing mustn't need a package: of those in plain Python, grandalf comes near, but it needs
another package, has had no release since January 2023, and is under the GPL or the EPL.
"""
import math
from collections import Counter


BOX_GAP, EDGE_GAP = 16.0, 10.0          # in a column: between two boxes, and beside a bend
COLUMN_GAP, WIDEST_GAP = 36.0, 150.0    # between two columns; more where edges are steep
SWEEPS = 24


def layered(sizes, edges, breadth=math.inf):
    """Place boxes and route edges from left to right.

    sizes: (width, height) of each box. edges: pairs of indices (from, to); no cycles. breadth: how high a column's
    boxes may stand on each other; what is more wraps into the columns before it.

    Returns the boxes' centres as (x, y), for each edge a list of points, and (width, height) of the whole. Between the
    points of an edge a straight line and a curve take turns, and the first is a line.
    """
    rank = _ranks([height + BOX_GAP for _, height in sizes], edges, breadth)
    columns = _Columns(rank, edges)
    columns.order()
    y = columns.place([height for _, height in sizes])
    return _draw(sizes, edges, columns, y)


def _ranks(heights, edges, breadth=math.inf):
    """The length of the longest path from each box to the end; more where a column is full."""
    n = len(heights)
    inputs, waiting, rank, filled = [[] for _ in range(n)], [0] * n, [0] * n, Counter()
    for a, b in edges:
        inputs[b].append(a)
        waiting[a] += 1
    ready = [v for v in range(n) if not waiting[v]]
    for v in ready:
        while filled[rank[v]] and filled[rank[v]] + heights[v] > breadth:
            rank[v] += 1
        filled[rank[v]] += heights[v]
        for a in inputs[v]:
            rank[a] = max(rank[a], rank[v] + 1)
            waiting[a] -= 1
            if not waiting[a]:
                ready.append(a)
    return rank


class _Columns:
    """Boxes and bends in columns; a bend is a vertex that comes after all boxes in number.

    Edges from the same box share their bends, so that a box used in many places looks like a bus line.
    """

    def __init__(self, rank, edges):
        self.boxes, self.rank = len(rank), list(rank)
        self.ways, bends, links = [], {}, {}
        for a, b in edges:
            way = [a]
            for r in range(rank[a] - 1, rank[b], -1):
                if (a, r) not in bends:
                    bends[a, r] = len(self.rank)
                    self.rank.append(r)
                way.append(bends[a, r])
            way.append(b)
            self.ways.append(way)
            links.update(dict.fromkeys(zip(way, way[1:])))
        self.inputs, self.outputs = [[] for _ in self.rank], [[] for _ in self.rank]
        for a, b in links:
            self.inputs[b].append(a)
            self.outputs[a].append(b)
        self.columns = [[] for _ in range(max(self.rank) + 1)]      # by rank; the last is the leftmost
        seen = [False] * len(self.rank)
        stack = [v for v in reversed(range(self.boxes)) if not self.outputs[v]]
        while stack:        # depth first in operand order, by which a tree is drawn without crossings
            v = stack.pop()
            if not seen[v]:
                seen[v] = True
                self.columns[self.rank[v]].append(v)
                stack.extend(reversed(self.inputs[v]))

    def order(self):
        """Sort each column by its vertices' neighbours, from each side in turn. Keep what has the fewest crossings."""
        self.number()
        best, kept = self.crossings(), [list(column) for column in self.columns]
        for sweep in range(max(2, min(SWEEPS, 200_000 // len(self.rank)))):
            if not best:
                break
            near = self.inputs if sweep % 2 else self.outputs
            for column in self.columns if near is self.outputs else self.columns[::-1]:
                where = {v: sum(self.position[a] for a in near[v]) / len(near[v]) if near[v] else self.position[v]
                         for v in column}
                column.sort(key=where.__getitem__)
                self.number(column)
            self.swap()
            found = self.crossings()
            if found < best:
                best, kept = found, [list(column) for column in self.columns]
        self.columns = kept
        self.number()

    def number(self, *columns):
        if not columns:
            self.position = [0] * len(self.rank)
            columns = self.columns
        for column in columns:
            for i, v in enumerate(column):
                self.position[v] = i

    def swap(self):
        """Swap neighbours in a column where that removes crossings."""
        for column in self.columns:
            for i in range(len(column) - 1):
                a, b = column[i], column[i + 1]
                if self.crossed(a, b) > self.crossed(b, a):
                    column[i], column[i + 1] = b, a
                    self.position[a], self.position[b] = i + 1, i

    def crossed(self, a, b):
        """How many of their edges cross while a stands before b; 0 if they have too many to be compared."""
        count = 0
        for near in (self.inputs, self.outputs):
            if len(near[a]) * len(near[b]) > 100:
                return 0
            count += sum(self.position[x] > self.position[y] for x in near[a] for y in near[b])
        return count

    def crossings(self):
        """Pairs of edges that cross, counted with a tree of sums (Barth, Mutzel and Jünger, 2004)."""
        total = 0
        for column in self.columns[:-1]:
            ends = [p for b in column for p in sorted(self.position[a] for a in self.inputs[b])]
            tree = [0] * (max(ends, default=0) + 2)
            for already, p in enumerate(ends):
                total += already
                i = p + 1
                while i:        # those at p or before don't cross this one
                    total -= tree[i]
                    i &= i - 1
                i = p + 1
                while i < len(tree):
                    tree[i] += 1
                    i += i & -i
        return total

    def place(self, heights):
        """The y of every vertex: close to its neighbours, and far enough from the next vertex in its column."""
        heights = heights + [0.0] * (len(self.rank) - self.boxes)
        apart, y = [], [0.0] * len(self.rank)
        for column in self.columns:
            steps = [0.0]
            for a, b in zip(column, column[1:]):
                gap = BOX_GAP if a < self.boxes and b < self.boxes else EDGE_GAP
                steps.append(steps[-1] + (heights[a] + heights[b]) / 2 + gap)
            apart.append(steps)
            for v, step in zip(column, steps):
                y[v] = step - steps[-1] / 2
        weights = self.weights()
        both = [links + more for links, more in zip(*weights)]
        for sweep in range(max(6, min(3 * SWEEPS, 200_000 // len(self.rank)))):
            near = both if sweep >= 4 else weights[1 - sweep % 2]
            columns = list(zip(self.columns, apart))
            for column, steps in columns if sweep % 2 == 0 else columns[::-1]:
                wanted, weight = [], []
                for v in column:
                    total = sum(w for _, w in near[v])
                    wanted.append(sum(w * y[a] for a, w in near[v]) / total if total else y[v])
                    weight.append(total or 0.1)
                for v, place in zip(column, _spread(wanted, weight, steps)):
                    y[v] = place
        return y

    def weights(self):
        """For inputs and outputs: each vertex's neighbours with how much they pull.

        What pulls hard becomes straight: long edges, and the longest way through the graph, so that a chain with leaves
        along it isn't drawn as stairs.
        """
        depth = [0] * len(self.rank)
        for column in reversed(self.columns):
            for v in column:
                depth[v] = max([depth[a] + (v < self.boxes) for a in self.inputs[v]], default=0)
        deepest = [max([depth[a] for a in near], default=0) for near in self.inputs]
        alone = [sum(depth[a] == deepest[v] for a in near) == 1 for v, near in enumerate(self.inputs)]

        def pull(a, b):
            if a < self.boxes and b < self.boxes:
                return 300.0 if alone[b] and depth[a] == deepest[b] else 1.0
            return 8.0 if a >= self.boxes and b >= self.boxes else 2.0
        return ([[(a, pull(a, v)) for a in near] for v, near in enumerate(self.inputs)],
                [[(b, pull(v, b)) for b in near] for v, near in enumerate(self.outputs)])


def _spread(wanted, weight, steps):
    """The places nearest to the wanted ones, by weighted squares, that are as far apart as the steps are.

    Less their steps, the places only have to ascend: neighbours that would descend are joined in their mean, again and
    again ("pool adjacent violators").
    """
    pools = []
    for want, w, step in zip(wanted, weight, steps):
        mean, count = want - step, 1
        while pools and pools[-1][0] > mean:
            before, before_w, before_count = pools.pop()
            mean = (before * before_w + mean * w) / (before_w + w)
            w, count = w + before_w, count + before_count
        pools.append((mean, w, count))
    places = [mean for mean, _, count in pools for _ in range(count)]
    return [place + step for place, step in zip(places, steps)]


def _draw(sizes, edges, columns, y):
    """Columns one after the other from the left; then centres, ways and the whole size."""
    low = min(y[v] - height / 2 for v, (_, height) in enumerate(sizes))
    low = min([low, *y])
    y = [place - low for place in y]
    height = max([y[v] + height / 2 for v, (_, height) in enumerate(sizes)] + y)
    left, right, x = {}, {}, 0.0
    for r in range(len(columns.columns) - 1, -1, -1):
        column = columns.columns[r]
        left[r], right[r] = x, x + max([sizes[v][0] for v in column if v < columns.boxes], default=0.0)
        steepest = max([abs(y[v] - y[b]) for v in column for b in columns.outputs[v]], default=0.0)
        x = right[r] + min(COLUMN_GAP + steepest / 6, WIDEST_GAP)
    centres = [(right[columns.rank[v]] - sizes[v][0] / 2, y[v]) for v in range(columns.boxes)]
    ways = []
    for (a, b), way in zip(edges, columns.ways):
        points = [(centres[a][0] + sizes[a][0] / 2, y[a])]
        for v, w in zip(way, way[1:]):
            points += [(right[columns.rank[v]], y[v]), (left[columns.rank[w]], y[w])]
        points.append((centres[b][0] - sizes[b][0] / 2, y[b]))
        ways.append(points)
    return centres, ways, (right[0], height)
