"""Compiles the C files of steps 5 to 8 on the spot: for that you need a compiler and Python's headers, no more than
to build fastgrad itself.
"""
import atexit
import functools
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# Without -ffp-contract=off a compiler may turn a product and a sum into one operation, which rounds once: other bits.
FLAGS = ["-O3", "-std=c11", "-ffp-contract=off", "-fPIC", "-shared", "-Wall", "-Wextra"]


@functools.cache
def folder():
    path = tempfile.mkdtemp(prefix="fastgrad-steps-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return pathlib.Path(path)


def compiled(source, name, *options):
    """The path of a shared library made of a C file in this folder. Raises RuntimeError if there's no compiler."""
    command = next((c for c in (os.environ.get("CC"), "cc", "gcc", "clang") if c and shutil.which(c.split()[0])), None)
    if command is None:
        raise RuntimeError("steps 5 to 8 are compiled when they run: they need gcc or clang (or CC=...)")
    library = folder() / f"{name}.so"
    if sys.platform == "darwin":
        options += ("-undefined", "dynamic_lookup")
    include = "-I" + sysconfig.get_paths()["include"]
    subprocess.run([*command.split(), *FLAGS, include, *options, "-o", library, HERE / source], check=True)
    return library


def extension(source, name, *options):
    """A module of Python's made of a C file, whose PyInit_ function has the file's name."""
    spec = importlib.util.spec_from_file_location(source.removesuffix(".c"), compiled(source, name, *options))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
