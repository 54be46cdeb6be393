"""Put in front of each loop of the grammar a call that runs it, or declines.

    [f(x) for x in xs]          becomes     loop(xs) or [f(x) for x in xs]
    sum(x * y for ...)          becomes     loop(xs, ys) or sum(x * y for ...)
    [f(x) for x in g()]         becomes     loop(g()) or [f(x) for x in rest()]
    for p in ps: p.grad = 0     becomes     for p in loop(ps) or rest(): p.grad = 0
    for x in xs: s = s + x      becomes     s = loop(xs, s)
                                            for x in rest() or rest(): s = s + x

A loop that assigns, or adds, leaves the last element to the author's body. What is left is what `loop`, or the first
`rest`, returns; if the loop declines, it's None, and the author's iterable comes next. `rest()` returns the arguments
again, one after the other: they are evaluated once, when the author's code would have evaluated them. All else that a
loop reads from outside it reads without any effect.

`loop` and `rest` aren't names: they're constants of the code object. So the author's names, `locals()` and `globals()`
are as they were. ast allows no such constants. So the tree has strings in their places, which are replaced in the
compiled code.
"""
import ast
import itertools
from types import CodeType

from fastgrad.engine import Loop
from fastgrad.loops.grammar import BUILTINS, MOST_SLOTS, Parser, Unfit, total_of
from fastgrad.loops.meaning import meaning_of
from fastgrad.loops.names import COMPREHENSIONS, Scope, may_unbind_any, names_bound_by, names_deleted_in
from fastgrad.loops.warned import without_warnings

ITERABLES = ("zip", "enumerate", "range", "reversed")
CALLED = (*ITERABLES, "sum", "max", "min")
ENDS = ast.Return, ast.Raise, ast.Continue, ast.Break

when_rewritten: list = []       # functions called with each Rewriter that is done; see report.py


def compile_source(source, filename, mode="exec", flags=0, dont_inherit=True, optimize=-1, bound=()):
    """Compile like the builtin compile(), with loops rewritten.

    source: a text, bytes or a tree. The code is the author's, to the last byte, if it has no loop of the grammar.
    bound: names of globals that are bound when the code begins to run, apart from what it does itself.
    """
    if not may_have_loops(source):
        return compile(source, filename, mode, flags, dont_inherit, optimize)
    tree = source
    if not isinstance(source, ast.AST):
        tree = compile(source, filename, mode, flags | ast.PyCF_ONLY_AST, dont_inherit, optimize)
    plain = compile(tree, filename, mode, flags, dont_inherit, optimize)    # with the warnings that are due
    return rewritten(tree, plain, filename, mode, flags, dont_inherit, optimize, bound, is_kept=tree is source)


def may_have_loops(source):
    """Whether a text, bytes or a tree may hold a loop of the grammar. (It saves most files from being parsed.)"""
    if isinstance(source, ast.AST):
        return any(isinstance(each, (ast.For, ast.comprehension)) or isinstance(each, ast.Name) and each.id == "sum"
                   for each in ast.walk(source))
    return any(word in source for word in ((b"for", b"sum") if isinstance(source, bytes) else ("for", "sum")))


def rewritten(tree, plain, filename, mode="exec", flags=0, dont_inherit=True, optimize=-1, bound=(),
              is_kept=False):
    """The code of a tree with loops rewritten. The tree is changed, unless it's to be kept.

    plain: its code as the author wrote it, which is the result if there's no loop of the grammar. bound: as above.
    """
    rewriter = Rewriter(filename)
    try:
        if is_kept:
            import copy
            tree = copy.deepcopy(tree)
        rewriter.scope.deleted = rewriter.deleted = names_deleted_in(tree)
        rewriter.may_unbind_any = may_unbind_any(tree)
        rewriter.scope.bind(bound)
        tree = rewriter.rewrite(tree)
        with without_warnings():        # the author has seen them; others are about what stands for a loop
            code = compile(tree, filename, mode, flags, dont_inherit, optimize) if rewriter.loops else plain
    except RecursionError:
        return plain
    for function in when_rewritten:
        function(rewriter)
    return with_loops(code, rewriter.loops) if rewriter.loops else plain


