"""Functions on lists of Values and numbers, with torch's names: `import fastgrad.functional as F`.

Each does what a plain loop over scalars does, which its docstring shows: it gives the same graph, the same bits and the
same gradients. Where the compiled engine can, it makes one node for a sum, which stands for all nodes of the loop (a
fused sum; csrc/fused.h) and takes a fraction of their time and memory. Whoever looks inside finds the loop's nodes.

A vector is a list, a tuple, a NumPy array of one dimension, or whatever else gives Values and numbers in an order. A
matrix is a vector of rows, each of which is a vector. Functions return lists where they return more than one Value. In
the loops `sum` is Python's own, and where they call a method of a Value, a number counts as a leaf, `Value(x)`.

An argument that isn't a vector, or has anything but Values and numbers in it, raises TypeError. One that is empty, or
whose length doesn't fit, raises ValueError. Operations raise what they raise on a Value.
"""
import builtins
import operator

from fastgrad import engine
from fastgrad.engine import Value
from fastgrad.value.arguments import is_number
from fastgrad.value.base import AnyValue
from fastgrad.value.public import public

__all__ = ["dot", "linear", "matmul", "add", "mul", "sum", "mean", "softmax", "log_softmax", "cross_entropy",
           "mse_loss", "rms_norm", "layer_norm", "relu", "tanh", "sigmoid", "exp", "log", "gelu", "silu",
           "scaled_dot_product_attention"]


# ---- What the compiled engine does faster ----

class _Later:
    """fastgrad/value/elementwise.py, before it's used. To import it takes longer than all else here."""

    def __getattr__(self, name):
        global elementwise
        from fastgrad.value import elementwise
        return getattr(elementwise, name)


elementwise = _Later()


def _quick(function):
    """@public, but the compiled engine's function of the same name is tried first (fastgrad/engine/vectors.pxi)."""
    return public(function, getattr(engine, "_vectors", {}).get(function.__name__))


def _declines(*arguments):
    return None


def _largest(xs):
    """max(x.data for x in xs)"""
    return max(x.data for x in xs)


def _are_values(xs):
    """Whether xs is a list or a tuple of Values that isn't empty."""
    return type(xs) in (list, tuple) and len(xs) > 0 and all(isinstance(x, AnyValue) for x in xs)


_largest, _are_values = getattr(engine, "_largest", _largest), getattr(engine, "_are_values", _are_values)
_is_vector = getattr(engine, "_is_vector", lambda xs: False)           # True only for a good vector, a list or a tuple
_total = getattr(engine, "_total", builtins.sum)                # sum(xs, start)
# This returns None, without any effect, if the loop has to run or arguments are wrong.
_fused_products = getattr(engine, "_fused_products", _declines)       # what _products (below) returns


def _products(us, vs, starts=None):
    """[sum((x * y for x, y in zip(u, v)), start) for u, start in zip(us, starts) for v in vs]"""
    fused = _fused_products(us, vs, starts)
    if fused is not None:
        return fused
    starts = [0] * len(us) if starts is None else starts
    return [builtins.sum((x * y for x, y in zip(u, v)), start) for u, start in zip(us, starts) for v in vs]


# ---- Arguments ----

NO_VECTORS = str, bytes, bytearray, dict, set, frozenset, AnyValue     # these aren't, though some can be iterated


def _sequence(x, name, content):
    """An argument as a list or a tuple that isn't empty. name and content: what an error calls it and its elements."""
    if type(x) is not list and type(x) is not tuple:
        if hasattr(type(x), "tolist"):      # a NumPy array
            x = x.tolist()
        if isinstance(x, NO_VECTORS) or not hasattr(type(x), "__iter__"):
            raise TypeError(f"{name} is a list of {content}, not {type(x).__name__!r}")
        x = x if type(x) in (list, tuple) else list(x)
    if not x:
        raise ValueError(f"{name} is empty")
    return x


def _vector(x, name):
    """An argument as a list or a tuple of Values and numbers that isn't empty."""
    if _is_vector(x):
        return x
    x = _sequence(x, name, "Values or numbers")
    for i, element in enumerate(x):
        if not is_number(element) or hasattr(type(element), "__len__"):
            raise TypeError(f"{name} is a list of Values or numbers, but element {i} is {type(element).__name__!r}")
    return x


