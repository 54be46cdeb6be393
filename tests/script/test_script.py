"""python -m fastgrad SCRIPT: it prints what plain Python prints, and its engine is ours where that can't be told.

Each script here runs both ways in processes of its own.
"""
import json
import re
import textwrap

import pytest

import fastgrad
from launcher import DEMO, ENGINE, LECTURE, MICROGPT, engine, python

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="the plain engine replaces nothing")

def changed(old, new):
    """The lecture's engine with a part replaced, and a demonstration."""
    assert old in ENGINE
    return "import math\n" + ENGINE.replace(old, new) + DEMO


# ---- What is replaced ----

def test_the_lecture(folder):
    said = folder.report(LECTURE)
    assert "class Value (script.py:6) is replaced" in said
    methods = dict(re.findall(r"^    (\w+) +(.*)$", said, re.M))
    assert {name for name, what in methods.items() if what == "ours"} == {
        "__init__", "__add__", "__mul__", "__pow__", "__neg__", "__radd__", "__rmul__", "__sub__", "backward"}
    assert methods["tanh"].startswith("the author's: at a = 0.7 the value of a.tanh() is 0.604367777117163")
    assert methods["__repr__"] == methods["double"] == "the author's"


def test_microgpt_to_the_last_bit(folder):
    said = folder.report(MICROGPT)
    assert "is replaced\n" in said and "the author's" not in said


RENAMED = '''
    class Scalar:
        """A number."""
        count = 0
        def __init__(self, value, label='', parents=None, requires_grad=True):
            self.value = float(value)
            self.gradient = 0.0
            self.parents = parents
            self.label = label
            self.requires_grad = requires_grad
            self.pull = None
        def __add__(self, other):
            other = other if isinstance(other, Scalar) else Scalar(other)
            out = Scalar(self.value + other.value, parents=[self, other])
            def pull():
                self.gradient += out.gradient
                other.gradient += out.gradient
            out.pull = pull
            return out
        def __mul__(self, other):
            other = other if isinstance(other, Scalar) else Scalar(other)
            out = Scalar(self.value * other.value, parents=[self, other])
            def pull():
                self.gradient += other.value * out.gradient
                other.gradient += self.value * out.gradient
            out.pull = pull
            return out
        __radd__ = __add__
        def backprop(self):
            order, seen = [], set()
            def visit(v):
                if id(v) not in seen:
                    seen.add(id(v))
                    for p in v.parents or []:
                        visit(p)
                    order.append(v)
            visit(self)
            self.gradient = 1.0
            for v in reversed(order):
                if v.pull:
                    v.pull()
    a, b = Scalar(2, 'a'), Scalar(3, requires_grad=False)
    c = a * b + a + 1
    c.backprop()
    print(c.value, a.gradient, b.gradient, a.label, b.requires_grad, c.requires_grad, a.parents, len(c.parents),
          type(c.parents).__name__, Scalar.__doc__, Scalar.__name__, c.parents[0].value, hasattr(c, 'exp'))
'''


def test_other_names_for_everything(folder):
    said = folder.report(RENAMED)
    assert re.search(r"class Scalar .* is replaced", said) and re.search(r"backprop +ours", said)


def test_an_attribute_with_a_name_of_ours(folder):
    source = ENGINE.replace("def backward(", "def backprop(").replace("_backward", "backward")
    assert "is replaced" in folder.report("import math\n" + source + DEMO.replace("d.backward()", "d.backprop()"))


@pytest.mark.parametrize("old, new, method", [
    ("return self + (-other)", """
        out = Value(self.data - other.data, (self, other), '-')
        def _backward():
            self.grad += out.grad
            other.grad -= out.grad
        out._backward = _backward
        return out""", "__sub__"),
    ("def __neg__(self): return self * -1", """def __neg__(self):
        out = Value(-self.data, (self,), 'neg')
        def _backward():
            self.grad -= out.grad
        out._backward = _backward
        return out""", "__neg__"),
    ("self.data ** other,", "round(self.data ** other, 3),", "__pow__"),
])
def test_what_is_different_on_purpose_stays(folder, old, new, method):
    source = changed(old, new).replace("c ** 2 - a", "c ** 2.5 - a * a" if method == "__pow__" else "-c - a")
    source = source.replace("a * b + a", "a * a + a")
    said = folder.report(source)
    assert "is replaced" in said and re.search(rf"{method} +the author's: ", said)


