from __future__ import annotations

import csv
import errno
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from pneumoscope.errors import OutputError, TrainingError
from pneumoscope.network import PneumoniaNet
from pneumoscope.training import run as run_module
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.run import Films, TrainingRun

SIDE = 75


def recipe(**changes: Any) -> Recipe:
    settings: dict[str, Any] = {
        "name": "small",
        "batch_size": 8,
        "precision": "float32",
        "input": {"size": SIDE},
        "augmentation": {"flip": 0.5, "noise": 0.05},
        "phases": [{"epochs": 2, "unfreeze": "none", "learning_rate": 1e-2, "cached_views": 2}],
    }
    return Recipe.model_validate(settings | changes)


@pytest.fixture(scope="module")
def films() -> Films:
    """Twelve bright and six dark squares of noise: a task that a random trunk's head can learn."""
    draw = np.random.default_rng(0)
    labels = np.array([0, 1, 1] * 6, dtype=np.int64)
    pixels = draw.integers(0, 100, (18, SIDE, SIDE)) + 150 * labels[:, None, None]
    return Films(pixels.astype(np.uint8), labels)


def fresh_network() -> PneumoniaNet:
    """Random weights through which films stay distinguishable."""
    torch.manual_seed(7)
    network = PneumoniaNet()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    return network


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(newline="") as file:
        return list(csv.DictReader(file))


class _Kill(Callback):
    """Stops the process's training in the middle of an epoch, as a signal would."""

    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == self.epoch and batch_idx == 1:
            raise RuntimeError("killed")


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Any:
    original = TrainingRun._trainer

    def install(epoch: int, phase: int) -> None:
        def trainer(self: TrainingRun, number: int, *rest: Any) -> Trainer:
            made = original(self, number, *rest)
            if number == phase:
                made.callbacks.insert(0, _Kill(epoch))
            return made

        monkeypatch.setattr(TrainingRun, "_trainer", trainer)

    yield install
    monkeypatch.undo()


def test_head_learns_from_cached_views_and_the_trunk_stays(tmp_path: Path, films: Films) -> None:
    network = fresh_network()
    before = {name: value.clone() for name, value in network.trunk.state_dict().items()}
    run = TrainingRun(tmp_path / "run", recipe(), {"data": "made"})
    run.train(network, films, films)
    for name, value in network.trunk.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert float(rows(tmp_path / "run")[-1]["val_loss"]) < float(rows(tmp_path / "run")[0]["val_loss"])
    assert (tmp_path / "run" / "curve.svg").stat().st_size > 1000
    assert not list((tmp_path / "run").rglob("*.npy")), "the cache is removed when the phase is done"


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, films: Films, kill: Any, ema: float) -> None:
    phases = [
        {"epochs": 1, "unfreeze": "none", "learning_rate": 1e-2, "cached_views": 2},
        {"epochs": 3, "unfreeze": "mixed10", "learning_rate": 1e-3, "schedule": "cosine", "keep": "last"},
    ]
    plan = recipe(phases=phases, ema=ema, network={"batch_norm": "frozen"})
    run = TrainingRun(tmp_path / "whole", plan, {})
    expected = run.logits(run.train(fresh_network(), films, films), films)

    kill(epoch=2, phase=2)
    with pytest.raises(RuntimeError, match="killed"):
        TrainingRun(tmp_path / "cut", plan, {}).train(fresh_network(), films, films)
    assert len(rows(tmp_path / "cut")) == 3, "the epochs before the kill are kept"
    kill(epoch=99, phase=2)
    resumed = TrainingRun(tmp_path / "cut", plan, {})
    logits = resumed.logits(resumed.train(PneumoniaNet(), films, films), films)
    # Not bit for bit: Adam magnifies the rounding of gradients that are almost zero.
    np.testing.assert_allclose(logits, expected, atol=1e-3 * np.ptp(expected))
    for column in ("phase", "epoch", "val_loss", "learning_rate"):
        assert [row[column] for row in rows(tmp_path / "cut")] == [row[column] for row in rows(tmp_path / "whole")]


