from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pneumoscope.bundle import BundleSpec, Conformal, ConformalLimits, InputSpec, OperatingPoint
from pneumoscope.bundle.card import render_card
from pneumoscope.cohorts import Cohort
from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation import STUDY, Evaluation, evaluate, score_cohort
from pneumoscope.scoring import Predictor

SPEC = BundleSpec(
    name="made-up",
    created="2025-01-01T00:00:00Z",
    software="test",
    input=InputSpec(size=107),
    operating_points=(OperatingPoint(name="half", threshold=0.5), OperatingPoint(name="strict", threshold=0.8)),
    default_operating_point="strict",
)


def predictions(labels: list[int], logits: list[float], patients: list[str | None] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": [f"{index}.png" for index in range(len(labels))],
            "label": pd.array(labels, dtype="Int64"),
            "patient_id": pd.array(patients or [None] * len(labels), dtype="string"),
            "logit": pd.array(logits, dtype="Float64"),
            "probability": pd.array(SPEC.calibration.probability(np.array(logits)), dtype="Float64"),
            "decision": "normal",
            "failed": False,
            "reasons": "",
        }
    )


def strict_json(found: Evaluation) -> str:
    return json.dumps(found.model_dump(mode="json"), allow_nan=False)


def realistic(films: int = 624) -> pd.DataFrame:
    draw = np.random.default_rng(9)
    labels = draw.integers(0, 2, films)
    logits = draw.normal(0, 1.5, films) + 3 * labels - 1.5
    return predictions(labels.tolist(), logits.tolist(), [f"p{index // 3}" for index in range(films)])


def test_figures_and_intervals() -> None:
    table = realistic()
    found = evaluate(table, SPEC, data="made-up films")
    labels, scores = table["label"].to_numpy(int), table["logit"].to_numpy(float)
    assert found.roc_auc.value == pytest.approx(roc_auc_score(labels, scores))
    assert found.roc_auc_bootstrap.value == pytest.approx(found.roc_auc.value)
    assert found.pr_auc.value == pytest.approx(average_precision_score(labels, scores))
    # Patients' films are drawn independently here, so that both kinds of interval must nearly agree.
    for edge in ("low", "high"):
        assert getattr(found.roc_auc, edge) == pytest.approx(getattr(found.roc_auc_bootstrap, edge), abs=0.006)
    half, strict = found.decisions
    assert (half.operating_point.threshold, strict.operating_point.name) == (0.5, "strict")
    assert found.chosen is strict
    for figure in (half.f1, found.brier, found.log_loss, found.calibration_slope, found.calibration_intercept):
        assert figure.low < figure.value < figure.high
    error = found.expected_calibration_error
    assert error.low <= error.value <= error.high
    assert [at.operating_point.name for at in found.operating_points] == ["half", "strict"]
    assert found.operating_points[1].confusion == strict.confusion
    assert found.operating_points[1].ppv == strict.ppv, "at the films' own share of pneumonia"
    assert [step.threshold for step in found.decision_curve[:2]] == [0.01, 0.02]
    assert (found.n, found.normal + found.pneumonia, found.groups, found.resampled_by) == (624, 624, 208, "patient")
    assert found.reference is None
    assert Evaluation.model_validate_json(strict_json(found)) == found


def test_the_bootstrap_repeats_itself() -> None:
    table = realistic(90)
    first, again = (evaluate(table, SPEC, data="films", bootstrap=200) for _ in range(2))
    other = evaluate(table, SPEC, data="films", bootstrap=200, seed=1)
    assert first == again
    assert first.pr_auc.low != other.pr_auc.low
    films_alone = evaluate(table.assign(patient_id=pd.NA), SPEC, data="films", bootstrap=200)
    assert (films_alone.resampled_by, films_alone.groups) == ("film", 90)


def test_predictive_values_at_another_prevalence_leave_the_rest_alone() -> None:
    table = realistic(200)
    own, rare = (evaluate(table, SPEC, data="films", bootstrap=100, prevalence=share) for share in (None, 0.01))
    for here, there in zip(own.operating_points, rare.operating_points, strict=True):
        assert (here.sensitivity, here.specificity) == (there.sensitivity, there.specificity)
        assert there.ppv.value < here.ppv.value
        assert there.npv.value > here.npv.value
    assert own.decisions == rare.decisions


