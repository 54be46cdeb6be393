"""Compile the author's code with its loops rewritten (fastgrad.loops), from start() to stop(): scripts, cells, and
modules of the user's own as they're imported.
"""
import builtins

from fastgrad.loops import importing, switch

is_on = False


def start():
    global is_on
    is_on = switch.is_on()
    if is_on:
        from fastgrad.script.replace import is_teaching_code
        importing.start(is_teaching_code)


def stop():
    global is_on
    is_on = False
    importing.stop()


def compile(source, file, mode="exec", bound=()):
    """Compile a script, or a tree of a cell. bound: the globals that earlier cells have bound."""
    if is_on:
        from fastgrad.loops import rewriting
        return rewriting.compile_source(source, file, mode, bound=bound)
    return builtins.compile(source, file, mode, dont_inherit=True)


# ---- In IPython ----

class Compiler:
    """What a class of IPython's compilers has to be derived from, too. Such a compiler is called with a tree for each
    statement of a cell, just before that runs."""
    shell = None

    def __call__(self, source, filename, symbol, *args, **named):
        plain = super().__call__(source, filename, symbol, *args, **named)
        if not is_on or isinstance(source, (str, bytes)):
            return plain
        from fastgrad.loops import rewriting
        if not rewriting.may_have_loops(source):
            return plain
        return rewriting.rewritten(source, plain, filename, symbol, self.flags, bound=self.shell.user_ns, is_kept=True)


def begin_in(shell):
    """Rewrite the loops of a shell's cells. The class of its compiler is what a front end has chosen, so the compiler
    gets one that is derived from it."""
    cls = type(shell.compile)
    if not issubclass(cls, Compiler):
        shell.compile.__class__ = type(cls.__name__, (Compiler, cls), {"__module__": cls.__module__})
        shell.compile.shell = shell


def end_in(shell):
    cls = type(shell.compile)
    if cls.__bases__[:1] == (Compiler,):
        shell.compile.__class__ = cls.__bases__[1]
        del shell.compile.shell
