"""Random programs with sums of products: fused on one engine, and plain loops on the other.

The programs are those of programs.py with more kinds of steps. A step calls functions of fastgrad.functional, looks at
the inside of a Value, cuts a sweep short, and so on. The C engine runs them with fastgrad.functional itself. The oracle
runs them with the loops that the functions' docstrings show (`loops_of`).

A vector in a step is a tuple. An int stands for a Value by its position, as in programs.py; a number is in a tuple of
its own: `(3, (0.5,), 7)`.

After a backward pass the transcript only has the numbers of the Values that the program holds. To look at their
children would take all fused sums apart. The whole state comes at the end, and where a step looks.
"""
import builtins
import copy
import gc
import inspect
import math
import pickle
import struct
import textwrap
from types import SimpleNamespace

import fastgrad
import fastgrad.functional as F
import programs
from fastgrad import viz
from programs import a_number, index, indices, pick

FLOATS = (1.0, 2.0, -1.0, 0.5, 3.0, -2.0, 0.1, 0.3)
AWKWARD = (0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1e308, -1e200, 1e-200, 1e16)
INTS = (0, 1, -1, 2, 3, -7, 2 ** 53, 2 ** 53 - 1, 10 ** 16, True)


# ---- The loops ----

# Their loops call methods of Values, so numbers become leaves first.
OF_LEAVES = {"relu", "tanh", "sigmoid", "exp", "log", "gelu", "silu", "softmax", "log_softmax", "cross_entropy"}


def loops_of(Value):
    """The functions of fastgrad.functional as the loops that their docstrings show. Value: the class of leaves for
    numbers, where a loop calls a method."""
    loops = {}
    for name in F.__all__:
        function = getattr(F, name)
        body = inspect.getdoc(function).partition("he same as\n")[2].partition("\nRaises")[0]
        source = f"def {name}{inspect.signature(function)}:\n{textwrap.indent(textwrap.dedent(body), '    ')}"
        scope = {"builtins": builtins, "softmax": lambda xs: loops["softmax"](xs),
                 "log_softmax": lambda xs: loops["log_softmax"](xs)}
        exec(compile(source, f"<the docstring of {name}>", "exec"), scope)
        loops[name] = scope.pop(name)       # so that `sum` in it is Python's own
        if name in OF_LEAVES:
            loops[name] = of_leaves(loops[name], Value)
    return SimpleNamespace(**loops)


def of_leaves(loop, Value):
    def function(xs, *arguments):
        return loop([x if isinstance(x, fastgrad.value.base.AnyValue) else Value(x) for x in xs], *arguments)
    return function


# ---- How programs are made ----

def a_float(rng):
    r = rng.random()
    return pick(rng, FLOATS) if r < 0.4 else 4.0 * rng.random() - 2.0 if r < 0.93 else pick(rng, AWKWARD)


def a_constant(rng):
    r = rng.random()
    return a_float(rng) if r < 0.95 else pick(rng, INTS) if r < 0.99 else a_number(rng)


def vector(rng, n, length, constants):
    """A random vector of a step. constants: how likely an element is a constant."""
    return tuple((a_constant(rng),) if rng.random() < constants else index(rng, n) for _ in range(length))


def a_length(rng):
    r = rng.random()
    return 1 + int(5 * r / 0.97) if r < 0.97 else 6 + int(30 * rng.random())


WIDTH = 3       # of layers whose lists are kept


def share(rng):
    """How likely an element of a vector is a constant: mostly 0, seldom 1."""
    return pick(rng, (0.0, 0.0, 0.0, 0.0, 0.3, 1.0))


def a_start(rng, n):
    r = rng.random()
    if r < 0.4:
        return None
    return index(rng, n) if r < 0.7 else (pick(rng, (0, 0.0, -0.0, 1, 2.5, *INTS)),) if r < 0.95 else (a_number(rng),)


def dot(rng, n):
    length = a_length(rng)
    us = vector(rng, n, length, share(rng))
    vs = us if rng.random() < 0.15 else vector(rng, n, length, share(rng))
    return "dot", us, vs, a_start(rng, n)


def total(rng, n):
    return "total", vector(rng, n, a_length(rng), share(rng)), a_start(rng, n)


def linear(rng, n):
    length, rows = a_length(rng), 1 + int(3 * rng.random())
    bias = tuple((0,) if x is None else x for x in (a_start(rng, n) for _ in range(rows)))
    constants = share(rng)
    return ("linear", vector(rng, n, length, share(rng)),
            tuple(vector(rng, n, length, constants) for _ in range(rows)), bias if rng.random() < 0.6 else None)


