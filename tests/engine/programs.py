"""Make random programs over Values, run them on an engine, and compare what happens.

A program is a list of steps, and a step is a tuple: what to do and with what. A step names a Value by its position
among those made so far, modulo their number. So every list of steps is a program, even if a step fails and makes no
Value, or a shrinker has removed some steps.

`run` plays a program on one engine and returns a transcript: what every step returned or raised, and the whole state
after each backward pass, which is every node's data, grad, local gradients, operation and children. Two engines agree
if their transcripts are the same to the last bit, where 2 and 2.0 differ. Any two nans are the same, since a nan's sign
and payload depend on the compiler.
"""
import copy
import functools
import math
import operator
import pickle
import struct

import numpy as np

from fastgrad.value.operations import FUNCTIONS

ORDINARY = (1.0, 2.0, -1.0, 0.5, 3.0, -2.0, 10.0, 0.1)
INTS = (0, 1, 2, 3, -1, -2, 5, -7, 10)
AWKWARD = (
    0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, -5e-324, 2.2e-308, 1e-308, 1e308, -1e308, 1e200, 1e-200, 745.0,
    -745.0, 709.8, 1000.0, -1000.0, 1e16, 2.0 ** 53, 2 ** 53, -2 ** 53, 2 ** 53 - 1, 94906267, 2 ** 31,
    2 ** 60, -10 ** 22, 2 ** 600, -2 ** 1023, True, False,
)
NUMPY = (np.float64(2.0), np.float32(0.1), np.int64(3), np.float64(-0.5), np.int8(-4), np.uint64(2 ** 53),
         np.bool_(True), np.float16(0.1), np.float64("nan"), np.float64("-inf"))
WRONG = (None, "2", 1j, [1.0], 2 ** 53 + 1, 10 ** 400, (), np.uint64(2 ** 64 - 1))
EXPONENTS = (2, 2.0, -1, 0.5, 3, 0, 1, -0.5, 1.0, -2, -1.0, 0.0, 1.5, 10, -3, True, 1023, 1024)

BINARY = {"+": operator.add, "*": operator.mul, "-": operator.sub, "/": operator.truediv, "**": operator.pow}
INPLACE = {"+=": operator.iadd, "*=": operator.imul, "-=": operator.isub, "/=": operator.itruediv, "**=": operator.ipow}
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
           "==": operator.eq, "!=": operator.ne}
UNARY = {"-": operator.neg, "abs": abs, **{f".{x.method}": x.call for x in FUNCTIONS}, "detach": lambda v: v.detach(),
         "copy": copy.copy, "x+x": lambda v: v + v, "x*x": lambda v: v * v}
ASK = {"repr": repr, "float": float, "int": int, "bool": bool, "": lambda v: f"{v}", ".4f": lambda v: f"{v:.4f}",
       "10.3e": lambda v: f"{v:10.3e}", "_prev": lambda v: len(v._prev), "label": lambda v: v.label,
       "color": lambda v: v.color}


# How programs are made. All choices are made by rng.random(), and small numbers choose what is simple, so that a
# shrinker that makes the numbers smaller makes programs simpler.

def pick(rng, options):
    return options[int(rng.random() * len(options))]


def a_number(rng):
    r = rng.random()
    if r < 0.30:
        return pick(rng, ORDINARY)
    if r < 0.70:
        return 4.0 * rng.random() - 2.0
    if r < 0.84:
        return pick(rng, INTS)
    return pick(rng, AWKWARD) if r < 0.96 else pick(rng, NUMPY)


def an_exponent(rng):
    return pick(rng, EXPONENTS) if rng.random() < 0.8 else a_number(rng)


def index(rng, n):
    """A random position among n Values. Late positions are more frequent."""
    r = rng.random()
    return n - 1 - int(r * r * n)


def indices(rng, n, most):
    return tuple(index(rng, n) for _ in range(int(rng.random() * (most + 1))))


def value_value(rng, n):
    return "vv", pick(rng, tuple(BINARY)), index(rng, n), index(rng, n)


def value_number(rng, n):
    op = pick(rng, tuple(BINARY))
    return "vn", op, index(rng, n), an_exponent(rng) if op == "**" else a_number(rng)


