# Gradients that are too large made smaller.
from collections.abc import Iterable
from typing import SupportsFloat, SupportsIndex, TypeAlias

from fastgrad.engine import Value

_Number: TypeAlias = SupportsFloat | SupportsIndex

def clip_grad_norm_(
    params: Iterable[Value], max_norm: _Number, norm_type: _Number = 2.0, error_if_nonfinite: bool = False
) -> float: ...
def clip_grad_value_(params: Iterable[Value], clip_value: _Number) -> None: ...
