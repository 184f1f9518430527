"""Folds that keep each patient's films together, and patients for PneumoniaMNIST, which names none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pneumoscope.cohorts.cohort import Cohort
from pneumoscope.cohorts.fingerprints import Fingerprints, connected, fingerprint
from pneumoscope.cohorts.manifest import read_table
from pneumoscope.cohorts.npz import split_npz_path
from pneumoscope.errors import CohortError


def grouped_folds(
    cohort: Cohort,
    k: int,
    seed: int,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> npt.NDArray[np.int64]:
    """A fold for each case: patients apart, both classes in each fold in nearly the cohort's proportion.

    Films of one group of :func:`film_groups` are in one fold.

    Args:
        cohort: every case labelled.
        k: folds, at least 2.
        seed: the same seed gives the same folds.
        workers, progress: as for :meth:`Cohort.pixels`.

    Returns:
        (N,) fold, 0 … k−1.

    Raises:
        CohortError: a case without label, or too few patients of one class.
    """
    cohort.require_both_classes()
    groups = film_groups(cohort, fingerprint(cohort, workers=workers, progress=progress))
    return divide_groups(cohort.labels, groups, k, seed, name=cohort.name)


def divide_groups(
    labels: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], k: int, seed: int, *, name: str
) -> npt.NDArray[np.int64]:
    """(N,) fold of each film, 0 … k−1, with each group in one fold and both classes in nearly their proportion.

    Args:
        labels: (N,) of 0 and 1.
        groups: (N,) from :func:`film_groups`.
        k: folds, at least 2.
        seed: the same seed gives the same folds.
        name: of the data, for messages.

    Raises:
        CohortError: too few patients of one class.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    for label, word in enumerate(("normal", "pneumonia")):
        patients = len(np.unique(groups[labels == label]))
        if not 2 <= k <= patients:
            raise CohortError(
                f"{name}: {k} folds cannot be made of {patients} patients with {word} films; take 2 to {patients}"
            )
    folds = np.empty(len(labels), dtype=np.int64)
    splitter = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    for fold, (_, rows) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups)):
        folds[rows] = fold
    return folds


def film_groups(cohort: Cohort, prints: Fingerprints) -> npt.NDArray[np.int64]:
    """(N,) groups of films that must stay together: of one patient, or identical, directly or through other films.

    Films with identical pixels are together whoever they are said to be of. A case without patient is a patient of
    its own.
    """
    patients = cohort.cases["patient_id"]
    first = patients.groupby(patients).transform(lambda rows: rows.index[0])
    rows = np.arange(len(cohort))
    same_patient = first.fillna(patients.index.to_series()).to_numpy(np.int64)
    same_pixels = np.stack([rows, prints.identical], 1)
    return connected(len(cohort), np.concatenate([np.stack([rows, same_patient], 1), same_pixels]))


def with_patients(cohort: Cohort, cases_csv: str | Path) -> Cohort:
    """PneumoniaMNIST with the patients that another table found for its films.

    Args:
        cohort: PneumoniaMNIST of any size, alone or among other films, which keep their patients.
        cases_csv: a table with ``patient_id``, ``mnist_split`` and ``mnist_index``, the film's position in
            PneumoniaMNIST. Where it has ``match_rmse`` and gives one position to several rows, the row that
            matches best has it.

    Returns:
        The cohort with ``patient_id``, missing for films of PneumoniaMNIST that the table does not have.

    Raises:
        CohortError: the table lacks these columns, or no film is of an ``.npz`` file.
    """
    file = Path(cases_csv)
    table = read_table(file)
    keys = ["mnist_split", "mnist_index"]
    lacking = [column for column in (*keys, "patient_id") if column not in table]
    if lacking:
        raise CohortError(f"{file}: has no column {', '.join(lacking)}; it cannot name the patients of PneumoniaMNIST")
    table = table.dropna(subset=[*keys, "patient_id"])
    table["mnist_index"] = pd.to_numeric(table["mnist_index"]).astype("int64")
    if "match_rmse" in table:
        table = table.assign(match_rmse=pd.to_numeric(table["match_rmse"])).sort_values("match_rmse", kind="stable")
    patients = table.drop_duplicates(keys).set_index(keys)["patient_id"].to_dict()
    films = [split_npz_path(path) for path in cohort.cases["path"]]
    if not any(films):
        raise CohortError(f"{cohort.name}: holds no film of PneumoniaMNIST; only these can get patients from {file}")
    known = cohort.cases["patient_id"]
    found = [patients.get(film[1:], pd.NA) if film else own for film, own in zip(films, known, strict=True)]
    return replace(cohort, cases=cohort.cases.assign(patient_id=pd.array(found, dtype="string")))
