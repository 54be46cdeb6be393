"""Make random programs with loops over Values, as source text.

A program sets up lists of Values and numbers, and then has loops: comprehensions, sums, `for` loops that accumulate,
that make a list, that update parameters, and loops in loops. They are at module level, in functions, methods, closures
and lambdas. Most are ones that C can run (`good`). near_misses.py makes the others of them.

All names have one meaning everywhere, so that statements fit together in any order:

    xs ys ws        lists of n Values               a b             Values
    rows            m lists of n Values             lr k eps        numbers
    pairs           m lists of n tuples: a Value, a number
    mom vel         lists of n + 1 floats           n               an int
    c               a layer: .w .b .m .v .lr, .parameters()
    r0 r1 ...       what the loops make
"""
import re
import textwrap

LENGTHS = (0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7, 8, 12, 17, 20)
SETUP = (       # in this order, if the program uses the name
    ("n", "n = {n}"),
    ("xs", "xs = [{values}]"),
    ("ys", "ys = [Value(random.uniform(-1, 1)) for _ in range(n)]"),
    ("ws", "ws = [Value(random.gauss(0, 0.8)) for i in range(n)]"),
    ("rows", "rows = [[Value(random.uniform(-1, 1)) for _ in range(n)] for _ in range({m})]"),
    ("pairs", "pairs = [[(Value(random.uniform(-1, 1)), random.random()) for _ in range(n)] for _ in range({m})]"),
    ("mom", "mom, vel = [0.0] * (n + 1), [0.0] * (n + 1)"),
    ("vel", "mom, vel = [0.0] * (n + 1), [0.0] * (n + 1)"),
    ("a", "a = Value({x})"),
    ("b", "b = Value({x}) * 1.5"),
    ("lr", "lr = {number}"),
    ("k", "k = {number}"),
    ("eps", "eps = 1e-8"),
    ("c", "c = Layer(n)"),
)


def pick(rng, options):
    return options[int(rng.random() * len(options))]


def a_float(rng):
    return repr(round(4.0 * rng.random() - 2.0, 3))


