"""What phase 1 loses in validation AUC by its cache: two fixed views of each film beside augmenting it every epoch.

The second is what Keras's `model.fit` does. But for the cache's float16 nothing else differs, as the frozen stages
answer a film always alike. PneumoniaMNIST enlarged to 128 pixels, all validation films, ten epochs, and 640 training
films drawn anew for each of two seeds; the epoch of the best validation loss counts, as the recipe keeps that one.
"""

from __future__ import annotations

import os
from statistics import mean

import numpy as np
import torch

from benchmarks._training import STUDY, train_phase
from pneumoscope.cohorts import Cohort, data_folder, load_cohort
from pneumoscope.network import PneumoniaNet, load_initial_weights, load_trunk
from pneumoscope.training.recipe import load_recipe
from pneumoscope.training.run import Films

FILMS, SIDE, SEEDS = 640, 128, 2


def run() -> dict[str, float]:
    """AUCs, means over the seeds, and their differences.

    Needs PneumoniaMNIST and starting weights: those that ``PNEUMOSCOPE_WEIGHTS`` names, else
    ``weights/inception_v3_imagenet_notop.safetensors`` in the folder that ``PNEUMOSCOPE_DATA`` names.
    """
    named = os.environ.get("PNEUMOSCOPE_WEIGHTS")
    source = named or str(data_folder() / "weights" / "inception_v3_imagenet_notop.safetensors")
    weights = load_initial_weights(source).tensors
    recipe = load_recipe(STUDY)
    cohort = load_cohort("pneumoniamnist")
    candidates, validation = cohort.select("train"), _films(cohort.select("val"))
    reached: dict[int, list[float]] = {recipe.phases[0].cached_views: [], 0: []}
    for seed in range(SEEDS):
        chosen = np.random.default_rng(seed).choice(len(candidates), FILMS, replace=False)
        training = _films(candidates.take(chosen))
        for views, aucs in reached.items():
            torch.manual_seed(seed)
            network = PneumoniaNet()
            load_trunk(network.trunk, weights, origin=source)
            phase = recipe.phases[0].model_copy(update={"cached_views": views})
            # Chosen here, as two measurements might find different formats fastest.
            plan = recipe.model_copy(update={"seed": seed, "precision": "bfloat16"})
            curve = train_phase(plan, phase, network, training, validation).epochs
            aucs.append(float(min(curve, key=lambda row: float(row["val_loss"]))["val_auc"]))
    cached, anew = reached.values()
    losses = [other - one for one, other in zip(cached, anew, strict=True)]
    return {
        "AUC, cached views": mean(cached),
        "AUC, augmented every epoch": mean(anew),
        "AUC lost by the cache, mean": mean(losses),
        "AUC lost by the cache, most": max(losses),
    }


def _films(cohort: Cohort) -> Films:
    return Films(cohort.pixels(SIDE, "crop"), cohort.labels)
