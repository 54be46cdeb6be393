"""IPython's shell for the cells of a notebook that `python -m fastgrad` runs, without prompts, colours, history, pager
and windows. It's imported for notebooks only, since IPython's import takes a while.
"""
import atexit
import linecache
import shutil
import sys
import tempfile
from traceback import format_exception_only

from IPython.core.autocall import ExitAutocall
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.interactiveshell import InteractiveShell
from traitlets import default
from traitlets.config import Config

from fastgrad.script import fusing


class Compiler(fusing.Compiler, CachingCompiler):
    """Gives code the file name of its cell. The part of a cell that a magic (%%time, %%capture) runs has another file
    name, since its lines are counted from the cell's second line."""
    name, whole, parsed = "<cell>", "", ""

    def get_code_name(self, raw_code, transformed_code, number):
        return self.name if raw_code == self.whole else f"{self.name} below its first line"

    def ast_parse(self, source, *args, **named):
        self.parsed = source
        return super().ast_parse(source, *args, **named)

    def __call__(self, source, filename, *args, **named):
        if filename.startswith("<timed "):
            filename = f"{self.name} below its first line"
            linecache.cache[filename] = len(self.parsed), None, self.parsed.splitlines(True), filename
        return super().__call__(source, filename, *args, **named)


class PlainDisplay(DisplayHook):
    """Shows the value of a cell's last expression without `Out[1]:`."""
    prompt_end_newline = True

    def write_output_prompt(self):
        pass


class Exit(ExitAutocall):
    """`exit` and `quit` in a cell. They take a status, as Python's own do."""

    def __call__(self, status=None):
        raise SystemExit(status)


class Shell(InteractiveShell):
    """The process's only shell. An error that IPython would show ends the cell, and run_source() raises it."""
    displayhook_class = PlainDisplay
    compiler_class = Compiler

    def __init__(self, **named):
        config = Config()
        config.HistoryManager.enabled = False
        config.HistoryManager.hist_file = ":memory:"
        config.PlainTextFormatter.pprint = False        # show reprs
        config.DisplayFormatter.active_types = ["text/plain"]
        config.InteractiveShell.display_page = True     # print instead of paging
        config.InteractiveShell.colors = "nocolor"
        folder = tempfile.mkdtemp(prefix="fastgrad-ipython-")      # instead of the user's own
        super().__init__(config=config, ipython_dir=folder, **named)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.failure = None
        self.compile.shell = self

    def init_virtualenv(self):
        """Leave sys.path as it is for a script."""

    def init_display_formatter(self):
        """Show pictures and tables by their repr, without making them."""
        super().init_display_formatter()
        self.display_formatter.mimebundle_formatter.enabled = False
        self.display_formatter.ipython_display_formatter.enabled = False

    def run_source(self, source, name):
        """Run a cell. name: the cell's, in tracebacks. Raises what the cell raises."""
        self.compile.name, self.compile.whole, self.failure = name, source, None
        result = self.run_cell(source, store_history=True)
        if self.failure is not None:
            raise self.failure
        result.raise_error()

    def showtraceback(self, exc_tuple=None, *args, **named):
        """Called to show an error: pass it on to run_source() instead."""
        error = sys.exc_info()[1] or exc_tuple[1]
        self.failure = self.failure or error
        raise error

    def showsyntaxerror(self, *args, **named):
        self.showtraceback()

    def showindentationerror(self):
        self.showtraceback()

    @default("exiter")
    def make_exit(self):
        return Exit(self)

    def enable_gui(self, gui=None):
        """Do nothing, since there are no windows."""

    def enable_matplotlib(self, gui=None):
        """Use the inline backend for any %matplotlib, so that figures aren't shown."""
        try:
            return super().enable_matplotlib("inline")
        except ImportError as error:
            print("fastgrad: %matplotlib:", *format_exception_only(error), end="", file=sys.stderr)
            return gui, None
