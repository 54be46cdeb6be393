"""The engine in plain Python says once, when somebody's graph is large, that the compiled one is faster."""
import sys
import warnings

MANY = 100_000      # nodes of a graph that takes plain Python about a second
_has_told = False


def tell(nodes):
    """Warn of a backward() over so many nodes, the first time in a process; called by backward() itself.

    The engine in plain Python must be the one in use, not the oracle beside the compiled one; and on PyPy, where
    nothing else can be had, there's nothing to say. Raises RuntimeWarning if warnings are errors.
    """
    global _has_told
    in_use = sys.modules.get("fastgrad.engine") is sys.modules.get("fastgrad.reference")
    if _has_told or not in_use or sys.implementation.name == "pypy":
        return
    _has_told = True
    warnings.warn(f"backward() over {nodes:,} nodes in plain Python: fastgrad's compiled engine, which `pip install "
                  "fastgrad` gives without FASTGRAD_PURE=1, is some 50 times faster", RuntimeWarning, stacklevel=3)
