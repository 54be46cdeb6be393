"""Run a program twice, as its author wrote it and with its loops rewritten, and compare what anybody could see.

A program is source text. `run` executes its code with fresh Values and returns a transcript, a list of lines:

    - what was printed;
    - the exception, with its causes and contexts, and for each of its frames in the program the function, the line, the
      columns, and the local variables;
    - the variables that are left, in their order, with classes and all digits. Lists, Values and instances have numbers
      in the order in which they are found, so that `a is b` shows. Iterators and generators are read to their end;
    - all nodes that can be reached: data, grad, operation, local gradients, children in their order.

If `backward` is true, then before anybody looks at children, backward() runs on the Values found first and last. A look
takes fused sums apart, so the one way tests their sweeps and the other way what they are taken apart to.
"""
import ast
import builtins
import contextlib
import io
import itertools
import random
import re
import signal
import sys
import types
from collections import Counter
from types import SimpleNamespace

import fastgrad
from fastgrad import reference
from fastgrad.value.grad_mode import is_recording

from fastgrad.loops import compile_source, loops

if hasattr(fastgrad.engine, "_run_short_loops"):
    fastgrad.engine._run_short_loops()      # a `for` of a few elements is the author's else

FILE = "<program>"
LIMIT = 0.3             # seconds of a program
ELSEWHERE = "    frame elsewhere:"
MODULE = "program"
NUMBERS = (int, float, bool, str, bytes, complex, type(None), range, slice, type(...))


class TooLong(BaseException):
    """A program doesn't seem to end."""


def set_limit(seconds):
    """Raise TooLong after so many seconds of work, where there are such timers. 0 for never."""
    def too_long(*_):
        raise TooLong

    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGVTALRM, too_long)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)


class Look:
    """What is seen of objects, as text."""

    def __init__(self):
        self.places, self.kept, self.values = {}, [], []

    def place(self, x):
        """The number of an object, and whether it's new."""
        is_new = id(x) not in self.places
        if is_new:
            self.places[id(x)] = len(self.places)
            self.kept.append(x)         # so that its id stays its own
            if isinstance(x, (fastgrad.Value, reference.Value)):
                self.values.append(x)
        return self.places[id(x)], is_new

    def text(self, x):
        kind = type(x)
        if kind in NUMBERS:
            return repr(x)
        number, is_new = self.place(x)
        name = f"{kind.__name__} {number}"
        if not is_new or isinstance(x, (fastgrad.Value, reference.Value)):
            return name
        if isinstance(x, (list, tuple)):
            return f"{name} [{', '.join(map(self.text, x))}]"
        if isinstance(x, (set, frozenset)):     # whose order depends on addresses
            return f"{name} of {len(x)}: {sorted(repr(y) for y in x)}"
        if isinstance(x, dict):
            return f"{name} {{{', '.join(f'{self.text(k)}: {self.text(v)}' for k, v in x.items())}}}"
        if isinstance(x, types.FunctionType):
            return f"{name} {x.__qualname__}{self.variables(self.cells(x))}"
        if isinstance(x, (types.MethodType, types.BuiltinMethodType)):     # which are the same on the two engines
            return f"method {number} {x.__name__} of {self.text(x.__self__)}"
        if isinstance(x, type):
            own = {k: v for k, v in vars(x).items() if x.__module__ == MODULE and not k.startswith("__")}
            return f"class {number} {x.__name__}{self.variables(own)}"
        if isinstance(x, BaseException):
            return f"{name} {message(x)}"
        if kind.__module__ == MODULE and kind.__dictoffset__:
            return f"{name}{self.variables(object.__getattribute__(x, '__dict__'))}"
        if hasattr(kind, "__next__"):
            return f"{name} rest {self.rest(x)}"
        if kind.__module__ in ("fractions", "numpy"):
            return f"{kind.__name__} {x!r}"
        return name

    def cells(self, function):
        found = {f"default {i}": x for i, x in enumerate(function.__defaults__ or ())}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            with contextlib.suppress(ValueError):       # an empty cell
                found[name] = cell.cell_contents
        return found

    def variables(self, names):
        return "".join(f"\n    {name}: {self.text(x)}" for name, x in names.items())

    def rest(self, iterator):
        found = []
        try:
            for x in itertools.islice(iterator, 50):
                found.append(self.text(x))
        except Exception as error:
            found.append(f"raises {message(error)}")
        return f"[{', '.join(found)}]"

    def nodes(self):
        """Lines about all Values that were found, and all nodes below them. The list of Values grows meanwhile."""
        lines = []
        for v in self.values:
            children = [self.place(child)[0] for child in v._children]
            local_grads = ", ".join(map(self.text, v._local_grads))
            lines.append(f"{type(v).__name__} {self.place(v)[0]}: data {self.text(v.data)}, grad {self.text(v.grad)}, "
                         f"op {v._op!r}, children {children}, local_grads [{local_grads}]"
                         f"{self.variables({k: x for k, x in vars(v).items() if k != '_backward'})}")
        return lines


