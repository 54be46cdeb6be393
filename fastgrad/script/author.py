"""Read an author's class: its attributes, which of its methods may be tried, and reasons not to make a twin of it."""
import ast
import functools
import sys
from types import FunctionType, MemberDescriptorType

from fastgrad.loops.grammar import describe
from fastgrad.script import operands
from fastgrad.script.sandbox import NotReplaceable, Sandbox, codes_of, functions_in
from fastgrad.script.text import source_of, text_of
from fastgrad.script.trials import METHODS
from fastgrad.value.base import shown_file

BACKWARD_NAMES = ("backward", "backprop", "backpropagate", "back_propagate", "backwards", "back", "run_backward")
FOREIGN = ("shape", "dot", "matmul", "ndarray", "ones_like", "zeros_like", "transpose", "weakref", "logging")
UNTOUCHABLE = ("__new__", "__del__", "__getattr__", "__getattribute__", "__setattr__", "__delattr__",
               "__array_ufunc__", "__set_name__", "__init_subclass__", "__class_getitem__")
KEEPING = ("total_ordering", "dataclass", "final")       # class decorators that return the class itself
NOT_COPIED = ("__dict__", "__weakref__", "__slots__", "__module__", "__qualname__", "__doc__", "__firstlineno__",
              "__static_attributes__")


def body_of(cls):
    """A class's attributes by name, those of its bases included."""
    body = {}
    for base in reversed(cls.__mro__[:-1]):
        body.update(vars(base))
    return body


def backward_of(body, set_later=()):
    """The name of the method that passes gradients back: a usual name, or else one that contains "back". None if
    there's none.

    set_later: names of attributes that are assigned to the class after its statement.
    """
    names = [name for name, x in body.items() if isinstance(x, FunctionType)] + [*set_later]
    return next((name for name in (*BACKWARD_NAMES, *(name for name in names if "back" in name and name[0] != "_"))
                 if name in names), None)


def looks_like_engine(cls, set_later=()):
    """Whether a class may be a scalar autograd engine. set_later: as for backward_of."""
    body = body_of(cls)
    return (all(isinstance(body.get(name), FunctionType) for name in ("__init__", "__add__", "__mul__"))
            and backward_of(body, set_later) is not None)


def goes_through_attributes(function):
    """Whether a class's decorator goes through all attributes of the class, without naming them."""
    return any({"vars", "__dict__", "dir", "getmembers"} & {*code.co_names} for code in codes_of(function.__code__))


def keeps_class(decorator, module_globals):
    """Whether a class's decorator, an expression, returns the class that it's called with: it's one of Python's own
    that does, or a function, or a call of one that makes such a function, whose `return` says so."""
    called = getattr(decorator, "func", decorator)
    function = module_globals.get(getattr(called, "id", None))
    if isinstance(called, ast.Attribute) and called.attr in KEEPING \
            or getattr(function, "__module__", None) in ("functools", "dataclasses", "typing") and called.id in KEEPING:
        return True
    if not isinstance(function, FunctionType):
        return False
    nodes = text_of(function.__code__.co_filename).nodes
    node = next((x for x in nodes if isinstance(x, ast.FunctionDef) and x.lineno == function.__code__.co_firstlineno),
                None)
    if node and called is not decorator:
        made = {x.name: x for x in node.body if isinstance(x, ast.FunctionDef)}
        node = made.get(returned(node))
    return node is not None and bool(node.args.args) and returned(node) == node.args.args[0].arg


def returned(function):
    """The name that each `return` of a function's definition has. None if they don't have the same one, or it's bound
    again."""
    within = {id(x) for f in ast.walk(function) if isinstance(f, (ast.FunctionDef, ast.Lambda)) and f is not function
              for x in ast.walk(f)}
    nodes = [x for x in ast.walk(function) if id(x) not in within]
    names = {getattr(x.value, "id", None) for x in nodes if isinstance(x, ast.Return)}
    bound = {x.id for x in nodes if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store)} \
        | {x.name for x in nodes if isinstance(x, ast.ClassDef)}
    return names.pop() if len(names) == 1 and not names & bound and isinstance(function.body[-1], ast.Return) else None


