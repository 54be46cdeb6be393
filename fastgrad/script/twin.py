"""A twin of an author's engine class: a class derived from fastgrad.Value under the author's names for things.

Method by method the twin is compared with the author's class on small expressions (trials.py, probe.py). What looks the
same to the last bit is ours. Where something differs, the author's method goes into the twin, and is compared again. In
the end the whole is compared in random programs. If the twin doesn't behave as the author's class does, there is none.
"""
import contextlib
import inspect
import random
from types import FunctionType, MemberDescriptorType

from fastgrad import engine
from fastgrad.engine import Value
from fastgrad.script import probe
from fastgrad.script.probe import NotReplaceable, Sandbox, observe, same
from fastgrad.script.sight import (BACKWARD_NAMES, check_by_sight, check_files, only_stores,
                                   reads_what_may_change)
from fastgrad.script.trials import EXPERIMENTS, GRAPHS, OPERATIONS, describe, random_program

NOT_COPIED = ("__dict__", "__weakref__", "__slots__", "__module__", "__qualname__", "__doc__", "__firstlineno__",
              "__static_attributes__", "__match_args__")
NODE = Value.__mro__[1]         # where the descriptors of the fields are


class Twin:
    """`ours`: a class derived from Value that takes over from `cls`. Raises NotReplaceable.

    methods: what came of each, in words. note: what else is to be known. roles: of the attributes (probe.py).
    """

    def __init__(self, cls, module_globals, file):
        self.cls, self.module_globals, self.methods, self.note = cls, module_globals, {}, ""
        check_by_sight(cls, module_globals)
        self.sandbox = Sandbox(cls, module_globals)
        self.theirs = self.sandbox.cls
        backward = next(name for name in BACKWARD_NAMES if name in vars(cls))
        before = static_state(self.theirs)
        with probe.quiet():
            self.roles = probe.find_roles(self.theirs, backward)
        check_files(file, cls.__name__, self.roles)
        self.kept = {}          # names of the author's attributes that the twin has
        self.ours = engine._make_class(cls.__module__, cls.__name__, cls.__doc__, **self.style())
        self.ours.__qualname__ = cls.__qualname__
        self.name_fields()
        self.keep_the_rest()
        self.sandbox.bind(self.theirs)
        self.choose_constructor()
        for name, experiments in EXPERIMENTS.items():
            if name in vars(cls):
                self.choose(name, experiments)
        if "__add__" in self.kept and "__mul__" in self.kept:
            raise NotReplaceable(f"its + and * aren't ours: {self.methods['__add__'].partition(': ')[2]}")
        self.choose_backward()
        self.check_whole()
        if static_state(self.theirs) != before:
            raise NotReplaceable("it counts or collects its instances")
        self.finish()

    def style(self):
        """What's an int and what's a float in the author's class, and how it calls operations."""
        roles, style = self.roles, {}
        style["float_data"], style["float_grad"] = roles.float_data, roles.float_grad
        style["float_seed"] = roles.float_seed
        style["methods"] = vars(self.cls)
        with probe.quiet():
            if "relu" in vars(self.cls):
                with contextlib.suppress(Exception):
                    a = self.theirs(-2.5)
                    y = a.relu()
                    style["float_zero"] = type(getattr(y, roles.data)) is float
                    style["same_zero"] = repr(getattr(self.theirs(-0.0).relu(), roles.data)) == "-0.0"
                    getattr(y, roles.backward)()
                    style["int_step"] = type(getattr(a, roles.grad)) is int
            if roles.op:
                style["names"] = self.names()
            style["power"] = vars(self.cls).get("__pow__")      # what isn't tried: Values, strings
            with contextlib.suppress(Exception):
                a, b = self.theirs(2.0), self.theirs(3.0)
                product = a * b
                setattr(b, roles.data, 5.0)
                getattr(product, roles.backward)()
                style["late"] = getattr(a, roles.grad) == 5.0
            style["results"] = self.results()
        return style

    def results(self):
        """The class of results where a subclass is among the operands, as a number (classes.pxi)."""
        derived = type("Derived", (self.theirs,), {})
        base, more = self.theirs(2.0), derived(3.0)
        rules = {(derived, derived, derived): 0, (derived, self.theirs, derived): 1,
                 (self.theirs, self.theirs, self.theirs): 2}
        try:
            found = {(type(f(more, more)), type(f(base, more)), type(f(more, base)))
                     for f in (lambda a, b: a + b, lambda a, b: a * b)}
        except probe.TRIAL_ERRORS:
            found = {}
        if len(found) != 1 or (rule := rules.get(*found)) is None:
            raise NotReplaceable("its subclasses' results aren't understood")
        return rule

    def names(self):
        names = {}
        op = self.roles.op[0]
        for name, make in OPERATIONS.items():
            with contextlib.suppress(Exception):
                theirs = getattr(make(self.theirs(0.7)), op)
                if theirs != name:
                    names[name] = theirs
        with contextlib.suppress(Exception):
            square, cube = getattr(self.theirs(0.7) ** 2, op), getattr(self.theirs(0.7) ** 3, op)
            if square == cube:
                names["**"] = square
        return names

    def name_fields(self):
        """The author's names for the fields of a node, and for backward()."""
        roles = self.roles
        setattr(self.ours, roles.backward, vars(NODE)["backward"])
        fields = {roles.data: "data", roles.grad: "grad"}
        fields.update(dict.fromkeys(roles.op, "_op"))
        fields.update(dict.fromkeys(roles.local_grads, "_local_grads"))
        fields.update(dict.fromkeys(roles.closure, "_backward"))
        for name, kind in roles.children.items():
            if kind in (set, tuple) and type(roles.childless[name]) is kind:
                fields[name] = "_prev" if kind is set else "_children"
            else:
                setattr(self.ours, name, children_property(kind, roles.childless[name]))
        for name, field in fields.items():
            if name != field:
                setattr(self.ours, name, vars(NODE)[field])
        for name, value in roles.extras.items():
            if name != "label" or value != "":
                setattr(self.ours, name, value)

    def keep(self, name):
        """Let the twin have the author's attribute; for now the sandbox's copy of it."""
        thing = vars(self.cls)[name]
        self.kept[name] = thing
        setattr(self.ours, name, self.sandbox.copy(thing))

    def keep_the_rest(self):
        for name, thing in vars(self.cls).items():
            if name in NOT_COPIED or isinstance(thing, MemberDescriptorType):
                continue
            if name in EXPERIMENTS or name in ("__init__", self.roles.backward):
                continue
            self.keep(name)
            if callable(thing) or isinstance(thing, (property, staticmethod, classmethod)):
                self.methods[name] = "the author's"
        if "__eq__" in vars(self.cls) and "__ne__" not in vars(self.cls):
            self.ours.__ne__ = object.__ne__
        if "__repr__" not in vars(self.cls):
            self.ours.__repr__ = object.__repr__
        for name in HIDDEN:
            if name not in vars(self.cls) and name not in self.roles.names:
                setattr(self.ours, name, hidden(name))
                reflected = name.replace("__", "__r", 1)
                if name in ("__sub__", "__truediv__", "__pow__") and reflected not in vars(self.cls):
                    setattr(self.ours, reflected, hidden(reflected))

    def on_ours(self):
        """While the twin is tried, the class's name means it in the sandbox."""
        return bound(self.sandbox, self.ours, self.theirs)

    def difference(self, experiments):
        for makes, all_values in experiments:
            for values in all_values:
                for make in makes:
                    for more in ({}, {"change": True, "by_hand": True}):
                        with self.on_ours():
                            seen = observe(make, self.ours, self.roles, values, **more)
                        wanted = observe(make, self.theirs, self.roles, values, **more)
                        if not same(seen, wanted):
                            return describe(seen, wanted, values)
        return None

    def choose(self, name, experiments):
        """Ours if nobody can tell, else the author's if that does on our nodes what it did on the author's."""
        function = vars(self.cls)[name]
        found = reads_what_may_change(function, self.cls, self.module_globals, self.roles)
        if not found and not name.startswith("__") and len(inspect.signature(function).parameters) > 1:
            found = "it takes arguments"
        found = found or self.difference(experiments)
        if found is None:
            self.methods[name] = "ours"
            return
        self.keep(name)
        if (still := self.difference(experiments)) is not None:
            raise NotReplaceable(f"{name} doesn't do on our nodes what it does on its own: {still}")
        self.methods[name] = f"the author's: {found}"

    def choose_constructor(self):
        """Ours if it takes the same arguments and there's nothing else that the author's does."""
        if found := reads_what_may_change(vars(self.cls)["__init__"], self.cls, self.module_globals, self.roles):
            raise NotReplaceable(f"its constructor: {found}")
        if takes_our_arguments(self.cls, self.roles):
            self.methods["__init__"] = "ours"
            return
        for name in self.roles.closure:
            setattr(self.ours, name, closure_property(name in self.roles.no_closure))
        self.keep("__init__")
        self.methods["__init__"] = "the author's: it takes other arguments than ours, or does more"

    def choose_backward(self):
        name = self.roles.backward
        function = vars(self.cls)[name]
        if found := reads_what_may_change(function, self.cls, self.module_globals, self.roles):
            raise NotReplaceable(f"{name}(): {found}")
        parameters = inspect.signature(function).parameters
        for how, backward in (("ours", None), ("ours, after setting the gradients to 0", zeroing_backward)):
            if backward:
                setattr(self.ours, name, backward)
            if self.gradients_differ() is None:
                if len(parameters) > 1:
                    setattr(self.ours, name, backward_with_arguments(getattr(self.ours, name),
                                                                     self.sandbox.copy(function)))
                    self.kept[name] = backward_with_arguments(backward or vars(NODE)["backward"], function)
                    how += " when called without arguments"
                if not self.is_ordered() or self.order_is_ours():
                    self.methods[name] = how
                    return
        self.kept.pop(name, None)
        self.keep(name)
        if (found := self.gradients_differ()) is not None:
            raise NotReplaceable(f"{name}() doesn't do on our nodes what it does on its own: {found}")
        self.methods[name] = "the author's: it gives other gradients than ours, or adds them in another order"

    def kinds_of_results(self, cls):
        """Of each operation with a subclass among the operands: whether the result is of the subclass."""
        derived = type("Derived", (cls,), {})
        kinds = []
        with probe.quiet():
            for name in EXPERIMENTS:
                base, more = cls(2.0), derived(3.0)
                for f in OPERATORS.get(name, (lambda base, more, name=name: getattr(more, name)(),)):
                    try:
                        kinds.append(type(f(base, more)) is derived)
                    except probe.TRIAL_ERRORS as error:
                        kinds.append(type(error))
        return kinds

    def is_ordered(self):
        return not {set, frozenset} & set(self.roles.children.values())

    def order_is_ours(self):
        return all(same(seen, wanted) for seen, wanted, _ in self.random_programs())

    def random_programs(self):
        """What is seen of random programs with all operations that the class has: with ours, and with theirs."""
        chance = random.Random(1)
        for _ in range(60):
            program = random_program(chance, self.theirs)
            values = [chance.choice([chance.uniform(-2, 2), chance.randint(-3, 3)]) for _ in range(3)]
            with self.on_ours():
                seen = observe(program, self.ours, self.roles, values)
            yield seen, observe(program, self.theirs, self.roles, values), values

    def gradients_differ(self):
        for make, values in GRAPHS:
            for times in (1, 2):
                with self.on_ours():
                    seen = observe(make, self.ours, self.roles, values, times=times)
                wanted = observe(make, self.theirs, self.roles, values, times=times)
                if not same(seen, wanted, 1e-12):
                    return describe(seen, wanted, values)
        return None

    def check_whole(self):
        """Random programs, and the classes of subclasses' results; raises NotReplaceable."""
        with self.on_ours():
            seen = self.kinds_of_results(self.ours)
        if seen != self.kinds_of_results(self.theirs):
            raise NotReplaceable("its subclasses' results aren't understood")
        to_the_bit = True
        for seen, wanted, values in self.random_programs():
            if not same(seen, wanted):
                to_the_bit = False
                if self.is_ordered() or not same(seen, wanted, 1e-9):
                    raise NotReplaceable(f"in a random program {describe(seen, wanted, values)}")
        if not to_the_bit:
            self.note = "gradients are added up in another order, so their last bits may differ"

    def finish(self):
        """The author's attributes as they are in place of the sandbox's copies."""
        for name, thing in self.kept.items():
            setattr(self.ours, name, thing)
        for function in probe.functions_of(self.cls):
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
                if name == "__class__":
                    cell.cell_contents = self.ours


