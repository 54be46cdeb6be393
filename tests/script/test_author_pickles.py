"""Pickles of scripts' own classes under `python -m fastgrad`: they have the format of the author's class.

Each script writes and reads in plain Python and under fastgrad, and either reads what the other has written.
"""
import multiprocessing
import pickle
import textwrap

import pytest

import fastgrad
from launcher import ENGINE, MICROGPT_ENGINE, python

pytestmark = pytest.mark.skipif(fastgrad.backend != "c", reason="the plain engine replaces nothing")

HEAD = "import copy, math, multiprocessing, operator, pickle, sys\n\n"
SHOW = '''
def seen(*roots):
    nodes = []
    def visit(v):
        if not any(v is u for u in nodes):
            nodes.append(v)
            for child in v._children:
                visit(child)
    for root in roots:
        visit(root)
    return [(type(v).__name__, v.data, v.grad, v._local_grads, type(v._children).__name__,
             [[u is c for u in nodes].index(True) for c in v._children]) for v in nodes]

def graph():
    a, b = Value(2), Value(-3.0)
    c = a * b + a
    d = (c + b * b) ** 2 + c.relu()
    d.backward()
    return a, d
'''
SLOTS = "    __slots__ = ('data', 'grad', '_children', '_local_grads')\n"
WRITE_OR_READ = '''
if __name__ == "__main__":
    if sys.argv[1] == "write":
        for protocol in PROTOCOLS:
            with open(sys.argv[2] + str(protocol), "wb") as file:
                pickle.dump(graph(), file, protocol)
        print(seen(*graph()))
    elif sys.argv[1] == "read":
        for protocol in PROTOCOLS:
            with open(sys.argv[2] + str(protocol), "rb") as file:
                a, d = pickle.load(file)
            told = seen(a, d)
            d.backward()
            again = seen(a, d)
        print(told)
        print(again, (a * d).data)
'''


def script_of(slots="", more="", changes=(), protocols="range(2, pickle.HIGHEST_PROTOCOL + 1)"):
    """A script with microgpt's engine that writes or reads pickles. slots: SLOTS, or "" for a class without."""
    assert SLOTS in MICROGPT_ENGINE
    text = HEAD + MICROGPT_ENGINE.replace(SLOTS, slots) + "\n" + more + "\n" + SHOW + WRITE_OR_READ
    for old, new in (*changes, ("PROTOCOLS", protocols)):
        assert old in text
        text = text.replace(old, new)
    return text


def report_on(folder):
    """What --report says of a script."""
    return python("-m", "fastgrad", "--report", "script.py", "make", "", cwd=folder).stderr


def exchanged(folder, text):
    """Have a script write and read pickles in both ways, and each read what the other has written."""
    (folder / "script.py").write_text(text)
    ways = {"plain": [], "ours": ["-m", "fastgrad"]}
    told = {}
    for writer, options in ways.items():
        told[writer] = python(*options, "script.py", "write", writer, cwd=folder).stdout
    assert told["plain"] == told["ours"]
    for reader, options in ways.items():
        for writer in ways:
            told[reader, writer] = python(*options, "script.py", "read", writer, cwd=folder).stdout
    assert len({told[reader, writer] for reader in ways for writer in ways}) == 1
    assert told["plain", "plain"].splitlines()[0] == told["plain"].strip()
    assert ") is replaced" in report_on(folder)
    return states(folder / "plain4"), states(folder / "ours4")


class Stated:
    """Stands for any class, and notes the states that a pickle has."""

    noted: list = []

    def __setstate__(self, state):
        self.noted.append(repr(state))

    def __repr__(self):
        return "a node"


class Noting(pickle.Unpickler):
    def find_class(self, module, name):
        return Stated if module == "__main__" else super().find_class(module, name)


def states(path):
    """The states in a pickle, in their order; names and containers as they were."""
    Stated.noted = []
    with open(path, "rb") as file:
        Noting(file).load()
    return Stated.noted