RELU = """    def relu(self):
        out = Value(ZERO if self.data < 0 else self.data, (self,), 'ReLU')
        def _backward():
            self.grad += STEP * out.grad
        out._backward = _backward
        return out
    def double(self):"""
MAX_RELU = RELU.replace("ZERO if self.data < 0 else self.data", "max(ZERO, self.data)")


@pytest.mark.parametrize("text, zero, step, is_ours", [
    (RELU, "0", "(out.data > 0)", True),                                # micrograd's
    (RELU, "0", "float(out.data > 0)", False),
    (RELU, "0.0", "(out.data > 0)", False),
    (MAX_RELU, "0", "float(out.data > 0)", True),                       # microgpt's, as a closure
    (MAX_RELU, "0", "(out.data > 0)", False),
    (MAX_RELU, "0.0", "(1.0 if out.data > 0 else 0.0)", False),
])
def test_relu_is_micrograd_s_or_microgpt_s_or_the_author_s(folder, text, zero, step, is_ours):
    source = changed("    def double(self):", text.replace("ZERO", zero).replace("STEP", step))
    said = folder.report(source + """
for x in (float('nan'), -0.0, 0.0, 0, 3, 3.0, -3, -3.0):
    v = Value(x)
    y = v.relu()
    v.grad, y.grad = 0, 1
    y._backward()
    print(y, v.grad)
""")
    assert "is replaced" in said and bool(re.search(r"relu +ours", said)) is is_ours, said


# ---- What is kept as it is ----

@pytest.mark.parametrize("change, demo", [
    # flags that change later
    (("self._prev = set(_children)", "self._prev = set(_children) if Value.on else set()", "class Value:",
      "class Value:\n    on = True"), "Value.on = False\nprint(len((a * b)._prev))"),
    (("topo, visited = [], set()", "topo, visited = [], set()\n        if DEBUG: print('backward')", "class Value:",
      "DEBUG = False\nclass Value:"), "DEBUG = True\nx = a * b\nx.backward()"),
    (("label=''):", "label='', requires_grad=True):\n        self.requires_grad = requires_grad",
      "self.grad += other.data * out.grad", "if self.requires_grad: self.grad += other.data * out.grad"),
     "x = Value(3.0, requires_grad=False)\ny = x * b\ny.backward()\nprint(x.grad, b.grad, x.requires_grad)"),
    (("self.label = label", "self.label = label\n        self.hook = None", "for v in reversed(topo):",
      "for v in reversed(topo):\n            if v.hook: v.grad = v.hook(v.grad)"),
     "x = a * b\nx.hook = lambda g: 10 * g\nx.backward()\nprint(a.grad)"),
    # numbers that change between the operation and backward()
    ((), "x = (a * b - 10) ** 2\nfor i in range(3):\n    a.grad = b.grad = 0.0\n    x.backward()\n"
         "    a.data -= 0.01 * a.grad\n    b.data -= 0.01 * b.grad\n    print(a, b)"),
    # subclasses
    ((), "class Parameter(Value): pass\np = Parameter(0.5)\ny = p * a + p\n"
         "print(type(y) is Value, type(p * p) is Value, type(-p) is Value, type(p.tanh()) is Value)"),
    ((), "class Named(Value):\n    def __init__(self, data, name):\n        super().__init__(data)\n"
         "        self.name = name\n    def __repr__(self): return self.name\nprint(Named(1.0, 'n') + a)"),
    # what a trial would leave behind
    (("self.label = label", "self.label = label\n        self.id = next(ids)", "class Value:",
      "import itertools\nids = itertools.count()\nclass Value:"), "print(a.id, b.id, (a + b).id)"),
    (("self.label = label", "self.label = label\n        self.all.append(self)", "class Value:",
      "class Value:\n    all = []"), "print(len(Value.all))"),
    (("return out\n\n    def __neg__", "if self.data > 100: raise SystemExit\n        return out\n\n    def __neg__"),
     "print(a.tanh())"),
    # nan and the signs of zeros
    (("    def double(self):",
      "    def relu(self):\n        out = Value(0 if self.data < 0 else self.data, (self,), 'ReLU')\n"
      "        def _backward():\n            self.grad += (out.data > 0) * out.grad\n"
      "        out._backward = _backward\n        return out\n    def double(self):"),
     "h = Value(float('inf'))\nx = ((h - h) * 2).relu() ** 2\nx.backward()\n"
      "print(x, Value(-0.0).relu(), Value(0).relu())"),
    # constructors, comparisons, attributes
    (("self.data = data", "assert data == data, 'nan!'\n        self.data = data"),
     "try:\n    Value(float('nan'))\nexcept AssertionError as error:\n    print(error)"),
    (("    def double(self):", "    def __eq__(self, other): return self.data == other.data\n"
      "    def __hash__(self): return id(self)\n    def double(self):"), "print(a == Value(2.0), a != Value(2.0))"),
    ((), "print(sorted(vars(a)))"),
    ((), "try:\n    Value(1.0) ** 'x'\nexcept AssertionError as error:\n    print(error)"),
    (("assert isinstance(other, (int, float)), \"only int/float powers\"",
      "other = other.data * 2 if isinstance(other, Value) else other"),
     "x = a ** Value(3.0)\nx.backward()\nprint(x.data, a.grad, x._op)"),
    (("    def double(self):",
      "    def relu(self, slope=0.0): return self * slope\n"
      "    def double(self):"), "x = b.relu(0.1)\nx.backward()\nprint(x, b)"),
    ((), "x = Value(0.0) ** 0.5\nprint(x)"),
    ((), "a.grad = None\nprint(a.grad)"),
    ((), "try:\n    float(a)\nexcept TypeError as error:\n    print(error)"),
])
def test_what_a_trial_could_miss(folder, change, demo):
    source = ENGINE
    for old, new in zip(change[::2], change[1::2]):
        assert old in source
        source = source.replace(old, new)
    folder.report("import math\n" + source + DEMO.replace("print(a, b, c, d,", "print(") + demo + "\n")


