"""The text around a class: what its file says about names before any of it is run.

Python binds names as it goes, and a name that a method uses may mean something else an hour later. The text tells
which names are bound once, which functions come only after the class statement, and what is assigned to the class.
"""
import ast
import sys
from collections import Counter

# What may bind a name, or change a function, out of sight.
OUT_OF_SIGHT = {"exec", "eval", "globals", "vars", "locals", "compile", "__import__", "__dict__", "__globals__",
                "f_globals", "f_locals", "f_builtins", "modules", "__code__", "__defaults__", "__kwdefaults__",
                "__builtins__"}


class Text:
    """The facts about one file. `tree` is None if the file can't be read."""

    def __init__(self, file, source=None):
        self.file = file
        self.source = source_of(file) if source is None else source
        try:
            self.tree = ast.parse(self.source) if self.source else None
        except (SyntaxError, ValueError):
            self.tree = None
        self.bindings = Counter()       # of each name at the module's level: how often it's bound
        self.imports = Counter()        # of that: by imports
        self.modules = set()            # what is imported, by its own name, at the module's level
        self.functions = {}             # the definitions at the module's level: name: node
        self.constants = {}             # names bound to a number or string at the module's level
        self.set_later = {}             # of each class: its attributes that are assigned outside of its body, by name
        self.is_dynamic = False         # whether it may bind names in a way that can't be seen here
        self.binds_anything = False     # whether it has `from somewhere import *` or exec
        self.import_lines = {}          # of imports: the last line that binds a name
        self.nodes = list(ast.walk(self.tree)) if self.tree is not None else []
        self.class_statements = Counter(node.name for node in self.nodes if isinstance(node, ast.ClassDef))
        if self.tree is not None:
            self._read(self.tree.body, at_top=True)

    def is_bound_once(self, name):
        """Whether a name that has a meaning keeps it as far as this file goes."""
        return self.tree is not None and not self.is_dynamic and not self.binds_anything and self.bindings[name] == 1

    def is_rebound(self, cls_name):
        """Whether a class's name is bound by something else than class statements and, before these, imports."""
        first = min((node.lineno for node in self.nodes if isinstance(node, ast.ClassDef) and node.name == cls_name),
                    default=0)
        return self.bindings[cls_name] > self.class_statements[cls_name] + self.imports[cls_name] \
            or self.import_lines.get(cls_name, 0) > first

    def class_at(self, name, line):
        """The class statement that begins, decorators included, at a line."""
        for node in self.nodes:
            if isinstance(node, ast.ClassDef) and node.name == name \
                    and min([node.lineno, *(d.lineno for d in node.decorator_list)]) <= line <= node.lineno:
                return node
        return None

    def later_function(self, name):
        """The code of a function that the module defines once and has not come to yet, or None."""
        node = self.functions.get(name)
        if node is None or node.decorator_list or not self.is_bound_once(name) \
                or not all(isinstance(x, ast.Constant) for x in defaults(node)):
            return None
        return compile(ast.Module([node], []), self.file, "exec", dont_inherit=True)

    def _read(self, body, at_top, times=1):
        """Note what statements bind. at_top: they are at the module's level, not in a function or a class. times: 2 if
        they may be run several times."""
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
                self.bindings.update(2 * node.names)        # in the function it may be bound any number of times
            elif isinstance(node, ast.Name):
                self.binds_anything |= node.id == "exec"
                if at_top and not isinstance(node.ctx, ast.Load):
                    self.bindings[node.id] += times
                self.is_dynamic |= node.id in OUT_OF_SIGHT and isinstance(node.ctx, ast.Load)
            elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping)) and at_top:
                self.bindings[getattr(node, "name", None) or getattr(node, "rest", None)] += 2      # or deleted
            elif isinstance(node, (ast.Import, ast.ImportFrom)) and at_top:
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self.modules |= {name} & {alias.name} if isinstance(node, ast.Import) else set()
                    self.binds_anything |= name == "*"
                    if not alias.name == name == "math":
                        self.bindings[name] += times
                        self.imports[name] += times
                        self.import_lines[name] = max(node.lineno, self.import_lines.get(name, 0))
            elif isinstance(node, ast.comprehension):           # its targets are its own
                todo += [node.iter, *node.ifs]
                continue
            elif isinstance(node, ast.Attribute):
                self.is_dynamic |= node.attr in OUT_OF_SIGHT
                if isinstance(node.value, ast.Name) and not isinstance(node.ctx, ast.Load):
                    self.set_later.setdefault(node.value.id, {}).setdefault(node.attr, None)
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                self._read_assignment(node.targets[0], node.value, at_top)
            todo += ast.iter_child_nodes(node)

    def _read_assignment(self, target, value, at_top):
        if isinstance(target, ast.Name) and at_top and isinstance(value, ast.Constant):
            self.constants[target.id] = value.value
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and at_top \
                and isinstance(value, ast.Name):
            self.set_later.setdefault(target.value.id, {})[target.attr] = value.id


def defaults(function):
    """The expressions of a function's defaults, which are evaluated where it's defined."""
    return [x for x in (*function.args.defaults, *function.args.kw_defaults) if x is not None]


def source_of(file):
    """A file's bytes; or, of a notebook's cell, the lines that linecache has; '' if it can't be read."""
    try:
        with open(file, "rb") as opened:
            return opened.read()
    except (OSError, ValueError):
        linecache = sys.modules.get("linecache")    # who has registered the lines has imported it
        return "".join(linecache.getlines(file)) if linecache else ""


_texts: dict = {}


def text_of(file):
    """The Text of a file, made anew if its source is another than before."""
    text = _texts.get(file)
    if text is None or text.source != source_of(file):
        text = _texts[file] = Text(file)
    return text
