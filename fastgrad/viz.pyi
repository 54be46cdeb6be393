# Drawings of graphs, and plots of losses and gradients.
from typing import Any, Literal, TypeAlias

from fastgrad.drawing.cell import mimebundle as mimebundle
from fastgrad.drawing.play import Page as Page
from fastgrad.drawing.plots import grad_flow as grad_flow, grad_histogram as grad_histogram, plot_loss as plot_loss
from fastgrad.drawing.svg import Drawing as Drawing
from fastgrad.engine import Value

__all__ = ["trace", "draw_dot", "draw_svg", "draw_text", "play", "to_networkx", "mimebundle", "plot_loss",
           "grad_histogram", "grad_flow", "Drawing", "Page"]

_Direction: TypeAlias = Literal["LR", "RL", "TB", "BT"]

DIRECTIONS: tuple[str, ...]

def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]: ...

# A graphviz.Digraph: Any, so that checking types needs none of the optional packages.
def draw_dot(
    root: Value,
    format: str = "svg",
    rankdir: _Direction = "LR",
    *,
    max_nodes: int | None = 500,
    depth: int | None = None,
    collapse: bool | None = False,
) -> Any: ...
def draw_svg(
    root: Value,
    rankdir: _Direction | None = None,
    *,
    max_nodes: int | None = 100,
    depth: int | None = None,
    collapse: bool | None = None,
) -> Drawing: ...
def draw_text(
    root: Value, *, max_nodes: int | None = 500, depth: int | None = None, collapse: bool | None = False
) -> str: ...
def play(
    root: Value, *, max_nodes: int | None = 300, depth: int | None = None, collapse: bool | None = None
) -> Page: ...
def to_networkx(root: Value) -> Any: ...    # a networkx.MultiDiGraph
