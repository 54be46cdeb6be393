"""fastgrad.check(): examine a class, and report."""
import sys

from fastgrad.grading import ground, methods, sources, sweeps
from fastgrad.grading.examination import Examination
from fastgrad.grading.guard import Guard, TimeUp, quiet
from fastgrad.grading.interface import NotGradable
from fastgrad.grading.originals import original_of
from fastgrad.grading.own import examine_own
from fastgrad.grading.report import Report, new
from fastgrad.script.author import looks_like_engine
from fastgrad.value.base import AnyValue, is_of_cells, shown_file
from fastgrad.value.public import public


@public
def check(cls, *, require=None):
    """Examine a scalar autograd engine of any make, method by method, and name its mistakes.

    cls: a class whose instances are made of a number, add and multiply, and have a backward(). Under `python -m
    fastgrad`, and after %load_ext fastgrad, a class that has been replaced is examined as its author wrote it.
    require: what has to be there, a sequence: names of methods ("tanh"), operators ("+"), or sets of both ("basic",
        "lecture", "micrograd", "microgpt"). By default + and *, and each operator's `2 + a` if `a + 2` works. What is
        there has to be right in any case.

    Returns a Report, which is true if all is right, and whose text says what isn't. Raises TypeError if cls is no
    class, and ValueError for what can't be required. The class's own code runs, with limits of time and recursion, and
    without its output.
    """
    if not isinstance(cls, type):
        kind = type(cls).__name__
        raise TypeError(f"check() takes a class, and this is one of the class's instances: write check({kind})"
                        if isinstance(cls, AnyValue) or looks_like_engine(type(cls)) else
                        f"check() takes a class, not {kind!r}"
                        + ("; python -m fastgrad --check takes a file" if isinstance(cls, str) else ""))
    if isinstance(require, str):
        require = [require]
    cls, namespace = original_of(cls)
    return Report(examine(cls, namespace, require=require))


def examine(cls, namespace=None, file=None, require=None, progress=lambda method: None):
    """A report's data. namespace: the globals of the class's module. file: what the report calls its file. progress: a
    function that is told which method is tried next."""
    function = next((x for x in vars(cls).values() if hasattr(x, "__code__")), None)
    source_file = function.__code__.co_filename if function else None
    if namespace is None:
        namespace = function.__globals__ if function else vars(sys.modules.get(cls.__module__, sys))
    line = sources.class_line(cls, function) if function else None
    if file is None and source_file:
        file = shown_file(source_file) if not source_file.startswith("<") or is_of_cells(source_file) else None
    with quiet(), Guard() as guard:
        try:
            exam = Examination(cls, namespace, guard, file, line, source_file, require)
        except (NotGradable, TimeUp) as error:
            data = new(cls, file, line)
            words = str(error) if isinstance(error, NotGradable) else f"{cls.__name__}(2.5) doesn't come to an end"
            data["right"] = False
            data["findings"].append({"code": "not-gradable", "method": "__init__", "message": words, "example": None,
                                     "line": None, "source": None})
            return data
        ground.examine_ground(exam)
        methods.examine_methods(exam, progress)
        progress("backward")
        examine_own(exam)
        sweeps.examine_backward(exam)
    return exam.data
