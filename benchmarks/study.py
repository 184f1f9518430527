"""The study in a process of its own: ``pneumoscope train recipes/study.toml`` on PneumoniaMNIST, one epoch a phase.

The whole takes over an hour. Every part but the epochs is done once however many there are, so the whole follows.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from pathlib import Path

from benchmarks._measure import process

RECIPE = Path(__file__).parents[1] / "recipes" / "study.toml"
EPOCHS = 10
"""Of each phase of the study, unless it stops early."""


def run() -> dict[str, float]:
    """Minutes and most memory. The test split stays closed.

    ``PNEUMOSCOPE_WEIGHTS`` may name a file with the starting weights; otherwise the hub is asked.
    """
    weights = os.environ.get("PNEUMOSCOPE_WEIGHTS")
    with tempfile.TemporaryDirectory() as folder:
        recipe, out = Path(folder) / "study.toml", Path(folder) / "run"
        recipe.write_text(RECIPE.read_text(encoding="utf-8").replace(f"epochs = {EPOCHS}", "epochs = 1"))
        command = [sys.executable, "-m", "pneumoscope", "train", recipe, "--data", "pneumoniamnist"]
        command += ["--out", out, "--report-on", "none"]
        cost = process([*command, *(("--weights", weights) if weights else ())])
        with (out / "curve.csv").open(newline="") as file:
            first, second = (float(row["seconds"]) for row in csv.DictReader(file))
    return {
        "one epoch a phase with all else, minutes": cost.seconds / 60,
        "an epoch of phase 1, s": first,
        "an epoch of phase 2, s": second,
        "ten epochs a phase (computed), minutes": (cost.seconds + (EPOCHS - 1) * (first + second)) / 60,
        "most memory, MB": cost.megabytes,
    }
