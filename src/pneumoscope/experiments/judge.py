"""Figures of a row on held-out films, and how they differ from the base row's on the same films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.evaluation.intervals import Figure, percentile_interval
from pneumoscope.evaluation.operating import fit_calibration
from pneumoscope.evaluation.ranking import rank, weighted_areas
from pneumoscope.evaluation.reliability import brier_losses
from pneumoscope.evaluation.resampling import resamples
from pneumoscope.experiments.cells import CellScores
from pneumoscope.experiments.contrary import LOOKS
from pneumoscope.experiments.films import Partition, Rows
from pneumoscope.experiments.table import Look, PatientFold, Table

METRICS = ("roc_auc", "accuracy", "sensitivity", "specificity", "brier")
Values = npt.NDArray[np.floating[Any]]


class Verdict(BaseModel):
    """What one judge says of one row. Intervals are of a bootstrap over patients, the same draws for every row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    figures: dict[str, Figure] = Field(description="by metric")
    differences: dict[str, Figure] = Field(description="the row's figure minus the base row's; empty for that row")


class Measured(NamedTuple):
    """By metric: its value on the films, and on each of B resamples of them, (B,)."""

    value: dict[str, float]
    resampled: dict[str, Values]


@dataclass(frozen=True)
class Judge:
    """Held-out films that judge every row: of all random folds together, or of one held-out source.

    Attributes:
        name: of the judge.
        words: which films these are.
        folds: whose held-out films, one after the other.
        shifted: as they are, or shifted.
        contrary: all of them, or those alone that look like the other class in this.
    """

    name: str
    words: str
    folds: tuple[str, ...]
    shifted: bool = False
    contrary: Look | None = None


def judges_of(table: Table) -> tuple[Judge, ...]:
    """Patients held out, the same films shifted, each source held out, and contrary films of all but shifted ones."""
    random = tuple(fold.name for fold in table.folds if isinstance(fold, PatientFold))
    found = []
    if random:
        found.append(Judge("patients", "unseen patients", random))
        found.append(Judge("shifted", "the same films, shifted", random, shifted=True))
    found += [
        Judge(fold.name, f"unseen source, {fold.column} like {fold.pattern}", (fold.name,))
        for fold in table.folds
        if not isinstance(fold, PatientFold)
    ]
    if table.contrary:
        found += [
            replace(
                judge,
                name=f"{judge.name}-contrary-{look}",
                words=f"{judge.words}; that look like the other class {LOOKS[look][0]}",
                contrary=look,
            )
            for judge in found
            if not judge.shifted
            for look in table.looks
        ]
    return tuple(found)


class Bench:
    """One judge's films with their resamples, drawn once.

    Args:
        judge: which films.
        partitions: by the folds' names.
        labels: (N,) of the cohort.
        groups: (N,) groups of films, of which whole ones are drawn.
        contrary: by the looks' and the folds' names, which held-out films a judge of contrary films keeps.
        bootstrap, seed: resamples, and their seed.
    """

    def __init__(
        self,
        judge: Judge,
        partitions: Mapping[str, Partition],
        labels: Rows,
        groups: Rows,
        *,
        contrary: Mapping[Look, Mapping[str, npt.NDArray[np.bool_]]] | None = None,
        bootstrap: int,
        seed: int,
    ):
        self.judge = judge
        self._cohort_labels = labels
        self._partitions = [partitions[name] for name in judge.folds]
        rows = np.concatenate([part.judged for part in self._partitions])
        self._kept = np.ones(len(rows), bool)
        if judge.contrary and contrary is not None:
            self._kept = np.concatenate([contrary[judge.contrary][name] for name in judge.folds])
        rows = rows[self._kept]
        self.labels = labels[rows]
        drawn = np.unique(groups[rows], return_inverse=True)[1]
        self._weights = np.concatenate(
            [block.astype(np.float32) for block in resamples(drawn.astype(np.int64), bootstrap, seed)]
        )

    def measure(self, scores: Sequence[CellScores]) -> Measured:
        """Each metric on the films, and on each resample.

        Args:
            scores: of a row on the judge's folds, in its order.
        """
        parts = [self._calibrated(one, part) for one, part in zip(scores, self._partitions, strict=True)]
        logits, probability, called = (np.concatenate(values)[self._kept] for values in zip(*parts, strict=True))
        right = called == (self.labels == 1)
        ones = np.ones((1, len(self.labels)), np.float32)
        results = []
        for weights in (ones, self._weights):
            metrics: dict[str, Values] = {
                "roc_auc": weighted_areas(self.labels, rank(logits), weights.astype(np.float64))[0],
                "accuracy": _mean(right, weights),
                "sensitivity": _mean(right[self.labels == 1], weights[:, self.labels == 1]),
                "specificity": _mean(right[self.labels == 0], weights[:, self.labels == 0]),
                "brier": _mean(brier_losses(self.labels, probability), weights),
            }
            results.append(metrics)
        point = {name: float(value[0]) for name, value in results[0].items()}
        return Measured(point, results[1])

    def _calibrated(self, scores: CellScores, part: Partition) -> tuple[Values, Values, npt.NDArray[np.bool_]]:
        """Calibrated logits and probabilities of the films, and which are called pneumonia.

        Calibration and the balanced threshold come from the fold's own validation films as they are.
        """
        labels = self._cohort_labels[part.validation]
        calibration = fit_calibration(labels, scores.validation, fitted_on="validation films")
        films = scores.shifted if self.judge.shifted and scores.shifted is not None else scores.judged
        probability = np.asarray(calibration.probability(films), dtype=np.float64)
        logits = calibration.slope * films + calibration.intercept
        return logits, probability, probability >= float(labels.mean())


def verdict(row: Measured, base: Measured | None) -> Verdict:
    """Figures of a row, and differences to the base row on the same resamples; None for that row itself."""
    figures = {name: percentile_interval(row.value[name], row.resampled[name]) for name in METRICS}
    if base is None:
        return Verdict(figures=figures, differences={})
    differences = {
        name: percentile_interval(row.value[name] - base.value[name], row.resampled[name] - base.resampled[name])
        for name in METRICS
    }
    return Verdict(figures=figures, differences=differences)


def _mean(values: npt.NDArray[Any], weights: npt.NDArray[np.float32]) -> Values:
    """(B,) weighted means; NaN where nothing has weight."""
    total = weights.sum(1, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ values.astype(np.float32)).astype(np.float64) / total
