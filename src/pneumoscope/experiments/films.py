"""The films of a table: which of them train, validate and judge in each fold, and their pixels as a row sees them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from pneumoscope.cohorts import Cohort, divide_groups, film_groups, fingerprint
from pneumoscope.errors import CohortError
from pneumoscope.experiments.table import Budget, Fold, SourceFold
from pneumoscope.progress import progress_bar
from pneumoscope.training.recipe import Augmentation

BATCH = 64

Rows = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]
Fit = Literal["crop", "pad"]


@dataclass(frozen=True)
class Partition:
    """Rows of the cohort. No patient, and no two identical films, are in two of the three."""

    training: Rows
    validation: Rows
    judged: Rows


def development(cohort: Cohort) -> Cohort:
    """The labelled films outside the test split, which no experiment may see.

    Raises:
        CohortError: nothing is left, or one class only.
    """
    cases = cohort.cases[(cohort.cases["split"] != "test").fillna(True)].reset_index(drop=True)
    return replace(cohort, cases=cases).require_both_classes()


def partition(cohort: Cohort, fold: Fold, groups: Rows, budget: Budget, seed: int) -> Partition:
    """Training, validation and held-out films of a fold.

    Films that a group of :func:`~pneumoscope.cohorts.film_groups` ties to held-out ones train nothing.

    Args:
        cohort: from :func:`development`.
        fold: what is held out.
        groups: (N,) of the cohort.
        budget: how many films; fewer where the fold has no more.
        seed: of the folds and draws.

    Raises:
        CohortError: a source that no film or every film is of, or a part without one of the classes.
    """
    labels = cohort.labels
    held = divide_groups(labels, groups, fold.of, seed, name=cohort.name) == fold.number
    pool = ~held
    if isinstance(fold, SourceFold):
        known, matches = _source(cohort, fold)
        own = np.isin(labels, labels[matches])
        held = matches | (held & ~own)
        # Where it is not known whether a film is of the source, it is on neither side.
        pool = ~held & (known | ~own)
    pool &= ~np.isin(groups, groups[held])
    place = np.random.default_rng(seed).permutation(int(groups.max()) + 1)[groups]
    mix = float(labels.mean())
    validation = _draw(np.flatnonzero(pool), budget.validation_films, labels, place, mix)
    # Whole patients leave training, also where a draw ended in the midst of one.
    training = np.flatnonzero(pool & ~np.isin(groups, groups[validation]))
    training = _draw(training, budget.training_films, labels, place, mix)
    judged = np.flatnonzero(held)
    if budget.judged_films is not None:
        judged = _draw(judged, budget.judged_films, labels, place, float(labels[judged].mean()))
    for rows, part in ((training, "training"), (validation, "validation"), (judged, "held-out")):
        if len(set(labels[rows])) < 2:
            raise CohortError(
                f"{cohort.name}: the {len(rows)} {part} films of fold {fold.name} are not of both classes; "
                "take more films or another fold"
            )
    return Partition(training, validation, judged)


class FilmStore:
    """Pixels of a cohort's films at the sizes that rows ask for; the base's size and one other stay in memory.

    Args:
        cohort: from :func:`development`.
        size, fit: the base recipe's input. Films are shifted at this size, so that every row judges the same ones.
        shift: how held-out films are shifted.
        seed: of the shift.
    """

    def __init__(self, cohort: Cohort, size: int, fit: Fit, shift: Augmentation, seed: int):
        self.cohort = cohort
        self.size = size
        self.fit = fit
        self.shift = shift
        self.seed = seed
        self._pixels: dict[tuple[int, Fit], Pixels] = {}
        digest = hashlib.sha256(self._at(size, fit).tobytes())
        digest.update(cohort.labels.astype(np.uint8).tobytes())
        self.sha256 = digest.hexdigest()

    def plain(self, rows: Rows, size: int, fit: Fit) -> Pixels:
        """(N, size, size), the films as they are."""
        return self._at(size, fit)[rows]

    def shifted(self, rows: Rows, size: int) -> Pixels:
        """(N, size, size), each film changed once and for all."""
        return _resized(changed(self._at(self.size, self.fit)[rows], self.shift, self.seed), size)

    def _at(self, size: int, fit: Fit) -> Pixels:
        key = size, fit
        if key not in self._pixels:
            with progress_bar(f"Reading films at {size} pixels", len(self.cohort)) as advance:
                read = self.cohort.pixels(size, fit, progress=advance)
            base = {own: kept for own, kept in self._pixels.items() if own == (self.size, self.fit)}
            self._pixels = {**base, key: read}
        return self._pixels[key]


def changed(films: Pixels, changes: Augmentation, seed: int) -> Pixels:
    """Films after random changes that depend on the seed and on which films these are, in which order."""
    import torch

    from pneumoscope.training.augment import build_augmentation

    if changes == Augmentation():
        return films
    change = build_augmentation(changes)
    result = np.empty_like(films)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for start in range(0, len(films), BATCH):
            batch = torch.from_numpy(films[start : start + BATCH])[:, None].float() / 255
            result[start : start + BATCH] = (change(batch)[:, 0].clamp(0, 1) * 255).round().byte().numpy()
    return result


def groups_of(cohort: Cohort) -> Rows:
    """:func:`~pneumoscope.cohorts.film_groups` of a cohort that says whose its films are.

    Raises:
        CohortError: it does not.
    """
    if cohort.cases["patient_id"].isna().all():
        raise CohortError(
            f"{cohort.name}: no film says whose it is, so patients cannot be kept apart; add patient_id to its table, "
            "or, for PneumoniaMNIST, name the table of its patients with --patients"
        )
    with progress_bar("Looking for copies", len(cohort)) as advance:
        return film_groups(cohort, fingerprint(cohort, progress=advance))


def _source(cohort: Cohort, fold: SourceFold) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(N,) where the column says something, and where it says this source."""
    if fold.column not in cohort.cases:
        raise CohortError(f"{cohort.name}: has no column {fold.column!r}, which fold {fold.name} goes by")
    column = cohort.cases[fold.column].astype("string")
    matches = column.str.contains(fold.pattern, regex=True).fillna(False).to_numpy(bool)
    if not matches.any() or matches.all():
        raise CohortError(
            f"{cohort.name}: {int(matches.sum())} of {len(cohort)} films have {fold.column} like {fold.pattern!r}; "
            f"fold {fold.name} needs films of this source and of others"
        )
    return column.notna().to_numpy(bool), matches


def _draw(rows: Rows, count: int, labels: Rows, place: Rows, mix: float) -> Rows:
    """Up to ``count`` of the rows, with this share of pneumonia, patient by patient in the order of ``place``."""
    wanted = {1: round(count * mix), 0: count - round(count * mix)}
    chosen = []
    for label, number in wanted.items():
        of_class = rows[labels[rows] == label]
        chosen.append(of_class[np.argsort(place[of_class], kind="stable")][:number])
    return np.sort(np.concatenate(chosen))


def _resized(films: Pixels, size: int) -> Pixels:
    import torch
    from torch.nn.functional import interpolate

    if films.shape[-1] == size:
        return films
    result = np.empty((len(films), size, size), dtype=np.uint8)
    for start in range(0, len(films), BATCH):
        batch = torch.from_numpy(films[start : start + BATCH])[:, None].float()
        larger = interpolate(batch, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
        result[start : start + BATCH] = larger[:, 0].round().clamp(0, 255).byte().numpy()
    return result
