from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation import choose_operating_points, fit_calibration


@pytest.mark.parametrize("scale", [0.05, 1.0, 40.0])
def test_platt_is_a_logistic_regression_on_smoothed_labels(scale: float) -> None:
    generator = np.random.default_rng(1)
    labels = np.repeat([0, 1], [60, 140])
    logits = scale * (generator.normal(0, 1, 200) + 1.5 * labels - 3)
    found = fit_calibration(labels, logits, fitted_on="made-up films")
    # A film of either class, weighted by its smoothed label, says the same to a regression without penalty.
    targets = np.where(labels == 1, 141 / 142, 1 / 62)
    regression = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000)
    regression.fit(
        np.tile(logits / scale, 2)[:, None],
        np.repeat([1, 0], 200),
        sample_weight=np.concatenate([targets, 1 - targets]),
    )
    assert found.slope * scale == pytest.approx(regression.coef_[0, 0], rel=1e-4)
    assert found.intercept == pytest.approx(regression.intercept_[0], rel=1e-4, abs=1e-4)
    assert found.fitted_on == "made-up films"
    # At the optimum predictions and targets agree in the mean, and in the mean weighted by the logits.
    gap = found.probability(logits) - targets
    assert gap.mean() == pytest.approx(0, abs=1e-5)
    assert (gap * logits / scale).mean() == pytest.approx(0, abs=1e-5)


def test_with_a_slope_that_is_held_the_mean_is_right() -> None:
    labels, logits = np.repeat([0, 1], [8, 12]), np.random.default_rng(0).normal(0, 3, 20)
    found = fit_calibration(labels, logits, fitted_on="films", slope=0.7)
    assert found.slope == 0.7
    smoothed = (12 * 13 / 14 + 8 / 10) / 20
    assert expit(0.7 * logits + found.intercept).mean() == pytest.approx(smoothed, abs=1e-6)


def test_platt_stays_finite_and_never_turns_the_ranking_round() -> None:
    labels = np.repeat([0, 1], 20)
    separated = fit_calibration(labels, np.linspace(-3, 3, 40), fitted_on="films")
    assert 0 < separated.slope < 20
    wrong_way_round = fit_calibration(labels, np.linspace(3, -3, 40), fitted_on="films")
    assert wrong_way_round.slope > 0
    constant = fit_calibration(labels, np.zeros(40), fitted_on="films")
    assert constant.probability(np.zeros(1)) == pytest.approx(0.5)
    single = fit_calibration(labels, np.linspace(-3, 3, 40).astype(np.float32), fitted_on="films")
    assert single.slope == pytest.approx(separated.slope, rel=1e-3)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_calibrates_nothing(label: int) -> None:
    labels = np.full(5, label)
    with pytest.raises(EvaluationError, match="films: all 5 films are of one class"):
        fit_calibration(labels, np.arange(5.0), fitted_on="films")
    with pytest.raises(EvaluationError, match="one class"):
        choose_operating_points(labels, np.linspace(0, 1, 5), chosen_on="films")


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 30)), min_size=2, max_size=50))
def test_points_keep_their_promises(films: list[tuple[int, int]]) -> None:
    labels, probability = np.array([film[0] for film in films]), np.array([film[1] / 30 for film in films])
    assume(len(set(labels)) == 2)
    points = {point.name: point for point in choose_operating_points(labels, probability, chosen_on="films")}
    assert set(points) == {"half", "balanced", "youden", "sensitivity-90", "sensitivity-95", "sensitivity-99"}
    assert points["half"].threshold == 0.5
    assert points["balanced"].threshold == pytest.approx(labels.mean())

    def rates(threshold: float) -> tuple[float, float]:
        called = probability >= threshold
        return float(called[labels == 1].mean()), float(called[labels == 0].mean())

    candidates = [0, *np.unique(probability), 1.1]
    best = max(sensitivity - false for sensitivity, false in map(rates, candidates))
    sensitivity, false = rates(points["youden"].threshold)
    assert sensitivity - false == pytest.approx(max(best, 0), abs=1e-12) or points["youden"].threshold == 0
    for promise in (0.90, 0.95, 0.99):
        point = points[f"sensitivity-{promise:.0%}".rstrip("%")]
        assert point.promised_sensitivity == promise
        assert rates(point.threshold)[0] >= promise
        above = probability[probability > point.threshold]
        kept = probability[labels == 1] > above.min() if len(above) else np.zeros(1)
        assert kept.mean() < promise or point.threshold == 0, "no higher threshold keeps it"


def test_balanced_is_the_smooth_form_of_youden() -> None:
    generator = np.random.default_rng(4)
    logits = generator.normal(1, 2, 200_000)
    labels = (generator.random(200_000) < expit(logits)).astype(int)
    points = {point.name: point for point in choose_operating_points(labels, expit(logits), chosen_on="many films")}
    assert points["balanced"].threshold == pytest.approx(points["youden"].threshold, abs=0.03)
