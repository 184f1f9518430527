"""Many films: a table of cases, and the way from a row to its pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pneumoscope.cohorts.films import read_case, read_cases
from pneumoscope.cohorts.table import WITHOUT_SPLIT, few, in_order
from pneumoscope.errors import CohortError, ImageError
from pneumoscope.radiograph import Radiograph, fit


@dataclass(frozen=True, eq=False)
class Cohort:
    """Films with labels and metadata.

    Attributes:
        cases: one row per film, with :data:`COLUMNS` and what else the source has; index 0 … N−1.
        name: of the data set, for reports.
    """

    cases: pd.DataFrame
    name: str

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def splits(self) -> dict[str, int]:
        """The splits there are, with their numbers of films."""
        counts = self.cases["split"].value_counts()
        return {split: int(counts[split]) for split in in_order(counts.index)}

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) of 1 (pneumonia) and 0 (normal).

        Raises:
            CohortError: a case has no label; see :meth:`labelled`.
        """
        missing = int(self.cases["label"].isna().sum())
        if missing:
            raise CohortError(f"{self.name}: {missing} of {len(self)} cases have no label; leave them out first")
        return np.array(self.cases["label"], dtype=np.int64)

    def select(self, *splits: str) -> Cohort:
        """The cases of one split, or of several; ``"all"`` is every case.

        A source without splits has its cases in the split ``"all"`` alone, so that asking it for ``"test"``
        is an error instead of an evaluation on films that may have been trained on.

        Raises:
            CohortError: there are none in one of them; the message names the splits there are.
        """
        for split in splits:
            if not len(self) or (split != WITHOUT_SPLIT and split not in self.splits):
                counts = (f"{name} ({count})" for name, count in self.splits.items())
                there = ", ".join(counts) or "none, for it has no cases"
                raise CohortError(f"{self.name}: there are no cases in split {split!r}; the splits are {there}")
        return self if WITHOUT_SPLIT in splits else self.where(self.cases["split"].isin(splits))

    def take(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Cohort:
        """The cases of these rows, in their order."""
        return replace(self, cases=self.cases.iloc[list(rows)].reset_index(drop=True))

    def labelled(self) -> Cohort:
        """The cases that have a label."""
        return self.where(self.cases["label"].notna())

    def without(self, rule: Mapping[str, str]) -> Cohort:
        """The cases but those whose columns all have the values of a rule; ``""`` stands for an empty cell.

        Raises:
            CohortError: there is no such column.
        """
        unknown = [column for column in rule if column not in self.cases]
        if unknown:
            there = few(self.cases.columns, 20)
            raise CohortError(f"{self.name}: there is no column {few(unknown)}; there are {there}")
        same = [self.cases[column].astype("string").fillna("") == value for column, value in rule.items()]
        return self.where(~np.logical_and.reduce(same))

    def require_both_classes(self) -> Cohort:
        """The labelled cases, which training and evaluation need to be of both classes.

        Raises:
            CohortError: there are none of one class.
        """
        chosen = self.labelled()
        labels = set(chosen.labels)
        if not labels:
            raise CohortError(f"{self.name}: no case has a label; if they are in another column, name it as label=NAME")
        if len(labels) == 1:
            (only,) = labels
            have, lack = ("pneumonia", "normal") if only else ("normal", "pneumonia")
            raise CohortError(
                f"{self.name}: all {len(chosen)} labelled cases are {have}; cases of {lack} are needed too"
            )
        return chosen

    def read(self, row: int) -> Radiograph:
        """The film of a row.

        Raises:
            ImageError: it cannot be read.
        """
        return read_case(str(self.cases["path"].iloc[row]))

    def pixels(
        self,
        size: int,
        fit_mode: Literal["crop", "pad"],
        *,
        workers: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """All films at one size, as uint8 (N, size, size), 0 … 255.

        Takes N·size² bytes (0.5 GB for 5,856 films of 299 pixels) and, beyond that, a few films per worker.

        Args:
            size: side in pixels.
            fit_mode: how a film becomes square: cropped to its centre, or padded with black.
            workers: threads; None takes as many as there are processors.
            progress: called with the number of films newly done.

        Raises:
            CohortError: films that cannot be read, the first few by name.
        """

        def film(radiograph: Radiograph) -> npt.NDArray[np.uint8]:
            return np.rint(fit(radiograph.pixels, size, fit_mode) * 255).astype(np.uint8)

        films = np.empty((len(self), size, size), dtype=np.uint8)
        failed: list[ImageError] = []
        for row, result in enumerate(read_cases(self.cases["path"].tolist(), film, workers=workers, progress=progress)):
            if isinstance(result, ImageError):
                failed.append(result)
            else:
                films[row] = result
        if failed:
            raise CohortError(
                f"{self.name}: {len(failed)} of {len(self)} films cannot be read: {few(failed)}; "
                "repair them, or take them out of the data set"
            )
        return films

    def where(self, rows: pd.Series[bool] | npt.NDArray[np.bool_]) -> Cohort:
        """The cases of which ``rows`` (N,) is true; a missing value counts as false."""
        return replace(self, cases=self.cases[pd.Series(rows).fillna(False).to_numpy(bool)].reset_index(drop=True))
