"""Whether probabilities mean what they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.special import expit

from pneumoscope.evaluation.intervals import CONFIDENCE, Figure, normal_interval, pivotal_interval, proportion

BINS = 10
CHANCE_DRAWS = 10_000
"""Sets of labels that a perfectly calibrated model is given, for what chance alone does to its error."""

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
    which = _bins(probability, bins)
    result = []
    for index in range(int(which.max()) + 1):
        inside = which == index
        films = int(inside.sum())
        observed = proportion(int(labels[inside].sum()), films)
        result.append(ReliabilityBin(films=films, predicted=float(probability[inside].mean()), observed=observed))
    return tuple(result)


def calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Expected calibration error (Naeini et al., AAAI 2015): mean gap of predicted to observed, by films."""
    films = sum(part.films for part in bins)
    return sum(part.films * abs(part.predicted - (part.observed.value or 0.0)) for part in bins) / films


def bin_gaps(labels: Labels, probability: Values) -> npt.NDArray[np.float64]:
    """(N, K) predicted − found of each film, in the column of its bin; 0 in the others.

    For films that count w times, w @ gaps sums the gap of each bin. The bins stay those of the films themselves.
    """
    which = _bins(probability, BINS)
    gaps = np.zeros((len(labels), int(which.max()) + 1))
    gaps[np.arange(len(labels)), which] = probability - labels
    return gaps


def weighted_errors(gaps: Values, weights: Values) -> npt.NDArray[np.float64]:
    """(B,) expected calibration errors for weightings (B, N) of films with these gaps."""
    return np.abs(weights @ gaps).sum(1) / weights.sum(1)


def error_interval(probability: Values, value: float, resampled: Values, *, seed: int) -> Figure:
    """The expected calibration error with its interval.

    It is a mean of absolute gaps, which chance alone makes greater: the bootstrap is reflected, and where a perfectly
    calibrated model would err as much in more than 5 of 100 sets of such films, the interval begins at 0.

    Args:
        probability: (N,) calibrated.
        value: the error of the films themselves.
        resampled: (B,) from :func:`weighted_errors`.
        seed: of the draws of a perfectly calibrated model.
    """
    found = pivotal_interval(value, resampled, lowest=0)
    spread = _chance_spreads(probability)
    chance = np.abs(np.random.default_rng(seed).normal(0, spread, (CHANCE_DRAWS, len(spread)))).sum(1)
    within = value <= np.quantile(chance, CONFIDENCE)
    return found.model_copy(update={"low": 0.0}) if within and found.low is not None else found


def error_by_chance(probability: Values) -> float:
    """Mean expected calibration error of a perfectly calibrated model that gives N films these probabilities (N,)."""
    return float(math.sqrt(2 / math.pi) * _chance_spreads(probability).sum())


def _chance_spreads(probability: Values) -> npt.NDArray[np.float64]:
    """(K,) standard deviation of each bin's part of the error, if labels follow the probabilities."""
    variance = probability * (1 - probability)
    return np.sqrt(np.bincount(_bins(probability, BINS), weights=variance)) / len(probability)


def _bins(probability: Values, bins: int) -> npt.NDArray[np.int64]:
    """(N,) number of each film's bin; no bin is empty."""
    edges = np.unique(np.quantile(probability, np.arange(1, bins) / bins))
    return np.unique(np.searchsorted(edges, probability, side="left"), return_inverse=True)[1]


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
