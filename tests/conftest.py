"""What the tests share: most of them run twice, once on the C engine and once on the oracle in plain Python."""
import gc
import importlib
import os
import subprocess
import sys

import pytest

import fastgrad

ENGINES = {"c": "fastgrad.engine", "python": "fastgrad.reference"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Under `pytest -n auto` (pytest-xdist) a file's tests stay together in one process, since they share what they
    build."""
    if config.getoption("dist") != "load":
        return None         # somebody has asked for something else
    from xdist.scheduler import LoadFileScheduling
    return LoadFileScheduling(config, log)


@pytest.fixture(params=list(ENGINES))
def engine(request):
    """The module of one engine."""
    if request.param == "c" and fastgrad.backend != "c":
        pytest.skip("the C engine isn't in use (FASTGRAD_PURE or PyPy)")
    return importlib.import_module(ENGINES[request.param])


@pytest.fixture(autouse=True, scope="module")
def what_was_there_is_not_looked_at():
    """The collector, which many tests run, passes by all that pytest and other files' tests have made: else most of the
    suite's time would go there."""
    gc.collect()
    if hasattr(gc, "freeze"):       # PyPy has none
        gc.freeze()


@pytest.fixture(autouse=True)
def free_handles():
    """The C engine's operators have a short way, which they take only for the active class, and while there are free
    handles. A process has none at first, and a test that is run alone would never come by there."""
    [fastgrad.Value(0.0) + 1.0 for _ in range(100)]


@pytest.fixture
def run_in_plain_python():
    """Run the tests of a file again, in a process in which the engine in plain Python is in use."""
    def run(file):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file]
        done = subprocess.run(command, env={**os.environ, "FASTGRAD_PURE": "1"}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
    return run


@pytest.fixture
def Value(engine):
    """The Value class of one engine."""
    return engine.Value
