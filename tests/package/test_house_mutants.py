"""Promise: the faults that tests/mutate.py plants can be planted. Each text is in its file exactly once, each test is
there, and names are unique, since mutate.py takes faults by name.
"""
from pathlib import Path

import pytest
from mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not (ROOT / "fastgrad").is_dir(), reason="needs the sources")
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_fault_can_be_planted(mutant):
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.before) == 1
    file, _, test = mutant.test.partition("::")
    words = f"def {test.partition('[')[0]}(" if test else ""
    assert words in (ROOT / file).read_text(encoding="utf-8")


def test_names_are_unique():
    names = [mutant.name for mutant in MUTANTS]
    assert len({*names}) == len(names)