STATES = {
    "getstate": """
    def __getstate__(self): return [self.data, self._children, self._local_grads]
    def __setstate__(self, state):
        self.data, self._children, self._local_grads = state
        self.grad = 0.25
""",
    "reduce": "    def __reduce__(self): return Value, (self.data, self._children, self._local_grads)\n",
    "reduce_ex": "    def __reduce_ex__(self, _): return Value, (self.data * 2, self._children, self._local_grads)\n",
    "setstate": """
    def __setstate__(self, state):
        for name, x in state.items():
            setattr(self, name, x)
        self.grad = 0.5
""",
}


@pytest.mark.parametrize("slots", ["", SLOTS], ids=["dict", "slots"])
def test_a_twin_s_pickle_is_the_author_s(tmp_path, slots):
    plain, ours = exchanged(tmp_path, script_of(slots))
    assert plain == ours


def test_the_oldest_protocols(tmp_path):
    """What plain Python writes there demands object.__new__(Value), which a twin refuses; but it reads its own."""
    (tmp_path / "script.py").write_text(script_of(protocols="(0, 1)"))
    told = python("-m", "fastgrad", "script.py", "write", "ours", cwd=tmp_path).stdout
    for options in ([], ["-m", "fastgrad"]):
        assert python(*options, "script.py", "read", "ours", cwd=tmp_path).stdout.splitlines()[0] == told.strip()


@pytest.mark.parametrize("kind", STATES)
def test_an_author_s_own_pickling_stays(tmp_path, kind):
    text = script_of(more=STATES[kind])
    (tmp_path / "script.py").write_text(text + """
    for make in (copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))):
        a, d = graph()
        if sys.argv[1] == "show":
            print(seen(make(a)), seen(make(d)))
""")
    for writer, options in (("plain", []), ("ours", ["-m", "fastgrad"])):
        python(*options, "script.py", "write", writer, cwd=tmp_path).stdout
    told = {python(*options, "script.py", "read", writer, cwd=tmp_path).stdout
            for writer in ("plain", "ours") for options in ([], ["-m", "fastgrad"])}
    assert len(told) == 1
    plain = python("script.py", "show", cwd=tmp_path).stdout
    assert python("-m", "fastgrad", "script.py", "show", cwd=tmp_path).stdout == plain


@pytest.mark.parametrize("method", [
    "def __reduce_ex__(self, n): return (*super().__reduce_ex__(n)[:2], {'data': 1.5, '_children': ()})",
    "def __reduce__(self): return Value, (1.5 + 0 * object.__hash__(self),)",
], ids=["super", "object"])
def test_a_class_whose_pickling_asks_object_stays(tmp_path, method):
    (tmp_path / "script.py").write_text(script_of(more="    " + method) + """
    a, d = graph()
    print([w.data for w in (copy.copy(d), copy.deepcopy(d), pickle.loads(pickle.dumps(d)))])
""")
    plain = python("script.py", "", cwd=tmp_path).stdout
    assert python("-m", "fastgrad", "script.py", "", cwd=tmp_path).stdout == plain == "[1.5, 1.5, 1.5]\n"


def test_subclasses_and_attributes_of_twins(tmp_path):
    more = """
class Weight(Value):
    __slots__ = ("name",)
    def __init__(self, data, name="w"):
        super().__init__(data)
        self.name = name

class Bias(Value):
    pass
"""
    changes = [("a, b = Value(2), Value(-3.0)", "a, b = Weight(2, 'first'), Bias(-3.0); b.m = [0.5]"),
               ("return a, d", "a.grad = 7; return a, d"),
               ("(a * d).data)",
                "(a * d).data, a.name, [getattr(c, 'm', 0) for c in d._children[0]._children[0]._children])")]
    plain, ours = exchanged(tmp_path, script_of(more=more, changes=changes))
    assert plain == ours


