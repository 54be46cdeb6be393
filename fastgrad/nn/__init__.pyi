# Neural networks of Values.
from fastgrad.engine import Value as Value
from fastgrad.nn.layers import CausalSelfAttention, Embedding, LayerNorm, Linear, RMSNorm, Sequential
from fastgrad.nn.module import Module
from fastgrad.nn.neurons import MLP, NONLINEARITIES, Layer, Neuron

__all__ = ["Module", "Neuron", "Layer", "MLP", "Linear", "Embedding", "RMSNorm", "LayerNorm", "Sequential",
           "CausalSelfAttention", "NONLINEARITIES"]