@contextlib.contextmanager
def bound(sandbox, ours, theirs):
    sandbox.bind(ours)
    try:
        yield
    finally:
        sandbox.bind(theirs)


HIDDEN = ("exp", "log", "relu", "tanh", "sigmoid", "sqrt", "sin", "cos", "abs", "backward", "zero_grad", "detach",
          "__lt__", "__le__", "__gt__", "__ge__", "__sub__", "__truediv__", "__pow__", "__neg__", "__abs__",
          "__float__", "__int__", "__format__")
UNSUPPORTED = {"__neg__": "bad operand type for unary -:", "__abs__": "bad operand type for abs():",
               "__float__": "float() argument must be a string or a real number, not",
               "__int__": "int() argument must be a string, a bytes-like object or a real number, not"}


def hidden(name):
    """What makes a class that derives from Value seem to lack a method."""
    if name == "__format__":
        return object.__format__
    if name in UNSUPPORTED:
        def unsupported(self):
            raise TypeError(f"{UNSUPPORTED[name]} {type(self).__name__!r}")
        return unsupported
    if name in ("__lt__", "__le__", "__gt__", "__ge__"):
        return getattr(object, name)        # total_ordering looks for these
    if name.startswith("__"):
        return lambda self, other: NotImplemented

    def missing(self):
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
    return property(missing)


