"""Wrong engines, made of the right ones in engines/ by one mistake each.

A mistake is (engine, code, method, old, new, ...): in the engine's text `new` comes in the place of `old`, and the
check names `code` at `method`.
"""
from pathlib import Path

ENGINES = {path.stem: path.read_text(encoding="utf-8") for path in Path(__file__).with_name("engines").glob("*.py")}
CLASSES = {"closures": "Value", "local_grads": "Scalar", "tensors": "Tensor"}

ADD = "            self.grad += out.grad\n            other.grad += out.grad"
MUL = "            self.grad += other.data * out.grad\n            other.grad += self.data * out.grad"
WRAP = "other = other if isinstance(other, Value) else Value(other)\n        out = Value(self.data {} other.data"
WALK = """        topo = []
        visited = set()

        def build_topo(v):
            if v not in visited:
                visited.add(v)
                for child in v._prev:
                    build_topo(child)
                topo.append(v)
        build_topo(self)
"""
SWEEP = """        self.grad = 1.0
        for node in reversed(topo):
            node._backward()
"""
STACK = "        topo, visited, stack = [], set(), [(self, False)]\n"
SCALAR_WALK = STACK + ENGINES["local_grads"].partition(STACK)[2].partition("        self.grad = 1\n")[0]
RSUB = "    def __rsub__(self, other):\n        return other + (-self)\n"
RDIV = "    def __rtruediv__(self, other):\n        return other * self ** -1\n"
TENSOR_WALK = ENGINES["tensors"][ENGINES["tensors"].index("        uses, todo = "):]