def message(error):
    """An exception's class and text, which are the same on both engines."""
    return f"{type(error).__name__}: {error}".replace("fastgrad.engine.Value", "Value")


def frames(error, look):
    """Lines about an exception and what it comes from."""
    lines, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        lines.append(f"raises {message(error)}, from {type(error.__cause__).__name__}")
        at, deepest = error.__traceback__, 20
        while at is not None and deepest:
            deepest -= 1
            code = at.tb_frame.f_code
            if code.co_filename != FILE:
                lines.append(f"{ELSEWHERE} {code.co_name}")
            else:
                # An unbound variable may get the columns of the one before: hot code reads two at once.
                has_columns = hasattr(code, "co_positions") and not isinstance(error, UnboundLocalError)
                columns = [*code.co_positions()][at.tb_lasti // 2] if has_columns else ""
                own = {} if code.co_name == "<module>" else at.tb_frame.f_locals
                own = {name: own[name] for name in sorted(own) if not name.startswith(".")}
                lines.append(f"    line {at.tb_lineno} {columns}, in {code.co_name}{look.variables(own)}")
            at = at.tb_next
        error = error.__cause__ or error.__context__
    return lines


def run(code, Value=None, backward=False):
    """The transcript of a program's code. Value: the class that the program finds under this name."""
    Value = Value or fastgrad.Value
    space = {"__name__": MODULE, "__builtins__": builtins, "Value": Value, "no_grad": fastgrad.no_grad}
    given, printed, look, lines, of_class = list(space), io.StringIO(), Look(), [], dict(vars(Value))
    old_stdout, sys.stdout = sys.stdout, printed
    random.seed(0)
    try:
        set_limit(LIMIT)
        try:
            exec(code, space)
            set_limit(0)
        except (KeyboardInterrupt, TooLong):
            raise
        except BaseException as error:
            set_limit(0)
            sys.settrace(None), sys.setprofile(None)
            error.__traceback__ = error.__traceback__.tb_next       # without this function
            lines += frames(error, look)
        lines += [f"{name}: {look.text(x)}" for name, x in list(space.items()) if name not in given]
        for v in [look.values[-1], look.values[0]] if backward and look.values else []:
            try:
                v.backward()
            except Exception as error:
                lines.append(f"backward raises {message(error)}")
        lines += look.nodes()
        lines.append(f"next random number: {random.random()!r}, records: {is_recording()}")
    finally:
        set_limit(0)
        sys.settrace(None), sys.setprofile(None)
        sys.stdout = old_stdout
        space.clear()       # a class of Values, its functions and their names would hold each other
        restore(Value, of_class)
    text = "\n".join([*printed.getvalue().splitlines(), *lines])
    text = re.sub(r"maximum recursion depth exceeded.*", "maximum recursion depth exceeded", text)   # while doing what
    return re.sub(r"\b0x[0-9a-f]{6,}", "0x...", text).split("\n")


def restore(cls, names):
    """Give a class, to which a program may have assigned anything, its own names again."""
    for name in {*names, *vars(cls)}:
        if name not in names:
            delattr(cls, name)
        elif vars(cls).get(name) is not names[name]:
            setattr(cls, name, names[name])


def both(source, backward=False):
    """A program's two transcripts and its rewritten loops: .plain, .rewritten, .loops."""
    code = compile_source(source, FILE, "exec")
    return SimpleNamespace(plain=run(compile(source, FILE, "exec"), backward=backward),
                           rewritten=run(code, backward=backward), loops=list(loops(code)))


def on_reference(source, backward=False):
    """A program's transcript on the engine in plain Python. Both have the same comparable() lines."""
    return run(compile(source, FILE, "exec"), reference.Value, backward)


def agrees_with_oracle(source, backward):
    """Whether the plain program does the same on both engines. Anomaly mode is the C engine's, and only the oracle's
    operators ask a class, which may have got another one, for its `data`."""
    if "anomaly" in source or "Lazy" in source or "Value.data" in source:
        return True
    plain = run(compile(source, FILE, "exec"), backward=backward)
    return comparable(plain) == comparable(on_reference(source, backward))


def comparable(transcript):
    """What of a transcript doesn't depend on the engine: not the names of C's types in messages."""
    return [re.sub(r"((?:Type|Attribute)Error)\b.*", r"\1", line) for line in transcript
            if not line.startswith(ELSEWHERE)]


def assert_same(source, backward=None):
    """Assert that nobody can tell a program from the rewritten one. Returns its rewritten loops, of all runs."""
    found = []
    for way in (False, True) if backward is None else (backward,):
        result = both(source, way)
        assert result.rewritten == result.plain, difference(source, way)
        found += result.loops
    return found


def tally(found):
    """Counters of what loops did: how often they ran in C, and how often they declined, by reason."""
    runs, declines = Counter(), Counter()
    for loop in found:
        runs[loop.what] += loop.runs
        declines.update(loop.declines)
    return runs, declines


def difference(source, backward, run_other=None):
    """A text that shows a program and its transcripts, with a ! at lines that differ.

    run_other: a function that gives the other transcript, if it isn't that of the rewritten program.
    """
    result = both(source, backward)
    other = run_other(source, backward) if run_other else result.rewritten
    texts = [f"backward: {backward}\n" + "".join(f"{i:4} {line}\n" for i, line in enumerate(source.split("\n"), 1))]
    for name, mine, theirs in (("plain", result.plain, other), ("the other", other, result.plain)):
        texts.append(f"\n{name}:")
        for i, line in enumerate(mine):
            differs = i >= len(theirs) or theirs[i] != line
            if differs or ": data " not in line:        # nodes that are the same would only be in the way
                texts.append(f"{'!' if differs else ' '}  {line}")
    texts += [f"\nloop of line {x.line} ({x.what}): ran {x.runs} times, declined {x.declines}" for x in result.loops]
    return "\n".join(texts)


# How programs shrink.

def bodies(tree):
    """All lists in a program of which an element may be left out."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody", "handlers", "elts", "ifs"):
            found = getattr(node, name, None)
            if isinstance(found, list) and found:
                yield found


def shrink(source, fails):
    """Leave out statements, elements of lists, and conditions, as long as fails(source) stays true. Blocks may be
    replaced by what is in them."""
    def still(tree):
        text = ast.unparse(tree)
        try:
            compile(text, FILE, "exec")
        except (SyntaxError, ValueError):
            return False
        return fails(text)

    tree = ast.parse(source)
    if not still(tree):         # it depends on how it's written
        return source
    shorter = True
    while shorter:
        shorter = False
        for found in list(bodies(tree)):
            size = len(found)
            while size:
                start = 0
                while start < len(found):
                    cut = found[start:start + size]
                    empty = [ast.Pass()] if len(cut) == len(found) and isinstance(cut[0], ast.stmt) else []
                    if empty and isinstance(cut[0], ast.Pass):
                        break
                    found[start:start + size] = empty
                    if still(tree):
                        shorter = True
                        if empty:
                            break
                    else:
                        found[start:start + len(empty)] = cut
                        start += size
                size //= 2
            for i, node in enumerate(found):
                if isinstance(node, (ast.Try, ast.If, ast.With, ast.For)):
                    found[i:i + 1] = node.body
                    if still(tree):
                        shorter = True
                        break
                    found[i:i + len(node.body)] = [node]
    return ast.unparse(tree)
