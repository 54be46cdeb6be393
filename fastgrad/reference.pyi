# The engine in plain Python: the same interface as fastgrad.engine, which see.
from fastgrad.engine import Value as Value, arena_stats as arena_stats

__all__ = ["Value", "arena_stats"]
