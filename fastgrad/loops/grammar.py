"""The grammar of loops that C can run: from an author's syntax tree to a `Loop`, or `Unfit` with a reason.

    loop       [element for targets in iterable]
               sum(element for targets in iterable)      also with a start, of a list, and max, min
               for targets in iterable: statements
    iterable   a list or an array from outside, range(...), zip(...), enumerate(...), reversed(...)
    element    a number; a place; + - * / ** and unary minus of elements; a method of Value, a function of math; abs,
               max and min of two; .data and .grad; a loop within
    place      a variable, an attribute, an item, a slice of one; what a loop's variable stands for; len(...)
    statement  name = element; place = element, also += and its like; p.data, p.grad and m[i] are places to assign to

Elements are computed by a program (csrc/program.h), places are read by the engine (fastgrad/engine/loops.pxi, class
Outside) while no Python runs. Whatever else there is in a loop makes it unfit, and it stays as it is. To add an
operation: a method goes into METHODS, any other one into Parser.element, and meaning.py says what it becomes.

Both kinds of expressions are tuples, with a name first. A place is

    ("local", i)             the argument i of the call that is put in front of the loop
    ("global", name)         ("constant", x)
    ("item", slot)           the variable of a loop that has this slot
    ("part", place, i, n)    item i of an item with n, from a target like `x, (a, b)`
    ("attribute", place, name)  ("subscript", place, place)  ("slice", place, lower, upper, step)  ("length", place)
    ("arithmetic", symbol, place, place)                    of numbers; "negative" of the first one

and an element is

    ("operand", place)       ("number", x)
    ("+", a, b) and so on for - * / **                      ("negative", a)
    ("data", a) ("grad", a) ("method", name, a) ("math", name, a) ("abs", a) ("max", a, b) ("min", a, b)
    ("loop", Loop)           a sum, max or min within
"""
import ast
import math

from fastgrad.value import operations

METHODS = frozenset(function.method for function in operations.FUNCTIONS)
MATH = {name: getattr(math, name) for name in METHODS if hasattr(math, name)}
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
INT_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%"}
IN_PLACE = {ast.Add: "__iadd__", ast.Sub: "__isub__", ast.Mult: "__imul__", ast.Div: "__itruediv__",
            ast.Pow: "__ipow__"}
BUILTINS = {"sum": sum, "max": max, "min": min, "abs": abs, "len": len, "zip": zip, "range": range,
            "enumerate": enumerate, "reversed": reversed, "math": math}
MOST_SLOTS = 16         # as in the engine
LARGEST = 2 ** 53


class Unfit(Exception):
    """The reason why a loop isn't of the grammar."""


class Loop:
    """What a loop is: over what it goes, and what it makes of it.

    output: "list", "lists", "objects" (a list of places), "sum", "max", "min" or "stores". sequences: over what it
    goes, as (kind, slot, places...): see Sequence in loops.pxi.
    """

    def __init__(self, output, sequences=None, element=(), start=None):
        self.output, self.sequences, self.element, self.start = output, sequences or [], element, start
        self.strict = False     # zip's
        self.within = None      # of "lists": the list that is an element
        self.statements = []    # of a `for`, in order: (place or None, element). None: the element is a variable's


