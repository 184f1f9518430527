"""From colour to grey, and how much of the colour is more than a tint."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pneumoscope.radiograph.film import Pixels

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_VISIBLE = 16 / 255
"""Distance from the film's own tint from which a pixel counts as coloured; JPEG and toning stay below it."""
_SAMPLES = 250_000


def to_grey(rgb: npt.NDArray[np.unsignedinteger[Any]], top: int) -> tuple[Pixels, float]:
    """The grey picture and its colourfulness.

    Colourfulness is the share of pixels whose colour differs visibly from what the film's tint gives at their
    brightness, the tint being a parabola fitted to the whole picture. So bluish film base, sepia scans and the
    like are grey, a small coloured mark counts by its area, photographs and false colours reach well over 0.1.

    Args:
        rgb: (H, W, 3), integers from 0 to ``top``.
        top: the value of full brightness.

    Returns:
        (H, W) in [0, 1] and the colourfulness in [0, 1]. Equal channels give their common value and 0 exactly.
    """
    red = rgb[..., 0]
    if np.array_equal(red, rgb[..., 1]) and np.array_equal(red, rgb[..., 2]):
        return red.astype(np.float32) / np.float32(top), 0.0
    luma = (rgb @ _LUMA) / np.float32(top)
    flat = rgb.reshape(-1, 3)
    sample = flat[:: -(-len(flat) // _SAMPLES)].astype(np.float64) / top
    brightness = sample @ _LUMA
    chroma = sample[:, [0, 2]] - brightness[:, None]
    parabola = np.vander(brightness, 3)
    tint = parabola @ np.linalg.lstsq(parabola, chroma, rcond=None)[0]
    return np.clip(luma, 0, 1), float((abs(chroma - tint).max(axis=1) > _VISIBLE).mean())
