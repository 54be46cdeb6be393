"""fastgrad: a scalar autograd engine with micrograd's and microgpt's interface and a core in C."""
import os
import sys

if sys.implementation.name == "pypy" or os.environ.get("FASTGRAD_PURE", "0") not in ("", "0"):
    backend = "python"
    import fastgrad.reference as engine
else:
    backend = "c"
    try:
        import fastgrad.engine as engine
    except ModuleNotFoundError as error:
        if error.name != "fastgrad.engine.engine":
            raise
        from fastgrad.uncompiled import find_engine
        backend, engine = find_engine()
sys.modules["fastgrad.engine"] = engine

from fastgrad.autograd import grad
from fastgrad.engine import Value, arena_stats
from fastgrad.gradcheck import GradcheckError, gradcheck
from fastgrad.value.grad_mode import no_grad
from fastgrad.value.public import public

__version__ = "0.1.0"
__all__ = ["Value", "no_grad", "grad", "jacobian", "hessian", "hvp", "value_and_grad", "arena_stats", "gradcheck",
           "GradcheckError", "clip_grad_norm_", "clip_grad_value_", "get_data", "set_data", "get_grad", "set_grad",
           "save", "load", "detect_anomaly", "AnomalyError", "check", "explain", "fuse", "progress", "install",
           "backend", "__version__"]

# What most scripts don't use, by the module that it's in: imported when first asked for.
_LATER = {"jacobian": "autograd", "hessian": "autograd", "hvp": "autograd", "value_and_grad": "autograd",
          "functional": "functional", "micrograd": "micrograd", "optim": "optim", "clip_grad_norm_": "optim",
          "viz": "viz", "nn": "nn",
          "clip_grad_value_": "optim", "parallel": "parallel", "save": "checkpoint", "load": "checkpoint",
          "get_data": "bulk", "set_data": "bulk", "get_grad": "bulk", "set_grad": "bulk",
          "detect_anomaly": "debugging.anomaly", "AnomalyError": "debugging.anomaly",
          "check": "grading.check", "explain": "debugging.explanation", "fuse": "loops.decorating",
          "progress": "drawing.progress",
          "install": "script.importing",
          "load_ipython_extension": "script.notebook", "unload_ipython_extension": "script.notebook"}


@public
def __getattr__(name):
    if name not in _LATER:
        raise AttributeError(f"module 'fastgrad' has no attribute {name!r}")
    from importlib import import_module
    module = import_module(f"fastgrad.{_LATER[name]}")
    return module if name == _LATER[name] else getattr(module, name)


def __dir__():
    """What is public, whether it has been imported yet or not."""
    return sorted({*__all__, "engine", *(name for name, module in _LATER.items() if name == module)})
