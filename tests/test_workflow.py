from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumoscope.cohorts import Cohort, load_cohort
from pneumoscope.errors import CohortError
from pneumoscope.scoring import Predictor
from pneumoscope.training.recipe import Recipe, Validation
from pneumoscope.workflow import train_bundle

RECIPE = Recipe.model_validate(
    {
        "name": "small",
        "batch_size": 8,
        "precision": "float32",
        "input": {"size": 75},
        "phases": [{"epochs": 3, "unfreeze": "none", "learning_rate": 1e-2, "cached_views": 1}],
    }
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Dark and bright films with a patient each; the last two validation films are of training patients."""
    folder = tmp_path_factory.mktemp("films")
    draw = np.random.default_rng(0)
    rows = []
    for split, count in (("train", 12), ("val", 10)):
        for index in range(count):
            label = index % 2
            film = draw.integers(40, 80, (90, 90)) + 150 * label
            name = f"{split}{index}.png"
            Image.fromarray(film.astype(np.uint8)).save(folder / name)
            leaked = split == "val" and index >= 8
            patient = f"train{index % 2}" if leaked else f"{split}{index}"
            rows.append({"path": name, "label": label, "split": split, "patient_id": patient})
    pd.DataFrame(rows).to_csv(folder / "cases.csv", index=False)
    return load_cohort(folder)


def test_a_run_ends_in_a_bundle_that_predicts(tmp_path: Path, cohort: Cohort) -> None:
    bundle = train_bundle(RECIPE, cohort, None, tmp_path / "run")
    assert bundle.path == tmp_path / "run" / "bundle"
    spec = bundle.spec
    assert spec.recipe == RECIPE.model_dump(mode="json")
    assert [(part["split"], part["films"], part["pneumonia"]) for part in spec.data] == [
        ("train", 12, 6),
        ("val", 10, 5),
    ]
    assert "8 of 10 validation films" in spec.calibration.fitted_on, "films of training patients calibrate nothing"
    assert spec.operating_point().name == "balanced"
    assert spec.conformal is not None
    assert (spec.conformal.normal, spec.conformal.pneumonia) == (4, 4), "films count once, however many views"
    assert [limits.error_rate for limits in spec.conformal.limits] == [0.2]
    scored = list(Predictor(bundle).predict([cohort.read(row) for row in range(len(cohort))]))
    assert all(0 <= one.prediction.probability <= 1 for one in scored if one.prediction.probability is not None)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["data"] == [dict(part) for part in spec.data]

    again = train_bundle(RECIPE, cohort, None, tmp_path / "run")
    assert again.sha256 == bundle.sha256, "a finished run is not trained again"


def test_data_hashes_follow_the_films(tmp_path: Path, cohort: Cohort) -> None:
    small = RECIPE.model_copy(update={"phases": (RECIPE.phases[0].model_copy(update={"epochs": 1}),)})
    whole = train_bundle(small, cohort, None, tmp_path / "whole").spec
    fewer = Cohort(cohort.cases.drop(index=0).reset_index(drop=True), cohort.name)
    reduced = train_bundle(small, fewer, None, tmp_path / "reduced").spec
    assert whole.data[0]["sha256"] != reduced.data[0]["sha256"]
    assert whole.data[1]["sha256"] == reduced.data[1]["sha256"]


def test_what_cannot_be_trained_or_calibrated_on_is_refused(tmp_path: Path, cohort: Cohort) -> None:
    only_train = Cohort(cohort.cases[cohort.cases["split"] == "train"].reset_index(drop=True), "films")
    with pytest.raises(CohortError, match="no cases in split 'val'"):
        train_bundle(RECIPE, only_train, None, tmp_path / "a")
    one_class = Cohort(cohort.cases[cohort.cases["label"] == 1].reset_index(drop=True), "films")
    with pytest.raises(CohortError, match="cases of normal are needed"):
        train_bundle(RECIPE, one_class, None, tmp_path / "b")
    leaked = Cohort(cohort.cases.assign(patient_id="same"), "films")
    with pytest.raises(CohortError, match="nothing honest can be calibrated on"):
        train_bundle(RECIPE, leaked, None, tmp_path / "c")
    assert not list(tmp_path.iterdir()), "nothing is written before the data are known to serve"


def test_folds_of_train_and_val_keep_patients_apart(tmp_path: Path, cohort: Cohort) -> None:
    recipe = RECIPE.model_copy(update={"validation": Validation(folds=3), "name": "folds"})
    bundle = train_bundle(recipe, cohort, None, tmp_path / "run")
    training, validation = bundle.spec.data
    assert (training["split"], validation["split"]) == ("2 of 3 folds", "1 of 3 folds")
    assert training["films"] + validation["films"] == len(cohort)
    films = validation["films"]
    assert f"{films} of {films} validation films" in bundle.spec.calibration.fitted_on, "no patient is in both"
