"""A picture of one prediction: film, heat map, and what the heat map is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pneumoscope.bundle import InputSpec
from pneumoscope.errors import OutputError
from pneumoscope.explanation.overlay import COLOUR_MAP, overlay, reduced
from pneumoscope.scoring import RESEARCH_NOTICE, Prediction, Scored, percent, seen_square

PANEL = 4.6
"""Width of each of the two panels in inches."""
DPI = 130


def explanation_figure(scored: Scored, spec: InputSpec) -> Figure:
    """Film on the left, the same film under its saliency map on the right.

    The figure is drawn with Agg and belongs to no window; it names neither file nor patient.

    Args:
        scored: a film that was scored and kept (``Predictor.predict_files(..., keep_films=True)``).
        spec: the bundle's input.

    Raises:
        ValueError: the film was not scored or not kept.
    """
    if scored.film is None or scored.saliency is None:
        raise ValueError("an explanation needs a film that was scored and kept")
    pixels = reduced(scored.film.pixels)
    height, width = pixels.shape
    panel_height = PANEL * min(1.6, height / width)
    figure = Figure(figsize=(2 * PANEL + 1.1, panel_height + 1.5), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.imshow(pixels, cmap="gray", vmin=0, vmax=1)
    left.set_title("Film", fontsize=10)
    right.imshow(overlay(pixels, scored.saliency, spec))
    right.set_title(_evidence_title(scored.saliency), fontsize=10)
    square = seen_square((height, width), spec)
    if spec.fit == "crop" and height != width:
        corner = square.left - 0.5, square.top - 0.5
        edge = Rectangle(corner, square.side, square.side, fill=False, linestyle="--", linewidth=1, edgecolor="white")
        right.add_patch(edge)
        right.set_xlabel("Dashed: the part that the network saw", fontsize=8)
    for axes in (left, right):
        axes.set_xticks([])
        axes.set_yticks([])
    bar = figure.colorbar(ScalarMappable(cmap=COLOUR_MAP), ax=right, fraction=0.046, pad=0.02)
    bar.set_label("share of this film’s strongest evidence for pneumonia", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(_title(scored.prediction), fontsize=12)
    figure.supxlabel(_caption(scored.saliency.shape), fontsize=8)
    return figure


def save_explanation(scored: Scored, spec: InputSpec, path: Path) -> None:
    """Write the picture as PNG; the file appears whole or not at all.

    Raises:
        OutputError: the place cannot be written.
        ValueError: the film was not scored or not kept.
    """
    figure = explanation_figure(scored, spec)
    draft = path.with_name(f".{path.name}.part")
    try:
        try:
            figure.savefig(draft, format="png")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None


def _title(prediction: Prediction) -> str:
    point = prediction.operating_point
    assert prediction.probability is not None
    return (
        f"{prediction.decision.capitalize()}: probability of pneumonia {percent(prediction.probability)} "
        f"(threshold {percent(point.threshold)})"
    )


def _evidence_title(saliency: npt.NDArray[np.float32]) -> str:
    return "Where the score came from" if saliency.any() else "Nothing on this film spoke for pneumonia"


def _caption(grid: tuple[int, ...]) -> str:
    return (
        f"Heat map (Grad-CAM): where the network’s score came from, on a coarse grid of {grid[0]}×{grid[1]} cells, "
        f"scaled within this film.\nIt is not a localisation of disease. {RESEARCH_NOTICE}"
    )
