"""Phase 1 of the study on cached activations beside the same phase without a cache."""

from __future__ import annotations

import resource
import sys

from benchmarks._training import STUDY, noise, train_phase
from pneumoscope.network import PneumoniaNet
from pneumoscope.training.recipe import load_recipe

FILMS = 96


def run() -> dict[str, float]:
    """Seconds of ten epochs over 96 films each way, and the ratio. The cache's own making is counted."""
    recipe = load_recipe(STUDY)
    phase = recipe.phases[0]
    films = noise(FILMS, recipe.input.size)
    cached, uncached = (
        train_phase(recipe, phase.model_copy(update={"cached_views": views}), PneumoniaNet(), films, films).seconds
        for views in (phase.cached_views, 0)
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {
        "cached, s": cached,
        "not cached, s": uncached,
        "times faster": uncached / cached,
        "most memory of this process, MB": peak,
    }
