from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.enhance import adjust_gamma
from kornia.filters import gaussian_blur2d
from PIL import Image, ImageEnhance

from pneumoscope.evaluation.corruptions import MEDMNIST_C, RANGES, SIDE, Corruption, at_side

ALL = {corruption.name: corruption for corruption in (*MEDMNIST_C, *RANGES)}


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    """Smooth shapes with texture, so that there is something to blur, and room above and below."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    shapes = 0.45 + 0.2 * np.sin(9 * rows) * np.cos(7 * columns)
    return (shapes + np.random.default_rng(1).normal(0, 0.03, shapes.shape)).clip(0, 1).astype(np.float32)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def test_medmnist_c_names_thirteen_corruptions_of_five_severities() -> None:
    assert [corruption.name for corruption in MEDMNIST_C] == [
        "pixelate",
        "jpeg_compression",
        "gaussian_noise",
        "speckle_noise",
        "impulse_noise",
        "shot_noise",
        "gaussian_blur",
        "brightness_up",
        "brightness_down",
        "contrast_up",
        "contrast_down",
        "gamma_corr_up",
        "gamma_corr_down",
    ]
    assert {len(corruption.levels) for corruption in MEDMNIST_C} == {5}


@pytest.mark.parametrize("corruption", MEDMNIST_C, ids=lambda corruption: corruption.name)
def test_a_higher_severity_is_further_from_the_film(film: np.ndarray, corruption: Corruption) -> None:
    worse = [corruption.apply(film, level) for level in corruption.levels]
    for changed in worse:
        assert (changed.shape, changed.dtype) == (film.shape, np.float32)
        assert 0 <= changed.min() <= changed.max() <= 1
    distances = [distance(film, changed) for changed in worse]
    assert distances[0] > 0.002
    assert all(near < far for near, far in pairwise(distances)), distances


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(ALL)), st.integers(28, 60), st.integers(28, 60), st.integers(0, 3), st.booleans())
def test_any_film_stays_a_film(name: str, height: int, width: int, seed: int, level_film: bool) -> None:
    draw = np.random.default_rng(seed)
    film = (
        np.full((height, width), draw.random(), np.float32) if level_film else draw.random((height, width), np.float32)
    )
    before = film.copy()
    corruption = ALL[name]
    for level in (corruption.levels[0], corruption.levels[-1]):
        changed = corruption.apply(film, level, seed=seed)
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert 0 <= changed.min() <= changed.max() <= 1
        if name != "resolution":
            assert changed.shape == film.shape
        np.testing.assert_array_equal(changed, corruption.apply(film, level, seed=seed))
    np.testing.assert_array_equal(film, before)


NOISES = ("gaussian_noise", "speckle_noise", "impulse_noise", "shot_noise")


def test_noise_depends_on_seed_and_film(film: np.ndarray) -> None:
    for name in NOISES:
        noise = ALL[name]
        level = noise.levels[2]
        assert distance(noise.apply(film, level, seed=0), noise.apply(film, level, seed=1)) > 0.005
        other = noise.apply(film + np.float32(1e-4), level) - noise.apply(film, level)
        assert np.abs(other).max() > 0.01, "another film has another grain"


@pytest.mark.parametrize(
    ("name", "nothing"),
    [
        ("pixelate", 1.0),
        ("gaussian_noise", 0.0),
        ("speckle_noise", 0.0),
        ("impulse_noise", 0.0),
        ("brightness_up", 1.0),
        ("contrast_down", 1.0),
        ("gamma_corr_up", 1.0),
        ("resolution", 224),
        ("window_shift", 0.0),
    ],
)
def test_without_strength_nothing_changes(film: np.ndarray, name: str, nothing: float) -> None:
    np.testing.assert_allclose(ALL[name].apply(film, nothing), film, atol=2e-6)


def test_noise_has_the_strength_that_three_channels_leave() -> None:
    grey = np.full((400, 400), 0.5, np.float32)
    share = np.sqrt(0.299**2 + 0.587**2 + 0.114**2)
    for name, level, expected in (
        ("gaussian_noise", 0.08, 0.08 * share),
        ("speckle_noise", 0.2, 0.2 * 0.5 * share),
        ("shot_noise", 80, np.sqrt(0.5 / 80) * share),
        ("impulse_noise", 0.02, np.sqrt(0.02) * 0.5 * share),
    ):
        noise = ALL[name].apply(grey, level) - grey
        assert noise.std() == pytest.approx(expected, rel=0.03), name
        assert abs(noise.mean()) < 0.001, name


@pytest.mark.parametrize("kernel", ALL["gaussian_blur"].levels)
def test_blur_is_that_of_kornia(film: np.ndarray, kernel: int) -> None:
    deviation = 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8
    sigma = (deviation, deviation)
    theirs = gaussian_blur2d(torch.from_numpy(film)[None, None], (kernel, kernel), sigma, border_type="reflect")
    np.testing.assert_allclose(ALL["gaussian_blur"].apply(film, kernel), theirs[0, 0].numpy(), atol=1e-5)


def test_brightness_contrast_and_gamma_are_those_of_libraries(film: np.ndarray) -> None:
    stored = np.rint(film * 255).astype(np.uint8)
    exact = stored.astype(np.float32) / 255
    picture = Image.fromarray(stored)
    for name, enhancer in (
        ("brightness_up", ImageEnhance.Brightness),
        ("brightness_down", ImageEnhance.Brightness),
        ("contrast_up", ImageEnhance.Contrast),
        ("contrast_down", ImageEnhance.Contrast),
    ):
        for level in ALL[name].levels:
            theirs = np.asarray(enhancer(picture).enhance(level), np.float32) / 255
            # Pillow rounds the mean and cuts the result to whole grey values.
            np.testing.assert_allclose(ALL[name].apply(exact, level), theirs, atol=1.6 / 255)
    for name in ("gamma_corr_up", "gamma_corr_down"):
        for level in ALL[name].levels:
            theirs = adjust_gamma(torch.from_numpy(film), level).numpy()
            np.testing.assert_allclose(ALL[name].apply(film, level), theirs, atol=1e-5)


def test_jpeg_is_that_of_a_colour_file(film: np.ndarray) -> None:
    """MedMNIST-C saves three equal channels; one channel has to come back the same."""
    stored = np.rint(film * 255).astype(np.uint8)
    for quality in (50, 7):
        buffer = io.BytesIO()
        Image.fromarray(stored).convert("RGB").save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as picture:
            theirs = np.asarray(picture.convert("L"), np.float32) / 255
        ours = ALL["jpeg_compression"].apply(stored.astype(np.float32) / 255, quality)
        np.testing.assert_allclose(ours, theirs, atol=2.1 / 255)


def test_pixelate_makes_level_blocks() -> None:
    film = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    half = ALL["pixelate"].apply(film, 0.5)
    blocks = film.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3))
    np.testing.assert_allclose(half, np.kron(blocks, np.ones((2, 2))), atol=1e-6)


def test_resolution_takes_pixels_away_and_never_adds_any() -> None:
    film = np.random.default_rng(0).random((300, 400), np.float32)
    assert ALL["resolution"].apply(film, 56).shape == (56, 75)
    small = np.random.default_rng(0).random((28, 28), np.float32)
    assert ALL["resolution"].apply(small, 224) is not None
    np.testing.assert_array_equal(ALL["resolution"].apply(small, 56), small)


def test_a_moved_window_clips_where_the_film_leaves_it() -> None:
    ramp = np.linspace(0, 1, 11, dtype=np.float32)[None].repeat(28, 0)
    darker = ALL["window_shift"].apply(ramp, 0.3)[0]
    np.testing.assert_allclose(darker, np.clip(np.arange(11) / 10 - 0.3, 0, 1), atol=1e-6)


def test_severities_hold_for_squares_of_one_size() -> None:
    film = np.random.default_rng(0).random((300, 400), np.float32)
    assert at_side(film, "crop").shape == (SIDE, SIDE)
    assert at_side(film, "pad").shape == (SIDE, SIDE)
