"""The bootstrap over patients, all resamples at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

CELLS = 4_000_000
"""Resamples × films that are held in memory at a time: 32 MB for each array."""


def clusters(patients: pd.Series[Any]) -> npt.NDArray[np.int64]:
    """(N,) group of each film: its patient, or itself where the patient is not known."""
    known = np.array(patients.notna(), dtype=bool)
    codes = np.asarray(pd.factorize(patients)[0], dtype=np.int64)
    codes[~known] = codes.max(initial=-1) + 1 + np.arange(int((~known).sum()))
    return codes


def resamples(groups: npt.NDArray[np.int64], count: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Resample whole groups with replacement (Field & Welsh, JRSS B 2007).

    Args:
        groups: (N,) whole numbers 0 … G−1.
        count: resamples.
        seed: the same seed gives the same resamples, however they are cut into blocks.

    Yields:
        Blocks (b, N): how often each film occurs in each of b resamples.
    """
    generator = np.random.default_rng(seed)
    number = int(groups.max()) + 1
    block = max(1, CELLS // max(len(groups), number))
    for start in range(0, count, block):
        rows = min(block, count - start)
        drawn = generator.integers(number, size=(rows, number)) + number * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * number).reshape(rows, number)
        yield times[:, groups].astype(np.float64)


def draw_films(labels: npt.NDArray[np.integer[Any]], count: int | None, seed: int) -> npt.NDArray[np.intp]:
    """Positions, in their order, of so many films drawn without replacement, both classes in their shares.

    Args:
        labels: (N,) of 0 and 1.
        count: films; all of them for None, or where there are no more.
        seed: the same seed draws the same films.
    """
    if count is None or count >= len(labels):
        return np.arange(len(labels))
    draw = np.random.default_rng(seed)
    ill = round(count * float(np.mean(labels)))
    parts = [
        draw.permutation(np.flatnonzero(labels == label))[:number] for label, number in ((0, count - ill), (1, ill))
    ]
    return np.sort(np.concatenate(parts))
