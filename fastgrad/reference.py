"""The engine in plain Python: short, obvious, and right by definition.

The C engine is compared with this class bit for bit. It is also what `import fastgrad` gives on PyPy or with
FASTGRAD_PURE=1. It is microgpt's Value (local derivatives are taken when the operation runs, and contributions are
added in reversed post-order) that also speaks micrograd's dialect: `_prev`, `_op`, `_backward`, `label`.
"""
import gc
import math
import operator
import sys

from fastgrad.value import arguments, derivatives, slow
from fastgrad.value.arguments import NO_SLOPE, is_number, rounded
from fastgrad.value.copying import Copying
from fastgrad.value.display import Display
from fastgrad.value.grad_mode import is_recording
from fastgrad.value.parameters import Parameters     # for fastgrad.optim, which asks its engine for it

__all__ = ["Value", "arena_stats"]


def plain(x):
    """x as an int or a float of any size; raises TypeError."""
    if issubclass(type(x), Value):      # not what only claims to be one by its `__class__`
        return x.data
    if type(x).__name__ in ("bool", "bool_"):       # Python's and NumPy's, which doesn't want to be an index
        return int(bool(x))
    if is_number(x) and hasattr(type(x), "__index__"):
        try:
            return operator.index(x)
        except TypeError:
            pass        # an array of one float has __index__ too, and it raises
    if not is_number(x) or not hasattr(type(x), "__float__"):
        raise TypeError(arguments.not_a_number(x))
    try:
        return float(x)
    except TypeError:
        if hasattr(type(x), "__len__"):     # an array of several
            raise TypeError(arguments.not_a_number(x)) from None
        raise


def number(x):
    """x as an int or a float that a double holds exactly, for what is stored; raises TypeError and OverflowError."""
    n = plain(x)
    if type(n) is int and float(n) != n:
        raise OverflowError(f"int {n} can't be held exactly by a double")
    return rounded(n)


def is_operand(x):
    """Whether x takes part in arithmetic: a Value or a number, but no array, which does the work elementwise."""
    kind = type(x)
    return isinstance(x, Value) or ((hasattr(kind, "__float__") or hasattr(kind, "__index__"))
                                    and not hasattr(kind, "__len__"))


def real(x):
    """x as an operand: a Value as it is, anything else as a number."""
    return x if isinstance(x, Value) else number(x)


def inverse(x):
    """x ** -1 of a Value or a number."""
    return x ** -1 if isinstance(x, Value) else power(plain(x), -1)


def values(children):
    """Children as a tuple, in their order; raises TypeError."""
    children = tuple(children)
    for child in children:
        if not isinstance(child, Value):
            raise TypeError(f"children are Values, not {type(child).__name__!r}")
    return children


def numbers(local_grads):
    """Local derivatives as a tuple of numbers."""
    return tuple(number(x) for x in local_grads)


def power(x, n):
    """x ** n for real results only."""
    if type(x) is int and type(n) is int and n > 0 and (abs(x).bit_length() - 1) * n >= 1024:
        raise OverflowError("int too large to convert to float")    # without computing millions of digits first
    y = x ** n
    if type(y) is complex:
        raise ValueError(f"{x!r} ** {n!r} is a complex number, and a Value is real")
    return y


def power_local_grad(x, n):
    """The derivative of x ** n by x."""
    try:
        return rounded(n * power(x, n - 1))
    except (ZeroDivisionError, OverflowError) as error:
        if n == 0 == x:
            raise ZeroDivisionError(f"{error}{NO_SLOPE}") from None
        arguments.note_derivative(error, arguments.power_formula(n), x)
        raise


def sqrt_local_grad(y):
    """The derivative of sqrt(x), which is y."""
    try:
        return 0.5 / y
    except ZeroDivisionError as error:
        arguments.note_derivative(error, "sqrt(x)", y)
        raise


def gradient(x):
    """A number that is assigned to grad; raises TypeError and OverflowError."""
    if x is None:
        raise TypeError(arguments.NO_GRAD)
    return number(x)


