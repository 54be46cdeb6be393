"""Go back to the author's methods when something changes that a twin relied on.

A twin (twin.py) does with our operations what the author's methods did in the trials. Three things can make the
author's methods do something else later: an assignment to the class (`Value.__init__ = counted`), an assignment to a
module (`engine.leak = ...`, `math.exp = ...`), and a cell of a notebook that binds a name again. This file notices all
three. From then on the author's methods run, on our nodes. (text.py reads beforehand what the class's own file does to
its names.)
"""
import sys
from functools import wraps
from types import ModuleType

from fastgrad.script.fields import hide_name
from fastgrad.script.text import Text

_twins: list = []               # all twins, in the order in which they were made
_methods: dict = {}             # by class and name: a method that is ours, and what now_or_later makes of it


def watch(twin):
    """From now on notice changes of a twin's class and of the modules that the twin relies on."""
    _twins.append(twin)
    _methods[twin.ours] = {name: (ours := type.__getattribute__(twin.ours, name), now_or_later(twin, name, ours))
                           for name, how in twin.methods.items() if how.startswith("ours") and name != "__init__"}
    for module in {*twin.modules, sys.modules.get(twin.ours.__module__)} - {None}:
        if type(module) is ModuleType:
            module.__class__ = WatchedModule


def now_or_later(twin, name, ours):
    """The function that a script gets as `Value.exp`. It may keep it: `mul = Value.__mul__`. The author's runs from the
    moment on when that is so for the class."""
    theirs = twin.author.body[name]
    if not callable(theirs):
        return ours

    @wraps(theirs)
    def method(*args, **named):
        return (theirs if twin.has_gone_back else ours)(*args, **named)
    return method


class WatchedClass(type):
    """The metaclass of twins' classes. It notices assignments and deletions."""

    def __getattribute__(cls, name):
        found = type.__getattribute__(cls, name)
        ours, method = _methods.get(cls, {}).get(name, (None, None))
        return method if found is ours and ours is not None else found

    def __setattr__(cls, name, value):
        twin = twin_of(cls)
        if twin is None or not twin.expects(name, value) and not twin.is_hidden_by_instances(name, value):
            type.__setattr__(cls, name, value)
            if twin is not None:
                twin.assigned.add(name)
                twin.invisible.discard(name)
            _note_change(cls, name)

    def __delattr__(cls, name):
        twin = twin_of(cls)
        if twin is not None:
            twin.assigned.add(name)
        if twin is None or name in vars(cls) or name not in vars(twin.cls):     # else ours is inherited
            type.__delattr__(cls, name)
        if twin is not None:
            for base in twin.cls.__mro__[1:-1]:
                if name in vars(base):
                    type.__setattr__(cls, name, vars(base)[name])
                    break
            else:
                hide_name(cls, name)        # Value's would be there again
                twin.invisible |= {name} - {*dir(object)}
        _note_change(cls, name)

    def __dir__(cls):
        twin = twin_of(cls)
        return type.__dir__(cls) if twin is None else sorted({*dir(twin.cls), *vars(cls)} - twin.invisible
                                                                  - {"__slotnames__"})


WatchedClass.__name__ = WatchedClass.__qualname__ = "type"      # scripts see the usual name
WatchedClass.__module__ = "builtins"


def twin_of(cls):
    """The twin that a class belongs to, or None. A class that is still being made has none."""
    return next((twin for twin in _twins if twin.ours is cls), None)


def _note_change(cls, name):
    for twin in _twins:
        if issubclass(cls, twin.ours) and twin.is_changed_by(cls, name):
            twin.go_back()


def note_subclass(cls):
    """Called for a class derived from a twin's, since it may change what the twin's methods do."""
    for name in list(vars(cls)):
        _note_change(cls, name)


def note_class_again(name, module_globals):
    """Called before a class statement binds a name. In methods of an older class the name then means the new class."""
    for twin in _twins:
        if twin.cls.__qualname__ == name and twin.module_globals is module_globals:
            twin.go_back()


class WatchedModule(ModuleType):
    """The class of modules that twins rely on. It notices assignments and deletions."""

    def __setattr__(self, name, value):
        ModuleType.__setattr__(self, name, value)
        _note_names(vars(self), {name})

    def __delattr__(self, name):
        ModuleType.__delattr__(self, name)
        _note_names(vars(self), {name})


WatchedModule.__name__ = WatchedModule.__qualname__ = "module"
WatchedModule.__module__ = "builtins"


def _note_names(module_globals, names):
    for twin in _twins:
        if twin.relies_on(module_globals, names):
            twin.go_back()


def before_cell(source, module_globals=None):
    """Called before a notebook's cell runs, since the cell may bind names again. source: the cell's Python code."""
    if module_globals is None:
        module_globals = vars(sys.modules["__main__"])
    for twin in _twins:
        if twin.has_changed():          # earlier cells have bound it without their source showing it
            twin.go_back()
    if any(twin.module_globals is module_globals for twin in _twins):
        text = Text("<cell>", source)
        _note_names(module_globals, {name for name, n in text.bindings.items() if n > text.class_statements[name]})
        if text.is_dynamic or text.binds_anything:
            _note_names(module_globals, None)
