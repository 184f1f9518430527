from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoscope.evaluation.net_benefit import decision_curve, net_benefits
from pneumoscope.evaluation.resampling import resamples


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(0, 3)), min_size=1, max_size=30))
def test_net_benefit_is_the_formula_on_films_that_are_repeated(films: list[tuple[int, int, int]]) -> None:
    labels, scores, times = (np.array(column) for column in zip(*films, strict=True))
    if not times.sum():
        times = times + 1
    probability, thresholds = scores / 20, np.array([0.05, 0.3, 0.5, 0.95])
    found = net_benefits(labels, probability, times[None].astype(float), thresholds)[0]
    repeated, p = np.repeat(labels, times), np.repeat(probability, times)
    for at, value in zip(thresholds, found, strict=True):
        true, false = ((p >= at) & (repeated == label) for label in (1, 0))
        assert value == pytest.approx((true.sum() - false.sum() * at / (1 - at)) / len(p), abs=1e-12)


def test_curve_of_scores_that_say_nothing_and_of_perfect_ones() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 300)
    blocks = list(resamples(np.arange(300), 200, 0))
    everyone = decision_curve(labels, np.ones(300), blocks)
    assert all(step.model.value == pytest.approx(step.treat_all) for step in everyone)
    nobody = decision_curve(labels, np.zeros(300), blocks)
    assert all(step.model.value == 0 for step in nobody)
    for step in decision_curve(labels, labels * 1.0, blocks):
        assert step.model.value == pytest.approx(labels.mean())
        assert step.model.low < step.model.value < step.model.high
