# Derivatives by `backward()` against derivatives by differences.
from collections.abc import Callable, Iterable
from typing import Any, Literal, SupportsFloat, SupportsIndex, overload

from fastgrad.engine import Value

class GradcheckError(AssertionError): ...

@overload
def gradcheck(
    f: Callable[..., Value],
    inputs: SupportsFloat | SupportsIndex | Iterable[SupportsFloat | SupportsIndex],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-4,
    order: int = 1,
) -> Literal[True]: ...

# An input is an instance of another engine, and f is a function of such.
@overload
def gradcheck(
    f: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-4
) -> Literal[True]: ...
