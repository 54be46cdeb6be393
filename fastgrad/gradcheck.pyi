# Derivatives by `backward()` against derivatives by differences.
from collections.abc import Callable, Iterable
from typing import Literal, SupportsFloat, SupportsIndex

from fastgrad.engine import Value

class GradcheckError(AssertionError): ...

def gradcheck(
    f: Callable[..., Value],
    inputs: SupportsFloat | SupportsIndex | Iterable[SupportsFloat | SupportsIndex],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-4,
) -> Literal[True]: ...
