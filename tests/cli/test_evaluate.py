from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.bundle import Bundle, copy_bundle, load_bundle
from pneumoscope.evaluation import Evaluation

from .conftest import Command, refused

FIGURES = {"roc", "precision-recall", "calibration", "scores", "confusion", "decision-curve"}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders in the Kaggle layout: a split of both classes, and one of pneumonia alone."""
    folder = tmp_path_factory.mktemp("films")
    draw = np.random.default_rng(0)
    for place, stem, count in (
        ("test/NORMAL", "IM-000{}-0001", 4),
        ("test/PNEUMONIA", "person{}_virus_1", 4),
        ("train/PNEUMONIA", "person9{}_virus_1", 2),
    ):
        (folder / place).mkdir(parents=True)
        for index in range(count):
            film = draw.normal(110, 30, (110, 120)).clip(0, 255).astype(np.uint8)
            Image.fromarray(film).save(folder / place / f"{stem.format(index)}.png")
    return folder


def test_table(films: Path, tiny_bundle: Bundle, command: Command) -> None:
    said = command("evaluate", tiny_bundle.path, "--data", films, "--bootstrap", "100")
    assert said.status == 0
    assert "PPV at 50.0%" in said.out
    for part in ("tiny", "8 films: 4 normal, 4 pneumonia (50.0%)", "Sensitivity", "ROC AUC, DeLong", "made up"):
        assert part in said.out
    assert "Research use only" in said.out
    assert said.err == ""


def test_json_report_and_comparison(
    films: Path,
    tiny_bundle: Bundle,
    tmp_path: Path,
    command: Command,
) -> None:
    out = tmp_path / "judged"
    options = ("--data", films, "--against", tiny_bundle.path, "--operating-point", "never", "--out", out, "--json")
    options += ("--by", "aetiology")
    found = Evaluation.model_validate_json(command("evaluate", tiny_bundle.path, *options, "--bootstrap", "100").out)
    assert (found.operating_point, found.chosen.confusion) == ("never", ((4, 0), (4, 0)))
    assert found.bootstrap == 100
    assert found.resampled_by == "patient", "Kermany's file names tell the patients"
    assert found.comparison is not None
    assert (found.comparison.a, found.comparison.b, found.comparison.p_delong) == ("tiny (1)", "tiny (2)", None)
    written = {"report.html", "metrics.json", "predictions.csv", "figures", "checklists.md"}
    assert {path.name for path in out.iterdir()} == written
    assert json.loads((out / "metrics.json").read_text()) == found.model_dump(mode="json")
    report = (out / "report.html").read_text()
    assert "tiny (2)" in report
    assert "By aetiology" in report
    (by_aetiology,) = found.subgroups
    assert [(group.value, group.films) for group in by_aetiology.groups] == [("normal", 4), ("virus", 4)]
    assert {path.stem for path in (out / "figures").glob("*.svg")} == FIGURES | {"subgroups"}


def test_figures_go_into_the_bundle(films: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command) -> None:
    made = copy_bundle(tiny_bundle, tmp_path / "made")
    said = command("evaluate", made.path, "--data", films, "--record", "--bootstrap", "100")
    assert said.status == 0, said.err
    (figures,) = load_bundle(made.path).spec.metrics.values()
    assert (figures["films"], figures["operating_point"]) == (8, "half")


def test_worse_films_and_heat_maps(films: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "judged"
    options = ("--data", films, "--robustness", "--severities", "2", "--explanations", "--films", "4", "--out", out)
    said = command("evaluate", tiny_bundle.path, *options, "--bootstrap", "100")
    assert said.status == 0, said.err
    for part in (
        "On worse films (4)",
        "Speckle noise, mean",
        "Window moved -0.3",
        "Heat maps (4 of 4 films)",
        "Too few",
    ):
        assert part in said.out, part
    found = Evaluation.model_validate_json((out / "metrics.json").read_text())
    assert found.robustness is not None
    assert (found.robustness.severities, found.robustness.films, found.robustness.of) == ((2,), 4, 8)
    assert found.explanations is not None
    assert (found.explanations.films, found.explanations.gains) == (4, ())
    assert (out / "figures" / "robustness.svg").exists()


def test_a_film_that_cannot_be_read_is_reported(
    films: Path,
    tiny_bundle: Bundle,
    tmp_path: Path,
    command: Command,
) -> None:
    lines = [f"{film},{int('PNEU' in str(film))}" for film in sorted((films / "test").glob("*/*.png"))]
    (tmp_path / "broken.png").write_bytes(b"no film")
    table = tmp_path / "films.csv"
    table.write_text("\n".join(["image,label", *lines, "broken.png,1"]))
    options = ("--data", table, "--columns", "path=image", "--split", "all", "--bootstrap", "100")
    status, said, _ = command("evaluate", tiny_bundle.path, *options)
    assert status == 1
    assert "8 films: 4 normal, 4 pneumonia" in said
    assert "1 film without a score, in no figure:" in said
    assert "broken.png" in said


def test_bad_input_gets_one_line(
    films: Path,
    tiny_bundle: Bundle,
    tmp_path: Path,
    command: Command,
) -> None:
    bundle = tiny_bundle.path
    (tmp_path / "mine.txt").write_text("mine")
    for arguments, message in (
        ((bundle, "--data", tmp_path / "nowhere"), "nowhere: there is no such file or folder"),
        ((bundle, "--data", films, "--split", "val"), "no cases in split 'val'; the splits are train (2), test (8)"),
        ((bundle, "--data", films, "--split", "train"), "cases of normal are needed too"),
        ((bundle, "--data", films, "--out", tmp_path), "not empty"),
        ((bundle, "--data", films, "--out", tmp_path, "--overwrite"), "holds more than an evaluation (mine.txt)"),
        (("no-such-model", "--data", films), "no-such-model: no bundle of that name"),
        ((bundle, "--data", films, "--against", "no-such-model"), "no-such-model: no bundle of that name"),
        ((bundle, "--data", films, "--operating-point", "lax"), "no operating point 'lax'; it has half, never"),
        ((bundle, "--data", films, "--prevalence", "0"), "--prevalence 0: should be a share between 0 and 1"),
        ((bundle, "--data", films, "--error-rate", "0.1"), "tiny has no conformal limits"),
        ((bundle, "--data", films, "--by", "ward"), "no column 'ward' to divide films by"),
        ((bundle, "--data", films, "--severities", "1"), "--severities belongs to --robustness"),
        ((bundle, "--data", films, "--films", "9"), "--films and --quick belong to --robustness and --explanations"),
        ((bundle, "--data", films, "--robustness", "--severities", "0,6"), "name some of 1, 2, 3, 4, 5"),
        ((bundle, "--data", films, "--columns", "path"), "'path' should be COLUMN=HEADING"),
        ((bundle, "--data", films, "--patients", tmp_path / "cases.csv"), "cases.csv"),
    ):
        refused(command("evaluate", *arguments), message)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"], "nothing is left behind"
