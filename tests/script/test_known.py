"""Methods whose text is known, names aside, are taken for ours without a trial, and rightly so."""
import runpy
from unittest import mock

import pytest

import fastgrad

if fastgrad.backend != "c":
    pytest.skip("the plain engine replaces nothing", allow_module_level=True)

from fastgrad.script import known, measure as measuring, replace
from known_texts import ENGINES, found


def verdicts(path):
    """What comes of each class in a file: {class: {method: words}}, and which of them have been tried."""
    tried, before = set(), len(replace.reports)
    measure = measuring.measure
    with mock.patch.object(measuring, "measure", lambda author: tried.add(author.cls.__name__) or measure(author)):
        replace.start()
        try:
            runpy.run_path(str(path))
        finally:
            replace.stop()
    return {report.cls.__name__: report.twin and report.twin.methods for report in replace.reports[before:]}, tried


def test_the_table_is_what_trials_find():
    assert found() == known.KNOWN


def test_known_texts_are_not_tried_and_get_the_same_verdicts():
    known_verdicts, tried = verdicts(ENGINES)
    assert not tried
    with mock.patch.dict(known.KNOWN, clear=True):
        tried_verdicts, tried = verdicts(ENGINES)
    assert len(tried) == 5 and known_verdicts == tried_verdicts


@pytest.mark.parametrize("old, new, method", [
    ("self.grad += out.grad\n", "self.grad += out.grad * 1.5\n", "__add__"),
    ("other.grad += self.data * out.grad", "other.grad += other.data * out.grad", "__mul__"),
    ("(other - 1)", "(other + 1)", "__pow__"), ("out.data > 0", "out.data >= 0", "relu"),
    ("0 if self.data < 0", "0 if self.data < 1", "relu"), ("return self * other**-1", "return other * self**-1",
                                                           "__truediv__"),
    ("self.grad = 1\n", "self.grad = 2\n", "backward"), ("return self + (-other)", "return other + (-self)", "__sub__"),
    ("(1 / self.data) * out.grad", "(1 / self.data) * self.grad", "log"),
    ("math.exp(self.data), (self,), 'exp'", "math.expm1(self.data), (self,), 'exp'", "exp"),
])
def test_a_text_that_is_another_is_not_taken_for_a_known_one(tmp_path, old, new, method):
    text = ENGINES.read_text()
    text = text[:text.index("class Lecture")]
    assert old in text
    (tmp_path / "engine.py").write_text(text.replace(old, new))
    found, _ = verdicts(tmp_path / "engine.py")
    assert found["Micrograd"] is None or not found["Micrograd"][method].startswith("ours")


@pytest.mark.parametrize("head", ["def isinstance(x, kind): return True\n", "class math: exp = log = abs\n",
                                  "from builtins import reversed\n", "def set(x=()): return list(x)\n"])
def test_names_that_mean_something_else(tmp_path, head):
    text = ENGINES.read_text()
    text = text[:text.index("class Lecture")].replace("import math\n", "import math\n" + head)
    (tmp_path / "engine.py").write_text(text)
    found, _ = verdicts(tmp_path / "engine.py")
    assert found["Micrograd"] is None or any(not how.startswith("ours") for how in found["Micrograd"].values())
