"""A training step with everything unfrozen: as it is, beside `torch.compile`; batches of 32, convolutions in bfloat16.

The step is the study's: focal loss and Adam. Compiling is started with no cache of an earlier one, and needs a C++
compiler on a CPU. It pays after so many steps as it takes to save the time of compiling.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks._measure import timed
from benchmarks._training import STUDY
from pneumoscope.network import PneumoniaNet
from pneumoscope.training.loss import binary_loss
from pneumoscope.training.recipe import load_recipe

SIDES = (128, 299)
REPEATS = 5


def run() -> dict[str, float | str]:
    """Seconds of a step and of compiling, and steps, at each side in pixels."""
    compiler = os.environ.get("CXX", "g++")
    if not shutil.which(compiler):
        return {"not measured": f"no C++ compiler: {compiler} is not installed"}
    results: dict[str, float | str] = {}
    for side in SIDES:
        plain = timed(_step(side), REPEATS).median
        with tempfile.TemporaryDirectory() as folder:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
            step = _step(side, lambda network: torch.compile(network, dynamic=False))
            started = time.perf_counter()
            step()
            first = time.perf_counter() - started
            compiled = timed(step, REPEATS).median
        saved, compiling = plain - compiled, first - compiled
        results |= {
            f"{side} pixels, step as it is, s": plain,
            f"{side} pixels, step compiled, s": compiled,
            f"{side} pixels, times faster": plain / compiled,
            f"{side} pixels, compiling, s": compiling,
            f"{side} pixels, pays after steps": compiling / saved if saved > 0 else "never",
        }
    return results


def _step(side: int, prepare: Callable[[PneumoniaNet], Any] = lambda network: network) -> Callable[[], None]:
    """One step of a new network, as :class:`pneumoscope.training.module.PhaseModule` takes it."""
    recipe = load_recipe(STUDY)
    torch.manual_seed(0)
    network = PneumoniaNet().channels_last().train()
    run = prepare(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, weight_decay=0.0, fused=True)
    films = torch.rand(recipe.batch_size, 1, side, side).contiguous(memory_format=torch.channels_last)
    labels = (torch.arange(recipe.batch_size) % 2).float()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = binary_loss(run(films).float(), labels, recipe.loss).mean()
        loss.backward()
        optimizer.step()

    return step
