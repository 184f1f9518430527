"""The study of single films: the worst mistakes, and some that are typical of what goes right."""

from __future__ import annotations

import base64
import io
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from pneumoscope.bundle import InputSpec
from pneumoscope.cohorts import Cohort
from pneumoscope.cohorts.npz import split_npz_path
from pneumoscope.explanation import overlay
from pneumoscope.scoring import Predictor, Scored, percent

WORST = 8
"""Mistakes of each kind that are shown."""
TYPICAL = 4
"""Right decisions of each class that are shown."""
SIDE = 320
"""Pixels of a picture's longer side."""


@dataclass(frozen=True)
class CaseGroup:
    """Films of one kind: ``rows`` of the predictions."""

    title: str
    explanation: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class CaseStudy:
    """One film as the report shows it; pictures are data URIs."""

    name: str
    is_pneumonia: bool
    probability: str
    metadata: tuple[tuple[str, str], ...]
    film: str
    heat_map: str
    evidence: bool


def pick(predictions: pd.DataFrame, threshold: float) -> list[CaseGroup]:
    """The worst mistakes at a threshold, and right decisions with a score in the middle of their kind.

    Args:
        predictions: from :func:`score_cohort`.
        threshold: on the calibrated probability.
    """
    scored = predictions[predictions["probability"].notna()]
    probability = scored["probability"].astype("float64")
    ill, called = scored["label"] == 1, probability >= threshold
    missed = probability[ill & ~called].sort_values(kind="stable")
    alarms = probability[~ill & called].sort_values(ascending=False, kind="stable")
    found, cleared = probability[ill & called], probability[~ill & ~called]
    return [
        CaseGroup("Missed pneumonia", _most(missed, "lowest"), tuple(missed.index[:WORST])),
        CaseGroup("False alarms", _most(alarms, "highest"), tuple(alarms.index[:WORST])),
        CaseGroup("Pneumonia, found", _middle(found), _typical(found)),
        CaseGroup("Normal, cleared", _middle(cleared), _typical(cleared)),
    ]


def studies(
    rows: Sequence[int], predictions: pd.DataFrame, cohort: Cohort, predictor: Predictor
) -> dict[int, CaseStudy]:
    """Films with heat maps for some rows of the predictions; they are read and scored once more.

    Raises:
        ImageError: a film cannot be read any more.
    """
    films = (cohort.read(row) for row in rows)
    cases = predictions.loc[list(rows)].to_dict("index")
    return dict(_studies(zip(rows, predictor.predict(films), strict=True), cases, predictor.spec.input))


def _studies(
    scored: Iterator[tuple[int, Scored]], cases: Mapping[Any, Mapping[Hashable, Any]], spec: InputSpec
) -> Iterator[tuple[int, CaseStudy]]:
    for row, one in scored:
        # It was scored before, so it is scored now.
        assert one.film is not None
        assert one.saliency is not None
        case = cases[row]
        pixels = _shown(one.film.pixels)
        yield (
            row,
            CaseStudy(
                name=film_name(str(case["path"])),
                is_pneumonia=bool(case["label"] == 1),
                probability=percent(float(case["probability"])),
                metadata=_metadata(case, one),
                film=_data_uri(np.rint(255 * pixels).astype(np.uint8)),
                heat_map=_data_uri(overlay(pixels, one.saliency, spec)),
                evidence=bool(one.saliency.any()),
            ),
        )


def film_name(path: str) -> str:
    """A film's name without the folders that it lies in, which are nobody else's business."""
    inside = split_npz_path(path)
    return f"{inside[0].name}#{inside[1]}/{inside[2]}" if inside else Path(path).name


def _most(chosen: pd.Series[float], end: str) -> str:
    if chosen.empty:
        return "None."
    shown = f"The {WORST} with the {end} probability of {len(chosen)}" if len(chosen) > WORST else f"All {len(chosen)}"
    return f"{shown}, worst first."


def _middle(chosen: pd.Series[float]) -> str:
    return f"Those in the middle of {len(chosen)} by probability." if len(chosen) else "None."


def _typical(chosen: pd.Series[float]) -> tuple[int, ...]:
    first = max(0, (len(chosen) - TYPICAL) // 2)
    return tuple(chosen.sort_values(kind="stable").index[first : first + TYPICAL])


def _metadata(case: Mapping[Hashable, Any], scored: Scored) -> tuple[tuple[str, str], ...]:
    """What is known of the film, without the patient's number: reports are sent around."""
    film = scored.prediction.film
    assert film is not None
    age = None if pd.isna(case["age"]) else f"{case['age']:g} years"
    known = {"age": age, "sex": case["sex"], "view": case["view"], "source": case["source"]}
    size = f"{film.width} × {film.height} pixels"
    return (*((key, str(value)) for key, value in known.items() if not pd.isna(value)), ("film", size))


def _shown(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The film at :data:`SIDE`; small ones are enlarged as the network's input is."""
    height, width = pixels.shape
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    with Image.fromarray(pixels) as film, film.resize(size, Image.Resampling.BICUBIC) as resized:
        return np.clip(np.asarray(resized), 0, 1)


def _data_uri(pixels: npt.NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    with Image.fromarray(pixels) as picture:
        picture.save(buffer, format="JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
