"""fastgrad: a scalar autograd engine with micrograd's and microgpt's interface and a core in C."""
import os
import sys

if sys.implementation.name == "pypy" or os.environ.get("FASTGRAD_PURE", "0") not in ("", "0"):
    backend = "python"
    import fastgrad.reference as engine
    sys.modules["fastgrad.engine"] = engine
else:
    backend = "c"
    try:
        import fastgrad.engine as engine
    except ModuleNotFoundError as error:
        if error.name != "fastgrad.engine":
            raise
        raise ImportError("fastgrad's compiled engine is missing here: build it with `pip install -e .` in fastgrad's "
                          "source folder, or, after `pip install .`, leave that folder; or set FASTGRAD_PURE=1 for the "
                          "slow engine in plain Python") from None

from fastgrad.engine import Value, arena_stats
from fastgrad.grad_mode import no_grad
from fastgrad.gradcheck import GradcheckError, gradcheck

__version__ = "0.1.0"
__all__ = ["Value", "no_grad", "arena_stats", "gradcheck", "GradcheckError", "clip_grad_norm_", "backend",
           "__version__"]


def __getattr__(name):
    """fastgrad.optim and what is exported from it, imported when first asked for, since most scripts don't."""
    if name not in ("optim", "clip_grad_norm_"):
        raise AttributeError(f"module 'fastgrad' has no attribute {name!r}")
    from importlib import import_module
    optim = import_module("fastgrad.optim")
    return optim if name == "optim" else optim.clip_grad_norm_
