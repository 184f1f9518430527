from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation import compare, delong
from pneumoscope.evaluation.comparison import mcnemar


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_the_binomial_test(only_a: int, only_b: int) -> None:
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected)


def test_two_models() -> None:
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 2, 200)
    good = np.clip(0.25 + 0.5 * labels + generator.normal(0, 0.2, 200), 0, 1)
    poor = np.clip(good + generator.normal(0, 0.4, 200), 0, 1)
    found = compare(labels, good, poor, thresholds=(0.5, 0.6), names=("good", "poor"))
    areas, covariance = delong(labels, np.stack([good, poor]))
    error = np.sqrt(np.array([1, -1]) @ covariance @ np.array([1, -1]))
    assert found.roc_auc_difference.value == pytest.approx(areas[0] - areas[1])
    assert found.p_delong == pytest.approx(2 * (1 - norm.cdf((areas[0] - areas[1]) / error)), abs=1e-12)
    assert found.roc_auc_difference.low > 0, "the better one is better beyond chance"
    right = (good >= 0.5) == labels, (poor >= 0.6) == labels
    assert (found.only_a_right, found.only_b_right) == (sum(right[0] & ~right[1]), sum(right[1] & ~right[0]))

    turned = compare(labels, poor, good, thresholds=(0.6, 0.5))
    assert turned.p_delong == pytest.approx(found.p_delong)
    assert turned.p_mcnemar == found.p_mcnemar


def test_a_model_against_itself() -> None:
    labels, scores = np.array([0, 1] * 20), np.random.default_rng(0).random(40)
    found = compare(labels, scores, scores**3)
    assert (found.roc_auc_difference.value, found.p_delong) == (0, None)
    assert compare(labels, scores, scores).p_mcnemar == 1


def test_what_cannot_be_compared() -> None:
    with pytest.raises(EvaluationError, match="different films"):
        compare(np.array([0, 1]), np.array([0.1, 0.2]), np.array([0.1]))
    with pytest.raises(EvaluationError, match="both classes"):
        compare(np.array([1, 1]), np.array([0.1, 0.2]), np.array([0.1, 0.3]))
