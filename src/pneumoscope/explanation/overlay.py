"""The saliency map laid over the film, each cell where the network saw it."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image

from pneumoscope.bundle import InputSpec
from pneumoscope.scoring import cell_coordinates, seen_square

COLOUR_MAP = "plasma"
"""Perceptually uniform, and without greys, so that it cannot be taken for film."""
STRONGEST_ALPHA = 0.6
"""Opacity of the strongest evidence; the film stays visible beneath."""
LONGEST_SIDE = 1024
"""Pixels to which films are reduced for pictures."""
UNSEEN_BRIGHTNESS = 0.5
"""Film that the crop kept from the network is darkened to this share."""


def reduced(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The film (H, W) in [0, 1], no longer than :data:`LONGEST_SIDE` on either side."""
    height, width = pixels.shape
    share = LONGEST_SIDE / max(height, width)
    if share >= 1:
        return pixels
    size = max(1, round(width * share)), max(1, round(height * share))
    with Image.fromarray(pixels) as film:
        return np.asarray(film.resize(size, Image.Resampling.BOX))


def project(
    saliency: npt.NDArray[np.floating[Any]], shape: tuple[int, int], spec: InputSpec
) -> npt.NDArray[np.float32]:
    """The map at the film's own size, as shares of its strongest cell.

    Between cells it is interpolated bicubically (Keys, IEEE TASSP 1981); beyond the outermost cells the nearest
    one counts.

    Args:
        saliency: (h, w) ≥ 0.
        shape: height and width of the film.
        spec: the bundle's input, which decides what part of the film the network saw.

    Returns:
        (H, W) in [0, 1]; NaN where the network did not see the film. All 0 for a map without evidence.
    """
    square = seen_square(shape, spec)
    rows = cell_coordinates(shape[0], square.top, square.side, spec.size)
    columns = cell_coordinates(shape[1], square.left, square.side, spec.size)
    strongest = float(saliency.max())
    scaled = saliency / strongest if strongest > 0 else np.zeros_like(saliency)
    heat = _bicubic(rows, saliency.shape[0]) @ scaled @ _bicubic(columns, saliency.shape[1]).T
    heat = np.clip(heat, 0, 1).astype(np.float32)
    seen = slice(max(0, square.top), square.top + square.side), slice(max(0, square.left), square.left + square.side)
    result = np.full(shape, np.nan, dtype=np.float32)
    result[seen] = heat[seen]
    return result


def overlay(
    pixels: npt.NDArray[np.float32], saliency: npt.NDArray[np.floating[Any]], spec: InputSpec
) -> npt.NDArray[np.uint8]:
    """The film in grey under its saliency map in colour, the more opaque the stronger the evidence.

    Args:
        pixels: the film, (H, W) in [0, 1].
        saliency: (h, w) ≥ 0.
        spec: the bundle's input.

    Returns:
        RGB, (H, W, 3). Film that the network did not see has no colour and is darker.
    """
    heat = project(saliency, pixels.shape, spec)
    seen = ~np.isnan(heat)
    heat = np.where(seen, heat, 0)
    colours = matplotlib.colormaps[COLOUR_MAP](heat)[..., :3]
    alpha = (STRONGEST_ALPHA * heat)[..., None]
    grey = np.where(seen, pixels, UNSEEN_BRIGHTNESS * pixels)[..., None]
    return np.rint(255 * ((1 - alpha) * grey + alpha * colours)).astype(np.uint8)


def heat_layer(
    saliency: npt.NDArray[np.floating[Any]], shape: tuple[int, int], spec: InputSpec, *, strongest: float = 1.0
) -> npt.NDArray[np.uint8]:
    """The saliency map alone, to be laid over a film: colour by evidence, and the more opaque the stronger it is.

    Args:
        saliency: (h, w) ≥ 0.
        shape: height and width of the picture.
        spec: the bundle's input.
        strongest: opacity of the strongest evidence, in [0, 1].

    Returns:
        RGBA with straight alpha, (H, W, 4). What the network did not see is transparent.
    """
    heat = np.nan_to_num(project(saliency, shape, spec))
    layer = matplotlib.colormaps[COLOUR_MAP](heat)
    layer[..., 3] = strongest * heat
    return np.rint(255 * layer).astype(np.uint8)


def _bicubic(positions: npt.NDArray[np.float64], cells: int) -> npt.NDArray[np.float64]:
    """Weights (positions, cells) of cubic convolution with a = −1/2, the outermost cells repeated."""
    positions = np.clip(positions, 0, cells - 1)
    first = np.floor(positions).astype(int) - 1
    weights = np.zeros((len(positions), cells))
    for offset in range(4):
        index = first + offset
        distance = np.abs(positions - index)
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        kernel = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
        np.add.at(weights, (np.arange(len(positions)), np.clip(index, 0, cells - 1)), kernel)
    return weights
