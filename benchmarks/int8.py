"""The shipped model exported in int8 through its gates, beside float32 and bfloat16: what it loses and what it costs.

Exporting takes a quarter of an hour and needs ``PNEUMOSCOPE_DATA``; it is done once and kept in ``.bench/int8``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from itertools import chain
from pathlib import Path
from statistics import median

from benchmarks._films import write_films
from benchmarks._measure import process, timed
from pneumoscope.bundle import load_bundle
from pneumoscope.scoring import Predictor, open_runtime
from pneumoscope.scoring.runtimes.exported import RECORD, Exported

EXPORT = Path(__file__).parents[1] / ".bench" / "int8"
COLLECTIONS = ("pneumoniamnist.npz", "chest_xray", "nih_adult", "rsna_adult")
FILMS, REPEATS = 624, 3
RUNTIMES = {"f32": ("openvino", "f32"), "bf16": ("openvino", "bf16"), "int8": (str(EXPORT), "f32")}
"""What `--runtime` and `--precision` are; an export has its own precision."""


def run() -> dict[str, float | str]:
    """The gates' figures; films per second; seconds and MB of a cold ``predict``."""
    if not (EXPORT / RECORD).exists():
        films = [("--data", Path(os.environ["PNEUMOSCOPE_DATA"], name)) for name in COLLECTIONS]
        command = ["export", "default", "--precision", "int8", "--out", EXPORT, *chain(*films)]
        process([sys.executable, "-m", "pneumoscope", *command])
    gates = Exported.model_validate_json((EXPORT / RECORD).read_text(encoding="utf-8")).gates
    assert gates is not None
    results: dict[str, float | str] = {
        "gate: films": gates.films,
        "gate: ROC AUC falls by": gates.auc_loss or 0.0,
        "gate: 99% of the probabilities move by less than": gates.probability_shift,
        "gate: decisions that stay": gates.same_decisions,
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = write_films(Path(folder), FILMS)
        # Before a model is in this process, whose memory a child's would begin with.
        for name, options in RUNTIMES.items():
            command = ["predict", paths[0], "--runtime", options[0], "--precision", options[1]]
            cold = [process([sys.executable, "-m", "pneumoscope", *command]) for _ in range(REPEATS)]
            results[f"{name}, cold predict, s"] = median(cost.seconds for cost in cold)
            results[f"{name}, cold predict, MB"] = median(cost.megabytes for cost in cold)
        bundle = load_bundle("default")
        for name, (runtime, precision) in RUNTIMES.items():
            predictor = Predictor(bundle, runtime=open_runtime(bundle, runtime, precision=precision))
            results |= timed(lambda own=predictor: list(own.predict_files(paths)), REPEATS).rate(FILMS, name)
    return results
