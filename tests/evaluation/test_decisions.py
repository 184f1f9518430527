from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import classification_report, confusion_matrix

from pneumoscope.bundle import OperatingPoint
from pneumoscope.evaluation import STUDY, confusion_of, decisions_of
from pneumoscope.evaluation.decisions import f1_interval

POINT = OperatingPoint(name="half", threshold=0.5)


@given(st.lists(st.tuples(st.integers(0, 1), st.booleans()), min_size=1, max_size=60))
def test_figures_are_sklearns(films: list[tuple[int, bool]]) -> None:
    labels, called = np.array([film[0] for film in films]), np.array([film[1] for film in films])
    confusion = confusion_of(labels, called)
    assert np.array(confusion).tolist() == confusion_matrix(labels, called, labels=[0, 1]).tolist()
    found = decisions_of(confusion, POINT)
    names = ["normal", "pneumonia"]
    report = classification_report(
        labels, called.astype(int), labels=[0, 1], target_names=names, output_dict=True, zero_division=np.nan
    )
    for name, row in found.classes.items():
        for key, value in (("precision", row.precision), ("recall", row.recall), ("f1-score", row.f1)):
            expected = report[name][key]
            assert value is None if np.isnan(expected) else value == pytest.approx(expected)
        assert row.films == report[name]["support"]
    assert found.accuracy.value == pytest.approx(np.mean(labels == called))
    assert found.sensitivity.value == found.classes["pneumonia"].recall
    assert found.specificity.value == found.classes["normal"].recall
    assert found.ppv.value == found.classes["pneumonia"].precision
    assert found.npv.value == found.classes["normal"].precision
    assert found.f1.value == found.classes["pneumonia"].f1


def test_the_studys_own_figures() -> None:
    decisions = STUDY.decisions
    assert decisions.accuracy.value == pytest.approx(0.819, abs=5e-4)
    assert sum(map(sum, decisions.confusion)) == 624
    assert decisions.sensitivity.value == pytest.approx(320 / 390)
    assert decisions.specificity.low < 191 / 234 < decisions.specificity.high


def test_f1_over_resamples() -> None:
    resampled = np.array([[1.0, 0, 0], [1, 1, 1], [0, 0, 0]])
    found = f1_interval(((5, 1), (1, 3)), resampled)
    assert found.value == pytest.approx(0.75)
    assert (found.low, found.high) == pytest.approx((0.5125, 0.9875)), "between 0.5 and 1; the third is undefined"
    assert f1_interval(((5, 0), (0, 0)), resampled).value is None
