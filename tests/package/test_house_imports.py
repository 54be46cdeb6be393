"""Promise: the imports of the house go one way. No module comes back to itself by its imports, and no test file imports
another.

Read from the text with ast: what a module imports when it's imported. An import within a function runs later, and a few
are there for that reason; LATER lists those that would close a circle.
"""
import ast
from pathlib import Path

import pytest

import fastgrad

PACKAGE = Path(fastgrad.__file__).resolve().parent
TESTS = Path(__file__).resolve().parents[1]
# (importing, imported): within a function of `importing`, though `imported` leads back to it.
LATER = set()


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}