def children_property(kind, childless):
    """The operands as an author's class has them: in a container of a kind, and perhaps something else on a leaf."""
    children = vars(NODE)["_children"]

    def get(self):
        nodes = children.__get__(self)
        return kind(nodes) if nodes else type(childless)() if childless is not None else None
    return property(get, lambda self, nodes: children.__set__(self, () if nodes is None else nodes))


def closure_property(none_for_leaves):
    """`_backward` for an author's constructor, which gives every instance None or a function that does nothing."""
    closure, children = vars(NODE)["_backward"], vars(NODE)["_children"]

    def get(self):
        return None if none_for_leaves and not children.__get__(self) else closure.__get__(self)

    def assign(self, function):
        if not does_nothing(function):
            closure.__set__(self, function)
    return property(get, assign)


def does_nothing(function):
    return function is None or (isinstance(function, FunctionType) and function.__closure__ is None
                                and not probe.names_used(function.__code__))


# For kinds_of_results.
OPERATORS = {
    "__add__": (lambda a, b: a + b, lambda a, b: b + a, lambda a, b: b + 1.5),
    "__mul__": (lambda a, b: a * b, lambda a, b: b * a, lambda a, b: b * 1.5),
    "__sub__": (lambda a, b: a - b, lambda a, b: b - a, lambda a, b: b - 1.5),
    "__truediv__": (lambda a, b: a / b, lambda a, b: b / a, lambda a, b: b / 1.5),
    "__pow__": (lambda a, b: b ** 2,), "__neg__": (lambda a, b: -b,), "__abs__": (lambda a, b: abs(b),),
    "__radd__": (lambda a, b: 1.5 + b,), "__rmul__": (lambda a, b: 1.5 * b,), "__rsub__": (lambda a, b: 1.5 - b,),
    "__rtruediv__": (lambda a, b: 1.5 / b,), "__rpow__": (lambda a, b: 1.5 ** b,),
}


