"""Phase 1 of the study on cached activations beside the same phase without a cache."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pneumoscope.network import PneumoniaNet
from pneumoscope.training.recipe import Recipe, load_recipe
from pneumoscope.training.run import Films, TrainingRun

RECIPE = Path(__file__).parents[1] / "recipes" / "study.toml"
FILMS, EPOCHS = 96, 10


def run() -> dict[str, float]:
    """Seconds of ten epochs over 96 films each way, and the ratio. The cache's own making is counted."""
    draw = np.random.default_rng(0)
    plan = load_recipe(RECIPE)
    side = plan.input.size
    films = Films(draw.integers(0, 256, (FILMS, side, side), dtype=np.uint8), np.arange(FILMS) % 2)
    views = plan.phases[0].cached_views
    cached, uncached = (_seconds(_first_phase(plan, cached_views=count), films) for count in (views, 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {
        "cached, s": cached,
        "not cached, s": uncached,
        "times faster": uncached / cached,
        "most memory of this process, MB": peak,
    }


def _first_phase(plan: Recipe, cached_views: int) -> Recipe:
    phase = plan.phases[0].model_copy(update={"cached_views": cached_views, "epochs": EPOCHS, "early_stopping": 0})
    return plan.model_copy(update={"phases": (phase,)})


def _seconds(plan: Recipe, films: Films) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        TrainingRun(Path(folder) / "run", plan, {}).train(PneumoniaNet(), films, films)
        return time.perf_counter() - started