def number_value(rng, n):
    return "nv", pick(rng, tuple(BINARY)), a_number(rng), index(rng, n)


def in_place(rng, n):
    op = pick(rng, tuple(INPLACE))
    if rng.random() < 0.5:
        return "iv", op, index(rng, n), index(rng, n)
    return "in", op, index(rng, n), an_exponent(rng) if op == "**=" else a_number(rng)


def user_node(rng, n):
    children = indices(rng, n, 5)
    local_grads = tuple(a_number(rng) for _ in children)
    if rng.random() < 0.1:
        local_grads = local_grads[1:]       # too few, or none at all
    return "user", a_number(rng), children, local_grads


def a_compare(rng, n):
    op = pick(rng, tuple(COMPARE))
    v, r = index(rng, n), rng.random()
    if r < 0.4:
        return "compare vv", op, v, index(rng, n)
    return ("compare vn", op, v, a_number(rng)) if r < 0.7 else ("compare nv", op, a_number(rng), v)


def new_children(rng, n):
    name = pick(rng, ("_children", "_prev"))
    children = indices(rng, n, 3 if name == "_children" else 1)     # two engines may order a set differently
    return "set children", name, index(rng, n), children


WEIGHTS = (
    (20, value_value),
    (16, lambda rng, n: ("unary", pick(rng, tuple(UNARY)), index(rng, n))),
    (10, value_number),
    (8, number_value),
    (6, lambda rng, n: ("leaf", a_number(rng))),
    (3, lambda rng, n: ("backward", index(rng, n))),
    (3, lambda rng, n: ("sum", indices(rng, n, 4), rng.random() < 0.5)),
    (4, user_node),
    (3, in_place),
    (2, lambda rng, n: ("set data", index(rng, n), a_number(rng))),
    (2, lambda rng, n: ("set grad", index(rng, n), a_number(rng))),
    (2, lambda rng, n: ("descend", index(rng, n), rng.random())),
    (1, lambda rng, n: ("zero_grad", index(rng, n))),
    (2, lambda rng, n: ("_backward", index(rng, n))),
    (2, lambda rng, n: ("drop", index(rng, n))),
    (2, lambda rng, n: ("child", index(rng, n), int(rng.random() * 3))),
    (1, lambda rng, n: ("micrograd", a_number(rng), indices(rng, n, 3), pick(rng, ("", "op", "+")))),
    (1, lambda rng, n: ("closure", index(rng, n), a_number(rng))),
    (1, lambda rng, n: ("set local_grads", index(rng, n), tuple(a_number(rng) for _ in range(int(rng.random() * 4))))),
    (1, new_children),
    (2, a_compare),
    (2, lambda rng, n: ("ask", pick(rng, tuple(ASK)), index(rng, n))),
    (1, lambda rng, n: ("set attribute", pick(rng, ("label", "color")), index(rng, n), pick(rng, ("red", "L")))),
    (1, lambda rng, n: ("subclass", a_number(rng))),
    (1, lambda rng, n: ("no_grad",)),
    (2, lambda rng, n: ("grad again",)),
    (1, lambda rng, n: pick(rng, (("vn", pick(rng, tuple(BINARY)), index(rng, n), pick(rng, WRONG)),
                                  ("nv", pick(rng, tuple(BINARY)), pick(rng, WRONG), index(rng, n)),
                                  ("set data", index(rng, n), pick(rng, WRONG)),
                                  ("set grad", index(rng, n), pick(rng, WRONG)),
                                  ("user", 1.0, (index(rng, n),), (pick(rng, WRONG),)),
                                  ("leaf", pick(rng, WRONG))))),
)
SELDOM = (      # one takes as long as fifty other steps
    lambda rng, n: ("deepcopy", (index(rng, n), index(rng, n))),
    lambda rng, n: ("pickle", int(rng.random() * (pickle.HIGHEST_PROTOCOL + 1)), (index(rng, n), index(rng, n))),
)
MAKERS = tuple(make for weight, make in WEIGHTS for _ in range(weight))
MAKE_A_VALUE = {"leaf", "vv", "vn", "nv", "unary", "user", "micrograd", "sum", "child", "subclass"}


