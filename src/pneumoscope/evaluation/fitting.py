"""All that turns a network's score into a decision, fitted together: calibration, operating points, limits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pneumoscope.bundle import Calibration, Conformal, OperatingPoint
from pneumoscope.evaluation.conformal import fit_conformal
from pneumoscope.evaluation.operating import choose_operating_points, fit_calibration
from pneumoscope.evaluation.yields import Costs, least_cost_threshold

LEAST_COST = "least-cost"
"""Name of the operating point that costs choose."""


class Fitted(NamedTuple):
    """Fields of a bundle's specification."""

    calibration: Calibration
    operating_points: tuple[OperatingPoint, ...]
    conformal: Conformal | None


def fit_decisions(
    labels: npt.NDArray[np.integer[Any]],
    logits: npt.NDArray[np.floating[Any]],
    *,
    fitted_on: str,
    views: int = 1,
    slope: float | None = None,
    error_rate: float | None = None,
    costs: Costs | None = None,
    prevalence: float | None = None,
) -> Fitted:
    """Calibration, operating points and conformal limits from the same films, none of which was trained on.

    Args:
        labels: (N,) of 0 and 1.
        logits: (N,) scores of the network.
        fitted_on: which films these are, in words.
        views: how often each film occurs, in changed views.
        slope: of the calibration, where only its intercept is to be fitted.
        error_rate: that conformal limits decide with by default.
        costs: add an operating point where following up begins to cost less than missing.
        prevalence: that the costs arise at; None takes that of these films.

    Raises:
        EvaluationError: the films are all of one class.
    """
    calibration = fit_calibration(labels, logits, fitted_on=fitted_on, slope=slope)
    probability = calibration.probability(logits)
    points = choose_operating_points(labels, probability, chosen_on=fitted_on)
    if costs:
        share = float(np.mean(labels))
        threshold = least_cost_threshold(costs, prevalence=prevalence or share, calibrated_at=share)
        why = f"a follow-up costs {costs.follow_up:g}, a miss {costs.miss:g}; probabilities from {fitted_on}"
        points = (*points, OperatingPoint(name=LEAST_COST, threshold=threshold, chosen_on=why))
    limits = fit_conformal(labels, probability, fitted_on=fitted_on, views=views, error_rate=error_rate)
    return Fitted(calibration, points, limits)
