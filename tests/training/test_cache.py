from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pneumoscope.errors import TrainingError
from pneumoscope.network import PneumoniaNet
from pneumoscope.training import cache
from pneumoscope.training.cache import Activations, cache_activations
from pneumoscope.training.frozen import FrozenStages

FILMS = np.random.default_rng(0).integers(0, 256, (1, 11, 75, 75), dtype=np.uint8)


@pytest.fixture(scope="module")
def network() -> PneumoniaNet:
    torch.manual_seed(0)
    made = PneumoniaNet().train()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        made(torch.rand(8, 1, 75, 75))  # random weights with statistics of their own give activations of usual size
    made.unfreeze_from("mixed8", batch_norm=False)
    return made


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "BATCH", 4)


def noisy(batch: torch.Tensor) -> torch.Tensor:
    return (batch + 0.3 * torch.rand_like(batch)).clamp(0, 1)


def fill(network: PneumoniaNet, path: Path, progress: Callable[[int], Any] = lambda done: None) -> Activations:
    stages = FrozenStages(network, 75, torch.device("cpu"), torch.float32)
    return cache_activations(stages, FILMS, path, views=2, augment=noisy, seed=3, progress=progress)


def test_views_are_the_film_and_its_changes(tmp_path: Path, network: PneumoniaNet) -> None:
    done: list[int] = []
    found = fill(network, tmp_path / "films.npy", done.append)
    assert sum(done) == 22
    with torch.inference_mode():
        expected = network.encode(torch.from_numpy(FILMS[0])[:, None].float() / 255, "mixed8").numpy()
    assert found.shape == (2, *expected.shape)
    np.testing.assert_allclose(found[0, np.arange(11)], expected, rtol=2e-3, atol=1e-3)
    assert (abs(found[1, np.arange(11)] - expected).reshape(11, -1).max(1) > 0.1).all()
    whole = np.load(tmp_path / "films.npy")
    rows = np.array([3, 0, 10]), np.array([1, 1, 0])
    np.testing.assert_array_equal(found[rows[1], rows[0]], whole[rows[1], rows[0]])
    fill(network, tmp_path / "films.npy", lambda count: pytest.fail("computed twice"))


@pytest.mark.parametrize("kill_after", [0, 1, 4])
def test_a_killed_call_is_taken_up_with_the_same_result(tmp_path: Path, network: PneumoniaNet, kill_after: int) -> None:
    fill(network, tmp_path / "whole.npy")
    left = kill_after

    def killed(_: int) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1

    with pytest.raises(KeyboardInterrupt):
        fill(network, tmp_path / "cut.npy", killed)
    part = tmp_path / "cut.part"
    with part.open("ab") as file:
        file.write(b"half a film")
    assert not (tmp_path / "cut.npy").exists()
    fill(network, tmp_path / "cut.npy")
    assert (tmp_path / "cut.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert not part.exists()


def test_a_full_disk_is_one_clear_error(tmp_path: Path, network: PneumoniaNet, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.os, "fsync", no_room)
    with pytest.raises(TrainingError, match="No space left on device"):
        fill(network, tmp_path / "films.npy")
    monkeypatch.undo()
    assert not (tmp_path / "films.npy").exists()
    monkeypatch.setattr(cache, "BATCH", 4)
    assert fill(network, tmp_path / "films.npy").shape[:2] == (2, 11)
