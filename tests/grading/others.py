"""Right engines of many makes, as people publish them: each has less than micrograd's, or something of its own."""
import math
from dataclasses import dataclass, field


class OnlySums:
    """Only + and *, between instances: the first hour of the lecture."""

    def __init__(self, data, _children=()):
        self.data, self.grad, self._prev, self._backward = data, 0.0, set(_children), lambda: None

    def __add__(self, other):
        out = OnlySums(self.data + other.data, (self, other))

        def pull():
            self.grad += out.grad
            other.grad += out.grad
        out._backward = pull
        return out

    def __mul__(self, other):
        out = OnlySums(self.data * other.data, (self, other))

        def pull():
            self.grad += out.grad * other.data
            other.grad += out.grad * self.data
        out._backward = pull
        return out

    def backward(self):
        order, seen = [], set()

        def visit(v):
            if v not in seen:
                seen.add(v)
                [visit(child) for child in v._prev]
                order.append(v)
        visit(self)
        self.grad = 1.0
        [v._backward() for v in reversed(order)]


class Paths:
    """Every path by a recursion of its own; relu only; no numbers as operands; no exp."""

    def __init__(self, value, parents=()):
        self.value, self.grad, self.parents = float(value), 0.0, list(parents)

    def __add__(self, other): return Paths(self.value + other.value, [(self, 1.0), (other, 1.0)])
    def __mul__(self, other): return Paths(self.value * other.value, [(self, other.value), (other, self.value)])
    def __sub__(self, other): return Paths(self.value - other.value, [(self, 1.0), (other, -1.0)])
    def relu(self): return Paths(self.value, [(self, 1.0)]) if self.value > 0 else Paths(0.0, [(self, 0.0)])

    def backward(self, seed=1.0):
        self.grad += seed
        for parent, slope in self.parents:
            parent.backward(seed * slope)


TAPE = []


class Taped:
    """A tape of all operations, played backwards and then emptied by a function."""

    def __init__(self, v):
        self.v, self.d = v, 0.0

    def __add__(self, other):
        other = other if isinstance(other, Taped) else Taped(other)
        out = Taped(self.v + other.v)
        TAPE.append((out, [(self, 1.0), (other, 1.0)]))
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Taped) else Taped(other)
        out = Taped(self.v * other.v)
        TAPE.append((out, [(self, other.v), (other, self.v)]))
        return out

    __radd__ = __add__
    __rmul__ = __mul__

    def log(self):
        out = Taped(math.log(self.v))
        TAPE.append((out, [(self, 1 / self.v)]))
        return out


def backward(out):
    out.d = 1.0
    for result, operands in reversed(TAPE):
        for operand, slope in operands:
            operand.d += slope * result.d
    TAPE.clear()