class Author:
    """What reading tells about an author's class, without a trial. Raises NotReplaceable.

    body: the class's attributes by name, those of its bases included, and a backward() that's assigned to it later.
    set_later: that backward(), by name. theirs: a copy of the class for trials, in a sandbox.
    """

    def __init__(self, cls, module_globals, file, line):
        self.cls, self.module_globals, self.file, self.line = cls, module_globals, file, line
        self.text = text_of(file)
        self.body, self.set_later = body_of(cls), {}
        if self.text.tree is None:
            raise NotReplaceable("its text can't be read")
        self._check_kind()
        self.sandbox = Sandbox(cls, module_globals)
        self.backward = self._find_backward()
        self.has_bases = cls.__bases__ != (object,)

    @functools.cached_property
    def reader(self):
        from fastgrad.script.closed import Reader       # which takes long to import, and a known class doesn't need
        reader = Reader(self.cls, self.body, self.module_globals, self.text, self.sandbox.globals)
        reader.backward, reader.is_rebound = self.body[self.backward], self.is_rebound
        return reader

    @functools.cached_property
    def is_rebound(self):
        """Whether the class's name may come to mean something else, where its methods look it up."""
        name, statement = self.cls.__name__, self.text.class_at(self.cls.__name__, self.line)
        if "<locals>" not in self.cls.__qualname__:
            return self.text.is_rebound(name)
        return statement is not None and self.text.is_rebound_around(statement)

    @functools.cached_property
    def theirs(self):
        """A copy of the class for trials. Its methods that aren't closed are stubs."""
        self.sandbox.fill(self.body, self.reader.why_not)
        return self.sandbox.cls

    def _check_kind(self):
        for name in UNTOUCHABLE:
            if name in self.body:
                raise NotReplaceable(f"it defines {name}")
        if type(self.cls) is not type:
            raise NotReplaceable(f"it's made by {type(self.cls).__name__}")
        for base in self.cls.__mro__[1:-1]:
            odd = [name for name, x in vars(base).items() if name not in NOT_COPIED and not name.startswith("__ann")
                   and not isinstance(x, (FunctionType, property, staticmethod, classmethod))]
            odd += self.text.set_later.get(base.__name__, ())
            if odd or "__init__" in vars(base) or base.__module__ in sys.stdlib_module_names:
                raise NotReplaceable(f"it derives from {base.__name__}")
        for function in self.functions():
            for code in codes_of(function.__code__):
                if name := next((name for name in FOREIGN if name in code.co_names), None):
                    raise NotReplaceable(f"{function.__name__} uses {name!r}")
        if odd := next((d for d in self._decorators() if goes_through_attributes(d)), None):
            raise NotReplaceable(f"its decorator {odd.__name__} goes through its attributes")
        node = self.text.class_at(self.cls.__name__, self.line)
        for decorator in node.decorator_list if node else ():
            if not keeps_class(decorator, self.module_globals):
                raise NotReplaceable(f"its decorator {describe(decorator)} may return another class")
        if "doctest" in sys.modules and any(">>>" in (f.__doc__ or "") for f in self.functions()):
            raise NotReplaceable("its docstrings are tests")

    def _decorators(self):
        """The functions of the class's module that decorate it."""
        node = self.text.class_at(self.cls.__name__, self.line)
        for decorator in node.decorator_list if node else ():
            name = getattr(decorator, "func", decorator)
            thing = self.module_globals.get(getattr(name, "id", None))
            if isinstance(thing, FunctionType) and thing.__globals__ is self.module_globals:
                yield thing

    def _find_backward(self):
        name = backward_of(self.body)
        if name is not None:
            return name
        later = self.text.set_later.get(self.cls.__name__, {})
        name = backward_of({}, later)
        function = self.module_globals.get(later[name])
        if function is None and (code := self.text.later_function(later[name] or "")) is not None:
            exec(code, self.sandbox.globals)
            function = self.sandbox.globals[later[name]]
        if not isinstance(function, FunctionType):
            raise NotReplaceable(f"its {name}() isn't there yet")
        self.body[name] = self.set_later[name] = function
        return name

    def forget_trials(self):
        """Drop the sandbox's copies, so that the script's objects don't live longer than under plain Python."""
        self.sandbox.globals.clear()
        self.sandbox.copies.clear()
        vars(self).pop("theirs", None)

    def functions(self):
        """The functions in the class's body, those of properties and static methods included."""
        return [f for thing in self.body.values() for f in functions_in(thing) if isinstance(f, FunctionType)]

    def why_not(self, name):
        """Why a method may not be tried, in words that go after its name; None if it may."""
        reasons = [self.reader.why_not(f) for f in functions_in(self.body[name])] or ["is no function"]
        return next((reason for reason in reasons if reason), None)

    @property
    def shared(self):
        """The operations whose functions have several names, as after `__radd__ = __add__`. When one of these names is
        bound again, the others still mean the function."""
        functions = [self.body[name] for name in METHODS if name in self.body]
        return {name for name in METHODS if functions.count(self.body.get(name)) > 1}

    def may_try(self, name):
        return name in self.body and self.why_not(name) is None

    @property
    def has_slots(self):
        return any(isinstance(x, MemberDescriptorType) for x in self.body.values()) and "__dict__" not in self.body


