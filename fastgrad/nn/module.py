"""Module: what has parameters, and finds them by itself.

A module's attributes are looked through in the order in which they were set: Values, Modules, and lists, tuples and
dicts of these, to any depth. Names are the way there: `layers.0.weight`. A list of Values, or of lists of Values, is an
array and has one name; `weight.1.2` is a Value in it. A Value that is the result of an operation isn't a parameter, so
a module may keep what it has computed (`self.out = out`).

Who defines `parameters()`, as one does with micrograd, decides what they are; it's asked wherever the module is found.
"""
from collections import namedtuple
from collections.abc import Mapping
from contextvars import ContextVar

from fastgrad.bulk import set_data
from fastgrad.value.base import AnyValue, printable
from fastgrad.value.public import public

_IncompatibleKeys = namedtuple("_IncompatibleKeys", "missing_keys unexpected_keys")

# What runs now: searches through modules, and calls of a parameters() of the user's own, as pairs of function and id.
_running = ContextVar("_running", default=frozenset())


class NoParameters(list):
    """An empty list of parameters. looked_through: where there were none, in words, for an optimiser's error."""

    looked_through = ""


@public
class Module:
    """The base of everything that has parameters. A subclass sets them as attributes, and defines `forward`.

    training: what train() and eval() set, for modules that do one thing in training and another afterwards.
    """

    training = True

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def forward(self, *args, **kwargs):
        """What calling the module does. Subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def parameters(self):
        """The parameters as a list of Values, each once, in the order in which they are found."""
        found = _once(_search, self)        # modules may lead back here, through a parameters() of the user's own
        if found or found is None:
            return list(found or ())
        none = NoParameters()
        none.looked_through = _looked_through(self)
        return none

    def named_parameters(self):
        """Pairs of a name and a parameter, for all parameters, each once; an iterator."""
        found = {}
        for name, array in _arrays(self, "", (), []):
            for number, p in _elements(array, name):
                found.setdefault(id(p), (number, p))
        for i, p in enumerate(self.parameters()):
            yield found.get(id(p)) or (f"parameters.{i}", p)

    def modules(self):
        """This module and all that are below it, each once; an iterator."""
        found = {}
        _gather_modules(self, found, set())
        yield from found.values()

    def zero_grad(self, set_to_none=True):
        """Set the gradient of every parameter to 0. set_to_none is torch's, and makes no difference."""
        for p in self.parameters():
            p.grad = 0

    def train(self, mode=True):
        """Set `training`, here and in all modules below, to mode, a bool. Returns the module."""
        if not isinstance(mode, bool):
            raise ValueError(f"mode must be True or False, not {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self):
        """Set `training` to False, here and in all modules below. Returns the module."""
        return self.train(False)

    def state_dict(self):
        """The numbers of the parameters as a dict: the name of each array, and its numbers as lists of lists.

        An array that is found in two places has both names. Parameters that only a parameters() of the user's own knows
        are there as `parameters.0`, counted in its order. Raises ValueError if two arrays have the same name.
        """
        return {name: _data(array) for name, array in _named_arrays(self).items()}

    def load_state_dict(self, state_dict, strict=True):
        """Set the parameters to the numbers of a state_dict.

        state_dict: what state_dict() of such a module has returned, or the same with NumPy's arrays. strict: whether
        it must have all names that the module has, and no others; if not, only those that both have are set.

        Returns a pair like torch's, (missing_keys, unexpected_keys), two lists of names. Raises TypeError or
        ValueError, which names what is missing, not expected, of another size or no number; then nothing has changed.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict must be a dict, not {type(state_dict).__name__!r}")
        arrays = _named_arrays(self)
        missing = [name for name in arrays if name not in state_dict]
        unexpected = [name for name in state_dict if name not in arrays]
        problems = []
        if strict and missing:
            problems.append(f"missing: {', '.join(missing)}")
        if strict and unexpected:
            problems.append(f"not expected: {', '.join(map(str, unexpected))}")
        values, numbers, names = [], [], []
        for name, array in arrays.items():
            if name in state_dict:
                try:
                    mine, theirs = [], []
                    _fit(array, state_dict[name], mine, theirs)
                    values += mine
                    numbers += theirs
                    names.append((name, len(values)))
                except _Misfit:
                    problems.append(f"{name} is {_size(array)} here, and {_size(_as_lists(state_dict[name]))} there")
        if problems:
            raise ValueError(f"state_dict doesn't fit {type(self).__name__}: " + "; ".join(problems))
        _check_shared(values, numbers, names)
        set_data(values, numbers)
        return _IncompatibleKeys(missing, unexpected)


# ---- Finding ----

def _has_its_own_parameters(module):
    return type(module).parameters is not Module.parameters


def _parts(x):
    """What is looked through in x, as (name, part): a module's attributes, or the elements of a list, tuple or dict."""
    if isinstance(x, Module):
        return list(vars(x).items())
    return list(x.items()) if isinstance(x, dict) else list(enumerate(x))


def _gather(x, found, seen):
    """Put the parameters below x into found, by their ids. seen: ids of modules and containers that were entered."""
    if isinstance(x, (Module, dict, list, tuple)) and id(x) not in seen:
        seen.add(id(x))
        if isinstance(x, Module) and _has_its_own_parameters(x):
            for p in _once(_ask, x) or ():
                found.setdefault(id(p), p)
        else:
            for part in vars(x).values() if isinstance(x, Module) else x.values() if isinstance(x, dict) else x:
                if isinstance(part, AnyValue):
                    if not part._children:
                        found.setdefault(id(part), part)
                else:
                    _gather(part, found, seen)


def _search(module):
    found = {}
    _gather(list(vars(module).values()), found, {id(module)})
    return list(found.values())


def _ask(module):
    return list(module.parameters())


def _once(function, module):
    """function(module), or None if that runs already."""
    running, call = _running.get(), (function, id(module))
    if call in running:
        return None
    token = _running.set(running | {call})
    try:
        return function(module)
    finally:
        _running.reset(token)


def _gather_modules(x, found, seen):
    if isinstance(x, (Module, dict, list, tuple)) and id(x) not in seen:
        seen.add(id(x))
        if isinstance(x, Module):
            found[id(x)] = x
        for _, part in _parts(x):
            _gather_modules(part, found, seen)


def _arrays(x, name, path, askable):
    """Pairs of a name and an array, a Value or lists of lists of them, for all below x. path: what x is within.
    askable: a list to which modules with a parameters() of the user's own are appended."""
    if isinstance(x, AnyValue):
        if not x._children:
            yield name, x
    elif isinstance(x, (Module, dict, list, tuple)) and not any(x is above for above in path):
        if isinstance(x, (list, tuple)) and _is_array(x, path):
            yield name, x
        else:
            if isinstance(x, Module) and _has_its_own_parameters(x):
                askable.append(x)
            for part_name, part in _parts(x):
                yield from _arrays(part, f"{name}.{part_name}" if name else str(part_name), (*path, x), askable)


def _is_array(x, path):
    """Whether a list or a tuple isn't empty and has only parameters in it, or only such lists and tuples."""
    if not x or any(x is above for above in path):
        return False
    if isinstance(x[0], AnyValue):
        return all([isinstance(p, AnyValue) and not p._children for p in x])
    return all(isinstance(row, (list, tuple)) and _is_array(row, (*path, x)) for row in x)


def _named_arrays(module):
    """{name: array} of all below a module, and parameters that only its parameters(), or theirs, know."""
    named, askable = {}, []
    for name, array in _arrays(module, "", (), askable):
        if name in named:
            raise ValueError(f"two parameters of {type(module).__name__} are called {name!r}")
        named[name] = array
    if askable:
        known = {id(p) for name, array in named.items() for _, p in _elements(array, name)}
        named |= {f"parameters.{i}": p for i, p in enumerate(module.parameters()) if id(p) not in known}
    return named


def _elements(array, name):
    """Pairs of a name and a Value, for all Values in an array."""
    if isinstance(array, AnyValue):
        return [(name, array)]
    if isinstance(array[0], AnyValue):
        return [(f"{name}.{i}", p) for i, p in enumerate(array)]
    return [pair for i, row in enumerate(array) for pair in _elements(row, f"{name}.{i}")]


def _looked_through(module):
    """Where there were no parameters, in words."""
    seen, found = set(), []

    def look(x, name):
        parts = _parts(x) if isinstance(x, (Module, dict, list, tuple)) and id(x) not in seen else ()
        if isinstance(x, Module) or any(isinstance(part, (Module, dict, list, tuple, AnyValue)) for _, part in parts):
            if id(x) in seen:
                return
            seen.add(id(x))
            if isinstance(x, Module) and _has_its_own_parameters(x):
                found.append(f"{name}.parameters() ({type(x).__name__})")
            for part_name, part in parts:
                look(part, f"{name}.{part_name}")
        else:
            of = ", ".join(sorted({type(part).__name__ for _, part in parts}))
            kind = "the result of an operation" if isinstance(x, AnyValue) else type(x).__name__ + (of and f" of {of}")
            found.append(f"{printable(name)} ({kind})")

    for name, part in vars(module).items():
        look(part, str(name))
    if not found:
        return f"{type(module).__name__}, which has no attributes"
    more = f" and {len(found) - 20} more" if len(found) > 20 else ""
    return f"the attributes of {type(module).__name__}: {', '.join(found[:20])}{more}"


# ---- Numbers ----

class _Misfit(Exception):
    """An array has another size than the numbers for it."""


def _data(array):
    """The data of an array's Values, in lists like its own."""
    if isinstance(array, AnyValue):
        return array.data
    if isinstance(array[0], AnyValue):
        return [p.data for p in array]
    return [_data(row) for row in array]


def _as_lists(numbers):
    return numbers.tolist() if hasattr(type(numbers), "tolist") else numbers       # NumPy's


def _fit(array, numbers, values_out, numbers_out):
    """Append an array's Values and the numbers for them to two lists. Raises _Misfit."""
    numbers = _as_lists(numbers)
    if isinstance(array, AnyValue):
        if isinstance(numbers, (list, tuple)):
            raise _Misfit
        values_out.append(array)
        numbers_out.append(numbers)
    elif not isinstance(numbers, (list, tuple)) or len(numbers) != len(array):
        raise _Misfit
    elif isinstance(array[0], AnyValue) and set(map(type, numbers)) <= {float, int}:
        values_out += array
        numbers_out += numbers
    else:
        for part, part_s_numbers in zip(array, numbers):
            _fit(part, part_s_numbers, values_out, numbers_out)


def _size(x):
    """The size of lists of lists in words."""
    if not isinstance(x, (list, tuple)):
        return "one number"
    sizes = []
    while isinstance(x, (list, tuple)):
        sizes.append(len(x))
        lengths = {len(row) if isinstance(row, (list, tuple)) else None for row in x}
        if len(lengths) > 1:
            return f"{' x '.join(map(str, sizes))} rows of several lengths"
        x = x[0] if x else None
    return " x ".join(map(str, sizes)) if len(sizes) > 1 else f"a list of {sizes[0]}"


def _check_shared(values, numbers, names):
    """Raise ValueError if a Value that is found in two places would get two numbers. names: pairs of a name, and how
    many Values there are up to its end."""
    if len(set(map(id, values))) == len(values):
        return
    first = {}
    for i, (p, x) in enumerate(zip(values, numbers)):
        j = first.setdefault(id(p), i)
        if repr(numbers[j]) != repr(x):
            one, other = (next(name for name, end in names if k < end) for k in (j, i))
            raise ValueError(f"{one} and {other} are the same parameter here, and have different numbers in state_dict")