def layer(rng, n):
    """A layer whose lists of weights the program keeps, with another weight now and then: an old Value or a new one."""
    r = rng.random()
    other = None if r < 0.5 else index(rng, n) if r < 0.7 else (a_number(rng),) if r < 0.75 else (a_float(rng), "new")
    return ("layer", int(2 * rng.random()), tuple(a_float(rng) for _ in range(WIDTH * (1 + int(5 * rng.random())))),
            vector(rng, n, WIDTH, share(rng)), rng.random() < 0.3, other, int(20 * rng.random()), rng.random() < 0.3)


def stack(rng, n):
    """Two layers over several inputs. The Values between them are operands of the second layer alone."""
    size, between, rows = 1 + int(3 * rng.random()), 1 + int(5 * rng.random()), 1 + int(10 * rng.random())
    return ("stack", tuple(vector(rng, n, size, share(rng)) for _ in range(1 + int(8 * rng.random()))),
            tuple(vector(rng, n, size, 0.0) for _ in range(between)), pick(rng, (None, "relu", "tanh", "exp")),
            tuple(vector(rng, n, between, 0.0) for _ in range(rows)), rng.random() < 0.6, rng.random() < 0.3,
            int(15 * rng.random()), rng.random() < 0.5)


def matmul(rng, n):
    rows, inner, columns = (1 + int(3 * rng.random()) for _ in range(3))
    one, other = share(rng), share(rng)
    return ("matmul", tuple(vector(rng, n, inner, one) for _ in range(rows)),
            tuple(vector(rng, n, columns, other) for _ in range(inner)))


def attention(rng, n):
    size, rows = 1 + int(3 * rng.random()), 1 + int(3 * rng.random())
    k, v = (tuple(vector(rng, n, size, 0.0) for _ in range(rows)) for _ in range(2))
    return "attention", vector(rng, n, size, 0.0), k, v


def of_one(rng, n):
    name = pick(rng, ("mean", "softmax", "log_softmax", "rms_norm", "layer_norm", "relu", "tanh", "gelu", "silu"))
    return "of one", name, vector(rng, n, a_length(rng), pick(rng, (0.0, 0.0, 0.0, 0.2)))


def of_two(rng, n):
    length = a_length(rng)
    return "of two", pick(rng, ("add", "mul", "mse_loss")), vector(rng, n, length, 0.0), vector(rng, n, length, 0.2)


def cross_entropy(rng, n):
    length = a_length(rng)
    return "cross_entropy", vector(rng, n, length, 0.0), int(length * rng.random())


def rnn(rng, n):
    """A recurrent layer: the same weights at every time."""
    size, times = 1 + int(3 * rng.random()), 2 + int(3 * rng.random())
    weight = tuple(vector(rng, n, size + 1, 0.0) for _ in range(size))
    return ("rnn", vector(rng, n, times, pick(rng, (0.0, 1.0))), weight, vector(rng, n, size, pick(rng, (0.0, 1.0))),
            rng.random() < 0.5)


def chain(rng, n):
    """Sums that each have the sum before as an operand, as both factors of a term, or as the start."""
    return "chain", index(rng, n), index(rng, n), tuple(int(4 * rng.random()) for _ in range(2 + int(5 * rng.random())))


LOOKS = ("_children", "_operands", "_local_grads", "_topological", "_n_below", "_prev", "_backward", "draw_text",
         "trace", "copy", "deepcopy", "pickle", "state", "__dict__", "explain")


def look(rng, n):
    r = rng.random()
    if r < 0.01:        # it takes long
        return "look", "_parents", index(rng, n)
    return "look", pick(rng, LOOKS), index(rng, n)


def act(rng, n):
    """Assign a closure that plays a step when the sweep calls it, before it passes its gradient on or after that."""
    what = pick(rng, ("raise", "backward", "zero_grad", "look", "set children", "set local_grads", "set data",
                      "set grad", "drop", "dot", "closure"))
    first, i = rng.random() < 0.5, index(rng, n)
    if what == "look":
        step = look(rng, n)
    elif what == "set children":
        step = what, "_children", i, indices(rng, n, 3)
    elif what == "set local_grads":
        step = what, i, tuple(a_float(rng) for _ in range(int(3 * rng.random())))
    elif what in ("set data", "set grad"):
        step = what, i, a_constant(rng)
    elif what == "dot":
        step = dot(rng, n)
    elif what == "closure":
        step = what, i, a_float(rng)
    else:
        step = what, i
    return "act", index(rng, n), first, step


