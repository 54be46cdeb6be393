"""What can be seen of a class without trying it: whether it looks like an engine, and what speaks against a twin."""
import ast
import dis
import enum
import linecache
import os
import sys
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, ModuleType

from fastgrad.script import probe
from fastgrad.script.probe import NotReplaceable

BACKWARD_NAMES = ("backward", "backprop", "backpropagate", "back_propagate", "backwards", "back", "run_backward")
FOREIGN = ("shape", "dot", "matmul", "ndarray", "ones_like", "zeros_like", "transpose", "weakref", "logging")
UNTOUCHABLE = ("__new__", "__del__", "__getattr__", "__getattribute__", "__setattr__", "__delattr__", "__call__",
               "__array_ufunc__", "__set_name__", "__init_subclass__")


def looks_like_engine(cls):
    body = vars(cls)
    return (all(isinstance(body.get(name), FunctionType) for name in ("__init__", "__add__", "__mul__"))
            and any(isinstance(body.get(name), FunctionType) for name in BACKWARD_NAMES))


def check_by_sight(cls, module_globals):
    """Raise NotReplaceable for what a class's code does that trials don't show or would leave behind."""
    for name in UNTOUCHABLE:
        if name in vars(cls):
            raise NotReplaceable(f"it defines {name}")
    if cls.__mro__ != (cls, object):
        raise NotReplaceable("it derives from another class")
    for function in probe.functions_of(cls):
        for name in probe.names_used(function.__code__):
            if name in FOREIGN:
                raise NotReplaceable(f"{function.__name__} uses {name!r}")
        for name, thing in things_read(function, cls, module_globals):
            if not (is_harmless(thing, cls) or isinstance(thing, CONSTANTS)):
                raise NotReplaceable(f"{function.__name__} uses {name!r}, which a trial could change")
        for code in probe.codes_of(function.__code__):
            for instruction in dis.get_instructions(code):
                if instruction.opname == "IMPORT_NAME" and is_well_known(instruction.argval):
                    continue
                if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL", "DELETE_ATTR", "IMPORT_NAME"):
                    raise NotReplaceable(f"{function.__name__} has {instruction.opname} {instruction.argval}")
                if instruction.opname == "STORE_ATTR" and instruction.argval in vars(cls) \
                        and not isinstance(vars(cls)[instruction.argval], (MemberDescriptorType, property)):
                    raise NotReplaceable(f"{function.__name__} assigns the class's {instruction.argval!r}")
    if "doctest" in sys.modules and any(">>>" in (f.__doc__ or "") for f in probe.functions_of(cls)):
        raise NotReplaceable("its docstrings are tests")


def is_well_known(module):
    """Whether to import a module within a method leaves no traces."""
    return module.partition(".")[0] in sys.stdlib_module_names | {"numpy", "graphviz", "matplotlib"}


CONSTANTS = (int, float, str, bytes, type(None), tuple, frozenset)


def is_harmless(thing, cls):
    """Whether to use something leaves no traces in it, and it's always the same."""
    if isinstance(thing, type):
        return thing is cls or thing.__name__ == cls.__name__ or issubclass(thing, (BaseException, enum.Enum)) \
            or thing.__module__ in sys.stdlib_module_names
    return isinstance(thing, (ModuleType, FunctionType, BuiltinFunctionType, staticmethod, classmethod, property,
                              MemberDescriptorType)) or type(thing).__module__ in ("typing", "numpy", "functools")


def things_read(function, cls, module_globals, known=None):
    """The globals, variables of enclosing functions and attributes of the class that a function reads, by name; also
    those that functions of the module read for it."""
    known = set() if known is None else known
    if function in known:
        return
    known.add(function)
    for code in probe.codes_of(function.__code__):
        for instruction in dis.get_instructions(code):
            if instruction.opname == "LOAD_GLOBAL" and instruction.argval in module_globals:
                thing = module_globals[instruction.argval]
                yield instruction.argval, thing
                if isinstance(thing, FunctionType) and thing.__globals__ is module_globals:
                    yield from things_read(thing, cls, module_globals, known)
            elif instruction.opname.startswith(("LOAD_ATTR", "LOAD_METHOD")) and instruction.argval in vars(cls):
                yield instruction.argval, vars(cls)[instruction.argval]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        if name not in ("__class__", cls.__name__):
            try:
                thing = cell.cell_contents
            except ValueError:
                continue
            yield name, thing
            if isinstance(thing, FunctionType):
                yield from things_read(thing, cls, module_globals, known)


def reads_what_may_change(function, cls, module_globals, roles):
    """Why a method can't be ours though it does what ours does now: it reads a flag. None if it reads none."""
    if not isinstance(function, FunctionType):
        return "it isn't a plain function"
    for name, thing in things_read(function, cls, module_globals):
        if not is_harmless(thing, cls):
            return f"it reads {name!r}, which may change"
    for name in probe.names_used(function.__code__) if function.__name__ != "__init__" else ():
        if name in roles.extras and name != "label":
            return f"it reads {name!r}, which may change"
    return None


def only_stores(function):
    """Whether a constructor does nothing but to store what it's given, as it is or as a container of another kind."""
    names = set()
    for instruction in dis.get_instructions(function.__code__):
        if instruction.opname.startswith(("RAISE", "POP_JUMP", "JUMP_", "COMPARE", "CONTAINS", "FOR_ITER", "BINARY")):
            return False
        if instruction.opname == "LOAD_GLOBAL":
            names.add(instruction.argval)
    return names <= {"set", "tuple", "list", "frozenset"}


MUTATORS = {"add", "append", "extend", "update", "remove", "discard", "pop", "clear", "insert", "reverse", "sort"}
ARRAY_MAKERS = {"array", "zeros", "ones", "randn", "rand", "arange", "linspace", "asarray", "full", "eye"}


def check_files(file, name, roles):
    """Raise NotReplaceable for what the file around a class, or the script, does with it that a Value can't do."""
    for path in {file, getattr(sys.modules["__main__"], "__file__", None) or file}:
        try:
            tree = ast.parse("".join(linecache.getlines(path)))
        except SyntaxError:         # a notebook's cell with magics
            continue
        for node in ast.walk(tree):
            if complaint := complaint_about(node, name, roles):
                raise NotReplaceable(f"line {node.lineno} of {os.path.basename(path)} {complaint}")


def complaint_about(node, name, roles):
    """What speaks against a twin in a piece of the author's program, or None."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in MUTATORS and is_attribute(node.func.value, roles.children):
            return f"changes {node.func.value.attr!r} in place"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        first = node.args[0] if node.args else None
        if node.func.id == name and isinstance(first, (ast.List, ast.Tuple, ast.ListComp, ast.Set)):
            return "puts a list into it"
        if node.func.id == name and isinstance(first, ast.Call) and isinstance(first.func, ast.Attribute) \
                and first.func.attr in ARRAY_MAKERS and first.args:
            return "puts an array into it"
    elif isinstance(node, ast.Attribute) and node.attr in ("__dict__", "__slots__"):
        return f"uses {node.attr}"
    elif isinstance(node, ast.Name) and node.id in ("vars", "get_type_hints"):
        return f"uses {node.id}"
    elif isinstance(node, (ast.Subscript, ast.Starred)) and isinstance(node.ctx, (ast.Store, ast.Del)) \
            and is_attribute(node.value, roles.children):
        return f"changes {node.value.attr!r} in place"
    elif isinstance(node, ast.Assign) and any(is_attribute(x, {roles.grad, roles.data}) for x in node.targets):
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


def is_attribute(node, names):
    return isinstance(node, ast.Attribute) and node.attr in names
