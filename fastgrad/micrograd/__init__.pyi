# micrograd's dialect, by fastgrad: what `micrograd` means after fastgrad.install().
from fastgrad.micrograd.engine import Value as Value
