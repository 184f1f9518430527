from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from pneumoscope.bundle import load_bundle

from .conftest import Command, refused

RECIPE = """
name = "small"
batch_size = 8
precision = "float32"
[input]
size = 75
[[phases]]
epochs = 1
unfreeze = "none"
learning_rate = 0.01
cached_views = 1
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(RECIPE)
    return file


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Class folders of dark and bright films; val2 holds pneumonia alone."""
    draw = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for label, name in enumerate(("NORMAL", "PNEUMONIA")):
            folder = tmp_path / "films" / split / name
            folder.mkdir(parents=True)
            for number in range(6):
                film = draw.integers(40, 80, (90, 90)) + 100 * label
                Image.fromarray(film.astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "films"


def test_from_recipe_and_films_to_bundle_and_report(
    recipe: Path, films: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    arguments = ("train", recipe, "--data", films, "--weights", "none", "--out", out, "--seed", "5")
    ended = command(*arguments)
    assert ended.status == 0, ended.err
    assert f"Bundle: {out / 'bundle'}" in ended.out
    assert "12 films: 6 normal, 6 pneumonia" in ended.out
    assert load_bundle(out / "bundle").spec.recipe["seed"] == 5
    for part in ("run.json", "curve.csv", "curve.svg", "report/report.html", "report/metrics.json"):
        assert (out / part).is_file(), part
    curve = (out / "curve.csv").read_text()
    again = command(*arguments)
    assert again.status == 0
    assert (out / "curve.csv").read_text() == curve, "what is finished is not trained again"
    monkeypatch.setenv("NODE_RANK", "1")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    assert command(*arguments, "--nodes", "2").status == 0, "another machine finds nothing left to join"

    onward = tmp_path / "onward"
    assert command("train", recipe, "--data", films, "--weights", out / "bundle", "--out", onward).status == 0
    first, second = (json.loads((run / "bundle/bundle.json").read_text()) for run in (out, onward))
    assert second["initial_weights"]["sha256"] == first["weights_sha256"], "a bundle starts another training"


def test_bad_input_gets_one_line_and_leaves_nothing(
    recipe: Path, films: Path, tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "run"
    rest = ("--data", films, "--weights", "none", "--out", out)
    for change, message in (
        (("epochs = 1", "epochs = 0"), "epochs"),
        (("batch_size = 8", 'batch_size = "eight"'), "batch_size"),
        (("batch_size = 8", "batch_seize = 8"), "batch_seize"),
        (('unfreeze = "none"', 'unfreeze = "mixed99"'), "mixed99"),
        (("[input]", "[input"), "small.toml"),
    ):
        recipe.write_text(RECIPE.replace(*change))
        refused(command("train", recipe, *rest), message)
    recipe.write_text(RECIPE)
    refused(command("train", tmp_path / "none.toml", *rest), "none.toml")

    refused(command("train", recipe, *rest, "--devices", "4096"), "this machine has")
    refused(command("train", recipe, *rest, "--nodes", "2"), "NODE_RANK")

    wrong = tmp_path / "wrong.safetensors"
    save_file({"Conv2d_1a_3x3.conv.weight": np.zeros((2, 2), np.float32)}, wrong)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"none")
    for weights in (wrong, broken, tmp_path / "missing.safetensors"):
        refused(command("train", recipe, "--data", films, "--weights", weights, "--out", out), weights.name)

    refused(command("train", recipe, "--data", tmp_path / "no", "--weights", "none", "--out", out), "no such file")
    for film in (films / "test/NORMAL").iterdir():
        film.unlink()
    refused(command("train", recipe, *rest), "cases of normal are needed too")
    for film in (films / "test").glob("*/*"):
        film.unlink()
    refused(command("train", recipe, *rest), "no cases in split 'test'")
    assert not out.exists()

    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    refused(command("train", recipe, *rest, "--report-on", "none"), "run")
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_an_interrupted_run_says_how_to_go_on(
    recipe: Path, films: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pneumoscope.workflow.train_bundle", interrupted)
    ended = command("train", recipe, "--data", films, "--weights", "none", "--out", tmp_path / "run")
    assert ended.status == 130
    assert "Give the same command again" in ended.err
