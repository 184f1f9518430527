"""A training run by several processes, which share its folder and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file

from pneumoscope.errors import OutputError
from pneumoscope.network import PneumoniaNet
from pneumoscope.output import whole_folder
from pneumoscope.training.processes import Processes, launch
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.run import INDEX, WEIGHTS, Films, TrainingRun

SHARED = "shared"
"""Folder inside the run folder with the films and starting weights, while processes train on them."""


def train_together(
    run: TrainingRun, network: PneumoniaNet, training: Films, validation: Films, processes: Processes
) -> PneumoniaNet:
    """:meth:`TrainingRun.train` by several processes, on the first machine.

    Films and starting weights lie in the run folder meanwhile and are mapped, so that they are read once and not held
    once for each process, and so that other machines need nothing but the folder.

    Raises:
        OutputError: the films cannot be written, or another machine does not see the folder.
        TrainingError: a process ended, the disk is full, or the loss became infinite. What was reached is kept.
    """
    shared = run.folder / SHARED
    try:
        with whole_folder(shared) as fresh:
            save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, fresh / WEIGHTS)
            for split, films in (("training", training), ("validation", validation)):
                (fresh / split).mkdir()
                for name, array in vars(films).items():
                    if array is not None:
                        np.save(fresh / split / f"{name}.npy", array)
        launch(processes, _take_part, run.folder)
    finally:
        shutil.rmtree(shared, ignore_errors=True)
    return run.train(network, training, validation)  # all is done: it takes up the weights


def join_training(folder: Path, processes: Processes) -> None:
    """Take part, from another machine than the first, in the run that the first starts in this folder.

    Raises:
        OutputError: the folder is not the first machine's.
        TrainingError: a process ended. What was reached is kept.
    """
    launch(processes, _take_part, folder)


def _take_part(folder: Path) -> None:
    """What each process does, as soon as all have met: by then the first machine has prepared the folder."""
    shared = folder / SHARED
    if not shared.exists():
        raise OutputError(f"{folder}: the first machine's run is not in it; --out must be a folder that all share")
    recipe = Recipe.model_validate(json.loads((folder / INDEX).read_text(encoding="utf-8"))["recipe"])
    network = PneumoniaNet(attention=recipe.network.attention, dropout=recipe.network.dropout)
    network.load_state_dict(load_file(shared / WEIGHTS))
    training, validation = (
        Films(**{file.stem: np.load(file, mmap_mode="c") for file in (shared / split).glob("*.npy")})
        for split in ("training", "validation")
    )
    TrainingRun(folder, recipe, {}).train(network, training, validation)
