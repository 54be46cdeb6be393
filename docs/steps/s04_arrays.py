"""Step 4: numbers in arrays. A node is a place in seven arrays, a Value only says which; no node is an object.

Doubles lie side by side, without a Python float around each, and so do the indices of children. Nodes die all at once:
`forget` cuts the arrays off. That is a tape.

    python docs/steps/s04_arrays.py
"""
from array import array

data, grad, local0, local1 = (array("d") for _ in range(4))
child0, child1, mark = (array("q") for _ in range(3))       # a child's index, or -1
epoch = 0


def node(number, c0=-1, c1=-1, l0=0.0, l1=0.0):
    value = Value.__new__(Value)
    value.index = len(data)
    data.append(number)
    grad.append(0.0)
    child0.append(c0)
    child1.append(c1)
    local0.append(l0)
    local1.append(l1)
    mark.append(0)
    return value


def forget(n):
    for column in (data, grad, child0, child1, local0, local1, mark):
        del column[n:]


class Value:
    __slots__ = ("index",)

    def __init__(self, number):
        self.index = node(number).index

    @property
    def data(self):
        return data[self.index]

    @data.setter
    def data(self, number):
        data[self.index] = number

    @property
    def grad(self):
        return grad[self.index]

    @grad.setter
    def grad(self, number):
        grad[self.index] = number

    def __add__(self, other):
        i, j = self.index, (other if isinstance(other, Value) else Value(float(other))).index
        return node(data[i] + data[j], i, j, 1.0, 1.0)

    __radd__ = __add__

    def __mul__(self, other):
        i, j = self.index, other.index
        x, y = data[i], data[j]
        return node(x * y, i, j, y, x)

    def relu(self):
        x = data[self.index]
        return node(x if x > 0.0 else 0.0, self.index, -1, float(x > 0.0))

    def backward(self):
        global epoch
        epoch += 1
        order, stack = [], [self.index]
        while stack:
            i = stack[-1]
            for child in (child0[i], child1[i]):
                if child >= 0 and mark[child] != epoch and child0[child] >= 0:
                    mark[child] = epoch
                    stack.append(child)
                    break
            else:
                order.append(stack.pop())
        grad[self.index] = 1.0
        for i in reversed(order):
            g = grad[i]
            grad[child0[i]] += local0[i] * g
            if child1[i] >= 0:
                grad[child1[i]] += local1[i] * g


if __name__ == "__main__":
    import sys

    import workload
    workload.main(sys.modules["__main__"])