def zeroing_backward(self):
    self.zero_grad()
    vars(NODE)["backward"](self)


def backward_with_arguments(ours, theirs):
    def backward(self, *args, **named):
        return theirs(self, *args, **named) if args or named else ours(self)
    return backward


OUR_ARGUMENTS = [("data",), ("_children", "children", "_prev"), ("_op", "op", "local_grads", "_local_grads"),
                 ("label",)]


def takes_our_arguments(cls, roles):
    """Whether Value's own constructor does for a class: the same arguments, nothing done but to store them, and no
    attributes beyond the node's."""
    if not only_stores(vars(cls)["__init__"]):
        return False
    parameters = list(inspect.signature(vars(cls)["__init__"]).parameters.values())[1:]
    if len(parameters) > len(OUR_ARGUMENTS) or set(roles.extras) - {"label"}:
        return False
    for parameter, names in zip(parameters, OUR_ARGUMENTS):
        if parameter.name not in names or parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            return False
    wanted = [(inspect.Parameter.empty,), ((), None), ("", (), None), ("", None)]
    if not all(type(p.default) in (set, list) or p.default in some for p, some in zip(parameters, wanted)):
        return False
    return not (len(parameters) > 2 and parameters[2].name in ("_op", "op") and not roles.op)


def static_state(cls):
    """A class's own data, to see whether something counts in there."""
    return {name: repr(x) for name, x in vars(cls).items() if isinstance(x, (int, float, str, list, dict, set, tuple))
            and not name.startswith("__")}
