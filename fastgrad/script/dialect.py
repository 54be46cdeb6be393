"""The dialect of an author's class: its names for a node's fields, and which of its numbers are ints or floats.

measure.py finds it by trying the class. known.py reads it from a known text.
"""


class Missing:
    """The class of MISSING, which stands for an attribute that a leaf doesn't have."""

    def __repr__(self):
        return "missing"


MISSING = Missing()
CONTAINERS = (set, tuple, list, frozenset)


class Dialect:
    """A class's names for the fields of a node, and its conventions."""

    def __init__(self, backward="backward"):
        self.backward = backward
        self.data = self.grad = ""
        self.children = {}          # name: the container's type in a product
        self.kinds = {}             # (name, what `op` shows): the container's type, where it differs
        self.op, self.local_grads, self.closure = [], [], []
        self.on_leaf = {}           # name of a children, op or closure field: its value on a leaf, or MISSING
        self.extras = {}            # name of another attribute: its value on every new instance
        self.names = []             # of all attributes, in the order in which the class sets them
        self.float_data = False     # the constructor makes floats of ints
        self.float_grad = False     # a new gradient is 0.0
        self.float_seed = False     # backward() starts from 1.0
        self.micrograd_relu = False     # relu is micrograd's, which returns -0.0 and nan as they are
        self.tanh_by_power = False  # tanh's derivative is 1 - t ** 2, which may have another last bit than 1 - t * t
        self.unlike = {}            # method: why ours doesn't replace it, if the trials can't see that
        self.is_deferred = False    # local derivatives are computed in backward()
        self.results = 0            # the rule for the class of results, a number (Results in state.pxi)
        self.op_names = {}          # our name of an operation: the class's, where it differs
        self.backward_is_tried = True   # else `run_backward` passes the gradients back itself

    @property
    def fields(self):
        """The names of the fields of a node."""
        return {self.data, self.grad, *self.children, *self.op, *self.local_grads, *self.closure}

    @property
    def is_ordered(self):
        """Whether no container of operands is a set, which has no order."""
        return not {set, frozenset} & {*self.children.values(), *self.kinds.values()}

    def arguments(self):
        """The arguments of engine._make_class that the dialect determines."""
        return {"float_data": self.float_data, "float_grad": self.float_grad, "float_seed": self.float_seed,
                "micrograd_relu": self.micrograd_relu, "tanh_by_power": self.tanh_by_power,
                "deferred": self.is_deferred, "results": self.results, "names": self.op_names}

    def run_backward(self, root):
        """Call root.backward(). If the author's may not be tried, do the same with closures or local derivatives."""
        if self.backward_is_tried:
            return getattr(root, self.backward)()
        setattr(root, self.grad, 1.0)
        for x in reversed(self.topological(root)):
            if self.closure:
                if (pull := getattr(x, self.closure[0], None)) is not None:
                    pull()
            else:
                for child, local in zip(self.children_of(x), getattr(x, self.local_grads[0])):
                    setattr(child, self.grad, getattr(child, self.grad) + local * getattr(x, self.grad))
        return None

    def children_of(self, x):
        """The list of a node's operands, empty if they are in no container."""
        nodes = getattr(x, next(iter(self.children)), None)
        return list(nodes) if isinstance(nodes, CONTAINERS) else []

    def topological(self, root):
        order, seen, path = [], {id(root)}, [(root, iter(self.children_of(root)))]
        while path:
            x, children = path[-1]
            child = next((child for child in children if id(child) not in seen), None)
            if child is None:
                order.append(x)
                path.pop()
            else:
                seen.add(id(child))
                path.append((child, iter(self.children_of(child))))
        return order


def plain_name(op):
    """The name of an operation without the exponent of a power."""
    return "**" if isinstance(op, str) and op.startswith("**") else op