def _values(x, name):
    """An argument as a list or a tuple of Values that isn't empty. Numbers become leaves."""
    if _are_values(x):
        return x
    return [v if isinstance(v, AnyValue) else Value(v) for v in _vector(x, name)]


def _matrix(rows, name):
    """An argument as a list of rows, each as _vector gives it."""
    return [row if _is_vector(row) else _vector(row, f"row {i} of {name}")
            for i, row in enumerate(_sequence(rows, name, "rows"))]


def _check_lengths(x, x_name, y, y_name):
    if len(x) != len(y):
        raise ValueError(f"{x_name} has {_length(x)}, but {y_name} has {_length(y)}")


def _length(x):
    noun = "row" if type(x[0]) in (list, tuple) else "element"
    return f"1 {noun}" if len(x) == 1 else f"{len(x)} {noun}s"


def _pair(a, b):
    a, b = _vector(a, "a"), _vector(b, "b")
    _check_lengths(a, "a", b, "b")
    return a, b


def _check_rows(rows, name, y, y_name):
    """Raise ValueError unless each row has the length of y."""
    for i, row in enumerate(rows):
        if len(row) != len(y):
            _check_lengths(row, f"row {i} of {name}", y, y_name)


# ---- Sums of products ----

@public
def dot(a, b, start=0):
    """The sum of products of two vectors.

    a, b: vectors of the same length. start: a Value or a number, to which the products are added. Returns a Value, or a
    number if there is no Value among the arguments. The same as

        return sum((x * y for x, y in zip(a, b)), start)

    Raises TypeError, and ValueError if lengths differ or are 0.
    """
    a, b = _pair(a, b)
    return _products((a,), (b,), (start,))[0]


@_quick
def linear(x, weight, bias=None):
    """A layer: the sum of products of x and each row of weights, and a bias.

    x: a vector of n. weight: m rows of n each, as in torch. bias: a vector of m, or None. The sum of row i starts with
    bias[i], or with 0. Returns a list of m. The same as

        biases = [0] * len(weight) if bias is None else bias
        return [sum((w * xi for w, xi in zip(row, x)), b) for row, b in zip(weight, biases)]

    Raises TypeError, and ValueError if lengths don't fit or are 0.
    """
    x, weight = _vector(x, "x"), _matrix(weight, "weight")
    _check_rows(weight, "weight", x, "x")
    if bias is not None:
        bias = _vector(bias, "bias")
        _check_lengths(weight, "weight", bias, "bias")
    return _products(weight, (x,), bias)


@_quick
def matmul(a, b):
    """The product of two matrices.

    a: n rows of k each. b: k rows of m each. Returns n rows of m each. The same as

        return [[sum(a[i][k] * b[k][j] for k in range(len(b))) for j in range(len(b[0]))] for i in range(len(a))]

    Raises TypeError, and ValueError if lengths don't fit or are 0.
    """
    a, b = _matrix(a, "a"), _matrix(b, "b")
    _check_rows(a, "a", b, "b")
    _check_rows(b, "b", b[0], "row 0 of b")
    products, m = _products(a, list(zip(*b))), len(b[0])
    return [products[i:i + m] for i in range(0, len(products), m)]


@public
def sum(xs, start=0):
    """The sum of a vector.

    xs: a vector. start: a Value or a number, to which the elements are added. Returns a Value, or a number if there is
    no Value among the arguments. With Python's own `sum`, the same as

        return sum(xs, start)

    Raises TypeError, and ValueError if xs is empty.
    """
    return _total(_vector(xs, "xs"), start)


@public
def mean(xs):
    """The arithmetic mean of a vector.

    xs: a vector. Returns a Value, or a number if there is no Value in xs. The same as

        return sum(xs) / len(xs)

    Raises TypeError, and ValueError if xs is empty.
    """
    xs = _vector(xs, "xs")
    return _total(xs) / len(xs)