class Maker:
    """Makes the statements of one program."""

    def __init__(self, rng):
        self.rng = rng
        self.results, self.vectors, self.count = [], [], 0

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, *options):
        return pick(self.rng, options)

    def name(self):
        self.count += 1
        return f"r{self.count - 1}"

    # Expressions.

    def vector(self):
        """An expression that is a list of Values."""
        if self.vectors and self.chance(0.2):
            return self.pick(*self.vectors)
        return self.pick("xs", "xs", "xs", "ys", "ys", "ws", "c.w", "rows[0]", "c.parameters()", "rows[-1]")

    def number(self):
        return self.pick(
            "lr", "k", "n", "2", "0.5", "-1", "3.0", "eps", a_float(self.rng), "len(xs)", "a.data", "1", "0"
        )

    def a_value(self):
        return self.pick("a", "b", "c.b", "a", "xs[0]", "rows[0][0]")

    def value(self, atoms, depth=None):
        """An expression that is a Value, with Values from atoms."""
        if depth is None:
            depth = self.pick(0, 1, 1, 1, 2, 2, 3)
        if depth == 0:
            return self.pick(*atoms) if self.chance(0.85) else self.a_value()
        one = self.value(atoms, depth - 1)
        r = self.rng.random()
        if r < 0.45:
            return f"{group(one)} {self.pick('+', '*', '*', '-')} {group(self.value(atoms, depth - 1))}"
        if r < 0.6:
            number = self.pick("k", "2", "0.5", "3.0", "lr", "n", "1", self.field(atoms))
            return f"{group(one)} {self.pick('+', '*', '-', '/')} {number}"
        if r < 0.7:
            number = self.pick("k", "2", "1.5", "lr", "1", "0", self.field(atoms))
            return f"{number} {self.pick('+', '*', '-')} {group(one)}"
        if r < 0.78:
            return f"{group(one)} ** {self.pick('2', '2', '3', '2.0', '1')}"
        if r < 0.85:
            return f"-{group(one)}"
        if r < 0.97:
            return f"{group(one)}.{self.pick('relu', 'relu', 'tanh', 'exp', 'sigmoid', 'sin')}()"
        return f"({one} * {group(one)} + 1).log()"

    def field(self, atoms):
        return f"{self.pick(*atoms)}.{self.pick('data', 'data', 'grad')}"

    def plain(self, atoms):
        """An expression that is a number, of Values and numbers."""
        r = self.rng.random()
        if r < 0.5:
            return self.field(atoms)
        one = f"{self.pick(*atoms)}.{self.pick('data', 'grad')}"
        return self.pick(
            f"{one} * {one}",
            f"{one} ** 2",
            f"abs({one})",
            f"{one} - k",
            f"lr * {one}",
            f"math.exp({one})",
            f"max({one}, 0.0)",
            f"math.sqrt({one} ** 2 + 1)",
            f"({one} - k) ** 2",
        )

    def loop(self):
        """A loop's head and what is in its body: target, iterable, atoms, and the index or None."""
        V, W = self.vector(), self.vector()
        v, w, x, i = self.pick("v", "v", "x", "p", "xi"), self.pick("w", "q"), self.pick("x", "u"), self.pick("i", "j")
        return self.pick(
            (v, V, [v], None),
            (v, V, [v], None),
            (v, V, [v], None),
            (v, f"{V}[1:]", [v], None),
            (v, f"{V}[{self.pick(':-1', '::2', '::-1', ':2', 'n // 2:', ':')}]", [v], None),
            (f"{w}, {x}", f"zip({V}, {W})", [w, x], None),
            (f"{w}, {x}", f"zip({V}, {W})", [w, x], None),
            (f"{w}, {x}", f"zip(xs, {self.pick('ys', 'ws', 'c.w')}, strict=True)", [w, x], None),
            (f"{w}, {x}, z", f"zip({V}, {W}, xs)", [w, x, "z"], None),
            (f"{w}, {x}", f"zip({V}, {V}[1:])", [w, x], None),
            (f"{i}, {v}", f"enumerate({V})", [v], i),
            (f"{i}, {v}", f"enumerate({V}, {self.pick('1', 'n', '-1')})", [v], i),
            (f"{i}, ({w}, {x})", f"enumerate(zip({V}, {W}))", [w, x], i),
            (i, "range(len(xs))", [f"xs[{i}]", f"xs[{i}]", f"ys[{i}]"], i),
            (i, "range(n)", [f"xs[{i}]", f"ws[{i}]"], i),
            (i, "range(1, n)", [f"ys[{i}]", f"ys[{i} - 1]"], i),
            (i, "range(0, n, 2)", [f"xs[{i}]"], i),
            (i, "range(n - 1, -1, -1)", [f"c.w[{i}]", f"xs[{i}]"], i),
            (i, f"range(len({V}))", [f"{V}[{i}]"], i),
            (v, f"reversed({V})", [v], None),
            ("row", "rows", ["row[0]", "row[-1]"], None),
            (i, "range(len(rows))", [f"rows[{i}][0]", f"rows[{i}][n - 1]"], i),
            (v, f"{V} + {W}", [v], None),
            (f"{w}, {x}", f"zip({V}, [row[0] for row in rows])", [w, x], None),
            (f"{w}, t", f"zip({V}, mom)", [w, f"(t * {w})"], None),
        )

    def condition(self, atoms, index):
        if index and self.chance(0.4):
            return self.pick(f"{index} % 2 == 0", f"{index} != 1", index, f"{index} < n")
        v = self.pick(*atoms)
        return self.pick(f"{v}.data > 0", f"{v}.data < k", f"{v} is not a", f"{v} > 0", f"not {v}.grad")

    def comprehension(self, body=None):
        target, iterable, atoms, index = self.loop()
        body = body or (self.value(atoms) if self.chance(0.9) else self.plain(atoms))
        condition = f" if {self.condition(atoms, index)}" if self.chance(0.06) else ""
        return f"{body} for {target} in {iterable}{condition}"

    # Statements: each gives lines of text.

    def keeps(self, name, is_vector=False):
        self.results.append(name)
        if is_vector:
            self.vectors.append(name)
        return name

    def makes_list(self):
        text = self.comprehension()
        is_vector = ".data" not in text and ".grad" not in text
        return [f"{self.keeps(self.name(), is_vector)} = [{text}]"]

    def sums(self):
        r = self.keeps(self.name())
        start = self.pick("", "", ", a", ", c.b", ", 0.0", ", 0", ", Value(0.0)", ", Value(0)", ", 1.5", ", k")
        what = self.pick(
            f"({self.comprehension()})", f"({self.comprehension()})", f"[{self.comprehension()}]", self.vector()
        )
        what = what[1:-1] if what.startswith("(") and not start else what
        after = self.pick(
            "", "", "", f" / len({self.vector()})", " / n", " * lr", ".tanh()", " ** 0.5" if self.chance(0.1) else ""
        )
        return [f"{r} = sum({what}{start}){after}"]

    def extremes(self):
        r, V = self.keeps(self.name()), self.vector()
        what = self.pick(f"(v.data for v in {V})", f"[v.data for v in {V}]", f"(p.grad for p in {V})", V,
                         f"(abs(v.data) for v in {V})", f"(v.data * k for v in {V})", f"({self.comprehension()})")
        if self.chance(0.2):
            what += ", default=0.0"
        elif what.startswith("("):
            what = what[1:-1]
        return [f"{r} = {self.pick('max', 'max', 'min')}({what})"]

    def softmax(self):
        V, r = self.vector(), self.name()
        lines = [
            f"top = max({self.pick('v.data', 'v.data', 'v')} for v in {V})",
            f"exps = [(v - top).exp() for v in {V}]",
            "total = sum(exps)",
            f"{self.keeps(r, True)} = [e / total for e in exps]",
        ]
        return lines + [f"loss = -{r}[0].log()"]

    def norm(self):
        V, r = self.vector(), self.name()
        return [f"ms = sum(xi * xi for xi in {V}) / len({V})", "scale = (ms + 1e-5) ** -0.5",
                f"{self.keeps(r, True)} = [xi * scale for xi in {V}]"]

    def mean_and_variance(self):
        V, r = self.vector(), self.name()
        return [f"mean = sum({V}) / len({V})", f"var = sum((v - mean) ** 2 for v in {V}) / len({V})",
                f"{self.keeps(r, True)} = [(v - mean) / (var + eps) ** 0.5 for v in {V}]"]

    def accumulates(self):
        target, iterable, atoms, index = self.loop()
        s = self.keeps(self.name())
        start = self.pick("0", "0.0", "Value(0.0)", "a", "c.b", "Value(0)", "b", "1")
        E = self.value(atoms)
        body = self.pick([f"{s} = {s} + {E}"], [f"{s} += {E}"], [f"{s} += {E}"], [f"{s} -= {E}"], [f"{s} = {E} + {s}"],
                         [f"d = {E}", f"{s} += d ** 2"], [f"d = {E}", f"{s} = {s} + d * d"], [f"{s} *= {E}"])
        return [f"{s} = {start}", f"for {target} in {iterable}:", *indented(body)]

    def appends(self):
        target, iterable, atoms, index = self.loop()
        r = self.keeps(self.name(), True)
        body = [f"{r}.append({self.value(atoms)})"]
        if self.chance(0.3):
            body = [f"t = {self.value(atoms)}", f"{r}.append(t{self.pick('', ' * k', '.relu()')})"]
        return [f"{r} = []", f"for {target} in {iterable}:", *indented(body)]

    def numbers(self):
        """The numbers of a vector's items, mostly all and in order."""
        return self.pick("range(n)", "range(n)", "range(n)", "range(n - 1, -1, -1)", "range(1, n)", "range(0, n, 2)")

    def in_loops(self):
        """A loop within another."""
        r, V, E = self.name(), self.vector(), self.value(["w", "x"])
        E = "w * x" if self.chance(0.7) else E
        start = self.pick("", "", ", a", ", c.b")
        zipped = f"({E} for w, x in zip(row, {V}))"
        inner = f"sum({zipped}{start})" if start else f"sum{zipped}"
        kind = self.pick(*range(12))
        if kind < 3:
            return [
                f"{self.keeps(r, True)} = [{inner}{self.pick('', '', ' + a', ' / n ** 0.5', '.tanh()')}"
                " for row in rows]"
            ]
        if kind == 3:
            return [f"{self.keeps(r, True)} = [sum(rows[i][j] * {V}[j] for j in {self.numbers()})"
                    " for i in range(len(rows))]"]
        if kind == 4:
            term = self.pick("xs[j] * rows[t][j]", "rows[t][j] * xs[j]")
            return [f"{self.keeps(r, True)} = [sum({term} for j in {self.numbers()}) / n ** 0.5"
                    f" for t in range({self.pick('', '', '-1, ')}len(rows))]"]
        if kind == 5:
            return [
                f"{self.keeps(r, True)} = [sum(ys[t] * rows[t][j] for t in range(min(n, len(rows)))) for j in"
                f" {self.numbers()}]"
            ]
        if kind == 6:
            return [
                f"{self.keeps(r, True)} = []",
                "for row in rows:",
                "    s = " + self.pick("0", "Value(0.0)", "a"),
                f"    for w, x in zip(row, {V}):",
                f"        s {self.pick('+= ', '= s + ')}{E}",
                f"    {r}.append(s)",
            ]
        if kind == 7:
            return [
                f"{self.keeps(r)} = [[{self.pick('w * k', 'w + w', 'w.tanh()', 'w * x')} for w in row]"
                " for row, x in zip(rows, xs)]"
            ]
        if kind == 8:
            return [
                "for row in rows:",
                "    for p in row:",
                f"        {self.pick('p.grad = 0', 'p.data -= lr * p.grad')}",
            ]
        if kind == 9:
            return [f"{self.keeps(r, True)} = [p for row in rows for p in row]"]
        if kind == 10:
            return [f"{self.keeps(r)} = [[sum(row[i] * other[i] for i in range(n)) for other in rows] for row in rows]"]
        return [f"{self.keeps(r)} = sum(sum(v * v for v in row) for row in rows)"]

    def nests(self):
        """A loop within another, of elements of any kind."""
        V, W = self.vector(), self.vector()
        outer, iterable, row, atoms = self.pick(
            ("row", "rows", "row", []),
            ("row, x", f"zip(rows, {V})", "row", ["x"]),
            ("i, row", "enumerate(rows)", "row", []),
            ("t", "range(len(rows))", "rows[t]", ["rows[t][0]"]),
            ("row, other", "zip(rows, rows[1:])", "row", ["other[0]"]),
            ("t", "range(1, n)", f"{V}[t:]", [f"{V}[t]", f"{W}[t - 1]"]),
            ("x", V, W, ["x"]))
        inner, items, more = self.pick(
            ("w", row, ["w", "w"]),
            ("w", f"{row}[1:]", ["w"]),
            ("w, u", f"zip({row}, {V})", ["w", "u"]),
            ("w, u", f"zip({W}, {row})", ["w", "u"]),
            ("j, w", f"enumerate({row})", ["w"]),
            ("j, w", f"enumerate({row}, {self.pick('k', 'len(row)', 't', '2')})", ["w", "(w * j)"]),
            ("j", "range(n)", [f"{row}[j]", "xs[j]"]),
            ("j", f"range({self.pick('t', '1', 'i')}, n)", ["xs[j]", "xs[j - 1]", f"{row}[0]"]),
            ("w", f"reversed({row})", ["w"]))
        if self.chance(0.25):       # over tuples, which are unpacked or have items
            outer, iterable, row, atoms = self.pick(
                ("row", "pairs", "row", []), ("i, row", "enumerate(pairs)", "row", []),
                ("row, x", f"zip(pairs, {V})", "row", ["x"]))
            inner, items, more = self.pick(
                ("w, u", row, ["w", "(w * u)", "w"]), ("u, w", f"[(p[1], p[0]) for p in {row}]", ["w", "(u * w)"]),
                ("j, (w, u)", f"enumerate({row})", ["w", "(w * j)", "(w * u)"]), ("q", row, ["q[0]", "(q[0] * q[1])"]),
                ("q, u", f"zip({row}, {W})", ["q[0]", "u"]), ("(w, q), u", f"zip({row}, {W})", ["(w * q)", "u"]))
        element = self.value(atoms + more) if self.chance(0.85) else self.plain(atoms + more)
        each = f"{element} for {inner} in {items}"
        start = self.pick("", "", ", a", ", 0.0", *(f", {x}" for x in atoms))
        body = self.pick(f"[{each}]", f"sum(({each}){start})" if start else f"sum({each})",
                         f"sum([{each}]{start})", f"max({self.field(more)} for {inner} in {items})")
        if not body.startswith("["):
            others = [f" - {x}" for x in atoms] + [f" * {x}.data" for x in atoms]
            body += self.pick("", "", " * k", " + a", " / n", *others)
        text = f"{body} for {outer} in {iterable}"
        r = self.keeps(self.name())
        return [f"{r} = {self.pick(f'[{text}]', f'[{text}]', f'sum({text})' if body[0] != '[' else f'[{text}]')}"]

    def parameters(self):
        return self.pick(
            "xs", "ws", "c.parameters()", "c.w", "rows[0]", "[p for row in rows for p in row][:n]", "xs[1:]"
        )

    def sweep(self, P):
        """A loss of parameters, and a backward pass, so that there are gradients."""
        return [f"loss = sum({self.pick('p * p', 'p ** 2 * k', '(p - 1).tanh()', 'p.exp()')} for p in {P})"
                f"{self.pick('', ' + a * b', ' + sum(xs)')}", "if n:", "    loss.backward()"]

    def zeroes(self):
        P = self.parameters()
        return [f"for p in {P}:", "    p.grad = " + self.pick("0", "0.0", "0", "0.0", "k", "p.grad * 0")]

    def descends(self):
        P = self.parameters()
        body = [self.pick("p.data -= lr * p.grad", "p.data = p.data - lr * p.grad", "p.data += -lr * p.grad",
                          "p.data -= c.lr * p.grad", "p.data -= p.grad * lr", "p.data += -0.1 * p.grad",
                          "p.data -= lr * (p.grad + k * p.data)", "p.data -= lr * p.grad / len(xs)",
                          "p.data -= lr * max(-1.0, min(1.0, p.grad))", "p.data -= (lr / (1 + n)) * p.grad")]
        if self.chance(0.4):
            body.append(self.pick("p.grad = 0", "p.grad = 0.0"))
        return [*self.sweep(P), f"for p in {P}:", *indented(body)]

    def clips(self):
        P = self.parameters()
        return [*self.sweep(P), f"norm = sum(p.grad ** 2 for p in {P}) ** 0.5", "if norm > 0.5:", f"    for p in {P}:",
                f"        {self.pick('p.grad *= 0.5 / norm', 'p.grad = p.grad * (0.5 / norm)', 'p.grad /= norm')}"]

    def optimises(self):
        """Adam, AdamW, momentum and RMSprop, as people write them."""
        P = self.parameters()
        m, v = self.pick(("mom[i]", "vel[i]"), ("mom[i]", "vel[i]"), ("c.m[i]", "c.v[i]"), ("p.m", "p.v"))
        head = [f"for i, p in enumerate({P}):"]
        if self.chance(0.25):
            head = [f"params = {P}", "for i in range(len(params)):", "    p = params[i]"]
        g = "p.grad"
        body = []
        if self.chance(0.3):
            body.append(self.pick("g = p.grad", "g = max(-1.0, min(1.0, p.grad))", "g = p.grad + 0.01 * p.data",
                                  "g = p.grad / n", "g = min(max(p.grad, -k), k)"))
            g = "g"
        kind = self.rng.random()
        if kind < 0.6:
            body += [f"{m} = 0.9 * {m} + {self.pick('0.1', '(1 - 0.9)')} * {g}",
                     f"{v} = 0.99 * {v} + 0.01 * {self.pick(f'{g} ** 2', f'{g} * {g}')}"]
            top, below = m, v
            if self.chance(0.8):
                body += [
                    f"mh = {m} / (1 - 0.9 ** {self.pick('(step + 1)', '3')})",
                    f"vh = {v} / (1 - 0.99 ** (step + 1))",
                ]
                top, below = "mh", "vh"
            if self.chance(0.2):
                body.append("p.data -= lr * 0.01 * p.data")
            root = self.pick(f"{below} ** 0.5", f"math.sqrt({below})")
            body.append(
                self.pick(
                    f"p.data -= lr * {top} / ({root} + eps)",
                    f"p.data = p.data - lr * {top} / ({root} + eps)",
                    f"p.data -= lr * ({top} / ({root} + eps) + 0.01 * p.data)",
                )
            )
        elif kind < 0.8:
            body += [f"{m} = 0.9 * {m} {self.pick('+', '- lr *')} {g}"]
            body.append(f"p.data += {m}" if "lr" in body[-1] else f"p.data -= lr * {m}")
        else:
            body += [
                f"{v} = 0.9 * {v} + 0.1 * {g} ** 2",
                f"p.data -= lr * {g} / {self.pick(f'math.sqrt({v} + eps)', f'({v} ** 0.5 + eps)')}",
            ]
        body += self.pick([], ["p.grad = 0"], ["p.grad = 0"], ["p.grad = 0.0"])
        before = ["step = 2"]
        if m == "p.m":
            before += [f"for p in {P}:", "    p.m = 0.0", "    p.v = 0.0"]
        return before + self.sweep(P) + head + indented(body)

    def shuffles(self):
        """Statements in any order that read and assign places, and variables that keep what was in them."""
        P, places, known = self.parameters(), ["p.data", "p.grad", "mom[i]", "vel[i]"], []
        head = self.pick(f"for i, p in enumerate({P}):", f"for i, (p, q) in enumerate(zip({P}, ys)):")
        if "q" in head:
            places += ["q.data", "q.grad"]

        def operand():
            if self.chance(0.1):        # a Value itself, or a copy of what is assigned to, or another way to it
                return self.pick("(p * 2).data", "(p * p + k).data", "abs(p).data", "p.relu().data", "(p - 1).grad",
                                 "mom[:][i]", "vel[::-1][i]", "both[0][i]", "both[-1][i]", "mom[i:][0]")
            return self.pick(*places, *known, *known, "k", "0.5", "2")
        body = []
        for _ in range(self.rng.randint(2, 6)):
            E = self.pick(operand(), f"{operand()} * {operand()}", f"{operand()} - {operand()}",
                          f"0.9 * {operand()} + {operand()}", f"max({operand()}, {operand()})")
            if self.chance(0.4):
                known.append(self.pick("d", "g", "old"))
                body.append(f"{known[-1]} = {E}")
            else:
                body.append(f"{self.pick(*places)} {self.pick('=', '=', '+=', '-=')} {E}")
        return [*self.sweep(P), "both = [mom, vel]", head, *indented(body)]

    def between(self):
        """A statement that isn't a loop."""
        V = self.pick("xs", "ys", "ws", "c.w", "rows[0]")
        r = self.pick(*self.results) if self.results else "a"
        return [
            self.pick(
                f"print({r})",
                f"print({V})",
                f"{V}[:1] = [Value({a_float(self.rng)})]",
                f"{V}.append(Value(0.25))",
                f"if {V}: {V}[0].data = 0.75",
                f"if {V}: {V}[-1].grad = 1.5",
                f"{V}.reverse()",
                f"if n > 2: {V}.pop()",
                f"if isinstance({r}, Value): {r}.backward()",
                f"if isinstance({r}, Value): print(len({r}._prev), {r}._op)",
                f"if isinstance({r}, list) and {r}: print({r}[-1])",
                f"{V} = {V}[:]",
                "rows.append(rows[0][:])",
                f"if isinstance({r}, Value): print([child.data for child in {r}._children])",
                "k = k * 0.5",
                f"if isinstance({r}, Value): ({r} * 2).backward()",
            )
        ]

    def statements(self):
        r = self.rng.random()
        for share, make in SHARES:
            r -= share
            if r < 0:
                return make(self)
        return self.makes_list()

    # Places of statements.

    def placed(self, lines):
        """Lines somewhere in the program: at module level, or in a function, method, closure, lambda or loop."""
        r = self.rng.random()
        made = [name for name in self.results if re.search(rf"^\s*{name}\b", "\n".join(lines), re.M)]
        made += [name for name in ("i", "j", "p", "v", "x", "d", "s")
                 if self.chance(0.15) and re.search(rf"^\s*(for|{name} =)[^(]*\b{name}\b", "\n".join(lines), re.M)]
        f = f"f{self.count}"
        if r < 0.4 or not made:
            return lines
        back, targets = f"return [{', '.join(made)}]", f"[{', '.join(made)}]"
        used = [name for name, _ in SETUP if re.search(rf"\b{name}\b", "\n".join(lines)) and name != "c"]
        args = ", ".join(name for name in used if self.chance(0.6) or re.search(rf"\b{name} =", "\n".join(lines)))
        if r < 0.65:
            return [f"def {f}({args}):", *indented([*lines, back]), f"{targets} = {f}({args})"]
        if r < 0.75:
            inner = [re.sub(r"\bc\.", "self.", line) for line in lines]
            return [f"class {f.upper()}(Layer):", f"    def {f}(self{', ' * bool(args)}{args}):",
                    *indented(indented([*inner, back])), f"c = {f.upper()}(n)", f"{targets} = c.{f}({args})"]
        if r < 0.85:
            return [f"def {f}({args}):", "    def inner():", *indented(indented([*lines, back])), "    return inner()",
                    f"{targets} = {f}({args})"]
        if r < 0.92:
            return [f"for step in range({self.pick(2, 3)}):", *indented(lines)]
        if r < 0.95:
            return ["with no_grad():", *indented(lines)]
        if len(lines) == 1 and " = " in lines[0]:
            target, _, E = lines[0].partition(" = ")
            return [f"{f} = lambda {args}: {E}", f"{target} = {f}({args})"]
        return ["try:", *indented(lines), "except Exception as e:", "    print(type(e).__name__, e)"]


