"""Gradients that are too large made smaller, with the names and arguments of torch.nn.utils."""
import math

from fastgrad.optim import checks
from fastgrad.value.public import public


@public
def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
    """Scale the gradients of params down so that their norm, by default the root of the sum of squares, is at most
    max_norm.

    params: an iterable of Values, all leaves and different. max_norm: a number, at least 0; with math.inf the norm is
    only measured. norm_type: p of the norm sum(|g| ** p) ** (1 / p), above 0; math.inf means the largest |g|.
    error_if_nonfinite: whether a norm that is nan or inf is an error.

    Returns the norm before scaling. As in torch, gradients are multiplied by max_norm / (norm + 1e-6) if that is below
    1. If it's nan, because a gradient is nan, all gradients become nan. Raises TypeError or ValueError for other
    arguments, OverflowError if a gradient is too large to be raised to that power, RuntimeError if the norm isn't
    finite and error_if_nonfinite; then nothing has changed.
    Source: torch.nn.utils.
    """
    max_norm = checks.number("max_norm", max_norm, below=None)
    norm_type = checks.number("norm_type", norm_type, below=None)
    if norm_type == 0:
        raise ValueError("norm_type must be above 0")
    params = checks.gather(params)
    norm = params.norm() if norm_type == 2 else _norm([abs(p.grad) for p in params.values], norm_type)
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(f"the norm of the gradients is {norm}, so they can't be clipped; with "
                           "error_if_nonfinite=False they are scaled all the same")
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:
        params.scale(factor)
    return norm


def _norm(sizes, p):
    """A norm of absolute values. Raises OverflowError."""
    if any(x != x for x in sizes):
        return math.nan
    if p == math.inf:
        return float(max(sizes))
    try:
        return sum([x ** p for x in sizes], 0.0) ** (1 / p)
    except OverflowError:
        raise OverflowError(f"a gradient is too large to be raised to the power {p}: {max(sizes)!r}") from None


@public
def clip_grad_value_(params, clip_value):
    """Bring the gradients of params into the range from -clip_value to clip_value. One that is nan stays nan.

    params: an iterable of Values, all leaves and different. clip_value: a number, at least 0.

    Raises TypeError or ValueError for other arguments; then nothing has changed. Source: torch.nn.utils.
    """
    clip_value = checks.number("clip_value", clip_value, below=None)
    checks.gather(params).clamp(clip_value)
