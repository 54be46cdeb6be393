"""The class that the script of this folder defines on its page, as lessons do: microgpt_script.py's Value.

It's what a reader of a lesson has before any engine. fastgrad/reference.py computes the same, but takes longer: it
knows both dialects, keeps numbers those of a C double, and refuses what it can't compute.
"""
import ast
import math
from pathlib import Path

SCRIPT = Path(__file__).with_name("microgpt_script.py")


def class_of_the_script():
    """The class alone, without the training that the script is about."""
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    names = {"math": math, "__name__": __name__}
    exec(compile(tree, str(SCRIPT), "exec"), names)
    return names["Value"]


Value = class_of_the_script()
Value.__float__ = lambda self: float(self.data)     # with which train_microgpt.py prints a loss
