"""Films whose brightness is their score, and a model that reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumoscope.bundle import Bundle, BundleSpec, Calibration, InputSpec, OperatingPoint
from pneumoscope.cohorts import Cohort, load_cohort
from pneumoscope.scoring import Predictor, Scores


class MeanRuntime:
    """Calls a film pneumonia by its mean brightness."""

    name = "mean"

    def run(self, batch: np.ndarray) -> Scores:
        mean = batch.mean((1, 2, 3), dtype=np.float32) / 255
        saliency = np.zeros((len(batch), 2, 2), np.float32)
        saliency[:, 0, 1] = mean
        return Scores((mean - 0.5) * 20, saliency, np.zeros((len(batch), 2048), np.float32))


@pytest.fixture
def predictor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    """A model without weights."""
    monkeypatch.setattr(Bundle, "sha256", "ab" * 32)
    spec = BundleSpec(
        name="mean",
        created="2025-01-01T00:00:00Z",
        software="test",
        input=InputSpec(size=107),
        calibration=Calibration(slope=1.5, intercept=0.2, fitted_on="films of last year"),
        operating_points=(
            OperatingPoint(name="half", threshold=0.5),
            OperatingPoint(name="balanced", threshold=0.6, chosen_on="films of last year"),
        ),
        default_operating_point="balanced",
        weights_sha256="ab" * 32,
    )
    return Predictor(Bundle(tmp_path, spec), runtime=MeanRuntime(), batch_size=4)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """30 films of 15 patients, and one each that is unreadable, blank and without label."""
    folder = tmp_path_factory.mktemp("films")
    draw = np.random.default_rng(3)
    rows = []
    for index in range(30):
        label = index % 2
        texture = draw.normal(0.45 + 0.1 * label + draw.normal(0, 0.07), 0.12, (110, 120))
        Image.fromarray((texture.clip(0, 1) * 255).astype(np.uint8)).save(folder / f"{index}.png")
        rows.append((f"{index}.png", label, f"secret-{index // 2}", 4 + index, "F" if index % 3 else None))
    Image.new("L", (110, 120), 90).save(folder / "blank.png")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:300])
    Image.open(folder / "0.png").rotate(180).save(folder / "unlabelled.png")
    rows[7:7] = [("broken.png", 1, "secret-99", None, None), ("unlabelled.png", None, None, None, None)]
    rows.append(("blank.png", 0, None, None, None))
    table = pd.DataFrame(rows, columns=["path", "label", "patient_id", "age", "sex"])
    table["label"] = table["label"].astype("Int64")
    table.assign(split="test").to_csv(folder / "cases.csv", index=False)
    return load_cohort(folder)
