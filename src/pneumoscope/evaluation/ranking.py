"""How well scores rank pneumonia above normal: areas under the ROC and the precision–recall curve."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from pneumoscope.evaluation.intervals import Figure, normal_interval

Labels = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[np.floating[Any]]


class RankedTies(NamedTuple):
    """Films from the lowest score to the highest, where equal scores form one step.

    ``order`` (N,) sorts the films; ``starts`` (K,) are the positions in that order where each score begins.
    """

    order: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]


def rank(scores: Values) -> RankedTies:
    """Sort films by score once, for many weightings of them."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    return RankedTies(order, np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])))


def weighted_areas(labels: Labels, ties: RankedTies, weights: Values) -> tuple[Values, Values]:
    """Area under the ROC curve, and average precision, for many weightings of the same films.

    The ROC area is the weighted share of pairs of a pneumonia and a normal film that are ranked rightly, a tie
    counting half. Average precision is Σ (Rₙ − Rₙ₋₁) Pₙ over the different scores, without interpolation.

    Args:
        labels: (N,) of 0 and 1.
        ties: from :func:`rank`.
        weights: (B, N) ≥ 0, how often each film counts.

    Returns:
        Two arrays (B,), NaN where a weighting leaves out a class.
    """
    by_score = weights[:, ties.order]
    is_positive = labels[ties.order] == 1
    positive = np.add.reduceat(by_score * is_positive, ties.starts, axis=1)
    negative = np.add.reduceat(by_score * ~is_positive, ties.starts, axis=1)
    positives, negatives = positive.sum(1), negative.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        below = np.cumsum(negative, axis=1) - negative
        roc = (positive * (below + negative / 2)).sum(1) / (positives * negatives)
        true = np.cumsum(positive[:, ::-1], axis=1)
        called = true + np.cumsum(negative[:, ::-1], axis=1)
        # A step without films has neither precision nor weight.
        precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
        average = (precision * positive[:, ::-1]).sum(1) / positives
    return roc, np.where(negatives > 0, average, np.nan)


def specificity_at(labels: Labels, ties: RankedTies, weights: Values, sensitivity: float) -> Values:
    """Specificity at the highest threshold that reaches a sensitivity, for many weightings of the same films.

    Args:
        labels: (N,) of 0 and 1.
        ties: from :func:`rank`.
        weights: (B, N) ≥ 0, how often each film counts; each weighting has its own threshold.
        sensitivity: in (0, 1].

    Returns:
        (B,), NaN where a weighting leaves out a class.
    """
    by_score = weights[:, ties.order]
    positive = np.add.reduceat(by_score * (labels[ties.order] == 1), ties.starts, axis=1)[:, ::-1].cumsum(1)
    negative = np.add.reduceat(by_score * (labels[ties.order] == 0), ties.starts, axis=1)[:, ::-1].cumsum(1)
    # Whole numbers are compared, with room for rounding, so that 9 of 10 reach 0.9.
    reached = positive >= sensitivity * positive[:, -1:] - 1e-9
    false_alarms = np.take_along_axis(negative, reached.argmax(1)[:, None], axis=1)[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(positive[:, -1] > 0, 1 - false_alarms / negative[:, -1], np.nan)


def delong(labels: Labels, scores: Values) -> tuple[Values, Values]:
    """ROC areas of several scores on the same films, with their covariance.

    DeLong et al., Biometrics 1988, by the midranks of Sun & Xu, IEEE Signal Processing Letters 2014, in
    O(K N log N).

    Args:
        labels: (N,) of 0 and 1.
        scores: (K, N), one row per model.

    Returns:
        Areas (K,) and their covariance (K, K). Areas are NaN where a class is missing, the covariance also where
        it has one film only.
    """
    positive, negative = scores[:, labels == 1], scores[:, labels == 0]
    m, n = positive.shape[1], negative.shape[1]
    models = len(scores)
    if not m or not n:
        return np.full(models, np.nan), np.full((models, models), np.nan)
    ranks = rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    # For each pneumonia film the share of normal films below it, and for each normal film that of pneumonia above.
    above = (ranks[:, :m] - rankdata(positive, axis=1)) / n
    below = 1 - (ranks[:, m:] - rankdata(negative, axis=1)) / m
    if m < 2 or n < 2:
        return above.mean(1), np.full((models, models), np.nan)
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return above.mean(1), covariance


def roc_auc(labels: Labels, scores: Values) -> Figure:
    """Area under the ROC curve with DeLong's interval, cut at 0 and 1; null where a class is missing."""
    areas, covariance = delong(labels, scores[None])
    return normal_interval(float(areas[0]), float(covariance[0, 0]), lowest=0, highest=1)


def tally(labels: Labels, scores: Values) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """True and false positives when the threshold falls from above the highest score to the lowest.

    Returns:
        Two arrays (K + 1,) for K different scores; both begin with 0.
    """
    ties = rank(-scores)
    ends = np.append(ties.starts[1:], len(scores)) - 1
    positive = np.cumsum(labels[ties.order] == 1)[ends]
    return np.insert(positive, 0, 0), np.insert(ends + 1 - positive, 0, 0)
