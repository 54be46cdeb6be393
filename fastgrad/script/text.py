"""Read the source file of a class: what it says about names before it runs.

Python binds names while a program runs, so a name that a method uses may mean something else later. The source tells
which names are bound once, which functions are defined only after the class statement, and what is assigned to the
class.
"""
import ast
import math
import sys
from collections import Counter

from fastgrad.loops.warned import without_warnings

# Names by which a program may bind a name or change a function without the source showing it.
OUT_OF_SIGHT = {"exec", "eval", "globals", "vars", "locals", "compile", "__import__", "__dict__", "__globals__",
                "f_globals", "f_locals", "f_builtins", "modules", "__code__", "__defaults__", "__kwdefaults__",
                "__builtins__"}
READING = {"get", "keys", "values", "items", "copy"}        # methods of a dict that change nothing


class Text:
    """The facts about one file. source: its text, if it isn't to be read. `tree` is None if there's no valid source."""

    def __init__(self, file, source=None):
        self.file = file
        self.source = source_of(file) if source is None else source
        try:
            with without_warnings():        # they're given when the file is compiled to run
                self.tree = ast.parse(self.source) if self.source else None
        except (SyntaxError, ValueError):
            self.tree = None
        self.bindings = Counter()       # name at the module's level: how often it's bound
        self.imports = Counter()        # the same: how often by imports
        self.modules = set()            # modules that are imported by their own names at the module's level
        self.functions = {}             # name of a function at the module's level: its definition
        self.constants = {}             # name at the module's level: the constant that it's bound to
        self.set_later = {}             # name: {attribute that is assigned to it: name of the value, or None}
        self.is_dynamic = False         # whether it may bind names without the source showing it
        self.binds_anything = False     # whether it has `from somewhere import *` or exec
        self.import_lines = {}          # name at the module's level: the last line that imports it
        self.nodes = list(ast.walk(self.tree)) if self.tree is not None else []
        self.class_statements = Counter(node.name for node in self.nodes if isinstance(node, ast.ClassDef))
        if self.tree is not None:
            self._read(self.tree.body, at_top=True)

    def is_bound_once(self, name):
        """Whether this file binds a name exactly once, and can't bind it again without the source showing it."""
        return self.tree is not None and not self.is_dynamic and not self.binds_anything and self.bindings[name] == 1

    def is_rebound(self, cls_name):
        """Whether anything but class statements, and imports before the first of them, binds a class's name."""
        first = min((node.lineno for node in self.nodes if isinstance(node, ast.ClassDef) and node.name == cls_name),
                    default=0)
        return self.bindings[cls_name] > self.class_statements[cls_name] + self.imports[cls_name] \
            or self.import_lines.get(cls_name, 0) > first

    def is_rebound_around(self, statement):
        """Whether a function around a class's statement binds the class's name in another way too."""
        around = [f for f in self.nodes if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef))
                  and f.lineno <= statement.lineno <= f.end_lineno and statement in ast.walk(f)]
        return any(binds(x, statement.name) for f in around for x in ast.walk(f))

    def class_at(self, name, line):
        """The statement of a class, or None. line: that of `class`, or one from its first decorator on."""
        for node in self.nodes:
            if isinstance(node, ast.ClassDef) and node.name == name \
                    and min([node.lineno, *(d.lineno for d in node.decorator_list)]) <= line <= node.lineno:
                return node
        return None

    def later_function(self, name):
        """Code that defines a function of the module ahead of time. None if the function isn't bound once, has
        decorators, or has defaults that aren't constants."""
        node = self.functions.get(name)
        if node is None or node.decorator_list or not self.is_bound_once(name) \
                or not all(isinstance(x, ast.Constant) for x in defaults(node)):
            return None
        return compile(ast.Module([node], []), self.file, "exec", dont_inherit=True)

    def _read(self, body, at_top, times=1):
        """Note what statements bind. at_top: whether they are at the module's level, not in a function or a class.
        times: how often a binding counts; 2 if the statements may run several times."""
        todo = list(body)
        while todo:
            node = todo.pop()
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                if at_top:
                    self.bindings[node.name] += times
                    if isinstance(node, ast.FunctionDef) and times == 1:
                        self.functions[node.name] = node
                    todo += node.decorator_list
                    todo += [*node.bases, *node.keywords] if isinstance(node, ast.ClassDef) else defaults(node)
                self._read(node.body, False)
                continue
            if isinstance(node, ast.Lambda):
                todo += defaults(node) if at_top else []
                self._read([node.body], False)
                continue
            if isinstance(node, (ast.For, ast.AsyncFor, ast.While)) and at_top and times == 1:
                self._read([node], True, times=2)
                continue
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                self.bindings.update(2 * node.names)        # the function may bind it any number of times
            elif isinstance(node, ast.Name):
                self.binds_anything |= node.id == "exec"
                if at_top and not isinstance(node.ctx, ast.Load):
                    self.bindings[node.id] += times
                self.is_dynamic |= node.id in OUT_OF_SIGHT and isinstance(node.ctx, ast.Load)
            elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping)) and at_top:
                self.bindings[getattr(node, "name", None) or getattr(node, "rest", None)] += 2      # may be deleted
            elif isinstance(node, (ast.Import, ast.ImportFrom)) and at_top:
                names = [(alias.name, alias.asname or alias.name.partition(".")[0]) for alias in node.names]
                if starred := names_with_star(node):
                    names = [(name, name) for name in starred]
                for full, name in names:
                    self.modules |= {name} & {full} if isinstance(node, ast.Import) else set()
                    self.binds_anything |= name == "*"
                    if not full == name == "math":
                        self.bindings[name] += times
                        self.imports[name] += times
                        self.import_lines[name] = max(node.lineno, self.import_lines.get(name, 0))
            elif isinstance(node, ast.comprehension):           # its targets are local to it
                todo += [node.iter, *node.ifs]
                continue
            elif isinstance(node, ast.Subscript) and is_globals(node.value, at_top) \
                    and not isinstance(node.ctx, ast.Load):
                self._read_names([getattr(node.slice, "value", None)])      # globals()['max'] = ...
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) \
                    and is_globals(node.func.value, at_top) and node.func.attr not in READING:
                self._read_names([*(keyword.arg for keyword in node.keywords), *(None for _ in node.args)])
            elif isinstance(node, (ast.Assign, ast.NamedExpr)) and is_globals(node.value, at_top):
                self.binds_anything = True
            elif isinstance(node, ast.Attribute):
                self.is_dynamic |= node.attr in OUT_OF_SIGHT
                if isinstance(node.value, ast.Name) and not isinstance(node.ctx, ast.Load):
                    self.set_later.setdefault(node.value.id, {}).setdefault(node.attr, None)
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                self._read_assignment(node.targets[0], node.value, at_top)
            todo += ast.iter_child_nodes(node)

    def _read_names(self, names):
        """Note names that are bound by way of globals(). None stands for a name that isn't known."""
        for name in names:
            if isinstance(name, str):
                self.bindings[name] += 2
            else:
                self.binds_anything = True

    def _read_assignment(self, target, value, at_top):
        if isinstance(target, ast.Name) and at_top and isinstance(value, ast.Constant):
            self.constants[target.id] = value.value
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and at_top \
                and isinstance(value, ast.Name):
            self.set_later.setdefault(target.value.id, {})[target.attr] = value.id


