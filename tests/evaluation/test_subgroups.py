from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import recall_score, roc_auc_score

from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation import break_down
from pneumoscope.evaluation.ranking import delong
from pneumoscope.evaluation.subgroups import Scores, holm, share_difference


def made(films: int = 600, seed: int = 0) -> tuple[pd.DataFrame, Scores]:
    """Films of people of every age whose scores rank better for women; two views, one rare."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, films)
    sex = draw.choice(["F", "M"], films)
    logits = draw.normal(size=films) + labels * np.where(sex == "F", 3.0, 0.8)
    age = draw.integers(1, 90, films).astype(float)
    age[:20] = np.nan
    cases = pd.DataFrame({"age": age, "sex": sex, "view": np.where(np.arange(films) < 12, "AP", "PA"), "one": 1.0})
    probability = expit(logits)
    return cases, Scores(
        labels=labels, logits=logits, probability=probability, called=probability >= 0.6, patients=np.arange(films)
    )


def test_each_group_against_scikit_learn() -> None:
    cases, scores = made()
    (by_sex, by_age, crossed) = break_down(cases, ["sex", "age"], scores, bootstrap=200, seed=0)
    assert [group.value for group in by_sex.groups] == ["F", "M"]
    for group in by_sex.groups:
        rows = (cases["sex"] == group.value).to_numpy()
        labels, called = scores.labels[rows], scores.called[rows]
        assert (group.films, group.pneumonia) == (rows.sum(), labels.sum())
        assert group.roc_auc.value == pytest.approx(roc_auc_score(labels, scores.logits[rows]))
        assert group.sensitivity.value == pytest.approx(recall_score(labels, called))
        assert group.specificity.value == pytest.approx(recall_score(labels, called, pos_label=0))
    assert [group.value for group in by_age.groups] == ["0–17", "18–39", "40–59", "60+"]
    assert by_age.unknown == 20
    for group, (low, high) in zip(by_age.groups, [(0, 18), (18, 40), (40, 60), (60, 999)], strict=True):
        assert group.films == int(((cases["age"] >= low) & (cases["age"] < high)).sum())
    assert crossed.by == "sex × age"
    assert sum(group.films for group in crossed.groups) == 580


def test_a_real_difference_is_found_and_no_other() -> None:
    cases, scores = made(1500)
    by_sex, by_age, _ = break_down(cases, ["sex", "age"], scores, bootstrap=300, seed=0)
    women = by_sex.groups[0].differences["roc_auc"]
    assert women.value.value is not None
    assert women.value.value > 0.15
    assert women.p_adjusted is not None
    assert women.p_adjusted < 1e-6
    for group in by_age.groups:
        for difference in group.differences.values():
            assert difference.p_adjusted is not None
            assert difference.p_adjusted > 0.01


def test_an_area_difference_has_the_error_of_two_independent_areas() -> None:
    """Where no patient is on both sides, DeLong's variances add up."""
    cases, scores = made(2000)
    (by_sex,) = break_down(cases, ["sex"], scores, bootstrap=2000, seed=1)
    variance = 0.0
    for sex in ("F", "M"):
        rows = (cases["sex"] == sex).to_numpy()
        variance += float(delong(scores.labels[rows], scores.logits[rows][None])[1][0, 0])
    figure = by_sex.groups[0].differences["roc_auc"].value
    assert figure.low is not None
    assert figure.high is not None
    assert (figure.high - figure.low) / (2 * 1.96) == pytest.approx(variance**0.5, rel=0.06)


def test_groups_too_small_have_no_figure() -> None:
    cases, scores = made()
    (by_view,) = break_down(cases, ["view"], scores, bootstrap=100, seed=0)
    few = by_view.groups[0]
    assert few.films == 12
    assert few.roc_auc.value is None
    assert few.sensitivity.value is None or few.pneumonia >= 10
    assert "roc_auc" not in few.differences
    assert break_down(cases, ["view", "sex"], scores, bootstrap=100, seed=0)[-1].by == "view × sex"
    crossed = break_down(cases, ["view", "sex"], scores, bootstrap=100, seed=0)[-1]
    assert [group.value for group in crossed.groups] == ["PA, F", "PA, M"]


def test_what_cannot_divide_films() -> None:
    cases, scores = made()
    with pytest.raises(EvaluationError, match="no column 'ward' to divide films by; there are age, sex, view, one"):
        break_down(cases, ["ward"], scores, bootstrap=100, seed=0)
    with pytest.raises(EvaluationError, match="no film says its sex"):
        break_down(cases.assign(sex=None), ["sex"], scores, bootstrap=100, seed=0)
    with pytest.raises(EvaluationError, match="600 different values"):
        break_down(cases.assign(name=np.arange(600)), ["name"], scores, bootstrap=100, seed=0)


def test_one_group_alone_differs_from_nothing() -> None:
    cases, scores = made()
    ((only,),) = (breakdown.groups for breakdown in break_down(cases, ["one"], scores, bootstrap=100, seed=0))
    assert only.differences == {}
    assert only.films == 600


def test_newcombes_published_example() -> None:
    """56 of 70 against 48 of 80 (Newcombe 1998, table II, example a, method 10)."""
    found = share_difference((56, 70), (48, 80))
    assert found.value.value == pytest.approx(0.2)
    assert found.value.low == pytest.approx(0.0524, abs=5e-5)
    assert found.value.high == pytest.approx(0.3339, abs=5e-5)
    assert share_difference((0, 0), (3, 4)).p is None


def test_holm_on_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_lies_between_the_raw_values_and_bonferroni(p: list[float]) -> None:
    adjusted = np.array(holm(p))
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= np.minimum(1, len(p) * np.array(p)) + 1e-12).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= -1e-12).all()
