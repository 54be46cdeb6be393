"""The extension and its compiler flags; everything else about the package is in pyproject.toml."""
import os
import sys
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

if sys.platform == "win32":
    flags, libraries = ["/O2", "/std:c11", "/fp:precise"], []
else:
    # -ffp-contract=off: a multiplication and an addition never become one rounding, so that bits are microgpt's.
    # -fno-tree-slp-vectorize: a new node's small fields are stored one by one; packing them first takes longer.
    flags, libraries = ["-O3", "-fno-tree-slp-vectorize", "-std=c11", "-ffp-contract=off", "-Wall", "-Wextra"], ["m"]
    if os.environ.get("FASTGRAD_DEBUG"):
        flags += ["-O0", "-g", "-UNDEBUG"]

# An install that is editable, and a build in place, are for the tests too: there the engine can be told to run out of
# memory, and to check its arena. What is packed for others, a wheel or a plain install, has neither.
is_for_tests = not {"editable_wheel", "develop", "--inplace", "-i"}.isdisjoint(sys.argv)

engine = Extension(
    "fastgrad.engine.engine",
    sources=["fastgrad/engine/engine.pyx", "csrc/arena.c", "csrc/backward.c", "csrc/fused.c",
             "csrc/program.c", "csrc/optim.c", "csrc/derive.c"],
    depends=glob("csrc/*.h") + glob("fastgrad/engine/*.h") + glob("fastgrad/engine/*.px[di]"),
    include_dirs=["csrc"],
    define_macros=[("FG_TESTING", "1")] if is_for_tests or os.environ.get("FASTGRAD_TESTING") else [],
    extra_compile_args=flags,
    libraries=libraries,
)

setup(ext_modules=cythonize([engine]) if sys.implementation.name == "cpython" else [])
