"""What is wrong with a data set before anything is trained on it: leaks, copies, contradictions, gaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pneumoscope.cohorts.cohort import Cohort
from pneumoscope.cohorts.fingerprints import NEAR, fingerprint
from pneumoscope.cohorts.table import in_order
from pneumoscope.errors import CohortError

METADATA = ("label", "patient_id", "age", "sex", "view")
"""The columns whose gaps are counted."""


@dataclass(frozen=True)
class SplitCounts:
    """One split. ``prevalence`` is the share of pneumonia among the labelled films, None without any;
    ``patients`` counts those known, and is None where none is; ``surplus`` films are copies of another film of
    the same split."""

    split: str
    films: int
    normal: int
    pneumonia: int
    unlabelled: int
    prevalence: float | None
    patients: int | None
    without_patient: int
    identical_groups: int
    surplus: int


@dataclass(frozen=True)
class Overlap:
    """What two splits share. The counts are of films in the first and in the second split: those of patients who
    are in both (None where one split knows no patients), those identical to a film of the other split, and those
    nearly so. ``patients`` is the number of patients in both."""

    splits: tuple[str, str]
    patients: int | None
    films_of_shared_patients: tuple[int, int] | None
    identical_films: tuple[int, int]
    near_films: tuple[int, int]


@dataclass(frozen=True)
class Audit:
    """The findings on a cohort.

    Attributes:
        name: of the cohort.
        split_column: the column that gave the splits.
        left_out: films without a value in that column, of which nothing is said below.
        total: all films together, as a split of its own.
        splits: each split.
        overlaps: each pair of splits.
        identical: groups of films with equal pixels, by path.
        near: groups of films that look the same with different pixels; one path for each of different pixels.
        near_threshold: correlation of 16×16 thumbnails from which two films look the same.
        contradictory: those groups of ``identical`` in which a film is normal and another pneumonia.
        different_patients: those groups of ``identical`` whose films are said to be of different patients.
        missing: films without a value, by column.
        unreadable: path → why the film cannot be read.
    """

    name: str
    split_column: str
    left_out: int
    total: SplitCounts
    splits: tuple[SplitCounts, ...]
    overlaps: tuple[Overlap, ...]
    identical: tuple[tuple[str, ...], ...]
    near: tuple[tuple[str, ...], ...]
    near_threshold: float
    contradictory: tuple[tuple[str, ...], ...]
    different_patients: tuple[tuple[str, ...], ...]
    missing: dict[str, int]
    unreadable: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The findings as plain values for JSON."""
        return asdict(self)


def audit(
    cohort: Cohort,
    *,
    split_column: str = "split",
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Audit:
    """Count a cohort's films and look for copies and leaks between its splits.

    Every film is read once. Identical means equal pixels after reading; near means a correlation of at least
    :data:`NEAR` between thumbnails, which finds scaled, recompressed and brightened copies, not cropped ones.

    Args:
        cohort: to look at.
        split_column: another column of the case table may say the split, such as ``mnist_split``.
        workers, progress: as for :meth:`Cohort.pixels`.

    Raises:
        CohortError: no such column, or no film has a value in it.
    """
    if split_column not in cohort.cases:
        raise CohortError(f"{cohort.name}: has no column {split_column!r}; there are {', '.join(cohort.cases.columns)}")
    chosen = cohort.cases[cohort.cases[split_column].notna()].reset_index(drop=True)
    if not len(chosen):
        raise CohortError(f"{cohort.name}: no film has a value in column {split_column!r}")
    prints = fingerprint(Cohort(chosen, cohort.name), workers=workers, progress=progress)
    films = chosen.assign(split=chosen[split_column].astype("string"), identical=prints.identical, near=prints.near())
    splits = {split: films[films["split"] == split] for split in in_order(films["split"].unique())}
    # Of films with equal pixels one stands for all where likeness is the question.
    different = films.drop_duplicates("identical")
    return Audit(
        name=cohort.name,
        split_column=split_column,
        left_out=len(cohort) - len(chosen),
        total=_counts("total", films),
        splits=tuple(_counts(split, part) for split, part in splits.items()),
        overlaps=tuple(_overlap(pair, splits[pair[0]], splits[pair[1]]) for pair in combinations(splits, 2)),
        identical=_groups(films, "identical", "path"),
        near=_groups(different, "near", "path"),
        near_threshold=NEAR,
        contradictory=_groups(films, "identical", "label"),
        different_patients=_groups(films, "identical", "patient_id"),
        missing={column: int(films[column].isna().sum()) for column in METADATA},
        unreadable={str(films["path"].iloc[row]): str(error) for row, error in prints.errors.items()},
    )


def _counts(split: str, films: pd.DataFrame) -> SplitCounts:
    labels = films["label"].dropna()
    patients = films["patient_id"].nunique()
    sizes = films["identical"].value_counts()
    return SplitCounts(
        split=split,
        films=len(films),
        normal=int((labels == 0).sum()),
        pneumonia=int((labels == 1).sum()),
        unlabelled=len(films) - len(labels),
        prevalence=float(labels.mean()) if len(labels) else None,
        patients=patients or None,
        without_patient=int(films["patient_id"].isna().sum()),
        identical_groups=int((sizes > 1).sum()),
        surplus=int((sizes - 1).sum()),
    )


def _overlap(splits: tuple[str, str], first: pd.DataFrame, second: pd.DataFrame) -> Overlap:
    identical = _in_both(first, second, "identical")
    near = _in_both(first, second, "near")
    known = first["patient_id"].notna().any() and second["patient_id"].notna().any()
    patients = _in_both(first, second, "patient_id")
    return Overlap(
        splits=splits,
        patients=first["patient_id"][patients[0]].nunique() if known else None,
        films_of_shared_patients=_sums(patients) if known else None,
        identical_films=_sums(identical),
        near_films=_sums((near[0] & ~identical[0], near[1] & ~identical[1])),
    )


_Masks = tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def _in_both(first: pd.DataFrame, second: pd.DataFrame, column: str) -> _Masks:
    one, other = first[column], second[column]
    return (
        (one.isin(other.dropna()) & one.notna()).to_numpy(bool),
        (other.isin(one.dropna()) & other.notna()).to_numpy(bool),
    )


def _sums(masks: _Masks) -> tuple[int, int]:
    return int(masks[0].sum()), int(masks[1].sum())


def _groups(table: pd.DataFrame, group: str, differing: str) -> tuple[tuple[str, ...], ...]:
    """The paths of those groups within which a column has more than one value."""
    several = table.groupby(group)[differing].transform("nunique") > 1
    return tuple(tuple(paths) for _, paths in table[several].groupby(group, sort=False)["path"])
