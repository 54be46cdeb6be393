"""What `import fastgrad` gives where no compiled engine lies beside its Python files.

In an install made with FASTGRAD_PURE=1, which setup.py has marked, that's the engine in plain Python. In a source
folder it's the engine that `pip install .` has installed: Python started there finds the folder first, which borrows
the engine of the install if both have the same Python files. Anywhere else it's an ImportError that says what to do;
nobody gets the slow engine without having asked for it.
"""
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = "_pure"      # the module that only an install made with FASTGRAD_PURE=1 has

MISSING = ("fastgrad's compiled engine is missing here: build it with `pip install -e .` in fastgrad's source folder, "
           "or set FASTGRAD_PURE=1 for the slow engine in plain Python")
OTHER = "; the fastgrad installed in {folder} isn't of the same source, so `pip install .` again would do too"


def find_engine():
    """The backend's name and the engine's module. Raises ImportError, with advice, if there is none to use."""
    import fastgrad.reference as reference
    if find_spec(f"fastgrad.{MARK}"):
        return "python", reference
    different = None
    for folder in _hidden_installs():
        if _python_files(folder) != _python_files(HERE):
            different = different or folder
        elif (folder / f"{MARK}.py").exists():
            return "python", reference
        elif spec := PathFinder.find_spec("fastgrad.engine.engine", [str(folder / "engine")]):
            return "c", _engine_around(spec)
    raise ImportError(MISSING + (OTHER.format(folder=different.parent) if different else "")) from None


def _hidden_installs():
    """Folders of installed fastgrads that this one, if it's a source folder, hides from whoever imports it."""
    if not _is_source(HERE):
        return []
    folders = [Path(entry or ".", "fastgrad").resolve() for entry in sys.path]
    return [folder for folder in folders if (folder / "__init__.py").is_file() and not _is_source(folder)]


def _is_source(folder):
    return (folder / "engine" / "engine.pyx").exists()


def _python_files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.py") if path.stem != MARK}


def _engine_around(spec):
    """fastgrad.engine, with its compiled part from elsewhere."""
    compiled = module_from_spec(spec)
    sys.modules[spec.name] = compiled
    spec.loader.exec_module(compiled)
    import fastgrad.engine as engine
    return engine
