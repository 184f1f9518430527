"""Turning films upright and fitting them to the network's square."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from pneumoscope.radiograph.film import Pixels

Scalar = TypeVar("Scalar", bound=np.generic)


class Turn(NamedTuple):
    """A turn or mirroring by right angles: first rows and columns change places, then the two are reversed."""

    transpose: bool = False
    reverse_rows: bool = False
    reverse_columns: bool = False

    def apply(self, pixels: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """The turned picture, a view of the given (H, W)."""
        turned = pixels.T if self.transpose else pixels
        return turned[:: -1 if self.reverse_rows else 1, :: -1 if self.reverse_columns else 1]


def fit(pixels: npt.NDArray[np.floating[Any]], size: int, mode: Literal["crop", "pad"]) -> Pixels:
    """Bring a film to a square with its aspect ratio kept.

    The square is centred; where a side is odd, the extra row or column goes the way of ``(length - side) // 2``.
    Resampling is bicubic (Keys, IEEE Trans. ASSP 1981), with the kernel widened against aliasing when shrinking.

    Args:
        pixels: (H, W), values in [0, 1].
        size: of the square in pixels.
        mode: ``"crop"`` takes the largest centred square, ``"pad"`` the smallest around the film, black outside.

    Returns:
        (size, size), float32, values in [0, 1].

    Raises:
        ValueError: for pixels without area or of other than two dimensions, a size below 1, an unknown mode.
    """
    if pixels.ndim != 2 or not pixels.size:
        raise ValueError(f"fit needs a picture of rows and columns, got the shape {pixels.shape}")
    if size < 1 or mode not in ("crop", "pad"):
        raise ValueError(f"fit needs a size of at least 1 and the mode 'crop' or 'pad', got {size} and {mode!r}")
    height, width = pixels.shape
    side = min(height, width) if mode == "crop" else max(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    if mode == "crop":
        square = pixels[top : top + side, left : left + side].astype(np.float32)
    else:
        square = np.zeros((side, side), np.float32)
        square[-top : height - top, -left : width - left] = pixels
    if side == size:
        return square
    resized = Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(resized, np.float32), 0, 1)
