"""Compile a text a second time without the warnings that were given the first time.

warnings.catch_warnings would make Python forget which warnings it has shown in all modules, so that a warning that is
shown once would be shown again.
"""
import contextlib
import warnings

IGNORED = "ignore", None, Warning, None, 0


@contextlib.contextmanager
def without_warnings():
    """Ignore the compiler's warnings in a block."""
    filters = warnings.filters
    filters.insert(0, IGNORED)
    try:
        yield
    finally:
        filters.remove(IGNORED)
