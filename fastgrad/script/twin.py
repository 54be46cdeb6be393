"""Make a twin of an author's engine class: a class derived from fastgrad.Value, with the author's names.

An Author (author.py) reads the class. Its dialect is known from its text (known.py) or measured (measure.py). Then a
Twin is built, and a Verdict (verdict.py; with trials judge.py) decides for each method whether ours replaces it. If
something changes later that the verdict relied on, the twin goes back to the author's methods (watching.py).
"""
import builtins
import math
from types import MemberDescriptorType, ModuleType

from fastgrad import engine
from fastgrad.script import fields, watching
from fastgrad.script.author import NOT_COPIED, Author, check_program
from fastgrad.script.known import recognise
from fastgrad.script.pickling import pickle_as
from fastgrad.script.sandbox import codes_of, functions_in
from fastgrad.script.trials import METHODS
from fastgrad.script.verdict import Verdict


def make_twin(cls, module_globals, file, line):
    """Make the Twin of an author's class. line: where the class's statement begins. Raises NotReplaceable."""
    author = Author(cls, module_globals, file, line)
    dialect, known = recognise(author) or (None, {})
    kind, is_tried = Verdict, not author.body.keys() & {*METHODS} <= known.keys()
    if is_tried:                # only then, since these imports take long
        from fastgrad.script.judge import Judge as kind
        from fastgrad.script.measure import find_habits, measure
        if dialect is None:
            dialect = measure(author)
        else:
            find_habits(author.theirs, dialect, lambda name: name not in known and author.may_try(name))
    check_program(author, dialect)
    twin = Twin(author, dialect, known, is_tried)
    kind(author, dialect, twin, known).decide()
    twin.finish()
    return twin


