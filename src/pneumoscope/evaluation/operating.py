"""Calibration and operating points, from labels and scores of films that were not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from pneumoscope.bundle import Calibration, OperatingPoint
from pneumoscope.errors import EvaluationError

PROMISES = (0.90, 0.95, 0.99)
"""Sensitivities that operating points are chosen for."""
LEAST_SLOPE = 1e-3

Labels = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[np.floating[Any]]


def fit_calibration(labels: Labels, logits: Values, *, fitted_on: str, slope: float | None = None) -> Calibration:
    """Platt scaling by maximum likelihood.

    Labels are smoothed to (n₁ + 1)/(n₁ + 2) and 1/(n₀ + 2), which keeps the slope finite where the scores separate the
    classes (Platt, Probabilistic outputs for support vector machines, 1999). The slope stays above 0: calibration never
    turns the ranking round.

    Args:
        labels: (N,) of 0 and 1.
        logits: (N,) scores of the network.
        fitted_on: which films these are, in words.
        slope: held at this value, so that only the intercept is fitted; needs fewer films.

    Raises:
        EvaluationError: the films are all of one class.
    """
    positive, negative = _counts(labels, fitted_on)
    targets = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    # Scores of unit spread keep the search well conditioned, whatever the network's own scale.
    spread = float(np.std(logits)) or 1.0

    def loss(parameters: Values) -> tuple[float, Values]:
        scores = parameters[0] * logits / spread + parameters[1]
        error = _sigmoid(scores) - targets
        value = np.sum(np.logaddexp(0, scores) - targets * scores)
        return float(value), np.array([np.sum(error * logits / spread), np.sum(error)])

    steepness = (LEAST_SLOPE, None) if slope is None else (slope * spread, slope * spread)
    start = np.array([1.0 if slope is None else slope * spread, 0.0])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[steepness, (None, None)], tol=1e-12)
    return Calibration(slope=slope or float(found.x[0] / spread), intercept=float(found.x[1]), fitted_on=fitted_on)


def choose_operating_points(labels: Labels, probability: Values, *, chosen_on: str) -> tuple[OperatingPoint, ...]:
    """Thresholds on the calibrated probability.

    ``balanced`` lies at the share of pneumonia among these films. For a calibrated probability that is where
    sensitivity + specificity is highest: a film at that score is as likely among pneumonia as among normal films.
    So it is Youden's index (Cancer 1950) without its noise on few films, and it does not depend on the mix of
    classes in training: another mix moves the probabilities and the share together. ``youden`` is the empirical
    maximum, ``sensitivity-NN`` the highest threshold that reaches so much here, and ``half`` is 0.5. Empirical
    thresholds lie midway between two scores.

    Args:
        labels: (N,) of 0 and 1.
        probability: (N,) calibrated, in [0, 1].
        chosen_on: which films these are, in words.

    Raises:
        EvaluationError: the films are all of one class.
    """
    positive, _ = _counts(labels, chosen_on)
    values = np.unique(probability)
    thresholds = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2])
    sensitivity = _share_at_or_above(np.sort(probability[labels == 1]), thresholds)
    false_alarms = _share_at_or_above(np.sort(probability[labels == 0]), thresholds)
    points = [
        OperatingPoint(name="balanced", threshold=positive / len(labels), chosen_on=chosen_on),
        OperatingPoint(name="half", threshold=0.5, chosen_on="fixed"),
        OperatingPoint(
            name="youden", threshold=float(thresholds[np.argmax(sensitivity - false_alarms)]), chosen_on=chosen_on
        ),
    ]
    for promise in PROMISES:
        highest = float(thresholds[sensitivity >= promise].max())
        points.append(
            OperatingPoint(
                name=f"sensitivity-{promise:.0%}".rstrip("%"),
                threshold=highest,
                promised_sensitivity=promise,
                chosen_on=chosen_on,
            )
        )
    return tuple(points)


def _counts(labels: Labels, words: str) -> tuple[int, int]:
    positive = int(np.sum(labels == 1))
    negative = len(labels) - positive
    if not positive or not negative:
        raise EvaluationError(f"{words}: all {len(labels)} films are of one class; films of both are needed")
    return positive, negative


def _share_at_or_above(ordered: Values, thresholds: Values) -> npt.NDArray[np.float64]:
    # One division of whole numbers: 9/10 is the same number as a promise of 0.9, which 1 − 1/10 need not be.
    return (len(ordered) - np.searchsorted(ordered, thresholds, side="left")) / len(ordered)


def _sigmoid(values: Values) -> npt.NDArray[np.float64]:
    return 0.5 * (1 + np.tanh(0.5 * values))