def with_loops(code, loops):
    """A code object with loops in place of the strings that stand for them."""
    constants = tuple(with_loops(each, loops) if isinstance(each, CodeType)
                      else loops.get(each, each) if isinstance(each, str) else each for each in code.co_consts)
    return code.replace(co_consts=constants)


def loops(code):
    """The loops that have been rewritten in a function or a code object, and in those within, in the order of their
    lines."""
    code = getattr(code, "__code__", code)
    found = [each for each in code.co_consts if isinstance(each, Loop)]
    for each in code.co_consts:
        if isinstance(each, CodeType):
            found += loops(each)
    return sorted(dict.fromkeys(found), key=lambda loop: loop.line)


_numbers = itertools.count()


class Rewriter(ast.NodeTransformer):
    """Rewrites a tree, in place.

    loops: those it has made, by the string that stands for each. left: (line, reason) of each that isn't of the
    grammar.
    """

    def __init__(self, filename):
        self.filename = filename
        self.loops, self.left = {}, []
        self.scope = Scope("module")
        self.deleted, self.may_unbind_any = set(), False        # anywhere in the tree

    def rewrite(self, tree):
        if isinstance(tree, (ast.Module, ast.Interactive)):
            tree.body = self.block(tree.body)
        else:
            tree = self.visit(tree)
        return ast.fix_missing_locations(tree)

    # ---- Blocks and scopes ----

    def block(self, statements):
        """Rewrite statements in order, and note the variables that each binds."""
        done = []
        for each in statements:
            new = self.visit(each)
            done += new if isinstance(new, list) else [new]
            self.scope.bind(names_bound_by(each))
        return done

    def branch(self, statements):
        """Rewrite a block that may not run. Returns it and what is bound at its end; None if that isn't reached."""
        before = set(self.scope.bound)
        done = self.block(statements)
        bound = None if statements and isinstance(statements[-1], ENDS) else self.scope.bound
        self.scope.bound = before
        return done, bound

    def within(self, scope, visit, *arguments):
        self.scope = scope
        try:
            return visit(*arguments)
        finally:
            self.scope = scope.outer

    def visit_FunctionDef(self, node):
        if is_backward(node):
            return node
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        node.args = self.visit(node.args)
        node.body = self.within(Scope("function", self.scope, node), self.block, node.body)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        if is_engine(node):
            return node
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        node.body = self.within(Scope("class", self.scope, node), self.block, node.body)
        return node

    def visit_Lambda(self, node):
        node.args = self.visit(node.args)
        node.body = self.within(Scope("function", self.scope, node), self.visit, node.body)
        return node

    def visit_If(self, node):
        node.test = self.visit(node.test)
        node.body, after = self.branch(node.body)
        node.orelse, otherwise = self.branch(node.orelse)
        if after is not None and otherwise is not None:
            after &= otherwise
        self.scope.bound |= after if after is not None else otherwise if otherwise is not None else set()
        return node

    def visit_While(self, node):
        node.test = self.visit(node.test)
        node.body, _ = self.branch(node.body)
        node.orelse, _ = self.branch(node.orelse)
        return node

    def visit_With(self, node):
        node.items = [self.visit(each) for each in node.items]
        before = set(self.scope.bound)          # the block may be left early, without an error after it
        for each in node.items:
            if each.optional_vars is not None:
                self.scope.bind(names_bound_by(each.optional_vars))
        node.body = self.block(node.body)
        self.scope.bound = before
        return node

    visit_AsyncWith = visit_With

    def visit_Try(self, node):
        node.body, _ = self.branch(node.body)
        for each in node.handlers:
            each.body, _ = self.branch(each.body)
        node.orelse, _ = self.branch(node.orelse)
        node.finalbody = self.block(node.finalbody)
        return node

    visit_TryStar = visit_Try

    def visit_Match(self, node):
        node.subject = self.visit(node.subject)
        for each in node.cases:
            each.body, _ = self.branch(each.body)
        return node

    def visit_comprehension_of(self, node):
        """Rewrite what is within a comprehension. Its first iterable belongs to the scope around it."""
        first = node.generators[0]
        first.iter = self.visit(first.iter)
        self.within(Scope("comprehension", self.scope, node), self.parts, node, first)
        return node

    def parts(self, node, first):
        for each in node.generators:
            if each is not first:
                each.iter = self.visit(each.iter)
            self.scope.bind(names_bound_by(each.target))
            each.ifs = [self.visit(condition) for condition in each.ifs]
        for name in ("elt", "key", "value"):
            if hasattr(node, name):
                setattr(node, name, self.visit(getattr(node, name)))

    visit_GeneratorExp = visit_SetComp = visit_DictComp = visit_comprehension_of

    def visit_arg(self, node):
        """Leave annotations as they are: they may be kept as text."""
        return node

    def visit_AnnAssign(self, node):
        node.target = self.visit(node.target)
        node.value = node.value and self.visit(node.value)
        return node

    # ---- Loops ----

    def visit_ListComp(self, node):
        return self.expression(node) or self.visit_comprehension_of(node)

    def visit_Call(self, node):
        if isinstance(node.func, ast.Name) and node.func.id in ("sum", "max", "min"):
            return self.expression(node) or self.generic_visit(node)
        return self.generic_visit(node)

    def expression(self, node):
        """`loop(...) or node`, or None if the node isn't of the grammar."""
        first = first_loop_of(node)
        try:
            try:
                variables, meaning = self.meaning_of(node)
            except Unfit:
                if first is None:
                    raise
                return self.with_iterables(node, first)
        except Unfit as reason:
            if is_loop(node):
                self.left.append((node.lineno, str(reason)))
            return None
        call = ast.Call(self.constant(meaning, node)[0], variables.arguments(), [])
        return located(ast.BoolOp(ast.Or(), [call, node]), node)

    def meaning_of(self, node, variables=None):
        variables = variables or Variables(self.scope)
        parser = Parser(variables.place_of, self.scope.mangled)
        meaning = meaning_of(parser.expression(node), parser)
        meaning.is_module_level = self.scope.is_module
        return variables, meaning

    def with_iterables(self, node, first):
        """The same where Python has to evaluate what the first loop goes over: `loop(sum, params()) or rest()(... for p
        in rest())`."""
        arguments, variables, iterable = [], Variables(self.scope), first.iter
        function = node.func if isinstance(node, ast.Call) else None
        if function is not None:
            arguments.append(function)      # whatever the name means, it's looked up before the iterables are evaluated
        _, first.iter = self.split(iterable, arguments, variables)
        variables.skip(len(arguments))
        try:
            _, meaning = self.meaning_of(node, variables)
        finally:
            first.iter = iterable
        meaning.n_arguments, meaning.arguments = len(arguments), builtins_among(arguments)
        constant, rest = self.constant(meaning, node)
        call = located(ast.Call(constant, [*map(self.visit, arguments), *variables.arguments()], []), iterable)
        first.iter = with_rest(iterable, rest)
        if function is not None:
            node.func = located(ast.Call(rest, [], []), function)
        return located(ast.BoolOp(ast.Or(), [call, node]), node)

    def visit_For(self, node):
        new = None
        if node.orelse or has_jumps(node.body):
            self.left.append((node.lineno, "break, continue, return, yield or else"))
        else:
            new = self.assigning(node)
        if new is not None:
            return new
        node.iter = self.visit(node.iter)
        before = set(self.scope.bound)
        self.scope.bind(names_bound_by(node.target))
        node.body = self.block(node.body)
        self.scope.bound = before
        node.orelse, _ = self.branch(node.orelse)
        return node

    def visit_AsyncFor(self, node):
        node.body, _ = self.branch(node.body)
        node.orelse, _ = self.branch(node.orelse)
        return node

    def assigning(self, node):
        """A `for` that assigns to places, or adds to a variable; or None."""
        variables = Variables(self.scope)
        parser = Parser(variables.place_of, self.scope.mangled)
        arguments = []
        total = total_of(node)
        try:
            shape, template = self.split(node.iter, arguments, variables)
            variables.skip(len(arguments))
            node_for_parser = ast.For(node.target, template, node.body, [], lineno=node.lineno)
            if total is None:
                loop = parser.assigning(node_for_parser)
            else:
                if not self.is_bound(total):
                    raise Unfit(f"{total} may not be bound here")
                loop = parser.accumulating(node_for_parser, total, variables.new(total))
            meaning = meaning_of(loop, parser, is_for=True)
        except Unfit as reason:
            self.left.append((node.lineno, str(reason)))
            return None
        meaning.is_module_level = self.scope.is_module
        meaning.iterable, meaning.n_arguments, meaning.arguments = shape, len(arguments), builtins_among(arguments)
        meaning.total = -1 if total is None else len(arguments)
        constant, rest = self.constant(meaning, node)
        call = located(ast.Call(constant, [*map(self.visit, arguments), *variables.arguments()], []), node.iter)
        what_is_left = call if total is None else located(ast.Call(rest, [], []), node.iter)
        node.iter = located(ast.BoolOp(ast.Or(), [what_is_left, with_rest(node.iter, rest)]), node.iter)
        if total is None:
            return node
        return [located(ast.Assign([ast.Name(total, ast.Store())], call), node), node]

    def split(self, node, arguments, variables):
        """How an iterable is made of arguments, and the iterable as a tree with the names <0>, <1>, ... for those.

        Arguments are appended to `arguments`, in the order in which Python evaluates them. The first result is (i,) for
        argument i, or (name, i, shapes, {keyword: value}) for a call of argument i, which has that name.
        """
        if is_iterable_call(node):
            if variables.place_of(node.func.id)[0] != "global":
                raise Unfit(f"a variable named {node.func.id}")
            if not all(isinstance(each.value, ast.Constant) for each in node.keywords):
                raise Unfit(f"the arguments of {node.func.id}")
            for i, each in enumerate(node.args):
                if is_iterable_call(each) and not all(map(self.is_without_effect, node.args[i + 1:])):
                    raise Unfit(f"what Python has to evaluate after its call of {each.func.id}")
            at = len(arguments)
            arguments.append(node.func)
            parts = [self.split(each, arguments, variables) for each in node.args]
            return ((node.func.id, at, tuple(shape for shape, _ in parts),
                     {each.arg: each.value.value for each in node.keywords}),
                    ast.Call(node.func, [template for _, template in parts], node.keywords))
        if len(arguments) >= 2 * MOST_SLOTS:
            raise Unfit("too many variables")
        arguments.append(node)
        name = f"<{len(arguments) - 1}>"
        variables.places[name] = "local", len(arguments) - 1
        return (len(arguments) - 1,), ast.Name(name, ast.Load())

    def is_without_effect(self, node):
        """Whether an argument may be evaluated before the calls that stand in front of it: it changes nothing, and
        can't raise."""
        if is_iterable_call(node):
            return all(map(self.is_without_effect, node.args))
        return isinstance(node, ast.Constant) or isinstance(node, ast.Name) and self.is_bound(node.id)

    def is_bound(self, name):
        """Whether a variable is sure to be bound where the loop begins."""
        try:
            if self.scope.variable(name) == "local":
                return True
        except Unfit:
            return False
        return name in self.scope.bound and name not in self.deleted and not self.may_unbind_any

    def constant(self, meaning, node):
        """What stands in the tree for a new loop, and for its `rest`."""
        meaning.file, meaning.line = self.filename, node.lineno
        text = f"\0fastgrad loop {next(_numbers)}"
        self.loops[text] = loop = Loop(meaning)
        self.loops[f"{text}, rest"] = loop.rest
        return ast.Constant(text), ast.Constant(f"{text}, rest")


