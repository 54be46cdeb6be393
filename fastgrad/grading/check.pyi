# fastgrad.check(): examine a class, and report.
from collections.abc import Callable, Iterable
from typing import Any

from fastgrad.grading.report import Report

def check(cls: type, *, require: str | Iterable[str] | None = None) -> Report: ...
def examine(
    cls: type,
    namespace: dict[str, Any] | None = None,
    file: str | None = None,
    require: Iterable[str] | None = None,
    progress: Callable[[str], object] = ...,
) -> dict[str, Any]: ...
