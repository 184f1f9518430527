"""Scores for a whole cohort, film by film, on the road that ``predict`` takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from pneumoscope.bundle import BundleSpec
from pneumoscope.cohorts import Cohort, read_cases
from pneumoscope.cohorts.manifest import read_table
from pneumoscope.cohorts.table import few
from pneumoscope.errors import CohortError, EvaluationError, ImageError
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


def read_scores(file: Path, cohort: Cohort, spec: BundleSpec) -> pd.DataFrame:
    """Scores that ``predict --csv`` wrote for a cohort's labelled films, instead of scoring them again.

    Args:
        file: the table; films are found in it by their path.
        cohort: the films.
        spec: of the bundle that must have made the scores.

    Returns:
        As :func:`score_cohort`.

    Raises:
        CohortError: it cannot be read, or is no such table.
        EvaluationError: the scores are another model's, or a film has none.
    """
    table = read_table(file)
    columns = {"file", "logit", "decision", "failed", "reasons", "model_sha256"}
    if lacking := sorted(columns - set(table)):
        raise CohortError(f"{file}: has no column {', '.join(lacking)}; scores are read as predict --csv writes them")
    if others := sorted(set(table["model_sha256"].fillna("none")) - {spec.weights_sha256}):
        raise EvaluationError(
            f"{file}: holds scores of another model (weights {others[0][:12]}); those of {spec.name} are "
            f"{spec.weights_sha256[:12]}, so score the films with it again"
        )
    table = table.set_index(table["file"].map(os.path.abspath))
    table = table[~table.index.duplicated()]
    cases = cohort.cases[cohort.cases["label"].notna()]
    paths = cases["path"].map(os.path.abspath)
    if missing := [path for path in paths if path not in table.index]:
        raise EvaluationError(
            f"{file}: has no scores of {len(missing)} of {len(cases)} labelled films: {few(missing)}; score them too"
        )
    found = table.loc[paths].set_axis(cases.index)
    try:
        logit = pd.to_numeric(found["logit"]).astype("Float64")
    except ValueError as error:
        raise CohortError(f"{file}: column logit holds something that is no number ({error})") from None
    scored = logit.notna()
    probability = pd.Series(pd.NA, index=cases.index, dtype="Float64")
    probability[scored] = spec.calibration.probability(logit[scored].to_numpy(float))
    added = pd.DataFrame(
        {
            "logit": logit,
            "probability": probability,
            "decision": found["decision"],
            "failed": found["failed"].str.lower() == "true",
            "reasons": found["reasons"].fillna(""),
        }
    ).astype(ADDED)
    return cases.drop(columns=[column for column in ADDED if column in cases]).join(added)


def _as_it_is(film: Radiograph) -> Radiograph:
    return film
