"""All figures of one model on one set of films."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.bundle import BundleSpec, Calibration, ConformalLimits, OperatingPoint
from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation.comparison import Comparison
from pneumoscope.evaluation.conformal import Referral, judge_referral, possible
from pneumoscope.evaluation.decisions import Decisions, confusion_of, decisions_of, f1_interval
from pneumoscope.evaluation.explanations import ExplanationTests
from pneumoscope.evaluation.intervals import CONFIDENCE, Figure, percentile_interval
from pneumoscope.evaluation.net_benefit import NetBenefit, decision_curve
from pneumoscope.evaluation.ranking import rank, roc_auc, specificity_at, weighted_areas
from pneumoscope.evaluation.reliability import (
    ReliabilityBin,
    bin_gaps,
    brier_losses,
    calibration_error,
    calibration_intercept,
    calibration_slope,
    error_by_chance,
    error_interval,
    log_losses,
    reliability_bins,
    weighted_errors,
)
from pneumoscope.evaluation.resampling import clusters, resamples
from pneumoscope.evaluation.robustness import Robustness
from pneumoscope.evaluation.study import Reference, reference_for
from pneumoscope.evaluation.subgroups import Breakdown, Scores, break_down
from pneumoscope.evaluation.yields import Yield, yield_at
from pneumoscope.scoring import RESEARCH_NOTICE

HALF = OperatingPoint(name="half", threshold=0.5, chosen_on="fixed")
BOOTSTRAP = 2000
"""Resamples."""
SENSITIVITIES = (0.88, 0.90, 0.95)
"""Where the specificity is read off the ROC curve."""


class NotScored(BaseModel):
    """A film that has a label but no score; it is in no figure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    label: int
    failed: bool = Field(description="it could not be read; otherwise it was refused as unsuitable")
    reasons: str


class Evaluation(BaseModel):
    """How good a model is on a set of films: every figure with its 95% interval, null where it is undefined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[2] = 2
    model: str
    model_sha256: str = Field(description="SHA-256 of the weights")
    data: str
    n: int = Field(description="films with a score")
    normal: int
    pneumonia: int
    prevalence: float
    not_scored: tuple[NotScored, ...] = ()
    resampled_by: Literal["patient", "film"]
    groups: int = Field(description="patients, and films without one; without any patients known, films")
    bootstrap: int = Field(description="resamples")
    seed: int
    confidence: float = CONFIDENCE
    roc_auc: Figure = Field(description="with DeLong's interval, which takes the films to be independent")
    roc_auc_bootstrap: Figure
    pr_auc: Figure = Field(description="average precision")
    specificity_at: dict[str, Figure] = Field(
        description="by sensitivity: read off the ROC curve of these films, so it says how well a threshold could do"
    )
    brier: Figure
    log_loss: Figure
    calibration_slope: Figure
    calibration_intercept: Figure = Field(description="calibration in the large")
    expected_calibration_error: Figure
    calibration_error_by_chance: float = Field(
        description="mean error of a perfectly calibrated model that gives as many films these probabilities"
    )
    calibration_bins: tuple[ReliabilityBin, ...]
    calibration: Calibration
    operating_point: str = Field(description="the one that decisions are judged at")
    decisions: tuple[Decisions, ...] = Field(description="at 0.5, and at the operating point if that is another")
    operating_points: tuple[Yield, ...] = Field(description="every operating point of the bundle on these films")
    decision_curve: tuple[NetBenefit, ...]
    referral: tuple[Referral, ...] = Field((), description="all films and, where there are several, each source")
    reference: Reference | None = Field(None, description="published figures on the same films")
    comparison: Comparison | None = None
    subgroups: tuple[Breakdown, ...] = ()
    robustness: Robustness | None = Field(None, description="on films that were made worse")
    explanations: ExplanationTests | None = Field(None, description="tests of the saliency maps")
    notice: str = RESEARCH_NOTICE

    @property
    def chosen(self) -> Decisions:
        """Decisions at the operating point."""
        return self.decisions[-1]

    def headline(self) -> dict[str, Any]:
        """The main figures in the form that a bundle's ``metrics`` and its card have."""
        at = {key: getattr(self.chosen, key) for key in ("accuracy", "sensitivity", "specificity", "ppv", "npv", "f1")}
        figures = {"roc_auc": self.roc_auc, "pr_auc": self.pr_auc, **at}
        return {
            "films": self.n,
            "operating_point": self.operating_point,
            **{name: figure.model_dump(mode="json") for name, figure in figures.items()},
        }