def generate(rng, most=38):
    """A random program of 5 to most + 2 steps. Short programs are more frequent. The last step is a backward pass."""
    steps, n = [("leaf", a_number(rng)), ("leaf", a_number(rng))], 2
    r = rng.random()
    for _ in range(2 + int(r * r * (most - 2))):
        make = pick(rng, MAKERS) if rng.random() > 0.004 else pick(rng, SELDOM)
        step = make(rng, n)
        steps.append(step)
        n += step[0] in MAKE_A_VALUE
    steps.append(("backward", n - 1))
    return steps


# How programs run.

class Closure:
    """A `_backward` in the lecture's style: it holds its own node, and adds to the gradients of the node's children."""

    def __init__(self, out, factor):
        self.out, self.factor = out, factor

    def __call__(self):
        for child in self.out._children:
            child.grad += self.factor * self.out.grad


@functools.lru_cache(maxsize=None)
def subclass_of(Value):
    """A subclass of an engine's Value. It has a global name in this module, so that pickle finds it."""
    cls = type("Sub", (Value,), {"twice": lambda self: self + self})
    cls.__qualname__ = f"Sub_of_{Value.__module__.replace('.', '_')}_{Value.__name__}"
    cls.__module__ = __name__
    globals()[cls.__qualname__] = cls
    return cls


def run(program, Value, no_grad, keep=None):
    """Run a program on one engine. Returns the transcript. The list of the program's Values is appended to keep."""
    values, transcript, blocks = [], [], []
    try:
        for step in program:
            try:
                transcript.append(play(step, values, Value, no_grad, blocks))
            except Exception as error:
                transcript.append((type(error).__name__, str(error).replace("fastgrad.engine.Value", "Value")))
            if step[0] == "backward":
                transcript.append(state(values))
    finally:
        while blocks:
            blocks.pop().__exit__(None, None, None)
    if keep is not None:
        keep.append(values)
    return transcript


def play(step, values, Value, no_grad, blocks):
    """Run one step. Returns the transcript's entry for it. The most frequent kinds of steps come first."""
    what = step[0]
    n = len(values)
    if what == "vv":
        values.append(BINARY[step[1]](values[step[2] % n], values[step[3] % n]))
    elif what == "unary":
        values.append(UNARY[step[1]](values[step[2] % n]))
    elif what == "vn":
        values.append(BINARY[step[1]](values[step[2] % n], step[3]))
    elif what == "nv":
        values.append(BINARY[step[1]](step[2], values[step[3] % n]))
    elif what == "leaf":
        values.append(Value(step[1]))
    elif what == "backward":
        values[step[1] % n].backward()
    elif what == "sum":
        terms = [values[i % n] for i in step[1]]
        total = sum(terms, Value(0.0)) if step[2] else sum(terms)
        if not isinstance(total, Value):
            return repr(total)
        values.append(total)
    elif what == "user":
        values.append(Value(step[1], tuple(values[i % n] for i in step[2]), step[3]))
    elif what == "micrograd":
        values.append(Value(step[1], tuple(values[i % n] for i in step[2]), step[3]))
    elif what == "subclass":
        values.append(subclass_of(Value)(step[1]))
    elif what == "iv":
        values[step[2] % n] = INPLACE[step[1]](values[step[2] % n], values[step[3] % n])
    elif what == "in":
        values[step[2] % n] = INPLACE[step[1]](values[step[2] % n], step[3])
    elif what == "set data":
        values[step[1] % n].data = step[2]
    elif what == "set grad":
        values[step[1] % n].grad = step[2]
    elif what == "descend":
        v = values[step[1] % n]
        v.data -= step[2] * v.grad
    elif what == "zero_grad":
        values[step[1] % n].zero_grad()
    elif what == "_backward":
        values[step[1] % n]._backward()
    elif what == "drop":
        if n > 2:
            del values[step[1] % n]
    elif what == "child":
        children = values[step[1] % n]._children
        if children:
            values.append(children[step[2] % len(children)])
    elif what == "closure":
        v = values[step[1] % n]
        v._backward = Closure(v, step[2])
    elif what == "set local_grads":
        values[step[1] % n]._local_grads = step[2]
    elif what == "set children":
        setattr(values[step[2] % n], step[1], [values[i % n] for i in step[3]])
    elif what == "compare vv":
        return repr(COMPARE[step[1]](values[step[2] % n], values[step[3] % n]))
    elif what == "compare vn":
        return repr(COMPARE[step[1]](values[step[2] % n], step[3]))
    elif what == "compare nv":
        return repr(COMPARE[step[1]](step[2], values[step[3] % n]))
    elif what == "ask":
        return repr(ASK[step[1]](values[step[2] % n]))
    elif what == "set attribute":
        setattr(values[step[2] % n], step[1], step[3])
    elif what == "no_grad":
        blocks.append(no_grad())
        blocks[-1].__enter__()
    elif what == "grad again":
        if blocks:
            blocks.pop().__exit__(None, None, None)
    elif what == "deepcopy":
        values.extend(copy.deepcopy([values[i % n] for i in step[1]]))
    elif what == "pickle":
        values.extend(pickle.loads(pickle.dumps([values[i % n] for i in step[2]], step[1])))
    else:
        raise NotImplementedError(what)
    return None


