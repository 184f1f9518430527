"""Whether probabilities mean what they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.special import expit

from pneumoscope.evaluation.intervals import Figure, normal_interval, proportion

BINS = 10

Labels = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[np.floating[Any]]


class ReliabilityBin(BaseModel):
    """Films of similar probability: what was predicted, and what was found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    films: int
    predicted: float
    observed: Figure


def brier_losses(labels: Labels, probability: Values) -> npt.NDArray[np.float64]:
    """(N,) squared errors of the probabilities; their mean is the Brier score (Brier 1950)."""
    return np.asarray((probability - labels) ** 2, dtype=np.float64)


def log_losses(labels: Labels, scores: Values) -> npt.NDArray[np.float64]:
    """(N,) −ln of the probability that each film's class was given, from calibrated logits, so it stays finite."""
    return np.asarray(np.logaddexp(0, scores) - labels * scores, dtype=np.float64)


def reliability_bins(labels: Labels, probability: Values, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """Films in bins of equal number, as far as equal probabilities, which stay together, allow."""
    edges = np.unique(np.quantile(probability, np.arange(1, bins) / bins))
    which = np.searchsorted(edges, probability, side="left")
    result = []
    for index in np.unique(which):
        inside = which == index
        films = int(inside.sum())
        observed = proportion(int(labels[inside].sum()), films)
        result.append(ReliabilityBin(films=films, predicted=float(probability[inside].mean()), observed=observed))
    return tuple(result)


def calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Expected calibration error (Naeini et al., AAAI 2015): mean gap of predicted to observed, by films."""
    films = sum(part.films for part in bins)
    return sum(part.films * abs(part.predicted - (part.observed.value or 0.0)) for part in bins) / films


def calibration_slope(labels: Labels, scores: Values, groups: npt.NDArray[np.int64]) -> Figure:
    """Slope of a logistic regression of the labels on calibrated logits; 1 is right, below 1 overconfident.

    Cox, Biometrika 1958; interval by the variance that is robust to groups of films (Liang & Zeger 1986).

    Args:
        labels: (N,) of 0 and 1.
        scores: (N,) calibrated logits.
        groups: (N,) patients.

    Returns:
        All null where a class is missing or the scores separate the classes, so that no slope is the best.
    """
    positive, negative = scores[labels == 1], scores[labels == 0]
    if not len(positive) or not len(negative):
        return Figure(value=None)
    if positive.min() >= negative.max() or positive.max() <= negative.min():
        return Figure(value=None)
    design = np.stack([scores, np.ones_like(scores)], axis=1)
    return _logistic(labels, design, np.zeros_like(scores), groups)


def calibration_intercept(labels: Labels, scores: Values, groups: npt.NDArray[np.int64]) -> Figure:
    """Calibration in the large: what must be added to all calibrated logits; below 0, risks are overestimated.

    The slope is held at 1 (Van Calster et al., BMC Medicine 2019). Interval as for :func:`calibration_slope`.
    All null where a class is missing.
    """
    if len(set(labels.tolist())) < 2:
        return Figure(value=None)
    return _logistic(labels, np.ones((len(scores), 1)), scores, groups)


def _logistic(labels: Labels, design: Values, offset: Values, groups: npt.NDArray[np.int64]) -> Figure:
    """First coefficient of a logistic regression, by Newton's method with halved steps."""
    scale = np.maximum(np.abs(design).max(0), 1e-12)
    design = design / scale
    beta = np.zeros(design.shape[1])
    loss = log_losses(labels, offset).sum()
    for _ in range(100):
        probability = expit(design @ beta + offset)
        gradient = design.T @ (labels - probability)
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        while (reached := log_losses(labels, design @ (beta + step) + offset).sum()) > loss and np.abs(
            step
        ).max() > 1e-12:
            step = step / 2
        beta, gain, loss = beta + step, loss - reached, reached
        if gain < 1e-12 * max(1.0, loss):
            break
    probability = expit(design @ beta + offset)
    bread = np.linalg.pinv((design * (probability * (1 - probability))[:, None]).T @ design)
    sums = np.zeros((int(groups.max()) + 1, design.shape[1]))
    np.add.at(sums, groups, design * (labels - probability)[:, None])
    variance = (bread @ sums.T @ sums @ bread)[0, 0] / scale[0] ** 2
    value = beta[0] / scale[0]
    return normal_interval(float(value), float(variance)) if math.isfinite(value) else Figure(value=None)
