from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.cohorts import Cohort, load_cohort
from pneumoscope.errors import CohortError
from pneumoscope.experiments.films import FilmStore, changed, development, groups_of, partition
from pneumoscope.experiments.table import Budget, PatientFold, SourceFold
from pneumoscope.training.recipe import Augmentation

BUDGET = Budget(training_films=24, validation_films=12)
PATIENTS = PatientFold(kind="patients", name="patients", of=3)
BATCH = SourceFold(kind="source", name="batch", pattern="^second-", of=3)


@pytest.fixture(scope="module")
def cohort(films: Path) -> Cohort:
    return development(load_cohort(films))


def test_the_test_split_is_left_out(cohort: Cohort) -> None:
    assert cohort.splits == {"train": 80, "val": 16}


@pytest.mark.parametrize("fold", [PATIENTS, BATCH])
@pytest.mark.parametrize("seed", [0, 1])
def test_patients_and_copies_are_in_one_part(cohort: Cohort, fold: PatientFold | SourceFold, seed: int) -> None:
    groups = groups_of(cohort)
    assert groups[0] == groups[92], "a copy of another patient's film"
    parts = partition(cohort, fold, groups, BUDGET, seed)
    sets = [set(groups[rows]) for rows in (parts.training, parts.validation, parts.judged)]
    assert not sets[0] & sets[1]
    assert not (sets[0] | sets[1]) & sets[2]
    for rows in (parts.training, parts.validation, parts.judged):
        assert set(cohort.labels[rows]) == {0, 1}
        assert (np.diff(rows) > 0).all()
    again = partition(cohort, fold, groups, BUDGET, seed)
    np.testing.assert_array_equal(parts.training, again.training)


def test_a_held_out_source_is_held_out_wholly(cohort: Cohort) -> None:
    parts = partition(cohort, BATCH, groups_of(cohort), BUDGET, 0)
    batches = cohort.cases["patient_id"].str.partition("-")[0]
    assert set(batches[parts.judged]) == {"second", "sick"}
    assert set(batches[parts.training]) == set(batches[parts.validation]) == {"first", "sick"}
    assert (batches[parts.judged] == "second").sum() == (batches == "second").sum()
    # Where the source of a normal film is not known, it neither trains nor judges.
    unknown = cohort.cases.assign(patient_id=cohort.cases["patient_id"].where(cohort.cases.index != 5))
    unknown.loc[4, "patient_id"] = None
    rows = partition(replace(cohort, cases=unknown), BATCH, groups_of(cohort), BUDGET, 0)
    assert 4 not in np.concatenate([rows.training, rows.validation, rows.judged])


def test_budgets_keep_the_mix_of_classes(cohort: Cohort) -> None:
    budget = Budget(training_films=20, validation_films=8, judged_films=10)
    parts = partition(cohort, PATIENTS, groups_of(cohort), budget, 0)
    assert [len(rows) for rows in (parts.training, parts.validation, parts.judged)] == [20, 8, 10]
    assert cohort.labels[parts.training].sum() == 10


def test_what_has_no_source_or_no_patients_is_refused(cohort: Cohort) -> None:
    groups = groups_of(cohort)
    for fold, message in (
        (BATCH.model_copy(update={"pattern": "^third-"}), "0 of 96 films"),
        (BATCH.model_copy(update={"pattern": "."}), "96 of 96 films"),
        (BATCH.model_copy(update={"column": "ward"}), "no column 'ward'"),
    ):
        with pytest.raises(CohortError, match=message):
            partition(cohort, fold, groups, BUDGET, 0)
    nobody = replace(cohort, cases=cohort.cases.assign(patient_id=None))
    with pytest.raises(CohortError, match="--patients"):
        groups_of(nobody)


def test_shifted_films_are_the_same_at_every_size(cohort: Cohort) -> None:
    shift = Augmentation(contrast=0.5, gamma=0.5)
    rows = np.array([1, 7, 50])
    store = FilmStore(cohort, 60, "crop", shift, 3)
    shifted = store.shifted(rows, 60)
    np.testing.assert_array_equal(shifted, FilmStore(cohort, 60, "crop", shift, 3).shifted(rows, 60))
    assert (shifted != store.plain(rows, 60, "crop")).mean() > 0.5
    larger = store.shifted(rows, 120)
    assert larger.shape == (3, 120, 120)
    np.testing.assert_allclose(larger.mean((1, 2)), shifted.mean((1, 2)), atol=1)


def test_no_change_is_no_change_and_equalising_is_kornias() -> None:
    import torch
    from kornia.enhance import equalize

    films = np.random.default_rng(0).integers(60, 120, (3, 32, 32)).astype(np.uint8)
    assert changed(films, Augmentation(), 0) is films
    ours = changed(films, Augmentation(equalize=1.0), 0)
    theirs = equalize(torch.from_numpy(films)[:, None].float() / 255)[:, 0] * 255
    np.testing.assert_allclose(ours, theirs.numpy(), atol=0.51)
