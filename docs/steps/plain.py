"""fastgrad's Value under the loops of steps 1 to 8: all that these steps did and more. Steps 9 and 10 start here."""
from fastgrad import Value

__all__ = ["Value"]
