"""Makes fastgrad/script/known_texts.py, the table of methods' texts that need no trial, of scripts/engines.py.

    python tests/script/known_texts.py         # write the table

Each engine is tried as if nothing were known; what the trials find goes into the table. test_known.py holds the table
to that.
"""
import runpy
from pathlib import Path
from pprint import pformat
from textwrap import indent
from unittest import mock

from fastgrad.script import known, replace, twin

HERE = Path(__file__).parent
ENGINES = HERE / "scripts" / "engines.py"
TABLE = HERE.parents[1] / "fastgrad" / "script" / "known_texts.py"
HEAD = '''"""The methods that known.py knows by their text: (method, digest of its canonical form): what trials found.

why: why the method stays the author's; ours replaces a method without it. deferred: whether local derivatives are
computed in backward(). results: the rule for the class of results (Results in state.pxi). float_seed: whether
backward() starts from 1.0. micrograd_relu: whether relu is micrograd's; else it's microgpt's. tanh_by_power:
whether tanh's derivative has the bits of 1 - t ** 2; else it has those of 1 - t * t.

tests/script/known_texts.py makes this file from tests/script/scripts/engines.py.
"""
KNOWN = {
'''


def found(path=ENGINES):
    """What trials find of the engines in a file: {(method, digest): facts}."""
    facts, finish = {}, twin.Twin.finish

    def note(self):
        finish(self)
        for key, value in known.found_texts(self.author, self.dialect, self.methods).items():
            if key not in facts or "why" in value:      # what is ours in one class only isn't known to be ours
                facts[key] = value

    with mock.patch.object(twin.Twin, "finish", note), mock.patch.dict(known.KNOWN, clear=True):
        replace.start()
        try:
            runpy.run_path(str(path))
        finally:
            replace.stop()
    return facts


if __name__ == "__main__":
    lines = [f"    {key!r}:\n{indent(pformat(value, width=110, sort_dicts=False), ' ' * 8)},\n"
             for key, value in sorted(found().items())]
    TABLE.write_text(HEAD + "".join(lines) + "}\n")
