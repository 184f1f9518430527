"""Cells of a table, one row on one fold each: trained once, scored, and kept."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pneumoscope.errors import OutputError
from pneumoscope.experiments.films import FilmStore, Partition, Pixels, Rows, changed
from pneumoscope.experiments.table import Combination, PatientFold, Row, Table
from pneumoscope.progress import progress_bar
from pneumoscope.training.recipe import Augmentation, Recipe

if TYPE_CHECKING:
    import torch

    from pneumoscope.network import InitialWeights, PneumoniaNet
    from pneumoscope.training.run import TrainingRun

CELLS = "cells"
"""Folder of the cells inside a table's folder."""

Logits = npt.NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """How often each film is scored, and how the second and later times differ; None: as in the row's training.

    ``dropout`` is the number of passes of the head with dropout, of which 0 is one without.
    """

    count: int = 1
    changes: Augmentation | None = None
    dropout: int = 0

    @property
    def key(self) -> str:
        """A file name's part."""
        parts = ["plain"]
        if self.count > 1:
            parts = [str(self.count), _digest(self.changes.model_dump(mode="json") if self.changes else None)]
        return "-".join([*parts, f"dropout-{self.dropout}"] if self.dropout else parts)


@dataclass(frozen=True)
class CellScores:
    """Mean logits over views, (N,), of a cell's films; ``shifted`` where the fold judges shifted films too."""

    validation: Logits
    judged: Logits
    shifted: Logits | None


