"""Make `from micrograd.engine import Value` import fastgrad's Value, in micrograd's dialect."""
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

from fastgrad.value.public import public


@public
def install():
    """Make `micrograd` importable: micrograd.engine and micrograd.nn become those of fastgrad.micrograd, even if
    another micrograd is installed. (The package `micrograd` is a module of its own, not fastgrad.micrograd, since an
    import of it sets its __spec__.)"""
    import fastgrad.micrograd.nn as nn
    from fastgrad.micrograd import engine
    package = ModuleType("micrograd", "fastgrad under micrograd's name.")
    package.__path__ = []
    package.Value, package.engine, package.nn = engine.Value, engine, nn
    sys.modules.update({"micrograd": package, "micrograd.engine": engine, "micrograd.nn": nn})


class Substitute:
    """A finder for the end of sys.meta_path. It calls install() when a script imports micrograd and none is installed.
    """

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
