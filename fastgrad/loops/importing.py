"""A hook for imports that rewrites the user's own modules as they're compiled.

Finder stands in sys.meta_path before Python's own finder of files, PathFinder, which does the finding. Where that finds
a source file of the user's own, it gives the module another loader: one that compiles the source itself. It neither
reads nor writes .pyc files, which hold plain code and can't hold loops.
"""
import sys
from importlib.machinery import PathFinder, SourceFileLoader

is_users_own = None         # a function that says of a file whether it's the user's own


class Loader(SourceFileLoader):
    """Loads a source file with its loops rewritten."""

    def get_code(self, fullname):
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def source_to_code(self, data, path, **named):
        from fastgrad.loops import rewriting
        return rewriting.compile_source(data, path, **named)


Loader.__name__ = Loader.__qualname__ = SourceFileLoader.__name__       # modules show the usual name
Loader.__module__ = SourceFileLoader.__module__


class Finder:
    """For sys.meta_path."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader and is_users_own(spec.loader.path):
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec

    @staticmethod
    def invalidate_caches():
        """Do nothing: PathFinder is in sys.meta_path too, and invalidates its own."""


def start(is_own):
    """From now on rewrite the modules that are imported from files of which the function is_own(file) is true."""
    global is_users_own
    is_users_own = is_own
    if Finder not in sys.meta_path:
        at = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else len(sys.meta_path)
        sys.meta_path.insert(at, Finder)


def stop():
    if Finder in sys.meta_path:
        sys.meta_path.remove(Finder)
