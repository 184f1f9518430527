from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pneumoscope.cohorts import load_cohort
from pneumoscope.errors import OutputError, TrainingError
from pneumoscope.experiments import Results, load_table, reproduce_table, write_results
from pneumoscope.training.run import TrainingRun


def run(table_file: Path, films: Path, out: Path, finished: Any = lambda results: None) -> Results:
    return reproduce_table(load_table(table_file), table_file, load_cohort(films), None, out, finished=finished)


def test_rows_are_trained_once_judged_and_written(
    table_file: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    original = TrainingRun.train
    trained: list[str] = []

    patience = 3

    def counted(self: TrainingRun, *films: Any) -> Any:
        if len(trained) == patience:
            raise KeyboardInterrupt
        trained.append(self.folder.name.rpartition("-")[0])
        return original(self, *films)

    monkeypatch.setattr(TrainingRun, "train", counted)
    with pytest.raises(KeyboardInterrupt):
        run(table_file, films, out)
    patience = 99
    so_far: list[int] = []
    results = run(table_file, films, out, lambda results: so_far.append(len(results.lines)))
    assert len(trained) == 4, "cells that were finished before the interruption are kept"
    assert trained == ["base-patients", "base-batch", "focal-patients", "focal-batch"]
    assert so_far == [1, 2, 3]
    assert not list(out.rglob("*.safetensors")), "weights go once the films are scored"

    assert list(results.judges) == ["patients", "shifted", "batch"]
    base, focal, mirror = results.lines
    assert focal.changes == {"loss.kind": "focal"}
    assert mirror.changes["mean of"] == ["base"]
    assert mirror.training_seconds is None
    assert base.verdicts["patients"].differences == {}
    found = focal.verdicts["batch"]
    ours, theirs = found.figures["roc_auc"].value, base.verdicts["batch"].figures["roc_auc"].value
    assert ours is not None
    assert theirs is not None
    assert found.differences["roc_auc"].value == pytest.approx(ours - theirs)
    assert any("train (80) and val (16); the test split is not touched" in words for words in results.statements)
    with np.load(next((out / "cells").glob("base-patients-*/scores-2-*.npz"))) as arrays:
        assert arrays["judged"].shape == (2, 20)

    write_results(results, out, "small")
    with (out / "small.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 3 * 5
    assert Results.model_validate(json.loads((out / "small.json").read_text())) == results
    page = (out / "small.md").read_text()
    assert "loss.kind = focal" in page
    widths = {line.count("|") for line in page.splitlines() if line.startswith("| base | ")}
    assert widths == {14, 5}
    for metric in ("roc-auc", "accuracy"):
        assert (out / f"small-{metric}.png").read_bytes().startswith(b"\x89PNG")

    table_file.write_text(table_file.read_text().replace('kind = "focal"', "label_smoothing = 0.1"))

    def diverged(self: TrainingRun, *films: Any) -> Any:
        raise TrainingError("the weights became infinite")

    monkeypatch.setattr(TrainingRun, "train", diverged)
    broken = run(table_file, films, out)
    assert [line.failed for line in broken.lines] == [None, "the weights became infinite", None]
    write_results(broken, tmp_path / "out", "small")
    assert "- focal failed: the weights became infinite" in (out / "small.md").read_text()
    monkeypatch.setattr(TrainingRun, "train", counted)
    assert run(table_file, films, out).lines[1].changes == {"loss.label_smoothing": 0.1}
    assert len(trained) == 6, "only the row that changed is trained anew"


def test_contrary_films_judge_beside_the_others(table_file: Path, films: Path, tmp_path: Path) -> None:
    settings = 'bootstrap = 200\ncontrary = 0.2\nlooks = ["layout", "spectrum"]'
    table_file.write_text(table_file.read_text().replace("bootstrap = 200", settings))
    table = load_table(table_file).only(["base"])
    results = reproduce_table(table, table_file, load_cohort(films), None, tmp_path / "out", finished=lambda _: None)
    contrary = [f"{fold}-contrary-{look}" for fold in ("patients", "batch") for look in ("layout", "spectrum")]
    assert list(results.judges) == ["patients", "shifted", "batch", *contrary]
    for judge in contrary:
        assert results.lines[0].verdicts[judge].figures["roc_auc"].value is not None
    told = re.findall(r"tells the held-out films of (\w+) with a ROC AUC of 0\.\d{3}", " ".join(results.statements))
    assert told == ["patients", "batch"] * 2


def test_a_folder_of_something_else_is_refused(table_file: Path, films: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "one.txt").write_text("mine")
    with pytest.raises(OutputError, match="thesis"):
        run(table_file, films, tmp_path / "thesis")