EXP = """    def exp(self):
        e = math.exp(self.data) * 1.0
        out = Value(e, (self,), 'exp')
        def _backward():
            self.grad += e * out.grad
        out._backward = _backward
        return out
    def double(self):"""


@pytest.mark.parametrize("old, new, demo", [
    # its derivative is taken at once, and those of others later
    pytest.param("    def double(self):", EXP, "y = a.exp()\ny.data = 5.0\ny.backward()\nprint(a.grad)",
                 id="changed-data"),
    # it passes its gradient on once
    pytest.param("    def double(self):", EXP.replace("            self.grad += e * out.grad", """
            if not done: self.grad += out.data * out.grad
            done.append(True)""").replace("        def _b", "        done = []\n        def _b"),
                 "y = a.exp()\ny.backward()\ny._backward()\nprint(a.grad)", id="calls-by-hand"),
    # it makes 0 of nan
    pytest.param("    def double(self):", """    def exp(self):
        out = Value(math.exp(self.data) if self.data == self.data else 0.0, (self,), 'exp')
        def _backward():
            self.grad += out.data * out.grad
        out._backward = _backward
        return out
    def double(self):""", "print(Value(float('nan')).exp().data)", id="extremes"),
    # it stops after so many nodes
    pytest.param("in reversed(topo):", "in list(reversed(topo))[:len('abcdefghijklmnopqrstuvwxyz')]:",
                 "y = a\nfor i in range(40): y = y * b + a\ny.backward()\nprint(a.grad)", id="random-programs"),
])
def test_what_each_kind_of_trial_is_for(folder, old, new, demo):
    folder.report(changed(old, new) + demo + "\n")


@pytest.mark.parametrize("old, new, reason", [
    ("self.grad += 1.0 * out.grad", "self.grad = 1.0 * out.grad", ""),
    ("v not in visited", "True", "backward|other gradients"),    # as the order of a set has it
    ("self.label = label", "self.label = label; Value.made = getattr(Value, 'made', 0) + 1", ""),
    ("self.label = label", "self.label = label; self.born = object()", "'born' isn't understood"),
    ("class Value:", "class Base:\n    tape = []\nclass Value(Base):", "derives from Base"),
    ("class Value:", "import fractions\nclass Value:", "imports fractions"),
    ("def double(self):", "def __getattr__(self, name): raise AttributeError(name)\n    def double(self):",
     "__getattr__"),
    ("out = Value(self.data + other.data, (self, other), '+')",
     "out = Value(self.data + other.data, (self,), '+'); out._prev.add(other)", "in place"),
])
def test_in_doubt_its_own_class(folder, old, new, reason):
    source = changed(old, new)
    said = folder.report(source)
    assert "runs as it is" in said and re.search(reason, said)


def test_one_line_on_stderr_says_so(folder):
    name = folder.write("script.py", changed("v not in visited", "True"))
    said = python("-m", "fastgrad", name, cwd=folder.path).stderr
    assert re.fullmatch(r"fastgrad: class Value \(script.py:\d+\) runs as it is: .*\n", said)