@_quick
def scaled_dot_product_attention(q, k, v):
    """The output of one head of attention for one query (Vaswani et al. 2017, "Attention is all you need", equation 1).

    q: a vector of d. k: t rows of d each. v: t rows, all of the same length m. Returns a list of m. The same as

        logits = [sum(q[j] * row[j] for j in range(len(q))) / len(q) ** 0.5 for row in k]
        weights = softmax(logits)
        return [sum(weights[t] * v[t][j] for t in range(len(v))) for j in range(len(v[0]))]

    Raises TypeError, and ValueError if lengths don't fit or are 0.
    """
    q, k, v = _vector(q, "q"), _matrix(k, "k"), _matrix(v, "v")
    _check_lengths(k, "k", v, "v")
    _check_rows(k, "k", q, "q")
    _check_rows(v, "v", v[0], "row 0 of v")
    weights = softmax(elementwise.over(_products((q,), k), len(q) ** 0.5))
    return _products((weights,), list(zip(*v)))


# ---- Element by element ----

@_quick
def add(a, b):
    """The sums of two vectors' elements.

    a, b: vectors of the same length. Returns a list. The same as

        return [x + y for x, y in zip(a, b)]

    Raises TypeError, and ValueError if lengths differ or are 0.
    """
    return elementwise.add(*_pair(a, b))


@_quick
def mul(a, b):
    """The products of two vectors' elements.

    a, b: vectors of the same length. Returns a list. The same as

        return [x * y for x, y in zip(a, b)]

    Raises TypeError, and ValueError if lengths differ or are 0.
    """
    return elementwise.multiply(*_pair(a, b))


@_quick
def relu(xs):
    """max(0, x) of each element.

    xs: a vector. Returns a list of Values. The same as

        return [x.relu() for x in xs]

    Raises TypeError, and ValueError if xs is empty.
    """
    return elementwise.relu(_values(xs, "xs"))


@_quick
def tanh(xs):
    """The hyperbolic tangent of each element.

    xs: a vector. Returns a list of Values. The same as

        return [x.tanh() for x in xs]

    Raises TypeError, and ValueError if xs is empty.
    """
    return elementwise.tanh(_values(xs, "xs"))


@_quick
def sigmoid(xs):
    """1 / (1 + exp(-x)) of each element.

    xs: a vector. Returns a list of Values. The same as

        return [x.sigmoid() for x in xs]

    Raises TypeError, and ValueError if xs is empty.
    """
    return elementwise.sigmoid(_values(xs, "xs"))


@_quick
def exp(xs):
    """e to the power of each element.

    xs: a vector. Returns a list of Values. The same as

        return [x.exp() for x in xs]

    Raises TypeError, ValueError if xs is empty, and OverflowError above 709.78.
    """
    return elementwise.exp(_values(xs, "xs"))


@_quick
def log(xs):
    """The natural logarithm of each element.

    xs: a vector of positive numbers. Returns a list of Values. The same as

        return [x.log() for x in xs]

    Raises TypeError, and ValueError if xs is empty or an element isn't positive.
    """
    return elementwise.log(_values(xs, "xs"))


@_quick
def gelu(xs):
    """x times the normal distribution's cumulative probability of x (Hendrycks and Gimpel 2016, arXiv:1606.08415).

    xs: a vector. Returns a list of Values. The same as

        return [x * 0.5 * ((x / 2 ** 0.5).erf() + 1) for x in xs]

    Raises TypeError, and ValueError if xs is empty.
    """
    return elementwise.gelu(_values(xs, "xs"))


@_quick
def silu(xs):
    """x * sigmoid(x) of each element (Elfwing et al. 2017, arXiv:1702.03118).

    xs: a vector. Returns a list of Values. The same as

        return [x * x.sigmoid() for x in xs]

    Raises TypeError, and ValueError if xs is empty.
    """
    return elementwise.silu(_values(xs, "xs"))


# ---- Probabilities and losses ----