PLANTED = [
    # `=` for `+=`
    ("closures", "assigned", "__add__", ADD, ADD.replace("+=", "=")),
    ("closures", "assigned", "__add__", ADD, ADD.replace("other.grad +=", "other.grad =")),
    ("closures", "assigned", "__mul__", MUL, MUL.replace("+=", "=")),
    ("closures", "assigned", "__mul__", MUL, MUL.replace("self.grad +=", "self.grad =")),
    ("closures", "assigned", "tanh", "self.grad += (1 - t ** 2)", "self.grad = (1 - t ** 2)"),
    ("closures", "assigned", "exp", "self.grad += out.data", "self.grad = out.data"),
    ("closures", "assigned", "__pow__", "self.grad += n", "self.grad = n"),
    ("local_grads", "assigned", "backward", "child.grad += local", "child.grad = local"),
    ("tensors", "assigned", "backward", "gradients.get(operand, 0.0) + part", "part"),
    # the order of backward()
    ("closures", "visits-twice", "backward", "            if v not in visited:\n", "            if True:\n"),
    ("local_grads", "visits-twice", "backward", "elif id(v) not in visited:", "else:"),
    ("closures", "no-topological-order", "backward", WALK, """        topo, todo = [self], [self]
        while todo:
            for child in todo.pop(0)._prev:
                if child not in topo:
                    topo.append(child)
                    todo.append(child)
        topo.reverse()
"""),
    ("closures", "no-topological-order", "backward",
     "                for child in v._prev:\n                    build_topo(child)\n"
     "                topo.append(v)\n        build_topo(self)",
     "                topo.append(v)\n                for child in "
     "v._prev:\n                    build_topo(child)\n        build_topo(self)\n        topo.reverse()"),
    ("closures", "no-topological-order", "backward", "reversed(topo)", "topo"),
    ("closures", "visits-twice", "backward", WALK + SWEEP, """        self.grad = 1.0
        self._walk()

    def _walk(self):
        self._backward()
        for child in self._prev:
            child._walk()
"""),
    ("closures", "seeds-every-node", "backward", WALK + SWEEP, """        self.grad = 1.0
        self._backward()
        for child in self._prev:
            child.backward()
"""),
    ("local_grads", "no-topological-order", "backward", SCALAR_WALK, """        topo, todo = [self], [self]
        visited = {id(self)}
        while todo:
            for child in todo.pop(0)._children:
                if id(child) not in visited:
                    visited.add(id(child))
                    topo.append(child)
                    todo.append(child)
        topo.reverse()
"""),
    ("local_grads", "no-topological-order", "backward", "reversed(topo)", "topo"),
    ("tensors", "no-topological-order", "backward", TENSOR_WALK,
     """        gradients, todo, seen = {self: gradient}, [self], {self}
        while todo:
            node = todo.pop(0)
            node.gradient = gradients[node]
            if node.creator is None:
                continue
            for operand, part in zip(node.creator.operands, node.creator.backward(node.gradient)):
                gradients[operand] = gradients.get(operand, 0.0) + part
                operand.gradient = gradients[operand]
                if operand not in seen:
                    seen.add(operand)
                    todo.append(operand)
"""),
    ("tensors", "visits-twice", "backward", TENSOR_WALK, """        self.gradient = gradient + (self.gradient or 0.0)
        if self.creator is not None:
            for operand, part in zip(self.creator.operands, self.creator.backward(self.gradient)):
                operand.backward(part)
"""),
    # what backward() doesn't do, whatever the operation is
    ("closures", "no-gradient", "backward", "            node._backward()\n", "            node._backward\n"),
    ("closures", "raises", "backward", "        topo = []\n        visited", "        visited"),
    ("closures", "raises", "backward", "        self._backward = lambda: None\n", ""),
    ("local_grads", "no-gradient", "backward", "                topo.append(v)\n", "                pass\n"),
    ("local_grads", "chain-rule", "backward", "local * v.grad", "local"),
    ("local_grads", "raises", "backward", "        self.grad = 0\n", ""),
    ("tensors", "raises", "backward", "        self.creator = None\n", ""),
    # operands that are missing
    ("closures", "missing-child", "__mul__", "other.data, (self, other), '*'", "other.data, (self,), '*'"),
    ("closures", "missing-child", "__add__", "other.data, (self, other), '+'", "other.data, (other,), '+'"),
    ("closures", "missing-child", "tanh", "Value(t, (self,), 'tanh')", "Value(t)"),
    ("closures", "missing-child", "__pow__", "(self,), f'**{n}'", "(), f'**{n}'"),
    ("local_grads", "missing-child", "__add__", "(self, other), (1, 1)", "(self,), (1, 1)"),
    ("local_grads", "missing-child", "exp", "(self,), (y,)", "(), ()"),
    ("local_grads", "no-gradient", "__mul__", "(other.data, self.data)", "(other.data,)"),
    ("tensors", "no-gradient", "tanh", "out.creator = context", "out.creator = context if cls is not Tanh else None"),
    # derivatives
    ("closures", "wrong-derivative", "tanh", "(1 - t ** 2)", "(1 - x ** 2)"),
    ("closures", "wrong-derivative", "tanh", "(1 - t ** 2)", "(1 - t)"),
    ("closures", "wrong-derivative", "__pow__", "n * self.data ** (n - 1)", "n * self.data ** n"),
    ("closures", "wrong-derivative", "__pow__", "n * self.data ** (n - 1)", "self.data ** (n - 1)"),
    ("closures", "wrong-derivative", "exp", "out.data * out.grad", "self.data * out.grad"),
    ("closures", "wrong-derivative", "log", "1 / self.data", "1 / out.data"),
    ("closures", "wrong-derivative", "relu", "(out.data > 0)", "out.data"),
    ("closures", "wrong-derivative", "relu", "(out.data > 0) * out.grad", "out.grad"),
    ("closures", "wrong-derivative", "sigmoid", "s * (1 - s)", "(1 - s ** 2)"),
    ("closures", "wrong-derivative", "__mul__", "self.grad += other.data", "self.grad += self.data"),
    ("closures", "chain-rule", "__add__", "other.grad += out.grad", "other.grad += 1.0"),
    ("closures", "chain-rule", "tanh", "(1 - t ** 2) * out.grad", "(1 - t ** 2)"),
    ("closures", "chain-rule", "__mul__", "other.data * out.grad", "other.data"),
    ("local_grads", "wrong-derivative", "__truediv__", "-self.data / other.data ** 2", "self.data / other.data ** 2"),
    ("local_grads", "wrong-derivative", "__truediv__", "-self.data / other.data ** 2", "-1 / other.data ** 2"),
    ("local_grads", "wrong-derivative", "__pow__", "other * self.data ** (other - 1)",
     "(other - 1) * self.data ** (other - 1)"),
    ("local_grads", "wrong-derivative", "__sub__", "(1, -1)", "(1, 1)"),
    ("local_grads", "wrong-derivative", "__neg__", "(-1,)", "(1,)"),
    ("local_grads", "wrong-derivative", "__mul__", "(other.data, self.data)", "(self.data, other.data)"),
    ("local_grads", "wrong-derivative", "sqrt", "0.5 / y", "0.5 / self.data"),
    ("local_grads", "wrong-derivative", "sin", "math.cos(self.data)", "-math.cos(self.data)"),
    ("tensors", "wrong-derivative", "__truediv__", "-self.x / self.y ** 2", "self.x / self.y ** 2"),
    ("tensors", "wrong-derivative", "tanh", "1 - self.y ** 2", "1 - self.y"),
    ("tensors", "chain-rule", "tanh", "((1 - self.y ** 2) * gradient,)", "(1 - self.y ** 2,)"),
    # gradients of something else
    ("closures", "wrong-grad-used", "__add__", "            self.grad += out.grad\n",
     "            self.grad += self.grad\n"),
    ("closures", "wrong-grad-used", "__mul__", "self.data * out.grad", "self.data * self.grad"),
    ("closures", "wrong-grad-used", "tanh", "(1 - t ** 2) * out.grad", "(1 - t ** 2) * self.grad"),
    ("closures", "wrong-grad-used", "__mul__", "other.data * out.grad", "other.data * other.grad"),
    ("closures", "wrong-grad-used", "__mul__", "other.data * out.grad", "other.data * out.data"),
    ("local_grads", "wrong-grad-used", "backward", "local * v.grad", "local * child.grad"),
    # closures that go astray
    ("closures", "wrong-closure", "__add__", "        out._backward", "        self._backward"),
    ("closures", "no-gradient", "exp",
     "            self.grad += out.data * out.grad\n        out._backward = _backward\n",
     "            self.grad += out.data * out.grad\n"),
    ("closures", "raises", "__add__", "out._backward = _backward\n", "out._backward = _backward()\n"),
    # missing methods
    ("closures", "missing-reflected", "__radd__", "def __radd__", "def radd"),
    ("closures", "missing-reflected", "__rmul__", "def __rmul__", "def rmul"),
    ("closures", "missing-reflected", "__rsub__", RSUB, ""),
    ("closures", "missing-reflected", "__rtruediv__", RDIV, ""),
    ("local_grads", "missing-reflected", "__rsub__", "    def __rsub__(self, other): return Scalar(other) - self\n",
     ""),
    ("tensors", "missing-reflected", "__radd__", "    __radd__ = __add__\n", ""),
    ("closures", "swapped-operands", "__rsub__", "return other + (-self)", "return self - other"),
    ("local_grads", "swapped-operands", "__rtruediv__", "Scalar(other) / self", "self / Scalar(other)"),
    # the start of backward()
    ("closures", "not-seeded", "backward", "        self.grad = 1.0\n", ""),
    ("closures", "not-seeded", "backward", "        self.grad = 1.0\n", "        self.grad = self.data\n"),
    ("local_grads", "not-seeded", "backward", "        self.grad = 1\n", ""),
    ("tensors", "not-seeded", "backward", "gradient=1.0", "gradient=0.0"),
    ("closures", "gradient-starts", "__init__", "self.grad = 0.0", "self.grad = 1.0"),
    # gradients that instances share
    ("local_grads", "shared-gradient", "__init__", "'grad', ", "", "        self.grad = 0\n", "",
     "    __slots__", "    sums = [0]\n    grad = property(lambda self: self.sums[0], lambda self, x: "
     "self.sums.__setitem__(0, x))\n    __slots__"),
    ("closures", "shared-gradient", "__init__", "label=''):", "label='', grads=[0.0]):", "self.grad = 0.0",
     "self.grads = grads",
     "    def __repr__", "    @property\n    def grad(self):\n        return self.grads[0]\n\n    @grad.setter\n"
     "    def grad(self, x):\n        self.grads[0] = x\n\n    def __repr__"),
    # floats and ints
    ("closures", "int-float", "__init__", "self.data = data", "self.data = int(data)"),
    ("closures", "int-float", "__add__", WRAP.format("+"), WRAP.format("+").replace(
        "other if isinstance(other, Value) else Value(other)", "Value(other) if isinstance(other, int) else other")),
    ("closures", "int-float", "__mul__", WRAP.format("*"), WRAP.format("*").replace(
        "other if isinstance(other, Value) else Value(other)", "Value(other) if isinstance(other, float) else other")),
    ("closures", "number-operand", "__mul__", WRAP.format("*"), WRAP.format("*").replace(
        "other = other if isinstance(other, Value) else Value(other)\n        ", "")),
    ("closures", "number-operand", "__add__", WRAP.format("+"), WRAP.format("+").replace(
        "other = other if isinstance(other, Value) else Value(other)\n        ", "")),
    ("local_grads", "int-float", "__truediv__", "self.data / other.data, (", "self.data // other.data, ("),
    ("tensors", "int-float", "__pow__", "return x ** n", "return x ** int(n)"),
    # `__eq__`
    ("closures", "eq-without-hash", "__eq__", "    def __repr__", "    def __eq__(self, other):\n"
     "        return self.data == other.data\n\n    def __repr__"),
    ("local_grads", "eq-without-hash", "__eq__", "    def exp(self)", "    def __eq__(self, other):\n"
     "        return self.data == other.data\n\n    def exp(self)"),
    ("tensors", "eq-without-hash", "__eq__", "    def tanh",
     "    def __eq__(self, other): return self.value == other.value\n"
     "    def tanh"),
    ("closures", "equal-nodes", "__eq__", "    def __repr__",
     "    def __eq__(self, other):\n        return self.data == "
     "other.data\n\n    def __hash__(self):\n        return hash(self.data)\n\n    def __repr__"),
    ("local_grads", "equal-nodes", "backward", "id(v) not in visited", "v.data not in visited", "visited.add(id(v))",
     "visited.add(v.data)"),
    # what stays from one backward() to the next
    ("closures", "state-kept", "backward", WALK, """        topo = self._order()
""", "    def backward(self):", """    def _order(self, topo=[], visited=set()):
        if self not in visited:
            visited.add(self)
            for child in self._prev:
                child._order()
            topo.append(self)
        return topo

    def backward(self):"""),
    ("closures", "state-kept", "backward", "    def __init__", "    topo = []\n\n    def __init__",
     "        topo = []\n        visited",
     "        topo = Value.topo\n        visited"),
    ("local_grads", "state-kept", "backward", "class Scalar", "visited = set()\n\n\nclass Scalar",
     "topo, visited, stack = [], set(), ", "topo, stack = [], "),
    ("closures", "state-kept", "backward", "        self._op = _op",
     "        self.seen = False\n        self._op = _op",
     "if v not in visited:\n                visited.add(v)", "if not v.seen:\n                v.seen = True"),
    # values
    ("closures", "wrong-value", "tanh", "(math.exp(2 * x) - 1)", "(math.exp(x) - 1)"),
    ("closures", "wrong-value", "tanh", "(math.exp(2 * x) - 1) / (math.exp(2 * x) + 1)",
     "(math.exp(x) - 1) / (math.exp(x) + 1)"),
    ("closures", "wrong-value", "relu", "max(0, self.data)", "min(0, self.data)"),
    ("closures", "raises", "exp", "math.exp(self.data)", "math.exp(self)"),
    ("closures", "raises", "log", "        out = Value(math.log", "        out = Value(math.log", "'log')\n",
     "'log')\n        ouch.x = 1\n"),
    ("closures", "no-return", "__mul__",
     "        out = Value(self.data * other.data, (self, other), '*')\n\n        def _backward():\n"
     + MUL + "\n        out._backward = _backward\n        return out",
     "        out = Value(self.data * other.data, (self, other), "
     "'*')\n\n        def _backward():\n" + MUL + "\n        out._backward = _backward"),
    ("closures", "endless-recursion", "__neg__", "return self * -1", "return -self"),
    ("closures", "no-end", "exp", "out = Value(math.exp(self.data)",
     "while True: pass\n        out = Value(math.exp(self.data)"),
    ("closures", "no-backward", "backward", "def backward", "def run"),
]


def text_of(planted):
    """The text of a wrong engine."""
    engine, _, _, *changes = planted
    text = ENGINES[engine]
    for old, new in zip(changes[::2], changes[1::2]):
        assert text.count(old) >= 1 and old != new or old == changes[0] == new, f"{old!r} isn't in {engine}"
        text = text.replace(old, new, 1)
    return text


def load(text, name, cls_name):
    """The class of a text."""
    import linecache
    linecache.cache[name] = len(text), None, text.splitlines(True), name
    namespace = {"__name__": name}
    exec(compile(text, name, "exec"), namespace)
    return namespace[cls_name]
