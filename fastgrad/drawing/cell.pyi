# What a notebook shows of a Value.
from fastgrad.value.base import AnyValue

SHOWN: int
DISPLAY: str

def mimebundle(value: AnyValue) -> dict[str, str]: ...
