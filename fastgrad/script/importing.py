"""micrograd by its own name: `from micrograd.engine import Value` gives fastgrad's."""
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType


def install():
    """Make `micrograd` importable as fastgrad: micrograd, micrograd.engine and micrograd.nn, in place of any other."""
    import fastgrad.nn
    package = ModuleType("micrograd", "fastgrad under micrograd's name.")
    package.__path__ = []
    package.Value, package.engine, package.nn = fastgrad.Value, fastgrad.engine, fastgrad.nn
    sys.modules.update({"micrograd": package, "micrograd.engine": fastgrad.engine, "micrograd.nn": fastgrad.nn})


class Substitute:
    """A finder for the end of sys.meta_path: install() when a script asks for a micrograd that isn't there."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        return ModuleSpec(name, Substitute) if name == "micrograd" else None

    @staticmethod
    def create_module(spec):
        install()
        return sys.modules["micrograd"]

    @staticmethod
    def exec_module(module):
        pass
