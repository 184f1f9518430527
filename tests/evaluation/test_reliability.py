from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from pneumoscope.evaluation.reliability import (
    bin_gaps,
    brier_losses,
    calibration_error,
    calibration_intercept,
    calibration_slope,
    error_by_chance,
    error_interval,
    log_losses,
    reliability_bins,
    weighted_errors,
)
from pneumoscope.evaluation.resampling import resamples


def drawn(films: int = 400, slope: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels that follow σ(slope · score + shift)."""
    generator = np.random.default_rng(5)
    scores = generator.normal(0, 2, films)
    return (generator.random(films) < expit(slope * scores + shift)).astype(int), scores


def test_losses_are_sklearns() -> None:
    labels, scores = drawn()
    assert brier_losses(labels, expit(scores)).mean() == pytest.approx(brier_score_loss(labels, expit(scores)))
    assert log_losses(labels, scores).mean() == pytest.approx(log_loss(labels, expit(scores)))
    assert log_losses(np.array([1, 0]), np.array([-800.0, -800.0])) == pytest.approx([800, 0]), "finite, however wrong"


def test_calibration_error_of_constructed_cases() -> None:
    labels = np.array([0, 1] * 50 + [1] * 100)
    right = np.array([0.5] * 100 + [1.0] * 100)
    assert calibration_error(reliability_bins(labels, right)) == 0
    too_sure = np.array([0.7] * 100 + [0.9] * 100)
    assert calibration_error(reliability_bins(labels, too_sure)) == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)


def test_bins_have_equal_numbers_and_no_order() -> None:
    labels, scores = drawn(1000)
    bins = reliability_bins(labels, expit(scores))
    assert [part.films for part in bins] == [100] * 10
    assert [part.predicted for part in bins] == sorted(part.predicted for part in bins)
    shuffle = np.random.default_rng(0).permutation(1000)
    again = reliability_bins(labels[shuffle], expit(scores)[shuffle])
    assert calibration_error(again) == pytest.approx(calibration_error(bins))
    (one,) = reliability_bins(np.array([0, 1, 1]), np.full(3, 0.5))
    assert (one.films, one.observed.value) == (3, pytest.approx(2 / 3))


def test_slope_is_that_of_a_logistic_regression() -> None:
    labels, scores = drawn(slope=0.6, shift=-0.4)
    regression = LogisticRegression(C=np.inf, tol=1e-10).fit(scores[:, None], labels)
    found = calibration_slope(labels, scores, np.arange(400))
    assert found.value == pytest.approx(regression.coef_[0, 0], rel=1e-5)
    assert found.low < 0.6 < found.high

    # With every film a group of its own, the interval is near the one of the information matrix.
    probability = regression.predict_proba(scores[:, None])[:, 1]
    design = np.stack([scores, np.ones(400)], axis=1)
    information = (design * (probability * (1 - probability))[:, None]).T @ design
    error = np.sqrt(np.linalg.inv(information)[0, 0])
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(error, rel=0.1)


def test_intercept_makes_means_agree() -> None:
    labels, scores = drawn(shift=1.0)
    found = calibration_intercept(labels, scores, np.arange(400))
    assert expit(scores + found.value).mean() == pytest.approx(labels.mean(), abs=1e-9)
    assert found.low < 1.0 < found.high


def test_copies_of_patients_add_no_certainty() -> None:
    labels, scores = drawn()
    once = calibration_slope(labels, scores, np.arange(400))
    twice = calibration_slope(np.tile(labels, 2), np.tile(scores, 2), np.tile(np.arange(400), 2))
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), rel=1e-6)


@pytest.mark.parametrize("scores", [[-1.0, -2.0, 3.0, 4.0], [2.0, 1.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
def test_separated_classes_have_no_slope(scores: list[float]) -> None:
    labels, groups = np.array([0, 0, 1, 1]), np.arange(4)
    assert calibration_slope(labels, np.array(scores), groups).value is None


def test_one_class_has_neither() -> None:
    labels, scores, groups = np.ones(5, dtype=int), np.arange(5.0), np.arange(5)
    assert calibration_slope(labels, scores, groups).value is None
    assert calibration_intercept(labels, scores, groups).value is None


def test_weighted_errors_are_those_of_repeated_films() -> None:
    labels, scores = drawn(300)
    probability = expit(scores)
    gaps = bin_gaps(labels, probability)
    whole = weighted_errors(gaps, np.ones((1, 300)))[0]
    assert whole == pytest.approx(calibration_error(reliability_bins(labels, probability)))
    times = np.random.default_rng(0).integers(0, 3, 300)
    sums = [abs((times * gaps[:, column]).sum()) for column in range(gaps.shape[1])]
    assert weighted_errors(gaps, times[None])[0] == pytest.approx(sum(sums) / times.sum())


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.6, 0.0), (1.0, 1.0)])
def test_interval_of_the_error_holds_the_true_one(slope: float, shift: float) -> None:
    generator = np.random.default_rng(4)
    films, held, chance, errors, repeats = 250, 0, [], [], 80
    for repeat in range(repeats):
        scores = generator.normal(0, 2, films)
        probability, truth = expit(scores), expit(slope * scores + shift)
        labels = (generator.random(films) < truth).astype(int)
        gaps = bin_gaps(labels, probability)
        value = float(weighted_errors(gaps, np.ones((1, films)))[0])
        # Of labels without noise: each bin's gap of predicted to true shares.
        true = float(np.abs((gaps != 0).T @ (probability - truth)).sum() / films)
        resampled = np.concatenate([weighted_errors(gaps, w) for w in resamples(np.arange(films), 150, repeat)])
        found = error_interval(probability, value, resampled, seed=0)
        assert found.low <= value <= found.high
        held += found.low <= true <= found.high
        chance.append(error_by_chance(probability))
        errors.append(value)
    assert held / repeats > 0.8, "a plain percentile interval holds the error of a right model never"
    if (slope, shift) == (1.0, 0.0):
        assert held / repeats > 0.9
        assert np.mean(chance) == pytest.approx(np.mean(errors), rel=0.05)