class Laboratory:
    """Trains and scores cells in a folder. What is there already, whole, is not done again.

    A cell's folder is named by its row, its fold, and a digest of all that decides its result; a row whose recipe
    changes is trained anew in another folder. Weights are removed once the table's views of the films are scored.

    Args:
        folder: of the table.
        table: what to do.
        recipes: of the trained rows, with a precision decided.
        store: films.
        partitions: by the folds' names.
        weights: the trunk's starting weights; None starts from random ones.
    """

    def __init__(
        self,
        folder: Path,
        table: Table,
        recipes: Mapping[str, Recipe],
        store: FilmStore,
        partitions: Mapping[str, Partition],
        weights: InitialWeights | None,
    ):
        self.folder = folder / CELLS
        self.table = table
        self.recipes = recipes
        self.store = store
        self.partitions = partitions
        self.weights = weights
        self._rows = {row.name: row for row in table.rows}
        self._shifted = {fold.name for fold in table.folds if isinstance(fold, PatientFold)}

    def scores(self, name: str, fold: str, view: View) -> CellScores:
        """Scores of a trained row on a fold, after training it where that was not done.

        Raises:
            TrainingError: it cannot be trained; what was reached is kept.
            OutputError: the folder cannot be written.
        """
        cell = self._cell(name, fold)
        file = cell / f"scores-{view.key}.npz"
        if not file.exists():
            self._run(cell, self._rows[name], fold)
        with np.load(file) as arrays:
            means = {part: arrays[part].mean(0) for part in arrays.files}
        return CellScores(means["validation"], means["judged"], means.get("shifted"))

    def seconds(self, name: str) -> float:
        """What a row's training took, over all folds."""
        total = 0.0
        for fold in self.partitions:
            with (self._cell(name, fold) / "curve.csv").open(newline="") as file:
                total += sum(float(epoch["seconds"]) for epoch in csv.DictReader(file))
        return total

    def _cell(self, name: str, fold: str) -> Path:
        parts = self.partitions[fold]
        identity = {
            "recipe": self.recipes[name].model_dump(mode="json", exclude={"name", "description"}),
            "films": self._rows[name].films.model_dump(mode="json"),
            "shift": self.table.shift.model_dump(mode="json"),
            "seed": self.table.seed,
            "rows": [part.tolist() for part in (parts.training, parts.validation, parts.judged)],
            "pixels": self.store.sha256,
            "weights": self.weights.provenance if self.weights else None,
        }
        return self.folder / f"{name}-{fold}-{_digest(identity)}"

    def _views(self, name: str) -> list[View]:
        """Every view of a row's films that the table asks for."""
        combined = [view_of(row) for row in self.table.combinations if name in row.of]
        return list({view.key: view for view in (View(), *combined)}.values())

    def _run(self, cell: Path, row: Row, fold: str) -> None:
        import torch

        from pneumoscope.network import PneumoniaNet, load_trunk
        from pneumoscope.training.run import TrainingRun

        recipe, parts = self.recipes[row.name], self.partitions[fold]
        provenance = {
            "data": {"sha256": self.store.sha256, "fold": fold, "films": len(parts.training)},
            "initial_weights": self.weights.provenance if self.weights else None,
        }
        run = TrainingRun(cell, recipe, provenance)
        torch.manual_seed(recipe.seed)
        network = PneumoniaNet(attention=recipe.network.attention, dropout=recipe.network.dropout)
        if self.weights:
            load_trunk(network.trunk, self.weights.tensors, origin=self.weights.provenance["source"])
        plain = self._plain(row, recipe)
        run.train(network, plain(parts.training), plain(parts.validation))
        films = {"validation": plain(parts.validation), "judged": plain(parts.judged)}
        if fold in self._shifted:
            shifted = self.store.shifted(parts.judged, recipe.input.size)
            films["shifted"] = self._films(parts.judged, shifted, row.films)
        for view in self._views(row.name):
            self._score(cell, run, network, films, view)
        for weights in cell.glob("phase-*/weights.safetensors"):
            weights.unlink()

    def _plain(self, row: Row, recipe: Recipe) -> Any:
        def films(rows: Rows) -> Any:
            return self._films(rows, self.store.plain(rows, recipe.input.size, recipe.input.fit), row.films)

        return films

    def _films(self, rows: Rows, pixels: Pixels, changes: Augmentation) -> Any:
        from pneumoscope.training.run import Films

        return Films(changed(pixels, changes, self.table.seed), self.store.cohort.labels[rows])

    def _score(self, cell: Path, run: TrainingRun, network: PneumoniaNet, films: Mapping[str, Any], view: View) -> None:
        file = cell / f"scores-{view.key}.npz"
        if file.exists():
            return
        total = view.count * sum(len(part.labels) for part in films.values())
        with progress_bar("Scoring", total) as advance:
            logits: dict[str, Any] = {
                part: run.logits(
                    network,
                    films[part],
                    views=view.count,
                    changes=view.changes,
                    dropout=view.dropout,
                    dtype=run.precision,
                    progress=advance,
                )
                for part in films
            }
        draft = file.with_suffix(".part")
        try:
            with draft.open("wb") as opened:
                np.savez(opened, **logits)
            draft.replace(file)
        except OSError as error:
            raise OutputError(f"{file}: cannot be written ({error.strerror})") from None


def view_of(row: Combination) -> View:
    """The view that a combination scores films in."""
    return View(row.views, row.changes if row.views > 1 else None, row.dropout)


def decided_precision(folder: Path, device: torch.device) -> str:
    """What convolutions run in where a recipe leaves it to the machine: measured once for all cells of a folder.

    Raises:
        OutputError: the folder holds something else than a table, or cannot be written.
    """
    from pneumoscope.training.hardware import resolve_precision

    file = folder / "machine.json"
    if file.exists():
        return str(json.loads(file.read_text(encoding="utf-8"))["precision"])
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(f"{folder}: exists and holds no table of experiments; choose another --out")
    precision = str(resolve_precision("auto", device)).removeprefix("torch.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"precision": precision}) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{file}: cannot be written ({error.strerror})") from None
    return precision


def averaged(scores: Sequence[CellScores]) -> CellScores:
    """Mean logits of several networks on the same films."""

    def mean(arrays: Sequence[Logits]) -> Logits:
        return np.mean(arrays, axis=0)

    shifted = [one.shifted for one in scores if one.shifted is not None]
    return CellScores(
        mean([one.validation for one in scores]),
        mean([one.judged for one in scores]),
        mean(shifted) if shifted else None,
    )


def _digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=5).hexdigest()
