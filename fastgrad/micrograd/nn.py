"""fastgrad.nn's Neuron, Layer and MLP, executed once more with micrograd's Value in place of microgpt's."""
import fastgrad.nn.neurons

exec(fastgrad.nn.neurons.__loader__.get_code("fastgrad.nn.neurons"))

from fastgrad.micrograd.engine import Value     # noqa: E402, F401