def headings(evaluation: Evaluation) -> list[tuple[str, Decisions]]:
    """The decisions to show side by side, each with its heading; the reference's last."""
    ours = [(threshold_name(at.operating_point), at) for at in evaluation.decisions]
    return ours + ([(evaluation.reference.name, evaluation.reference.decisions)] if evaluation.reference else [])


def threshold_name(point: OperatingPoint) -> str:
    """``at 0.5``, or ``at “balanced” (0.742)``."""
    return "at 0.5" if point.threshold == HALF.threshold else f"at “{point.name}” ({point.threshold:.3f})"


def evaluate(
    predictions: pd.DataFrame,
    spec: BundleSpec,
    *,
    data: str,
    operating_point: str | None = None,
    error_rate: float | None = None,
    prevalence: float | None = None,
    by: Sequence[str] = (),
    seed: int = 0,
    bootstrap: int = BOOTSTRAP,
) -> Evaluation:
    """Judge a model's predictions.

    Proportions have Wilson's intervals, ROC AUC has DeLong's and one by bootstrap. F1, average precision, Brier score,
    log loss and net benefit have percentile bootstrap intervals, the expected calibration error a reflected one. The
    bootstrap draws patients where any are known, else films. Decisions are those of the threshold alone; what is
    referred is judged beside them.

    Args:
        predictions: from :func:`score_cohort`.
        spec: of the bundle that made them.
        data: which films these are, in words.
        operating_point: its name; the bundle's default if None.
        error_rate: of the conformal limits; the bundle's own if None.
        prevalence: share of pneumonia, in (0, 1), that predictive values are given for at each operating point; None
            takes that of the films.
        by: columns of the predictions to divide the films by; see :func:`~pneumoscope.evaluation.break_down`.
        seed: of the bootstrap.
        bootstrap: resamples.

    Raises:
        EvaluationError: no film has a score, the bundle has no such operating point or error rate, or a column of
            ``by`` cannot divide the films.
    """
    try:
        point = spec.operating_point(operating_point)
        limits = spec.conformal_limits(error_rate)
    except ValueError as error:
        raise EvaluationError(str(error)) from None
    scored = predictions[predictions["probability"].notna()]
    if scored.empty:
        raise EvaluationError(f"{data}: none of {len(predictions)} films could be scored; predict says why for each")
    labels = np.array(scored["label"], dtype=np.int64)
    probability = np.array(scored["probability"], dtype=np.float64)
    # Logits keep apart what the probability, at its ends, no longer does.
    scores = spec.calibration.slope * np.array(scored["logit"], dtype=np.float64) + spec.calibration.intercept
    groups = clusters(scored["patient_id"])
    points = (point,) if point.threshold == HALF.threshold else (HALF, point)
    drawn = _bootstrap(labels, scores, probability, points, groups, bootstrap, seed)
    brier, logs = brier_losses(labels, probability), log_losses(labels, scores)
    areas = [float(area[0]) for area in weighted_areas(labels, rank(scores), np.ones((1, len(labels))))]
    bins = reliability_bins(labels, probability)
    return Evaluation(
        model=spec.name,
        model_sha256=spec.weights_sha256,
        data=data,
        n=len(labels),
        normal=int(np.sum(labels == 0)),
        pneumonia=int(np.sum(labels == 1)),
        prevalence=float(labels.mean()),
        not_scored=not_scored(predictions),
        resampled_by="patient" if scored["patient_id"].notna().any() else "film",
        groups=int(groups.max()) + 1,
        bootstrap=bootstrap,
        seed=seed,
        roc_auc=roc_auc(labels, scores),
        roc_auc_bootstrap=percentile_interval(areas[0], drawn[:, 0]),
        pr_auc=percentile_interval(areas[1], drawn[:, 1]),
        specificity_at=_specificities(labels, scores, groups, bootstrap, seed),
        brier=percentile_interval(float(brier.mean()), drawn[:, 2]),
        log_loss=percentile_interval(float(logs.mean()), drawn[:, 3]),
        calibration_slope=calibration_slope(labels, scores, groups),
        calibration_intercept=calibration_intercept(labels, scores, groups),
        expected_calibration_error=error_interval(probability, calibration_error(bins), drawn[:, 4], seed=seed),
        calibration_error_by_chance=error_by_chance(probability),
        calibration_bins=bins,
        calibration=spec.calibration,
        operating_point=point.name,
        decisions=tuple(
            _decisions(labels, probability, at, drawn[:, 5 + 3 * index : 8 + 3 * index])
            for index, at in enumerate(points)
        ),
        operating_points=tuple(
            yield_at(at, confusion_of(labels, probability >= at.threshold), prevalence=prevalence)
            for at in spec.operating_points
        ),
        decision_curve=decision_curve(labels, probability, resamples(groups, bootstrap, seed)),
        referral=_referral(scored, probability, point, limits) if limits else (),
        reference=reference_for(predictions["path"]),
        subgroups=break_down(
            scored,
            by,
            Scores(
                labels=labels,
                logits=scores,
                probability=probability,
                called=probability >= point.threshold,
                patients=groups,
            ),
            bootstrap=bootstrap,
            seed=seed,
        )
        if by
        else (),
    )


