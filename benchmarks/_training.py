"""One phase of a recipe, trained in a folder that goes away, and films to train it on."""

from __future__ import annotations

import csv
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pneumoscope.network import PneumoniaNet
from pneumoscope.training.recipe import Phase, Recipe
from pneumoscope.training.run import Films, TrainingRun

STUDY = Path(__file__).parents[1] / "recipes" / "study.toml"


class Trained(NamedTuple):
    """What a phase took and reached.

    Attributes:
        seconds: the whole, with caches and checkpoints.
        epochs: rows of ``curve.csv``.
    """

    seconds: float
    epochs: tuple[dict[str, str], ...]


def train_phase(recipe: Recipe, phase: Phase, network: PneumoniaNet, training: Films, validation: Films) -> Trained:
    """All epochs of a phase, also where the recipe would stop early."""
    plan = recipe.model_copy(update={"phases": (phase.model_copy(update={"early_stopping": 0}),)})
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run = TrainingRun(Path(folder) / "run", plan, {})
        run.train(network, training, validation)
        seconds = time.perf_counter() - started
        with (run.folder / "curve.csv").open(newline="") as file:
            return Trained(seconds, tuple(csv.DictReader(file)))


def noise(count: int, side: int) -> Films:
    """Films of noise, half of them with pneumonia: what they show makes no difference to the time."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side), dtype=np.uint8)
    return Films(pixels, np.arange(count) % 2)
