# Value in micrograd's dialect: relu is `0 if data < 0 else data`.
import fastgrad.engine

__all__ = ["Value"]

class Value(fastgrad.engine.Value): ...
