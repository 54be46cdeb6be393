"""Step 5: the same in C. core.c has the arrays of step 4, as one array of records, and is called through ctypes.

    python docs/steps/s05_c.py
"""
import ctypes

from compiling import compiled

core = ctypes.CDLL(str(compiled("core.c", "core")))
index, double = ctypes.c_uint32, ctypes.c_double
for name, result, *arguments in [("leaf", index, double), ("add", index, index, index), ("mul", index, index, index),
                                 ("relu", index, index), ("get_data", double, index), ("get_grad", double, index),
                                 ("set_data", None, index, double), ("set_grad", None, index, double),
                                 ("backward", None, index), ("forget", None, index)]:
    function = getattr(core, name)
    function.restype, function.argtypes = result, arguments
leaf, add, mul, relu, forget = core.leaf, core.add, core.mul, core.relu, core.forget


def wrap(i):
    value = Value.__new__(Value)
    value.index = i
    return value


class Value:
    __slots__ = ("index",)

    def __init__(self, number):
        self.index = leaf(number)

    data = property(lambda self: core.get_data(self.index), lambda self, x: core.set_data(self.index, x))
    grad = property(lambda self: core.get_grad(self.index), lambda self, x: core.set_grad(self.index, x))

    def __add__(self, other):
        return wrap(add(self.index, other.index if isinstance(other, Value) else leaf(other)))

    __radd__ = __add__

    def __mul__(self, other):
        return wrap(mul(self.index, other.index))

    def relu(self):
        return wrap(relu(self.index))

    def backward(self):
        core.backward(self.index)


if __name__ == "__main__":
    import sys

    import workload
    workload.main(sys.modules["__main__"])
