"""Operands with which errors and operations are tried, in tests of more than one room."""
from math import inf, nan

FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, inf, -inf, nan, 5e-324, -5e-324, 2.2250738585072014e-308,
          1e-308, 1e308, -1e308, 1e200, 745.0, -745.0, 709.78, 710.0, 1000.0, -1000.0, 1e16, 2.0 ** 53)
INTS = (0, 1, -1, 2, -2, 3, 10, 745, 1000, -1000, 1023, 1024, 2 ** 31, 2 ** 53, -2 ** 53, 2 ** 53 - 1)
