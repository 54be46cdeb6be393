"""The engine in C: Value, and what the package uses beside it. README.md is a map of this folder.

All is compiled into fastgrad.engine.engine. Where fastgrad runs in plain Python, fastgrad.reference has this module's
name and place, and this one isn't imported.
"""
from fastgrad.engine.engine import (_LOOP_CODES, CODES, Loop, Node, Parameters, Value, Walk, _add_grads, _are_values,
                                    _as_values, _at_next_operation, _fused_products, _get_numbers,
                                    _gradients, _is_vector, _largest, _layer, _make_class, _set_numbers, _total,
                                    _use_loops, _vectors, arena_stats)

try:
    # Hooks for the tests, which few builds have.
    from fastgrad.engine.engine import _check, _fail_allocation, _run_short_loops
except ImportError:
    pass

__all__ = ["Value", "arena_stats"]
