"""Layers with torch's names of arguments and attributes, over lists of Values.

Where torch's layer takes a tensor, these take a vector (a list of Values or numbers) and return a list, or a list of
vectors and return a list of lists: a document's tokens, say, or a batch. Each vector is computed by the functions of
fastgrad.functional, with their graph and bits. Weights start as torch's do, from Python's `random`.
"""
import operator
import random
import sys
from collections.abc import Mapping

from fastgrad import functional
from fastgrad.engine import Value
from fastgrad.nn.module import Module
from fastgrad.value.arguments import count
from fastgrad.value.base import AnyValue
from fastgrad.value.public import public


def _vectors(x, name, size):
    """x as a list of vectors, and whether it was one vector. size: how many elements each vector must have. name: what
    the layer calls that. Raises TypeError, or ValueError for another size."""
    if type(x) not in (list, tuple):
        x = x.tolist() if hasattr(type(x), "tolist") else list(x) if hasattr(type(x), "__iter__") else x
    if not isinstance(x, (list, tuple)):
        raise TypeError(f"a layer takes a vector or a list of vectors, not {type(x).__name__!r}")
    if not x:
        raise ValueError("a layer takes a vector or a list of vectors, and this list is empty")
    is_one = isinstance(x[0], AnyValue) or not hasattr(type(x[0]), "__iter__")
    rows = [x] if is_one else [row if type(row) in (list, tuple) else list(row) for row in x]
    for row in rows:
        if len(row) != size:
            raise ValueError(f"this layer has {name}={size}, and was given a vector of {len(row)}")
    return rows, is_one


@public
class Linear(Module):
    """A matrix times a vector, plus a bias: functional.linear(x, weight, bias).

    in_features, out_features: ints, at least 1. bias: whether there is one. Call it with a vector of in_features, which
    gives a list of out_features, or with a list of such vectors, which gives a list of lists.

    weight: out_features rows of in_features Values each; bias: a list of out_features Values, or None. Both start as
    random numbers, uniform between -1 / in_features ** 0.5 and 1 / in_features ** 0.5.

    Raises TypeError or ValueError for other arguments, or a vector of another size.
    """

    def __init__(self, in_features, out_features, bias=True):
        self.in_features, self.out_features = count("in_features", in_features), count("out_features", out_features)
        bound = self.in_features ** -0.5
        self.weight = [[Value(random.uniform(-bound, bound)) for _ in range(self.in_features)]
                       for _ in range(self.out_features)]
        self.bias = [Value(random.uniform(-bound, bound)) for _ in range(self.out_features)] if bias else None

    def forward(self, x):
        rows, is_one = _vectors(x, "in_features", self.in_features)
        out = [functional.linear(row, self.weight, self.bias) for row in rows]
        return out[0] if is_one else out

    def __repr__(self):
        return (f"Linear(in_features={self.in_features}, out_features={self.out_features}, "
                f"bias={self.bias is not None})")


@public
class Embedding(Module):
    """A vector for each of so many tokens.

    num_embeddings, embedding_dim: ints, at least 1. Call it with an index, an int from 0 to num_embeddings - 1, which
    gives the list of the Values of that row of `weight`, or with a list of indices, which gives a list of lists.

    weight: num_embeddings rows of embedding_dim Values each, which start as random numbers, normal with deviation 1.

    Raises TypeError or ValueError for other arguments, and IndexError for an index that isn't there.
    """

    def __init__(self, num_embeddings, embedding_dim):
        self.num_embeddings = count("num_embeddings", num_embeddings)
        self.embedding_dim = count("embedding_dim", embedding_dim)
        self.weight = [[Value(random.gauss(0, 1)) for _ in range(self.embedding_dim)]
                       for _ in range(self.num_embeddings)]

    def forward(self, input):
        if hasattr(type(input), "tolist"):
            input = input.tolist()
        if hasattr(type(input), "__iter__") and not isinstance(input, (str, bytes, AnyValue)):
            return [self._row(index) for index in input]
        return self._row(input)

    def _row(self, index):
        try:
            i = operator.index(index)
        except TypeError:
            raise TypeError(f"an embedding takes an index, an int, not {type(index).__name__!r}") from None
        if not 0 <= i < self.num_embeddings:
            raise IndexError(f"index {i} is not from 0 to {self.num_embeddings - 1}")
        return list(self.weight[i])

    def __repr__(self):
        return f"Embedding({self.num_embeddings}, {self.embedding_dim})"


@public
class RMSNorm(Module):
    """A vector divided by the root of the mean of its squares, times a weight: functional.rms_norm.

    normalized_shape: the vector's size, an int, at least 1. eps: a number, added to the mean of the squares; None means
    2 ** -52, as in torch. elementwise_affine: whether there is a weight. Call it with a vector, or a list of vectors.

    weight: a list of normalized_shape Values, which start as 1.0, or None.

    Raises TypeError or ValueError for other arguments, or a vector of another size.
    """

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True):
        self.normalized_shape = count("normalized_shape", normalized_shape)
        self.eps = eps
        self.weight = [Value(1.0) for _ in range(self.normalized_shape)] if elementwise_affine else None

    def forward(self, x):
        rows, is_one = _vectors(x, "normalized_shape", self.normalized_shape)
        out = [functional.rms_norm(row, sys.float_info.epsilon if self.eps is None else self.eps) for row in rows]
        if self.weight is not None:
            out = [functional.mul(row, self.weight) for row in out]
        return out[0] if is_one else out

    def __repr__(self):
        return f"RMSNorm({self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None})"


