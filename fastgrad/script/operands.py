"""Find where a program changes the operands of a node that has some: in its files, and in modules beside them.

In plain Python a closure knows its operands itself: a node whose `_prev` has been emptied still passes its gradient on.
Ours doesn't, so such a class stays as it is.
"""
import ast
import os
import re
import sys
from types import ModuleType

from fastgrad.script.text import source_of

MUTATORS = {"add", "append", "extend", "update", "remove", "discard", "pop", "clear", "insert", "reverse", "sort"}
SETTERS = {"setattr", "delattr", "__setattr__", "__delattr__"}
BUILDERS = {"__init__", "__setstate__"}         # methods that may set operands, since their node has none yet
IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+)?import[ \t(]+([\w., \t]*)", re.MULTILINE)


# ---- Which files ----

def files_beside(files):
    """The files of a program: the given ones, and the modules in their folders that are imported, or that they import.
    """
    folders, found = {os.path.dirname(os.path.abspath(file)) for file in files}, [*files]
    for module in list(sys.modules.values()):
        file = vars(module).get("__file__") if type(module) is ModuleType else None
        if file and file.endswith(".py") and os.path.dirname(file) in folders:
            found.append(file)
    found = list(dict.fromkeys(found))
    for file in found:                          # which grows meanwhile
        source = source_of(file)
        folder = os.path.dirname(os.path.abspath(file))
        for package, names in IMPORT.findall(source if isinstance(source, bytes) else source.encode()):
            found += [path for path in modules(folder, package.decode(), names.decode()) if path not in found]
    return found


def modules(folder, package, names):
    """The files in a folder that an import may mean: `from package import names`, or `import names`."""
    package = package.lstrip(".").replace(".", os.sep)
    for name in [package, *(os.path.join(package, name.split()[0].replace(".", os.sep))
                            for name in names.split(",") if name.strip())]:
        for path in (os.path.join(folder, name + ".py"), os.path.join(folder, name, "__init__.py")):
            if name and os.path.isfile(path):
                yield path


# ---- Where ----

def changes(text, class_name, children):
    """Where a file changes operands: pairs of a node of its syntax tree and what it does, in words.

    text: the file's Text (text.py). class_name: the engine's. children: the names of the attributes with the operands.
    """
    is_elsewhere = {}       # id of a node within a class that isn't an engine: its `self` is something else
    made = {}               # id of a node: names of instances that its function has made, which have no operands yet
    for node in text.nodes:
        if isinstance(node, ast.ClassDef) and not is_engine(node, class_name):
            is_elsewhere.update((id(x), True) for x in ast.walk(node))
        elif isinstance(node, ast.FunctionDef):
            names = {target.id for x in ast.walk(node) if isinstance(x, ast.Assign) and makes(x.value, class_name)
                     for target in x.targets if isinstance(target, ast.Name)}
            if node.name in BUILDERS and node.args.args:
                names.add(node.args.args[0].arg)
            for x in ast.walk(node) if names else ():
                made[id(x)] = made.get(id(x), set()) | names
    names_children = any(is_constant(x, children) for x in text.nodes)
    for node in text.nodes:
        what = None
        if isinstance(node, ast.Attribute) and node.attr in children and not isinstance(node.ctx, ast.Load):
            base = getattr(node.value, "id", None)
            if base not in made.get(id(node), ()) and not (base == "self" and id(node) in is_elsewhere):
                what = f"assigns {node.attr!r}"
        elif isinstance(node, ast.Call):
            function = getattr(node.func, "id", getattr(node.func, "attr", None))
            if function in SETTERS and any(is_constant(x, children) for x in node.args[:2]):
                what = f"assigns {min(children)!r} by {function}"
            elif function in SETTERS and names_children and not any(isinstance(x, ast.Constant) for x in node.args[:2]):
                what = f"names {min(children)!r}, and uses {function}"
            elif function in MUTATORS and is_attribute(getattr(node.func, "value", None), children):
                what = f"changes {node.func.value.attr!r} in place"
        elif isinstance(node, (ast.Subscript, ast.Starred)) and not isinstance(node.ctx, ast.Load):
            if is_attribute(node.value, children):
                what = f"changes {node.value.attr!r} in place"
        if what:
            yield node, what


def is_engine(node, class_name):
    """Whether a class statement is of the engine, or of a class derived from it."""
    return node.name == class_name or any(getattr(x, "name", None) == "__add__" for x in node.body) \
        or any(getattr(x, "id", getattr(x, "attr", None)) == class_name for x in node.bases)


def makes(value, class_name):
    """Whether an expression makes an instance: `Value(...)`, `cls(...)`, `type(self)(...)`, `Value.__new__(Value)`."""
    function = value.func if isinstance(value, ast.Call) else None
    return isinstance(function, ast.Name) and function.id in (class_name, "cls") \
        or isinstance(function, ast.Attribute) and function.attr in ("__class__", "__new__") \
        or isinstance(function, ast.Call) and getattr(function.func, "id", None) == "type"


def is_attribute(node, names):
    return isinstance(node, ast.Attribute) and node.attr in names


def is_constant(node, names):
    return isinstance(node, ast.Constant) and type(node.value) is str and node.value in names
