from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from pneumoscope.evaluation import delong, roc_auc
from pneumoscope.evaluation.ranking import rank, specificity_at, tally, weighted_areas


@st.composite
def films(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels with at least two films of each class, and scores with many ties."""
    labels = [0, 0, 1, 1, *draw(st.lists(st.integers(0, 1), max_size=40))]
    scores = draw(st.lists(st.integers(-6, 6), min_size=len(labels), max_size=len(labels)))
    return np.array(labels), np.array(scores, dtype=float)


def components(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's structural components by their definition: every pair of a pneumonia and a normal film."""
    gaps = scores[labels == 1][:, None] - scores[labels == 0][None]
    wins = (gaps > 0) + 0.5 * (gaps == 0)
    return wins.mean(1), wins.mean(0)


@given(films())
def test_delong_by_the_definition(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, first = case
    second = np.roll(first, 1) + 0.5 * first
    areas, covariance = delong(labels, np.stack([first, second]))
    parts = [components(labels, scores) for scores in (first, second)]
    assert areas == pytest.approx([roc_auc_score(labels, first), roc_auc_score(labels, second)])
    expected = np.cov([part[0] for part in parts]) / sum(labels == 1)
    expected += np.cov([part[1] for part in parts]) / sum(labels == 0)
    assert covariance == pytest.approx(expected, abs=1e-12)


@given(films())
def test_ranking_alone_counts(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = case
    area = roc_auc(labels, scores)
    assert roc_auc(labels, np.exp(scores / 3)) == area
    assert roc_auc(1 - labels, -scores).value == pytest.approx(area.value)
    assert roc_auc(labels, -scores).value == pytest.approx(1 - area.value)


@settings(max_examples=40)
@given(films(), st.integers(0, 1000))
def test_weighted_areas_are_sklearns(case: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    labels, scores = case
    weights = np.random.default_rng(seed).integers(0, 4, (3, len(labels))).astype(float)
    weights[:, :4] += 1  # films of both classes stay
    roc, average = weighted_areas(labels, rank(scores), weights)
    for row, each in enumerate(weights):
        assert roc[row] == pytest.approx(roc_auc_score(labels, scores, sample_weight=each))
        assert average[row] == pytest.approx(average_precision_score(labels, scores, sample_weight=each))


@settings(max_examples=40)
@given(films(), st.integers(0, 1000), st.sampled_from([0.5, 0.88, 0.9, 1.0]))
def test_specificity_is_read_off_sklearns_curve(
    case: tuple[np.ndarray, np.ndarray], seed: int, sensitivity: float
) -> None:
    labels, scores = case
    weights = np.random.default_rng(seed).integers(0, 4, (3, len(labels))).astype(float)
    weights[:, :4] += 1  # films of both classes stay
    found = specificity_at(labels, rank(scores), weights, sensitivity)
    for row, each in enumerate(weights):
        false, true, _ = roc_curve(labels, scores, sample_weight=each, drop_intermediate=False)
        assert found[row] == pytest.approx(1 - false[np.argmax(true >= sensitivity - 1e-9)])


@given(films())
def test_the_curve_is_sklearns(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = case
    true, false = tally(labels, scores)
    x, y, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert false / false[-1] == pytest.approx(x)
    assert true / true[-1] == pytest.approx(y)


def test_what_one_class_does_not_determine() -> None:
    labels, scores = np.array([1, 1, 1]), np.array([0.1, 0.2, 0.3])
    assert roc_auc(labels, scores).value is None
    roc, average = weighted_areas(labels, rank(scores), np.ones((1, 3)))
    assert np.isnan([roc[0], average[0]]).all()
    one_normal = roc_auc(np.array([0, 1, 1]), scores)
    assert (one_normal.value, one_normal.low) == (1.0, None), "one film of a class has no variance"
