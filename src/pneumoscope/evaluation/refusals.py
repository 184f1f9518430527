"""What a model refuses: chest films that it should score, and pictures of every kind that it should not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.cohorts import Cohort, read_cases
from pneumoscope.errors import ImageError
from pneumoscope.evaluation.intervals import Figure, proportion
from pneumoscope.evaluation.unsuitable import changed_kinds, drawn_kinds, real_kinds
from pneumoscope.radiograph import Radiograph, fit
from pneumoscope.scoring import RESEARCH_NOTICE, Predictor, Scored, find_films


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Refusals(_Part):
    """What became of the pictures of one kind."""

    kind: str
    origin: Literal["films", "drawn", "real", "changed", "given"] = Field(
        description="films: to be scored; drawn: by the program; real: of something else; changed: films; given: files"
    )
    n: int
    refused: Figure = Field(description="share, with Wilson's interval")
    mirrored: Figure = Field(description="share that got the note that it looks mirrored")
    codes: dict[str, int] = Field(description="first reason of the refusals, with how many pictures had it")


class RefusalTable(_Part):
    """Refusals by kind of picture."""

    model: str
    model_sha256: str
    data: str
    unreadable: int = Field(description="chest films that could not be read, in no row")
    rows: tuple[Refusals, ...]
    notice: str = RESEARCH_NOTICE


def refusal_table(
    predictor: Predictor,
    cohort: Cohort,
    *,
    data: str,
    given: Path | None = None,
    changed: int = 200,
    drawn: int = 100,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> RefusalTable:
    """Give a model frontal chest films, changed ones, and pictures of other things, and count what it refuses.

    Args:
        predictor: the model.
        cohort: frontal chest films of patients that it was not trained on; labels are not needed.
        data: what they are, in words.
        given: a file or folder of pictures that should be refused.
        changed: films, drawn at random, that are turned, inverted, mirrored and cropped.
        drawn: pictures of each kind that is drawn.
        seed: of everything random.
        progress: called with the name of each kind when it is begun.

    Raises:
        CohortError: the cohort's ``.npz`` file is missing or damaged.
        ImageError: ``given`` holds no films.
        BundleError: the network answers with something that is no number.
    """
    size, mode = predictor.spec.input.size, predictor.spec.input.fit
    paths = cohort.cases["path"].tolist()
    chosen = [paths[row] for row in sorted(np.random.default_rng(seed).permutation(len(paths))[:changed])]
    # At the network's size, so that many of them fit in memory.
    squares = _readable(read_cases(chosen, lambda film: replace(film, pixels=fit(film.pixels, size, mode))))
    kinds = chain(drawn_kinds(drawn, seed), real_kinds(), changed_kinds(tuple(squares), seed))

    rows = []
    for name, origin, results in chain(
        [("frontal chest films", "films", predictor.predict(_readable(read_cases(paths, lambda film: film))))],
        ((kind.name, kind.origin, predictor.predict(kind.films)) for kind in kinds),
        [(given.name, "given", predictor.predict_files(find_films([given]).files))] if given else [],
    ):
        if progress:
            progress(name)
        rows.append(_count(name, origin, results))
    return RefusalTable(
        model=predictor.spec.name,
        model_sha256=predictor.spec.weights_sha256,
        data=data,
        unreadable=len(paths) - rows[0].n,
        rows=tuple(rows),
    )


def _readable(films: Iterable[Radiograph | ImageError]) -> Iterator[Radiograph]:
    return (film for film in films if isinstance(film, Radiograph))


def _count(kind: str, origin: Any, results: Iterable[Scored]) -> Refusals:
    predictions = [scored.prediction for scored in results]
    refused = [prediction for prediction in predictions if prediction.decision == "unsuitable"]
    mirrored = sum(any(reason.code == "mirrored" for reason in said.reasons) for said in predictions)
    # The first reason of a refusal refuses; notes come behind.
    codes = Counter(prediction.reasons[0].code for prediction in refused)
    return Refusals(
        kind=kind,
        origin=origin,
        n=len(predictions),
        refused=proportion(len(refused), len(predictions)),
        mirrored=proportion(mirrored, len(predictions)),
        codes=dict(codes.most_common()),
    )
