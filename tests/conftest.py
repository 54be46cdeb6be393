"""What the tests share: most of them run twice, once on the C engine and once on the oracle in plain Python."""
import importlib

import pytest

import fastgrad

ENGINES = {"c": "fastgrad.engine", "python": "fastgrad.reference"}


@pytest.fixture(params=list(ENGINES))
def engine(request):
    """The module of one engine."""
    if request.param == "c" and fastgrad.backend != "c":
        pytest.skip("the C engine isn't in use (FASTGRAD_PURE or PyPy)")
    return importlib.import_module(ENGINES[request.param])


@pytest.fixture
def Value(engine):
    """The Value class of one engine."""
    return engine.Value