class Value(Copying, Display):
    """A number that remembers how it was made, so that `backward()` can find its derivatives.

    data: a number. children: the Values that it was made of. op: micrograd's third argument, the operation's name; or
    microgpt's, a sequence of local derivatives, one for each child. label: a name for drawings.
    """

    __slots__ = ("_data", "_grad", "_edges", "_locals", "_shown", "_is_ours", "__dict__", "__weakref__")

    label = ""
    _micrograd_relu = False     # relu's dialect: _make_class says which

    def __init__(self, data, children=None, op_or_local_grads=None, label=None, **named):
        children, op, local_grads = arguments.parse(children, op_or_local_grads, named)
        given = tuple(local_grads)
        data, children, local_grads = number(data), values(children), numbers(given)
        if local_grads and len(local_grads) != len(children):
            raise ValueError(f"{len(children)} children but {len(local_grads)} local derivatives")
        self._set(data, children, local_grads, op)
        vars(self).pop("_backward", None)       # of an __init__ before
        self._note_derivatives(given if self._edges else ())
        if label:
            self.label = label

    def _set(self, data, children, local_grads, op):
        if not is_recording():
            children, local_grads, op = (), (), ""
        self._data, self._grad, self._edges, self._locals, self._shown = data, 0, (), local_grads, op
        self._edges, self._is_ours = children, False

    def _attributes(self):
        return vars(self)

    @classmethod
    def _rebuild(cls, data, grad, children, local_grads, op):
        out = object.__new__(cls)
        out._data, out._grad = number(data), number(grad)
        out._edges, out._locals, out._shown = values(children), numbers(local_grads), op or ""
        out._is_ours = len(out._locals) == len(out._edges)
        return out

    def _result(self, data, children, local_grads, op):
        cls = type(self)
        if issubclass(type(children[-1]), cls):
            cls = type(children[-1])
        out = object.__new__(cls)
        out._set(rounded(data), children, tuple(map(rounded, local_grads)), op)
        out._is_ours = True
        return out

    def _formula(self):
        """The operation of the table that made this node, and its operands; None for a user's own."""
        return derivatives.formula_of(self._shown, self._edges) if self._is_ours else None

    # The attributes of both dialects.

    data = property(lambda self: self._data, lambda self, x: setattr(self, "_data", number(x)))
    grad = property(lambda self: self._grad, lambda self, x: setattr(self, "_grad", gradient(x)))
    _children = property(lambda self: self._edges, lambda self, x: self._adopt(values(x)))
    _operands = property(lambda self: self._edges)
    _prev = property(lambda self: set(self._edges), lambda self, x: self._adopt(values(x)))
    _local_grads = property(lambda self: self._locals, lambda self, x: self._set_local_grads(tuple(x)))
    _op = property(lambda self: self._shown, lambda self, op: self._rename(op))
    _backward = property(lambda self: vars(self).get("_backward", self._accumulate),
                         lambda self, f: vars(self).update(_backward=f))

    def _adopt(self, children):
        for child in children:
            if any(v is self for v in child._topological()):
                raise ValueError("a node can't be below itself")
        self._edges, self._is_ours = children, False
        self._note_derivatives(())

    def _set_local_grads(self, local_grads):
        self._locals, self._is_ours = numbers(local_grads), False
        self._note_derivatives(local_grads)

    def _note_derivatives(self, local_grads):
        """Keep local derivatives that were given as Values, for fastgrad.grad."""
        if any(isinstance(x, Value) for x in local_grads):
            self._derivatives = local_grads
        else:
            vars(self).pop("_derivatives", None)

    def _rename(self, op):
        self._shown, self._is_ours = op, False

    # Operations: each makes a node of its result, its operands and its local derivatives.

    def __add__(self, other):
        if not is_operand(other):
            return NotImplemented
        other = other if isinstance(other, Value) else self._constant(other)
        return self._result(self.data + other.data, (self, other), (1, 1), "+")

    def __mul__(self, other):
        if not is_operand(other):
            return NotImplemented
        other = other if isinstance(other, Value) else self._constant(other)
        return self._result(self.data * other.data, (self, other), (other.data, self.data), "*")

    def __pow__(self, other):
        if not is_operand(other):
            return NotImplemented
        x, n = self.data, plain(other)
        y = power(x, n)
        if not is_recording():
            return self._result(y, (self, other) if isinstance(other, Value) else (self,), (), "")
        if not isinstance(other, Value):
            return self._result(y, (self,), (power_local_grad(x, n),), f"**{n}")
        log = math.log(x) if x > 0 else 0.0 if x == 0 else math.nan
        return self._result(y, (self, other), (power_local_grad(x, n), rounded(y) * log), "**")

    def __rpow__(self, other):
        if isinstance(other, Value):
            return Value.__pow__(other, self)
        if not is_operand(other):
            return NotImplemented
        x, n = plain(other), self.data
        y = rounded(power(x, n))
        log = math.log(x) if x > 0 else 0.0 if x == 0 else math.nan
        return self._result(y, (self,), (y * log,), f"{x}**")

    def __neg__(self): return self * -1
    def __radd__(self, other): return self + other if is_operand(other) else NotImplemented
    def __rmul__(self, other): return self * other if is_operand(other) else NotImplemented
    def __sub__(self, other): return self + -real(other) if is_operand(other) else NotImplemented
    def __rsub__(self, other): return real(other) + -self if is_operand(other) else NotImplemented
    def __truediv__(self, other): return self * inverse(other) if is_operand(other) else NotImplemented
    def __rtruediv__(self, other): return real(other) * self ** -1 if is_operand(other) else NotImplemented

    def exp(self):
        y = math.exp(self.data)
        return self._result(y, (self,), (y,), "exp")

    def log(self):
        return self._result(math.log(self.data), (self,), (1 / self.data,), "log")

    def relu(self):
        x = self.data
        if self._micrograd_relu:
            return self._result(0 if x < 0 else x, (self,), (int(x > 0),), "ReLU")
        return self._result(max(0, x), (self,), (float(x > 0),), "ReLU")

    def tanh(self):
        y = math.tanh(self.data)
        return self._result(y, (self,), (1 - y * y,), "tanh")

    def sigmoid(self):
        e = math.exp(-abs(self.data))       # of the side that can't overflow
        y = 1 / (1 + e) if self.data >= 0 else e / (1 + e)
        return self._result(y, (self,), (y * (1 - y),), "sigmoid")

    def sqrt(self):
        y = math.sqrt(self.data)
        return self._result(y, (self,), (sqrt_local_grad(y),) if is_recording() else (), "sqrt")

    def sin(self):
        return self._result(math.sin(self.data), (self,), (math.cos(self.data),), "sin")

    def cos(self):
        return self._result(math.cos(self.data), (self,), (-math.sin(self.data),), "cos")

    def sinh(self):
        return self._result(math.sinh(self.data), (self,), (math.cosh(self.data),), "sinh")

    def cosh(self):
        return self._result(math.cosh(self.data), (self,), (math.sinh(self.data),), "cosh")

    def log1p(self):
        x = float(self.data)
        return self._result(math.log1p(x), (self,), (1 / (1 + x),), "log1p")

    def expm1(self):
        return self._result(math.expm1(self.data), (self,), (math.exp(self.data),), "expm1")   # y + 1 is 0 below -37

    def erf(self):
        x = float(self.data)
        return self._result(math.erf(x), (self,), (2 / math.sqrt(math.pi) * math.exp(-x * x),), "erf")

    def atan(self):
        x = float(self.data)
        return self._result(math.atan(x), (self,), (1 / (1 + x * x),), "atan")

    def __abs__(self):
        sign = (self.data > 0) - (self.data < 0)
        return self._result(abs(self.data), (self,), (float(sign),), "abs")

    def abs(self): return abs(self)

    # The chain rule.

    def backward(self):
        order = self._topological()
        if len(order) > slow.MANY:
            slow.tell(len(order))
        self.grad = 1
        for v in reversed(order):
            v._backward()

    def _topological(self):
        """This node and all below it, children first: microgpt's build_topo with its recursion on a list."""
        order, visited, path = [], {id(self)}, [(self, iter(self._children))]
        while path:
            v, children = path[-1]
            for child in children:
                if id(child) not in visited:
                    visited.add(id(child))
                    path.append((child, iter(child._children)))
                    break
            else:
                order.append(v)
                path.pop()
        return order

    def _parents(self):
        """All live Values that were made from this one, in no order. It looks at every object that there is."""
        return [v for v in gc.get_objects() if isinstance(v, Value) and any(child is self for child in v._edges)]

    def _accumulate(self):
        for child, local_grad in zip(self._children, self._local_grads):
            child.grad = rounded(child.grad + rounded(local_grad * self.grad))

    def zero_grad(self):
        for v in self._topological():
            v.grad = 0

    def detach(self):
        out = object.__new__(type(self))
        out._set(self.data, (), (), "")
        return out

    # What Python asks of a number.

    def __lt__(self, other): return self.data < plain(other) if is_operand(other) else NotImplemented
    def __le__(self, other): return self.data <= plain(other) if is_operand(other) else NotImplemented
    def __gt__(self, other): return self.data > plain(other) if is_operand(other) else NotImplemented
    def __ge__(self, other): return self.data >= plain(other) if is_operand(other) else NotImplemented
    def __float__(self): return float(self.data)
    def __int__(self): return int(self.data)
    def __trunc__(self): return math.trunc(self.data)
    def __round__(self, ndigits=None): return round(self.data, ndigits)
    def __pos__(self): return self
    def conjugate(self): return self
    def __format__(self, spec): return format(self.data, spec) if spec else str(self)
    def __repr__(self): return f"Value(data={self.data}, grad={self.grad})"


