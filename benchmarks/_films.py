"""Films to measure with: made up, but of the size, format and texture of real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_films(folder: Path, count: int, side: int = 224, suffix: str = "jpeg") -> list[Path]:
    """Grey pictures of clouds with grain, as RGB JPEG or another format by suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    paths = []
    for number in range(count):
        coarse = draw.integers(30, 226, (9, 9), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC), np.float32)
        pixels = (smooth + draw.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8)
        paths.append(folder / f"{number:06d}.{suffix}")
        Image.fromarray(pixels).convert("RGB").save(paths[-1], quality=90)
    return paths
