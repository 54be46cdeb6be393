"""What a loop means: from a `Loop` of the grammar to the levels, columns and programs that the engine runs.

A loop is a level, and a loop within it is a level within that. A level's operands are in registers. Those that are read
from objects are columns; the program computes others from them, an instruction each. Whoever adds an element to the
grammar says here, in Levels.register, which instruction it becomes.
"""
from fastgrad.engine import _LOOP_CODES as CODES
from fastgrad.loops.grammar import Unfit

BINARY = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power", "max": "max", "min": "min"}
UNARY = {"negative": "negate", "abs": "abs", "data": "data", "grad": "grad"}


class Meaning:
    """All that the engine's class Loop is made of."""

    def __init__(self, level, what, parser):
        self.level, self.what = level, what
        self.file, self.line = "", 0
        self.methods, self.absent = tuple(sorted(parser.methods)), tuple(sorted(parser.absent))
        self.operators = tuple(sorted(parser.operators))
        self.builtins, self.math = tuple(parser.builtins.items()), tuple(parser.math.items())
        self.arguments = ()             # (i, function): the builtin that argument i has to be
        self.is_module_level = False    # the loop is in a module's or a cell's own code, not in a function
        self.n_arguments = 0            # the first ones, which rest() returns again if the loop declines
        self.iterable = None            # of a `for`, how what it goes over is made of them: see Rewriter.split
        self.total = -1                 # which argument is the sum so far, of a `for` that adds to a variable


class Level:
    """See Level in fastgrad/engine/loops.pxi."""

    def __init__(self, loop, leaves_last):
        self.output, self.sequences, self.strict = loop.output, loop.sequences, loop.strict
        # Of each sequence, whether it's the same for all elements of the loops around.
        self.are_fixed = [not set().union(*map(slots_in, places)) for _, _, *places in loop.sequences]
        self.columns, self.levels = [], []      # levels: (register, Level)
        self.code = []                          # (instruction, function, result, a, b)
        self.n_registers = 0
        self.a = self.b = self.start = -1       # the registers of the output
        self.within = None                      # of "lists": the level of a list
        self.place = loop.element[1] if loop.output == "objects" else None
        self.stores = []
        self.values = []                        # registers of Values whose data or grad is read or assigned,
        self.named = []                         # and those of them of which nothing else is asked for
        self.leaves_last = leaves_last          # the last element is the author's
        self.ahead = int(any(place is None for place, _ in loop.statements))


class Column:
    """Operands that are read from objects: see Column in fastgrad/engine/loops.pxi."""

    def __init__(self, register, place, is_one, is_fixed):
        self.register, self.place, self.is_one, self.is_fixed = register, place, is_one, is_fixed
        self.sequence = self.items = self.inner = None


class Store:
    """A place to assign to. kind: "data", "grad" or "item". register: of what is assigned. value: the register of the
    Value, or of the item as it was."""

    def __init__(self, kind, register, value):
        self.kind, self.register, self.value = kind, register, value


def meaning_of(loop, parser, is_for=False):
    """The Meaning of a parsed loop."""
    parser.check_unpacking()
    level = LevelMaker(loop, is_for).level
    own = {slot for _, slot, *_ in loop.sequences}
    if is_for and any(slots_in(place) & own for place, _ in parser.unpacked):
        level.ahead = 1     # the next element may not be one that can be unpacked
    return Meaning(level, describe(loop), parser)


def slots_in(place):
    """The slots of the variables that a place depends on."""
    if place is None or not isinstance(place, tuple) or place[0] == "constant":
        return set()
    if place[0] == "item":
        return {place[1]}
    return set().union(*map(slots_in, place[1:]))


def has_items(place):
    """Whether a place is, or is found by, an item of something that may be a list."""
    if not isinstance(place, tuple) or place[0] == "constant":
        return False
    is_item = place[0] in ("slice", "part") or place[0] == "subscript" and not (
        place[2][0] == "constant" and isinstance(place[2][1], str))
    return is_item or any(map(has_items, place[1:]))


