"""Films to measure with: the chest film of ``pneumoscope demo``, each time another part of it in another contrast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.data import get_testdata_file

from pneumoscope.radiograph import read_radiograph

CHEST = "RG1_UNCI.dcm"
LEAST = 0.96
"""Share of the film's sides that stays at least: cut smaller, it might not pass for a chest film any more."""


def chest_films(count: int, side: int = 224) -> list[npt.NDArray[np.uint8]]:
    """Grey pictures (side, side), no two of them the same."""
    pixels = read_radiograph(Path(str(get_testdata_file(CHEST, download=False)))).pixels
    whole = Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).resize((2 * side, 2 * side))
    draw = np.random.default_rng(0)
    films = []
    for _ in range(count):
        length = 2 * side * draw.uniform(LEAST, 1)
        left, top = draw.uniform(0, 2 * side - length, 2)
        part = whole.resize((side, side), Image.Resampling.BILINEAR, (left, top, left + length, top + length))
        films.append((255 * (np.asarray(part) / 255) ** draw.uniform(0.9, 1.1)).astype(np.uint8))
    return films


def write_films(folder: Path, count: int, side: int = 224) -> list[Path]:
    """Those pictures as JPEG files in colour, as collections have them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, film in enumerate(chest_films(count, side)):
        paths.append(folder / f"{number:06d}.jpeg")
        Image.fromarray(film).convert("RGB").save(paths[-1], quality=90)
    return paths
