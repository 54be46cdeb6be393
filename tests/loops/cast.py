"""Classes and functions that programs use by name. Each is source text; a program begins with those that it needs."""
import re

CAST = {
    "builtins": "import builtins",
    "math": "import math",
    "sys": "import sys",
    "itertools": "import itertools",
    "fastgrad": "import fastgrad",
    "np": "import numpy as np",
    "Fraction": "from fractions import Fraction",
    "random": "import random",

    # Classes of elements.
    "Sub": """
class Sub(Value):
    def twice(self):
        return self + self
""",
    "Own": """
class Own(Value):
    def __mul__(self, other):
        print('Own *')
        return Value.__mul__(self, other)
    __rmul__ = __mul__
    def relu(self):
        print('Own relu')
        return self
""",
    "Lazy": """
class Lazy(Value):
    @property
    def data(self):
        print('data')
        return Value.data.__get__(self)
    @data.setter
    def data(self, x):
        print('data =', x)
        Value.data.__set__(self, x)
""",
    "Plain": """
class Plain:
    def __init__(self, data):
        self.data, self.grad = data, 0.5
    def __add__(self, other):
        print('Plain +')
        return Plain(self.data + getattr(other, 'data', other))
    __radd__ = __add__
    def __mul__(self, other):
        print('Plain *')
        return Plain(self.data * getattr(other, 'data', other))
    __rmul__ = __mul__
    def __sub__(self, other):
        return self + other * -1
    def __pow__(self, n):
        return Plain(self.data ** n)
    def relu(self):
        return Plain(max(0, self.data))
    def __repr__(self):
        return f'Plain({self.data!r})'
""",

    # Iterables.
    "Noisy": """
class Noisy:
    def __init__(self, items):
        self.items, self.times = list(items), 0
    def __iter__(self):
        self.times += 1
        print('iter', self.times)
        for i, item in enumerate(self.items):
            print('item', i)
            yield item
    def __len__(self):
        print('len')
        return len(self.items)
    def __getitem__(self, i):
        print('get', i)
        return self.items[i]
""",
    "Rows": """
class Rows(list):
    def __iter__(self):
        print('Rows iter')
        return super().__iter__()
    def __getitem__(self, i):
        print('Rows get', i)
        return super().__getitem__(i)
""",
    "told": """
def told(x):
    print('told')
    return x
""",
    "gen": """
def gen(xs):
    try:
        for x in xs:
            print('gives')
            yield x
    finally:
        print('closed')
""",

    # Places with effects.
    "Prop": """
class Prop:
    def __init__(self, items):
        self.items, self.count = items, 0
    @property
    def w(self):
        self.count += 1
        print('w', self.count)
        return self.items
    @w.setter
    def w(self, items):
        print('w =')
        self.items = items
""",
    "Missing": """
class Missing:
    def __init__(self, items):
        self.__dict__['items'] = items
    def __getattr__(self, name):
        print('getattr', name)
        if name in ('w', 'm', 'v'):
            return self.items
        raise AttributeError(name)
    def __setattr__(self, name, x):
        print('setattr', name)
        self.__dict__[name] = x
""",
    "Watched": """
class Watched(list):
    def __setitem__(self, i, x):
        print('set', i)
        super().__setitem__(i, x)
""",

    # Names that aren't the builtin ones.
    "own_sum": """
def own_sum(xs, start=0):
    print('own sum')
    for x in xs:
        start = x + start
    return start
""",
    "own_zip": """
def own_zip(*lists, strict=False):
    print('own zip')
    return iter([*builtins.zip(*lists)][::-1])
""",
    "own_range": """
def own_range(*ends):
    print('own range')
    return [*builtins.range(*ends)][1:]
""",
    "own_len": """
def own_len(x):
    print('own len')
    return builtins.len(x) - (builtins.len(x) > 1)
""",
    "own_max": """
def own_max(*xs, **named):
    print('own max')
    return builtins.min(*xs, **named)
""",
    "own_enumerate": """
def own_enumerate(xs, start=0):
    print('own enumerate')
    return builtins.zip(builtins.range(start + 1, 99), xs)
""",
    "OwnMath": """
class OwnMath:
    def sqrt(x):
        print('own sqrt')
        return x
    exp = log = sqrt
""",

    "Layer": """
class Layer:
    def __init__(self, n):
        self.w = [Value(random.uniform(-1, 1)) for _ in range(n)]
        self.b = Value(0.0)
        self.m, self.v, self.lr = [0.0] * (n + 1), [0.0] * (n + 1), 0.05
    def parameters(self):
        return self.w + [self.b]
    def __call__(self, xs):
        act = sum((w * x for w, x in zip(self.w, xs)), self.b)
        return act.tanh()
""",
}
HEADS = re.compile(r"\b(" + "|".join(CAST) + r")\b")


def with_cast(source):
    """Source text with the texts of all names in CAST that it uses in front."""
    names, found = set(), set(HEADS.findall(source))
    while found - names:
        names |= found
        found = {name for known in names for name in HEADS.findall(CAST[known])}
    return "".join(CAST[name].strip("\n") + "\n" for name in CAST if name in names) + source
