"""Which films a probability cannot decide: class-conditional conformal prediction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.bundle import Conformal, ConformalLimits
from pneumoscope.evaluation.decisions import confusion_of
from pneumoscope.evaluation.intervals import Figure, proportion

ERROR_RATES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""The rates that limits are fitted for, as far as the films are enough for them."""
ERROR_RATE = 0.05
"""The rate that a bundle decides with unless another is asked for."""

Labels = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


class Referral(BaseModel):
    """What conformal prediction does to labelled films, apart from any threshold unless a field says so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    films: str = Field(description="all films, or those of one source")
    n: int
    limits: ConformalLimits
    coverage_normal: Figure = Field(description="share of normal films whose possible classes include normal")
    coverage_pneumonia: Figure
    referred: Figure
    referred_normal: Figure = Field(description="share of the normal films that are referred")
    referred_pneumonia: Figure
    both: int = Field(description="films referred since both classes stay possible")
    neither: int = Field(description="films referred since no class is possible")
    accuracy_of_decided: Figure = Field(description="at the operating point, of films that are not referred")
    sensitivity_of_decided: Figure
    specificity_of_decided: Figure


def fit_conformal(
    labels: Labels, probability: Values, *, fitted_on: str, views: int = 1, error_rate: float | None = None
) -> Conformal | None:
    """Limits by class-conditional (Mondrian) split-conformal prediction.

    A class stays possible for a new film unless the film's probability speaks against it more strongly than those of
    all but k of the n calibration films of that class, k = ⌊ε (n + 1)⌋. Then, for new films of a class that are
    exchangeable with those, that class is wrongly excluded with a probability of at most ε (Vovk, Conditional
    validity of inductive conformal predictors, 2012; Sadinle et al., JASA 2019). Only the order of the scores enters,
    so that it does not matter that the same films fitted the calibration, which keeps their order.

    Args:
        labels: (N,) of 0 and 1.
        probability: (N,) calibrated, in [0, 1].
        fitted_on: which films these are, in words.
        views: how often each film occurs, in changed views. They are no films of their own, so n counts films.
        error_rate: the rate that decides by default; None takes :data:`ERROR_RATE`, or the next higher one that the
            films are enough for.

    Returns:
        Limits for those of :data:`ERROR_RATES` that the films are enough for (n ≥ 1/ε − 1 of each class); None if
        they are enough for none, or not for ``error_rate``.
    """
    normal, pneumonia = (np.sort(probability[labels == label]) for label in (0, 1))
    limits = []
    for rate in sorted({*ERROR_RATES, error_rate or ERROR_RATE}):
        left_out = [views * _allowed(rate, len(scores) // views) for scores in (normal, pneumonia)]
        if min(left_out):
            ends = float(normal[-left_out[0]]), float(pneumonia[left_out[1] - 1])
            limits.append(ConformalLimits(error_rate=rate, normal_up_to=ends[0], pneumonia_from=ends[1]))
    rates = [known.error_rate for known in limits]
    chosen = error_rate if error_rate is not None else min((r for r in rates if r >= ERROR_RATE), default=None)
    if chosen not in rates or chosen is None:
        return None
    counts = len(normal) // views, len(pneumonia) // views
    return Conformal(
        error_rate=chosen, limits=tuple(limits), normal=counts[0], pneumonia=counts[1], fitted_on=fitted_on
    )


def possible(probability: Values, limits: ConformalLimits) -> tuple[Mask, Mask]:
    """(N,) whether normal, and whether pneumonia, is possible for each of N calibrated probabilities."""
    return probability <= limits.normal_up_to, probability >= limits.pneumonia_from


def judge_referral(
    labels: Labels, normal: Mask, pneumonia: Mask, called: Mask, limits: ConformalLimits, films: str
) -> Referral:
    """Coverage, films referred, and decisions on the others; shares with Wilson's intervals.

    Args:
        labels: (N,) of 0 and 1.
        normal, pneumonia: (N,) from :func:`possible`.
        called: (N,) decided as pneumonia at the operating point.
        limits: what decided which classes are possible.
        films: which films these are.
    """
    ill = labels == 1
    referred = normal == pneumonia
    (tn, fp), (fn, tp) = confusion_of(labels[~referred], called[~referred])
    return Referral(
        films=films,
        n=len(labels),
        limits=limits,
        coverage_normal=_share(normal[~ill]),
        coverage_pneumonia=_share(pneumonia[ill]),
        referred=_share(referred),
        referred_normal=_share(referred[~ill]),
        referred_pneumonia=_share(referred[ill]),
        both=int((normal & pneumonia).sum()),
        neither=int((~normal & ~pneumonia).sum()),
        accuracy_of_decided=proportion(tn + tp, tn + fp + fn + tp),
        sensitivity_of_decided=proportion(tp, tp + fn),
        specificity_of_decided=proportion(tn, tn + fp),
    )


def _allowed(rate: float, films: int) -> int:
    # 0.07 · 100 is 7.000000000000001 and 0.29 · 100 is 28.999999999999996; both are meant whole.
    return math.floor(round(rate * (films + 1), 9))


def _share(mask: Mask) -> Figure:
    return proportion(int(mask.sum()), len(mask))
