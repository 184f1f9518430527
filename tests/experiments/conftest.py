from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

TABLE = """
title = "Small"
base = "base.toml"
bootstrap = 200
[budget]
training_films = 24
validation_films = 12
judged_films = 20
[[folds]]
kind = "patients"
name = "patients"
of = 3
[[folds]]
kind = "source"
name = "batch"
pattern = "^second-"
of = 3
[shift]
contrast = 0.3
noise = 0.05
[recipe]
phases = [{ epochs = 1 }]
[quick]
rows = ["mirror"]
budget = { training_films = 16, validation_films = 8, judged_films = 12 }
recipe = { batch_size = 8 }
[[rows]]
name = "base"
question = "?"
[[rows]]
name = "focal"
question = "Focal loss?"
recipe = { loss = { kind = "focal" } }
[[combinations]]
name = "mirror"
question = "Mirror images?"
of = ["base"]
views = 2
changes = { flip = 1.0 }
"""
BASE = """
name = "small"
batch_size = 16
precision = "float32"
[input]
size = 75
[[phases]]
epochs = 5
unfreeze = "none"
learning_rate = 0.01
cached_views = 1
keep = "last"
"""


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark normal films of two batches and bright pneumonia, two a patient; a copy; test films that nobody can read."""
    folder = tmp_path_factory.mktemp("films")
    draw = np.random.default_rng(0)
    rows = []
    for number in range(96):
        label = number // 2 % 2
        patient = number // 2
        batch = "sick" if label else ("first", "second")[patient // 2 % 2]
        film = draw.integers(40, 80, (90, 90)) + 120 * label
        name = f"{number}.png"
        Image.fromarray(film.astype(np.uint8)).save(folder / name)
        split = "val" if number >= 80 else "train"
        rows.append({"path": name, "label": label, "split": split, "patient_id": f"{batch}-{patient}"})
    (folder / "0.png").write_bytes((folder / "92.png").read_bytes())
    for label in (0, 1):
        (folder / f"test{label}.png").write_bytes(b"closed")
        rows.append({"path": f"test{label}.png", "label": label, "split": "test", "patient_id": f"t-{label}"})
    pd.DataFrame(rows).to_csv(folder / "cases.csv", index=False)
    return folder


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    (tmp_path / "base.toml").write_text(BASE)
    (tmp_path / "small.toml").write_text(TABLE)
    return tmp_path / "small.toml"
