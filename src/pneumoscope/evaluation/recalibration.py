"""A model fitted to a site: calibration, operating points and limits from the site's own films, judged honestly."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope import __version__
from pneumoscope.bundle import BundleSpec, Calibration, Conformal
from pneumoscope.cohorts import divide_groups
from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation.conformal import Referral, judge_referral, possible
from pneumoscope.evaluation.decisions import confusion_of
from pneumoscope.evaluation.evaluate import BOOTSTRAP, NotScored, not_scored
from pneumoscope.evaluation.fitting import Fitted, fit_decisions
from pneumoscope.evaluation.intervals import Figure, percentile_interval, pivotal_interval
from pneumoscope.evaluation.ranking import roc_auc
from pneumoscope.evaluation.reliability import (
    bin_gaps,
    brier_losses,
    calibration_intercept,
    calibration_slope,
    error_by_chance,
    error_interval,
    weighted_errors,
)
from pneumoscope.evaluation.resampling import resamples
from pneumoscope.evaluation.yields import Costs, Yield, yield_at
from pneumoscope.scoring import RESEARCH_NOTICE

LEAST = 10
"""Films of each class without which nothing is fitted and nothing is judged."""
PLATT_FROM = 20
"""Films of each class from which on the slope is fitted too; below, only the intercept."""
FOLDS = 5
"""Of cross-fitting, or as many as a class has patients."""

Labels = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class CalibrationFigures(BaseModel):
    """How well probabilities agree with what was found, with 95% intervals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    brier: Figure
    expected_calibration_error: Figure
    calibration_error_by_chance: float
    slope: Figure
    intercept: Figure = Field(description="calibration in the large")


