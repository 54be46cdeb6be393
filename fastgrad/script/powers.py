"""Operands that show whether a function is computed with Python's `**`.

C's pow(x, 2) isn't x * x for one number in a thousand, nor is pow(x, -1) 1 / x, or pow(x, 0.5) sqrt(x). So a few
operands don't show which of the two an author's method has. These operands do. They are searched for, since they differ
from one C library to another. Where pow is rounded correctly there are none, and no script can tell the two apart.
"""
import functools
import math
from itertools import islice

from fastgrad.value.operations import FUNCTIONS

POWERS = {x.method: x.powers for x in FUNCTIONS}
EACH = 2        # operands for each pair of formulas


@functools.cache
def telling(name):
    """A list of operands at which powers in a function, or in its derivative, show. name: the function's."""
    found = []
    for pair in POWERS.get(name, ()):
        differs = eval("lambda x: {} != {}".format(*pair).format(a="x"), dict(vars(math)))
        found += islice(filter(differs, (i / 1021 for i in range(1, 8000))), EACH)
    return found
