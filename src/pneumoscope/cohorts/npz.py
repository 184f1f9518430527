"""PneumoniaMNIST's ``.npz`` files: arrays ``{train,val,test}_{images,labels}`` of one side length.

MedMNIST v2: Yang et al., Scientific Data 2023, https://doi.org/10.1038/s41597-022-01721-8. A film in one has
the path ``pneumoniamnist.npz#train/17``.
"""

from __future__ import annotations

import math
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pneumoscope.cohorts.table import case_table
from pneumoscope.errors import CohortError, ImageError
from pneumoscope.radiograph import Metadata, Radiograph

SPLITS = ("train", "val", "test")
LIMIT = 4 * 2**30
"""Bytes that a file may unpack to; the largest PneumoniaMNIST has 0.3 GB."""

_FILM = re.compile(r"(?P<file>.+\.npz)#(?P<split>train|val|test)/(?P<number>\d+)", re.IGNORECASE)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_one_reads = threading.Lock()


def npz_table(file: Path) -> pd.DataFrame:
    """The case table of a file. Reads the labels; the images are only measured.

    Raises:
        CohortError: no such archive, damaged, unpacks to more than :data:`LIMIT`, arrays missing or of another
            form, labels of another number than images or other than 0 and 1.
    """
    with _opened(file) as archive:
        shapes = {split: _check(archive, file, split) for split in SPLITS}
    frames = []
    with _reading(file), np.load(file, allow_pickle=False) as arrays:
        for split, count in shapes.items():
            frames.append(
                pd.DataFrame(
                    {
                        "path": [f"{file}#{split}/{number}" for number in range(count)],
                        "label": arrays[f"{split}_labels"].ravel(),
                        "split": split,
                    }
                )
            )
    return case_table(pd.concat(frames, ignore_index=True), source=file.stem, where=str(file))


def split_npz_path(path: str) -> tuple[Path, str, int] | None:
    """File, split and number of a film inside an ``.npz`` file; None for any other path."""
    match = _FILM.fullmatch(path)
    return (Path(match["file"]), match["split"], int(match["number"])) if match else None


def read_npz_film(file: Path, split: str, number: int) -> Radiograph:
    """One film. The file's images stay in memory for the next call.

    Raises:
        ImageError: there is no film of this number.
        CohortError: the file is missing or damaged.
    """
    try:
        stamp = file.stat().st_mtime_ns
    except OSError as error:
        raise CohortError(f"{file}: cannot be read ({error.strerror})") from None
    with _one_reads:
        films = _images(file, stamp)[split]
    if number >= len(films):
        raise ImageError(f"{file}#{split}/{number}: the split ends with number {len(films) - 1}", code="missing")
    film = films[number]
    return Radiograph(
        pixels=film.astype(np.float32) / 255,
        metadata=Metadata(kind="npz", bits=8),
        source=f"{file}#{split}/{number}",
        steps=(f"8-bit grey film {number} of {film.shape[1]}×{film.shape[0]} pixels from split {split}",),
    )


@lru_cache(maxsize=4)
def _images(file: Path, stamp: int) -> dict[str, npt.NDArray[np.uint8]]:
    with _opened(file) as archive:
        for split in SPLITS:
            _check(archive, file, split)
    with _reading(file), np.load(file, allow_pickle=False) as arrays:
        return {split: arrays[f"{split}_images"] for split in SPLITS}


def _check(archive: zipfile.ZipFile, file: Path, split: str) -> int:
    """The number of films of a split, after a look at the headers of its two arrays."""
    images, kind = _measure(archive, file, f"{split}_images")
    if kind != np.uint8 or len(images) != 3:
        raise CohortError(f"{file}: {split}_images must be uint8 (films, height, width), not {kind} {images}")
    labels, kind = _measure(archive, file, f"{split}_labels")
    if kind.kind not in "iub" or len(labels) not in (1, 2) or labels[1:] not in ((), (1,)):
        raise CohortError(f"{file}: {split}_labels must be whole numbers (films, 1), not {kind} {labels}")
    if labels[0] != images[0]:
        raise CohortError(f"{file}: {labels[0]} labels for {images[0]} images in split {split}; fetch the file anew")
    return images[0]


def _measure(archive: zipfile.ZipFile, file: Path, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        entry = archive.getinfo(f"{key}.npy")
    except KeyError:
        raise CohortError(
            f"{file}: has no array {key}; a PneumoniaMNIST file has images and labels of train, val and test"
        ) from None
    with archive.open(entry) as member:
        version = np.lib.format.read_magic(member)
        if version not in _HEADERS:
            raise ValueError(f"{key} is in version {version} of the npy format")
        shape, _, kind = _HEADERS[version](member)
        # A header that promises more than the archive holds would make numpy ask for that much memory.
        if kind.hasobject or math.prod(shape) * kind.itemsize != entry.file_size - member.tell():
            raise ValueError(f"{key} is not as long as its header says")
    return shape, kind


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    with _reading(file), zipfile.ZipFile(file) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        if size > LIMIT:
            raise CohortError(
                f"{file}: would unpack to {size / 2**30:.1f} GiB, refused; this is no PneumoniaMNIST file"
            )
        yield archive


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise CohortError(f"{file}: there is no such file") from None
    except CohortError:
        raise
    except Exception as error:  # a damaged header is parsed as Python text by NumPy and fails in every way there is
        raise CohortError(f"{file}: damaged, or no .npz file ({error}); fetch it anew") from None
