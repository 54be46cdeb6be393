"""detect_anomaly: raise where a nan or an inf is made, and name the line, the operation and its operands; and warn
where a Value becomes a float, so that no gradient goes through.

While a block is open, wrappers that check every result replace the operations, the constructor, `__float__` and
`backward` of the class Value. Leaving the last block restores the class, so the mode costs nothing while it's off. It
works in both engines.
"""
import functools
import math
import opcode
import os
import sys
import threading
import types
import warnings

from fastgrad.debugging import words
from fastgrad.engine import Value
from fastgrad.value import operations
from fastgrad.value.base import printable
from fastgrad.value.decorating import decorated
from fastgrad.value.grad_mode import is_recording
from fastgrad.value.public import public

# The watched methods: name in the class: symbol of the operation.
OPERATIONS = {name: x.symbol for x in operations.OPERATIONS for name in (x.method, x.reflected) if name}
NOTE = "detect_anomaly():"      # how its notes begin
SHOWN_OF_PATH = 6       # steps that are shown at either end of a path

# An attribute that marks a result whose second operand was a number. The grad of the leaf made of that number isn't
# checked: nobody uses it, and it is nan where the number is multiplied with a mask of -inf.
CONSTANT = "_has_constant"


class AnomalyError(FloatingPointError, RuntimeError):
    """An operation, or a step of backward(), has made a nan or an inf.

    It is a RuntimeError, as PyTorch's, and a FloatingPointError (so an ArithmeticError), as NumPy's.

    value: the operation's result; in backward(), the Value that passed its gradient on. op: the name of its operation.
    operands: the data of its operands. place: (file, line, function) where value was made, or None.
    """

    value = op = operands = place = None


@public
class detect_anomaly:
    """A context manager or decorator that raises AnomalyError as soon as a nan or an inf is made.

    Within the block every Value remembers where it was made. AnomalyError is raised by

    - an operation (also one of your own, made with Value(data, children, ...)) whose result is nan, or is inf although
      all its operands are finite. A leaf may be nan or inf, as a mask is, and inf may stay inf: -inf + 1;
    - `backward()`, at the first step that makes a grad nan or inf. The grad of a number in the program, such as the 2
      in x * 2, isn't checked. The error shows the path from the loss down to that step. All grads of the graph are put
      back to what they were before.

    An error that an operation raises anyway, such as log(0)'s, gets a note about operands and place, from Python 3.11
    on. A `backward()` of your own that you have assigned to the class isn't watched.

    A UserWarning names the line that turns a Value into a float, which cuts the graph silently: math.exp(v), float(v),
    an assignment into a NumPy array of doubles. There's none under no_grad(), for text (print('%f' % v)), or for what
    an installed package does with a Value, such as to plot it.

    Blocks may be nested, and an object may be used again. The mode holds for all threads of the process. Enter it
    once, around a training loop rather than in each step, because each entry changes the class Value.
    """

    def __init__(self):
        self._threads = []      # the id of the thread that made each open entry

    def __enter__(self):
        thread = threading.get_ident()
        mine, before = self._threads.count(thread), _open_blocks.count(thread)
        try:
            _open_blocks.append(thread)
            _adapt()
            self._threads.append(thread)
            return self
        except BaseException:       # KeyboardInterrupt, say: the block isn't entered
            if self._threads.count(thread) > mine:
                self._threads.remove(thread)
            if _open_blocks.count(thread) > before:
                _close(thread)
            raise

    def __exit__(self, *exc_info):
        if not self._threads:
            raise RuntimeError("a detect_anomaly block is left that hasn't been entered")
        thread = threading.get_ident()
        if thread not in self._threads:
            thread = self._threads[-1]
        self._threads.remove(thread)
        _close(thread)

    def __call__(self, function):
        return decorated(function, detect_anomaly)


# Replacing the class's methods, and restoring them.

_open_blocks = []       # the id of the thread that entered each open block
_changing = threading.RLock()
_is_changing = False
_is_watched = False     # None while methods are being replaced or restored
_replaced = {}          # method's name: its wrapper, and what the class itself had under this name before
_NOTHING = object()


def _close(thread):
    try:
        _open_blocks.remove(thread)
    except ValueError:
        pass            # the block of a thread that a fork has left behind
    _adapt()


def _adapt():
    """Replace the class's methods if a block is open, and restore them if none is.

    A signal handler or a destructor may interrupt this, and enter or leave a block itself. Its own call returns at
    once. The interrupted call goes on until the class fits the open blocks.
    """
    global _is_changing
    with _changing:
        if _is_changing:
            return
        _is_changing = True
        try:
            while _is_watched is not bool(_open_blocks):
                if _open_blocks:
                    _replace()
                else:
                    _put_back()
        finally:
            _is_changing = False


def _adapt_in_child():
    """Called in a process just forked, where only this thread goes on: drop the blocks of other threads, and redo a
    change of the class that another thread had begun."""
    global _changing, _is_changing, _is_watched
    _open_blocks[:] = [thread for thread in _open_blocks if thread == threading.get_ident()]
    if _changing.acquire(blocking=False):
        _changing.release()
    else:
        _changing, _is_changing, _is_watched = threading.RLock(), False, None
    _adapt()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_adapt_in_child)