def names_with_star(node):
    """The names that `from math import *` and `from typing import *` bind; none of another import."""
    if not isinstance(node, ast.ImportFrom) or node.level > 0 or node.names[0].name != "*":
        return []
    if node.module == "typing":
        import typing           # seldom needed, and it takes 4 ms
        return typing.__all__
    return [name for name in dir(math) if name[0] != "_"] if node.module == "math" else []


def is_globals(node, at_top):
    """Whether a node of a syntax tree is `globals()`; or `vars()` or `locals()`, which are the same at the top."""
    return isinstance(node, ast.Call) and not node.args and getattr(node.func, "id", None) in (
        ("globals", "vars", "locals") if at_top else ("globals",))


def binds(node, name):
    """Whether a node of a syntax tree binds a name, other than as a class's statement."""
    if isinstance(node, ast.Name):
        return node.id == name and not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.alias):
        return (node.asname or node.name) == name
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return node.name == name
    return isinstance(node, ast.arg) and node.arg == name


def defaults(function):
    """The expressions of a function's defaults. They are evaluated where the function is defined."""
    return [x for x in (*function.args.defaults, *function.args.kw_defaults) if x is not None]


def source_of(file):
    """A file's bytes; or the text that linecache has, for a notebook's cell; or '' if neither can be read."""
    try:
        with open(file, "rb") as opened:
            return opened.read()
    except (OSError, ValueError):
        linecache = sys.modules.get("linecache")    # whatever registered lines has imported it
        return "".join(linecache.getlines(file)) if linecache else ""


_texts: dict = {}


def text_of(file):
    """The Text of a file. It's kept until the file's source changes."""
    text = _texts.get(file)
    if text is None or text.source != source_of(file):
        text = _texts[file] = Text(file)
    return text
