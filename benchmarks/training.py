"""Training beside the study's own stack, Keras on TensorFlow in float32, by the study's recipe at 299 pixels.

Films are noise in memory, half of either class; for every eight there is one that validates, on both sides. Keras
trains with `model.fit` and is spared augmentation and checkpoints. Its epochs are all alike, so it is timed on two
of 128 films after one that warms up, and its films per second stand for any number. Ours of phase 1 is the time of
the whole phase of ten epochs, with making the cache and with checkpoints. An epoch of phase 2 is the time that
`curve.csv` gives; the share of the cache is a tenth of all the time outside epochs, as the study has ten epochs.
"""

from __future__ import annotations

import torch

from benchmarks._keras_peer import ask_keras
from benchmarks._measure import Times
from benchmarks._training import STUDY, Trained, noise, train_phase
from pneumoscope.network import PneumoniaNet
from pneumoscope.training.hardware import resolve_precision
from pneumoscope.training.recipe import Phase, Recipe, load_recipe

HEAD_FILMS, CACHED_FILMS, FILMS = 512, 256, 128
"""Of phase 1, of phase 2 from mixed8, and of phase 2 with everything unfrozen and of Keras."""
TRAINING_PER_VALIDATION = 8
STUDY_EPOCHS, EPOCHS = 10, 3
"""Of a phase of the study, and timed of phase 2."""


def run() -> dict[str, float | str]:
    """Training films per second of each, and ratios."""
    recipe = load_recipe(STUDY)
    # Chosen once: on a busy machine each run might find another format fastest.
    chosen = str(resolve_precision(recipe.precision, torch.device("cpu"))).removeprefix("torch.")
    recipe = recipe.model_copy(update={"precision": chosen})
    head, blocks = recipe.phases
    everything = blocks.model_copy(update={"unfreeze": "all", "cached_views": 0})

    whole = _ours(recipe, head, HEAD_FILMS, STUDY_EPOCHS)
    results: dict[str, float | str] = {"ours, number format": chosen}
    ours = {"ours with its cache": HEAD_FILMS * STUDY_EPOCHS / whole.seconds}
    results |= _beside("phase 1, ten epochs", ours, _keras(recipe, head))

    cached = _ours(recipe, blocks, CACHED_FILMS, EPOCHS)
    epoch = _epochs(cached)
    outside = cached.seconds - sum(epoch.seconds)
    ours = {
        "ours without making the cache": CACHED_FILMS / epoch.median,
        "ours with its share of the cache": CACHED_FILMS / (epoch.median + outside / STUDY_EPOCHS),
    }
    results |= _beside("phase 2 from mixed8", ours, _keras(recipe, blocks))

    ours = {"ours": FILMS / _epochs(_ours(recipe, everything, FILMS, EPOCHS)).median}
    return results | _beside("phase 2, everything unfrozen", ours, _keras(recipe, everything))


def _ours(recipe: Recipe, phase: Phase, count: int, epochs: int) -> Trained:
    side = recipe.input.size
    films = noise(count, side), noise(count // TRAINING_PER_VALIDATION, side)
    return train_phase(recipe, phase.model_copy(update={"epochs": epochs}), PneumoniaNet(), *films)


def _epochs(trained: Trained) -> Times:
    return Times(tuple(float(row["seconds"]) for row in trained.epochs))


def _keras(recipe: Recipe, phase: Phase) -> float:
    """Training films per second of an epoch."""
    seconds = ask_keras(
        "fit",
        {
            "training": FILMS,
            "validation": FILMS // TRAINING_PER_VALIDATION,
            "batch": recipe.batch_size,
            "epochs": EPOCHS,
            "learning_rate": phase.learning_rate,
            "unfreeze": phase.unfreeze,
        },
    )
    return FILMS / Times(tuple(seconds[1:])).median


def _beside(what: str, ours: dict[str, float], keras: float) -> dict[str, float | str]:
    rates = {f"{what}: {name}, films/s": rate for name, rate in {**ours, "keras": keras}.items()}
    return rates | {f"{what}: {name}, times faster than keras": rate / keras for name, rate in ours.items()}
