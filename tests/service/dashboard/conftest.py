"""A small evaluation on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pneumoscope.bundle import Bundle
from pneumoscope.evaluation import Evaluation, evaluate


@pytest.fixture(scope="session")
def judged(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``evaluate --out`` writes, as far as the dashboard reads it: 40 films, ten of them called wrongly at 0.5."""
    draw = np.random.default_rng(0)
    logit = np.where(np.arange(40) % 2 == 1, draw.normal(0.5, 1, 40), draw.normal(-1, 1, 40))
    table = pd.DataFrame(
        {
            "path": [f"films/{number}.png" for number in range(40)],
            "label": np.arange(40) % 2,
            "split": "val",
            "patient_id": None,
            "age": 4.0,
            "sex": np.where(np.arange(40) < 20, "F", "M"),
            "logit": logit,
            "probability": tiny_bundle.spec.calibration.probability(logit),
            "decision": "normal",
            "failed": False,
            "reasons": "",
        }
    )
    folder = tmp_path_factory.mktemp("judged")
    found: Evaluation = evaluate(table, tiny_bundle.spec, data="forty films", by=["sex"], bootstrap=100)
    (folder / "metrics.json").write_text(found.model_dump_json())
    table.to_csv(folder / "predictions.csv", index=False)
    return folder
