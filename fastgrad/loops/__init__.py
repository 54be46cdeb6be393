"""Loops over Values that C runs: the author's code is rewritten so that it tries, and nobody can tell.

grammar.py says which loops, meaning.py what they mean, rewriting.py puts the calls in, and the engine's loops.pxi and
csrc/program.h run them. names.py knows whose a variable is. Its users: decorating.py has @fuse, importing.py a hook for
imports, and report.py lists what became of the loops. switch.py turns all of it off.

rewriting.py needs the compiled engine, and takes a while to import, so that it's imported when it's used.
"""
import fastgrad

__all__ = ["compile_source", "loops"]


def compile_source(source, filename, mode="exec", flags=0, dont_inherit=True, optimize=-1, bound=()):
    """Compile like the builtin compile(), with loops rewritten; without the compiled engine, just like it.

    source: a text, bytes or a tree. The code is the author's, to the last byte, if it has no loop of the grammar.
    bound: names of globals that are bound when the code begins to run, apart from what it does itself.
    """
    if fastgrad.backend != "c":
        return compile(source, filename, mode, flags, dont_inherit, optimize)
    from fastgrad.loops import rewriting
    return rewriting.compile_source(source, filename, mode, flags, dont_inherit, optimize, bound)


def loops(code):
    """The loops that have been rewritten in a function or a code object, and in those within, in the order of their
    lines."""
    if fastgrad.backend != "c":
        return []
    from fastgrad.loops import rewriting
    return rewriting.loops(code)
