from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pneumoscope.evaluation import Figure, proportion
from pneumoscope.evaluation.intervals import normal_interval, percentile_interval


@given(st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilson_is_scipys(counts: tuple[int, int]) -> None:
    successes, total = counts
    expected = binomtest(successes, total).proportion_ci(0.95, method="wilson")
    found = proportion(successes, total)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_a_share_of_nothing_is_undefined() -> None:
    assert proportion(0, 0) == Figure(value=None)
    assert proportion(0, 0).text() == "–"


def test_normal_interval_is_cut_and_claims_no_certainty() -> None:
    assert normal_interval(0.99, 0.01, lowest=0, highest=1).high == 1
    assert normal_interval(1.0, 0.0) == Figure(value=1.0), "no spread among the films is no certainty"
    assert normal_interval(float("nan"), 0.1) == Figure(value=None)
    assert normal_interval(0.8, float("nan")).text() == "0.800"


def test_percentiles_leave_out_what_is_undefined() -> None:
    draws = np.append(np.linspace(0, 1, 1001), [np.nan] * 500)
    found = percentile_interval(0.5, draws)
    assert (found.low, found.high) == pytest.approx((0.025, 0.975))
    assert percentile_interval(0.5, np.full(9, np.nan)) == Figure(value=0.5)
