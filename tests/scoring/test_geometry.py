from __future__ import annotations

import numpy as np
import pytest

from pneumoscope.bundle import InputSpec
from pneumoscope.scoring import cell_coordinates, seen_square
from pneumoscope.scoring.geometry import FIRST_CENTRE, PITCH, peak


def test_grid_is_that_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    # Independent of the closed form: kernels that pass on their centre alone, pooling without a choice, and then
    # the gradient shows where each cell looks. Only the rim's cells are drawn inwards, by the missing padding.
    import torch

    from pneumoscope.network import InceptionTrunk, inception

    monkeypatch.setattr(inception, "_reduce_pool", lambda x: torch.nn.functional.avg_pool2d(x, 3, stride=2))
    trunk = InceptionTrunk().eval()
    with torch.no_grad():
        for name, weights in trunk.named_parameters():
            if name.endswith("conv.weight"):
                weights.zero_()
                weights[:, :, weights.shape[2] // 2, weights.shape[3] // 2] = 1 / weights.shape[1]
    size = 224
    films = torch.ones(1, 1, size, size, requires_grad=True)
    features = trunk(films)
    for cell in (1, 2, 3):
        (gradient,) = torch.autograd.grad(features[0, :, cell, 2].sum(), films, retain_graph=True)
        rows = gradient[0, 0].sum(1)
        centre = float((rows * (torch.arange(size) + 0.5)).sum() / rows.sum())
        assert centre == pytest.approx(FIRST_CENTRE + PITCH * cell, abs=0.2)


def test_grid_is_centred_on_the_study_input() -> None:
    inner = cell_coordinates(299, 0, 299, 299)
    assert inner[149] == pytest.approx(3.5)  # the middle pixel lies between cells 3 and 4


@pytest.mark.parametrize(
    ("shape", "fit", "expected"),
    [
        ((100, 160), "crop", (0, 30, 100)),
        ((160, 100), "crop", (30, 0, 100)),
        ((100, 160), "pad", (-30, 0, 160)),
        ((120, 120), "crop", (0, 0, 120)),
    ],
)
def test_seen_square(shape: tuple[int, int], fit: str, expected: tuple[int, int, int]) -> None:
    square = seen_square(shape, InputSpec(size=299, fit=fit))
    assert (square.top, square.left, square.side) == expected


def test_peak_is_given_on_the_whole_film() -> None:
    saliency = np.zeros((8, 8), np.float32)
    saliency[0, 7] = 2
    x, y = peak(saliency, (299, 598), InputSpec(size=299, fit="crop"))
    assert x == pytest.approx((149 + 37.5 + 7 * 32) / 598)
    assert y == pytest.approx(37.5 / 299)


def test_peak_in_the_padding_is_drawn_to_the_film() -> None:
    saliency = np.zeros((8, 8), np.float32)
    saliency[0, 4] = 1
    assert peak(saliency, (100, 299), InputSpec(size=299, fit="pad"))[1] == 0


def test_empty_map_has_no_peak() -> None:
    assert peak(np.zeros((8, 8), np.float32), (100, 100), InputSpec(size=299)) is None
