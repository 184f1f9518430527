from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.bundle import Architecture, Bundle, BundleSpec, InputSpec, list_bundles, save_bundle
from pneumoscope.network import PneumoniaNet


@pytest.fixture(scope="session")
def attentive_bundle(attentive_network: PneumoniaNet, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle of a network with squeeze-and-excitation."""
    spec = BundleSpec(
        name="attentive",
        created="2025-01-01T00:00:00Z",
        software="test",
        architecture=Architecture(attention=True),
        input=InputSpec(size=139, fit="pad"),
    )
    return save_bundle(spec, attentive_network.state_dict(), tmp_path_factory.mktemp("bundles") / "attentive")


@pytest.fixture(params=["tiny", "attentive", *(bundle.spec.name for bundle in list_bundles())])
def bundle(request: pytest.FixtureRequest, tiny_bundle: Bundle, attentive_bundle: Bundle) -> Bundle:
    """Every bundle at hand: two of random weights, and those that load by name."""
    made = {"tiny": tiny_bundle, "attentive": attentive_bundle}
    named = {bundle.spec.name: bundle for bundle in list_bundles()}
    return (made | named)[request.param]


def smooth_films(count: int, size: int) -> np.ndarray:
    """Clouds of various brightness, uint8 (count, 1, size, size): no two alike, and none only noise."""
    draw = np.random.default_rng(size)
    films = np.empty((count, 1, size, size), np.uint8)
    for number in range(count):
        coarse = draw.integers(0, 256, (4 + 3 * number, 5 + 2 * number), dtype=np.uint8)
        films[number, 0] = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
    return films


def real_films(folder: Path, count: int, size: int) -> np.ndarray:
    """Training films of both classes, uint8 (count, 1, size, size)."""
    films = []
    for name in ("NORMAL", "PNEUMONIA"):
        for path in sorted((folder / "chest_xray/train" / name).glob("*.jpeg"))[: count // 2]:
            with Image.open(path) as image:
                films.append(np.asarray(image.convert("L").resize((size, size), Image.Resampling.BICUBIC)))
    return np.stack(films)[:, None]
