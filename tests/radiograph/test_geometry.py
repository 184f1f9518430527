from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pneumoscope.radiograph import fit

films = arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    elements=st.floats(0, 1, width=32),
)


@given(films, st.integers(1, 50), st.sampled_from(["crop", "pad"]))
def test_shape_type_and_range_are_kept(film: np.ndarray, size: int, mode: str) -> None:
    square = fit(film, size, mode)
    assert square.shape == (size, size)
    assert square.dtype == np.float32
    assert square.min() >= 0
    assert square.max() <= 1


@given(st.integers(2, 30), st.integers(2, 30), st.sampled_from(["crop", "pad"]))
def test_a_flat_film_stays_flat_where_it_is(height: int, width: int, mode: str) -> None:
    square = fit(np.full((height, width), 0.5, np.float32), 24, mode)
    if mode == "crop" or height == width:
        np.testing.assert_allclose(square, 0.5, atol=1e-6)
    else:
        share = min(height, width) / max(height, width)
        assert square.mean() == pytest.approx(0.5 * share, abs=0.5 / 24)


def test_crop_takes_the_centre_and_pad_keeps_everything() -> None:
    film = np.arange(6 * 10, dtype=np.float32).reshape(6, 10) / 60
    np.testing.assert_array_equal(fit(film, 6, "crop"), film[:, 2:8])
    np.testing.assert_array_equal(fit(film.T, 6, "crop"), film.T[2:8])
    padded = fit(film, 10, "pad")
    np.testing.assert_array_equal(padded[2:8], film)
    assert not padded[:2].any()
    assert not padded[8:].any()


def test_shrinking_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 1], np.float32), (128, 64))
    np.testing.assert_allclose(fit(stripes, 16, "crop"), 0.5, atol=0.02)


def test_enlarging_keeps_a_ramp() -> None:
    ramp = np.tile(np.linspace(0, 1, 28, dtype=np.float32), (28, 1))
    large = fit(ramp, 112, "crop")
    expected = np.interp((np.arange(112) + 0.5) / 4 - 0.5, np.arange(28), ramp[0])
    np.testing.assert_allclose(large[50, 8:-8], expected[8:-8], atol=1e-3)


@pytest.mark.parametrize(
    ("film", "size", "mode"), [(np.zeros((0, 3)), 4, "crop"), (np.zeros(3), 4, "crop"), (np.zeros((3, 3)), 0, "pad")]
)
def test_what_cannot_be_fitted(film: np.ndarray, size: int, mode: str) -> None:
    with pytest.raises(ValueError, match="fit needs"):
        fit(film, size, mode)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="'crop' or 'pad'"):
        fit(np.zeros((3, 3), np.float32), 4, "stretch")