def test_keep_leaves_a_class_alone(folder):
    name = folder.write("script.py", changed("tanh", "tanh"))
    assert "as --keep says" in python("-m", "fastgrad", "--keep", "Value", name, cwd=folder.path).stderr


def test_a_trial_leaves_nothing_behind(folder):
    """Printing, random numbers, the recursion limit."""
    folder.report("import random, sys, math\nrandom.seed(3)\n" + ENGINE.replace(
        "self.label = label", "self.label = label; random.random()").replace(
        "topo, visited", "sys.setrecursionlimit(5000); print('backward'); topo, visited")
        + "print(random.random(), sys.getrecursionlimit())" + DEMO)


# ---- Where classes come from ----

def test_a_class_within_a_function(folder):
    body = textwrap.indent(ENGINE + DEMO, "    ")
    said = folder.report(f"import math\ndef main():\n{body}\nmain()\n")
    assert "class main.<locals>.Value" in said and "is replaced" in said


def test_modules_beside_the_script(folder):
    folder.write("engine.py", "import math\n" + ENGINE)
    folder.write("package/__init__.py", "")
    folder.write("package/nn.py", "from engine import Value\nfrom . import names\nclass Neuron:\n"
                                  "    def __init__(self): self.w = Value(0.5, label=names.W)\n")
    folder.write("package/names.py", "W = 'w'\n")
    said = folder.report("from engine import Value\nfrom package.nn import Neuron\nprint(Neuron().w.label)" + DEMO)
    assert "class Value (engine.py:" in said and "is replaced" in said


def test_micrograd_that_is_not_installed(folder):
    name = folder.write("script.py", "from micrograd.engine import Value\nfrom micrograd.nn import MLP\n"
                                     "import micrograd\nprint(Value, micrograd.engine.Value is Value, MLP(2, [1]))\n"
                                     "print(Value(float('nan')).relu(), MLP(2, [1])([1.0, 2.0]).__class__ is Value)\n")
    try:
        import micrograd        # noqa: F401
    except ImportError:
        printed = python("-m", "fastgrad", name, cwd=folder.path).stdout
        assert printed == ("<class 'fastgrad.micrograd.engine.Value'> True MLP of [Layer of [LinearNeuron(2)]]\n"
                           "Value(data=nan, grad=0) True\n")
    else:
        pytest.skip("micrograd is installed")


def test_micrograd_beside_the_script_goes_before(folder):
    folder.write("micrograd/__init__.py", "")
    folder.write("micrograd/engine.py", "import math\n" + ENGINE)
    assert "class Value (engine.py:" in folder.report("from micrograd.engine import Value" + DEMO)


def test_install():
    program = ("import fastgrad; fastgrad.install(); from micrograd.engine import Value; from micrograd import nn; "
               "import micrograd; assert Value is micrograd.Value is fastgrad.micrograd.engine.Value is nn.Value;"
               "assert fastgrad.micrograd.__spec__.name == 'fastgrad.micrograd'; fastgrad.install();"
               "assert micrograd.engine.Value is Value")
    python("-c", program, cwd=".")


@pytest.mark.parametrize("how", [(), ("-m", "fastgrad")], ids=["install", "launcher"])
def test_pickles_of_micrograd_can_be_read_without_it(folder, how):
    folder.write("write.py", ("" if how else "import fastgrad; fastgrad.install()\n") + """
import pickle
from micrograd.engine import Value
from micrograd.nn import MLP
pickle.dump((Value(float('nan')) * 3, Value(2.0) ** 2, MLP(2, [2, 1])), open('file', 'wb'))
""")
    folder.write("read.py", """
import pickle, sys
nan, square, model = pickle.load(open('file', 'rb'))
square.backward()
print(nan.relu(), square, square._children[0].grad, model, model([1.0, 2.0]).__class__ is type(nan))
assert 'micrograd' not in sys.modules
""")
    try:
        import micrograd        # noqa: F401
        pytest.skip("micrograd is installed")
    except ImportError:
        python(*how, "write.py", cwd=folder.path)
    assert python("read.py", cwd=folder.path).stdout == (
        "Value(data=nan, grad=0) Value(data=4.0, grad=1) 4.0 MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], "
        "Layer of [LinearNeuron(2)]] True\n")


