"""What gradcheck needs to work on nodes of another engine: each in a wrapper with the attributes of a Value."""
import sys

from fastgrad.grading.interface import CONTAINERS, Interface, NotGradable, as_float, is_foreign
from fastgrad.value.base import AnyValue


class Node(AnyValue):
    """A node of another engine with a Value's `data`, `grad`, `label`, `backward()` and `_topological()`."""

    def __init__(self, engine, node):
        self.engine, self.node = engine, node
        self.label = getattr(node, "label", "")

    @property
    def data(self):
        return self.engine.plain(getattr(self.node, self.engine.interface.data))

    @data.setter
    def data(self, x):
        setattr(self.node, self.engine.interface.data, x)

    @property
    def grad(self):
        x = getattr(self.node, self.engine.interface.grad, None)
        return 0 if x is None else self.engine.plain(x)

    @grad.setter
    def grad(self, x):
        self.engine.interface.set_gradient(self.node, None if x == 0 else x)

    def backward(self):
        self.engine.interface.backward(self.node)

    def _topological(self):
        """This node and all below it, children first, as far as its operands can be seen."""
        order, seen, path = [], {id(self.node)}, [(self.node, iter(self.engine.operands(self.node)))]
        while path:
            node, operands = path[-1]
            below = next((x for x in operands if id(x) not in seen), None)
            if below is None:
                order.append(self.engine.wrap(node))
                path.pop()
            else:
                seen.add(id(below))
                path.append((below, iter(self.engine.operands(below))))
        return order


class Engine:
    """Another engine, by its class."""

    def __init__(self, cls, namespace):
        try:
            self.interface = Interface(cls, namespace)
        except NotGradable as error:
            raise TypeError(f"gradcheck can't use {cls.__name__}: {error}") from None
        if self.interface.backward is None or self.interface.grad is None:
            raise TypeError(f"gradcheck can't use {cls.__name__}: it has no backward(), or no attribute for gradients")
        self.wrapped = {}

    def wrap(self, node):
        """A node's wrapper: the same one each time."""
        return self.wrapped.setdefault(id(node), Node(self, node))

    def plain(self, x):
        return x if isinstance(x, (int, float)) else as_float(x, self.interface.data)

    def operands(self, node):
        found = getattr(node, self.interface.children, None) if self.interface.children else None
        return [x for x in found if self.interface.is_node(x)] if isinstance(found, CONTAINERS) else []

    def function(self, f):
        """f as a function of wrappers, which returns one."""
        def wrapping(*inputs):
            y = f(*[x.node for x in inputs])
            if not self.interface.is_node(y):
                raise TypeError(f"f must return a {self.interface.cls.__name__}, not {type(y).__name__!r}")
            return self.wrap(y)
        return wrapping

    def input(self, x):
        """An input's wrapper. Numbers become leaves."""
        return self.wrap(x if is_foreign(x) else self.interface.leaf(x))


def engine_of(inputs):
    """The other engine that an input is a node of, or None."""
    node = next((x for x in inputs if is_foreign(x)), None)
    if node is None:
        return None
    cls = type(node)
    return Engine(cls, vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {})
