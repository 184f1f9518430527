from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoscope.bundle import ConformalLimits
from pneumoscope.evaluation.conformal import ERROR_RATES, fit_conformal, judge_referral, possible

SCORES = st.lists(st.integers(0, 40), min_size=4, max_size=60)


@settings(max_examples=150, deadline=None)
@given(SCORES, SCORES, st.integers(0, 40))
def test_limits_are_the_p_values_of_the_definition(normal: list[int], pneumonia: list[int], new: int) -> None:
    labels = np.repeat([0, 1], [len(normal), len(pneumonia)])
    scores = np.array([*normal, *pneumonia]) / 40
    fitted = fit_conformal(labels, scores, fitted_on="films")
    # Non-conformity: how strongly a probability speaks against the class (Vovk 2012, ties counted against it).
    p_normal = (sum(score >= new for score in normal) + 1) / (len(normal) + 1)
    p_pneumonia = (sum(score <= new for score in pneumonia) + 1) / (len(pneumonia) + 1)
    enough = [rate for rate in ERROR_RATES if rate * (min(len(normal), len(pneumonia)) + 1) >= 1 - 1e-9]
    assert fitted is not None or not any(rate >= 0.05 for rate in enough)
    for limits in fitted.limits if fitted else ():
        found = possible(np.array([new / 40]), limits)
        assert [bool(mask[0]) for mask in found] == [
            p_normal > limits.error_rate + 1e-9,
            p_pneumonia > limits.error_rate + 1e-9,
        ]
    assert [limits.error_rate for limits in fitted.limits] == enough if fitted else True


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_each_class_is_covered_as_promised_on_exchangeable_films(rate: float) -> None:
    draw = np.random.default_rng(2)
    wrong = np.zeros(2)
    repeats, films, fresh = 1500, (39, 90), 20
    for _ in range(repeats):
        samples = [draw.normal(2 * label, 1.3, films[label] + fresh) for label in (0, 1)]
        probability = [1 / (1 + np.exp(-sample)) for sample in samples]
        labels = np.repeat([0, 1], films)
        fitted = fit_conformal(
            labels, np.concatenate([p[:n] for p, n in zip(probability, films, strict=True)]), fitted_on=""
        )
        assert fitted is not None
        for label in (0, 1):
            wrong[label] += (~possible(probability[label][films[label] :], fitted.at(rate))[label]).mean()
    missed = wrong / repeats
    noise = 4 * np.sqrt(rate / repeats)  # four standard errors; films of one repeat share their limits
    for label in (0, 1):
        assert rate - 1 / (films[label] + 1) - noise < missed[label] < rate + noise


def test_only_the_order_of_scores_matters() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 200)
    scores = draw.random(200)
    one, other = (fit_conformal(labels, values, fitted_on="") for values in (scores, scores**3))
    assert one is not None
    assert other is not None
    for first, second in zip(one.limits, other.limits, strict=True):
        assert second.normal_up_to == pytest.approx(first.normal_up_to**3)
        assert second.pneumonia_from == pytest.approx(first.pneumonia_from**3)


def test_views_of_a_film_are_no_more_films() -> None:
    draw = np.random.default_rng(1)
    labels, scores = np.repeat([0, 1], [25, 40]), draw.random(65)
    once = fit_conformal(labels, scores, fitted_on="films")
    often = fit_conformal(np.tile(labels, 8), np.tile(scores, 8), fitted_on="films", views=8)
    assert once == often
    assert once is not None
    assert [limits.error_rate for limits in once.limits] == [0.05, 0.1, 0.2], "25 films cannot show 2%"
    assert (once.normal, once.pneumonia, once.error_rate) == (25, 40, 0.05)


def test_too_few_films_have_no_limits_or_those_of_a_higher_rate() -> None:
    draw = np.random.default_rng(1)

    def fitted(films: int, **options: float) -> object:
        return fit_conformal(np.repeat([0, 1], films), draw.random(2 * films), fitted_on="", **options)

    assert fitted(3) is None
    assert fitted(9).error_rate == 0.1
    assert fitted(19).error_rate == 0.05
    assert fitted(19, error_rate=0.07).error_rate == 0.07
    assert fitted(9, error_rate=0.07) is None, "another rate than the one asked for would be a surprise"


def test_figures_of_a_constructed_case() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    probability = np.array([0.1, 0.2, 0.55, 0.9, 0.1, 0.5, 0.6, 0.8, 0.9])
    both = ConformalLimits(error_rate=0.2, normal_up_to=0.6, pneumonia_from=0.5)
    found = judge_referral(labels, *possible(probability, both), probability >= 0.7, both, "films")
    assert (found.n, found.both, found.neither) == (9, 3, 0)
    assert (found.coverage_normal.value, found.coverage_pneumonia.value) == (0.75, 0.8)
    assert (found.referred.value, found.referred_normal.value, found.referred_pneumonia.value) == (3 / 9, 0.25, 0.4)
    # Left are 0.1, 0.2, 0.9 of the normal and 0.1, 0.8, 0.9 of the pneumonia films.
    assert found.accuracy_of_decided.value == 4 / 6
    assert (found.sensitivity_of_decided.value, found.specificity_of_decided.value) == (2 / 3, 2 / 3)
    apart = ConformalLimits(error_rate=0.2, normal_up_to=0.2, pneumonia_from=0.6)
    found = judge_referral(labels, *possible(probability, apart), probability >= 0.7, apart, "films")
    assert (found.both, found.neither) == (0, 2)
