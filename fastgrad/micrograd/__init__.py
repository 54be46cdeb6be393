"""micrograd's dialect: what `micrograd` means after fastgrad.install() and under python -m fastgrad.

`micrograd.engine.Value` is a class of its own beside fastgrad.Value, which is microgpt's, because the two differ in
relu: of nan microgpt's `max(0, data)` is 0, and micrograd's `0 if data < 0 else data` is nan. The module has a place
here so that what has been pickled under the name micrograd can be read where nobody has installed that name.
"""
from fastgrad.micrograd.engine import Value
