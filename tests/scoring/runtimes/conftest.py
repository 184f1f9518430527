from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pneumoscope.bundle import Architecture, Bundle, BundleSpec, InputSpec, list_bundles, save_bundle
from pneumoscope.network import PneumoniaNet


@pytest.fixture(scope="session")
def attentive_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Squeeze-and-excitation, statistics that are not those of a fresh layer, and films that stay distinguishable."""
    torch.manual_seed(3)
    network = PneumoniaNet(attention=True)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    with torch.no_grad():
        # Every hidden unit speaks for pneumonia, so that there is evidence on any film.
        network.head.hidden.weight.abs_()
        network.head.logit.weight.abs_()
        torch.nn.init.normal_(network.attention.expand.weight, std=0.1)
    spec = BundleSpec(
        name="attentive",
        created="2025-01-01T00:00:00Z",
        software="test",
        architecture=Architecture(attention=True),
        input=InputSpec(size=139, fit="pad"),
    )
    return save_bundle(spec, network.state_dict(), tmp_path_factory.mktemp("bundles") / "attentive")


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
