from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter

from pneumoscope.experiments.contrary import LOOKS, contrary_films, linear_evidence, spectrum_of
from pneumoscope.experiments.films import Partition
from pneumoscope.experiments.table import Look

Films = Callable[[np.random.Generator], npt.NDArray[np.floating]]

LABELS = np.random.default_rng(0).integers(0, 2, 600)
WRONG = np.random.default_rng(1).random(600) < 0.1
"""One film in ten of each class looks like the other one."""


def bright_on_one_side(draw: np.random.Generator) -> npt.NDArray[np.floating]:
    """Pneumonia on the left."""
    films = draw.normal(100, 10, (600, 48, 48))
    left = (LABELS == 1) != WRONG
    films[left, :, :24] += 40
    films[~left, :, 24:] += 40
    return films


def blurred(draw: np.random.Generator) -> npt.NDArray[np.floating]:
    """Pneumonia more, the light anywhere, and the contrast of each film its own."""
    noise = draw.normal(0, 1, (600, 48, 48))
    wide = (LABELS == 1) != WRONG
    soft = np.stack([gaussian_filter(film, 1.6 if is_wide else 1.0) for film, is_wide in zip(noise, wide, strict=True)])
    return 128 + draw.uniform(10, 30, (600, 1, 1)) * soft / soft.std((1, 2), keepdims=True)


@pytest.mark.parametrize(("look", "made"), [("layout", bright_on_one_side), ("spectrum", blurred)])
def test_films_with_the_look_of_the_other_class_are_found(look: Look, made: Films) -> None:
    films = made(np.random.default_rng(2)).clip(0, 255).astype(np.uint8)
    part = Partition(training=np.arange(300), validation=np.arange(0), judged=np.arange(300, 600))
    chosen = contrary_films(linear_evidence(look, films, LABELS, part), LABELS[300:], 0.1)
    truth, odd = LABELS[300:], WRONG[300:]
    for label in (0, 1):
        assert chosen[truth == label].sum() == round(0.1 * (truth == label).sum())
    # As many are asked for as there are, give or take chance, so nearly all of one kind are of the other.
    assert odd[chosen].mean() > 0.75
    assert chosen[odd].mean() > 0.75


def test_waves_are_in_the_band_of_their_frequency() -> None:
    """A band begins at 2·2^(k/2) cycles per side, whatever the direction of the wave."""
    place = np.arange(64) / 64
    noise = 128 + np.random.default_rng(4).normal(0, 10, (64, 64))
    for band, cycles in ((0, 2), (2, 4), (3, 7), (6, 16)):
        wave = np.broadcast_to(30 * np.cos(2 * np.pi * cycles * place), (64, 64))
        for film in (noise + wave, noise + wave.T):
            levels = spectrum_of(np.stack([film, noise]).clip(0, 255).astype(np.uint8))
            assert (levels[0] - levels[1]).argmax() == band


def test_looks_of_other_things_are_not_seen() -> None:
    """The spectrum knows neither place nor contrast, the layout no detail."""
    draw = np.random.default_rng(3)
    fine = gaussian_filter(draw.normal(0, 1, (4, 96, 96)), (0, 1, 1), mode="wrap")
    film = 128 + 25 * fine / fine.std((1, 2), keepdims=True)
    moved = np.roll(film, (20, 31), (1, 2))
    np.testing.assert_allclose(spectrum_of(film.astype(np.uint8)), spectrum_of(moved.astype(np.uint8)), atol=1e-2)
    dimmer = spectrum_of((128 + (film - 128) / 2).round().astype(np.uint8))
    np.testing.assert_allclose(spectrum_of(film.round().astype(np.uint8))[:, :8], dimmer[:, :8], atol=0.05)
    assert LOOKS["layout"][1](film.astype(np.uint8)).shape == (4, 24 * 24)
