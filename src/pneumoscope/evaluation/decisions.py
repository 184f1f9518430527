"""Figures of decisions at a threshold, from the confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.bundle import OperatingPoint
from pneumoscope.evaluation.intervals import Figure, percentile_interval, proportion

Confusion = tuple[tuple[int, int], tuple[int, int]]
"""((TN, FP), (FN, TP)): a row per true class, a column per decision, normal before pneumonia."""


class ClassReport(BaseModel):
    """One class's row of the classification report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: float | None
    recall: float | None
    f1: float | None
    films: int


class Decisions(BaseModel):
    """What decisions at one threshold amount to; pneumonia is the positive class."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operating_point: OperatingPoint
    confusion: Confusion = Field(description="[[TN, FP], [FN, TP]]")
    accuracy: Figure
    sensitivity: Figure
    specificity: Figure
    ppv: Figure
    npv: Figure
    f1: Figure
    classes: dict[str, ClassReport]


def decisions_of(confusion: Confusion, point: OperatingPoint, f1: Figure | None = None) -> Decisions:
    """Figures of a confusion matrix, proportions with Wilson's intervals.

    Args:
        confusion: ((TN, FP), (FN, TP)).
        point: where the decisions were taken.
        f1: F1 with its interval; computed here, without one, if None.
    """
    (tn, fp), (fn, tp) = confusion
    return Decisions(
        operating_point=point,
        confusion=confusion,
        accuracy=proportion(tn + tp, tn + fp + fn + tp),
        sensitivity=proportion(tp, tp + fn),
        specificity=proportion(tn, tn + fp),
        ppv=proportion(tp, tp + fp),
        npv=proportion(tn, tn + fn),
        f1=f1 or Figure(value=_f1(tp, fp, fn)),
        classes={"normal": _class(tn, fn, fp), "pneumonia": _class(tp, fp, fn)},
    )


def confusion_of(labels: npt.NDArray[np.integer[Any]], called: npt.NDArray[np.bool_]) -> Confusion:
    """((TN, FP), (FN, TP)) of labels (N,) of 0 and 1, and decisions (N,) for pneumonia."""
    positive = labels == 1
    return (
        (int(np.sum(~positive & ~called)), int(np.sum(~positive & called))),
        (int(np.sum(positive & ~called)), int(np.sum(positive & called))),
    )


def f1_interval(confusion: Confusion, resampled: npt.NDArray[np.float64]) -> Figure:
    """F1 with its bootstrap interval.

    Args:
        confusion: of the films themselves.
        resampled: (B, 3), true positives, false positives and false negatives in each resample.
    """
    (_, fp), (fn, tp) = confusion
    value = _f1(tp, fp, fn)
    true, false, missed = resampled.T
    among = 2 * true + false + missed
    shares = np.divide(2 * true, among, out=np.full_like(true, np.nan), where=among > 0)
    return Figure(value=None) if value is None else percentile_interval(value, shares)


def _f1(tp: int, fp: int, fn: int) -> float | None:
    among = 2 * tp + fp + fn
    return 2 * tp / among if among else None


def _class(right: int, wrongly_called: int, missed: int) -> ClassReport:
    return ClassReport(
        precision=right / (right + wrongly_called) if right + wrongly_called else None,
        recall=right / (right + missed) if right + missed else None,
        f1=_f1(right, wrongly_called, missed),
        films=right + missed,
    )
