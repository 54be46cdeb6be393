"""A right engine in microgpt's style: local derivatives beside the operands, and a topological order by a stack."""
import math


class Scalar:
    __slots__ = ('data', 'grad', '_children', '_local_grads')

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads

    def __add__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data + other.data, (self, other), (1, 1))

    def __sub__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data - other.data, (self, other), (1, -1))

    def __mul__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data * other.data, (self, other), (other.data, self.data))

    def __truediv__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data / other.data, (self, other), (1 / other.data, -self.data / other.data ** 2))

    def __pow__(self, other):
        return Scalar(self.data ** other, (self,), (other * self.data ** (other - 1),))

    def __neg__(self):
        return Scalar(-self.data, (self,), (-1,))

    def __radd__(self, other): return self + other
    def __rmul__(self, other): return self * other
    def __rsub__(self, other): return Scalar(other) - self
    def __rtruediv__(self, other): return Scalar(other) / self

    def exp(self):
        y = math.exp(self.data)
        return Scalar(y, (self,), (y,))

    def log(self): return Scalar(math.log(self.data), (self,), (1 / self.data,))
    def relu(self): return Scalar(max(0, self.data), (self,), (float(self.data > 0),))
    def sin(self): return Scalar(math.sin(self.data), (self,), (math.cos(self.data),))

    def sqrt(self):
        y = math.sqrt(self.data)
        return Scalar(y, (self,), (0.5 / y,))

    def backward(self):
        topo, visited, stack = [], set(), [(self, False)]
        while stack:
            v, is_done = stack.pop()
            if is_done:
                topo.append(v)
            elif id(v) not in visited:
                visited.add(id(v))
                stack.append((v, True))
                for child in v._children:
                    stack.append((child, False))
        self.grad = 1
        for v in reversed(topo):
            for child, local in zip(v._children, v._local_grads):
                child.grad += local * v.grad
