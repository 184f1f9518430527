from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumoscope.bundle import Bundle, copy_bundle, load_bundle, write_spec
from pneumoscope.scoring import Scores

from .conftest import Command, refused


class Pooling:
    """Stands for the network: its embedding is the film at 64 × 32 pixels."""

    name = "pooling"

    def __init__(self, bundle: Bundle) -> None:
        pass

    def run(self, batch: np.ndarray) -> Scores:
        small = [np.asarray(Image.fromarray(film).resize((64, 32))).ravel() / 255 for film in batch[:, 0]]
        count = len(batch)
        return Scores(np.zeros(count, np.float32), np.ones((count, 2, 2), np.float32), np.array(small, np.float32))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films that grow bright downwards, with ribs and a bright spot; ten of ``val`` show patients of ``train``."""
    folder = tmp_path_factory.mktemp("films")
    draw = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    rows = []
    for split, count in (("train", 210), ("val", 120)):
        for index in range(count):
            heart = np.exp(-(((x - 14 - draw.normal()) / 8) ** 2) - ((y - 20 - draw.normal()) / 10) ** 2)
            plain = 40 + draw.uniform(1.5, 2) * y + 12 * (-1) ** (y // 4)
            values = plain + draw.uniform(80, 100) * heart + draw.normal(0, 6, y.shape)
            Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / f"{split}{index}.png")
            patient = f"train{index}" if split == "train" or index >= 110 else f"val{index}"
            rows.append({"path": f"{split}{index}.png", "label": None, "split": split, "patient_id": patient})
    pd.DataFrame(rows).to_csv(folder / "cases.csv", index=False)
    return folder


def test_fit_then_count(
    films: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pneumoscope.scoring.OpenVinoRuntime", Pooling)
    monkeypatch.setattr("pneumoscope.scoring.predictor.OpenVinoRuntime", Pooling)
    monkeypatch.setattr("pneumoscope.evaluation.refusals.real_kinds", lambda: iter(()))
    fitted = command("suitability", "fit", tiny_bundle.path, "--data", films, "--out", tmp_path / "fitted")
    assert fitted.status == 0, fitted.err
    rule = load_bundle(tmp_path / "fitted").spec.suitability
    assert "210 of 210 training films" in rule.fitted_on
    assert "110 of 120 validation films" in rule.chosen_on, "films of training patients choose nothing"
    assert "of which 0 are refused" in rule.chosen_on
    assert tiny_bundle.spec.suitability.threshold is None

    asked = ("suitability", "table", tmp_path / "fitted", "--data", films, "--drawn", 2, "--changed", 3)
    counted = command(*asked, "--json", "--out", tmp_path / "table.json")
    assert counted.status == 0, counted.err
    assert json.loads(counted.out) == json.loads((tmp_path / "table.json").read_text())
    rows = {row["kind"]: row for row in json.loads(counted.out)["rows"]}
    assert rows["frontal chest films"]["n"] == 120
    assert rows["frontal chest films"]["refused"]["value"] < 0.1
    assert rows["turned by 180°"]["refused"]["value"] == rows["inverted"]["refused"]["value"] == 1
    assert rows["noise"]["refused"]["value"] == 1
    assert "turned by 180°" in command(*asked).out
    refused(command(*asked, "--out", tmp_path / "table.json"), "exists already")


def test_too_few_films_change_nothing(films: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command) -> None:
    table = pd.read_csv(films / "cases.csv").query("split == 'train'")
    table.assign(path=[str(films / path) for path in table["path"]]).to_csv(tmp_path / "only.csv", index=False)
    ended = command("suitability", "fit", tiny_bundle.path, "--data", tmp_path / "only.csv")
    refused(ended, "there are no cases in split 'val'")
    assert not (tiny_bundle.path / "suitability.safetensors").exists()


def test_films_are_divided_as_in_training(
    films: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pneumoscope.scoring.OpenVinoRuntime", Pooling)
    table = pd.read_csv(films / "cases.csv")
    table = table.assign(path=[str(films / path) for path in table["path"]], label=np.arange(len(table)) % 2)
    table.assign(left=np.arange(len(table)) < 15).to_csv(tmp_path / "cases.csv", index=False)
    asked = ("suitability", "fit", tiny_bundle.path, "--data", tmp_path / "cases.csv", "--as-trained")
    refused(command(*asked, "--out", tmp_path / "unsaid"), "does not say how it was trained")
    recipe = {
        "name": "divided",
        "validation": {"folds": 3},
        "leave_out": [{"left": "True"}],
        "phases": [{"unfreeze": "none", "learning_rate": 1e-4}],
    }
    trained = copy_bundle(tiny_bundle, tmp_path / "trained")
    write_spec(trained.spec.model_copy(update={"recipe": recipe}), trained.path)
    ended = command(*asked[:2], trained.path, *asked[3:])
    assert ended.status == 0, ended.err
    rule = load_bundle(trained.path).spec.suitability
    # 315 films are not left out; whole patients, of whom some have two films, are divided.
    assert re.search(r"2(0\d|1[0-4]) of 2(0\d|1[0-4]) training films", rule.fitted_on)
    assert re.search(r"1(0\d|10) of 1(0\d|10) validation films, whose patients", rule.chosen_on)
