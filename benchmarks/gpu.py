"""Scoring and training on a GPU, each as a share of the rate of matrix products measured on it in the same run.

Films are noise. Scoring is the whole runtime in bfloat16, from bytes in main memory to logit, heat map and embedding
there. Training is an epoch of `recipes/child.toml`, everything but the stem, with augmentation on the GPU, averaged
weights and validation, as `train` does it; the first epoch warms up. Arithmetic is counted by PyTorch for the forward
pass, and three times that for training, which is a little too much as the stem takes no gradient.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._measure import Times, timed
from benchmarks._training import STUDY, noise, train_phase
from pneumoscope.bundle import BundleSpec, InputSpec, save_bundle
from pneumoscope.network import PneumoniaNet
from pneumoscope.scoring import TorchRuntime
from pneumoscope.training.recipe import load_recipe

SIDES = (160, 299)
SCORED, BATCH, REPEATS = 4096, 256, 3
TRAINED, TRAINING_BATCHES, EPOCHS = 2048, (32, 256), 4
PRODUCT = 8192
"""Rows and columns of the matrices that say what the GPU can do."""


def run() -> dict[str, float | str]:
    """Films per second, and shares of the matrix rate.

    Raises:
        RuntimeError: there is no GPU.
    """
    if not torch.cuda.is_available():
        raise RuntimeError("this benchmark needs a GPU that PyTorch can use")
    rate = _matrix_rate()
    results: dict[str, float | str] = {"GPU": torch.cuda.get_device_name(), "matrix products, TFLOP/s": rate / 1e12}
    for side in SIDES:
        work = _forward_work(side)
        times = _scoring(side)
        what = f"scoring at {side} pixels"
        results |= times.rate(SCORED, what) | {f"{what}, share of the matrix rate": SCORED / times.median * work / rate}
        for batch in TRAINING_BATCHES:
            times = _training(side, batch)
            what = f"training at {side} pixels, batch {batch}"
            share = 3 * TRAINED / times.median * work / rate
            results |= times.rate(TRAINED, what) | {f"{what}, share of the matrix rate": share}
    return results


def _matrix_rate() -> float:
    """FLOP/s of a product of two random matrices in bfloat16."""
    left, right = torch.randn(2, PRODUCT, PRODUCT, device="cuda", dtype=torch.bfloat16)

    def product() -> None:
        left @ right
        torch.cuda.synchronize()

    return 2 * PRODUCT**3 / timed(product, 10).median


def _forward_work(side: int) -> int:
    """FLOP that the forward pass of one film takes."""
    network = PneumoniaNet().eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, side, side))
    return int(counter.get_total_flops())


def _scoring(side: int) -> Times:
    films = np.random.default_rng(0).integers(0, 256, (SCORED, 1, side, side), dtype=np.uint8)
    spec = BundleSpec(
        name="noise",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        software="benchmark",
        input=InputSpec(size=side, fit="crop"),
    )
    with tempfile.TemporaryDirectory() as folder:
        runtime = TorchRuntime(save_bundle(spec, PneumoniaNet().state_dict(), Path(folder) / "noise"), precision="bf16")

        def score() -> None:
            for start in range(0, SCORED, BATCH):
                runtime.run(films[start : start + BATCH])

        return timed(score, REPEATS)


def _training(side: int, batch: int) -> Times:
    recipe = load_recipe(STUDY.with_name("child.toml")).model_copy(update={"batch_size": batch})
    phase = recipe.phases[0].model_copy(update={"epochs": EPOCHS})
    trained = train_phase(recipe, phase, PneumoniaNet(), noise(TRAINED, side), noise(64, side))
    return Times(tuple(float(row["seconds"]) for row in trained.epochs[1:]))