class Parser:
    """Parses one loop. place_of: a function from a variable's name to its place; raises Unfit. mangled: one from an
    attribute's name, as the author writes it, to what Python makes of it."""

    def __init__(self, place_of, mangled):
        self.place_of, self.mangled = place_of, mangled
        self.names = {}                 # of the loops' variables: their places; of statements' variables: elements
        self.total = None               # the variable to which a `for` adds
        self.n_slots = 0
        self.builtins = {}              # names that have to mean these objects
        self.math = {}                  # functions of math that have to be its own
        # Methods and operators that the class of the Values has to have from us, and names that it mustn't have.
        self.methods, self.operators, self.absent = set(), set(), set()
        self.unpacked, self.read = set(), set()     # places of items that a target unpacks, and places that are used

    # ---- Loops ----

    def expression(self, node):
        """Parse a list comprehension, or a call of sum, max or min."""
        if isinstance(node, ast.ListComp):
            return self.comprehension(node, "list")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("sum", "max", "min"):
            return self.reduction(node)
        raise Unfit("no loop")

    def reduction(self, node):
        name = self.builtin(node.func)
        self.operators.add("+")
        self.absent |= {"__bool__", "__len__"}      # the result is what `loop(...) or ...` asks whether it's true
        if not node.args or isinstance(node.args[0], ast.Starred):
            raise Unfit(f"the arguments of {name}")
        what, *rest = node.args
        start = None
        if name == "sum" and len(rest) + len(node.keywords) == 1 and all(each.arg == "start" for each in node.keywords):
            start = self.element(rest[0] if rest else node.keywords[0].value)
        elif rest or node.keywords:
            raise Unfit(f"the arguments of {name}")
        if isinstance(what, (ast.GeneratorExp, ast.ListComp)):
            loop = self.comprehension(what, name)
        elif name == "sum":
            slot = self.new_slot()
            loop = Loop("sum", [("items", slot, self.place(what))], ("operand", ("item", slot)))
        else:
            raise Unfit(f"{name} of something else than a loop")
        if name != "sum" and loop.element[0] in ("operand", "max", "min"):
            raise Unfit(f"{name} of objects, which is one of them")
        loop.start = start
        return loop

    def comprehension(self, node, output):
        if len(node.generators) != 1:
            raise Unfit("two loops in one")
        each = node.generators[0]
        if each.is_async or each.ifs:
            raise Unfit("async" if each.is_async else "a condition")
        outer = dict(self.names)
        loop = Loop(output)
        for name, element in outer.items():     # what a statement has computed is one node, not one for each element
            if element is not None and element[0] not in ("operand", "number"):
                self.names[name] = None
        self.iterable(loop, each.target, each.iter)
        if output == "list" and isinstance(node.elt, ast.ListComp):
            loop.output, loop.within = "lists", self.comprehension(node.elt, "list")
        else:
            loop.element = self.element(node.elt)
            if output == "list" and loop.element[0] == "operand" and loop.element[1][0] in ("slice", "subscript"):
                loop.output = "objects"
            elif output == "list" and loop.element[0] in ("operand", "number", "max", "min"):
                raise Unfit("objects as they are")
        self.names = outer
        return loop

    # ---- Iterables ----

    def iterable(self, loop, target, node):
        """Add the sequences of an iterable to a loop. Then note what the target's variables are: not before, since the
        iterable may have variables of the same names."""
        targets = []
        self.sequences(loop, target, node, targets)
        for slot, part in targets:
            self.bind(part, ("item", slot))

    def sequences(self, loop, target, node, targets):
        """Add sequences, and to `targets` their slots and parts of the target."""
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
        if name == "zip":
            self.builtin(node.func)
            if not isinstance(target, (ast.Tuple, ast.List)) or len(target.elts) != len(node.args) or not node.args:
                raise Unfit("the targets of zip")
            loop.strict = self.strict(node)
            for part, argument in zip(target.elts, node.args):
                self.sequence(loop, part, argument, targets)
        elif name == "enumerate":
            self.builtin(node.func)
            if not isinstance(target, (ast.Tuple, ast.List)) or len(target.elts) != 2 or len(node.args) != 1 \
                    or any(each.arg != "start" for each in node.keywords):
                raise Unfit("the targets or arguments of enumerate")
            start = self.place(node.keywords[0].value) if node.keywords else ("constant", 0)
            if start[0] == "constant" and type(start[1]) is not int:
                raise Unfit("a start of enumerate that isn't an int")
            at = len(targets)
            self.sequences(loop, target.elts[1], node.args[0], targets)
            loop.sequences.append(("count", self.new_slot(), start))
            targets.insert(at, (self.n_slots - 1, target.elts[0]))      # Python binds the count first
        else:
            self.sequence(loop, target, node, targets)

    def strict(self, node):
        if not node.keywords:
            return False
        if len(node.keywords) == 1 and node.keywords[0].arg == "strict" \
                and isinstance(node.keywords[0].value, ast.Constant):
            return bool(node.keywords[0].value.value)
        raise Unfit("the arguments of zip")

    def sequence(self, loop, target, node, targets):
        kind = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
        places = [node]
        if kind in ("range", "reversed"):
            self.builtin(node.func)
            places = node.args
            if not 1 <= len(places) <= (3 if kind == "range" else 1) or node.keywords:
                raise Unfit(f"the arguments of {kind}")
        places = [self.place(each) for each in places]
        loop.sequences.append((kind if kind in ("range", "reversed") else "items", self.new_slot(), *places))
        targets.append((self.n_slots - 1, target))

    def new_slot(self):
        if self.n_slots == MOST_SLOTS:
            raise Unfit("too many variables")
        self.n_slots += 1
        return self.n_slots - 1

    def bind(self, target, place):
        if isinstance(target, ast.Name):
            self.names[target.id] = ("operand", place)
        elif isinstance(target, (ast.Tuple, ast.List)) and target.elts:
            self.unpacked.add((place, len(target.elts)))
            for i, part in enumerate(target.elts):
                self.bind(part, ("part", place, i, len(target.elts)))
        else:
            raise Unfit("a target that isn't a variable")

    def check_unpacking(self):
        """Raise Unfit if something is unpacked and no part of it is used: nobody would see if it can't be."""
        used = set()
        for place in self.read:
            while place[0] == "part":
                used.add((place[1], place[3]))
                place = place[1]
        if self.unpacked - used:
            raise Unfit("an item that is unpacked and not used")

    # ---- Places ----

    def place(self, node):
        if isinstance(node, ast.Name):
            if node.id not in self.names:
                return self.place_of(node.id)
            if self.names[node.id] is None or self.names[node.id][0] != "operand":
                raise Unfit("a result that is used as a list, an object or an index")
            self.read.add(self.names[node.id][1])
            return self.names[node.id][1]
        if isinstance(node, ast.Constant) and type(node.value) in (int, float, str):
            if type(node.value) is int and abs(node.value) >= LARGEST:
                raise Unfit("a constant that isn't a small number")
            return "constant", node.value
        if isinstance(node, ast.Attribute):
            return "attribute", self.place(node.value), self.mangled(node.attr)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            parts = node.slice.lower, node.slice.upper, node.slice.step
            return "slice", self.place(node.value), *(part and self.place(part) for part in parts)
        if isinstance(node, ast.Subscript):
            return "subscript", self.place(node.value), self.place(node.slice)
        if isinstance(node, ast.BinOp) and type(node.op) in INT_OPERATORS:
            return "arithmetic", INT_OPERATORS[type(node.op)], self.place(node.left), self.place(node.right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            operand = self.place(node.operand)
            return "arithmetic", "negative", operand, operand
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len" \
                and len(node.args) == 1 and not node.keywords:
            self.builtin(node.func)
            return "length", self.place(node.args[0])
        raise Unfit(f"{describe(node)}, which Python has to evaluate")

    def builtin(self, node):
        """Note that a name has to mean Python's own function or module."""
        if node.id in self.names or self.place_of(node.id)[0] != "global":
            raise Unfit(f"a variable named {node.id}")
        self.builtins[node.id] = BUILTINS[node.id]
        return node.id

    # ---- Elements ----

    def element(self, node):
        if isinstance(node, ast.Constant):
            if type(node.value) is float or type(node.value) is int and abs(node.value) < LARGEST:
                return "number", node.value
            raise Unfit("a constant that isn't a small number")
        if isinstance(node, ast.Name) and node.id in self.names:
            if self.names[node.id] is None:
                raise Unfit("a variable that goes on from one element to the next, or to those of a loop within")
            if self.names[node.id][0] == "operand":
                self.read.add(self.names[node.id][1])
            return self.names[node.id]
        if isinstance(node, ast.Attribute) and node.attr in ("data", "grad"):
            return node.attr, self.element(node.value)
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            self.operators.add(OPERATORS[type(node.op)])
            return OPERATORS[type(node.op)], self.element(node.left), self.element(node.right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self.negative(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        return "operand", self.place(node)

    def negative(self, node):
        operand = self.element(node.operand)
        if operand[0] == "number":
            return "number", -operand[1]
        self.operators.add("negative")
        return "negative", operand

    def call(self, node):
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name in ("sum", "max", "min") and not (name != "sum" and len(node.args) == 2):
            return "loop", self.reduction(node)
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise Unfit("a call with keywords or *")
        if name in ("max", "min"):
            return self.builtin(node.func), *map(self.element, node.args)
        if name == "abs" and len(node.args) == 1:
            self.methods.add("__abs__")
            return self.builtin(node.func), self.element(node.args[0])
        if name == "len":
            return "operand", self.place(node)
        if isinstance(node.func, ast.Attribute):
            of = node.func.value
            if isinstance(of, ast.Name) and of.id == "math" and node.func.attr in MATH and len(node.args) == 1:
                self.builtin(of)
                self.math[node.func.attr] = MATH[node.func.attr]
                return "math", node.func.attr, self.element(node.args[0])
            if node.func.attr in METHODS and not node.args:
                self.methods |= {node.func.attr} | ({"__abs__"} if node.func.attr == "abs" else set())
                return "method", node.func.attr, self.element(of)
        raise Unfit(f"a call of {describe(node.func)}")

    # ---- Statements ----

    def assigning(self, node):
        """Parse a `for` that assigns to places."""
        loop = Loop("stores")
        self.iterable(loop, node.target, node.iter)
        self.hide_variables(node.body)
        for each in node.body:
            self.statement(each, loop)
        if all(place is None for place, _ in loop.statements):
            raise Unfit("a body that assigns to no place")
        return loop

    def accumulating(self, node, total, place):
        """Parse a `for` that adds to the variable named `total`, which has a place before the loop."""
        loop = Loop("sum", start=("operand", place))
        self.iterable(loop, node.target, node.iter)
        if total in self.names:
            raise Unfit("a sum that is the loop's own variable")
        self.names[total], self.total = None, total
        *statements, last = node.body
        self.hide_variables(statements)
        for each in statements:
            self.statement(each, loop)
        loop.element = self.element(added_to(total, last))
        self.absent.add("__iadd__")
        self.operators.add("+")
        if any(place is not None for place, _ in loop.statements):
            raise Unfit("a body that also assigns")
        return loop

    def hide_variables(self, statements):
        """Let no element be made of a variable before the body has assigned to it: it'd be the last element's."""
        for node in statements:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                if isinstance(target, ast.Name) and target.id not in self.names:
                    self.names[target.id] = None

    def statement(self, node, loop):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, element = node.targets[0], self.element(node.value)
        elif isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
            target = node.target
            self.absent.add(IN_PLACE[type(node.op)])
            self.operators.add(OPERATORS[type(node.op)])
            element = OPERATORS[type(node.op)], self.element(loaded(target)), self.element(node.value)
        else:
            raise Unfit(f"{describe(node)} in the body")
        if isinstance(target, ast.Name):
            if target.id == self.total:
                raise Unfit("a sum that is assigned twice")
            self.names[target.id] = element
            loop.statements.append((None, element))
        else:
            loop.statements.append((self.target(target), element))

    def target(self, node):
        """A place to assign to: ("data", element) or ("grad", element) of a Value, or an ("operand", item of a list).
        """
        if isinstance(node, ast.Attribute) and node.attr in ("data", "grad"):
            return node.attr, ("operand", self.place(node.value))
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
            return "operand", self.place(loaded(node))
        raise Unfit("a place that is neither data nor grad nor an item")


def total_of(node):
    """The name of the variable to which a `for` adds, or None."""
    last = node.body[-1]
    if isinstance(last, ast.AugAssign) and isinstance(last.op, ast.Add) and isinstance(last.target, ast.Name):
        return last.target.id
    if isinstance(last, ast.Assign) and len(last.targets) == 1 and isinstance(last.targets[0], ast.Name) \
            and isinstance(last.value, ast.BinOp) and isinstance(last.value.op, ast.Add) \
            and isinstance(last.value.left, ast.Name) and last.value.left.id == last.targets[0].id:
        return last.targets[0].id
    return None


def added_to(total, node):
    """What a statement adds to a variable."""
    return node.value if isinstance(node, ast.AugAssign) else node.value.right


def loaded(node):
    """A target as the expression that reads it."""
    if isinstance(node, ast.Attribute):
        return ast.Attribute(node.value, node.attr, ast.Load())
    if isinstance(node, ast.Subscript):
        return ast.Subscript(node.value, node.slice, ast.Load())
    return node


def describe(node):
    """A piece of the author's text, for a reason."""
    try:
        text = ast.unparse(node).split("\n")[0]
    except ValueError:      # up to CPython 3.11 it can't write some f-strings, and none writes an int of 5,000 digits
        text = f"something of the kind {type(node).__name__}"
    return text if len(text) <= 40 else text[:37] + "..."
