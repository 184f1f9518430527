from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from pneumoscope.bundle import Bundle
from pneumoscope.scoring import Prediction

from .conftest import Command, refused


def test_table_json_csv_and_pictures_agree(film: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "films"
    for place in ("a", "b"):
        (folder / place).mkdir(parents=True)
        (folder / place / "film.png").write_bytes(film.read_bytes())
    (folder / "broken.png").write_bytes(film.read_bytes()[:500])
    (folder / "notes.txt").write_text("not a film")
    options = ("--bundle", tiny_bundle.path, "--csv", tmp_path / "p.csv", "--heatmaps", tmp_path / "maps")
    ended = command("predict", folder, *options, "--json")
    assert ended.status == 1, "a film could not be read"
    predictions = [Prediction.model_validate(row) for row in json.loads(ended.out)]
    assert [Path(prediction.file).relative_to(folder).as_posix() for prediction in predictions] == [
        "broken.png",
        "a/film.png",
        "b/film.png",
    ]
    broken, *scored = predictions
    assert scored[0].probability == scored[1].probability
    assert [reason.code for reason in broken.reasons] == ["truncated"]
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["decision"] for row in rows] == [prediction.decision for prediction in predictions]
    assert float(rows[1]["probability"]) == scored[0].probability
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"film.png", "film~2.png"}
    for prediction in scored:
        assert prediction.saliency is not None
        with Image.open(str(prediction.saliency.heat_map)) as picture:
            picture.verify()

    table = command("predict", folder, "--bundle", tiny_bundle.path)
    assert table.status == 1
    for part in ("a/film.png", "unreadable", "cut off", "3 films:", "operating point “half”", "Research use only"):
        assert part in table.out
    assert "Passed over 1 file" in table.err


def test_bad_input_gets_one_line_and_writes_nothing(
    film: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command
) -> None:
    bundle = ("--bundle", tiny_bundle.path)
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    for arguments, message in (
        ((tmp_path / "nowhere.png", *bundle), "nowhere.png"),
        ((tmp_path / "empty", *bundle), "empty"),
        ((film, "--bundle", tmp_path / "no-bundle"), "no-bundle"),
        ((film, *bundle, "--operating-point", "lax"), "it has half, never"),
        ((film, *bundle, "--csv", film), "exists already"),
        ((film, *bundle, "--heatmaps", tmp_path), "not empty"),
    ):
        refused(command("predict", *arguments), message)
    assert sorted(tmp_path.iterdir()) == before


def test_explain_draws_one_picture(film: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "explained.png"
    ended = command("explain", film, "--bundle", tiny_bundle.path, "--out", out)
    assert ended.status == 0
    assert "Research use only" in ended.out
    with Image.open(out) as picture:
        assert picture.width > picture.height > 400
    refused(command("explain", film, "--bundle", tiny_bundle.path, "--out", out), "exists already")
    refused(command("explain", tmp_path, "--bundle", tiny_bundle.path), "a folder; name one film")


def test_explain_refuses_what_predict_refuses(tmp_path: Path, tiny_bundle: Bundle, command: Command) -> None:
    blank = tmp_path / "blank.png"
    Image.new("L", (100, 100), 90).save(blank)
    ended = command("explain", blank, "--bundle", tiny_bundle.path, "--out", tmp_path / "x.png")
    assert ended.status == 1
    assert ended.out == ""
    assert "nothing to explain" in ended.err
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("verb", ["predict", "explain"])
def test_the_shipped_model_is_the_default(verb: str, data_dir: Path, tmp_path: Path, command: Command) -> None:
    film = data_dir / "dicom/rsna_02099738-7465-4786-b71c-de8cdac477c3.dcm"
    ended = command(verb, film, *(("--out", tmp_path / "x.png") if verb == "explain" else ("--json",)))
    assert ended.status == 0
    if verb == "predict":
        (row,) = json.loads(ended.out)
        assert row["model"]["name"] == "cross-domain"
        assert row["probability"] > 0.9, "radiologists saw lung opacity on this film"
        assert row["decision"] == "pneumonia"
        assert [reason["code"] for reason in row["reasons"]] == ["at-or-above-threshold"]
        (row,) = json.loads(command(verb, film, "--bundle", "child", "--json").out)
        assert row["decision"] != "pneumonia", "of an adult, on whom a model of children decides nothing"
