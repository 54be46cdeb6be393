"""The verdict on an author's class: which of its methods ours replace.

A class whose methods are all known by their text (known.py) needs no more than this. judge.py adds the trials.
"""
from fastgrad.script.sandbox import NotReplaceable
from fastgrad.script.trials import METHODS

OURS = "ours"
ZEROING = "ours, after setting the gradients to 0"


class Verdict:
    """Decides which methods of a twin are ours, and gives it the author's for the others. Raises NotReplaceable.

    known: facts about methods by name (known.py). The verdict on each method goes into twin.methods, in words, which
    begin with "ours" if ours replaces it.
    """

    def __init__(self, author, dialect, twin, known):
        self.author, self.dialect, self.twin, self.known = author, dialect, twin, known

    def decide(self):
        backward, methods = self.dialect.backward, self.twin.methods
        for name in self.author.body:
            if name not in METHODS and name not in ("__init__", backward):
                self.twin.keep(name)
        self.choose_constructor()
        for name in (*METHODS, backward):
            if name in self.known:
                self.choose_known(name)
            elif name == backward:
                self.choose_backward(name)
            elif name in self.author.body:
                self.choose_untold(name)
            if name == "__mul__" and not {"__add__", "__mul__"} & {name for name in methods if methods[name] == OURS}:
                raise NotReplaceable(f"its + and * aren't ours: {methods['__add__'].partition(': ')[2]}")
        if not self.dialect.is_ordered:
            self.twin.note = "a set of operands has no order, so the last bits of gradients may differ"

    def choose_known(self, name):
        why = self.known[name].get("why")
        if why:
            self.twin.keep(name)
        self.twin.methods[name] = f"the author's: {why}" if why else OURS

    def choose_constructor(self):
        """Choose our constructor if the author's takes the same arguments and only stores them, else the author's."""
        constructor = self.author.body["__init__"]
        if self.only_stores(constructor) and takes_our_arguments(constructor, self.dialect):
            self.twin.methods["__init__"] = OURS
            return
        self.twin.keep_constructor()
        self.twin.methods["__init__"] = "the author's: it takes other arguments than ours, or does more"

    def only_stores(self, constructor):
        """Whether a constructor only stores its arguments. Here it's known to."""
        return True


# ---- The constructor's arguments ----

OUR_ARGUMENTS = [("data",), ("_children", "children", "_prev"), ("_op", "op", "local_grads", "_local_grads"),
                 ("label",)]
OUR_DEFAULTS = [((), None), ("", (), None), ("", None)]
CO_VARARGS, CO_VARKEYWORDS = 0x4, 0x8


def parameters(function):
    """The names of a method's arguments after self, those of *args and **named included."""
    code = function.__code__
    others = bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    return code.co_varnames[1:code.co_argcount + code.co_kwonlyargcount + others]


def takes_our_arguments(function, dialect):
    """Whether Value's own constructor can replace one that only stores its arguments: it takes the same ones, and the
    class has no attributes beyond the node's fields and a label."""
    names, defaults = parameters(function), function.__defaults__ or ()
    if len(names) > len(OUR_ARGUMENTS) or len(names) != len(defaults) + 1 or set(dialect.extras) - {"label"} \
            or function.__code__.co_flags & (CO_VARARGS | CO_VARKEYWORDS) or function.__code__.co_kwonlyargcount:
        return False
    if not all(name in ours for name, ours in zip(names, OUR_ARGUMENTS)):
        return False
    if not all(type(x) in (set, list) or x in some for x, some in zip(defaults, OUR_DEFAULTS)):
        return False
    return not (len(names) > 2 and names[2] in ("_op", "op") and not dialect.op)
