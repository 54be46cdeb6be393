"""Promise: no line of a program is longer than CONTRIBUTING.md allows."""
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = "csrc", "fastgrad", "tests", "benchmarks", "examples", "docs"
PROGRAMS = {".py", ".pyi", ".pyx", ".pxi", ".pxd", ".c", ".h", ".js", ".sh"}
MADE = {ROOT / "fastgrad" / "engine" / "engine.c"}      # by Cython


@pytest.mark.skipif(not (ROOT / "csrc").exists(), reason="needs the sources")
def test_lines_are_short():
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in PROGRAMS]
    assert len(files) > 300
    assert [f"{path.relative_to(ROOT)}:{i}" for path in sorted(set(files) - MADE)
            for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if len(line) > 120] == []
