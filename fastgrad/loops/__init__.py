"""Loops over Values that C runs: the author's code is rewritten so that it tries, and nobody can tell.

grammar.py says which loops, meaning.py what they mean, rewriting.py puts the calls in, and the engine's loops.pxi and
csrc/program.h run them. names.py knows whose a variable is. decorating.py has @fuse.
"""
from fastgrad.loops.rewriting import compile_source, loops

__all__ = ["compile_source", "loops"]
