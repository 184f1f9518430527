from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoscope.cohorts import Cohort, grouped_folds, load_cohort, with_patients
from pneumoscope.cohorts.fingerprints import connected
from pneumoscope.errors import CohortError

from .conftest import films, write_film, write_npz


@pytest.fixture
def grouped(tmp_path: Path) -> Cohort:
    """60 films of 20 patients of one class each; film 59 is a copy of film 0, of another patient."""
    images = films(60, 5)
    images[59] = images[0]
    labels = [int(number // 3 % 2) for number in range(60)]
    file = write_npz(
        tmp_path / "pneumoniamnist.npz",
        {"train": (images, labels), "val": (films(2, 6), [0, 1]), "test": (films(2, 7), [0, 1])},
    )
    train = load_cohort(file).select("train")
    patients = pd.array([f"p{number // 3}" for number in range(60)], dtype="string")
    return Cohort(train.cases.assign(patient_id=patients), "grouped")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_patients_and_copies_stay_together(grouped: Cohort, seed: int) -> None:
    folds = grouped_folds(grouped, 5, seed)
    assert sorted(set(folds)) == [0, 1, 2, 3, 4]
    assert (folds.reshape(20, 3) == folds.reshape(20, 3)[:, :1]).all()
    assert folds[0] == folds[59]
    np.testing.assert_array_equal(folds, grouped_folds(grouped, 5, seed))
    for fold in range(5):
        assert set(grouped.labels[folds == fold]) == {0, 1}


def test_classes_keep_their_proportion_on_the_real_training_split(data_dir: Path) -> None:
    cohort = with_patients(load_cohort(data_dir / "pneumoniamnist.npz"), data_dir / "chest_xray/cases.csv")
    train = cohort.select("train")
    folds = grouped_folds(train, 5, 0)
    prevalence = [train.labels[folds == fold].mean() for fold in range(5)]
    np.testing.assert_allclose(prevalence, train.labels.mean(), atol=0.01)
    known = train.cases["patient_id"].notna()
    assert (train.cases[known].assign(fold=folds[known]).groupby("patient_id")["fold"].nunique() == 1).all()


def test_more_folds_than_patients(grouped: Cohort) -> None:
    with pytest.raises(CohortError, match="50 folds cannot be made of"):
        grouped_folds(grouped, 50, 0)


def test_patients_from_another_table(npz: Path, tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    table.write_text(
        "patient_id,mnist_split,mnist_index,match_rmse\na,train,0,5.0\nb,train,0,0.2\nc,val,3,1\nd,,,\n,test,0,1\n"
    )
    cohort = with_patients(load_cohort(npz), table)
    named = cohort.cases["patient_id"]
    assert named.iloc[0] == "b", "the row that matches best"
    assert named.iloc[9] == "c"
    assert named.notna().sum() == 2
    write_film(tmp_path / "other.png", 1)
    (tmp_path / "other.csv").write_text("path,label,patient_id\nother.png,1,z\n")
    mixed = with_patients(load_cohort([npz, tmp_path / "other.csv"]), table).cases["patient_id"]
    assert mixed.iloc[-1] == "z", "other films keep their patients"
    assert mixed.notna().sum() == 3
    table.write_text("patient_id,index\na,0\n")
    with pytest.raises(CohortError, match="has no column mnist_split, mnist_index"):
        with_patients(cohort, table)


@settings(deadline=None)
@given(data=st.data(), count=st.integers(1, 30))
def test_connected_groups_are_the_transitive_closure(data: st.DataObject, count: int) -> None:
    node = st.integers(0, count - 1)
    pairs = data.draw(st.lists(st.tuples(node, node), max_size=40))
    reach = np.eye(count, dtype=bool)
    for one, other in pairs:
        reach[one, other] = reach[other, one] = True
    for middle in range(count):  # Warshall
        reach |= reach[:, [middle]] & reach[[middle]]
    groups = connected(count, np.array(pairs, dtype=np.int64).reshape(-1, 2))
    np.testing.assert_array_equal(groups[:, None] == groups[None], reach)
