"""Variables of the author's code: whose they are, and whether they're sure to be bound.

A call that is put in front of a loop reads the loop's variables. If one weren't bound, that would raise where the
author's code may not. So of a function's variables only those are read that are sure to be bound there: parameters, and
what statements before in the same block, or in one around it, have bound. Nothing is certain of a variable that is
deleted anywhere in the function. Globals need no such care: the engine looks them up, and declines if there's none.
"""
import ast

from fastgrad.loops.grammar import Unfit

FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda
COMPREHENSIONS = ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp
SCOPES = (*FUNCTIONS, ast.ClassDef, *COMPREHENSIONS)
WAYS_TO_VARIABLES = {"globals", "vars", "locals", "exec", "eval", "delattr", "__dict__", "__globals__", "_getframe",
                     "currentframe", "f_globals", "f_locals", "f_back", "gi_frame", "tb_frame"}


class Scope:
    """A block of code with variables of its own. kind: "module", "class", "function" or "comprehension"."""

    def __init__(self, kind, outer=None, node=None):
        self.kind, self.outer = kind, outer
        self.own, self.globals, self.deleted = set(), set(), set()
        self.bound = set()
        self.name = getattr(node, "name", "")
        # Names that functions within find here, in no dict: def f[T](), and in a class __class__.
        self.hidden = {each.name for each in getattr(node, "type_params", ())}
        if kind == "class":
            self.hidden.add("__class__")
        if node is None:
            return
        if isinstance(node, COMPREHENSIONS):
            for each in node.generators:        # which are bound one after the other: see Rewriter.parts
                self.own |= set(map(self.mangled, names_bound_by(each.target)))
            return
        if isinstance(node, FUNCTIONS):
            arguments = node.args
            parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs,
                          *filter(None, [arguments.vararg, arguments.kwarg])]
            self.own = {each.arg for each in parameters}
            self.bound = set(self.own)
        for each in node.body if isinstance(node.body, list) else [node.body]:
            self.look_at(each)
        self.own, self.globals, self.deleted, self.bound = (
            set(map(self.mangled, names)) for names in (self.own, self.globals, self.deleted, self.bound))
        self.own -= self.globals
        self.bound -= self.deleted

    def look_at(self, node):
        """Note the names that a statement binds or deletes in this scope."""
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.own.add(node.name)
            for each in ast.walk(node):
                if isinstance(each, ast.Nonlocal):      # an inner function may bind or delete it
                    self.deleted |= set(each.names)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            (self.globals if isinstance(node, ast.Global) else self.deleted).update(node.names)
            if isinstance(node, ast.Nonlocal):
                self.globals |= set(node.names)         # not this scope's own
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            self.own.add(node.id)
            if isinstance(node.ctx, ast.Del):
                self.deleted.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            self.own.add(node.name)
            self.deleted.add(node.name)
        elif isinstance(node, ast.alias):
            self.own.add((node.asname or node.name).split(".")[0])
        elif hasattr(ast, "MatchAs") and isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            self.own.add(node.name)
        elif hasattr(ast, "MatchMapping") and isinstance(node, ast.MatchMapping) and node.rest:
            self.own.add(node.rest)
        if isinstance(node, COMPREHENSIONS):            # what := binds in a comprehension is the function's
            for each in ast.walk(node):
                if isinstance(each, ast.NamedExpr):
                    self.own.add(each.target.id)
            return
        for each in parts_of_scope(node) if isinstance(node, SCOPES) else ast.iter_child_nodes(node):
            self.look_at(each)

    def bind(self, names):
        self.bound |= set(map(self.mangled, names)) - self.deleted

    def variable(self, name):
        """"global", or "local" if it has to be passed on. Raises Unfit if it isn't sure to be bound."""
        scope, is_inner = self, False
        while scope.kind != "module":
            if name in scope.hidden:
                raise Unfit(f"{name}, which is no variable")
            if scope.kind == "class" and not is_inner:
                raise Unfit("a class statement's own variables")
            if scope.kind != "class" and name in scope.own | scope.deleted \
                    and name not in scope.globals - scope.deleted:
                if name not in scope.bound:
                    raise Unfit(f"{name} may not be bound here")
                return "local"
            if scope.kind == "function" and name in scope.globals and name not in scope.deleted:
                return "global"
            is_inner = is_inner or scope.kind != "comprehension"
            scope = scope.outer
        return "global"

    def mangled(self, name):
        """What Python makes of a private name, which is another one in each class statement."""
        if not name.startswith("__") or name.endswith("__"):
            return name
        scope = self
        while scope is not None and scope.kind != "class":
            scope = scope.outer
        private = "" if scope is None else scope.name.lstrip("_")
        return f"_{private}{name}" if private else name

    @property
    def is_module(self):
        return self.kind == "module"


def parts_of_scope(node):
    """What of a function or a class belongs to the scope around it: decorators, defaults, annotations, bases."""
    parts = [*getattr(node, "decorator_list", ()), *getattr(node, "bases", ()), *getattr(node, "keywords", ())]
    if isinstance(node, FUNCTIONS):
        parts += [node.args, *filter(None, [getattr(node, "returns", None)])]
    return parts


def names_bound_by(node):
    """The names that a target, a statement or a with item binds by itself, not by statements within."""
    if isinstance(node, ast.Assign):
        return set().union(*map(names_bound_by, node.targets))
    if isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        return names_bound_by(node.target) if node.value is not None else set()
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(each.asname or each.name).split(".")[0] for each in node.names}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Starred):
        return names_bound_by(node.value)
    if isinstance(node, (ast.Tuple, ast.List)):
        return set().union(*map(names_bound_by, node.elts))
    return set()


def may_unbind_any(tree):
    """Whether code of a tree gets at variables by their names as text, and so may delete any global."""
    return any(getattr(each, "id", getattr(each, "attr", None)) in WAYS_TO_VARIABLES for each in ast.walk(tree)
               if isinstance(each, (ast.Name, ast.Attribute)))


def names_deleted_in(tree):
    """The names that a statement anywhere in a tree deletes, also as attributes, which may be a module's."""
    nodes = list(ast.walk(tree))
    return {getattr(each, "id", getattr(each, "attr", None)) for each in nodes
            if isinstance(each, (ast.Name, ast.Attribute)) and isinstance(each.ctx, ast.Del)} \
        | {each.name for each in nodes if isinstance(each, ast.ExceptHandler)}
