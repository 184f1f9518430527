"""A table of experiments from films to figures, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope import __version__
from pneumoscope.cohorts import Cohort
from pneumoscope.errors import TrainingError
from pneumoscope.experiments.cells import CellScores, Laboratory, View, averaged, decided_precision, view_of
from pneumoscope.experiments.contrary import LOOKS, contrary_films, linear_evidence
from pneumoscope.experiments.films import FilmStore, Partition, Rows, development, groups_of, partition
from pneumoscope.experiments.judge import Bench, Measured, Verdict, judges_of, verdict
from pneumoscope.experiments.table import Combination, Look, Row, Table, differences, row_recipes
from pneumoscope.training.recipe import Augmentation, Recipe

if TYPE_CHECKING:
    from pneumoscope.network import InitialWeights

LIMITS = (
    "Calibration and the balanced threshold of each row come from its fold's validation films as they are.",
    "Intervals are the middle 95% of a bootstrap over patients, the same draws for every row; they hold the luck of "
    "films, not that of training, which rows that change the seed alone show. They are not adjusted for the number "
    "of rows.",
    "Held-out films are shifted by this package's own augmentation, so rows that train on the like are favoured there.",
    "The budget is small: a row that needs long training is judged too early.",
)
"""What is to be known before a table is believed."""


class Line(BaseModel):
    """One row of the finished table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    question: str
    changes: dict[str, Any] = Field(description="keys that differ from the base row, or what is averaged")
    training_seconds: float | None = Field(description="on all folds; null where nothing was trained for the row")
    verdicts: dict[str, Verdict] = Field(description="by judge; none where the row failed")
    failed: str | None = Field(
        None, description="why the row could not be trained, such as weights that became infinite"
    )


class Results(BaseModel):
    """A table of experiments with its figures, as far as it is done."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    software: str
    statements: tuple[str, ...] = Field(description="films, budget and limits, in words")
    judges: dict[str, str] = Field(description="name → which films these are")
    lines: tuple[Line, ...]


def reproduce_table(
    table: Table,
    path: Path,
    cohort: Cohort,
    weights: InitialWeights | None,
    folder: Path,
    *,
    finished: Callable[[Results], None],
) -> Results:
    """Train what is not trained yet, and judge every row on held-out films.

    The cohort's test split is left out before anything else happens. A call that was killed is taken up by the next
    one: within a cell after its last finished epoch.

    Args:
        table: what to do.
        path: its file, beside which its base recipes lie.
        cohort: films with labels and patients.
        weights: the trunk's starting weights; None starts from random ones.
        folder: where cells are kept.
        finished: called after each row with the table as far as it is done.

    Raises:
        CohortError: the films do not allow the table's folds.
        RecipeError: a row makes no valid recipe.
        OutputError: the folder holds something else, or cannot be written.
        TrainingError: the first row cannot be trained. Any other row that cannot is reported, and the rest goes on.
    """
    import torch

    recipes = row_recipes(table, path)
    cohort = development(cohort)
    groups = groups_of(cohort)
    partitions = {fold.name: partition(cohort, fold, groups, table.budget, table.seed) for fold in table.folds}
    precision = decided_precision(folder, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    recipes = {
        name: recipe.model_copy(update={"precision": precision}) if recipe.precision == "auto" else recipe
        for name, recipe in recipes.items()
    }
    base = recipes[table.rows[0].name]
    store = FilmStore(cohort, base.input.size, base.input.fit, table.shift, table.seed)
    laboratory = Laboratory(folder, table, recipes, store, partitions, weights)
    judges = judges_of(table)
    truth = {name: cohort.labels[part.judged] for name, part in partitions.items()}
    evidence = _evidence(table, store, partitions)
    contrary = {
        look: {fold: contrary_films(values, truth[fold], table.contrary) for fold, values in folds.items()}
        for look, folds in evidence.items()
    }
    benches = [
        Bench(
            judge,
            partitions,
            cohort.labels,
            groups,
            contrary=contrary,
            bootstrap=table.bootstrap,
            seed=table.seed,
        )
        for judge in judges
    ]
    statements = (*_statements(table, cohort, partitions, base, weights), *_told(evidence, truth), *LIMITS)
    lines: list[Line] = []
    reference: list[Measured] = []
    results = None
    rows: tuple[Row | Combination, ...] = (*table.rows, *table.combinations)
    for row in rows:
        verdicts: dict[str, Verdict] = {}
        failed = None
        try:
            scores = {fold: _scores(laboratory, row, fold) for fold in partitions}
        except TrainingError as error:
            if not reference:
                raise
            failed = str(error)
        else:
            measured = [bench.measure([scores[fold] for fold in bench.judge.folds]) for bench in benches]
            bases: Sequence[Measured | None] = reference or [None] * len(measured)
            for judge, own, theirs in zip(judges, measured, bases, strict=True):
                verdicts[judge.name] = verdict(own, theirs)
            reference = reference or measured
        lines.append(_line(row, recipes, base, laboratory, verdicts, failed))
        results = Results(
            title=table.title,
            software=__version__,
            statements=statements,
            judges={judge.name: judge.words for judge in judges},
            lines=tuple(lines),
        )
        finished(results)
    assert results is not None  # a table has at least one row
    return results


def _scores(laboratory: Laboratory, row: Row | Combination, fold: str) -> CellScores:
    if isinstance(row, Row):
        return laboratory.scores(row.name, fold, View())
    return averaged([laboratory.scores(member, fold, view_of(row)) for member in row.of])


def _line(
    row: Row | Combination,
    recipes: Mapping[str, Recipe],
    base: Recipe,
    laboratory: Laboratory,
    verdicts: dict[str, Verdict],
    failed: str | None,
) -> Line:
    seconds = None
    if isinstance(row, Row):
        changes = differences(recipes[row.name], base)
        if row.films != Augmentation():
            changes["every film"] = row.films.model_dump(exclude_defaults=True)
        seconds = None if failed else round(laboratory.seconds(row.name), 1)
    else:
        changes = {"mean of": list(row.of)}
        if row.views > 1:
            changes["views"] = row.views
            changes["views differ by"] = row.changes.model_dump(exclude_defaults=True) if row.changes else "training's"
        if row.dropout:
            changes["passes with dropout"] = row.dropout
    return Line(
        name=row.name,
        question=row.question,
        changes=changes,
        training_seconds=seconds,
        verdicts=verdicts,
        failed=failed,
    )


def _evidence(
    table: Table, store: FilmStore, partitions: Mapping[str, Partition]
) -> dict[Look, dict[str, npt.NDArray[np.float64]]]:
    """By look and fold, a linear rule's evidence on the held-out films; nothing where the table does not ask."""
    if not table.contrary:
        return {}
    pixels = store.plain(np.arange(len(store.cohort)), store.size, store.fit)
    labels = store.cohort.labels
    return {
        look: {name: linear_evidence(look, pixels, labels, part) for name, part in partitions.items()}
        for look in table.looks
    }