def builtins_among(arguments):
    """(i, function) for each argument i that is the name of a builtin to be called."""
    return tuple((i, BUILTINS[node.id]) for i, node in enumerate(arguments)
                 if isinstance(node, ast.Name) and node.id in CALLED)


def is_iterable_call(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ITERABLES \
        and not any(isinstance(each, ast.Starred) for each in node.args) and all(each.arg for each in node.keywords)


def with_rest(node, rest, is_after_call=False):
    """An iterable as the author has written it, with `rest()` in place of what Rewriter.split makes arguments. A
    variable that is read after the call of something like reversed() is read again then, by `(rest(), name)[1]`: the
    object's method may have assigned to it."""
    if is_iterable_call(node):
        parts = []
        for each in node.args:
            parts.append(with_rest(each, rest, is_after_call))
            is_after_call = is_after_call or is_iterable_call(each)
        return located(ast.Call(located(ast.Call(rest, [], []), node.func), parts, node.keywords), node)
    result = ast.Call(rest, [], [])
    if is_after_call and isinstance(node, ast.Name):
        result = ast.Subscript(ast.Tuple([result, node], ast.Load()), ast.Constant(1), ast.Load())
    return located(result, node)


def first_loop_of(node):
    """The part of a comprehension, or of a call with one, whose iterable is evaluated first."""
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], (ast.GeneratorExp, ast.ListComp)):
        node = node.args[0]
    return getattr(node, "generators", [None])[0]


