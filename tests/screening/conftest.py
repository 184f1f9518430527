from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty films with texture, of which every tenth is broken."""
    folder = tmp_path_factory.mktemp("archive")
    draw = np.random.default_rng(0)
    for number in range(20):
        texture = draw.normal(60 + 5 * number, 35, (130, 150)).clip(0, 255).astype(np.uint8)
        path = folder / f"{number:02d}.png"
        Image.fromarray(texture).save(path)
        if number % 10 == 4:
            path.write_bytes(path.read_bytes()[:300])
    return folder
