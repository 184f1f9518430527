"""Scores for a whole cohort, film by film, on the road that ``predict`` takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from pneumoscope.cohorts import Cohort, read_cases
from pneumoscope.errors import ImageError
from pneumoscope.radiograph import Radiograph
from pneumoscope.scoring import Predictor

ADDED = {"logit": "Float64", "probability": "Float64", "decision": "string", "failed": "bool", "reasons": "string"}
"""Columns behind those of the case table, with their types."""


def score_cohort(
    predictor: Predictor, cohort: Cohort, *, progress: Callable[[int], None] | None = None
) -> pd.DataFrame:
    """Score every labelled film of a cohort.

    Args:
        predictor: the model at its operating point.
        cohort: the films.
        progress: called with 1 after each film.

    Returns:
        The labelled cases with their row in the cohort as index, and the columns ``logit`` (before calibration),
        ``probability`` (calibrated), ``decision`` (``unsuitable`` where a film was refused or could not be read),
        ``failed`` (it could not be read) and ``reasons``. Films without a score have it missing.

    Raises:
        BundleError: the network answers with something that is no number.
    """
    cases = cohort.cases[cohort.cases["label"].notna()]
    order: list[int] = []
    added: dict[int, tuple[Any, ...]] = {}

    def films() -> Iterator[Radiograph]:
        paths = cases["path"].tolist()
        for row, path, result in zip(cases.index, paths, read_cases(paths, _as_it_is), strict=True):
            if isinstance(result, ImageError):
                added[row] = (None, None, "unsuitable", True, str(result).removeprefix(f"{path}: "))
                if progress:
                    progress(1)
            else:
                order.append(row)
                yield result

    for position, scored in enumerate(predictor.predict(films())):
        said = scored.prediction
        reasons = " ".join(reason.message for reason in said.reasons)
        added[order[position]] = (said.logit, said.probability, said.decision, said.failed, reasons)
        if progress:
            progress(1)
    table = pd.DataFrame.from_dict(added, orient="index", columns=list(ADDED)).reindex(cases.index).astype(ADDED)
    return cases.drop(columns=[column for column in ADDED if column in cases]).join(table)


def _as_it_is(film: Radiograph) -> Radiograph:
    return film