def _replace():
    global _is_watched
    _put_back()         # methods that an interrupted change has left replaced
    watched = {name: _watched_operation(name, getattr(Value, name)) for name in OPERATIONS}
    watched["__init__"] = _watched_init(Value.__init__)
    watched["__float__"] = _watched_float(Value.__float__)
    is_ours = isinstance(Value.backward, types.MethodDescriptorType)        # the compiled class's own
    if is_ours or getattr(Value.backward, "__module__", None) == Value.__module__:
        watched["backward"] = _watched_backward(Value.backward)
    _is_watched = None
    for name, function in watched.items():
        _replaced[name] = function, Value.__dict__.get(name, _NOTHING)
        setattr(Value, name, function)
    _is_watched = True


def _put_back():
    """Restore the class's methods, except those that somebody else has assigned meanwhile."""
    global _is_watched
    _is_watched = None
    while _replaced:
        name, (function, before) = next(iter(_replaced.items()))
        if Value.__dict__.get(name) is function:
            if before is _NOTHING:
                delattr(Value, name)
            else:
                setattr(Value, name, before)
        _replaced.pop(name, None)
    _is_watched = False


# A function that somebody has assigned to the class may call these wrappers after the last block. Then they only call
# the original.

def _watched_operation(name, original):
    op = OPERATIONS[name]

    @public
    @functools.wraps(original)
    def operation(*operands, **named):
        if not _open_blocks:
            return original(*operands, **named)
        try:
            result = original(*operands, **named)
        except (ArithmeticError, ValueError) as error:
            notes = getattr(error, "__notes__", ())
            if not any(note.startswith(NOTE) for note in notes):    # of an operation that this one calls
                operands = _in_order(name, operands)
                about_derivative = []
                if notes and notes[-1].startswith("the derivative of "):        # the engine's own note
                    about_derivative = [f"  {notes.pop()}"]
                _add_note(error, [f"{NOTE} raised by {_data_in(op, operands)}, or by its derivative", *about_derivative,
                                  *_where_and_of_what(words.parsed(_here()), operands)])
            raise
        if (isinstance(result, Value) and words.own(result, words.MADE_AT) is None
                and not any(result is x for x in operands)):
            _note_place(result)
            if name in ("__add__", "__mul__") and not isinstance(operands[1], Value):
                Value.__setattr__(result, CONSTANT, True)
            _check(result, op, _in_order(name, operands))
        return result
    return operation


def _watched_init(original):
    @public
    @functools.wraps(original)
    def __init__(self, *args, **named):
        original(self, *args, **named)
        if _open_blocks:
            _note_place(self)
            children = self._operands
            if not children and len(args) > 1 and isinstance(args[1], (tuple, list)):
                children = args[1]      # no_grad() has kept them out of the node
            if children:
                _check(self, "", children)
    return __init__


def _watched_float(original):
    @functools.wraps(original)
    def __float__(self):
        if _open_blocks and is_recording():
            _warn_of_cut(self)
        return original(self)
    return __float__


LIBRARY = os.path.dirname(os.path.realpath(os.__file__)) + os.sep       # the standard library


def _warn_of_cut(v):
    """Warn that v becomes a float, if a line of the user's own asks for it, itself or through NumPy."""
    frame, level = sys._getframe(2), 3
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "numpy":
        frame, level = frame.f_back, level + 1
    if frame is None or str(frame.f_globals.get("__name__")).partition(".")[0] == "fastgrad":
        return
    file = os.path.realpath(frame.f_code.co_filename)
    if {"site-packages", "dist-packages"} & {*file.split(os.sep)} or file.startswith(LIBRARY) or _makes_text(frame):
        return
    warnings.warn(printable(f"{words.equation(v)} is turned into a float here, which cuts the graph: no gradient goes "
                            "through. Use the Value's own methods, such as v.exp() for math.exp(v); or v.data, if you "
                            "want the number"), UserWarning, stacklevel=level)


def _makes_text(frame):
    """Whether a frame is at the operator %. A Value has none, so it's a text's."""
    code, at = frame.f_code.co_code, frame.f_lasti
    name = opcode.opname[code[at]]
    return name == "BINARY_MODULO" or name == "BINARY_OP" and opcode._nb_ops[code[at + 1]][0] == "NB_REMAINDER"


def _in_order(name, operands):
    """A method's operands as they are written, from left to right."""
    return operands[::-1] if name.startswith("__r") else operands


def _watched_backward(original):
    @public
    @functools.wraps(original)
    def backward(self):
        if _open_blocks:
            _watchful_backward(self)
        else:
            original(self)
    return backward


# Places.

