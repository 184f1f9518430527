"""Where a cell of the saliency map lies on the film.

The network sees a square of the film (see :func:`pneumoscope.radiograph.fit`), and its map covers that square
with a grid that does not reach the rim: every layer without padding takes some pixels away. Stretching the map
over the whole square, as is often done, pushes the heat outwards by up to half a cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pneumoscope.bundle.spec import InputSpec

PITCH = 32
"""Distance between neighbouring cells in pixels of the network's input: five steps of stride 2."""
FIRST_CENTRE = 37.5
"""Centre of the first cell's receptive field, in pixels from the input's edge.

From the chain of InceptionV3's unpadded layers (Araujo et al., Distill 2019, doi:10.23915/distill.00021).
"""


@dataclass(frozen=True)
class SeenSquare:
    """The square that the network saw, in pixels of the film; it reaches beyond a film that was padded."""

    top: int
    left: int
    side: int


def seen_square(shape: tuple[int, int], spec: InputSpec) -> SeenSquare:
    """The centred square that :func:`pneumoscope.radiograph.fit` takes from a film of that height and width."""
    height, width = shape
    side = min(shape) if spec.fit == "crop" else max(shape)
    return SeenSquare((height - side) // 2, (width - side) // 2, side)


def cell_coordinates(length: int, start: int, side: int, size: int) -> npt.NDArray[np.float64]:
    """Where each film pixel of a row or column lies on the map's grid; 0 is the first cell's centre.

    Args:
        length: of the row or column, in pixels.
        start: of the seen square along it.
        side: of the seen square.
        size: of the network's input.
    """
    pixels = np.arange(length) + 0.5
    return ((pixels - start) * size / side - FIRST_CENTRE) / PITCH


def peak(
    saliency: npt.NDArray[np.floating[Any]], shape: tuple[int, int], spec: InputSpec
) -> tuple[float, float] | None:
    """Share of the film's width and height at which the map's strongest cell lies; None for an empty map."""
    row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
    if saliency[row, column] <= 0:
        return None
    height, width = shape
    square = seen_square(shape, spec)
    x = (square.left + (FIRST_CENTRE + PITCH * column) * square.side / spec.size) / width
    y = (square.top + (FIRST_CENTRE + PITCH * row) * square.side / spec.size) / height
    return float(np.clip(x, 0, 1)), float(np.clip(y, 0, 1))  # a padded film's strongest cell may lie in the padding
