from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pneumoscope.screening import embedding_shift, stability_index
from pneumoscope.screening.parts import Moments

counts = st.lists(st.integers(0, 1000), min_size=4, max_size=4).map(np.array)


@settings(deadline=None)
@given(counts, counts)
def test_stability_index_is_a_symmetric_distance(a: np.ndarray, b: np.ndarray) -> None:
    assert stability_index(a, b) == pytest.approx(stability_index(b, a))
    assert stability_index(a, b) >= 0
    assert stability_index(a, a) == 0


def test_stability_index_by_hand() -> None:
    assert stability_index(np.array([50, 50]), np.array([80, 20])) == pytest.approx(
        (0.5 - 0.8) * np.log(0.5 / 0.8) + (0.5 - 0.2) * np.log(0.5 / 0.2)
    )


def test_moments_are_those_of_all_films_together() -> None:
    films = np.random.default_rng(0).normal(3, 2, (30, 7)).astype(np.float32)
    parts = Moments.of(()).plus(Moments.of(list(films[:11]))).plus(Moments.of(())).plus(Moments.of(list(films[11:])))
    assert parts.films == 30
    assert_allclose(parts.mean, films.mean(0), rtol=1e-5)
    assert_allclose(parts.variance, films.var(0), rtol=1e-5)


def test_embedding_shift_in_standard_deviations() -> None:
    draw = np.random.default_rng(1)
    there = draw.normal(5, 2, (4000, 6)).astype(np.float32)
    here = (there + np.float32(2 * 0.5)).astype(np.float32)
    assert embedding_shift(Moments.of(list(here)), Moments.of(list(there))) == pytest.approx(0.5, rel=0.05)
    fresh = draw.normal(5, 2, (4000, 6)).astype(np.float32)
    assert embedding_shift(Moments.of(list(fresh)), Moments.of(list(there))) < 0.06
    still = np.zeros((3, 6), np.float32)
    assert embedding_shift(Moments.of(list(here)), Moments.of(list(still))) == 0