Value._constant = Value     # the class of numbers that operators have made Values of


def _gradients(outputs, seeds, inputs, create_graph, allow_unused=True):
    """What fastgrad.grad asks its engine for: value/gradients.py."""
    from fastgrad.value import gradients
    inputs = gradients.values_of(Value, "inputs", inputs)
    found = (gradients.as_values if create_graph else gradients.as_numbers)(Value, outputs, seeds, inputs)
    for i, x in enumerate(found):
        if x is None and not allow_unused:
            raise gradients.unused(i, inputs[i])
    return found


def _make_class(module, name, doc=None, *, micrograd_relu=False):
    """A class derived from Value, for another dialect (fastgrad/micrograd/engine.py).

    micrograd_relu: relu() is `0 if data < 0 else data`, which lets nan and -0.0 through, with the derivative 1 or 0;
    else `max(0, data)`, with the derivative 1.0 or 0.0.
    """
    cls = type(name, (Value,), {"__module__": module, "__qualname__": name, "__doc__": doc, "__slots__": (),
                                "_micrograd_relu": micrograd_relu})
    cls._constant = cls
    return cls


def arena_stats():
    """Live nodes, capacity, bytes and peak, as far as plain Python knows them."""
    live = [v for v in gc.get_objects() if isinstance(v, Value)]
    size = sum(sys.getsizeof(v, 0) for v in live) if sys.implementation.name == "cpython" else 0
    return {"live": len(live), "capacity": len(live), "bytes": size, "peak": len(live), "fused": 0, "stood_for": 0}
