"""fastgrad.nn, executed once more with micrograd's Value in place of microgpt's."""
import fastgrad.nn

exec(fastgrad.nn.__loader__.get_code("fastgrad.nn"))

from fastgrad.micrograd.engine import Value     # noqa: E402, F401
