from __future__ import annotations

import csv
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributed

from pneumoscope.errors import MachineError, OutputError, RecipeError, TrainingError
from pneumoscope.network import PneumoniaNet
from pneumoscope.training.processes import Processes, find_processes, launch
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.run import Films, TrainingRun
from pneumoscope.training.together import join_training, train_together

SIDE = 75


def recipe(**changes: Any) -> Recipe:
    """Without dropout and augmentation, whose draws depend on how many processes there are."""
    settings: dict[str, Any] = {
        "name": "small",
        "batch_size": 8,
        "precision": "float32",
        "input": {"size": SIDE},
        "network": {"batch_norm": "frozen", "dropout": 0.0},
        "balance": {"class_weights": True},
        "phases": [
            {"epochs": 1, "unfreeze": "mixed10", "learning_rate": 1e-3, "cached_views": 1},
            {"epochs": 2, "unfreeze": "none", "learning_rate": 1e-2, "plateau_patience": 0},
        ],
    }
    return Recipe.model_validate(settings | changes)


@pytest.fixture(scope="module")
def films() -> Films:
    """Seventeen squares of noise: batches of eight leave a last one of a single film."""
    draw = np.random.default_rng(0)
    labels = np.array([0, 1, 1] * 5 + [1, 0], dtype=np.int64)
    pixels = draw.integers(0, 100, (17, SIDE, SIDE)) + 60 * labels[:, None, None]
    return Films(pixels.astype(np.uint8), labels)


def fresh_network() -> PneumoniaNet:
    torch.manual_seed(7)
    network = PneumoniaNet(dropout=0.0)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    return network


def on_this_machine(devices: int) -> Processes:
    return replace(find_processes(1, 1, recipe()), devices=devices)  # whether or not it has so many cores


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_two_processes_give_what_one_gives(tmp_path: Path, films: Films) -> None:
    plan = recipe(ema=0.5)
    alone = TrainingRun(tmp_path / "alone", plan, {}).train(fresh_network(), films, films)
    run = TrainingRun(tmp_path / "together", plan, {"data": "made"})
    both = train_together(run, fresh_network(), films, films, on_this_machine(2))
    start, expected = fresh_network().state_dict(), alone.state_dict()
    assert max(float((expected[name] - start[name]).abs().max()) for name in expected) > 1e-2, "it has learnt"
    # Adam magnifies the rounding of small gradients, so this is a fiftieth of what the weights moved.
    torch.testing.assert_close(both.state_dict(), expected, rtol=0, atol=2e-4)
    one, two = rows(tmp_path / "alone"), rows(tmp_path / "together")
    assert len(one) == len(two) == 3, "one process writes the curve"
    for column in ("train_loss", "val_loss", "val_auc", "learning_rate"):
        assert [float(row[column]) for row in two] == pytest.approx([float(row[column]) for row in one], abs=1e-3)
    left = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()}
    weights = {f"phase-{number}/weights.safetensors" for number in (1, 2)}
    assert left == {"run.json", "curve.csv", "curve.svg", *weights}


def test_machines_meet_at_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(on_this_machine(1).port))
    machines = []
    for number in ("0", "1"):
        monkeypatch.setenv("NODE_RANK", number)
        machines.append(find_processes(1, 2, recipe()))
    with ThreadPoolExecutor() as both:
        assert list(both.map(lambda machine: launch(machine, distributed.barrier), machines)) == [None, None]


def test_an_error_of_a_process_is_the_runs(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="a folder that all share"):
        join_training(tmp_path / "elsewhere", on_this_machine(1))
    with pytest.raises(TrainingError, match="exit code 3"):
        launch(on_this_machine(1), os._exit, 3)


def test_what_is_not_there_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_processes(2, 1, recipe()).count == 2
    with pytest.raises(MachineError, match="this machine has 2 GPUs"):
        find_processes(3, 1, recipe())
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    with pytest.raises(MachineError, match="this machine has 4 processor cores"):
        find_processes(5, 1, recipe())
    with pytest.raises(MachineError, match="NODE_RANK is not set"):
        find_processes(1, 2, recipe())
    monkeypatch.setenv("NODE_RANK", "2")
    with pytest.raises(MachineError, match="a number from 0 to 1"):
        find_processes(1, 2, recipe())
    monkeypatch.setenv("NODE_RANK", "1")
    with pytest.raises(MachineError, match="MASTER_ADDR is not set"):
        find_processes(1, 2, recipe())


def test_statistics_of_shares_are_refused() -> None:
    learning = recipe(network={"batch_norm": "train"})
    assert find_processes(1, 1, learning).count == 1
    with pytest.raises(RecipeError, match="batch_norm is 'train'"):
        find_processes(2, 1, learning)
