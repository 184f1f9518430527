"""Whether a model does more good than treating all or none: decision curves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.evaluation.intervals import Figure, percentile_interval

THRESHOLDS = tuple(round(0.01 * step, 2) for step in range(1, 100))
"""Threshold probabilities of a decision curve."""

Labels = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[np.floating[Any]]


class NetBenefit(BaseModel):
    """Net benefit at one threshold probability, in true positives per film; that of treating none is 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: float = Field(description="probability from which on a film is worth following up")
    model: Figure
    treat_all: float


def decision_curve(
    labels: Labels, probability: Values, weightings: Iterable[Values], thresholds: tuple[float, ...] = THRESHOLDS
) -> tuple[NetBenefit, ...]:
    """Net benefit of acting on the calibrated probability, with percentile bootstrap intervals.

    Net benefit is TP/n − FP/n · t/(1 − t) for films at or above the threshold probability t: who acts from t on holds a
    false alarm to be worth t/(1 − t) of a case found (Vickers & Elkin, Medical Decision Making 2006).

    Args:
        labels: (N,) of 0 and 1.
        probability: (N,) calibrated.
        weightings: blocks (B, N) from :func:`~pneumoscope.evaluation.resampling.resamples`.
        thresholds: in (0, 1).
    """
    at = np.asarray(thresholds)
    values = net_benefits(labels, probability, np.ones((1, len(labels))), at)[0]
    drawn = np.concatenate([net_benefits(labels, probability, weights, at) for weights in weightings])
    share = float(labels.mean())
    return tuple(
        NetBenefit(
            threshold=threshold,
            model=percentile_interval(float(values[index]), drawn[:, index]),
            treat_all=share - (1 - share) * threshold / (1 - threshold),
        )
        for index, threshold in enumerate(thresholds)
    )


def net_benefits(labels: Labels, probability: Values, weights: Values, thresholds: Values) -> npt.NDArray[np.float64]:
    """(B, T) net benefit for B weightings (B, N) of N films at T thresholds."""
    order = np.argsort(probability, kind="stable")
    below = np.searchsorted(probability[order], thresholds, side="left")
    counted = []
    for label in (1, 0):
        sums = np.cumsum(weights[:, order] * (labels[order] == label), axis=1)
        sums = np.concatenate([np.zeros((len(weights), 1)), sums], axis=1)
        counted.append(sums[:, -1:] - sums[:, below])
    true, false = counted
    return (true - false * (thresholds / (1 - thresholds))) / weights.sum(1, keepdims=True)
