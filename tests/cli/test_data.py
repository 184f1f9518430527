from __future__ import annotations

import json
from pathlib import Path

import pytest

from pneumoscope.cohorts import DATA_SETS

from .conftest import Command, refused


@pytest.fixture
def manifest(tmp_path: Path, film: Path) -> Path:
    (tmp_path / "copy.png").write_bytes(film.read_bytes())
    (tmp_path / "lost.png").write_bytes(b"lost")
    table = tmp_path / "cases.csv"
    table.write_text("image,y,split,fold\nfilm.png,1,train,a\ncopy.png,0,test,b\nlost.png,0,test,\n")
    return table


def test_list(command: Command) -> None:
    shown = command("data", "list")
    sets = json.loads(command("data", "list", "--json").out)
    assert {row["name"] for row in sets} == set(DATA_SETS)
    for row in sets:
        assert row["name"] in shown.out
        assert row["licence"]


def test_audit_as_text_and_json(manifest: Path, command: Command) -> None:
    options = ("--data", manifest, "--columns", "path=image,label=y")
    shown = command("data", "audit", *options)
    assert shown.status == 1, "a film cannot be read"
    for part in ("identical films with contradictory labels: 1", "cannot be read: 1", "film.png", "copy.png"):
        assert part in shown.out
    found = json.loads(command("data", "audit", *options, "--json").out)
    assert found["contradictory"] == [[str(manifest.parent / name) for name in ("film.png", "copy.png")]]
    assert list(found["unreadable"]) == [str(manifest.parent / "lost.png")]
    by_fold = command("data", "audit", *options, "--split-column", "fold")
    assert by_fold.status == 0
    assert "Left out: 1 films without a value in fold" in by_fold.out


def test_bad_input_gets_one_line(manifest: Path, tmp_path: Path, command: Command) -> None:
    refused(command("data", "audit", "--data", tmp_path / "none"), "no such file or folder")
    refused(command("data", "audit", "--data", manifest, "--columns", "image"), "should be COLUMN=HEADING")
    refused(command("data", "audit", "--data", manifest, "--columns", "path=film"), "has no column 'film'")
    refused(command("data", "fetch", "mimic"), "there is no data set 'mimic'")
    refused(command("data", "fetch", "--size", "12"), "28, 64, 128, 224 pixels, not in 12")


def test_fetch_prints_the_file_that_is_there(data_dir: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "pneumoniamnist.npz").write_bytes((data_dir / "pneumoniamnist.npz").read_bytes())
    ended = command("data", "fetch", "--out", tmp_path)
    assert ended.out.strip() == str(tmp_path / "pneumoniamnist.npz")
