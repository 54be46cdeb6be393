"""What an author's class calls things, and what it makes an int or a float: its dialect.

measure.py finds it out by trying the class, known.py reads it from a text that is known.
"""


class Missing:
    """What a leaf has where it has no attribute."""

    def __repr__(self):
        return "missing"


MISSING = Missing()
CONTAINERS = (set, tuple, list, frozenset)


class Dialect:
    """A class's names for the fields of a node, and its habits."""

    def __init__(self, backward="backward"):
        self.backward = backward
        self.data = self.grad = ""
        self.children = {}          # name: the type that a product has
        self.kinds = {}             # (name, what `op` shows): the type, where it's another
        self.op, self.local_grads, self.closure = [], [], []
        self.on_leaf = {}           # of children, op and closure: what a leaf has, or MISSING
        self.extras = {}            # name: what it is on every new instance
        self.names = []             # of all attributes, in their order
        self.float_data = False     # the constructor makes floats of ints
        self.float_grad = False     # a new gradient is 0.0
        self.float_seed = False     # backward() starts from 1.0
        self.micrograd_relu = False     # relu is micrograd's, which lets -0.0 and nan through
        self.unlike = {}            # method: why it isn't ours, where the trials can't tell
        self.is_deferred = False    # derivatives are taken in backward()
        self.results = 0            # the class of results, a number (Results in state.pxi)
        self.op_names = {}          # operations' names other than ours
        self.backward_is_tried = True   # else `run_backward` does what a backward() does

    @property
    def fields(self):
        """The names of the fields of a node."""
        return {self.data, self.grad, *self.children, *self.op, *self.local_grads, *self.closure}

    @property
    def is_ordered(self):
        """Whether operands are in an order."""
        return not {set, frozenset} & {*self.children.values(), *self.kinds.values()}

    def arguments(self):
        """The arguments of engine._make_class, but for those that are the class's own."""
        return {"float_data": self.float_data, "float_grad": self.float_grad, "float_seed": self.float_seed,
                "micrograd_relu": self.micrograd_relu, "deferred": self.is_deferred, "results": self.results,
                "names": self.op_names}

    def run_backward(self, root):
        """root.backward(); or, if the author's may not be tried, the same by way of closures or local derivatives."""
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
        """A node's operands; none if they are in no container."""
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