def test_an_interrupt_is_an_interrupt(tmp_path: Path, films: Films, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = signal.getsignal(signal.SIGINT)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_Kill, "on_train_batch_start", interrupted)
    original = TrainingRun._trainer

    def trainer(self: TrainingRun, *arguments: Any) -> Trainer:
        made = original(self, *arguments)
        made.callbacks.insert(0, _Kill(0))
        return made

    monkeypatch.setattr(TrainingRun, "_trainer", trainer)
    with pytest.raises(KeyboardInterrupt):
        TrainingRun(tmp_path / "run", recipe(), {}).train(fresh_network(), films, films)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_finished_run_is_not_trained_again(tmp_path: Path, films: Films) -> None:
    first, second = fresh_network(), PneumoniaNet()
    TrainingRun(tmp_path / "run", recipe(), {}).train(first, films, films)
    TrainingRun(tmp_path / "run", recipe(), {}).train(second, films, films)
    torch.testing.assert_close(second.head.hidden.weight, first.head.hidden.weight)
    assert len(rows(tmp_path / "run")) == 2


def test_best_keeps_the_epoch_with_the_lowest_validation_loss(tmp_path: Path, films: Films) -> None:
    phases = [{"epochs": 4, "unfreeze": "none", "learning_rate": 0.5, "cached_views": 1, "early_stopping": 0}]
    run = TrainingRun(tmp_path / "run", recipe(phases=phases), {})
    network = run.train(fresh_network(), films, films)
    logits = torch.from_numpy(run.logits(network, films)[0])
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(films.labels).double())
    best = min(float(row["val_loss"]) for row in rows(tmp_path / "run"))
    assert float(loss) == pytest.approx(best, abs=2e-2)  # cached features are float16


def test_folder_of_another_run_or_of_something_else_is_refused(tmp_path: Path, films: Films) -> None:
    TrainingRun(tmp_path / "run", recipe(), {"data": "a"})
    with pytest.raises(OutputError, match="another data"):
        TrainingRun(tmp_path / "run", recipe(), {"data": "b"})
    with pytest.raises(OutputError, match="another recipe"):
        TrainingRun(tmp_path / "run", recipe(seed=3), {"data": "a"})
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    with pytest.raises(OutputError, match="no training run"):
        TrainingRun(tmp_path / "letters", recipe(), {})
    assert json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]["name"] == "small"


def test_full_disk_is_one_clear_error_and_the_checkpoint_stays(
    tmp_path: Path, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TrainingRun(tmp_path / "run", recipe(), {})

    def no_room(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_module, "save_file", no_room)
    with pytest.raises(TrainingError, match="No space left"):
        run.train(fresh_network(), films, films)
    state = torch.load(tmp_path / "run" / "phase-1" / "last.ckpt", weights_only=True)
    assert state["epoch"] == 1
    monkeypatch.undo()
    TrainingRun(tmp_path / "run", recipe(), {}).train(fresh_network(), films, films)
    assert len(rows(tmp_path / "run")) == 2


def test_dropout_passes_answer_the_mean_probability(tmp_path: Path, films: Films) -> None:
    network = fresh_network().eval()
    run = TrainingRun(tmp_path / "run", recipe(), {})
    found = 1 / (1 + np.exp(-run.logits(network, films, dropout=1024)[0]))
    with torch.inference_mode():
        embedding = network.encode(torch.from_numpy(films.pixels)[:, None].float() / 255, "head").double().numpy()
    hidden, logit = network.head.hidden, network.head.logit
    (first, shift), (second, offset) = (
        (layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()) for layer in (hidden, logit)
    )
    draw = np.random.default_rng(0)
    passes = []
    for _ in range(1024):
        kept = embedding * draw.integers(0, 2, embedding.shape) * 2  # the recipe drops a half
        passes.append(1 / (1 + np.exp(-(np.maximum(kept @ first.T + shift, 0) @ second.T + offset)[:, 0])))
    error = np.std(passes, axis=0) / np.sqrt(1024)
    assert error.max() > 0
    assert (abs(found - np.mean(passes, axis=0)) < 6 * error).all()
    assert np.array_equal(run.logits(network, films, dropout=4), run.logits(network, films, dropout=4)), "repeatable"
