"""What has to be there: the sets that `require` knows, and how it's read."""
from fastgrad.grading.expressions import FUNCTION_NAMES, OPERATORS

# Sets of methods for `require`.
SETS = {
    "basic": ("__add__", "__mul__"),
    "lecture": ("__add__", "__radd__", "__mul__", "__rmul__", "__neg__", "__sub__", "__truediv__", "__pow__", "exp",
                "tanh"),
    "micrograd": (*OPERATORS[:-1], "relu"),
    "microgpt": (*OPERATORS[:-1], "exp", "log", "relu"),
}


def required_methods(names):
    """The methods that `require` names: names of methods, operators (+), or sets of them. Raises ValueError."""
    by_symbol = {"+": "__add__", "*": "__mul__", "-": "__sub__", "/": "__truediv__", "**": "__pow__", "neg": "__neg__"}
    known, found = {*OPERATORS, *FUNCTION_NAMES}, set()
    for name in names:
        if name in SETS:
            found.update(SETS[name])
        elif (method := by_symbol.get(name, f"__{name}__" if f"__{name}__" in known else name)) in known:
            found.add(method)
        else:
            raise ValueError(f"{name!r} can't be required: it's none of {', '.join(SETS)}, an operator, or a function "
                             f"({', '.join(FUNCTION_NAMES)})")
    return found
