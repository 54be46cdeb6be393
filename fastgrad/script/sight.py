"""What can be seen of a class without trying it: whether it looks like an engine, and what speaks against a twin."""
import ast
import dis
import linecache
from types import FunctionType

from fastgrad.script import probe
from fastgrad.script.probe import NotReplaceable

BACKWARD_NAMES = ("backward", "backprop", "backpropagate", "back_propagate", "backwards", "back", "run_backward")
UNTOUCHABLE = ("__new__", "__del__", "__getattr__", "__getattribute__", "__setattr__", "__delattr__", "__call__",
               "__array_ufunc__", "__set_name__", "__init_subclass__")


def looks_like_engine(cls):
    body = vars(cls)
    return (all(isinstance(body.get(name), FunctionType) for name in ("__init__", "__add__", "__mul__"))
            and any(isinstance(body.get(name), FunctionType) for name in BACKWARD_NAMES))


def check_by_sight(cls, module_globals):
    """Raise NotReplaceable for what a class's code does that trials don't show or can't undo."""
    for name in UNTOUCHABLE:
        if name in vars(cls):
            raise NotReplaceable(f"it defines {name}")
    if issubclass(cls, BaseException) or cls.__mro__ != (cls, object):
        raise NotReplaceable("it derives from another class")
    for function in probe.functions_of(cls):
        for name in probe.names_used(function.__code__):
            if name in ("shape", "dot", "matmul", "ndarray", "weakref", "ones_like", "zeros_like", "transpose"):
                raise NotReplaceable(f"{function.__name__} uses {name!r}, which a Value hasn't")
            thing = module_globals.get(name)
            if isinstance(thing, (list, dict, set)) and name in function.__code__.co_names:
                raise NotReplaceable(f"{function.__name__} uses the global {name!r}")
        if stores_global(function.__code__):
            raise NotReplaceable(f"{function.__name__} assigns a global")


def stores_global(code):
    return any(i.opname == "STORE_GLOBAL" for i in dis.get_instructions(code))


MUTATORS = {"add", "append", "extend", "update", "remove", "discard", "pop", "clear", "insert"}
ARRAY_MAKERS = {"array", "zeros", "ones", "randn", "rand", "arange", "linspace", "asarray", "full", "eye"}


def check_file(file, name, roles):
    """Raise NotReplaceable for what the file around a class does with it that a Value can't do."""
    text = "".join(linecache.getlines(file))
    try:
        tree = ast.parse(text)
    except SyntaxError:             # a notebook's cell with magics, or no file at all
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS \
                and isinstance(node.func.value, ast.Attribute) and node.func.value.attr in roles.children:
            raise NotReplaceable(f"line {node.lineno} changes {node.func.value.attr!r} in place")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name and node.args:
            first = node.args[0]
            if isinstance(first, (ast.List, ast.Tuple, ast.ListComp, ast.Set)) or (
                    isinstance(first, ast.Call) and isinstance(first.func, ast.Attribute)
                    and first.func.attr in ARRAY_MAKERS and first.args):
                raise NotReplaceable(f"line {node.lineno} puts an array into it")
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [alias.name for alias in node.names] + [getattr(node, "module", None)]
            for module in ("weakref", "fractions", "decimal"):
                if module in modules:
                    raise NotReplaceable(f"line {node.lineno} imports {module}")
