"""Plots of training: losses, and the gradients of parameters, by matplotlib, which `pip install fastgrad[viz]` brings.

What isn't finite can't be plotted: it's left out, and the plot says so.
"""
import math
from collections.abc import Iterable, Mapping
from importlib import import_module

from fastgrad.value.base import AnyValue


def need(package, function):
    """An optional package; raises ImportError that says how to get it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(f"fastgrad.viz.{function} needs {package}: pip install fastgrad[viz]") from error


def plot_loss(losses, *, smooth=0.0, log=None, ax=None, path=None):
    """Losses by step, and with smooth also their running mean.

    losses: numbers or Values. smooth: how much of the mean stays in it at each step, from 0 (no mean) to less than 1;
    0.9 looks back some ten steps. log: whether the scale is logarithmic; None: if they span more than a factor of 20.
    ax: the matplotlib Axes to draw on; None: new ones. path: a file to save the picture in.

    Returns the Axes. Raises ImportError without matplotlib, ValueError if there are no losses or smooth isn't in its
    range, TypeError for what isn't a number.
    """
    smooth = _float("smooth", smooth)
    if not 0 <= smooth < 1:
        raise ValueError(f"smooth must be at least 0 and less than 1, not {smooth}")
    if not isinstance(losses, Iterable):
        raise TypeError(f"losses must be an iterable of numbers, not {type(losses).__name__!r}")
    y = [_float(f"loss {i}", loss) for i, loss in enumerate(losses)]
    if not y:
        raise ValueError("losses is empty: there is nothing to plot")
    ax, done = _axes("plot_loss", ax, path)
    finite = [x if math.isfinite(x) else math.nan for x in y]
    marker = "." if len(y) < 50 else ""
    ax.plot(finite, color="#1f5fa8", alpha=0.35 if smooth else 1.0, marker=marker, label="loss")
    if smooth:
        ax.plot(_running_mean(finite, smooth), color="#b3261e", linewidth=2, label=f"running mean, {smooth:g}")
        ax.legend()
    ax.set_xlabel("step")
    ax.set_ylabel("loss")
    _scale(ax, [x for x in finite if x == x], log, 20)
    return done("Loss", sum(x != x for x in finite))


def grad_histogram(parameters, *, bins=50, log=None, ax=None, path=None):
    """A histogram of the gradients of parameters.

    parameters: Values, in lists or dicts of any depth, or what has a method parameters(). bins: how many. log: whether
    the counts' scale is logarithmic; None: if they span more than a factor of 20. ax, path: as for plot_loss.

    Returns the Axes. Raises ImportError without matplotlib, ValueError if there are no parameters, TypeError for what
    isn't a Value.
    """
    grads = [float(p.grad) for p in _values("parameters", parameters)]
    if not grads:
        raise ValueError("parameters is empty: there is nothing to plot")
    finite = [g for g in grads if math.isfinite(g)]
    ax, done = _axes("grad_histogram", ax, path)
    counts, _, _ = ax.hist(finite, bins=bins, color="#8ab4e8", edgecolor="#1f3f66")
    ax.set_xlabel("gradient")
    ax.set_ylabel("parameters")
    _scale(ax, [float(n) for n in counts if n], log, 20)
    return done(f"Gradients of {len(grads):,} parameters", len(grads) - len(finite))


def grad_flow(parameters, *, log=None, ax=None, path=None):
    """The mean and the largest magnitude of the gradients of each layer, from which vanishing and exploding ones show.

    parameters: a dict of layers by name, or a list of layers. A layer is a Value, a list or dict of layers, or what has
    a method parameters(), such as those in `model.layers`. log: whether the scale is logarithmic; None: if they span
    more than a factor of 20. ax, path: as for plot_loss.

    Returns the Axes. Raises ImportError without matplotlib, ValueError if there are no parameters, TypeError for what
    isn't a Value.
    """
    if isinstance(parameters, AnyValue) or hasattr(parameters, "parameters"):
        parameters = [parameters]
    if not isinstance(parameters, (Mapping, Iterable)) or isinstance(parameters, str):
        raise TypeError(f"parameters must be a dict or a list of layers, not {type(parameters).__name__!r}")
    named = parameters.items() if isinstance(parameters, Mapping) else enumerate(parameters)
    layers = [(str(name), [abs(float(p.grad)) for p in _values(f"layer {name}", layer)]) for name, layer in named]
    layers = [(name, grads) for name, grads in layers if grads]
    if not layers:
        raise ValueError("parameters is empty: there is nothing to plot")
    means, largest, bad = [], [], 0
    for _, grads in layers:
        finite = [g for g in grads if math.isfinite(g)]
        bad += len(grads) - len(finite)
        means.append(math.fsum(g / len(finite) for g in finite) if finite else math.nan)
        largest.append(max(finite, default=math.nan))
    ax, done = _axes("grad_flow", ax, path)
    ax.bar(range(len(layers)), largest, color="#c9dcf5", edgecolor="#1f3f66", label="largest")
    ax.plot(range(len(layers)), means, color="#b3261e", marker="o", label="mean")
    step = -(-len(layers) // 40)
    names = [name + (" (all 0)" if most == 0 else " (nan or inf)" if most != most else "")
             for (name, _), most in zip(layers, largest)]
    ax.set_xticks(range(0, len(layers), step), names[::step], rotation=45 if len(layers) > 5 else 0,
                  ha="right" if len(layers) > 5 else "center")
    ax.set_ylabel("|gradient|")
    ax.legend()
    _scale(ax, [x for x in means + largest if x > 0], log, 20)
    return done("Gradient flow", bad)


def _axes(function, ax, path):
    """The Axes to draw on, and what finishes the plot: it sets the title, saves the picture and returns the Axes."""
    matplotlib = need("matplotlib.figure", function)
    if ax is None and path is not None:     # opens no window
        ax = matplotlib.Figure(layout="constrained").add_subplot()
    elif ax is None:
        ax = need("matplotlib.pyplot", function).subplots(layout="constrained")[1]
    elif not hasattr(ax, "plot"):
        raise TypeError(f"ax must be matplotlib's Axes, not {type(ax).__name__!r}")

    def done(title, bad):
        ax.set_title(title + (f" ({bad:,} nan or inf left out)" if bad else ""))
        if path is not None:
            ax.figure.savefig(path)
        return ax
    return ax, done


def _scale(ax, sizes, log, factor):
    """A logarithmic scale if log says so, or if it's None and the sizes, all positive, span more than a factor."""
    if log if log is not None else sizes and min(sizes) > 0 and max(sizes) > factor * min(sizes):
        ax.set_yscale("log")


def _running_mean(x, stays):
    """The running mean at each place: it weights the latest numbers most and skips nan."""
    means, total, weight = [], 0.0, 0.0
    for y in x:
        if y == y:
            total, weight = stays * total + (1 - stays) * y, stays * weight + (1 - stays)
        means.append(total / weight if weight else math.nan)
    return means


def _float(name, x):
    try:
        if isinstance(x, (str, bytes)):     # float() would accept them
            raise TypeError
        return float(x)
    except TypeError:
        raise TypeError(f"{name} must be a number, not {type(x).__name__!r}") from None


def _values(name, layer):
    """The Values in lists and dicts of any depth, each once. Raises TypeError for anything else."""
    values, stack = {}, [layer]
    while stack:
        x = stack.pop()
        if isinstance(x, AnyValue):
            values.setdefault(id(x), x)
        elif callable(getattr(x, "parameters", None)):
            stack.append(x.parameters())
        elif isinstance(x, Mapping):
            stack.extend(reversed(list(x.values())))
        elif isinstance(x, Iterable) and not isinstance(x, (str, bytes)):
            stack.extend(reversed(list(x)))
        else:
            raise TypeError(f"{name} must be Values, in lists or dicts, not {type(x).__name__!r}")
    return list(values.values())