DISPATCH = """
import pickle, sys
class Value:
    def __init__(self, data, _children=(), _op=""):
        self.data, self.grad, self._prev, self._op = data, 0.0, _children, _op
    def __add__(self, other): return Value(self.data + other.data, (self, other), "add")
    def __mul__(self, other): return Value(self.data * other.data, (self, other), "*")
    def __pow__(self, n): return Value(self.data ** n, (self,), f"**{n}")
    def relu(self): return Value(0 if self.data < 0 else self.data, (self,), "ReLU")
    def backward(self):
        topo, visited = [], set()
        def build_topo(v):
            if v not in visited:
                visited.add(v)
                for child in v._prev:
                    build_topo(child)
                topo.append(v)
        build_topo(self)
        self.grad = 1.0
        for v in reversed(topo):
            if v._op == "add":
                for child in v._prev:
                    child.grad += v.grad
            elif v._op == "*":
                a, b = v._prev
                a.grad += b.data * v.grad
                b.grad += a.data * v.grad
            elif v._op == "ReLU":
                v._prev[0].grad += (v.data > 0) * v.grad
            elif v._op.startswith("**"):
                n = float(v._op[2:])
                v._prev[0].grad += n * v._prev[0].data ** (n - 1) * v.grad

def graph():
    a, b = Value(2.0), Value(-3.0)
    return a, b, ((a * b + a) ** 2.0 + b * b).relu() * a

if __name__ == "__main__":
    if sys.argv[1] == "write":
        pickle.dump(graph(), open(sys.argv[2], "wb"))
    else:
        a, b, root = pickle.load(open(sys.argv[2], "rb")) if sys.argv[1] == "read" else graph()
        for x in 1.5, -4.0:
            a.data, a.grad, b.grad = x, 0.0, 0.0
            root.backward()
            print(a.grad, b.grad, root._op, [c._op for c in root._prev], root.data)
"""


def test_a_class_that_knows_derivatives_by_the_operation_s_name(tmp_path):
    """They aren't in its pickles, and are taken when backward() runs."""
    (tmp_path / "script.py").write_text(DISPATCH)
    ways = {"plain": [], "ours": ["-m", "fastgrad"]}
    for writer, options in ways.items():
        python(*options, "script.py", "write", writer, cwd=tmp_path).stdout
    wanted = python("script.py", "make", cwd=tmp_path).stdout
    for options in ways.values():
        for writer in ways:
            assert python(*options, "script.py", "read", writer, cwd=tmp_path).stdout == wanted


def test_names_and_containers_of_an_author_s_own(tmp_path):
    changes = [("_children", "parents"), ("        self.parents = children\n", ""),
               ("self.grad = 0\n", "self.gradient = 0\n        self.name = ''\n"),
               (".grad", ".gradient"), (".gradientient", ".gradient"),
               ("self._local_grads = local_grads", "self._local_grads = local_grads; self.parents = list(children)"),
               ("a, b = Value(2), Value(-3.0)", "a, b = Value(2), Value(-3.0); a.name = 'a'; a.extra = 1.5")]
    plain, ours = exchanged(tmp_path, script_of(changes=changes))
    assert plain == ours


@pytest.mark.parametrize("slots", ["", SLOTS], ids=["dict", "slots"])
def test_plain_python_reads_a_twin_s_deep_graph(tmp_path, slots):
    (tmp_path / "script.py").write_text(script_of(slots).partition("if __name__")[0] + """
def deep():
    v = x = Value(0.5)
    for i in range(20_000):
        v = v + x
    return [x, v, x]

if __name__ == "__main__":
    if sys.argv[1] == "write":
        pickle.dump(deep(), open("deep", "wb"))
    x, v, y = pickle.load(open("deep", "rb"))
    n, u = 0, v
    while u._children:
        assert u._children[1] is x is y and type(u) is Value
        n, u = n + 1, u._children[0]
    print(n, u is x, v.data, v.grad)
""")
    assert python("-m", "fastgrad", "script.py", "write", cwd=tmp_path).stdout == "20000 True 10000.5 0\n"
    assert python("script.py", "read", cwd=tmp_path).stdout == "20000 True 10000.5 0\n"


