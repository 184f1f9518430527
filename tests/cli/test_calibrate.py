from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumoscope.bundle import Bundle, load_bundle
from pneumoscope.evaluation import Recalibration

from .conftest import Command, refused

FILMS = 60


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site's films with labels, two of each patient."""
    folder = tmp_path_factory.mktemp("site")
    draw = np.random.default_rng(0)
    rows = []
    for index in range(FILMS):
        Image.fromarray(draw.integers(40, 220, (60, 60)).astype(np.uint8)).save(folder / f"{index}.png")
        rows.append((f"{index}.png", index // 2 % 2, f"p{index // 2}", "train" if index < 40 else "val"))
    pd.DataFrame(rows, columns=["path", "label", "patient_id", "split"]).to_csv(folder / "cases.csv", index=False)
    return folder


def scores(films: Path, bundle: Bundle, place: Path, sha256: str | None = None) -> Path:
    """What ``predict --csv`` would have written, with logits that follow the labels."""
    draw = np.random.default_rng(1)
    cases = pd.read_csv(films / "cases.csv")
    logits = draw.normal(0, 1, len(cases)) + 2 * cases["label"] - 1
    table = pd.DataFrame({"file": [str(films / name) for name in cases["path"]], "logit": logits})
    table = table.assign(decision="normal", failed=False, reasons="", model_sha256=sha256 or bundle.spec.weights_sha256)
    table.to_csv(place, index=False)
    return place


def test_a_site_gets_a_bundle_of_its_own(films: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "Our Site"
    options = ("--data", films, "--scores", scores(films, tiny_bundle, tmp_path / "s.csv"), "--bootstrap", "100")
    use = ("--prevalence", "0.05", "--cost-miss", "50", "--cost-follow-up", "1", "--operating-point", "least-cost")
    said = command("calibrate", tiny_bundle.path, *options, *use, "--out", out)
    assert said.status == 0, said
    for part in (
        "tiny",
        "slope and intercept from 60 films (30 pneumonia)",
        "Judged by cross-fitting over 5 patient-grouped folds",
        "of 30 patients",
        "Improvement",
        "PPV at 5.0%",
        "Cost",
        "least-cost",
        "Referral at an error rate of 5%",
        "too few for sensitivity-99",
        f"Bundle: {out}",
        "Research use only",
    ):
        assert part in said.out, part
    fitted = load_bundle(out)
    assert fitted.sha256 == tiny_bundle.sha256, "the weights are the same"
    assert fitted.spec.name == "our-site"
    assert fitted.spec.operating_point().name == "least-cost"
    assert fitted.spec.calibration != tiny_bundle.spec.calibration
    assert {path.name for path in out.iterdir()} == {"model.safetensors", "bundle.json", "CARD.md"}
    assert "Referral" in command("models", "show", out).out
    table = command("predict", films / "0.png", films / "2.png", "--bundle", out)
    assert table.status == 0
    rate = command("predict", films / "0.png", "--bundle", out, "--error-rate", "0.2", "--json")
    assert json.loads(rate.out)[0]["conformal"]["error_rate"] == 0.2
    refused(command("predict", films / "0.png", "--bundle", out, "--error-rate", "0.3"), "there are: 0.05, 0.1, 0.2")
    refused(command("predict", films / "0.png", "--bundle", tiny_bundle.path, "--error-rate", "0.1"), "no conformal")


def test_half_of_the_patients_or_another_split_may_judge(
    films: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command
) -> None:
    table = scores(films, tiny_bundle, tmp_path / "s.csv")
    options = ("--data", films, "--scores", table, "--bootstrap", "100", "--json")
    half = command("calibrate", tiny_bundle.path, *options, "--split", "train,val", "--check-on", "half")
    found = Recalibration.model_validate_json(half.out)
    assert (found.films, found.judged_films, found.judged_patients) == (30, 30, 15)
    assert "split train and val; one half of the patients" in found.calibration.fitted_on
    other = command("calibrate", tiny_bundle.path, *options, "--split", "train", "--check-on", "val")
    found = Recalibration.model_validate_json(other.out)
    assert (found.films, found.judged_films) == (40, 20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.csv"], "nothing is written without --out"


def test_films_are_scored_where_no_scores_are_given(films: Path, tiny_bundle: Bundle, command: Command) -> None:
    said = command("calibrate", tiny_bundle.path, "--data", films, "--bootstrap", "100", "--json")
    found = Recalibration.model_validate_json(said.out)
    assert (found.films, found.model_sha256) == (FILMS, tiny_bundle.sha256)


def test_bad_input_gets_one_line_and_writes_nothing(
    films: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command
) -> None:
    cases = pd.read_csv(films / "cases.csv")
    cases["path"] = [str(films / name) for name in cases["path"]]
    good, other = (
        scores(films, tiny_bundle, tmp_path / "s.csv"),
        scores(films, tiny_bundle, tmp_path / "o.csv", "cd" * 32),
    )
    lacking = tmp_path / "lacking.csv"
    pd.read_csv(good).head(50).to_csv(lacking, index=False)
    tables = {
        "five": cases.iloc[[0, 1, 2, 3, 4]],
        "one-class": cases[cases["label"] == 1],
        "contradictory": cases.assign(label=cases["label"].where(cases.index != 59, 0)),
    }
    Image.open(films / "58.png").save(tmp_path / "copy.png")
    twice = tables["contradictory"]
    twice.loc[59, "path"] = str(tmp_path / "copy.png")
    twice.loc[59, "patient_id"] = twice.loc[58, "patient_id"]
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    before = sorted(tmp_path.iterdir())
    bundle, out = tiny_bundle.path, ("--out", tmp_path / "out")
    for arguments, message in (
        (("--data", tmp_path / "five.csv", "--scores", good), "five, split all: 5 films with a score, 3 normal and 2"),
        (("--data", tmp_path / "one-class.csv", "--scores", good), "cases of normal are needed too"),
        (("--data", tmp_path / "contradictory.csv", "--scores", good), "contradictory labels: "),
        (("--data", films, "--scores", other), "o.csv: holds scores of another model (weights cdcdcdcdcdcd)"),
        (("--data", films, "--scores", lacking), "has no scores of 10 of 60 labelled films"),
        (("--data", films, "--scores", films / "cases.csv"), "has no column decision, failed, file, logit"),
        (("--data", films, "--scores", good, "--prevalence", "5"), "--prevalence 5: should be a share"),
        (("--data", films, "--scores", good, "--error-rate", "1"), "--error-rate 1: should be a share"),
        (("--data", films, "--scores", good, "--cost-miss", "5"), "give both"),
        (("--data", films, "--scores", good, "--operating-point", "lax"), "no operating point 'lax' is fitted"),
        (("--data", films, "--scores", good, "--check-on", "val"), "films that judge must not fit"),
        (("--data", films, "--scores", good, "--split", "train", "--check-on", "test"), "no cases in split 'test'"),
        (("--data", films, "--scores", good, "--split", "val", "--check-on", "half"), "the half that fits"),
    ):
        refused(command("calibrate", bundle, *arguments, *out, "--bootstrap", "100"), message)
    refused(command("calibrate", bundle, "--data", films, "--out", films), "not empty")
    assert sorted(tmp_path.iterdir()) == before, "nothing is written"
