"""Plots of training: losses, and the gradients of parameters, by matplotlib, which `pip install fastgrad[viz]` brings.

What isn't finite can't be plotted: it's left out, and the plot says so.
"""
import math
from collections.abc import Iterable, Mapping
from importlib import import_module

from fastgrad.value.base import AnyValue
from fastgrad.value.public import public

CURVES = ("#1f5fa8", "#b3261e", "#2e7d32", "#8e44ad", "#b26a00", "#00796b")


def need(package, function):
    """An optional package; raises ImportError that says how to get it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(f"fastgrad.viz.{function} needs {package}: pip install fastgrad[viz]") from error


@public
def plot_loss(losses, *, smooth=0.0, log=None, ax=None, path=None):
    """Losses by step, and with smooth also their running mean. What isn't finite is a gap, and a cross marks its step.

    losses: numbers or Values, one for each step, or a dict of them by step; or, for several curves, a dict of such by
    name, as {'train': [...], 'test': {0: 2.3, 100: 1.9}}. smooth: how much of the mean stays in it at each step, from 0
    (no mean) to less than 1; 0.9 looks back some ten steps. log: whether the scale is logarithmic; None: if they span
    more than a factor of 20. ax: the matplotlib Axes to draw on; None: new ones. path: a file to save the picture in.

    Returns the Axes. Raises ImportError without matplotlib, ValueError if there are no losses or smooth isn't in its
    range, TypeError for what isn't a number.
    """
    smooth = _float("smooth", smooth)
    if not 0 <= smooth < 1:
        raise ValueError(f"smooth must be at least 0 and less than 1, not {smooth}")
    curves = _curves(losses)
    ax, done = _axes("plot_loss", ax, path)
    bad = 0
    for i, (name, steps, y) in enumerate(curves):
        color = CURVES[i % len(CURVES)] if name else "#1f5fa8"
        finite = [x if math.isfinite(x) else math.nan for x in y]
        gaps = [step for step, x in zip(steps, finite) if x != x]
        bad += len(gaps)
        ax.plot(steps, finite, color=color, alpha=0.35 if smooth else 1.0, label=name or "loss",
                marker="." if len(y) < 50 else "")
        if smooth:
            mean = [m if x == x else math.nan for m, x in zip(_running_mean(finite, smooth), finite)]
            ax.plot(steps, mean, color=color if name else "#b3261e", linewidth=2,
                    label=(f"{name}, " if name else "") + f"running mean, {smooth:g}")
        alone = [k for k, x in enumerate(finite) if x == x
                 and (k == 0 or finite[k - 1] != finite[k - 1]) and (k == len(y) - 1 or finite[k + 1] != finite[k + 1])]
        ax.plot([steps[k] for k in alone], [finite[k] for k in alone], ".", color=color)     # between gaps, no line
        ax.plot(gaps, [0.02] * len(gaps), "x", color=color, clip_on=False, transform=ax.get_xaxis_transform())
    if smooth or curves[0][0]:
        ax.legend()
    ax.set_xlabel("step")
    ax.set_ylabel("loss")
    _scale(ax, [x for _, _, y in curves for x in y if math.isfinite(x)], log, 20)
    return done("Loss", bad)


def _curves(losses):
    """Losses as curves: (name, steps, losses) of each; the name of a single one is ''."""
    if not isinstance(losses, Iterable) or isinstance(losses, (str, bytes)):
        raise TypeError(f"losses must be an iterable of numbers, not {type(losses).__name__!r}")
    if isinstance(losses, Mapping) and any(_is_curve(x) for x in losses.values()):
        named = {str(name): curve for name, curve in losses.items()}
    else:
        named = {"": losses}
    curves = []
    for name, curve in named.items():
        of = f" of {name!r}" if name else ""
        if not _is_curve(curve):
            raise TypeError(f"the losses{of} must be an iterable of numbers, not {type(curve).__name__!r}")
        pairs = curve.items() if isinstance(curve, Mapping) else enumerate(curve)
        pairs = [(_float(f"step {step!r}{of}", step), _float(f"loss {step}{of}", loss)) for step, loss in pairs]
        if not pairs:
            raise ValueError(f"losses{of} is empty: there is nothing to plot")
        curves.append((name, *map(list, zip(*pairs))))
    return curves


def _is_curve(x):
    return isinstance(x, Iterable) and not isinstance(x, (str, bytes))


@public
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


@public
def grad_flow(parameters, *, by="layer", log=None, ax=None, path=None):
    """The mean and the largest magnitude of the gradients of each layer, from which vanishing and exploding ones show.

    parameters: a model, with a method named_parameters() or parameters(); or a dict of layers by name, or a list of
    layers. A layer is a Value, a list or dict of layers, or such a model. by: 'layer', or 'name' for a bar for each
    name, weights and biases apart. log: whether the scale is logarithmic; None: if they span more than a factor of 20.
    ax, path: as for plot_loss.

    Returns the Axes. Raises ImportError without matplotlib, ValueError if there are no parameters or for another `by`,
    TypeError for what isn't a Value.
    """
    if by not in ("layer", "name"):
        raise ValueError(f"by must be 'layer' or 'name', not {by!r}")
    groups = {}
    for first, name, p in _named(parameters):
        if by == "name":
            group = _without_indices(name)
        else:       # the layers of a dict or a list are its own elements
            group = _layer(name) if _is_model(parameters) else first
        groups.setdefault(group, {})[id(p)] = p
    layers = [(name, [abs(float(p.grad)) for p in group.values()]) for name, group in groups.items()]
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
    line, = ax.plot(range(len(layers)), means, color="#b3261e", marker="o", markersize=5, label="mean")
    step = -(-len(layers) // 40)
    names = [name + (" (all 0)" if most == 0 else " (nan or inf)" if most != most else "")
             for (name, _), most in zip(layers, largest)]
    many, aslant = len(names) > 12, sum(map(len, names[::step])) > 50
    ax.set_xticks(range(0, len(layers), step), names[::step], rotation=90 if many else 45 if aslant else 0,
                  ha="right" if aslant and not many else "center", fontsize=7 if many else None)
    ax.set_ylabel("|gradient|")
    ax.legend()
    _scale(ax, [x for x in means + largest if x > 0], log, 20)
    if ax.get_yscale() == "log":
        line.set_ydata([x or math.nan for x in means])
    return done(f"Gradient flow by {by}", bad)


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


def _is_model(x):
    return any(callable(getattr(x, name, None)) for name in ("named_parameters", "parameters"))


def _named(parameters):
    """All Values of a model, a dict or a list, each with the path to it as its name, and the path's first part:
    [('layers', 'layers.0.w.3', Value), ...]."""
    found, stack = [], [("", "", parameters)]
    while stack:
        first, path, x = stack.pop()
        if isinstance(x, AnyValue):
            found.append((first or "0", path or "0", x))
            continue
        if callable(getattr(x, "named_parameters", None)):
            items = list(dict(x.named_parameters()).items())
        elif callable(getattr(x, "parameters", None)):
            items = _named_by_attributes(x)
        elif isinstance(x, Mapping):
            items = list(x.items())
        elif isinstance(x, Iterable) and not isinstance(x, (str, bytes)):
            items = list(enumerate(x))
        else:
            name = f"layer {first}" if path else "parameters"
            raise TypeError(f"{name} must be Values, in lists or dicts, not {type(x).__name__!r}")
        stack.extend((first or str(name), f"{path}.{name}" if path else str(name), x) for name, x in reversed(items))
    return found


def _named_by_attributes(model):
    """What a model's parameters() gives, each with the path of attributes, indices and keys that leads to it. What none
    leads to has the class's name."""
    parameters = _values("parameters", model.parameters())
    names, seen, stack = dict.fromkeys(map(id, parameters)), set(), [("", model)]
    while stack:
        path, x = stack.pop()
        if id(x) in names:
            names[id(x)] = names[id(x)] or path
        if id(x) in seen:
            continue
        seen.add(id(x))
        if isinstance(x, Mapping):
            items = list(x.items())
        elif isinstance(x, (list, tuple)):
            items = list(enumerate(x))
        elif callable(getattr(x, "parameters", None)):
            items = list(getattr(x, "__dict__", {}).items())
        else:
            continue
        stack.extend((f"{path}.{name}" if path else str(name), item) for name, item in reversed(items))
    return [(names[id(p)] or type(model).__name__, p) for p in parameters]


def _without_indices(name):
    """The name of what a parameter is an element of: 'layers.0.w' for 'layers.0.w.3'."""
    parts = name.split(".")
    while len(parts) > 1 and parts[-1].isdigit():
        parts.pop()
    return ".".join(parts)


def _layer(name):
    """The name of a parameter's layer: 'layers.0' for 'layers.0.neurons.1.w.3', 'head' for 'head.weight', 'wte' for
    'wte.3.1'. A layer is the first element of a list that has names within it, or else what holds the parameter's name.
    """
    parts = _without_indices(name).split(".")
    for i, part in enumerate(parts[:-1]):
        if part.isdigit():
            return ".".join(parts[:i + 1])
    return ".".join(parts[:-1] or parts)


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
