"""Promise: no slow-down slips in unseen. Instructions of a training step against plain floats stay below a bound.

Callgrind counts the same on any machine, busy or not, so this needs no clock; it knows nothing of cache misses.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastgrad

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bench_instructions.sh"

# The ratios of steps 2 and 3, when they were last brought down, and 3% for other compilers and interpreters. Lower them
# with the engine's cost; a change that needs one raised has to be worth it.
BOUNDS = {"fastgrad": 1.24, "@fuse": 0.131, "published": 0.137}
MEASURED_ON = (3, 11)   # floats cost another number of instructions on every Python


@pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind")
@pytest.mark.skipif(fastgrad.backend != "c", reason="needs the compiled engine")
@pytest.mark.skipif(sys.version_info[:2] != MEASURED_ON, reason="the bound is Python 3.11's")
def test_a_step_takes_no_more_instructions_than_it_did():
    done = subprocess.run([SCRIPT, "1", "3"], env={"PATH": "/usr/bin:/bin:/usr/local/bin", "PYTHON": sys.executable},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for row, bound in BOUNDS.items():
        assert float(re.search(rf"^{row} +\d+ +([\d.]+)$", done.stdout, re.M)[1]) <= bound, done.stdout