SHARES = (
    (0.15, Maker.makes_list),
    (0.11, Maker.sums),
    (0.04, Maker.extremes),
    (0.04, Maker.softmax),
    (0.03, Maker.norm),
    (0.02, Maker.mean_and_variance),
    (0.12, Maker.accumulates),
    (0.04, Maker.appends),
    (0.14, Maker.in_loops),
    (0.12, Maker.nests),
    (0.03, Maker.zeroes),
    (0.06, Maker.descends),
    (0.02, Maker.clips),
    (0.06, Maker.optimises),
    (0.08, Maker.shuffles),
    (0.06, Maker.between),
)


def group(text):
    """An expression as an operand: in parentheses, unless it's a name or the like."""
    return text if re.fullmatch(r"[\w.\[\]]+(\(\))?", text) else f"({text})"


def indented(lines):
    return textwrap.indent("\n".join(lines), "    ").split("\n")


def good(rng):
    """The lines of a program whose loops C can run, without its set-up."""
    maker = Maker(rng)
    lines = []
    for _ in range(pick(rng, (1, 2, 2, 3, 3, 4, 5, 6))):
        lines += maker.placed(maker.statements())
    return lines


def with_setup(lines, rng, n=None):
    """Source text: what sets up the names that lines use, and the lines. n: how long the lists are, if not random."""
    n, before = pick(rng, LENGTHS) if n is None else n, []
    values = ", ".join(f"Value({a_float(rng)})" for _ in range(n))
    text = "\n".join(lines)
    for name, setup in reversed(SETUP):
        setup = setup.format(n=n, m=1 + int(4 * rng.random()), values=values, x=a_float(rng),
                             number=pick(rng, ("0.1", "0.05", "1e-2", "0.5", "2", "1.0")))
        if re.search(rf"(?<![.\w]){name}\b", text) and setup not in before:
            before.insert(0, setup)
            text += "\n" + setup
    return "\n".join([*before, *lines]) + "\n"
