from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom
from scipy.stats.contingency import relative_risk

from pneumoscope.bundle import OperatingPoint
from pneumoscope.evaluation.yields import Costs, least_cost_threshold, predictive_values, share_ratio, yield_at

POINT = OperatingPoint(name="half", threshold=0.5)
COUNTS = st.integers(0, 60)


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.floats(0.001, 0.999))
def test_predictive_values_are_bayes(tn: int, fp: int, fn: int, tp: int, prevalence: float) -> None:
    ppv, npv = predictive_values(((tn, fp), (fn, tp)), prevalence)
    if tn + fp == 0 or fn + tp == 0:
        assert ppv.value is npv.value is None
        return
    sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
    called = prevalence * sensitivity + (1 - prevalence) * (1 - specificity)
    if tp + fp:
        assert ppv.value == pytest.approx(prevalence * sensitivity / called)
        assert 0 <= ppv.low <= ppv.value + 1e-12
        assert ppv.value - 1e-12 <= ppv.high <= 1
    else:
        assert ppv.value is None
    if tn + fn:
        assert npv.value == pytest.approx((1 - prevalence) * specificity / (1 - called))


def test_at_the_films_own_share_they_are_those_of_the_films() -> None:
    found = yield_at(POINT, ((80, 20), (10, 90)))
    bayes, _ = predictive_values(((80, 20), (10, 90)), 0.5)
    assert found.ppv.value == pytest.approx(bayes.value)
    assert found.prevalence == 0.5
    assert (found.called_per_1000, found.missed_per_1000) == (pytest.approx(550), pytest.approx(50))
    assert yield_at(POINT, ((0, 0), (3, 7))).called_per_1000 == pytest.approx(700), "no normal film is expected"
    assert yield_at(POINT, ((0, 0), (3, 7)), prevalence=0.1).called_per_1000 is None


def test_ratio_of_large_counts_agrees_with_the_logarithmic_interval() -> None:
    found = share_ratio((1800, 2000), (700, 2000))
    reference = relative_risk(1800, 2000, 700, 2000)
    low, high = reference.confidence_interval(0.95)
    assert found.value == pytest.approx(reference.relative_risk)
    assert (found.low, found.high) == pytest.approx((low, high), rel=2e-3)


@given(COUNTS, COUNTS)
def test_ratio_turned_round_is_the_reciprocal(a: int, b: int) -> None:
    there, back = share_ratio((a, 60), (b, 60)), share_ratio((b, 60), (a, 60))
    if a and b:
        assert there.value == pytest.approx(1 / back.value)
        assert there.high == pytest.approx(1 / back.low)
    if a and not b:
        assert there.value == np.inf
        assert there.low == pytest.approx(1 / back.high)
    if not a and not b:
        assert there.value is None


@pytest.mark.parametrize(("sensitivity", "specificity"), [(0.9, 0.8), (0.97, 0.6), (0.7, 0.95)])
def test_interval_holds_the_true_value_as_often_as_it_says(sensitivity: float, specificity: float) -> None:
    ill, well, prevalence = 30, 40, 0.1
    true = prevalence * sensitivity / (prevalence * sensitivity + (1 - prevalence) * (1 - specificity))
    held = sum(
        binom.pmf(tp, ill, sensitivity) * binom.pmf(fp, well, 1 - specificity)
        for tp in range(ill + 1)
        for fp in range(well + 1)
        if tp + fp
        for ppv in [predictive_values(((well - fp, fp), (ill - tp, tp)), prevalence)[0]]
        if ppv.low <= true <= ppv.high
    )
    assert 0.93 < held < 0.99, "every outcome of 30 and 40 films, by its probability"


def test_costs() -> None:
    costs = Costs(miss=50, follow_up=2)
    found = yield_at(POINT, ((80, 20), (10, 90)), prevalence=0.2, costs=costs)
    called, missed = 1000 * (0.2 * 0.9 + 0.8 * 0.2), 1000 * 0.2 * 0.1
    assert (found.called_per_1000, found.missed_per_1000) == (pytest.approx(called), pytest.approx(missed))
    assert found.cost_per_1000 == pytest.approx(2 * called + 50 * missed)


def test_threshold_of_least_cost_is_where_cost_is_least() -> None:
    costs, prevalence, share = Costs(miss=30, follow_up=3), 0.08, 0.4
    assert least_cost_threshold(costs, prevalence=share, calibrated_at=share) == pytest.approx(0.1)
    # Scores of two normal distributions; their probability at the share of the films that calibrated is known.
    scores = np.linspace(-8, 8, 4001)
    ill, well = np.exp(-((scores - 1) ** 2) / 2), np.exp(-((scores + 1) ** 2) / 2)
    probability = expit(2 * scores + np.log(share / (1 - share)))
    called_ill, called_well = (1 - np.cumsum(density) / density.sum() for density in (ill, well))
    called = prevalence * called_ill + (1 - prevalence) * called_well
    cost = called * costs.follow_up + prevalence * (1 - called_ill) * costs.miss
    found = least_cost_threshold(costs, prevalence=prevalence, calibrated_at=share)
    assert found == pytest.approx(probability[np.argmin(cost)], abs=0.01)