class Variables:
    """The variables that are passed to one loop."""

    def __init__(self, scope):
        self.scope = scope
        self.places = {}        # by name
        self.names = []         # of the arguments, in order; None for an iterable

    def skip(self, n):
        self.names += [None] * n

    def place_of(self, name):
        if name not in self.places:
            if name.startswith("__") and not name.endswith("__"):
                raise Unfit("a private name of a class")
            if self.scope.variable(name) == "global":
                self.places[name] = "global", name
            else:
                self.new(name)
        return self.places[name]

    def new(self, name):
        """Pass a variable as the next argument."""
        self.names.append(name)
        self.places[name] = "local", len(self.names) - 1
        return self.places[name]

    def arguments(self):
        return [ast.Name(name, ast.Load()) for name in self.names if name is not None]


def is_loop(node):
    """Whether an expression is worth a line in a report: not a call of max with numbers, say."""
    return isinstance(node, ast.ListComp) \
        or any(isinstance(each, (ast.ListComp, ast.GeneratorExp)) for each in node.args)


def is_backward(node):
    """Whether a function passes gradients back by itself. It's part of an engine, and works on what loops are made of.
    """
    return node.name.lstrip("_").startswith(("backward", "backprop"))


def is_engine(node):
    """Whether a class statement defines an engine. What its methods do is known to fastgrad.script by their text."""
    names = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    return bool({"__add__", "__mul__"} & names) and any("back" in name for name in names)


def has_jumps(statements):
    """Whether there's a break, continue, return, yield or await among statements."""
    return any(isinstance(node, (ast.Break, ast.Continue, ast.Return, ast.Yield, ast.YieldFrom, ast.Await))
               for each in statements for node in ast.walk(each))


def located(new, node):
    """Give new nodes, as far as they have none, the position of one of the author's."""
    ast.copy_location(new, node)
    for child in ast.walk(new):
        if not hasattr(child, "lineno") and "lineno" in child._attributes:
            ast.copy_location(child, node)
    return new
