# fastgrad.nn with micrograd's Value; its classes are others than those there, and have the same interface.
from fastgrad.micrograd.engine import Value as Value
from fastgrad.nn import MLP as MLP, NONLINEARITIES as NONLINEARITIES, Layer as Layer, Module as Module, Neuron as Neuron