@public
class LayerNorm(Module):
    """A vector with the mean 0 and the variance 1, times a weight, plus a bias: functional.layer_norm.

    normalized_shape: the vector's size, an int, at least 1. eps: a number, added to the variance. elementwise_affine:
    whether there is a weight; bias: whether there is also a bias. Call it with a vector, or a list of vectors.

    weight, bias: lists of normalized_shape Values, which start as 1.0 and 0.0, or None.

    Raises TypeError or ValueError for other arguments, or a vector of another size.
    """

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True):
        self.normalized_shape = count("normalized_shape", normalized_shape)
        self.eps = eps
        n = self.normalized_shape
        self.weight = [Value(1.0) for _ in range(n)] if elementwise_affine else None
        self.bias = [Value(0.0) for _ in range(n)] if elementwise_affine and bias else None

    def forward(self, x):
        rows, is_one = _vectors(x, "normalized_shape", self.normalized_shape)
        out = [functional.layer_norm(row, self.weight, self.bias, self.eps) for row in rows]
        return out[0] if is_one else out

    def __repr__(self):
        return (f"LayerNorm({self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}, "
                f"bias={self.bias is not None})")


@public
class Sequential(Module):
    """Modules and functions one after the other: each is called with what the one before has returned.

    modules: Modules, or functions like functional.relu; or one dict of them with names. Their names are `0`, `1`, ...
    or those of the dict. It has a length, and its parts are found by index and by iteration. A slice of it is a
    Sequential whose parts keep their names, as in torch.

    Raises TypeError for what can't be called, ValueError for a name that isn't a text, has a dot or is an attribute.
    """

    def __init__(self, *modules):
        parts = modules[0] if len(modules) == 1 and isinstance(modules[0], Mapping) else \
            {str(i): module for i, module in enumerate(modules)}
        for name, part in parts.items():
            if not callable(part):
                raise TypeError(f"part {name} of a Sequential must be a Module or a function, not "
                                f"{type(part).__name__!r}")
            if not isinstance(name, str) or "." in name or hasattr(type(self), name) or name == "_names":
                raise ValueError(f"{name!r} can't be the name of a part")
        self._names = tuple(parts)
        vars(self).update(parts)

    def forward(self, x):
        for part in self:
            x = part(x)
        return x

    def __len__(self):
        return len(self._names)

    def __iter__(self):
        return iter([vars(self)[name] for name in self._names])

    def __getitem__(self, i):
        if isinstance(i, slice):
            return Sequential({name: vars(self)[name] for name in self._names[i]})
        return list(self)[i]

    def __repr__(self):
        return f"Sequential({', '.join(getattr(part, '__qualname__', repr(part)) for part in self)})"


@public
class CausalSelfAttention(Module):
    """Attention in which each vector of a list looks at itself and at those before it (Vaswani et al. 2017, "Attention
    is all you need").

    embed_dim: the vectors' size, an int, at least 1. num_heads: in how many parts they are compared, an int that
    divides embed_dim. bias: whether the four Linear layers, q_proj, k_proj, v_proj and out_proj, have one. Call it with
    a list of vectors, which gives a list of as many.

    Each head is functional.scaled_dot_product_attention of its part of a query, and of the keys and values so far.

    Raises TypeError or ValueError for other arguments, or a vector of another size.
    """

    def __init__(self, embed_dim, num_heads, bias=True):
        self.embed_dim, self.num_heads = count("embed_dim", embed_dim), count("num_heads", num_heads)
        if self.embed_dim % self.num_heads:
            raise ValueError(f"num_heads must divide embed_dim, and {self.num_heads} doesn't divide {self.embed_dim}")
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            Linear(self.embed_dim, self.embed_dim, bias) for _ in range(4))

    def forward(self, x):
        rows, is_one = _vectors(x, "embed_dim", self.embed_dim)
        if is_one:
            raise TypeError("attention takes a list of vectors; for a single one that is [x]")
        queries, keys, values = self.q_proj(rows), self.k_proj(rows), self.v_proj(rows)
        size, mixed = self.embed_dim // self.num_heads, [[] for _ in rows]
        for start in range(0, self.embed_dim, size):
            part = slice(start, start + size)
            head_keys, head_values = [key[part] for key in keys], [value[part] for value in values]
            for t, query in enumerate(queries):
                mixed[t] += functional.scaled_dot_product_attention(query[part], head_keys[:t + 1],
                                                                    head_values[:t + 1])
        return self.out_proj(mixed)

    def __repr__(self):
        return f"CausalSelfAttention({self.embed_dim}, {self.num_heads}, bias={self.q_proj.bias is not None})"
