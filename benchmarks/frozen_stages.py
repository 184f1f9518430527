"""The frozen trunk by OpenVINO, as the cache is computed, and by PyTorch; phase 1 with a cache and without.

Both engines run in bfloat16 on batches of 32 films. Phase 1 is the study's ten epochs over 96 films each way, with
making the cache.
"""

from __future__ import annotations

import resource
import sys

import torch

from benchmarks._measure import Times, timed
from benchmarks._training import STUDY, noise, train_phase
from pneumoscope.network import PneumoniaNet
from pneumoscope.training.cache import BATCH
from pneumoscope.training.frozen import FrozenStages
from pneumoscope.training.recipe import load_recipe

FILMS = 96
REPEATS = 5


def run() -> dict[str, float | str]:
    """Films per second, seconds, and ratios."""
    recipe = load_recipe(STUDY)
    openvino, pytorch = _engines(recipe.input.size)
    phase = recipe.phases[0]
    films = noise(FILMS, recipe.input.size)
    cached, uncached = (
        train_phase(recipe, phase.model_copy(update={"cached_views": views}), PneumoniaNet(), films, films).seconds
        for views in (phase.cached_views, 0)
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {
        **openvino.rate(BATCH, "openvino bf16"),
        **pytorch.rate(BATCH, "torch bf16"),
        "openvino, times faster than torch": pytorch.median / openvino.median,
        "cached, s": cached,
        "not cached, s": uncached,
        "with the cache, times faster": uncached / cached,
        "most memory of this process, MB": peak,
    }


def _engines(side: int) -> tuple[Times, Times]:
    """A batch through the whole frozen trunk: by OpenVINO, and by PyTorch."""
    network = PneumoniaNet().channels_last().eval()
    network.unfreeze_from("none")
    films = torch.from_numpy(noise(BATCH, side).pixels)[:, None].float() / 255
    stages = FrozenStages(network, side, torch.device("cpu"), torch.bfloat16)

    def pytorch() -> object:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            return network.encode(films.contiguous(memory_format=torch.channels_last), network.entry).half().numpy()

    return timed(lambda: stages(films), REPEATS), timed(pytorch, REPEATS)