class Twin:
    """The class `ours`, derived from Value, which replaces the author's class `cls`.

    methods: the verdict on each method by name, in words. note: a remark for the report. dialect: the author's
    (dialect.py). is_tried: whether the verdict needs trials.
    """

    def __init__(self, author, dialect, known, is_tried):
        self.author, self.dialect, self.known, self.is_tried = author, dialect, known, is_tried
        self.cls, self.module_globals = author.cls, author.module_globals
        self.methods, self.note, self.kept, self.modules, self.has_gone_back = {}, "", {}, set(), False
        cls, named = self.cls, {}
        self.ours = engine._make_class(cls.__module__, cls.__name__, cls.__doc__, methods=author.body,
                                       power=author.body.get("__pow__"), check_number=fields.check_number,
                                       bases=cls.__bases__[:-1] if cls.__bases__[-1] is object else cls.__bases__,
                                       metaclass=watching.WatchedClass,
                                       instance_dict=fields.instance_dict(dialect, named, author.has_slots),
                                       **dialect.arguments())
        self.ours.__qualname__ = cls.__qualname__
        fields.hide(self.ours, {*author.body, *dialect.names})
        named.update(fields.name_fields(self.ours, dialect))
        self.invisible = vars(self.ours).keys() - author.body.keys() - {*dir(object)}    # by dir() of the class
        if "__eq__" in author.body and "__ne__" not in author.body:
            self.ours.__ne__ = object.__ne__
        if "__dir__" not in author.body:
            self.ours.__dir__ = lambda x: sorted({*dir(cls), *dialect.names, *(x._attributes() or ())})

    # ---- What the verdict calls ----

    def keep(self, name):
        """Give the twin the author's attribute. Until finish() it has the sandbox's copy or stub of it."""
        thing = self.author.body[name]
        if name in NOT_COPIED or name in self.dialect.names or isinstance(thing, MemberDescriptorType):
            return
        self.kept[name] = thing
        sandbox = self.author.sandbox
        may_be_run = not self.is_tried or not functions_in(thing) or self.author.why_not(name) is None
        setattr(self.ours, name, sandbox.copy(thing) if may_be_run else sandbox.stub(name))
        if functions_in(thing):
            self.methods[name] = "the author's"

    def keep_constructor(self):
        for name in self.dialect.closure:
            x = self.dialect.on_leaf[name]
            if x is not fields.MISSING:
                setattr(self.ours, name, fields.closure_field(name, x, self.author.body["__init__"]))
        self.keep("__init__")

    def use_backward(self, zeroing, with_arguments=False):
        """Make backward() ours. zeroing: whether it sets the gradients to 0 first. with_arguments: whether a call with
        arguments goes to the author's."""
        name = self.dialect.backward
        backward = zeroing_backward if zeroing else vars(fields.NODE)["backward"]
        self.kept.pop(name, None)
        if with_arguments:
            self.kept[name] = backward_with_arguments(backward, self.author.body[name])
            backward = backward_with_arguments(backward, self.author.sandbox.copy(self.author.body[name]))
        setattr(self.ours, name, backward)

    def finish(self):
        """Replace the sandbox's copies by the author's attributes, and watch what the verdict relies on."""
        for name, thing in self.kept.items():
            setattr(self.ours, name, thing)
        pickle_as(self.ours, self.cls, self.dialect)
        for function in self.author.functions():
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
                if name == "__class__":
                    cell.cell_contents = self.ours
        relied = self.author.reader.relied if self.is_tried else {}
        self.relied = {name for facts in self.known.values() for name in facts["relied"]}
        self.relied.update(name for function in self.functions_of_ours() for name in relied.get(function, ()))
        self.used = self.author.shared | (self.methods_used() if self.is_tried else set())  # a known text names none
        self.assigned = set()           # names of attributes that the script has assigned or deleted
        self.modules = {builtins, *(x for x in self.meanings().values() if isinstance(x, ModuleType))}
        if any("math" in code.co_names for f in self.functions_of_ours() for code in codes_of(f.__code__)):
            self.modules.add(math)
        self.meaning = self.meanings()
        self.author.forget_trials()
        watching.watch(self)

    def meanings(self):
        """The present values of the names that the verdict relies on, by name."""
        own, everyone = self.module_globals, vars(builtins)
        return {name: own.get(name, everyone.get(name)) for name in self.relied}

    def has_changed(self):
        """Whether a name that the verdict relies on has another value than when the twin was made."""
        now = self.meanings()
        return any(now[name] is not x for name, x in self.meaning.items() if x is not None)

    def methods_used(self):
        """The names of the methods that those of the author's methods use which ours replace."""
        from fastgrad.script.closed import methods_named
        return {name for function in self.functions_of_ours() for name in methods_named(function, self.author.body)}

    def functions_of_ours(self):
        return [f for name, how in self.methods.items() if how.startswith("ours")
                for f in functions_in(self.author.body[name])]

    # ---- What watching.py asks ----

    def relies_on(self, module_globals, names):
        """Whether the verdict relies on one of these names in a module's globals. names: a set, or None for all."""
        if module_globals is self.module_globals:
            own = {*self.relied, self.cls.__name__}
            return bool(own if names is None else own & names)
        return any(vars(module) is module_globals for module in self.modules) and names is not None \
            and any(name in f.__code__.co_names for f in self.functions_of_ours() for name in names)

    def expects(self, name, value):
        """Whether an assignment to the class is one that the verdict has foreseen, so that nothing is to be done."""
        later = self.author.set_later.get(name)
        return later is not None and self.methods.get(name, "").startswith("ours") \
            and getattr(value, "__code__", None) == later.__code__

    def is_hidden_by_instances(self, name, value):
        """Whether an assignment to the class can't be seen, since every instance has an attribute of this name."""
        return name in self.dialect.names and not self.author.has_slots and not hasattr(type(value), "__set__")

    def is_changed_by(self, cls, name):
        """Whether an attribute that was just set or deleted on a class may change what the author's methods do.

        cls: ours, or a class derived from it. name: the attribute's.
        """
        if cls is not self.ours and name in ("__init__", "__new__"):
            return self.dialect.results != 2        # with 2, results are never of a subclass
        is_protocol = name.startswith("__") and name.endswith("__") and name not in METHODS and name not in HARMLESS
        return is_protocol or name in self.dialect.fields or name in self.used

    def go_back(self):
        """Put the author's methods in place of ours. They run on our nodes from now on."""
        self.has_gone_back = True
        for name, how in self.methods.items():
            if how.startswith("ours") and name != "__init__" and name not in {*self.author.set_later, *self.assigned}:
                type.__setattr__(self.ours, name, self.author.body[name])
                self.methods[name] = f"the author's again, since something has changed; before: {how}"


# Attributes of a class that don't affect what its methods do.
HARMLESS = {"__repr__", "__str__", "__format__", "__doc__", "__module__", "__qualname__", "__name__", "__annotations__",
            "__dict__", "__weakref__", "__slots__", "__slotnames__", "__firstlineno__", "__static_attributes__",
            "__match_args__", "__abstractmethods__", "__orig_bases__", "__parameters__", "__dir__", "__sizeof__",
            "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__copy__", "__deepcopy__", "__lt__",
            "__le__", "__gt__", "__ge__", "__float__", "__int__", "__iadd__", "__isub__", "__imul__", "__itruediv__"}


def zeroing_backward(self):
    self.zero_grad()
    vars(fields.NODE)["backward"](self)


def backward_with_arguments(ours, theirs):
    def backward(self, *args, **named):
        return theirs(self, *args, **named) if args or named else ours(self)
    return backward
