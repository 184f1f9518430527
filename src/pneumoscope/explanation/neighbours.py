"""Explanation by example: which training films the network takes to be most like a film.

Two films are alike to the network where its embeddings of them point the same way (Caruana et al., "Case-based
explanation of non-case-based learning methods", AMIA Symposium 1999, with a network's hidden layer as the measure).
That says what a score was learnt from, not what the film shows.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from pneumoscope import __version__
from pneumoscope.bundle import Bundle
from pneumoscope.errors import CohortError, ImageError
from pneumoscope.output import whole_folder
from pneumoscope.radiograph import Radiograph
from pneumoscope.scoring import Predictor

if TYPE_CHECKING:
    from pneumoscope.cohorts import Cohort

MOST = 20_000
"""Training films that are compared; of more, so many are drawn at random. They take 164 MB of memory, half on disk."""
UNKNOWN = -1
"""Stands for a missing label."""
_FILE = "films.npz"


class Neighbour(NamedTuple):
    """A training film.

    Attributes:
        path: of a case table.
        label: 1 (pneumonia), 0 (normal) or None.
        source: the data set that it is from.
        similarity: cosine of the angle between its embedding and the film's, at most 1.
    """

    path: str
    label: int | None
    source: str
    similarity: float


@dataclass(frozen=True, eq=False)
class TrainingIndex:
    """Training films and where their embeddings point.

    Attributes:
        name: of the data.
        total: training films there are, of which these N were drawn, read and scored.
        path: (N,) text.
        label: (N,) of 1, 0 and :data:`UNKNOWN`.
        source: (N,) text.
        direction: (N, 2048) float32 of length 1.
    """

    name: str
    total: int
    path: npt.NDArray[np.str_]
    label: npt.NDArray[np.int8]
    source: npt.NDArray[np.str_]
    direction: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.path)

    def nearest(self, embedding: npt.NDArray[np.float32], count: int) -> tuple[list[Neighbour], float]:
        """The training films most like a film, and how similar the middle one of all training films is to it.

        Args:
            embedding: (2048,), of the film.
            count: films at most, the most similar first.
        """
        similarity = np.minimum(self.direction @ _direction(embedding), 1)  # half precision rounds lengths up, too
        films = [
            Neighbour(
                str(self.path[row]),
                None if self.label[row] == UNKNOWN else int(self.label[row]),
                str(self.source[row]),
                float(similarity[row]),
            )
            for row in np.argsort(-similarity, kind="stable")[:count]
        ]
        return films, float(np.median(similarity))

    @classmethod
    def load(cls, folder: Path) -> TrainingIndex:
        """What :func:`training_index` left in a folder.

        Raises:
            OSError, BadZipFile, KeyError, ValueError: it is missing or damaged.
        """
        with np.load(folder / _FILE) as held:
            return cls(
                str(held["name"]),
                int(held["total"]),
                held["path"],
                held["label"],
                held["source"],
                held["direction"].astype(np.float32),
            )


def training_index(
    bundle: Bundle, films: Cohort, folder: Path, *, progress: Callable[[int], Any] | None = None
) -> Path:
    """The folder of an index that :meth:`TrainingIndex.load` takes up, computed unless it is there.

    It is known by the weights and the films: by their names, labels, sizes and times of change.

    Args:
        bundle: the model.
        films: its training films; at most :data:`MOST` are taken.
        folder: of all indexes.
        progress: called with 1 after each film; not at all where the index is there.

    Raises:
        CohortError: no film can be read and scored.
        OutputError: the folder cannot be written.
        BundleError: the weights are missing or damaged.
    """
    chosen = films.take(np.sort(np.random.default_rng(0).permutation(len(films))[:MOST]))
    place = folder / _digest(bundle, chosen)
    try:
        TrainingIndex.load(place)
    except (OSError, BadZipFile, KeyError, ValueError):
        rows, directions = _embeddings(Predictor(bundle, refuse_unlike=False), chosen, progress)
        kept = chosen.take(rows).cases
        with whole_folder(place) as draft:
            np.savez(
                draft / _FILE,
                name=films.name,
                total=len(films),
                path=np.array([os.path.abspath(path) for path in kept["path"]], np.str_),
                label=kept["label"].fillna(UNKNOWN).to_numpy(np.int8),
                source=kept["source"].to_numpy(np.str_),
                direction=directions,
            )
    return place


def _embeddings(
    predictor: Predictor, films: Cohort, progress: Callable[[int], Any] | None
) -> tuple[list[int], npt.NDArray[np.float16]]:
    """Rows of the films that can be read and scored, and where their embeddings point, (N, 2048)."""
    from pneumoscope.cohorts import read_cases

    read: list[int] = []

    def readable() -> Iterator[Radiograph]:
        paths = films.cases["path"].tolist()
        for row, film in enumerate(read_cases(paths, lambda film: film, progress=progress)):
            if not isinstance(film, ImageError):
                read.append(row)
                yield film

    rows, directions = [], []
    for position, scored in enumerate(predictor.predict(readable())):
        if scored.embedding is not None:
            rows.append(read[position])
            directions.append(_direction(scored.embedding).astype(np.float16))
    if not rows:
        raise CohortError(f"{films.name}: none of its {len(films)} training films can be read and scored; check them")
    return rows, np.stack(directions)


def _direction(embedding: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return embedding / (float(np.linalg.norm(embedding)) or 1.0)


def _digest(bundle: Bundle, films: Cohort) -> str:
    from pneumoscope.cohorts.npz import split_npz_path

    digest = hashlib.sha256(f"{__version__} {bundle.sha256} {bundle.spec.input} {films.name}\n".encode())
    for path, label, source in films.cases[["path", "label", "source"]].itertuples(index=False):
        inside = split_npz_path(path)
        state = os.stat(inside[0] if inside else path)
        line = (os.path.abspath(path), label, source, state.st_size, state.st_mtime_ns)
        digest.update(f"{line}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]
