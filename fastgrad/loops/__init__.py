"""Loops over Values that C runs: the author's code is rewritten so that it tries, and nobody can tell.

grammar.py says which loops, meaning.py what they mean, rewriting.py puts the calls in, and the engine's loops.pxi and
csrc/program.h run them. names.py knows whose a variable is. Its users: decorating.py has @fuse, importing.py a hook for
imports, and report.py lists what became of the loops. switch.py turns all of it off.

Nothing is imported before it's used, since rewriting needs the compiled engine, and takes a while to import.
"""
__all__ = ["compile_source", "loops"]


def __getattr__(name):
    if name in __all__:
        from fastgrad.loops import rewriting
        return getattr(rewriting, name)
    raise AttributeError(f"module 'fastgrad.loops' has no attribute {name!r}")
