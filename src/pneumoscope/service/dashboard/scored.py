"""Films of a session: scored, put on record, and their bytes dropped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pneumoscope.errors import ImageError, StoreError
from pneumoscope.radiograph import Limits, Metadata, Radiograph, read_radiograph
from pneumoscope.scoring import Prediction, Predictor, Scored
from pneumoscope.service.pictures import film_png, heat_png, scaled
from pneumoscope.service.store import NewRecord, Store

LONGEST = 1280
"""Pixels of the longer side of what the browser shows."""
PIXELS = 40_000_000


@dataclass(frozen=True)
class ShownFilm:
    """A film as the page shows it: a reduced picture, never the file.

    Attributes:
        name: of its record; empty where it is on none.
        title: the file's name.
        prediction: what the model said.
        picture: PNG of the film.
        heat: transparent PNG of the saliency map, for films that were scored.
        evidence: whether anything on the film spoke for pneumonia.
        embedding: (2048,), what the network made of it, for films that were scored.
        header: what the file says of itself, as names and values.
        problem: why it is on no record.
    """

    name: str
    title: str
    prediction: Prediction
    picture: bytes | None
    heat: bytes | None
    evidence: bool
    embedding: npt.NDArray[np.float32] | None
    header: tuple[tuple[str, str], ...]
    problem: str = ""


@dataclass(frozen=True)
class Unreadable:
    """A file that is no film, with the reason."""

    title: str
    message: str


def score_films(
    files: Iterable[tuple[str, bytes]],
    predictor: Predictor,
    store: Store,
    *,
    size: int,
    progress: Callable[[int], None],
) -> list[ShownFilm | Unreadable]:
    """Score files one after another, so that one film at a time is held at full size.

    Args:
        files: names and contents.
        predictor: the model.
        store: where predictions go on record.
        size: bytes of a file at most.
        progress: called with 1 after each.
    """
    shown: list[ShownFilm | Unreadable] = []
    limits = Limits(size=size, pixels=PIXELS)
    for title, content in files:
        try:
            film = read_radiograph(content, name=title, limits=limits)
        except ImageError as error:
            shown.append(Unreadable(title, str(error).removeprefix(f"{title}: ")))
        else:
            (scored,) = predictor.predict([film])
            digest = hashlib.sha256(content).hexdigest()
            shown.append(_shown(title, digest, film, scored, predictor, store))
        progress(1)
    return shown


def _shown(title: str, digest: str, film: Radiograph, scored: Scored, predictor: Predictor, store: Store) -> ShownFilm:
    prediction = scored.prediction.model_copy(update={"input_sha256": digest})
    name, problem = "", ""
    try:
        record = NewRecord(prediction, film.metadata.patient_id, scored.saliency)
        (name,) = store.add([record], source="dashboard")
    except StoreError as error:
        problem = str(error)
    height, width = film.pixels.shape
    heat = None
    if scored.saliency is not None:
        heat = heat_png(scored.saliency, scaled(width, height, LONGEST // 2), predictor.spec.input)
    return ShownFilm(
        name=name,
        title=title,
        prediction=prediction,
        picture=film_png(film.pixels, LONGEST),
        heat=heat,
        evidence=scored.saliency is not None and bool(np.any(scored.saliency)),
        embedding=scored.embedding,
        header=tuple(_header(film.metadata, width, height, film.steps)),
        problem=problem,
    )


def _header(known: Metadata, width: int, height: int, steps: tuple[str, ...]) -> Iterable[tuple[str, str]]:
    """What a reader wants to know of the file; neither name nor number of the patient."""
    yield "Format", f"{known.kind.upper()}, {width} × {height} pixels" + (f", {known.bits} bits" if known.bits else "")
    for name, value in (
        ("Modality", known.modality),
        ("Body part", known.body_part),
        ("View", known.view),
        ("Age", None if known.age is None else f"{known.age:.3g} years"),
        ("Sex", known.sex),
    ):
        if value is not None or known.kind == "dicom":
            yield name, value or "not said"
    yield "Read as", "; ".join(steps)
