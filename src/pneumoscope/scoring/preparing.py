"""From a file to what the network takes: reading, the suitability gate, the network's square."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from pneumoscope.bundle import InputSpec
from pneumoscope.errors import ImageError
from pneumoscope.radiograph import Radiograph, assess, fit, read_radiograph
from pneumoscope.scoring.prediction import FilmSummary, Reason


@dataclass(frozen=True)
class Prepared:
    """A film on its way to the network; ``pixels`` (S, S) uint8 is None where it must not be scored."""

    name: str
    reasons: tuple[Reason, ...]
    seconds: float
    sha256: str | None = None
    failed: bool = False
    summary: FilmSummary | None = None
    pixels: npt.NDArray[np.uint8] | None = None
    film: Radiograph | None = None


def prepare_file(path: Path, spec: InputSpec, *, keep_film: bool = False) -> Prepared:
    """Read a file and prepare its film; one that cannot be read is ``failed``.

    Args:
        path: of the file.
        spec: what the network takes.
        keep_film: keep the film at full size too.
    """
    # File names need not be valid text, but the name goes into JSON and reports.
    name = str(path).encode("utf-8", "replace").decode()
    started = perf_counter()
    prepared = _read(path, spec, name, started, _digest(path))
    return prepared if keep_film else replace(prepared, film=None)


def prepare_content(content: bytes, spec: InputSpec, *, name: str, started: float) -> Prepared:
    """As :func:`prepare_file`, for a file that came over a network; ``started`` is when it was asked for."""
    return replace(_read(content, spec, name, started, hashlib.sha256(content).hexdigest()), film=None)


def prepare_film(film: Radiograph, spec: InputSpec, *, name: str, started: float, digest: str | None) -> Prepared:
    """Judge a film and bring it to the network's square.

    Args:
        film: as it was read.
        spec: what the network takes.
        name: of the film.
        started: when work on it began, by :func:`time.perf_counter`.
        digest: SHA-256 of its file, if it came from one.
    """
    findings = assess(film)
    pixels = None
    if not any(finding.refuses for finding in findings):
        pixels = np.rint(fit(film.pixels, spec.size, spec.fit) * 255).astype(np.uint8)  # as in training and evaluation
    known = film.metadata
    height, width = film.pixels.shape
    return Prepared(
        name,
        tuple(Reason(code=finding.code, message=finding.message) for finding in findings),
        perf_counter() - started,
        digest,
        summary=FilmSummary(
            width=width, height=height, modality=known.modality, view=known.view, age=known.age, sex=known.sex
        ),
        pixels=pixels,
        film=film,
    )


def _read(source: Path | bytes, spec: InputSpec, name: str, started: float, digest: str | None) -> Prepared:
    try:
        film = read_radiograph(source, name=name)
    except ImageError as error:
        reason = Reason(code=error.code, message=str(error).removeprefix(f"{name}: "))
        return Prepared(name, (reason,), perf_counter() - started, digest, failed=True)
    return prepare_film(film, spec, name=name, started=started, digest=digest)


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None  # reading it as a film says what is wrong