def test_closures_are_refused_as_by_plain_python(tmp_path):
    """Errors and what can be pickled, of the lecture's class and of one that has None on leaves."""
    engine = "import copy, math, pickle\n" + ENGINE
    show = textwrap.dedent("""
        if __name__ == "__main__":
            a, b = Value(2.0, label="a"), Value(3.0)
            for v in (a, a * b, a + b, (a * b).tanh(), [a * b], a ** 2, a.exp() if hasattr(a, "exp") else a):
                try:
                    w = pickle.loads(pickle.dumps(v))
                    print(w.data, w.grad, w._prev, w._op, w._backward, w.label)
                except Exception as error:
                    print(type(error).__name__, str(error).partition(" at 0x")[0])
    """)
    assert "self._backward = lambda: None" in engine
    for text in (engine, engine.replace("self._backward = lambda: None", "self._backward = None")
                         .replace("node._backward()", "node._backward and node._backward()")):
        (tmp_path / "script.py").write_text(text + show)
        plain = python("script.py", cwd=tmp_path).stdout
        assert python("-m", "fastgrad", "script.py", cwd=tmp_path).stdout == plain
        assert plain.count("Error") >= 5


OLD_TWIN = (    # made by fastgrad 0.1
    'c-m`VnR=fA0%E6V^a!LS7MG+KC8p>l=ND9F=A}>R;fycME67aF&Pkmz8K{CIsWdaEBr~sgN)Jm;W^oBnFm_7ol%Od+9P#nFiJ5uv@l$$'
    'O!xD2!LF(NdpoV+1XlnK_Oep~>%wX2YU;|o~!4G8lW$<`2!&PZ&X7ECl043ZVB%qoZfog@?rXZ<oo6^Im1vV}fWI0H&0$j0p20u_Sqc<'
    'Z+l{Q3`9sq|AMRf'
)


def test_a_twin_s_pickle_of_0_1(tmp_path):
    (tmp_path / "script.py").write_text(script_of(SLOTS) + f"""
    import base64, zlib
    a, c = pickle.loads(zlib.decompress(base64.b85decode({OLD_TWIN!r})))
    print(seen(a, c))
""")
    assert python("-m", "fastgrad", "script.py", "", cwd=tmp_path).stdout == (
        "[('Value', 2.0, 4, (), 'tuple', []), ('Value', 8.0, 1, (1, 1), 'tuple', [2, 0]), "
        "('Value', 6.0, 1, (3, 2.0), 'tuple', [0, 3]), ('Value', 3, 2.0, (), 'tuple', [])]\n")


PROCESSES = """
def work(v):
    w = v * v + v
    w.backward()
    return v, w

def stay(inbox, outbox):
    for v in iter(inbox.get, None):
        outbox.put(work(v))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    a, d = graph()
    with context.Pool(2) as pool:
        for v, w in pool.map(work, [a, d, Value(4)]):
            print(seen(v, w), w._children[1] is v, type(w) is Value)
    inbox, outbox = context.Queue(), context.Queue()
    process = context.Process(target=stay, args=(inbox, outbox))
    process.start()
    inbox.put(d)
    print(seen(*outbox.get(timeout=60)))
    inbox.put(None)
    process.join()
"""


@pytest.mark.parametrize("slots", ["", SLOTS], ids=["dict", "slots"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_values_between_processes(tmp_path, method, slots):
    """The children of spawn and forkserver import the script in plain Python, and have its own class."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this system")
    (tmp_path / "script.py").write_text(script_of(slots).partition("if __name__")[0] + PROCESSES)
    plain = python("script.py", method, cwd=tmp_path).stdout
    assert python("-m", "fastgrad", "script.py", method, cwd=tmp_path).stdout == plain and plain.count("Value") > 20