def test_the_words_of_an_error_are_the_author_s(folder):
    """fastgrad.Value explains why x ** 0 raises at 0; the author's class doesn't."""
    folder.report(MICROGPT + "try: Value(0.0) ** 0\nexcept ZeroDivisionError as error: print(error)\n")


def test_a_class_that_is_defined_again(folder):
    said = folder.report("import math\n" + ENGINE + DEMO + ENGINE + "x = a\n" + DEMO + "print(isinstance(x, Value))\n")
    assert said.count("is replaced") == 2


def test_two_engines_at_once(folder):
    folder.report(MICROGPT + "V = Value\n" + ENGINE.replace("Value", "Other") + "a, b = V(2), Other(3.0)\n"
                  "for i in range(3):\n    a, b = a * 2 + a, b * 2 + b\na.backward(); b.backward()\n"
                  "print(a.data, a.grad, b, type(a) is V, type(b) is Other, type(a._children[1]) is V,"
                  " a._children[1].grad, [type(x) is Other for x in b._prev])\n")


@pytest.mark.parametrize("decorator", ["@functools.total_ordering", "@total_ordering", "@mark", "@marked(1)"])
def test_decorated_classes(folder, decorator):
    head = ("import math, functools\nfrom functools import total_ordering\n"
            "def mark(cls):\n    cls.marked = True\n    return cls\n"
            "def marked(x):\n    def mark(cls):\n        cls.marked = x\n        return cls\n    return mark\n")
    body = ENGINE.replace("class Value:", decorator + "\nclass Value:\n    def __lt__(self, other): "
                                                       "return self.data < other.data\n")
    assert "is replaced" in folder.report(head + body + DEMO + "print(a > b, getattr(Value, 'marked', None))\n")


def test_subclasses(folder):
    said = folder.report("import math\n" + ENGINE + """
class Named(Value):
    def __init__(self, data, name):
        super().__init__(data)
        self.name = name
a, b = Named(2.0, 'a'), Value(-3.0)
c = a * b
c.backward()
print(a.name, a.grad, c.data, isinstance(a, Value))
""")
    assert "is replaced" in said


# ---- Running as Python runs ----

def test_what_a_script_sees(folder):
    folder.write("sub/input.txt", "hello\n")
    folder.write("sub/helper.py", "X = 5\n")
    name = folder.write("sub/script.py", """
        import sys, os, helper
        print(__name__, __file__, sys.argv, helper.X, sys.path[0], __doc__, __spec__, __package__)
        print(open(os.path.join(os.path.dirname(__file__), 'input.txt')).read(), sys.stdin.read())
        print(sys.modules['__main__'].helper is helper)
        """)
    plain = python(name, "--one", "2", "-m", cwd=folder.path, text="typed")
    assert python("-m", "fastgrad", name, "--one", "2", "-m", cwd=folder.path, text="typed").stdout == plain.stdout


def test_a_module(folder):
    folder.write("package/__init__.py", "")
    folder.write("package/engine.py", "import math\n" + ENGINE)
    folder.write("package/__main__.py", "import sys\nfrom .engine import Value\n"
                                        "print(__name__, __package__, sys.argv[1:])" + DEMO)
    plain = python("-m", "package", "x", cwd=folder.path)
    ours = python("-m", "fastgrad", "--report", "-m", "package", "x", cwd=folder.path)
    assert ours.stdout == plain.stdout and "is replaced" in ours.stderr


@pytest.mark.parametrize("end, status", [("import sys; sys.exit(3)", 3), ("import sys; sys.exit('bye')", 1),
                                         ("import sys; sys.exit()", 0), ("1 / 0", 1)])
def test_exit_status(folder, end, status):
    name = folder.write("script.py", f"print(1)\n{end}\n")
    plain = python(name, cwd=folder.path, status=status)
    ours = python("-m", "fastgrad", name, cwd=folder.path, status=status)
    assert ours.stdout == plain.stdout and ours.stderr.splitlines()[-1:] == plain.stderr.splitlines()[-1:]


def test_an_error_says_what_was_meant_as_python_does(folder):
    name = folder.write("script.py", "from fastgrad import Value\nValue(1.0).backwards()\n")
    plain, ours = (python(*how, name, cwd=folder.path, status=1).stderr for how in ((), ("-m", "fastgrad")))
    assert plain.endswith("Did you mean: 'backward'?\n") and ours.splitlines()[-1] == plain.splitlines()[-1]


