"""What a threshold means in use: predictive values at a prevalence, films called, cases missed, cost."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.bundle import OperatingPoint
from pneumoscope.evaluation.decisions import Confusion
from pneumoscope.evaluation.intervals import Figure, proportion

MILLE = 1000


class Costs(BaseModel):
    """What decisions cost, in one unit of the user's choice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    miss: float = Field(gt=0, description="of a pneumonia that is called normal")
    follow_up: float = Field(gt=0, description="of following up a film that is called pneumonia, rightly or wrongly")


class Yield(BaseModel):
    """What one operating point does to labelled films, and to a thousand films at a prevalence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operating_point: OperatingPoint
    confusion: Confusion = Field(description="[[TN, FP], [FN, TP]]")
    sensitivity: Figure
    specificity: Figure
    prevalence: float = Field(description="that the fields below hold for")
    ppv: Figure
    npv: Figure
    called_per_1000: float | None = Field(description="films called pneumonia")
    missed_per_1000: float | None = Field(description="films with pneumonia that are called normal")
    cost_per_1000: float | None = Field(None, description="where costs are given")


def yield_at(
    point: OperatingPoint, confusion: Confusion, *, prevalence: float | None = None, costs: Costs | None = None
) -> Yield:
    """The yield of decisions; sensitivity and specificity with Wilson's intervals.

    Args:
        point: where the decisions were taken.
        confusion: ((TN, FP), (FN, TP)).
        prevalence: share of pneumonia in use, in (0, 1); None takes that of these films.
        costs: of misses and follow-ups.
    """
    (tn, fp), (fn, tp) = confusion
    sensitivity, specificity = proportion(tp, tp + fn), proportion(tn, tn + fp)
    share = (tp + fn) / (tn + fp + fn + tp) if prevalence is None else prevalence
    if prevalence is None:
        ppv, npv = proportion(tp, tp + fp), proportion(tn, tn + fn)
    else:
        ppv, npv = predictive_values(confusion, prevalence)
    called = missed = None
    # A class that there is no film of, and that none is expected of, matters neither way.
    found = 0.0 if share == 0 else sensitivity.value
    cleared = 0.0 if share == 1 else specificity.value
    if found is not None and cleared is not None:
        called = MILLE * (share * found + (1 - share) * (1 - cleared))
        missed = MILLE * share * (1 - found)
    cost = None if costs is None or called is None or missed is None else missed * costs.miss + called * costs.follow_up
    return Yield(
        operating_point=point,
        confusion=confusion,
        sensitivity=sensitivity,
        specificity=specificity,
        prevalence=share,
        ppv=ppv,
        npv=npv,
        called_per_1000=called,
        missed_per_1000=missed,
        cost_per_1000=cost,
    )


def predictive_values(confusion: Confusion, prevalence: float) -> tuple[Figure, Figure]:
    """PPV and NPV by Bayes' theorem, from sensitivity and specificity and a prevalence that is known.

    The odds of a predictive value are the odds of the prevalence times a ratio of two independent shares (a likelihood
    ratio). Its interval joins their Wilson intervals by the method of variance estimates recovery (Donner & Zou,
    Statistical Methods in Medical Research 2012), so that a share of 0 or 1 still leaves an interval.

    Args:
        confusion: ((TN, FP), (FN, TP)).
        prevalence: in (0, 1).

    Returns:
        Both null where a class is missing; one is null where no film is called so.
    """
    (tn, fp), (fn, tp) = confusion
    odds = prevalence / (1 - prevalence)
    ppv = _from_odds(odds, share_ratio((tp, tp + fn), (fp, fp + tn)))
    npv = _from_odds(1 / odds, share_ratio((tn, fp + tn), (fn, tp + fn)))
    return ppv, npv


def share_ratio(one: tuple[int, int], other: tuple[int, int]) -> Figure:
    """First share by the second, of (successes, total) each, with the interval that :func:`predictive_values` names.

    The value is infinite where the second share alone is 0, and null where both are or a total is.
    """
    a, b = proportion(*one), proportion(*other)
    if None in (a.value, a.low, a.high, b.value, b.low, b.high) or a.value == b.value == 0:
        return Figure(value=None)
    (p1, l1, u1), (p2, l2, u2) = ((float(f.value or 0), float(f.low or 0), float(f.high or 0)) for f in (a, b))
    product, inner = p1 * p2, l1 * (2 * p1 - l1)
    # Multiplied out by its conjugate, so that no division by 0 arises where u2 is twice p2.
    low = inner / (product + math.sqrt(max(0.0, product**2 - inner * u2 * (2 * p2 - u2)))) if inner else 0.0
    high = math.inf
    if l2 > 0:
        outer, scale = u1 * (2 * p1 - u1), l2 * (2 * p2 - l2)
        high = (product + math.sqrt(max(0.0, product**2 - outer * scale))) / scale
    return Figure(value=p1 / p2 if p2 else math.inf, low=low, high=high)


def least_cost_threshold(costs: Costs, *, prevalence: float, calibrated_at: float) -> float:
    """The calibrated probability from which on following up costs less than missing.

    That is ``follow_up / miss`` for a probability that holds at the prevalence in use. One that was calibrated where
    pneumonia has another share has other odds, by the ratio of the odds of the two shares.

    Args:
        costs: follow-up below miss.
        prevalence: in use, in (0, 1).
        calibrated_at: share of pneumonia among the films that calibrated, in (0, 1).
    """
    wanted = costs.follow_up / costs.miss
    odds = wanted / (1 - wanted) * (1 - prevalence) / prevalence * calibrated_at / (1 - calibrated_at)
    return odds / (1 + odds)


def _from_odds(prior: float, ratio: Figure) -> Figure:
    if ratio.value is None or ratio.low is None or ratio.high is None:
        return Figure(value=None)
    odds = (prior * edge for edge in (ratio.value, ratio.low, ratio.high))
    value, low, high = (edge / (1 + edge) if math.isfinite(edge) else 1.0 for edge in odds)
    return Figure(value=value, low=low, high=high)
