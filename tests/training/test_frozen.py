"""Frozen stages as they are run for the cache, against the network itself."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from pneumoscope.network import PneumoniaNet
from pneumoscope.training.frozen import FrozenStages

CPU = torch.device("cpu")
FILMS = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (5, 1, 96, 96), dtype=np.uint8)).float() / 255


@cache
def network(attention: bool) -> PneumoniaNet:
    torch.manual_seed(0)
    made = PneumoniaNet(attention=attention).train()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        made(torch.rand(8, 1, 96, 96))  # statistics of their own give activations of usual size
    return made.channels_last().eval()  # as training lays it out


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize("stage", [*(f"mixed{number}" for number in range(11)), "none"])
def test_they_answer_what_enters_the_first_trained_stage(attention: bool, stage: str) -> None:
    whole = network(attention)
    whole.unfreeze_from(stage, batch_norm=False)
    whole.eval()
    with torch.inference_mode():
        expected = whole.encode(FILMS, whole.entry).numpy()
        with torch.autocast("cpu", torch.bfloat16):
            rounded = whole.encode(FILMS, whole.entry).float().numpy()
    exact = FrozenStages(whole, 96, CPU, torch.float32)(FILMS)
    assert exact.dtype == np.float16
    assert exact.shape == expected.shape
    assert distance(exact, expected) < 1e-3
    # Random weights amplify rounding; so PyTorch's own bfloat16 is the yardstick.
    assert distance(FrozenStages(whole, 96, CPU, torch.bfloat16)(FILMS), expected) < 1.2 * distance(rounded, expected)