def _bootstrap(
    labels: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float64],
    probability: npt.NDArray[np.float64],
    points: Sequence[OperatingPoint],
    groups: npt.NDArray[np.int64],
    count: int,
    seed: int,
) -> npt.NDArray[np.float64]:
    """(B, 5 + 3P): ROC AUC, average precision, Brier score, log loss, calibration error; TP, FP, FN at each point."""
    ties = rank(scores)
    counted = []
    for point in points:
        called = probability >= point.threshold
        positive = labels == 1
        counted += [called & positive, called & ~positive, ~called & positive]
    losses = np.stack([brier_losses(labels, probability), log_losses(labels, scores)], axis=1)
    cells = np.stack(counted, axis=1).astype(np.float64)
    gaps = bin_gaps(labels, probability)
    blocks = []
    for weights in resamples(groups, count, seed):
        means = weights @ losses / weights.sum(1, keepdims=True)
        areas = weighted_areas(labels, ties, weights)
        blocks.append(np.column_stack([*areas, means, weighted_errors(gaps, weights), weights @ cells]))
    return np.concatenate(blocks)


def _specificities(
    labels: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float64],
    groups: npt.NDArray[np.int64],
    count: int,
    seed: int,
) -> dict[str, Figure]:
    ties, found = rank(scores), {}
    for sensitivity in SENSITIVITIES:
        value = specificity_at(labels, ties, np.ones((1, len(labels))), sensitivity)[0]
        drawn = [specificity_at(labels, ties, weights, sensitivity) for weights in resamples(groups, count, seed)]
        found[f"{sensitivity:.2f}"] = percentile_interval(float(value), np.concatenate(drawn))
    return found


def _decisions(
    labels: npt.NDArray[np.int64],
    probability: npt.NDArray[np.float64],
    point: OperatingPoint,
    resampled: npt.NDArray[np.float64],
) -> Decisions:
    confusion = confusion_of(labels, probability >= point.threshold)
    return decisions_of(confusion, point, f1_interval(confusion, resampled))


def _referral(
    scored: pd.DataFrame, probability: npt.NDArray[np.float64], point: OperatingPoint, limits: ConformalLimits
) -> tuple[Referral, ...]:
    """Of all films, and of each source where there are several."""
    parts = {"all films": np.ones(len(scored), dtype=bool)}
    sources = list(scored["source"].dropna().unique()) if "source" in scored else []
    if len(sources) > 1:
        parts |= {str(source): (scored["source"] == source).to_numpy(bool, na_value=False) for source in sources}
    labels, called = np.array(scored["label"], dtype=np.int64), probability >= point.threshold
    normal, pneumonia = possible(probability, limits)
    return tuple(
        judge_referral(labels[rows], normal[rows], pneumonia[rows], called[rows], limits, films=name)
        for name, rows in parts.items()
    )


def not_scored(predictions: pd.DataFrame) -> tuple[NotScored, ...]:
    """The films of a table from :func:`score_cohort` that have no score."""
    missing = predictions[predictions["probability"].isna()]
    rows = zip(missing["path"], missing["label"], missing["failed"], missing["reasons"], strict=True)
    return tuple(
        NotScored(path=path, label=int(label), failed=bool(failed), reasons=reasons)
        for path, label, failed, reasons in rows
    )