def _told(evidence: Mapping[Look, Mapping[str, npt.NDArray[np.float64]]], truth: Mapping[str, Rows]) -> Iterator[str]:
    """How well linear rules tell the classes."""
    from sklearn.metrics import roc_auc_score

    for look, folds in evidence.items():
        for fold, values in folds.items():
            area = roc_auc_score(truth[fold], values)
            how = f"By how films look {LOOKS[look][0]}"
            yield f"{how}, a linear rule tells the held-out films of {fold} with a ROC AUC of {area:.3f}."


def _statements(
    table: Table,
    cohort: Cohort,
    partitions: Mapping[str, Partition],
    base: Recipe,
    weights: InitialWeights | None,
) -> Sequence[str]:
    labels = cohort.labels
    splits = " and ".join(f"{split} ({count:,})" for split, count in cohort.splits.items())
    found = [f"Films: {cohort.name}, {splits}; the test split is not touched."]
    for fold in table.folds:
        parts = partitions[fold.name]
        counts = []
        for words, rows in (("train", parts.training), ("validate", parts.validation), ("judge", parts.judged)):
            pneumonia = int(labels[rows].sum())
            counts.append(f"{len(rows) - pneumonia:,} + {pneumonia:,} {words}")
        if fold.kind == "patients":
            what = f"part {fold.number + 1} of {fold.of} of the patients held out"
        else:
            what = f"all films with {fold.column} like {fold.pattern!r} held out, with patients of the class they lack"
        found.append(f"Fold {fold.name}: {what}; normal + pneumonia films: {', '.join(counts)}.")
    if table.contrary:
        found.append(
            f"Films that look like the other class: of each fold and class the {table.contrary:.0%} of held-out films "
            "that a linear rule, learnt on the fold's training films, finds least like their own "
            f"{' or '.join(LOOKS[look][0] for look in table.looks)}."
        )
    epochs = " + ".join(str(phase.epochs) for phase in base.phases)
    found.append(
        f"Base row: {table.base} at {base.input.size} pixels, epochs {epochs}, precision {base.precision}, "
        f"trunk from {weights.provenance['source'] if weights else 'random weights'}."
    )
    return found
