# For fastgrad itself: nothing in this module is for users, so it has no types for them.
from typing import Any

def __getattr__(name: str) -> Any: ...