@_quick
def softmax(xs):
    """Probabilities in proportion to e to the power of each element, as microgpt computes them.

    xs: a vector. Returns a list of Values from 0 to 1, whose sum is 1 but for rounding. The same as

        largest = max(x.data for x in xs)
        exps = [(x - largest).exp() for x in xs]
        total = sum(exps)
        return [e / total for e in exps]

    Raises TypeError, and ValueError if xs is empty.
    """
    xs = _values(xs, "xs")
    exps = elementwise.exp_minus(xs, _largest(xs))
    return elementwise.over(exps, _total(exps))


@public
def log_softmax(xs):
    """The logarithms of softmax's probabilities, also where those are too small for a number.

    xs: a vector. Returns a list of Values. The same as

        largest = max(x.data for x in xs)
        shifted = [x - largest for x in xs]
        log_total = sum(x.exp() for x in shifted).log()
        return [x - log_total for x in shifted]

    Raises TypeError, and ValueError if xs is empty.
    """
    xs = _values(xs, "xs")
    shifted = elementwise.minus(xs, _largest(xs))
    return elementwise.minus(shifted, _total(elementwise.exp(shifted)).log())


@public
def cross_entropy(logits, target):
    """Minus the logarithm of the probability that softmax gives to the target.

    logits: a vector of n. target: an int from 0 to n - 1. Returns a Value. The same as

        return -log_softmax(logits)[target]

    Raises TypeError, and ValueError if logits is empty or the target isn't one of its indices.
    """
    logits = _values(logits, "logits")
    try:
        index = operator.index(target)
    except TypeError:
        raise TypeError(f"target is an index, an int, not {type(target).__name__!r}") from None
    if not 0 <= index < len(logits):
        raise ValueError(f"target is an index from 0 to {len(logits) - 1}, not {index}")
    return -log_softmax(logits)[index]


@public
def mse_loss(a, b):
    """The mean of the squares of the differences of two vectors' elements.

    a, b: vectors of the same length. Returns a Value, or a number if there is no Value among the arguments. The same as

        differences = [x - y for x, y in zip(a, b)]
        return sum([d ** 2 for d in differences]) / len(a)

    Raises TypeError, and ValueError if lengths differ or are 0.
    """
    a, b = _pair(a, b)
    return _total(elementwise.square(elementwise.subtract(a, b))) / len(a)


# ---- Normalisation ----

@_quick
def rms_norm(x, eps=1e-5):
    """A vector divided by the root of the mean of its squares, as in microgpt (Zhang and Sennrich 2019,
    arXiv:1910.07467).

    x: a vector. eps: a number, added to the mean of the squares. Returns a list. The same as

        scale = (sum(xi * xi for xi in x) / len(x) + eps) ** -0.5
        return [xi * scale for xi in x]

    Raises TypeError, and ValueError if x is empty.
    """
    x = _vector(x, "x")
    scale = (_products((x,), (x,))[0] / len(x) + eps) ** -0.5
    return elementwise.times(x, scale)


@public
def layer_norm(x, weight=None, bias=None, eps=1e-5):
    """A vector with the mean 0 and the variance 1, then weights and biases (Ba et al. 2016, arXiv:1607.06450).

    x: a vector. weight, bias: vectors of the same length, or None. eps: a number, added to the variance. Returns a
    list. The same as

        mean = sum(x) / len(x)
        centred = [xi - mean for xi in x]
        scale = (sum(c * c for c in centred) / len(x) + eps) ** -0.5
        out = [c * scale for c in centred]
        if weight is not None:
            out = [o * w for o, w in zip(out, weight)]
        if bias is not None:
            out = [o + b for o, b in zip(out, bias)]
        return out

    Raises TypeError, and ValueError if lengths differ or are 0.
    """
    x = _vector(x, "x")
    if weight is not None:
        weight = _vector(weight, "weight")
        _check_lengths(weight, "weight", x, "x")
    if bias is not None:
        bias = _vector(bias, "bias")
        _check_lengths(bias, "bias", x, "x")
    centred = elementwise.minus(x, _total(x) / len(x))
    out = elementwise.times(centred, (_products((centred,), (centred,))[0] / len(x) + eps) ** -0.5)
    if weight is not None:
        out = elementwise.multiply(out, weight)
    return out if bias is None else elementwise.add(out, bias)