@dataclass(eq=False)
class Data:
    """A dataclass, whose gradient is None before backward(), which starts it anew each time."""

    data: float
    children: tuple = ()
    slopes: tuple = ()
    grad: "float | None" = field(default=None, repr=False)

    def _of(self, other): return other if isinstance(other, Data) else Data(float(other))

    def __add__(self, other):
        other = self._of(other)
        return Data(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        other = self._of(other)
        return Data(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, other):
        if isinstance(other, Data):
            y = self.data ** other.data
            return Data(y, (self, other), (other.data * self.data ** (other.data - 1),
                                           y * math.log(self.data) if self.data > 0 else 0.0))
        return Data(self.data ** other, (self,), (other * self.data ** (other - 1),))

    def __radd__(self, other): return self + other
    def __rmul__(self, other): return self * other
    def __neg__(self): return self * -1
    def __sub__(self, other): return self + -self._of(other)
    def __rsub__(self, other): return self._of(other) - self
    def __truediv__(self, other): return self * self._of(other) ** -1
    def __rtruediv__(self, other): return self._of(other) / self
    def __rpow__(self, base): return self._of(base) ** self

    def leaky_relu(self, slope=0.01):
        return Data(max(self.data, slope * self.data), (self,), (1.0 if self.data > 0 else slope,))

    def backward(self):
        order, seen = [], set()

        def visit(v):
            if id(v) in seen:
                return
            seen.add(id(v))
            for child in v.children:
                visit(child)
            order.append(v)
        visit(self)
        for v in order:
            v.grad = 0.0
        self.grad = 1.0
        for v in reversed(order):
            for child, slope in zip(v.children, v.slopes):
                child.grad += slope * v.grad


class Second:
    """Gradients are nodes, so that they can be derived again. Equality is by number, and hashing by identity."""

    def __init__(self, data, operands=()):
        self.data, self.operands, self.grad = data, operands, None

    def __eq__(self, other): return isinstance(other, Second) and self.data == other.data
    __hash__ = object.__hash__

    @staticmethod
    def of(x): return x if isinstance(x, Second) else Second(x)

    def __add__(self, other):
        other = Second.of(other)
        return Second(self.data + other.data, ((self, lambda g: g), (other, lambda g: g)))

    def __mul__(self, other):
        other = Second.of(other)
        return Second(self.data * other.data, ((self, lambda g: g * other), (other, lambda g: g * self)))

    def __neg__(self): return self * -1.0
    def __sub__(self, other): return self + -Second.of(other)
    def __rsub__(self, other): return Second.of(other) - self
    __radd__ = __add__
    __rmul__ = __mul__

    def exp(self):
        out = Second(math.exp(self.data))
        out.operands = ((self, lambda g: g * out),)
        return out

    def backward(self):
        order, seen = [], set()

        def visit(v):
            if id(v) not in seen:
                seen.add(id(v))
                for operand, _ in v.operands:
                    visit(operand)
                order.append(v)
        visit(self)
        self.grad = Second(1.0)
        for v in reversed(order):
            if v.grad is not None:
                for operand, pull in v.operands:
                    g = pull(v.grad)
                    operand.grad = g if operand.grad is None else operand.grad + g


class Base:
    """Each operation is a class of its own, derived from this one, with slots."""

    __slots__ = ("data", "grad", "args")

    def __init__(self, data, *args):
        self.data, self.grad, self.args = data, 0, args

    def __add__(self, other): return Sum(self, other if isinstance(other, Base) else Base(other))
    def __radd__(self, other): return Base(other) + self
    def __mul__(self, other): return Product(self, other if isinstance(other, Base) else Base(other))
    def __rmul__(self, other): return Base(other) * self
    def sigmoid(self): return Sigmoid(self)
    def pull(self): pass

    def backprop(self):
        order, path, seen = [], [(self, iter(self.args))], {id(self)}
        while path:
            v, operands = path[-1]
            below = next((x for x in operands if id(x) not in seen), None)
            if below is None:
                order.append(path.pop()[0])
            else:
                seen.add(id(below))
                path.append((below, iter(below.args)))
        self.grad = 1
        for v in reversed(order):
            v.pull()


class Sum(Base):
    __slots__ = ()

    def __init__(self, a, b): super().__init__(a.data + b.data, a, b)

    def pull(self):
        for x in self.args:
            x.grad += self.grad


class Product(Base):
    __slots__ = ()

    def __init__(self, a, b): super().__init__(a.data * b.data, a, b)

    def pull(self):
        a, b = self.args
        a.grad += b.data * self.grad
        b.grad += a.data * self.grad


class Sigmoid(Base):
    __slots__ = ()

    def __init__(self, a): super().__init__(1 / (1 + math.exp(-a.data)), a)

    def pull(self): self.args[0].grad += self.data * (1 - self.data) * self.grad


class Chatty:
    """Prints at every turn; its label has no default; -a, a - b and a / b are operations of their own."""

    def __init__(self, data, label):
        print("a number:", data)
        self.data, self.label, self.gradient = data, label, 0.0
        self.inputs, self.pull = [], None

    def _new(self, data, inputs, pull):
        out = Chatty(data, "")
        out.inputs, out.pull = inputs, pull
        return out

    def _node(self, x): return x if isinstance(x, Chatty) else Chatty(x, "number")

    def __add__(self, other):
        other = self._node(other)
        return self._new(self.data + other.data, [self, other], lambda g: (g, g))

    def __sub__(self, other):
        other = self._node(other)
        return self._new(self.data - other.data, [self, other], lambda g: (g, -g))

    def __mul__(self, other):
        other = self._node(other)
        return self._new(self.data * other.data, [self, other], lambda g: (g * other.data, g * self.data))

    def __truediv__(self, other):
        other = self._node(other)
        return self._new(self.data / other.data, [self, other],
                         lambda g: (g / other.data, -g * self.data / (other.data * other.data)))

    def __neg__(self): return self._new(-self.data, [self], lambda g: (-g,))
    def __radd__(self, other): return self._node(other) + self
    def __rsub__(self, other): return self._node(other) - self
    def __rmul__(self, other): return self._node(other) * self
    def __rtruediv__(self, other): return self._node(other) / self
    def relu(self): return self._new(max(self.data, 0.0), [self], lambda g: (g if self.data > 0 else 0.0,))

    def back_propagate(self):
        todo, seen = [], set()

        def visit(v):
            seen.add(v)
            for x in v.inputs:
                if x not in seen:
                    visit(x)
            todo.append(v)
        visit(self)
        self.gradient = 1.0
        while todo:
            v = todo.pop()
            print("back through", v.label)
            for x, g in zip(v.inputs, v.pull(v.gradient) if v.pull else ()):
                x.gradient += g


OTHERS = (OnlySums, Paths, Taped, Data, Second, Base, Chatty)
