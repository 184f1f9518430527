"""What makes two films the same film: equal pixels, or nearly the same picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pneumoscope.cohorts.cohort import Cohort
from pneumoscope.cohorts.films import read_cases
from pneumoscope.cohorts.table import few
from pneumoscope.errors import CohortError, ImageError
from pneumoscope.radiograph import Radiograph, fit

SIDE = 16
"""Pixels of the square thumbnails that are compared."""

NEAR = 0.99
"""Correlation of two thumbnails from which they count as the same picture.

Among all pairs of the 5,856 films of PneumoniaMNIST and of Kermany's set none lies between 0.986 and 0.9999:
different films of children reach 0.986, copies start at 0.9999. Copies that were scaled, compressed again, or made
brighter or flatter stay above 0.99; cropped, shifted or mirrored ones do not and are not found.
"""

_BLOCK = 2048


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """What films look like, in the order of a cohort's cases.

    Attributes:
        identical: (N,) numbers of groups of films with equal pixels; a film that cannot be read is alone.
        thumbnails: (N, 256) float32 of mean 0 and norm 1, so that products are correlations; zeros for a film of
            one shade or one that cannot be read.
        errors: row → why the film cannot be read.
    """

    identical: npt.NDArray[np.int64]
    thumbnails: npt.NDArray[np.float32]
    errors: dict[int, ImageError]

    def near(self) -> npt.NDArray[np.int64]:
        """(N,) numbers of groups of nearly the same picture: correlation at least :data:`NEAR`, or a chain of such."""
        _, representatives, back = np.unique(self.identical, return_index=True, return_inverse=True)
        films = self.thumbnails[representatives]
        pairs = []
        for start in range(0, len(films), _BLOCK):
            for other in range(start, len(films), _BLOCK):
                alike = films[start : start + _BLOCK] @ films[other : other + _BLOCK].T >= NEAR
                pairs.append(np.argwhere(alike) + np.array([start, other]))
        return connected(len(films), np.concatenate([*pairs, np.empty((0, 2), dtype=np.int64)]))[back]


def fingerprint(
    cohort: Cohort, *, workers: int | None = None, progress: Callable[[int], None] | None = None
) -> Fingerprints:
    """Read every film once and keep its hash and its thumbnail.

    Equal pixels means equal after reading: a PNG and a DICOM file of the same film are the same.
    """
    identical = np.empty(len(cohort), dtype=np.int64)
    thumbnails = np.zeros((len(cohort), SIDE * SIDE), dtype=np.float32)
    errors: dict[int, ImageError] = {}
    groups: dict[bytes, int] = {}
    results = read_cases(cohort.cases["path"].tolist(), _look, workers=workers, progress=progress)
    for row, result in enumerate(results):
        if isinstance(result, ImageError):
            errors[row] = result
            digest = row.to_bytes(8, "big")  # shorter than a hash, so equal to none
        else:
            digest, thumbnails[row] = result
        identical[row] = groups.setdefault(digest, row)
    return Fingerprints(identical, thumbnails, errors)


def refuse_contradictions(cohort: Cohort, prints: Fingerprints) -> None:
    """Make sure that no two identical films have contradictory labels.

    Raises:
        CohortError: naming the first few that do.
    """
    cases = cohort.cases.assign(identical=prints.identical)
    several = cases.groupby("identical")["label"].transform("nunique") > 1
    groups = [" = ".join(paths) for _, paths in cases[several].groupby("identical", sort=False)["path"]]
    if groups:
        raise CohortError(
            f"{cohort.name}: films with identical pixels have contradictory labels: {few(groups)}; correct them first "
            "(pneumoscope data audit lists them all)"
        )


def connected(count: int, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(count,) numbers of the groups that (P, 2) pairs of positions connect."""
    links = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _look(radiograph: Radiograph) -> tuple[bytes, npt.NDArray[np.float32]]:
    pixels = radiograph.pixels
    digest = blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(pixels.tobytes())
    thumbnail = fit(pixels, SIDE, "crop").ravel()
    thumbnail = thumbnail - thumbnail.mean()
    norm = float(np.linalg.norm(thumbnail))
    return digest.digest(), thumbnail / norm if norm > 1e-6 else np.zeros_like(thumbnail)
