"""Step 3: an iterative walk. A list is the stack, a node's mark says who was there, and any depth works.

A walk has a number, its epoch, and writes it into each node that it visits. No set has to be filled, and no pass has to
clear the marks: the next walk has another number. Leaves pass nothing on, so they aren't visited.

    python docs/steps/s03_iterative.py
"""


class Value:
    __slots__ = ("data", "grad", "children", "locals", "mark")
    epoch = 0

    def __init__(self, data, children=(), locals=()):
        self.data = data
        self.grad = 0.0
        self.children = children
        self.locals = locals
        self.mark = 0

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(float(other))
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    __radd__ = __add__

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def relu(self):
        return Value(self.data if self.data > 0.0 else 0.0, (self,), (float(self.data > 0.0),))

    def backward(self):
        Value.epoch = epoch = Value.epoch + 1
        order, nodes, left = [], [self], [iter(self.children)]      # nodes that wait, and the children they wait for
        while nodes:
            for child in left[-1]:
                if child.mark != epoch and child.children:
                    child.mark = epoch
                    nodes.append(child)
                    left.append(iter(child.children))
                    break
            else:
                left.pop()
                order.append(nodes.pop())
        self.grad = 1.0
        for v in reversed(order):
            grad = v.grad
            for child, local in zip(v.children, v.locals):
                child.grad += local * grad


if __name__ == "__main__":
    import sys

    import workload
    workload.main(sys.modules["__main__"])
