"""Change programs so that their loops are nearly, but not quite, ones that C can run.

`spoil` makes a few random changes to a program's syntax tree: another iterable, an unusual element, a name that isn't
the builtin any more, a statement in a loop's body, and so on. What comes out is nearly always a program, and it may
well raise; it is the program that counts.
"""
import ast
import builtins
import re
import textwrap

from cast import with_cast
from loop_programs import good, pick, with_setup

ELEMENTS = (
    "Sub(0.5)", "Own(0.5)", "Lazy(0.5)", "Plain(0.5)", "Fraction(1, 3)", "True", "0.5", "2", "-3", "None", "'x'",
    "np.float64(0.5)", "Value(2)", "Value(0)", "Value(0.0)", "Value(-0.0)", "Value(float('nan'))",
    "Value(float('inf'))", "Value(1000.0)", "Value(1e308)", "Value(2 ** 53)", "10 ** 30", "[Value(1.0)]", "xs[0]",
    "xs[-1] * 2", "1j", "Value(5e-324)", "a", "Value(1.0, (a,), (2.0,))", "Value(True)",
)
CONSTANTS = (
    "0", "1", "-1", "2.0", "0.0", "-0.0", "None", "'x'", "1e308", "float('nan')", "float('inf')", "3", "True",
    "2 ** 60", "Value(2.0)", "Fraction(1, 2)", "1000.0", "()", "[]",
)
WRAPPERS = (
    "iter({x})", "list({x})", "tuple({x})", "Noisy({x})", "(q for q in {x})", "map(lambda q: q, {x})", "Rows({x})",
    "told({x})", "dict.fromkeys({x})", "[*{x}]", "reversed(list({x}))", "gen({x})", "itertools.chain({x})",
    "filter(None, {x})", "{x}[:2]", "sorted({x})", "zip({x})", "enumerate({x})", "dict(enumerate({x}))", "{x} * 2",
    "None", "itertools.islice({x}, 3)", "(it := {x})", "({x} if xs else ys)", "Watched({x})", "{x} or ys",
)
EXPRESSIONS = (
    "(t := {x})", "(lambda: {x})()", "({x} if a else b)", "[{x}][0]", "told({x})", "({x}, 1)", "-({x})",
    "({x}) + None", "({x}) + 'x'", "({x}) @ a", "({x}) // 2", "abs({x})", "({x}).nothing", "({x}).data", "({x}).log()",
    "({x}) < a", "not ({x})", "({x}) ** -1", "({x}) ** 0.5", "2 ** ({x})", "({x}) / 0", "({x}) / a",
    "[v for v in {x}]", "sum({x})", "max({x}, a)", "f'{{len(str({x}))}}'", "*{x}", "{x}()", "(0 and {x})", "({x} or a)",
    "({x}) * 10 ** 30", "({x}) * True", "({x}) * 2", "+({x})", "({x})._children[0]", "len(str({x})) * 0", "Value({x})",
    "({x}).detach()", "math.exp({x})", "round({x}, 2)", "float({x})", "[q for q in [{x}]][0]", "sum([{x}])",
    "({x}).data * a", "globals()['a']", "locals().get('v')", "next(it)", "undefined", "({x}) * undefined",
    "(yield {x})", "({x}) + sum([a, b])", "sys.exc_info()[0]", "({x}) * len(xs)", "setattr(a, 'data', 1.5) or {x}",
    "xs.pop()",
)
STATEMENTS = (      # in a loop's body, or anywhere
    "if xs and a.data > 0:\n    break", "if xs:\n    continue", "break", "del v", "del x", "del xs[0]", "del r0",
    "1 / 0", "print('here')", "if len(xs) < 30:\n    xs.append(a)", "if len(xs) < 30:\n    xs.append(Value(1.0))",
    "xs = ys", "v = None", "p = a", "x = 1", "lr = lr * 0.5", "k = 'x'", "a = a * 2", "b = a", "raise KeyError('k')",
    "assert a.data < 0, 'no'", "t = (lambda: v)", "sum = None", "len = own_len", "zip = own_zip", "range = own_range",
    "max = own_max", "math = OwnMath", "i = 5", "i += 1", "n = 2", "xs.clear()", "xs[0] = a", "xs[0] = Sub(2.0)",
    "ys = xs", "if len(rows) < 30:\n    rows.append(rows[0])", "rows = rows[:1]", "(t := 3)", "pass",
    "try:\n    w.nothing\nexcept NameError:\n    pass", "def g():\n    return v", "class G:\n    x = 1", "import math",
    "global g1", "return 3", "yield v", "print(sorted(locals()))", "xs.reverse()", "with no_grad():\n    a = a + b",
    "a.backward()", "c.w = xs", "if len(c.w) < 30:\n    c.w.append(a)", "if len(mom) < 30:\n    mom.append(0.0)",
    "mom[0] = None", "mom = None", "p.data = 'x'", "p.grad = None", "p.grad = 2", "p.data = 3", "p.extra = 1",
    "row = xs", "s = 0", "r0 = []", "a.data = 2", "xs[0].data = 0.5", "(xs and xs[0]).data",
    "if xs:\n    xs[0].grad = float('inf')", "exec('v = 1')", "p, q = a, b", "v: int = 3", "nonlocal n", "print(v)",
    "print(i)", "match_me = [v]", "if 0 < len(xs) < 30:\n    xs.insert(0, a)", "Value = Sub", "no = p.nothing",
)
SHADOWS = (
    "sum = own_sum", "zip = own_zip", "range = own_range", "len = own_len", "max = own_max", "min = own_max",
    "math = OwnMath", "enumerate = own_enumerate", "sum = told", "reversed = list", "abs = told", "sum = sum",
    "zip = zip", "del sum", "sum = xs", "list = tuple", "Value = Sub", "from math import *", "print = list",
)
ALIASES = (
    "ys = xs", "ws = xs", "rows[-1] = rows[0]", "rows = [xs] * 3", "if n > 1:\n    xs[1] = xs[0]", "xs = [a] * n",
    "c.w = xs", "mom = vel", "c.m = c.v", "xs = rows[0]", "b = a", "rows = [xs, ys, xs]", "xs[:] = ys[::-1]",
    "c.v = mom", "rows = rows[:1] + [ys[:-1]]", "c.b = a", "rows = xs",
    "rows = [row[:i] for i, row in enumerate(rows)]", "rows = tuple(map(tuple, rows))", "xs = tuple(xs)",
    "xs = Rows(xs)", "mom = Watched(mom)", "c = Missing(xs)", "c = Prop(xs)", "xs = iter(xs)", "xs = None",
    "ys = ys[:-1]", "xs = {i: x for i, x in enumerate(xs)}", "xs = Noisy(xs)", "mom = [0] * n", "mom = [a] * n",
    "mom = mom[:1]", "lr = Value(0.1)", "lr = 1", "lr = 10 ** 20", "n = float(n)", "n = n + 1", "k = Fraction(1, 3)",
    "k = None", "n = True", "rows = [[x.data for x in row] for row in rows]", "xs = [x.data for x in xs]", "a = 2",
    "a = 0.5", "xs = [*xs, a]", "c.parameters = lambda: gen(xs)", "c.parameters = lambda: iter(xs)",
    "lr = np.float64(0.1)", "xs = np.array(xs)", "c.w = tuple(c.w)", "xs = [x * 1 for x in xs]",
    "xs = [x + 0.5 for x in xs]", "rows = [list(map(Sub, xs))]",
)
TARGETS = (
    "v", "a", "xs[0]", "c.b", "(v, w)", "v, *w", "[v]", "lr", "sum", "xs", "a.data", "c.w[0]", "(i, (v, w))", "_", "p",
    "n",
)
CONDITIONS = ("told(1)", "v", "0", "(t := a)", "v.data > 0", "i % 2", "x is not a", "1 / 0", "len(xs)")
BLOCKS = (      # the last one's handler is what is filled
    "with no_grad():\n    pass", "with fastgrad.detect_anomaly():\n    pass", "for again in range(2):\n    pass",
    "try:\n    pass\nfinally:\n    print('finally')", "class Body:\n    pass", "if a is not None:\n    pass",
    "try:\n    pass\nexcept Exception as e:\n    print(type(e).__name__, e)",
    "try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass",
)
NAME = re.compile(r"\b(?!if |n > |for |del |from |in )\w+")


