from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pneumoscope.evaluation import resampling
from pneumoscope.evaluation.resampling import clusters, resamples


def test_a_film_without_patient_is_its_own_group() -> None:
    groups = clusters(pd.Series(["b", pd.NA, "a", "b", pd.NA], dtype="string"))
    assert groups[0] == groups[3]
    assert sorted(set(groups)) == list(range(4))
    assert sorted(clusters(pd.Series([pd.NA] * 3, dtype="string"))) == [0, 1, 2]


def test_patients_are_drawn_whole() -> None:
    groups = np.array([0, 0, 1, 2, 2, 2])
    (drawn,) = resamples(groups, 500, 0)
    assert drawn.shape == (500, 6)
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 3] == drawn[:, 5]).all()
    assert (drawn[:, [0, 2, 3]].sum(1) == 3).all(), "as many patients as there are"
    assert drawn[:, 2].mean() == pytest.approx(1, abs=0.1)


def test_blocks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = np.arange(7)
    whole = np.concatenate(list(resamples(groups, 50, 3)))
    monkeypatch.setattr(resampling, "CELLS", 7 * 8)
    blocks = list(resamples(groups, 50, 3))
    assert len(blocks) == 7
    assert (np.concatenate(blocks) == whole).all()
