"""Value in micrograd's dialect: as light as fastgrad.Value, and in one expression with it."""
from fastgrad import engine

__all__ = ["Value"]

Value = engine._make_class(__name__, "Value", engine.Value.__doc__, micrograd_relu=True)
