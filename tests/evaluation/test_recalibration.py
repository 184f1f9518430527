from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from pneumoscope.bundle import BundleSpec, Calibration, InputSpec
from pneumoscope.errors import CohortError, EvaluationError
from pneumoscope.evaluation import Costs, Recalibration, recalibrate

SPEC = BundleSpec(
    name="made-up",
    created="2025-01-01T00:00:00Z",
    software="test",
    input=InputSpec(size=107),
    calibration=Calibration(slope=1.0, intercept=0.0, fitted_on="elsewhere"),
    weights_sha256="ab" * 32,
)


def site(films: int, *, slope: float = 0.5, shift: float = -1.0, per_patient: int = 2, seed: int = 0) -> pd.DataFrame:
    """Films whose labels follow σ(slope · logit + shift), several of each patient."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(1, 2.5, films)
    return pd.DataFrame(
        {
            "path": [f"{index}.png" for index in range(films)],
            "label": pd.array((draw.random(films) < expit(slope * logits + shift)).astype(int), dtype="Int64"),
            "patient_id": pd.array([f"p{index // per_patient}" for index in range(films)], dtype="string"),
            "logit": pd.array(logits, dtype="Float64"),
            "probability": pd.array(expit(logits), dtype="Float64"),
            "failed": False,
            "reasons": "",
        }
    )


def patients(table: pd.DataFrame) -> np.ndarray:
    return pd.factorize(table["patient_id"])[0]


def fitted(table: pd.DataFrame, **options: object) -> Recalibration:
    return recalibrate(table, patients(table), SPEC, data="our films", bootstrap=300, **options)


@pytest.mark.parametrize("check", ["folds", "half"])
def test_probabilities_become_right_and_the_improvement_is_shown(check: str) -> None:
    found = fitted(site(1200), check=check)
    assert found.method == "platt"
    assert found.calibration.slope == pytest.approx(0.5, abs=0.1)
    assert found.calibration.intercept == pytest.approx(-1, abs=0.2)
    assert found.error_improvement.low > 0
    assert found.brier_improvement.low > 0
    assert 0.6 < found.after.slope.value < 1.6
    assert found.after.intercept.low < 0 < found.after.intercept.high
    assert found.before.intercept.high < 0
    before, after = (float(at.expected_calibration_error.value or 0) for at in (found.before, found.after))
    assert found.error_improvement.value == pytest.approx(before - after)
    assert found.judged_films == (1200 if check == "folds" else 600)
    assert found.films == (1200 if check == "folds" else 600)
    assert found.operating_points[0].operating_point.threshold == pytest.approx(found.pneumonia / found.films)
    assert found.referral is not None
    assert found.referral.coverage_normal.low < 0.95 + 0.02
    assert Recalibration.model_validate_json(found.model_dump_json()) == found


def test_where_nothing_is_wrong_nothing_is_claimed() -> None:
    claims = 0
    for seed in range(12):
        found = fitted(site(300, slope=1.0, shift=0.0, seed=seed), check="half")
        claims += found.error_improvement.low > 0
        assert found.error_improvement.low <= found.error_improvement.value <= found.error_improvement.high
    assert claims <= 1


def test_no_patient_judges_who_fits() -> None:
    # Each patient's films have one score and one label, drawn by lot: whoever knew the patient would be right.
    draw = np.random.default_rng(5)
    table = site(400, per_patient=4)
    table["label"] = pd.array(np.repeat(draw.integers(0, 2, 100), 4), dtype="Int64")
    table["logit"] = pd.array(np.repeat(draw.normal(0, 1, 100), 4), dtype="Float64")
    table["probability"] = expit(table["logit"].to_numpy(float))
    mask = np.arange(400) % 4 == 0
    with pytest.raises(EvaluationError, match="the films that judge: 0 films"):
        fitted(table, check=mask)
    mask |= np.arange(400) >= 200
    found = fitted(table, check=mask)
    assert (found.films, found.judged_films) == (150, 200)
    assert "50 films that were to judge show patients who fit" in found.notes[0]
    assert any("does not tell pneumonia from normal" in note for note in fitted(table).notes)


def test_few_films_fit_the_intercept_alone() -> None:
    table = site(800)
    few = pd.concat([table[table["label"] == label].head(15) for label in (0, 1)], ignore_index=True)
    found = fitted(few)
    assert (found.method, found.calibration.slope) == ("intercept", 1.0)
    smoothed = (15 * 16 / 17 + 15 / 17) / 30
    assert found.calibration.probability(few["logit"].to_numpy(float)).mean() == pytest.approx(smoothed, abs=1e-6)
    assert any("only the intercept was fitted" in note for note in found.notes)
    assert any("too few for sensitivity-95" in note for note in found.notes)
    with pytest.raises(EvaluationError, match="18 films with a score, 9 normal and 9 pneumonia; at least 10"):
        fitted(pd.concat([few[few["label"] == label].head(9) for label in (0, 1)], ignore_index=True))
    with pytest.raises(EvaluationError, match="the half that fits"):
        fitted(few, check="half")
    with pytest.raises(CohortError, match="2 folds cannot be made of 1 patients with pneumonia films"):
        fitted(few.assign(patient_id=np.where(few["label"] == 1, "one", few["path"])))


def test_operating_points_prevalence_and_costs() -> None:
    table = site(500)
    found = fitted(table, prevalence=0.05, costs=Costs(miss=20, follow_up=1), operating_point="sensitivity-95")
    names = [at.operating_point.name for at in found.operating_points]
    assert names[-1] == "least-cost"
    assert found.operating_points[-1].cost_per_1000 <= found.operating_points[1].cost_per_1000, "than at one half"
    assert all(at.prevalence == 0.05 for at in found.operating_points)
    assert found.default_operating_point == "sensitivity-95"
    with pytest.raises(EvaluationError, match="no operating point 'lax' is fitted; there are balanced, half"):
        fitted(table, operating_point="lax")


def test_the_specification_changes_in_what_was_fitted_alone() -> None:
    found = fitted(site(500), error_rate=0.1)
    old = SPEC.model_copy(update={"metrics": {"elsewhere/test": {"films": 3}}, "ages": (1.0, 5.0)})
    new = found.fitted_spec(old, name="ours", created="2026-01-01T00:00:00+00:00")
    assert (new.name, new.weights_sha256, new.ages) == ("ours", SPEC.weights_sha256, (1.0, 5.0))
    assert new.calibration == found.calibration
    assert "our films" in new.calibration.fitted_on
    assert "500 films" in new.calibration.fitted_on
    assert new.conformal.error_rate == 0.1
    (name,) = new.metrics
    assert name.startswith("our films; cross-fitting over 5"), "figures at former thresholds do not stay"
    assert new.operating_point().name == "half"


def test_films_without_a_score_are_named() -> None:
    table = site(300)
    table.loc[3, ["logit", "probability"]] = pd.NA
    found = fitted(table)
    assert [film.path for film in found.not_scored] == ["3.png"]
    assert found.films == 299
