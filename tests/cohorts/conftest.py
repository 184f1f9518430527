from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

Films = dict[str, tuple[npt.NDArray[np.uint8], list[int]]]


def films(count: int, seed: int, side: int = 28) -> npt.NDArray[np.uint8]:
    """Pictures of which no two are alike."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)


def write_npz(file: Path, splits: Films, **changed: Any) -> Path:
    arrays: dict[str, Any] = {}
    for split, (images, labels) in splits.items():
        arrays |= {f"{split}_images": images, f"{split}_labels": np.array(labels, np.uint8)[:, None]}
    arrays |= changed
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
    return file


def write_film(file: Path, seed: int | npt.NDArray[np.uint8]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(films(1, seed, 40)[0] if isinstance(seed, int) else seed).save(file)
    return file


@pytest.fixture
def splits() -> Films:
    return {
        "train": (films(6, 0), [0, 1, 1, 0, 1, 1]),
        "val": (films(4, 1), [0, 1, 0, 1]),
        "test": (films(3, 2), [1, 0, 1]),
    }


@pytest.fixture
def npz(tmp_path: Path, splits: Films) -> Path:
    return write_npz(tmp_path / "pneumoniamnist.npz", splits)