class LevelMaker:
    """Makes the level of a loop, and those within."""

    def __init__(self, loop, is_for=False):
        self.level = Level(loop, leaves_last=is_for)
        self.own = {slot for _, slot, *_ in loop.sequences}
        self.fixed = {slot for (_, slot, *_), is_fixed in zip(loop.sequences, self.level.are_fixed) if is_fixed}
        self.read = {}          # columns' registers by place
        self.made = {}          # registers by the element's id; `loop` keeps elements alive
        self.fields = {}        # registers of Values' data and grad, by "data" or "grad" and the Values' register
        self.assigned = {}      # by text, places that a statement has assigned to, with the register of what they hold
        if loop.output == "lists":
            self.level.within = LevelMaker(loop.within).level
            return
        if loop.output == "objects":
            return
        if loop.start is not None:
            self.level.start = self.outside(loop.start)
        for place, element in loop.statements:
            register = self.register(element)
            if place is None:
                self.made[id(element)] = register       # what the variable stands for, whatever its place gets later
            else:
                if place[0] == "operand" and (element[0] == "operand" or ("operand", register) in self.kinds()):
                    raise Unfit("an item that is the same object as another")
                self.assigned[repr(place)] = place, register
        if any(kind == "operand" for kind, _ in self.kinds()):
            self.check_items()
        if self.assigned and self.level.levels:
            raise Unfit("a loop within one that assigns")
        self.level.stores = [self.store(place, register) for place, register in self.assigned.values()]
        if loop.output == "sum" and loop.element[0] == "*":
            self.level.a, self.level.b = self.register(loop.element[1]), self.register(loop.element[2])
        elif loop.element:
            self.level.a = self.register(loop.element)
        operands = self.operands()
        if any(store.kind == "data" and store.value in operands for store in self.level.stores):
            raise Unfit("a Value as an operand whose data is assigned")
        self.level.named = [register for register in self.level.values if register not in operands]

    def kinds(self):
        """What has been assigned to so far: the place's kind, "data", "grad" or "operand", and the register."""
        return {(place[0], register) for place, register in self.assigned.values()}

    def operands(self):
        """The registers whose operands themselves are computed with, put out or assigned."""
        registers = {self.level.a, self.level.b, self.level.start, *(store.register for store in self.level.stores)}
        for what, _, _, a, b in self.level.code:
            if what not in (CODES["data"], CODES["grad"]):
                registers |= {a, b}
        return registers

    def check_items(self):
        """Raise Unfit if a `for` that assigns to a list's items reads items in a way that the engine can't tell from
        those."""
        for column in self.level.columns:
            if has_items(column.place) and (column.items is None or column.inner is not None):
                raise Unfit("an item that may be one that the loop assigns to")

    def new_register(self):
        self.level.n_registers += 1
        return self.level.n_registers - 1

    def outside(self, element):
        """The register of a sum's start, which has to be a place or a number from outside."""
        if element[0] not in ("operand", "number") or element[0] == "operand" and slots_in(element[1]) & self.own:
            raise Unfit("the start of a sum")
        return self.register(element)

    def register(self, element):
        """The register of an element. What is computed twice has two registers, unless it's one variable's value."""
        name, *parts = element
        if id(element) in self.made:
            return self.made[id(element)]
        if name in ("operand", "data", "grad") and repr(element) in self.assigned:
            return self.assigned[repr(element)][1]
        if name == "number":
            return self.column(("constant", parts[0]))
        if name == "operand":
            return self.column(parts[0])
        if id(element) not in self.made:
            self.made[id(element)] = self.compute(name, parts)
        return self.made[id(element)]

    def compute(self, name, parts):
        if name == "loop":
            level = LevelMaker(parts[0]).level
            register = self.new_register()
            self.level.levels.append((register, level))
            return register
        if name in BINARY:
            return self.instruct(BINARY[name], *map(self.register, parts))
        if name in ("data", "grad"):
            self.note_value(parts[0])
            key = name, self.register(parts[0])
            if key not in self.fields:      # it's a number, so it may be read once for all
                self.fields[key] = self.instruct(name, key[1])
            return self.fields[key]
        if name in UNARY:
            return self.instruct(UNARY[name], self.register(parts[0]))
        function, operand = parts       # "method" or "math"
        return self.instruct(name, self.register(operand), function=function)

    def instruct(self, name, a, b=None, function=None):
        result = self.new_register()
        self.level.code.append((CODES[name], CODES[f"function {function}"] if function else 0, result, a,
                                a if b is None else b))
        return result

    def note_value(self, element):
        if element[0] == "operand" and self.register(element) not in self.level.values:
            self.level.values.append(self.register(element))

    def store(self, place, register):
        kind, part = place
        if kind != "operand":
            self.note_value(part)
            return Store(kind, register, self.register(part))
        return Store("item", register, self.column(part))

    def column(self, place):
        key = repr(place)       # 1, 1.0 and True are equal, and so would be their places
        if key not in self.read:
            self.read[key] = self.new_register()
            slots = slots_in(place)
            column = Column(self.read[key], place, not slots & self.own, slots <= self.fixed)
            self.find_sequence(column)
            self.level.columns.append(column)
        return self.read[key]

    def find_sequence(self, column):
        """If a column is all of a list, say which: the engine reads that at once. Or it's an item, always with the same
        index, of each of a list's items."""
        for i, (kind, slot, *places) in enumerate(self.level.sequences):
            place, inner = column.place, None
            if place[0] == "subscript" and place[1] in (("item", slot), by_number(place[1], slot)) \
                    and not slots_in(place[2]) & self.own:
                _, place, inner = place
            is_item = place == ("item", slot) and kind in ("items", "reversed")
            is_by_number = place == by_number(place, slot) and kind in ("range", "count") \
                and not slots_in(place[1]) & self.own
            if is_item or is_by_number:
                column.sequence, column.inner = i, inner
                column.items = place[1] if is_by_number else None
                column.is_fixed = not set().union(*map(slots_in, places), slots_in(column.items), slots_in(inner))
                return


def by_number(place, slot):
    """The place itself if it's a list's item whose index is the variable of a slot."""
    return place if place[0] == "subscript" and place[2] == ("item", slot) else None


# ---- For reports ----

def describe(loop):
    """A few words on what a loop makes."""
    if loop.output == "stores":
        places = [place[0] if place[0] != "operand" else "items" for place, _ in loop.statements if place]
        return "assigns " + ", ".join(dict.fromkeys(places))
    if loop.output == "lists":
        return "list of lists, each a " + describe(loop.within)
    if loop.output == "objects":
        return "list of slices" if loop.element[1][0] == "slice" else "list of items"
    if loop.output == "list":
        within = list(loops_in(loop.element))
        return "list" + (f" of each a {describe(within[0])}" if within else "")
    return {"sum": "sum", "max": "maximum", "min": "minimum"}[loop.output] + \
        (" of products" if loop.element[0] == "*" else "")


def loops_in(element):
    for part in element:
        if isinstance(part, tuple):
            if part and part[0] == "loop":
                yield part[1]
            else:
                yield from loops_in(part)
    if element and element[0] == "loop":
        yield element[1]
