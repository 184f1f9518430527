from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from pneumoscope.bundle import Bundle, InputSpec
from pneumoscope.explanation.faithfulness import (
    CASCADE,
    area,
    half_films,
    mirrored_back,
    orders,
    randomise,
    randomised_maps,
    rank_correlation,
    structural_similarity,
)

SPEC = InputSpec(size=299)


@pytest.fixture
def maps() -> np.ndarray:
    return np.random.default_rng(0).random((5, 8, 8)).round(1).astype(np.float32)


def test_rank_correlation_is_spearmans(maps: np.ndarray) -> None:
    others = np.random.default_rng(1).random(maps.shape) + maps
    expected = [spearmanr(one.ravel(), other.ravel()).statistic for one, other in zip(maps, others, strict=True)]
    np.testing.assert_allclose(rank_correlation(maps, others), expected)
    np.testing.assert_allclose(rank_correlation(maps, np.exp(maps)), 1)
    np.testing.assert_array_equal(rank_correlation(maps, np.zeros_like(maps)), 0)


def test_structural_similarity(maps: np.ndarray) -> None:
    np.testing.assert_allclose(structural_similarity(maps, 2 * maps, SPEC), 1, atol=1e-4)  # in single precision
    others = structural_similarity(maps, np.roll(maps, 1, axis=0), SPEC)
    assert others.shape == (5,)
    assert (others < 0.9).all()


def test_a_mirrored_map_comes_back() -> None:
    # At 299 pixels the grid of cells lies in the middle, so that turning the cells round must do.
    maps = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    expected = maps / maps.max((1, 2), keepdims=True)
    np.testing.assert_allclose(mirrored_back(maps[:, :, ::-1], SPEC), expected, atol=0.04)
    # At 160 it does not: columns lie at 37.5, 69.5 and 101.5, and their mirror images at 122.5, 90.5 and 58.5.
    ramp = np.tile(np.array([0.0, 0.5, 1.0], np.float32), (1, 3, 1))
    back = mirrored_back(ramp, InputSpec(size=160))[0, 1]
    assert back[0] == pytest.approx(1)
    assert back[1] == pytest.approx((90.5 - 37.5) / 64, abs=0.04)
    assert back[2] == pytest.approx((58.5 - 37.5) / 64, abs=0.04)


def test_orders() -> None:
    saliency = np.zeros((8, 8), np.float32)
    saliency[2, 5] = 1
    found = orders(saliency, SPEC, np.random.default_rng(0))
    hottest = np.unravel_index(found["map"].argmax(), (299, 299))
    assert np.allclose(hottest, (37.5 + 2 * 32, 37.5 + 5 * 32), atol=3)
    assert np.unravel_index(found["centre"].argmax(), (299, 299)) == (149, 149)
    assert found["random"].max() == pytest.approx(found["map"].max(), abs=2e-3)
    assert (found["map"] != found["random"]).any()
    assert len(np.unique(found["map"])) > 0.5 * 299**2, "pixels without heat are in an order too"


def test_half_films() -> None:
    film, fill = np.full((20, 20), 200, np.uint8), np.zeros((20, 20), np.uint8)
    order = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    deletion, insertion = half_films(film, fill, order, steps=4)
    assert [(part == 0).mean() for part in deletion] == [0.25, 0.5, 0.75]
    np.testing.assert_array_equal(deletion.astype(int) + insertion, 200)
    first = np.sort(order.ravel())[-100]
    np.testing.assert_array_equal(deletion[0] == 0, order >= first)
    level = half_films(film, fill, np.zeros((20, 20), np.float32), steps=4)[0]
    assert (level[0] == 0).mean() == 0.25


def test_area() -> None:
    assert area(np.linspace(1, 0, 11)) == pytest.approx(0.5)
    np.testing.assert_allclose(area(np.array([[1, 1, 1], [0, 0, 1]])), [1, 0.25])


def test_the_cascade_randomises_from_the_head_down(tiny_bundle: Bundle) -> None:
    films = np.random.default_rng(0).integers(0, 256, (2, 107, 107), dtype=np.uint8)
    done: list[int] = []
    found = randomised_maps(tiny_bundle.network(), films, draws=2, seed=3, progress=done.append)
    assert list(found) == list(CASCADE)
    assert sum(done) == 2 * (1 + 2 * len(CASCADE))
    assert {maps.shape for maps in found.values()} == {(2, 2, 2, 2)}
    again = randomised_maps(tiny_bundle.network(), films, draws=2, seed=3)
    for name, maps in found.items():
        np.testing.assert_array_equal(maps, again[name])
        assert np.isfinite(maps).all()
        assert (maps >= 0).all()


def test_only_the_named_part_forgets(tiny_bundle: Bundle) -> None:
    network = tiny_bundle.network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    randomise(network, "mixed10", torch.Generator().manual_seed(0))
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith("trunk.Mixed_7c.") for name in changed)
    randomise(network, "head", torch.Generator().manual_seed(0))
    assert not torch.equal(network.head.hidden.weight, before["head.hidden.weight"])
