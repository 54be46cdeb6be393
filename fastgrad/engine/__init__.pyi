# The engine: Value and arena_stats. The same interface whether it runs in C or, with FASTGRAD_PURE=1, in plain Python.
from collections.abc import Callable, Iterable
from typing import Any, SupportsFloat, SupportsIndex, TypeAlias, TypedDict, overload

from typing_extensions import Self

from fastgrad.value.copying import Copying
from fastgrad.value.display import Display

__all__ = ["Value", "arena_stats"]

_Number: TypeAlias = SupportsFloat | SupportsIndex      # int, float, bool, NumPy's scalars, and Value itself

class _ArenaStats(TypedDict):
    live: int
    capacity: int
    bytes: int
    peak: int
    fused: int
    stood_for: int

class Value(Copying, Display):
    """A number that remembers how it was made, so that `backward()` can find its derivatives.

    Value(data, children=(), op='', label='') as in micrograd, or Value(data, children, local_grads) as in microgpt.
    data: a number. children: the Values that it was made of. op: the operation's name, for drawings; local_grads:
    numbers, the derivatives by each child. label: a name for drawings. The names `_children`, `_prev`, `_op` and
    `_local_grads` are taken as well.

    Raises TypeError if data or a derivative isn't a number or a child isn't a Value, OverflowError if data is an int
    that a double can't hold exactly, ValueError if there are local derivatives, but not one for each child.
    """
    # micrograd's third argument is the operation's name, microgpt's the local derivatives.
    def __init__(
        self,
        data: _Number,
        children: Iterable[Value] | None = None,
        op_or_local_grads: str | Iterable[_Number] | None = None,
        label: str | None = None,
        *,
        _children: Iterable[Value] | None = ...,
        _prev: Iterable[Value] | None = ...,
        op: str | None = ...,
        _op: str | None = ...,
        local_grads: Iterable[_Number] | None = ...,
        _local_grads: Iterable[_Number] | None = ...,
    ) -> None: ...

    label: str
    _op: str
    _backward: Callable[[], object]
    @property
    def data(self) -> float:
        """The number; assign any number to it."""
    @data.setter
    def data(self, x: _Number) -> None: ...
    @property
    def grad(self) -> float:
        """The derivative by this Value, as far as `backward()` has added it up; assign any number to it."""
    @grad.setter
    def grad(self, x: _Number) -> None: ...
    @property
    def _children(self) -> tuple[Value, ...]:
        """microgpt's: a tuple of the operands, in their order."""
    @_children.setter
    def _children(self, children: Iterable[Value]) -> None: ...
    @property
    def _prev(self) -> set[Value]:
        """micrograd's: a set of the operands."""
    @_prev.setter
    def _prev(self, children: Iterable[Value]) -> None: ...
    @property
    def _local_grads(self) -> tuple[float, ...]:
        """microgpt's: a tuple of the derivatives by each child; none if the children were given without."""
    @_local_grads.setter
    def _local_grads(self, local_grads: Iterable[_Number]) -> None: ...

    # Any other attribute can be set: `p.m = 0.0`. Reading gives a number, for a checker, so that a call of a method
    # that there isn't, such as `a.backwards()`, is an error.
    def __getattr__(self, name: str) -> float: ...
    def __setattr__(self, name: str, value: Any, /) -> None: ...

    def backward(self) -> None:
        """Set this Value's grad to 1 and add into the grad of every Value below it its derivative by them.

        Grads aren't set to zero first. Raises MemoryError, and what a user's `_backward` raises. Ctrl-C interrupts it.
        """
    def zero_grad(self) -> None:
        """Set the grad of this Value and of all below it to 0."""
    def detach(self) -> Self:
        """A new leaf with the same data."""

    def __add__(self, other: _Number, /) -> Self: ...
    def __radd__(self, other: _Number, /) -> Self: ...
    def __sub__(self, other: _Number, /) -> Self: ...
    def __rsub__(self, other: _Number, /) -> Self: ...
    def __mul__(self, other: _Number, /) -> Self: ...
    def __rmul__(self, other: _Number, /) -> Self: ...
    def __truediv__(self, other: _Number, /) -> Self: ...
    def __rtruediv__(self, other: _Number, /) -> Self: ...
    def __pow__(self, other: _Number, /) -> Self: ...
    def __rpow__(self, other: _Number, /) -> Self: ...
    def __neg__(self) -> Self: ...
    def __pos__(self) -> Self: ...
    def __abs__(self) -> Self: ...

    def abs(self) -> Self:
        """The magnitude; the derivative at 0 is 0."""
    def relu(self) -> Self:
        """max(0, this Value); the derivative at 0 is 0."""
    def exp(self) -> Self:
        """e to the power of this Value. Raises OverflowError."""
    def log(self) -> Self:
        """The natural logarithm. Raises ValueError if it isn't positive."""
    def tanh(self) -> Self:
        """The hyperbolic tangent; its derivative is 1 - tanh**2."""
    def sigmoid(self) -> Self:
        """1 / (1 + exp(-x)), computed from the side that can't overflow; its derivative is y * (1 - y)."""
    def sqrt(self) -> Self:
        """The square root. Raises ValueError if it's negative, and ZeroDivisionError at 0, which has no derivative
        (unless under no_grad, where none is asked for).
        """
    def sin(self) -> Self:
        """The sine of an angle in radians. Raises ValueError if it's infinite."""
    def cos(self) -> Self:
        """The cosine of an angle in radians. Raises ValueError if it's infinite."""
    def sinh(self) -> Self:
        """The hyperbolic sine; its derivative is cosh. Raises OverflowError."""
    def cosh(self) -> Self:
        """The hyperbolic cosine; its derivative is sinh. Raises OverflowError."""
    def log1p(self) -> Self:
        """The natural logarithm of 1 + this Value, exact also near 0. Raises ValueError if it isn't above -1."""
    def expm1(self) -> Self:
        """e to the power of this Value, minus 1, exact also near 0. Raises OverflowError."""
    def erf(self) -> Self:
        """The error function; its derivative is 2 / sqrt(pi) * exp(-x * x)."""
    def atan(self) -> Self:
        """The arc tangent, in radians; its derivative is 1 / (1 + x * x)."""

    def __lt__(self, other: _Number, /) -> bool: ...
    def __le__(self, other: _Number, /) -> bool: ...
    def __gt__(self, other: _Number, /) -> bool: ...
    def __ge__(self, other: _Number, /) -> bool: ...
    def __float__(self) -> float: ...
    def __int__(self) -> int: ...
    def __trunc__(self) -> int: ...
    @overload
    def __round__(self, ndigits: None = None) -> int: ...
    @overload
    def __round__(self, ndigits: SupportsIndex) -> float: ...
    def conjugate(self) -> Self:
        """This Value itself, as of every real number: np.std and np.var ask for it."""
    def __format__(self, spec: str, /) -> str: ...

def _make_class(module: str, name: str, doc: str | None = None, **dialect: object) -> type: ...

class Loop:
    # The compiled engine's: a loop of an author's code that C runs.
    def __init__(self, text: object) -> None: ...
    file: str
    what: str
    line: int
    runs: int
    elements: int
    declines: dict[str, int]
    is_on: bool
    pause: int
    rest: Any

_LOOP_CODES: dict[str, int]

def _at_next_operation(function: Callable[[], object]) -> None: ...
def arena_stats() -> _ArenaStats:
    """The arena in numbers: live nodes, capacity in nodes, bytes allocated, the most nodes that ever lived, how many
    live nodes are fused sums, and how many scalar nodes those stand for.
    """