def test_referral_is_judged_beside_the_threshold() -> None:
    table = realistic(300).assign(source=["one", "other"] * 150)
    limits = Conformal(
        error_rate=0.1,
        limits=(
            ConformalLimits(error_rate=0.05, normal_up_to=0.9, pneumonia_from=0.1),
            ConformalLimits(error_rate=0.1, normal_up_to=0.7, pneumonia_from=0.3),
        ),
        normal=100,
        pneumonia=100,
    )
    spec = SPEC.model_copy(update={"conformal": limits})
    without = evaluate(table, SPEC, data="films", bootstrap=100)
    found = evaluate(table, spec, data="films", bootstrap=100)
    assert without.referral == ()
    assert found.model_copy(update={"referral": ()}) == without, "no other figure changes"
    assert [(part.films, part.n) for part in found.referral] == [("all films", 300), ("one", 150), ("other", 150)]
    probability = table["probability"].to_numpy(float)
    assert found.referral[0].both == ((probability >= 0.3) & (probability <= 0.7)).sum()
    stricter = evaluate(table, spec, data="films", bootstrap=100, error_rate=0.05)
    assert stricter.referral[0].referred.value > found.referral[0].referred.value
    with pytest.raises(EvaluationError, match=r"no conformal limits for an error rate of 0.3; there are: 0.05, 0.1"):
        evaluate(table, spec, data="films", error_rate=0.3)
    with pytest.raises(EvaluationError, match="made-up has no conformal limits"):
        evaluate(table, SPEC, data="films", error_rate=0.1)


def test_operating_points() -> None:
    table = realistic(90)
    at_half = evaluate(table, SPEC, data="films", operating_point="half", bootstrap=100)
    assert [at.operating_point.name for at in at_half.decisions] == ["half"], "one threshold is judged once"
    with pytest.raises(EvaluationError, match="no operating point 'lax'; it has half, strict"):
        evaluate(table, SPEC, data="films", operating_point="lax")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([-900.0, -1.0, 0.0, 0.5, 40.0])), min_size=1, max_size=12))
def test_undefined_figures_are_null(films: list[tuple[int, float]]) -> None:
    found = evaluate(predictions(*map(list, zip(*films, strict=True))), SPEC, data="few films", bootstrap=100)
    strict_json(found)
    if found.normal == 0:
        assert found.chosen.specificity.value is None
        assert found.roc_auc.value is None
        assert found.pr_auc.value is None


def test_films_without_a_score_are_in_no_figure_but_named(predictor: Predictor, cohort: Cohort) -> None:
    table = score_cohort(predictor, cohort)
    found = evaluate(table, predictor.spec, data="films", bootstrap=100)
    assert (found.n, found.groups) == (30, 15)
    assert [(film.failed, film.label) for film in found.not_scored] == [(True, 1), (False, 0)]
    assert all(film.reasons for film in found.not_scored)
    with pytest.raises(EvaluationError, match="none of 2 films could be scored"):
        evaluate(table[table["probability"].isna()], predictor.spec, data="films")


@pytest.mark.parametrize(
    ("name", "split", "films", "same"),
    [
        ("pneumoniamnist.npz", "test", 624, True),
        ("PneumoniaMNIST_224.npz", "test", 624, True),
        ("pneumoniamnist.npz", "val", 624, False),
        ("pneumoniamnist.npz", "test", 623, False),
        ("others.npz", "test", 624, False),
    ],
)
def test_the_study_stands_beside_its_own_films_only(name: str, split: str, films: int, same: bool) -> None:
    table = realistic(films).assign(path=[f"/data/{name}#{split}/{index}" for index in range(films)])
    found = evaluate(table, SPEC, data="films", bootstrap=100)
    assert found.reference == (STUDY if same else None)


def test_headline_is_what_a_card_shows() -> None:
    found = evaluate(realistic(90), SPEC, data="films", bootstrap=100)
    card = render_card(SPEC.model_copy(update={"metrics": {"made-up films": found.headline()}}))
    figures = ("| films | 90 |", "At the operating point `strict`", f"| ROC AUC | {found.roc_auc.text()} |")
    places = [card.index(text) for text in (figures[1], figures[0], figures[2])]
    assert all(first < second for first, second in pairwise(places))
