"""Pictures that the service and the dashboard send."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pneumoscope.bundle import InputSpec
from pneumoscope.explanation import heat_layer
from pneumoscope.scoring import RESEARCH_NOTICE

CAVEAT = (
    "Where the network's score came from, on a coarse grid, scaled within this film. Not a localisation of disease."
)


def scaled(width: int, height: int, longest: int) -> tuple[int, int]:
    """Width and height of a picture whose longer side is reduced to ``longest`` pixels."""
    share = min(1.0, longest / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def heat_png(
    saliency: npt.NDArray[np.float32], size: tuple[int, int], spec: InputSpec, *, strongest: float = 1.0
) -> bytes:
    """The saliency map as a transparent PNG to be laid over the film, with its caveat inside.

    Args:
        saliency: (h, w) ≥ 0.
        size: width and height of the picture, in the film's proportions.
        spec: the bundle's input.
        strongest: opacity of the strongest evidence, in [0, 1].
    """
    width, height = size
    notes = PngInfo()
    notes.add_text("Description", CAVEAT)
    notes.add_text("Disclaimer", RESEARCH_NOTICE)
    return _png(heat_layer(saliency, (height, width), spec, strongest=strongest), notes)


def film_png(pixels: npt.NDArray[np.float32], longest: int) -> bytes:
    """A film (H, W) in [0, 1] as a grey PNG of at most ``longest`` pixels a side."""
    height, width = pixels.shape
    with Image.fromarray(pixels) as film:
        small = np.asarray(film.resize(scaled(width, height, longest), Image.Resampling.BOX))
    return _png(np.rint(255 * small).astype(np.uint8))


def _png(pixels: npt.NDArray[np.uint8], notes: PngInfo | None = None) -> bytes:
    buffer = io.BytesIO()
    with Image.fromarray(pixels) as picture:
        picture.save(buffer, "PNG", pnginfo=notes, compress_level=1)
    return buffer.getvalue()