# ---- How the program around a class uses it ----

ARRAY_MAKERS = {"array", "zeros", "ones", "randn", "rand", "arange", "linspace", "asarray", "full", "eye"}


def check_program(author, dialect):
    """Raise NotReplaceable if the class's file, or the script, uses the class in a way that a Value doesn't allow."""
    name, ours = author.cls.__name__, {"data", "grad", "_op", "_local_grads", "_backward"} - {*dialect.names}
    files = {author.file, getattr(sys.modules["__main__"], "__file__", None) or author.file}
    for path in operands.files_beside(files):
        if path not in files and not any(child.encode() in source_of(path) for child in dialect.children):
            continue        # it needn't be parsed
        for node, what in operands.changes(text_of(path), name, dialect.children):
            raise NotReplaceable(f"line {node.lineno} of {shown_file(path)} {what}")
    for path in files:
        nodes = text_of(path).nodes
        within = {id(x) for node in nodes if is_operand_class(node) for x in ast.walk(node)}
        for node in nodes:
            complaint = complaint_about(node, name, dialect)
            if not complaint and id(node) not in within:
                complaint = complaint_about_use(node, dialect, ours)
            if complaint:
                raise NotReplaceable(f"line {node.lineno} of {shown_file(path)} {complaint}")


def is_operand_class(node):
    """Whether a node of a syntax tree is a class statement with a method `__add__`."""
    return isinstance(node, ast.ClassDef) and any(getattr(x, "name", None) == "__add__" for x in node.body)


def complaint_about_use(node, dialect, ours):
    """Why a node of a syntax tree, outside of classes with `__add__`, rules out a twin, in words; None if it doesn't.

    ours: names of fields that our class has and the author's hasn't.
    """
    if isinstance(node, ast.Attribute):
        if node.attr in ours:
            return f"uses {node.attr!r}, which isn't an attribute of the class, but of ours"
    elif isinstance(node, ast.Constant) and type(node.value) is str and node.value in ours:
        return f"names {node.value!r}, which isn't an attribute of the class, but of ours"
    return None


def complaint_about(node, name, dialect):
    """Why a node of the program's syntax tree rules out a twin, in words; None if it doesn't. name: the class's."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        first = node.args[0] if node.args else None
        if node.func.id == name and isinstance(first, (ast.List, ast.Tuple, ast.ListComp, ast.Set)):
            return "puts a list into it"
        if node.func.id == name and isinstance(first, ast.Call) and isinstance(first.func, ast.Attribute) \
                and first.func.attr in ARRAY_MAKERS and first.args:
            return "puts an array into it"
        if node.func.id == "get_type_hints" or node.func.id == "vars" and is_name(first, name):
            return f"uses {node.func.id}"
    elif isinstance(node, ast.Attribute) and (node.attr == "__slots__" or node.attr == "__dict__"
                                              and is_name(node.value, name)):
        return f"uses {node.attr}"
    elif isinstance(node, ast.Assign) \
            and any(operands.is_attribute(x, {dialect.grad, dialect.data}) for x in node.targets):
        value = node.value
        if isinstance(value, ast.Constant) and not isinstance(value.value, (int, float)) \
                or isinstance(value, (ast.List, ast.Tuple)) \
                or isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == name:
            return "puts something else than a number into a gradient or a Value"
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        modules = [alias.name for alias in node.names] + [getattr(node, "module", None)]
        for module in ("weakref", "fractions", "decimal", "doctest", "inspect"):
            if module in modules:
                return f"imports {module}"
    return None


def is_name(node, name):
    return isinstance(node, ast.Name) and node.id == name
