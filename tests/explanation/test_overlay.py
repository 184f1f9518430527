from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pneumoscope.bundle import InputSpec
from pneumoscope.explanation import STRONGEST_ALPHA, heat_layer, overlay, project
from pneumoscope.scoring.geometry import FIRST_CENTRE, PITCH

SPEC = InputSpec(size=299)


def cell_at(row: int, column: int) -> np.ndarray:
    saliency = np.zeros((8, 8), np.float32)
    saliency[row, column] = 3
    return saliency


@pytest.mark.parametrize("cell", [(0, 0), (2, 5), (7, 7)])
@pytest.mark.parametrize("scale", [1, 3])
def test_heat_lies_where_the_cell_looked(cell: tuple[int, int], scale: int) -> None:
    heat = project(cell_at(*cell), (299 * scale, 299 * scale), SPEC)
    expected = [scale * (FIRST_CENTRE + PITCH * index) for index in cell]
    # Beyond the outermost cells the heat stays level, so that there the maximum is a corner and not a point.
    hottest = np.argwhere(heat >= 0.999 * heat.max())
    inner = [1 <= index <= 6 for index in cell]
    for axis in range(2):
        if inner[axis]:
            assert abs(hottest[:, axis].mean() + 0.5 - expected[axis]) <= scale
        else:
            assert hottest[:, axis].min() <= expected[axis] <= hottest[:, axis].max() + 1
    assert heat.max() == pytest.approx(1, abs=2e-3)


def test_a_level_map_stays_level() -> None:
    """The weights of cubic convolution sum to 1 everywhere."""
    np.testing.assert_allclose(project(np.full((8, 8), 0.2, np.float32), (240, 300), SPEC)[:, 30:270], 1, atol=1e-6)


def test_a_ramp_stays_a_ramp() -> None:
    """Cubic convolution reproduces straight lines (Keys 1981)."""
    ramp = np.tile(np.arange(1, 9, dtype=np.float32), (8, 1))
    heat = project(ramp, (299, 299), SPEC)[150]
    columns = np.arange(75, 230)
    expected = (1 + (columns + 0.5 - FIRST_CENTRE) / PITCH) / 8
    np.testing.assert_allclose(heat[columns], expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(200, 300), (300, 200)])
def test_what_the_crop_left_out_has_no_heat(shape: tuple[int, int]) -> None:
    heat = project(np.ones((8, 8), np.float32), shape, SPEC)
    unseen = np.isnan(heat)
    assert unseen.sum() == 200 * 100
    middle = heat[50:250] if shape[0] > shape[1] else heat[:, 50:250]
    assert not np.isnan(middle).any()
    assert not np.isnan(project(np.ones((8, 8), np.float32), shape, InputSpec(size=299, fit="pad"))).any()


def test_colour_shows_evidence_and_nothing_else() -> None:
    film = np.tile(np.linspace(0, 1, 299, dtype=np.float32), (299, 1))
    plain = overlay(film, np.zeros((8, 8), np.float32), SPEC)
    np.testing.assert_array_equal(plain, np.rint(255 * film)[..., None].repeat(3, axis=2))
    hot = overlay(film, cell_at(3, 4), SPEC).astype(int)
    spread = hot.max(axis=2) - hot.min(axis=2)
    centre = round(FIRST_CENTRE + 3 * PITCH), round(FIRST_CENTRE + 4 * PITCH)
    assert spread[centre] > 60
    assert spread[:40].max() == 0, "three cells away"


def test_unseen_film_is_darker() -> None:
    picture = overlay(np.ones((200, 300), np.float32), np.zeros((8, 8), np.float32), SPEC)
    assert (picture[:, 60:240] == 255).all()
    assert (picture[:, :50] == 128).all()


def test_the_layer_on_a_film_gives_the_overlay() -> None:
    """Composed by Pillow; outside the crop the overlay darkens the film, which a layer cannot."""
    film = np.random.default_rng(0).uniform(size=(64, 80)).astype(np.float32)
    saliency = np.array([[0, 1, 2], [3, 1, 0], [0, 0, 1]], np.float32)
    spec = InputSpec(size=160)
    layer = heat_layer(saliency, film.shape, spec, strongest=STRONGEST_ALPHA)
    composed = Image.fromarray(np.rint(255 * film).astype(np.uint8)).convert("RGBA")
    composed.alpha_composite(Image.fromarray(layer))
    seen = slice(8, 72)
    difference = np.asarray(composed)[..., :3].astype(int) - overlay(film, saliency, spec)
    assert np.abs(difference[:, seen]).max() <= 2
    assert not layer[:, :8, 3].any()
    assert not layer[:, 72:, 3].any()
    assert not heat_layer(np.zeros((3, 3)), film.shape, spec)[..., 3].any()
