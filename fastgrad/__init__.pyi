# What `import fastgrad` offers.
from typing import Literal

from fastgrad import engine as engine, functional as functional, micrograd as micrograd, nn as nn, optim as optim
from fastgrad import parallel as parallel, viz as viz
from fastgrad.autograd import (
    grad as grad,
    hessian as hessian,
    hvp as hvp,
    jacobian as jacobian,
    value_and_grad as value_and_grad,
)
from fastgrad.bulk import get_data as get_data, get_grad as get_grad, set_data as set_data, set_grad as set_grad
from fastgrad.checkpoint import load as load, save as save
from fastgrad.debugging.anomaly import AnomalyError as AnomalyError, detect_anomaly as detect_anomaly
from fastgrad.debugging.explanation import explain as explain
from fastgrad.drawing.progress import progress as progress
from fastgrad.engine import Value as Value, arena_stats as arena_stats
from fastgrad.gradcheck import GradcheckError as GradcheckError, gradcheck as gradcheck
from fastgrad.grading.check import check as check
from fastgrad.loops.decorating import fuse as fuse
from fastgrad.optim import clip_grad_norm_ as clip_grad_norm_, clip_grad_value_ as clip_grad_value_
from fastgrad.script.importing import install as install
from fastgrad.value.grad_mode import no_grad as no_grad

backend: Literal["c", "python"]
__version__: str
__all__ = ["Value", "no_grad", "grad", "jacobian", "hessian", "hvp", "value_and_grad", "arena_stats", "gradcheck",
           "GradcheckError", "clip_grad_norm_", "clip_grad_value_", "get_data", "set_data", "get_grad", "set_grad",
           "save", "load", "detect_anomaly", "AnomalyError", "check", "explain", "fuse", "progress", "install",
           "backend", "__version__"]
