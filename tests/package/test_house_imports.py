"""Promise: the imports of the house go one way. No module comes back to itself by what it imports, and no test file
imports another.

The imports are read from the text. One within a function runs later, and is an arrow like any other; LATER has the few
that close a circle.
"""
import ast
from pathlib import Path

import pytest

import fastgrad

PACKAGE = Path(fastgrad.__file__).resolve().parent
TESTS = Path(__file__).resolve().parents[1]
# (a module, what it imports within a function though that imports it in turn): why.
LATER = {
    ("fastgrad.copying", "fastgrad"): "the Value in use, which is known when all has been imported",
    ("fastgrad.value.copying", "fastgrad.copying"): "pickles have its name in them, so it's none of the rooms",
    ("fastgrad.value.parameters", "fastgrad.optim.checks"): "Parameters in plain Python gather Values as optimisers do",
}


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyx")]}


def python_of(path):
    """A file's text; of Cython's, the imports that are Python's too, which are a line each."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.suffix == ".pyx":
        lines = [line for line in lines if line.startswith(("import ", "from ")) and " cimport " not in line]
    return "\n".join(lines)


def imports_of(name, path):
    """The modules of fastgrad that one imports: {module: whether it does so within a function alone}."""
    tree = ast.parse(python_of(path))
    within = {id(node) for function in ast.walk(tree) if isinstance(function, (ast.FunctionDef, ast.Lambda))
              for node in ast.walk(function)}
    found = {}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} has a relative import, which this test doesn't read"
            names = [f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in MODULES else node.module
                     for alias in node.names]
        for imported in {*names} & MODULES.keys() - {name}:
            found[imported] = found.get(imported, True) and id(node) in within
    return found


ARROWS = {name: imports_of(name, path) for name, path in MODULES.items()} \
    if (PACKAGE / "engine" / "engine.pyx").exists() else {}
needs_sources = pytest.mark.skipif(not ARROWS, reason="an installed package has no engine.pyx")


def way(start, end, arrows):
    """A way from one module to another by imports, as a list; None if there's none."""
    todo, seen = [[start]], {start}
    while todo:
        path = todo.pop(0)
        for name in sorted(arrows[path[-1]]):
            if name == end:
                return [*path, name]
            if name not in seen:
                seen.add(name)
                todo.append([*path, name])
    return None


@needs_sources
def test_no_module_comes_back_to_itself():
    arrows = {name: {other for other in imported if (name, other) not in LATER} for name, imported in ARROWS.items()}
    circles = [" -> ".join(circle) for name in arrows if (circle := way(name, name, arrows))]
    assert not circles, "\n".join(circles)


@needs_sources
@pytest.mark.parametrize("name, imported", LATER)
def test_what_is_imported_late_for_a_reason(name, imported):
    assert ARROWS[name][imported] and way(imported, name, ARROWS), "it needs no place in LATER any more"


def test_no_test_file_imports_another():
    files = {path.stem: path for path in TESTS.rglob("test_*.py")}
    for path in files.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else \
                [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not {*names} & files.keys(), f"{path.name} imports {names}"