def state(values):
    """The state of Values and all nodes below them: the bits of all numbers, the types of all numbers, and of each node
    its class, operation, children, and number of local gradients."""
    nodes, place = list(values), {id(v): i for i, v in enumerate(values)}
    numbers, graph = [], []
    for v in nodes:
        children = []
        for child in v._children:
            i = place.get(id(child))
            if i is None:
                i = place[id(child)] = len(nodes)
                nodes.append(child)
            children.append(i)
        local_grads = v._local_grads
        numbers.append(v.data)
        numbers.append(v.grad)
        numbers.extend(local_grads)
        graph.append((type(v).__name__, v._op, children, len(local_grads)))
    return struct.pack(f"<{len(numbers)}d", *numbers), list(map(type, numbers)), graph


# How transcripts are compared and shown.

def same(one, other):
    """Whether two transcripts are the same. Any two nans are the same."""
    return one == other or lines(one) == lines(other)


def lines(transcript):
    """A transcript as a list of readable lines. Two states have the same lines only if their bits are the same, nans
    aside."""
    out = []
    for entry in transcript:
        if entry is None:
            out.append("done")
        elif isinstance(entry, str):
            out.append(f"gives {entry}")
        elif len(entry) == 2:
            out.append(f"raises {entry[0]}: {entry[1]}")
        else:
            bits, types, graph = entry
            doubles = struct.unpack(f"<{len(types)}d", bits)
            numbers = iter([repr(t(x)) if t in (int, float) else f"{t.__name__} {x}" for t, x in zip(types, doubles)])
            for i, (cls, op, children, count) in enumerate(graph):
                data, grad, local_grads = next(numbers), next(numbers), [next(numbers) for _ in range(count)]
                out.append(f"  {cls} {i}: data {data}, grad {grad}, op {op!r}, children {children}, "
                           f"local_grads [{', '.join(local_grads)}]")
    return out


def listing(program):
    """A program as Python source with one step per line, which can be pasted into run()."""
    return "[\n" + "".join(f"    {step!r},\n" for step in program) + "]"


def shrink(program, fails):
    """Remove steps from a program as long as fails(program) stays true. Returns what is left."""
    size = len(program) // 2
    while size:
        start, shorter = 0, False
        while start < len(program):
            candidate = program[:start] + program[start + size:]
            if fails(candidate):
                program, shorter = candidate, True
            else:
                start += size
        if size > 1 or not shorter:
            size //= 2
    return program


def difference(program, one, other, play=None):
    """A text that shows a program and its transcripts on two engines, with a ! at lines that differ.

    one, other: the engines, each a dict of name, Value and no_grad. play: a function of a program and an engine, if
    not run().
    """
    texts = [f"program = {listing(program)}"]
    transcripts = [lines(play(program, e) if play else run(program, e["Value"], e["no_grad"])) for e in (one, other)]
    for e, mine, theirs in ((one, *transcripts), (other, *reversed(transcripts))):
        texts.append(f"\n{e['name']}:")
        for i, line in enumerate(mine):
            texts.append(("   " if i < len(theirs) and theirs[i] == line else "!  ") + line)
    return "\n".join(texts)
