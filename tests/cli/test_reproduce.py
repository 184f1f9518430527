from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from .conftest import Command, refused


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """64 films of as many patients, named as Kermany's are: normal-…, normal2-… and person-…"""
    folder = tmp_path / "films"
    folder.mkdir()
    draw = np.random.default_rng(0)
    rows = []
    for number in range(64):
        label = number % 2
        film = draw.integers(40, 80, (80, 80)) + 120 * label
        Image.fromarray(film.astype(np.uint8)).save(folder / f"{number}.png")
        patient = f"person-{number}" if label else f"{('normal', 'normal2')[number // 2 % 2]}-{number}"
        split = "train" if number < 48 else "val"
        rows.append({"path": f"{number}.png", "label": label, "split": split, "patient_id": patient})
    pd.DataFrame(rows).to_csv(folder / "cases.csv", index=False)
    return folder


def test_the_quick_table_of_ablations(films: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "out"
    arguments = ("reproduce", "table", "ablations", "--data", films, "--weights", "none", "--quick", "--out", out)
    ended = command(*arguments)
    assert ended.status == 0, ended.err
    for words in ("unseen patients", "the same films, shifted", "^normal2-", "mirror", "test split is not touched"):
        assert words in ended.out, words
    assert {path.suffix for path in out.glob("ablations*")} == {".csv", ".json", ".md", ".png"}
    again = command(*arguments, "--json")
    assert again.status == 0
    assert [line["name"] for line in json.loads(again.out)["lines"]] == ["base", "head", "mirror"]


def test_wrong_use_gets_one_line(films: Path, tmp_path: Path, command: Command) -> None:
    rest = ("--data", films, "--weights", "none", "--out", tmp_path / "out")
    refused(command("reproduce", "table", "ablation", *rest), "no table 'ablation'")
    refused(command("reproduce", "table", tmp_path / "my.toml", *rest), "my.toml: no such recipe")
    refused(command("reproduce", "table", "ablations", "--only", "haed", *rest), "haed")
    assert not (tmp_path / "out").exists()