class Recalibration(BaseModel):
    """A model before and after it was fitted to a site's films, judged on films that the fit did not use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    model: str
    model_sha256: str
    data: str
    films: int = Field(description="that the new calibration is fitted on")
    pneumonia: int = Field(description="of them")
    method: Literal["platt", "intercept"]
    judged_by: str = Field(description="how the films that judge are kept apart from those that fit")
    judged_films: int
    judged_pneumonia: int
    judged_patients: int = Field(description="patients; a film without a known patient counts as one")
    not_scored: tuple[NotScored, ...] = ()
    roc_auc: Figure = Field(description="of the model's scores, which no calibration changes; DeLong's interval")
    before: CalibrationFigures
    after: CalibrationFigures
    brier_improvement: Figure = Field(description="before − after, by the paired bootstrap over patients")
    error_improvement: Figure = Field(description="of the expected calibration error, likewise; cautious")
    operating_points: tuple[Yield, ...] = Field(description="after, on the films that judge")
    costs: Costs | None
    referral: Referral | None
    calibration: Calibration
    conformal: Conformal | None
    default_operating_point: str
    bootstrap: int
    seed: int
    notes: tuple[str, ...] = ()
    notice: str = RESEARCH_NOTICE

    def fitted_spec(self, spec: BundleSpec, *, name: str, created: str) -> BundleSpec:
        """The specification of the same weights, fitted to the site.

        Former figures go: they were taken at other operating points.

        Args:
            spec: of the model before.
            name: of the new bundle, so that predictions tell the two apart.
            created: date and time, ISO 8601, UTC.
        """
        point = next(at for at in self.operating_points if at.operating_point.name == self.default_operating_point)
        figures = {
            "roc_auc": self.roc_auc,
            "sensitivity": point.sensitivity,
            "specificity": point.specificity,
            "brier": self.after.brier,
            "expected_calibration_error": self.after.expected_calibration_error,
        }
        judged = {
            "films": self.judged_films,
            "operating_point": self.default_operating_point,
            **{key: figure.model_dump(mode="json") for key, figure in figures.items()},
        }
        changed = {
            "name": name,
            "created": created,
            "software": __version__,
            "calibration": self.calibration,
            "operating_points": tuple(at.operating_point for at in self.operating_points),
            "default_operating_point": self.default_operating_point,
            "conformal": self.conformal,
            "metrics": {f"{self.data}; {self.judged_by}": judged},
        }
        return BundleSpec.model_validate(spec.model_copy(update=changed).model_dump())


class _Judged(NamedTuple):
    """What fits say of films that they did not use; (N,) each, in one order."""

    rows: npt.NDArray[np.int64]
    scores: Values
    called: dict[str, Mask]
    possible: tuple[Mask, Mask] | None


def recalibrate(
    predictions: pd.DataFrame,
    groups: npt.NDArray[np.int64],
    spec: BundleSpec,
    *,
    data: str,
    check: Literal["folds", "half"] | Mask = "folds",
    operating_point: str | None = None,
    error_rate: float | None = None,
    prevalence: float | None = None,
    costs: Costs | None = None,
    seed: int = 0,
    bootstrap: int = BOOTSTRAP,
) -> Recalibration:
    """Fit calibration, operating points and conformal limits to a site's films, and judge what that brings.

    Platt scaling from :data:`PLATT_FROM` films of each class on; with fewer, the model's slope stays and only the
    intercept is fitted (Van Calster et al., BMC Medicine 2019). Films that judge are never of a patient who fits:

    * ``"folds"``: cross-fitting over patient-grouped folds. Each film is judged by a fit on the other folds; the
      result is fitted on all films.
    * ``"half"``: one half of the patients fits, the other judges.
    * a mask: those films judge and the others fit; films of patients who fit are left out of judging.

    Args:
        predictions: from :func:`score_cohort`.
        groups: (N,) of all those films, from :func:`~pneumoscope.cohorts.film_groups`.
        spec: of the bundle that made them.
        data: which films these are, in words.
        check: which films judge.
        operating_point: the default of the new bundle; the model's own if None.
        error_rate: of the conformal limits.
        prevalence: in use, in (0, 1); None takes that of the films that judge.
        costs: add an operating point of least cost.
        seed: of folds, halves and the bootstrap.
        bootstrap: resamples.

    Raises:
        CohortError: too few patients for folds.
        EvaluationError: too few films with a score, or no such operating point.
    """
    scored = predictions["probability"].notna().to_numpy(bool)
    labels = predictions["label"][scored].to_numpy(np.int64)
    logits = predictions["logit"][scored].to_numpy(np.float64)
    groups = np.unique(groups[scored], return_inverse=True)[1]
    fitting, rounds, judged_by, notes = _rounds(labels, groups, scored, check, seed, data)
    films, pneumonia = int(fitting.sum()), int(labels[fitting].sum())
    platt = min(pneumonia, films - pneumonia) >= PLATT_FROM
    part = "; one half of the patients" if isinstance(check, str) and check == "half" else ""

    def fit(rows: Mask) -> Fitted:
        return fit_decisions(
            labels[rows],
            logits[rows],
            fitted_on=f"{films} films ({pneumonia} pneumonia) of {data}{part}, not trained on",
            slope=None if platt else spec.calibration.slope,
            error_rate=error_rate,
            costs=costs,
            prevalence=prevalence,
        )

    result = fit(fitting)
    default = operating_point or spec.default_operating_point
    names = [point.name for point in result.operating_points]
    if default not in names:
        raise EvaluationError(f"{data}: no operating point {default!r} is fitted; there are {', '.join(names)}")
    judged = _judge(labels, logits, [(fit(rows), others) for rows, others in rounds])
    found = labels[judged.rows]
    _require(found, f"{data}: the films that judge")
    before = spec.calibration.slope * logits[judged.rows] + spec.calibration.intercept
    auc = roc_auc(found, logits[judged.rows])
    patients = np.unique(groups[judged.rows], return_inverse=True)[1]
    figures, improvements = _compare(found, (before, judged.scores), patients, bootstrap, seed)
    referral = None
    if result.conformal and judged.possible:
        limits = result.conformal.at()
        referral = judge_referral(found, *judged.possible, judged.called[default], limits, films="films that judge")
    return Recalibration(
        model=spec.name,
        model_sha256=spec.weights_sha256,
        data=data,
        films=films,
        pneumonia=pneumonia,
        method="platt" if platt else "intercept",
        judged_by=judged_by,
        judged_films=len(found),
        judged_pneumonia=int(found.sum()),
        judged_patients=int(patients.max()) + 1,
        not_scored=not_scored(predictions),
        roc_auc=auc,
        before=figures[0],
        after=figures[1],
        brier_improvement=improvements[0],
        error_improvement=improvements[1],
        operating_points=tuple(
            yield_at(point, confusion_of(found, judged.called[point.name]), prevalence=prevalence, costs=costs)
            for point in result.operating_points
        ),
        costs=costs,
        referral=referral,
        calibration=result.calibration,
        conformal=result.conformal,
        default_operating_point=default,
        bootstrap=bootstrap,
        seed=seed,
        notes=(*notes, *_notes(result, films, pneumonia, platt, auc)),
    )


def _rounds(
    labels: Labels, groups: npt.NDArray[np.int64], scored: Mask, check: str | Mask, seed: int, data: str
) -> tuple[Mask, list[tuple[Mask, Mask]], str, list[str]]:
    """Films that the result is fitted on; (films that fit, films that judge) of each round; both in words."""
    every = np.ones(len(labels), dtype=bool)
    if isinstance(check, str):
        _require(labels, data)
        patients = min(len(np.unique(groups[labels == label])) for label in (0, 1))
        k = 2 if check == "half" else min(FOLDS, max(2, patients))
        folds = divide_groups(labels, groups, k, seed, name=data)
        if check == "half":
            _require(labels[folds == 0], f"{data}: the half that fits")
            return folds == 0, [(folds == 0, folds == 1)], f"the other half of the patients (seed {seed})", []
        rounds = [(folds != fold, folds == fold) for fold in range(k)]
        return every, rounds, f"cross-fitting over {k} patient-grouped folds (seed {seed})", []
    judges = check[scored]
    fitting = ~judges
    _require(labels[fitting], data)
    known = judges & np.isin(groups, groups[fitting])
    note = f"{int(known.sum())} films that were to judge show patients who fit, and were left out."
    return fitting, [(fitting, judges & ~known)], "films kept apart for it", [note] if known.any() else []


def _judge(labels: Labels, logits: Values, rounds: list[tuple[Fitted, Mask]]) -> _Judged:
    rows = np.concatenate([np.flatnonzero(others) for _, others in rounds])
    scores = [fit.calibration.slope * logits[others] + fit.calibration.intercept for fit, others in rounds]
    probabilities = [fit.calibration.probability(logits[others]) for fit, others in rounds]
    called = {
        point.name: np.concatenate(
            [p >= fit.operating_points[index].threshold for (fit, _), p in zip(rounds, probabilities, strict=True)]
        )
        for index, point in enumerate(rounds[0][0].operating_points)
    }
    limits = [fit.conformal.at() for fit, _ in rounds if fit.conformal]
    sets = None
    # Fits on fewer films may have a higher error rate than the result, which would be judged by another measure then.
    if len(limits) == len(rounds) and len({limit.error_rate for limit in limits}) == 1:
        masks = [possible(p, limit) for p, limit in zip(probabilities, limits, strict=True)]
        sets = np.concatenate([mask[0] for mask in masks]), np.concatenate([mask[1] for mask in masks])
    return _Judged(rows, np.concatenate(scores), called, sets)


def _compare(
    labels: Labels, scores: tuple[Values, Values], patients: npt.NDArray[np.int64], bootstrap: int, seed: int
) -> tuple[list[CalibrationFigures], list[Figure]]:
    """Figures before and after; improvements of Brier score and expected calibration error, on the same resamples."""
    calibration = Calibration()
    probabilities = [calibration.probability(one) for one in scores]
    losses = np.stack([brier_losses(labels, probability) for probability in probabilities], axis=1)
    gaps = [bin_gaps(labels, probability) for probability in probabilities]
    drawn = np.concatenate(
        [
            np.column_stack(
                [weights @ losses / weights.sum(1, keepdims=True), *(weighted_errors(gap, weights) for gap in gaps)]
            )
            for weights in resamples(patients, bootstrap, seed)
        ]
    )
    briers = losses.mean(0)
    errors = [float(weighted_errors(gap, np.ones((1, len(labels))))[0]) for gap in gaps]
    figures = [
        CalibrationFigures(
            brier=percentile_interval(float(briers[index]), drawn[:, index]),
            expected_calibration_error=error_interval(
                probabilities[index], errors[index], drawn[:, 2 + index], seed=seed
            ),
            calibration_error_by_chance=error_by_chance(probabilities[index]),
            slope=calibration_slope(labels, scores[index], patients),
            intercept=calibration_intercept(labels, scores[index], patients),
        )
        for index in range(2)
    ]
    improvements = [
        percentile_interval(float(briers[0] - briers[1]), drawn[:, 0] - drawn[:, 1]),
        _cautious(errors[0] - errors[1], drawn[:, 2] - drawn[:, 3]),
    ]
    return figures, improvements


def _cautious(value: float, resampled: Values) -> Figure:
    """The wider of the percentile and the reflected interval at each end.

    Chance makes both errors greater, and the smaller one more. Simulated, the reflected interval alone claims an
    improvement that is none too often, and the percentile interval alone hides one.
    """
    plain, reflected = percentile_interval(value, resampled), pivotal_interval(value, resampled)
    ends = (plain.low, reflected.low, plain.high, reflected.high)
    known = [end for end in ends if end is not None]
    return Figure(value=value, low=min(known), high=max(known)) if known else Figure(value=value)


def _notes(result: Fitted, films: int, pneumonia: int, platt: bool, auc: Figure) -> list[str]:
    notes = []
    if not platt:
        notes.append(
            f"Fewer than {PLATT_FROM} films of a class: only the intercept was fitted, the slope is the model's own."
        )
    notes.extend(
        f"{pneumonia} films with pneumonia are too few for {point.name}: not one of them may be missed there."
        for point in result.operating_points
        if point.promised_sensitivity and pneumonia * (1 - point.promised_sensitivity) < 1
    )
    if auc.low is not None and auc.low <= 0.5:
        notes.append(
            f"ROC AUC {auc.text()}: on these films the model does not tell pneumonia from normal, or not for certain. "
            "No calibration mends that."
        )
    if not result.conformal:
        notes.append(f"{films} films are too few for conformal limits, so no film is referred as uncertain.")
    return notes


def _require(labels: Labels, words: str) -> None:
    pneumonia = int(labels.sum())
    if min(pneumonia, len(labels) - pneumonia) < LEAST:
        raise EvaluationError(
            f"{words}: {len(labels)} films with a score, {len(labels) - pneumonia} normal and {pneumonia} pneumonia; "
            f"at least {LEAST} of each class are needed, and {PLATT_FROM} to fit the slope too"
        )
