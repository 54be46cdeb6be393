"""Writes the engine's docstrings into its stub, for editors: a compiled module has no text in which they'd find them.

    python tests/package/stub_docstrings.py         # write them

All other stubs lie beside a .py file, whose docstrings editors show. test_packaging.py holds the stub to this.
"""
import ast
import inspect
from pathlib import Path

import fastgrad.engine

STUB = Path(fastgrad.__file__).parent / "engine" / "__init__.pyi"


def docstring(x, indent):
    """The lines of an object's docstring in a stub."""
    text = inspect.getdoc(x)
    ending = '"""' if "\n" not in text else '\n"""'
    return [(indent + line).rstrip() for line in f'"""{text}{ending}'.split("\n")]


def described(nodes, owner):
    """The statements of a stub that have a docstring at run time, as (statement, object)."""
    for node in nodes:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or node.name.startswith("__"):
            continue
        x = inspect.getattr_static(owner, node.name, None)
        is_setter = any(isinstance(each, ast.Attribute) for each in getattr(node, "decorator_list", ()))
        is_public = not node.name.startswith("_") or isinstance(x, (property, type(fastgrad.engine.Value.data)))
        if is_public and not is_setter and inspect.getdoc(x) and node.name != "Loop":
            yield node, x
            if isinstance(node, ast.ClassDef):
                yield from described(node.body, x)


def with_docstrings(text):
    """The stub's text with the docstrings of the engine that runs."""
    lines = text.split("\n")
    for node, x in sorted(described(ast.parse(text).body, fastgrad.engine), key=lambda pair: -pair[0].lineno):
        indent, body = " " * (node.col_offset + 4), node.body
        has_one = isinstance(body[0], ast.Expr) and isinstance(getattr(body[0].value, "value", None), str)
        if isinstance(node, ast.ClassDef) or has_one:
            first = body[0].lineno - 1
            end = body[0].end_lineno if has_one else first
            while not has_one and lines[first - 1].strip().startswith("#"):     # a comment on the first method
                first, end = first - 1, end - 1
            lines[first:end] = docstring(x, indent)
        else:
            last = node.end_lineno - 1
            assert lines[last].endswith(": ...")
            lines[last:last + 1] = [lines[last].removesuffix(" ..."), *docstring(x, indent)]
    return "\n".join(lines)


if __name__ == "__main__":
    STUB.write_text(with_docstrings(STUB.read_text(encoding="utf-8")), encoding="utf-8")