CALM = (        # no Python runs in the sweep
    (14, dot), (8, total), (8, linear), (8, layer), (4, stack), (5, matmul), (6, of_one), (2, of_two), (1, attention),
    (2, cross_entropy),
    (4, rnn), (3, chain),
    (8, programs.value_value),
    (4, lambda rng, n: ("unary", pick(rng, (".tanh", ".relu", "x+x", "x*x", "-", "abs", "detach")), index(rng, n))),
    (3, lambda rng, n: ("vn", pick(rng, ("+", "*", "-")), index(rng, n), a_constant(rng))),
    (2, lambda rng, n: ("nv", pick(rng, ("+", "*", "-")), a_constant(rng), index(rng, n))),
    (3, lambda rng, n: ("leaf", a_constant(rng))),
    (16, lambda rng, n: ("backward", index(rng, n))),
    (3, lambda rng, n: ("zero_grad", index(rng, n))),
    (3, lambda rng, n: ("zero", indices(rng, n, 5))),
    (3, lambda rng, n: ("set data", index(rng, n), a_constant(rng))),
    (3, lambda rng, n: ("set grad", index(rng, n), a_constant(rng))),
    (2, lambda rng, n: ("descend", index(rng, n), rng.random())),
    (4, lambda rng, n: ("drop", index(rng, n))),
    (2, lambda rng, n: ("forget", int(4 * rng.random()), int(5 * rng.random()))),
    (2, lambda rng, n: ("no_grad",)), (3, lambda rng, n: ("grad again",)),
    (1, lambda rng, n: ("child", index(rng, n), int(3 * rng.random()))),
    (1, programs.new_children),
    (1, programs.user_node),
    (1, lambda rng, n: ("set local_grads", index(rng, n), tuple(a_float(rng) for _ in range(int(3 * rng.random()))))),
    (1, lambda rng, n: ("set attribute", "label", index(rng, n), "L")),
)
WITH_PYTHON = (
    (5, look),
    (5, act),
    (1, lambda rng, n: ("_backward", index(rng, n))),
    (1, lambda rng, n: ("closure", index(rng, n), a_float(rng))),
    (1, lambda rng, n: ("subclass", a_float(rng))),
)
RARE = tuple(lambda rng, n, name=name: ("patch", name)
             for name in ("__add__", "__radd__", "__mul__", "__rmul__", "__neg__", "_backward", "grad", "tanh"))
MAKERS = {is_calm: tuple(make for weight, make in CALM + (() if is_calm else WITH_PYTHON) for _ in range(weight))
          for is_calm in (False, True)}


def generate(rng, is_calm=False, most=24):
    """A random program. is_calm: no closures, no subclasses, no looks. most: about how many random steps it has at
    most. The last steps are a backward pass and a look at everything."""
    n = 3 + int(4 * rng.random())
    steps = [("leaf", a_float(rng)) for _ in range(n)]
    r = rng.random()
    for _ in range(3 + int(r * most)):
        rare = not is_calm and rng.random() < 0.004
        steps.append(pick(rng, RARE if rare else MAKERS[is_calm])(rng, n))
        n += 1
        if rng.random() < 0.04:         # some steps again, as in a loop of training
            steps += steps[-(1 + int(4 * rng.random())):]
    return steps + [("backward", n - 1), ("look", "state", n - 1)]


def make_dialects():
    """Classes for the programs, one for each of twelve dialects in which sums could differ. (A process has room for few
    such classes.)"""
    options = ("deferred", "float_data", "float_grad", "float_seed", "micrograd_relu")
    made = []
    for bits in (1, 0, 3, 5, 9, 17, 31, 2, 4, 8, 7, 29):
        name = f"Dialect{bits}"
        cls = fastgrad.engine._make_class(__name__, name, **{option: True for i, option in enumerate(options)
                                                             if bits >> i & 1})
        globals()[name] = cls           # where pickle finds it
        made.append(cls)
    return made


# ---- How programs run ----

