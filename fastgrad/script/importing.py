"""micrograd by its own name: `from micrograd.engine import Value` gives fastgrad's, in micrograd's dialect."""
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType


def install():
    """Make `micrograd` importable: micrograd, micrograd.engine and micrograd.nn are those of fastgrad.micrograd, in
    place of any other. (The package itself stays another: what imports `micrograd` writes into its __spec__.)"""
    import fastgrad.micrograd.nn as nn
    from fastgrad.micrograd import engine
    package = ModuleType("micrograd", "fastgrad under micrograd's name.")
    package.__path__ = []
    package.Value, package.engine, package.nn = engine.Value, engine, nn
    sys.modules.update({"micrograd": package, "micrograd.engine": engine, "micrograd.nn": nn})


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
