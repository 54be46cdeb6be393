"""micrograd's networks: Neuron, Layer and MLP.

Signatures, the order of the random numbers, the order of the parameters and the reprs are micrograd's, so that the same
seed gives the same network. Three things are new. `nonlin` also takes the name of a nonlinearity or any function of a
Value. A wrong number of inputs raises ValueError, where micrograd's zip ignores what is too much. Weighted sums are
those of fastgrad.functional, which give the same graph and bits in less time.
"""
import operator
import random
from itertools import chain

from fastgrad import engine, functional
from fastgrad.engine import Value
from fastgrad.nn.module import Module
from fastgrad.value.base import AnyValue
from fastgrad.value.public import public

NONLINEARITIES = {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid"}     # methods of Value, and what reprs call them


@public
class Neuron(Module):
    """A weighted sum of nin inputs and a bias, then a nonlinearity.

    nonlin: True for relu, False for none, 'relu', 'tanh', 'sigmoid', or a function of a Value. Raises ValueError for
    any other name, and when it's called with another number of inputs than nin; TypeError when that isn't a list of
    numbers. Weights start as random numbers, uniform from -1 to 1, and the bias starts as 0.
    """

    def __init__(self, nin, nonlin=True):
        if isinstance(nonlin, str) and nonlin not in NONLINEARITIES:
            raise ValueError(f"nonlin is {', '.join(map(repr, NONLINEARITIES))}, True, False or a function of a Value, "
                             f"not {nonlin!r}")
        self.w = [Value(random.uniform(-1, 1)) for _ in range(_whole("nin", nin))]
        self.b = Value(0)
        self.nonlin = nonlin

    def __call__(self, x):
        return self._activate(_weighted_sums([self.w], [self.b], x)[0])

    def _activate(self, act):
        if isinstance(self.nonlin, str):
            return getattr(act, self.nonlin)()
        if callable(self.nonlin):
            return self.nonlin(act)
        return act.relu() if self.nonlin else act

    def parameters(self):
        return self.w + [self.b]

    def __repr__(self):
        if isinstance(self.nonlin, str):
            kind = NONLINEARITIES[self.nonlin]
        elif callable(self.nonlin):
            kind = getattr(self.nonlin, "__name__", type(self.nonlin).__name__)
        else:
            kind = "ReLU" if self.nonlin else "Linear"
        return f"{kind}Neuron({len(self.w)})"


_NEURON_CALL = Neuron.__call__


def _whole(name, n):
    """A size as an int."""
    try:
        return operator.index(n)
    except TypeError:
        raise TypeError(f"{name} must be an int, not {type(n).__name__!r}") from None


def _attributes(objects, cls, names):
    """[[getattr(x, name) for x in objects] for name in names], or None if the objects aren't all of this class itself.
    """
    if set(map(type, objects)) <= {cls}:
        return [[getattr(x, name) for x in objects] for name in names]


_layer = getattr(engine, "_layer", lambda neurons, cls, names, x: None)      # the C engine's, which may decline


def _weighted_sums(weights, biases, x):
    """[sum((wi * xi for wi, xi in zip(w, x)), b) for w, b in zip(weights, biases)]"""
    fused = functional._fused_products(weights, (x,), biases)
    if fused is not None:
        return fused
    if type(x) not in (list, tuple):
        if hasattr(type(x), "tolist"):      # a NumPy array
            x = x.tolist()
        elif hasattr(type(x), "__iter__") and not isinstance(x, (str, bytes)):
            x = list(x)
        if isinstance(x, list):
            return _weighted_sums(weights, biases, x)
        raise TypeError(f"a network takes a list of numbers, not {type(x).__name__!r}"
                        + (f": write [{x}]" if isinstance(x, (int, float)) else
                           ": write [x]" if isinstance(x, AnyValue) else ""))
    if any(hasattr(type(xi), "__len__") and not isinstance(xi, (str, bytes)) for xi in x):
        raise TypeError("a network takes one example at a time, a list of numbers, and this is a list of lists: write "
                        "[model(x) for x in xs]")
    for n_inputs in set(map(len, weights)) - {len(x)}:
        s = "s" * (n_inputs != 1)
        raise ValueError(f"this neuron has {n_inputs} input{s}, not {len(x)}: give it a list of {n_inputs} number{s}")
    return functional.linear(x, weights, biases) if x and weights else biases


def _activations(neurons, nonlins, acts):
    """[n._activate(act) for n, act in zip(neurons, acts)]. nonlins: the neurons'."""
    if nonlins and (nonlins[0] is True or nonlins[0] is False) and nonlins.count(nonlins[0]) == len(nonlins):
        return functional.elementwise.relu(functional._values(acts, "acts")) if nonlins[0] else acts
    return [n._activate(act) for n, act in zip(neurons, acts)]


@public
class Layer(Module):
    """nout neurons side by side, each of nin inputs; gives a list of Values, or the Value itself when nout is 1.

    kwargs are the neurons': nonlin. Raises ValueError when it's called with another number of inputs than nin.
    """

    def __init__(self, nin, nout, **kwargs):
        if isinstance(nout, (list, tuple)):
            raise TypeError("nout is a number, how many neurons the layer has; MLP(nin, nouts) takes a list")
        self.neurons = [Neuron(nin, **kwargs) for _ in range(_whole("nout", nout))]

    def __call__(self, x):
        are_ours = Neuron.__call__ is _NEURON_CALL      # not what the user has made of them
        out = _layer(self.neurons, Neuron, NONLINEARITIES, x) if are_ours else None
        if out is None:
            parts = _attributes(self.neurons, Neuron, ("w", "b", "nonlin")) if are_ours else None
            if parts is not None:
                weights, biases, nonlins = parts
                out = _activations(self.neurons, nonlins, _weighted_sums(weights, biases, x))
            else:
                out = [n(x) for n in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self):
        return list(chain.from_iterable(n.parameters() for n in self.neurons))

    def __repr__(self):
        return f"Layer of [{', '.join(map(repr, self.neurons))}]"


@public
class MLP(Module):
    """Layers one after the other: nin inputs, then nouts[0], nouts[1], ... neurons.

    nonlin: True for micrograd's network, relu and a linear last layer; a name or a function (see Neuron) for every
    layer, the last one too; False for linear layers only. Raises ValueError for a name that isn't known, and TypeError
    if nouts isn't a list; and when it's called, as a Neuron does.
    """

    def __init__(self, nin, nouts, nonlin=True):
        if not hasattr(type(nouts), "__iter__"):
            raise TypeError(f"nouts is a list, with the size of each layer: write MLP({nin}, [{nouts}])")
        sizes = [nin, *nouts]
        everywhere = isinstance(nonlin, str) or callable(nonlin)
        self.layers = [Layer(sizes[i], sizes[i + 1], nonlin=nonlin if everywhere or i < len(nouts) - 1 else False)
                       for i in range(len(nouts))]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x if type(x) is list or not isinstance(x, AnyValue) else [x])     # that of a layer of one neuron
        return x

    def parameters(self):
        return list(chain.from_iterable(layer.parameters() for layer in self.layers))

    def __repr__(self):
        return f"MLP of [{', '.join(map(repr, self.layers))}]"
