"""What the pictures of an evaluation have in common: colours, axes, legends."""

from __future__ import annotations

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK = "#22303c"
"""Text, axes and curves; the report replaces it by the colour of its own text."""
QUIET = "#8a97a3"
NORMAL = "#3f83c2"
PNEUMONIA = "#d9752b"
CELL = "#2a9d8f"


class Drawing(NamedTuple):
    """A figure with its file's stem, its title, and what it shows, for those who cannot see it."""

    name: str
    title: str
    description: str
    figure: Figure


def figure(width: float, height: float) -> Figure:
    """An empty figure of that many inches, which belongs to no window."""
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def square(x: str, y: str) -> tuple[Figure, Axes]:
    """Axes of shares from 0 to 1, with their names."""
    made = figure(4.6, 4.6)
    axes = made.subplots()
    style(axes, x, y)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    return made, axes


def style(axes: Axes, x: str, y: str) -> None:
    """Name the axes and give them a quiet grid."""
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.grid(color=QUIET, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_facecolor("none")
    axes.tick_params(colors=QUIET, labelcolor=INK, labelsize=8)


def plain(axes: Any) -> None:
    """Axes without lines, for pictures and tables."""
    axes.tick_params(length=0, labelcolor=INK, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.set_facecolor("none")


def legend(axes: Axes, place: Any) -> None:
    """A legend without a frame."""
    axes.legend(loc=place, fontsize=8, frameon=False, labelcolor=INK, numpoints=1)
