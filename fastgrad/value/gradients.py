"""Derivatives that leave every `.grad` as it is: what the engine in plain Python does for fastgrad.grad.

The compiled engine does the same in C (csrc/derive.h), with the same bits and the same nodes. It comes here where
backward() runs Python.

The arguments of both functions: Value is the engine's class. outputs, inputs: sequences of Values. seeds: numbers or
Values, which the derivatives by the outputs start with; None for 1 each. They return a tuple of the derivatives by the
inputs, with None for an input that no output was made of.

Several outputs are swept as if they were the children, in their order, of one root with the seeds as its local
derivatives.
"""
import contextvars
import math

from fastgrad.value import derivatives
from fastgrad.value.base import input_name
from fastgrad.value.derivatives import A, ONE, STORED, Y


def as_numbers(Value, outputs, seeds, inputs):
    """What backward() leaves in `.grad` if it was 0 everywhere; afterwards all `.grad` are what they were before."""
    if len(outputs) == 1 and seeds is None:
        root = outputs[0]
    else:
        root = Value._rebuild(0.0, 0, outputs, seeds or (1,) * len(outputs), "")
    nodes = root._topological()
    listed = set(map(id, nodes))
    before = [(v, v.grad) for v in nodes]
    try:
        for v in nodes:
            v.grad = 0
        Value.backward(root)
        return tuple(v.grad if id(v) in listed else None for v in inputs)
    finally:
        for v, grad in before:
            v.grad = grad


def as_values(Value, outputs, seeds, inputs):
    """The same as Values with a graph of their own. Only nodes above an input are asked for their derivatives."""
    return contextvars.Context().run(Sweep(Value).run, outputs, seeds, inputs)     # where no no_grad() is open


class Sweep:
    """A reverse sweep with Values in place of numbers."""

    def __init__(self, Value):
        self.Value = Value
        self.above, self.grads = set(), {}      # ids of the nodes above an input, and by id: gradients

    def run(self, outputs, seeds, inputs):
        seeds = seeds or (1,) * len(outputs)
        order = self.Value._rebuild(0.0, 0, outputs, seeds, "")._topological()
        wanted = set(map(id, inputs))
        for v in order:
            if id(v) in wanted or any(id(child) in self.above for child in v._operands):
                self.above.add(id(v))
        for v, seed in zip(outputs, seeds):
            self.give(v, seed if isinstance(seed, self.Value) else self.Value(seed))
        for v in reversed(order[:-1]):
            if id(v) in self.above:
                for i, child in enumerate(v._operands):
                    if id(child) in self.above:
                        self.give(child, self.product(self.local(v, i), self.grads[id(v)]))
        return tuple(self.grads.get(id(v)) for v in inputs)

    def give(self, v, contribution):
        """Add to a node's gradient. The first contribution is added to the int 0, which changes -0.0 alone."""
        if id(v) in self.grads:
            contribution = self.call("__add__", self.grads[id(v)], contribution)
        elif id(v) in self.above and contribution.data == 0 and math.copysign(1, contribution.data) < 0:
            contribution = self.call("__add__", contribution, 0)
        if id(v) in self.above:
            self.grads[id(v)] = contribution

    def product(self, local, grad):
        if local is ONE:
            return grad
        if isinstance(local, self.Value):
            return self.call("__mul__", local, grad)
        return self.call("__mul__", grad, local)

    def call(self, method, *operands):
        """A method of Value, as a node of that class even if the operands are of a subclass, and whatever that does."""
        out = getattr(self.Value, method)(*operands)
        return out if type(out) is self.Value else self.Value._rebuild(*out._fields())

    def local(self, v, i):
        """The derivative of a node by its child i: a Value, a number, or ONE."""
        if "_backward" in vars(v) or type(v)._backward is not self.Value._backward:
            raise derivatives.not_as_values(v)
        formula = v._formula()
        if formula is None:
            return self.given(v, i)
        shown, *operands = formula
        is_number = [not isinstance(x, self.Value) for x in operands]
        lines, result = derivatives.PROGRAMS[shown][is_number.index(False) if True in is_number else i]
        self.check(v, shown, operands, result)
        if result == ONE:
            return ONE
        if result == STORED or is_number == [False, True] and operands[1] == 1:     # x ** 1, whose derivative is 1
            return v._local_grads[i]
        return self.run_program(lines, result, [*operands, None][:Y] + [v], v._local_grads[i])

    def given(self, v, i):
        """The derivative that an operation of the user's own has been given as a Value."""
        given = vars(v).get("_derivatives", ())
        if len(given) != len(v._operands) or not isinstance(given[i], self.Value):
            raise derivatives.not_as_values(v)
        if not same([given[i].data], v._local_grads[i:i + 1]):
            raise derivatives.changed(v)
        return given[i]

    def check(self, v, shown, operands, result):
        """Raise unless the operation gives the same of its operands as they are now."""
        method = next(x.method for x in derivatives.operations.OPERATIONS if x.shown == shown)
        if isinstance(operands[A], self.Value):
            again = self.call(method, *(self.Value(x.data) if isinstance(x, self.Value) else x for x in operands))
        else:
            again = self.call("__rpow__", self.Value(operands[1].data), operands[A])
        if result in (ONE, STORED):
            is_same = again._local_grads == v._local_grads
        else:
            is_same = same(again._local_grads, v._local_grads) and (method == "__mul__" or same([again.data], [v.data]))
        if not is_same:
            raise derivatives.changed(v)

    def run_program(self, lines, result, registers, stored):
        for method, *operands in lines:
            operands = [registers[x] for x in operands] if method else operands
            if not method:
                value = operands[0]
            elif method == "log" and not float(getattr(operands[0], "data", operands[0])) > 0:
                value = 0.0 if float(getattr(operands[0], "data", operands[0])) == 0 else math.nan
            elif not any(isinstance(x, self.Value) for x in operands):
                value = sum(operands) if method == "__add__" else getattr(math, method)(*operands)
            elif not isinstance(operands[0], self.Value):       # a product: 2 * v is v * 2
                value = self.call(method, *reversed(operands))
            else:
                value = self.call(method, *operands)
            registers.append(value)
        local = registers[result]
        if lines:
            local.data = stored
        return local


def values_of(Value, name, given):
    """A collection that isn't empty, of Values alone, as a tuple. (A class may claim to be Value by its __class__.)"""
    values = tuple(given)
    for x in values:
        if not issubclass(type(x), Value):
            raise TypeError(f"{name} must be Values, not {type(x).__name__!r}")
    if not values:
        raise ValueError(f"{name} is empty")
    return values


def unused(i, v):
    """The error for input number i, the Value v, that no output was made of."""
    return RuntimeError(f"no output was made of {input_name(i, v)}: allow_unused=True gives None for it")


def same(numbers, others):
    """Whether two lists have the same numbers, to the last bit and to the type. Any two nans are the same."""
    return len(numbers) == len(others) and all(
        type(x) is type(y) and (x == y and math.copysign(1, x) == math.copysign(1, y) or x != x and y != y)
        for x, y in zip(numbers, others))
