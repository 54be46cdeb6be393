# What `import fastgrad` offers.
from typing import Literal

from fastgrad.engine import Value as Value, arena_stats as arena_stats
from fastgrad.grad_mode import no_grad as no_grad
from fastgrad.gradcheck import GradcheckError as GradcheckError, gradcheck as gradcheck

backend: Literal["c", "python"]
__version__: str
__all__ = ["Value", "no_grad", "arena_stats", "gradcheck", "GradcheckError", "backend", "__version__"]