class Run:
    """A run of a program on one engine. Closures that the program assigns keep it."""

    def __init__(self, engine):
        self.Value, self.no_grad, self.F = engine["Value"], engine["no_grad"], engine["F"]
        self.values, self.transcript, self.blocks, self.depth, self.layers = [], [], [], 0, {}
        self.kept = []      # lists of weights

    def vector(self, items):
        values, n = self.values, len(self.values)
        return [values[x % n] if type(x) is int else x[0] for x in items]

    def start(self, x):
        return () if x is None else self.vector((x,))

    def put(self, result):
        """Append the Values among the results to the program's. Returns the other results as text, or None."""
        results = list(flat(result))
        self.values.extend(x for x in results if isinstance(x, self.Value))
        numbers = [repr(x) for x in results if not isinstance(x, self.Value)]
        return " ".join(numbers) or None

    def layer(self, name, numbers, x, keeps_x, other, place, shows):
        if name not in self.layers:
            weights = [self.Value(number) for number in numbers]
            self.layers[name] = [weights[i:i + WIDTH] for i in range(0, len(weights), WIDTH)], self.vector(x)
        rows, inputs = self.layers[name]
        row, k = rows[place % len(rows)], place % WIDTH
        if other is not None:
            row[k] = self.Value(other[0]) if type(other) is tuple and len(other) == 2 else self.vector((other,))[0]
        if shows and isinstance(row[k], self.Value):
            self.values.append(row[k])
        return self.F.linear(inputs if keeps_x else self.vector(x), rows + rows[:2])

    def stack(self, xs, weights, function, others, are_new, is_turned, shown, is_swept):
        F, first, second, results = self.F, list(map(self.vector, weights)), list(map(self.vector, others)), []
        if are_new:
            second = [[self.Value(v.data) for v in row] for row in second]
            self.values += second[-1]
            self.kept.append(second)
        for x in xs:
            h = F.linear(self.vector(x), first)
            if function is not None:
                h = getattr(F, function)(h)
            results += [F.dot(h, row) for row in second] if is_turned else F.linear(h, second)
            if len(second) > 7:
                results.insert(-3, F.dot(h, h))
            self.values += h[shown:shown + 1]
        total = F.mean(results)
        if is_swept:
            total.backward()
        return [*results, total]

    def play(self, step):
        what, F, n = step[0], self.F, len(self.values)
        if what == "backward":
            self.values[step[1] % n].backward()
        elif what == "dot":
            return self.put(F.dot(self.vector(step[1]), self.vector(step[2]), *self.start(step[3])))
        elif what == "total":
            return self.put(F.sum(self.vector(step[1]), *self.start(step[2])))
        elif what == "linear":
            return self.put(F.linear(self.vector(step[1]), list(map(self.vector, step[2])),
                                     None if step[3] is None else self.vector(step[3])))
        elif what == "layer":
            return self.put(self.layer(*step[1:]))
        elif what == "stack":
            return self.put(self.stack(*step[1:]))
        elif what == "matmul":
            return self.put(F.matmul(list(map(self.vector, step[1])), list(map(self.vector, step[2]))))
        elif what == "attention":
            return self.put(F.scaled_dot_product_attention(self.vector(step[1]), *(list(map(self.vector, rows))
                                                                                   for rows in step[2:])))
        elif what == "of one":
            return self.put(getattr(F, step[1])(self.vector(step[2])))
        elif what == "of two":
            return self.put(getattr(F, step[1])(self.vector(step[2]), self.vector(step[3])))
        elif what == "cross_entropy":
            return self.put(F.cross_entropy(self.vector(step[1]), step[2]))
        elif what == "rnn":
            h, weight = self.vector(step[3]), list(map(self.vector, step[2]))
            for x in self.vector(step[1]):
                h = F.linear([x, *h], weight)
                if step[4]:
                    h = F.tanh(h)
            return self.put(h)
        elif what == "chain":
            x, y = self.vector(step[1:3])
            last = x
            for link in step[3]:
                last = F.dot(*(([last, x], [y, x]), ([x, y], [last, last]), ([x, y], [y, x], last),
                               ([x, last, y], [x, y, y], 0.5))[link])
            return self.put(last)
        elif what == "look":
            return self.look(step[1], self.values[step[2] % n])
        elif what == "act":
            v = self.values[step[1] % n]
            v._backward = Act(self, v, step[2], step[3])
        elif what == "raise":
            raise RuntimeError("cut short")
        elif what == "zero":
            for v in self.vector(step[1]):
                v.grad = 0
        elif what == "forget":
            del self.values[step[1] % n:step[1] % n + min(step[2], n - 2)]
        elif what == "patch":
            self.blocks.append(Patch(self.Value, step[1]))
            self.blocks[-1].__enter__()
        else:
            return programs.play(step, self.values, self.Value, self.no_grad, self.blocks)
        return None

    def look(self, way, v):
        """Look at a Value in one way. Returns what is seen, for the transcript."""
        if way in ("_children", "_operands"):
            return numbers(getattr(v, way))
        if way == "_topological":
            return numbers(v._topological())
        if way == "_parents":
            gc.collect()
            parents = [(p._op, repr(p.data), repr(p.grad)) for p in v._parents()]
            return repr(sorted(parents))
        if way == "_prev":
            return repr(sorted((repr(x.data), repr(x.grad)) for x in v._prev))
        if way == "_local_grads":
            return repr(v._local_grads)
        if way == "_n_below":
            return repr(len(v._topological()) if self.Value.__module__ == "fastgrad.reference" else v._n_below())
        if way == "_backward":
            return repr(callable(v._backward))
        if way == "draw_text":
            return viz.draw_text(v)
        if way == "trace":
            nodes, edges = viz.trace(v)
            return repr((len(nodes), len(edges)))
        if way in ("copy", "deepcopy", "pickle"):
            other = (pickle.loads(pickle.dumps(v)) if way == "pickle" else getattr(copy, way)(v))
            return programs.state([other])
        if way == "__dict__":
            return repr(sorted(vars(v)))
        if way == "explain":                # for one engine alone; it must not change anything
            if isinstance(v, fastgrad.Value) and type(v) is fastgrad.Value:
                str(fastgrad.explain(v))
            return None
        return programs.state([v])