class Site:
    """A place in a tree: the node, and how to put another in its place."""

    def __init__(self, parent, field, index=None):
        self.parent, self.field, self.index = parent, field, index

    def get(self):
        found = getattr(self.parent, self.field)
        return found if self.index is None else found[self.index]

    def put(self, node):
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def sites(trees, wanted):
    """All places in trees whose node is wanted(node, parent, field)."""
    found = []
    for tree in trees:
        for parent in ast.walk(tree):
            for field, value in ast.iter_fields(parent):
                for i, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                    if isinstance(node, ast.AST) and wanted(node, parent, field):
                        found.append(Site(parent, field, i))
    return found


def expression(text):
    return ast.parse(text, mode="eval").body


def is_loaded(node):
    return isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))


class Spoiler:
    def __init__(self, rng, tree):
        self.rng, self.tree = rng, tree

    def site(self, wanted):
        found = sites(self.tree.body, wanted)
        return pick(self.rng, found) if found else None

    def replace(self, wanted, templates):
        site = self.site(wanted)
        if site:
            site.put(expression(pick(self.rng, templates).format(x=ast.unparse(site.get()))))

    def about_it(self, texts):
        """Those of texts whose first name occurs in the program: others would change nothing."""
        names = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        return [text for text in texts if NAME.search(text)[0] in names] or texts

    def insert(self, texts, where, any_name=False):
        """Put a statement in a random list of statements that belongs to one of the types in where."""
        found = [node.body for tree in self.tree.body for node in ast.walk(tree) if isinstance(node, where)]
        found = found or [self.tree.body]
        body = pick(self.rng, found)
        at = int(self.rng.random() * (len(body) + 1))
        body[at:at] = ast.parse(pick(self.rng, texts if any_name else self.about_it(texts))).body

    # The changes.

    def iterable(self):
        def wanted(node, parent, field):
            return field == "iter" or (field == "args" and is_loaded(node) and isinstance(parent.func, ast.Name)
                                       and parent.func.id in ("zip", "enumerate", "sum", "max", "reversed"))
        self.replace(wanted, WRAPPERS)

    def operand(self):
        inside = (ast.BinOp, ast.comprehension, ast.Call, ast.GeneratorExp, ast.ListComp, ast.AugAssign)
        self.replace(lambda node, parent, field: is_loaded(node) and isinstance(parent, inside), EXPRESSIONS)

    def element(self):
        target = pick(self.rng, ("xs", "ys", "rows[0]", "c.w", "ws"))
        text = pick(self.rng, ("{v}[-1:] = [{e}]", "{v}.append({e})", "{v}[:1] = [{e}]", "{v}[1:2] = [{e}, {e}]",
                               "{v}[:] = [{e}] * len({v})"))
        self.top([text.format(v=target, e=pick(self.rng, ELEMENTS))])

    def top(self, texts):
        """Put a statement at module level, early rather than late."""
        body = self.tree.body
        at = int(self.rng.random() ** 2 * (len(body) + 1))
        body[at:at] = ast.parse(pick(self.rng, self.about_it(texts))).body

    def in_body(self):
        self.insert(STATEMENTS, ast.For, any_name=True)

    def in_function(self):
        self.insert(STATEMENTS + SHADOWS, ast.FunctionDef)

    def shadow(self):
        self.top(SHADOWS)

    def alias(self):
        self.top(ALIASES)

    def alias_in_loop(self):
        self.insert(ALIASES, (ast.For, ast.FunctionDef))

    def name(self):
        names = sorted({node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)} - set(dir(builtins)))
        self.replace(lambda node, parent, field: isinstance(node, ast.Name) and is_loaded(node), names or ["a"])

    def constant(self):
        self.replace(lambda node, *_: isinstance(node, ast.Constant) and type(node.value) in (int, float), CONSTANTS)

    def operator(self):
        site = self.site(lambda node, parent, field: isinstance(node, (ast.BinOp, ast.AugAssign)))
        if site:
            node = site.get()
            if isinstance(node, ast.BinOp) and self.rng.random() < 0.4:
                node.left, node.right = node.right, node.left
            else:
                ops = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.MatMult, ast.BitAnd)
                node.op = pick(self.rng, ops)()

    def statement(self):
        """Leave out a statement, repeat it, or change places with the next one."""
        bodies = [getattr(node, "body", None) for node in ast.walk(self.tree)]
        bodies = [body for body in bodies if isinstance(body, list) and body]
        body = pick(self.rng, bodies)
        at, r = int(self.rng.random() * len(body)), self.rng.random()
        if r < 0.3 and len(body) > 1:
            del body[at]
        elif r < 0.6:
            body.insert(at, body[at])
        else:
            body[at:at + 2] = body[at:at + 2][::-1]

    def condition(self):
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.comprehension)]
        if found:
            pick(self.rng, found).ifs.append(expression(pick(self.rng, CONDITIONS)))

    def otherwise(self):
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.For)]
        if found:
            pick(self.rng, found).orelse = ast.parse(pick(self.rng, ("print('else')", "v = 3", "a = b", "1 / 0"))).body

    def target(self):
        loops = (ast.For, ast.comprehension)
        site = self.site(lambda node, parent, field: field == "target" and isinstance(parent, loops))
        if site:
            site.put(ast.parse(f"for {pick(self.rng, TARGETS)} in x: pass").body[0].target)

    def start(self):
        """Give a sum a start, or another one, or a keyword."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                 and node.func.id in ("sum", "max", "min", "zip", "enumerate", "range")]
        if found:
            call = pick(self.rng, found)
            if self.rng.random() < 0.5:
                call.args[1:] = [expression(pick(self.rng, CONSTANTS + ELEMENTS))]
            else:
                name = pick(self.rng, ("start", "key", "default", "strict", "nothing"))
                value = pick(self.rng, ("True", "0", "a", "told", "False", "1.5"))
                call.keywords = [ast.keyword(name, expression(value))]

    def wrapped(self):
        """Put the last statements in a block."""
        body = self.tree.body
        at = int((0.4 + 0.6 * self.rng.random()) * len(body))
        block = ast.parse(pick(self.rng, BLOCKS)).body[0]
        is_handler = isinstance(block, ast.Try) and isinstance(block.body[0], ast.Expr)
        inside = block.handlers[0].body if is_handler else block.body
        inside[:] = body[at:] or [ast.Pass()]
        body[at:] = [block]


CHANGES = (
    Spoiler.iterable, Spoiler.iterable, Spoiler.operand, Spoiler.operand, Spoiler.operand, Spoiler.element,
    Spoiler.element, Spoiler.element, Spoiler.in_body, Spoiler.in_body, Spoiler.in_function, Spoiler.shadow,
    Spoiler.alias, Spoiler.alias, Spoiler.alias_in_loop, Spoiler.name, Spoiler.constant, Spoiler.constant,
    Spoiler.operator, Spoiler.statement, Spoiler.condition, Spoiler.otherwise, Spoiler.target, Spoiler.start,
    Spoiler.wrapped,
)


def tried(text):
    """A program whose statements run one by one, also after one that has raised."""
    parts = []
    for node in ast.parse(text).body:
        part = ast.unparse(node)
        if not isinstance(node, ast.ImportFrom):
            part = f"try:\n{textwrap.indent(part, '    ')}\nexcept Exception as e:\n    print(type(e).__name__, e)"
        parts.append(part)
    return "\n".join(parts)


def spoil(lines, rng):
    """The lines of a program with one to five changes, or as they were if nothing came out that compiles."""
    for _ in range(5):
        tree = ast.parse("\n".join(lines))
        for _ in range(pick(rng, (1, 1, 2, 2, 3, 4, 5))):
            try:
                pick(rng, CHANGES)(Spoiler(rng, tree))
            except SyntaxError:
                pass
        try:
            changed = tried(ast.unparse(tree)) if rng.random() < 0.6 else ast.unparse(tree)
            compile(changed, "<program>", "exec")
        except (SyntaxError, ValueError, TypeError):
            continue
        return changed.split("\n")
    return lines


def program(rng):
    """A random program that can be run: six in ten are good."""
    lines = good(rng)
    if rng.random() > 0.6:
        lines = spoil(lines, rng)
    return with_cast(with_setup(lines, rng))
