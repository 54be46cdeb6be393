"""A right engine with torch's names: a class for each operation, requires_grad, and a graph that's counted first."""
import math


class Operation:
    def __init__(self, *operands):
        self.operands = operands

    @classmethod
    def apply(cls, *operands):
        operands = [x if isinstance(x, Tensor) else Tensor(x) for x in operands]
        context = cls(*operands)
        out = Tensor(context.forward(*(x.value for x in operands)))
        out.creator = context
        return out


class Add(Operation):
    def forward(self, x, y):
        return x + y

    def backward(self, gradient):
        return gradient, gradient


class Mul(Operation):
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, gradient):
        return self.y * gradient, self.x * gradient


class Div(Operation):
    def forward(self, x, y):
        self.x, self.y = x, y
        return x / y

    def backward(self, gradient):
        return gradient / self.y, -self.x / self.y ** 2 * gradient


class Pow(Operation):
    def forward(self, x, n):
        self.x, self.n = x, n
        return x ** n

    def backward(self, gradient):
        return self.n * self.x ** (self.n - 1) * gradient, 0.0


class Tanh(Operation):
    def forward(self, x):
        self.y = math.tanh(x)
        return self.y

    def backward(self, gradient):
        return ((1 - self.y ** 2) * gradient,)


class Tensor:
    __slots__ = ('value', 'requires_grad', 'gradient', 'creator')

    def __init__(self, value, requires_grad=False):
        self.value = value
        self.requires_grad = requires_grad
        self.gradient = None
        self.creator = None

    def __add__(self, other): return Add.apply(self, other)
    def __mul__(self, other): return Mul.apply(self, other)
    def __truediv__(self, other): return Div.apply(self, other)
    def __pow__(self, n): return Pow.apply(self, n)
    def __neg__(self): return Mul.apply(self, -1.0)
    def __sub__(self, other): return self + Mul.apply(other, -1.0)
    __radd__ = __add__
    __rmul__ = __mul__
    def __rsub__(self, other): return Add.apply(other, -self)
    def __rtruediv__(self, other): return Div.apply(other, self)
    def tanh(self): return Tanh.apply(self)

    def backward(self, gradient=1.0):
        uses, todo = {self: 0}, [self]
        while todo:
            node = todo.pop()
            for operand in node.creator.operands if node.creator else ():
                if operand not in uses:
                    uses[operand] = 0
                    todo.append(operand)
                uses[operand] += 1
        gradients, todo = {self: gradient}, [self]
        while todo:
            node = todo.pop()
            total = gradients.pop(node)
            node.gradient = total if node.gradient is None else node.gradient + total
            if node.creator is None:
                continue
            for operand, part in zip(node.creator.operands, node.creator.backward(total)):
                gradients[operand] = gradients.get(operand, 0.0) + part
                uses[operand] -= 1
                if uses[operand] == 0:
                    todo.append(operand)
