"""Step 2: slots. A node is four fields without a dict, and two numbers stand where a closure was.

The local derivatives of `a * b` are known when it runs: b by a, and a by b. They say all that the closure says, and all
operations can then share one line of the chain rule. Children are a tuple, in operand order: now gradients have
defined bits.

    python docs/steps/s02_slots.py
"""


class Value:
    __slots__ = ("data", "grad", "children", "locals")

    def __init__(self, data, children=(), locals=()):
        self.data = data
        self.grad = 0.0
        self.children = children
        self.locals = locals

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(float(other))
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    __radd__ = __add__

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def relu(self):
        return Value(self.data if self.data > 0.0 else 0.0, (self,), (float(self.data > 0.0),))

    def backward(self):
        order, visited = [], set()

        def visit(v):
            if v not in visited:
                visited.add(v)
                for child in v.children:
                    visit(child)
                order.append(v)
        visit(self)
        self.grad = 1.0
        for v in reversed(order):
            for child, local in zip(v.children, v.locals):
                child.grad += local * v.grad


if __name__ == "__main__":
    import sys

    import workload
    workload.main(sys.modules["__main__"])