def test_tracebacks_show_the_authors_lines(folder):
    name = folder.write("script.py", "def f():\n    raise KeyError('here')\nf()\n")
    plain = python(name, cwd=folder.path, status=1).stderr
    ours = python("-m", "fastgrad", name, cwd=folder.path, status=1).stderr
    assert 'script.py", line 2, in f' in ours and "fastgrad/" not in ours
    assert [line.strip() for line in ours.splitlines()][-1] == plain.splitlines()[-1]


def test_a_hook_for_errors_gets_the_authors_frames(folder):
    name = folder.write("script.py", """
        import sys
        def hook(kind, error, tb):
            while tb is not None:
                print(kind.__name__, tb.tb_frame.f_code.co_name, tb.tb_lineno)
                tb = tb.tb_next
            print(error.__context__.__traceback__.tb_frame.f_code.co_name)
        sys.excepthook = hook
        def f():
            try: 1 / 0
            finally: raise KeyError('here')
        f()
    """)
    plain, ours = (python(*how, name, cwd=folder.path, status=1) for how in ((), ("-m", "fastgrad")))
    assert ours.stdout == plain.stdout and ours.stdout.count("KeyError") == 2


@pytest.mark.parametrize("where", ["", "sub/"])
@pytest.mark.parametrize("first, last", [("print('begin')\n", ""), (
    "import numbers, dis, random, opcode\n", "print(numbers.PI, dis.PI, random.PI, opcode.PI)\n")])
def test_modules_with_names_of_the_standard_library(folder, first, last, where):
    """A script's own are imported if the script imports them, and only then."""
    for module in ("numbers/__init__", "dis", "random", "opcode"):
        folder.write(f"{where}{module}.py", f"print('{module} runs')\nPI = 3\n")
    name = folder.write(where + "script.py", first + engine() + DEMO + last)
    plain, ours, said = folder.both(name, options=["--report"])
    assert ours == plain and plain and "while it was tried" not in said


def test_a_replaced_class_that_holds_numbers_only_says_how_to_keep_the_author_s(folder):
    name = folder.write("script.py", engine() + "import json\nValue(json.loads('[1, 2]'))\n")
    said = python("-m", "fastgrad", name, cwd=folder.path, status=1).stderr
    assert said.count("File ") == 1 and "TypeError: a Value holds a number, not 'list': make a Value of each" in said
    assert "python -m fastgrad --keep Value runs the script with its own class" in said


@pytest.mark.parametrize("source", [b'x = 1\ny = "a\0b"\n', b'x = 1\ny = "\xff"\n', b"# coding: nope\nx = 1\n",
                                    b"\xef\xbb\xbf# coding: latin-1\n", b"# coding: latin-1\nprint(ascii('\xff'))\n",
                                    b"x = 1\ndef f(:\n"])
def test_scripts_that_are_not_text(folder, source):
    """Python's own words, with the file's name, in each version."""
    (folder.path / "script.py").write_bytes(source)
    status = 0 if b"print" in source else 1
    plain = python("script.py", cwd=folder.path, status=status)
    ours = python("-m", "fastgrad", "script.py", cwd=folder.path, status=status)
    assert (ours.stdout, ours.stderr) == (plain.stdout, plain.stderr)


@pytest.mark.parametrize("arguments, status, said", [
    ([], 2, "SCRIPT"), (["nowhere.py"], 2, "nowhere.py"), (["-m", "no_such_module"], 1, "no_such_module"),
    (["--steps-json"], 2, "--steps-json"), (["--verify", "--steps-json", "x", "wrong.py"], 2, "--verify"),
    (["wrong.py"], 1, "SyntaxError")])
def test_bad_input(folder, arguments, status, said):
    folder.write("wrong.py", "def f(:\n")
    assert said in python("-m", "fastgrad", *arguments, cwd=folder.path, status=status).stderr


# ---- Profile ----

def test_profile(folder):
    name = folder.write("script.py", LECTURE)
    said = python("-m", "fastgrad", "--profile", "--steps-json", "steps.json", name, cwd=folder.path).stderr
    assert re.search(r"fastgrad: 5 backward\(\), (\d+) nodes each", said)
    steps = json.loads((folder.path / "steps.json").read_text())["steps"]
    assert [step["step"] for step in steps] == [1, 2, 3, 4, 5] and len({step["nodes"] for step in steps}) == 1
    assert all(step[part] > 0 for step in steps for part in ("forward", "backward", "rest"))
    printed = python(name, cwd=folder.path).stdout
    assert f"{steps[0]['loss']:.6f}" in printed
