"""The whole study in a process of its own: ``pneumoscope train recipes/study.toml`` on PneumoniaMNIST."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks._measure import process

RECIPE = Path(__file__).parents[1] / "recipes" / "study.toml"


def run() -> dict[str, float]:
    """Minutes and most memory. The test split stays closed.

    ``PNEUMOSCOPE_WEIGHTS`` may name a file with the starting weights; otherwise the hub is asked.
    """
    weights = os.environ.get("PNEUMOSCOPE_WEIGHTS")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pneumoscope", "train", RECIPE, "--data", "pneumoniamnist"]
        command += ["--out", Path(folder) / "run", "--report-on", "none"]
        cost = process([*command, *(("--weights", weights) if weights else ())])
    return {"both phases, minutes": cost.seconds / 60, "most memory, MB": cost.megabytes}
