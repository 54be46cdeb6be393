"""The name by which pickles of 0.1 know the parameters of an optimiser in plain Python."""
from fastgrad.value.parameters import Parameters
