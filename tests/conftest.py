"""A tiny bundle with random weights, and the folder of real data where there is one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pneumoscope.bundle import Bundle, BundleSpec, Calibration, InputSpec, OperatingPoint, save_bundle

if TYPE_CHECKING:
    from pneumoscope.network import PneumoniaNet


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder that PNEUMOSCOPE_DATA names, with the real data sets."""
    folder = os.environ.get("PNEUMOSCOPE_DATA")
    if not folder:
        pytest.skip("PNEUMOSCOPE_DATA names no folder with the real data sets")
    return Path(folder)


@pytest.fixture(scope="session")
def attentive_network() -> PneumoniaNet:
    """Squeeze-and-excitation, statistics that are not those of a fresh layer, and films that stay distinguishable."""
    import torch

    from pneumoscope.network import PneumoniaNet

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
    return network.eval()


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of random weights at 107 pixels, whose map has 2×2 cells and is never empty."""
    import torch

    from pneumoscope.network import PneumoniaNet

    torch.manual_seed(7)
    network = PneumoniaNet()
    with torch.no_grad():
        # Every hidden unit speaks for pneumonia, so that there is evidence on any film.
        network.head.hidden.weight.abs_()
        network.head.logit.weight.abs_()
    spec = BundleSpec(
        name="tiny",
        created="2025-01-01T00:00:00Z",
        software="test",
        input=InputSpec(size=107, fit="crop"),
        calibration=Calibration(slope=2.0, intercept=0.5, fitted_on="made up"),
        operating_points=(
            OperatingPoint(name="half", threshold=0.5),
            OperatingPoint(name="never", threshold=1.0, promised_sensitivity=0.01),
        ),
    )
    return save_bundle(spec, network.state_dict(), tmp_path_factory.mktemp("bundles") / "tiny")
