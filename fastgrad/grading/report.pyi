# The result of a check: for a reader as text, for an autograder as JSON.
from collections.abc import Iterator
from typing import Any

SCHEMA: int
WORDS: dict[str, str]

class Report:
    data: dict[str, Any]
    class_name: str
    file: str | None
    line: int | None
    methods: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    remarks: list[str]
    def __init__(self, data: dict[str, Any]) -> None: ...
    def __bool__(self) -> bool: ...
    @property
    def codes(self) -> list[str]: ...
    def json(self) -> str: ...
    def _repr_html_(self) -> str: ...
    def lines(self) -> Iterator[str]: ...

def new(cls: type, file: str | None, line: int | None) -> dict[str, Any]: ...