def _here():
    """The innermost running line outside of this package, as 'file:line:function'.

    It's a string, because a string keeps no frame alive, and the garbage collector needn't track attributes that are
    only strings.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] != "fastgrad":
            return sys.intern(f"{frame.f_code.co_filename}:{frame.f_lineno}:{frame.f_code.co_name}")
        frame = frame.f_back
    return None


def _note_place(v):
    Value.__setattr__(v, words.MADE_AT, _here())


# Operations.

def _data(x):
    return x.data if isinstance(x, Value) else x


def _data_in(op, operands):
    return words.written(op, [repr(_data(x)) for x in operands])


def _check(result, op, operands):
    """Raise AnomalyError if an operation's result is nan, or is inf although its operands are finite."""
    y = result.data
    if math.isfinite(y):
        return
    op, operands = result._op or op, result._operands or operands
    data = tuple(map(_data, operands))
    if y != y or not any(isinstance(x, float) and not math.isfinite(x) for x in data):
        called = repr(op) if op else "an operation without a name"
        raise _error([f"{called} has made {y}: {_data_in(op, operands)} = {y}",
                      *_where_and_of_what(words.place(result), operands)], result, op, data)


def _where_and_of_what(place, operands):
    lines = words.traceback_lines(place) + ["  its operands:"]
    for x in operands[:9]:
        lines.append(f"    {_line(x)}" if isinstance(x, Value) else f"    {x!r}, a number")
    return lines + ([f"    ... {len(operands) - 9} more"] if len(operands) > 9 else [])


def _line(v):
    """A node in one line, with the place where it was made."""
    kind = "" if v._operands else ", a leaf"
    place = words.where(v)
    return f"{words.equation(v)}{kind}" + (f", made at {place}" if place else "")


def _error(lines, value, op, operands):
    error = AnomalyError("\n".join(map(printable, lines)))
    error.value, error.op, error.operands, error.place = value, op, operands, words.place(value)
    return error


def _add_note(error, lines):
    """Add a note to an error that is raised anyway. Python 3.10 has no notes."""
    if hasattr(error, "add_note") and not isinstance(error, AnomalyError):
        error.add_note("\n".join(map(printable, lines)))


# Backward.

def _watchful_backward(root):
    """Do what backward() does, with the same bits, and check the grads of a node's children after each step."""
    nodes = root._topological()
    grads = [v.grad for v in nodes]
    try:
        root.grad = 1
        for v in reversed(nodes):
            _watchful_step(root, v)
    except AnomalyError:
        for v, grad in zip(nodes, grads):
            v.grad = grad
        raise


def _watchful_step(root, v):
    children = v._operands
    before = [child.grad for child in children]
    try:
        v._backward()
    except Exception as error:
        _add_note(error, [f"{NOTE} in the _backward of {words.equation(v)}",
                          *words.traceback_lines(words.place(v)), *_path_lines(root, v)])
        raise
    n_watched = 1 if words.own(v, CONSTANT) else len(children)
    for i in range(n_watched):
        if _is_worse(children[i].grad, before[i]):
            raise _error(_about_step(root, v, children, i, before[i]), v, v._op, tuple(map(_data, children)))


def _is_worse(now, before):
    return not math.isfinite(now) and (math.isfinite(before) or now != now and before == before)


def _about_step(root, v, children, i, before):
    """The lines about the step in which v passed its gradient on to its child i, whose grad was `before`."""
    grad, local_grads = children[i].grad, v._local_grads
    child = words.name(children[i])
    lines = [f"backward() has made the grad of {child} {grad}, in the step through {words.formula(v)}",
             *words.traceback_lines(words.place(v)),
             f"  the operation: {words.written(v._op, [repr(x.data) for x in children])} = {v.data!r}"]
    if words.has_own_backward(v) or len(local_grads) <= i:
        lines.append(f"  grad from above: {v.grad!r}; what its _backward, a function of its own, makes of it isn't "
                     "known")
    else:
        derivatives = [f"by {words.name(x)}: {local!r}" for x, local in zip(children[:9], local_grads)]
        lines += [f"  local derivatives: {', '.join(derivatives)}" + (", ..." if len(local_grads) > 9 else ""),
                  f"  grad from above * local derivative: {v.grad!r} * {local_grads[i]!r} = "
                  f"{local_grads[i] * v.grad!r}" + (f", added to {before!r}" if before else "")]
    return lines + _path_lines(root, v)


def _path_lines(root, v):
    path, left_out = _path(root, v), []
    if len(path) > 2 * SHOWN_OF_PATH + 1:
        left_out = [f"    ... {len(path) - 2 * SHOWN_OF_PATH} more"]
        path[SHOWN_OF_PATH:-SHOWN_OF_PATH] = []
    lines = [f"    {_line(step)}" for step in path]
    if left_out:
        lines[SHOWN_OF_PATH:SHOWN_OF_PATH] = left_out
    return ["  the path from where backward() started down to it:", *lines]


def _path(root, v):
    """A shortest path from the root down to a node below it, both included; only the node, if a `_backward` has cut
    all paths to it."""
    above, level = {id(root): None}, [root]
    while level and id(v) not in above:
        level_below = []
        for parent in level:
            for child in parent._operands:
                if id(child) not in above:
                    above[id(child)] = parent
                    level_below.append(child)
        level = level_below
    path = [v]
    while above.get(id(path[-1])) is not None:
        path.append(above[id(path[-1])])
    return path[::-1]
