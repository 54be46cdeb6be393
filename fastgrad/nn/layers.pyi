# Layers with torch's names of arguments and attributes, over lists of Values.
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, SupportsIndex, TypeAlias, overload

from fastgrad.engine import Value
from fastgrad.nn.module import Module

_Vector: TypeAlias = Iterable[Value | float]

class Linear(Module):
    in_features: int
    out_features: int
    weight: list[list[Value]]
    bias: list[Value] | None
    def __init__(self, in_features: SupportsIndex, out_features: SupportsIndex, bias: bool = True) -> None: ...
    # A list of Values for a vector, a list of lists for a list of vectors: Any, so that neither needs a cast.
    def forward(self, x: Iterable[Value | float] | Iterable[_Vector]) -> Any: ...

class Embedding(Module):
    num_embeddings: int
    embedding_dim: int
    weight: list[list[Value]]
    def __init__(self, num_embeddings: SupportsIndex, embedding_dim: SupportsIndex) -> None: ...
    def forward(self, input: SupportsIndex | Iterable[SupportsIndex]) -> Any: ...

class RMSNorm(Module):
    normalized_shape: int
    eps: float | None
    weight: list[Value] | None
    def __init__(
        self, normalized_shape: SupportsIndex, eps: float | None = None, elementwise_affine: bool = True
    ) -> None: ...
    def forward(self, x: Iterable[Value | float] | Iterable[_Vector]) -> Any: ...

class LayerNorm(Module):
    normalized_shape: int
    eps: float
    weight: list[Value] | None
    bias: list[Value] | None
    def __init__(
        self, normalized_shape: SupportsIndex, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True
    ) -> None: ...
    def forward(self, x: Iterable[Value | float] | Iterable[_Vector]) -> Any: ...

class Sequential(Module):
    @overload
    def __init__(self, modules: Mapping[str, Callable[[Any], Any]], /) -> None: ...
    @overload
    def __init__(self, *modules: Callable[[Any], Any]) -> None: ...
    def forward(self, x: Any) -> Any: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Callable[[Any], Any]]: ...
    @overload
    def __getitem__(self, i: slice) -> Sequential: ...
    @overload
    def __getitem__(self, i: SupportsIndex) -> Any: ...

class CausalSelfAttention(Module):
    embed_dim: int
    num_heads: int
    q_proj: Linear
    k_proj: Linear
    v_proj: Linear
    out_proj: Linear
    def __init__(self, embed_dim: SupportsIndex, num_heads: SupportsIndex, bias: bool = True) -> None: ...
    def forward(self, x: Iterable[_Vector]) -> list[list[Value]]: ...