class Act:
    """A closure that plays a step of a program, before or after it passes its gradient on."""

    def __init__(self, run, out, first, step):
        self.run, self.out, self.first, self.step = run, out, first, step

    def __call__(self):
        if not self.first:
            self.out._accumulate()
        if self.run.depth < 2:
            self.run.depth += 1
            try:
                if len(self.run.values) > 2:
                    self.run.transcript.append(self.run.play(self.step))
            finally:
                self.run.depth -= 1
        if self.first:
            self.out._accumulate()

    def __reduce__(self):       # the copy of a Value has a closure that does nothing
        return Nothing, ()


class Nothing:
    def __call__(self):
        pass


class Patch:
    """A context manager: inside, a class has another function or property of the same name, which does the same."""

    def __init__(self, cls, name):
        self.cls, self.name = cls, name

    def __enter__(self):
        name = self.name
        own = getattr(self.cls, name)
        self.before = vars(self.cls).get(name)
        if name in ("grad", "_backward"):
            other = property(lambda v: own.__get__(v), lambda v, x: own.__set__(v, x))
        else:
            def other(*operands):
                return own(*operands)
        setattr(self.cls, name, other)

    def __exit__(self, *exc_info):
        if self.before is None:
            delattr(self.cls, self.name)
        else:
            setattr(self.cls, self.name, self.before)


def flat(x):
    if type(x) is list:
        for item in x:
            yield from flat(item)
    else:
        yield x


def numbers(values):
    """The data, grads, classes and operations of Values, as an entry of a transcript."""
    found, graph = [], []
    for v in values:
        found.append(v.data)
        found.append(v.grad)
        graph.append((type(v).__name__, v._op, [], 0))
    return struct.pack(f"<{len(found)}d", *found), list(map(type, found)), graph


def run(program, engine, keep=None):
    """Run a program on one engine. Returns the transcript. The list of the program's Values is appended to keep."""
    this = Run(engine)
    transcript = this.transcript
    try:
        for step in program:
            try:
                transcript.append(this.play(step))
            except Exception as error:
                text = str(error).replace("fastgrad.engine.Value", "Value")
                transcript.append((type(error).__name__, text.replace("_of_fastgrad_engine", "_of_fastgrad_reference")))
            if step[0] == "backward":
                transcript.append(numbers(this.values))
    finally:
        while this.blocks:
            this.blocks.pop().__exit__(None, None, None)
    try:
        transcript.append(programs.state(this.values))
    except (ArithmeticError, ValueError) as error:      # a deferred derivative
        transcript += [(type(error).__name__, str(error)), numbers(this.values)]
        return transcript
    if keep is not None:
        keep.append(this.values)
    return transcript
