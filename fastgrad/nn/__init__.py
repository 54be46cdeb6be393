"""Neural networks of Values: micrograd's Neuron, Layer and MLP, and layers with torch's names.

    class Net(nn.Module):
        def __init__(self):
            self.hidden = nn.Linear(2, 8)
            self.out = nn.Linear(8, 1)

        def forward(self, x):
            return self.out(F.tanh(self.hidden(x)))[0]

module.py says how a module's parameters are found and saved.
"""
from fastgrad.engine import Value       # as in micrograd's nn
from fastgrad.nn.layers import CausalSelfAttention, Embedding, LayerNorm, Linear, RMSNorm, Sequential
from fastgrad.nn.module import Module
from fastgrad.nn.neurons import MLP, NONLINEARITIES, Layer, Neuron

__all__ = ["Module", "Neuron", "Layer", "MLP", "Linear", "Embedding", "RMSNorm", "LayerNorm", "Sequential",
           "CausalSelfAttention", "NONLINEARITIES"]
