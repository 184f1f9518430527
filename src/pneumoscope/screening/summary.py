"""What a run over an archive found, and how far it lies from another run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.errors import OutputError
from pneumoscope.scoring import RESEARCH_NOTICE
from pneumoscope.screening.folder import Plan, RunFolder
from pneumoscope.screening.parts import Moments, moments_of

if TYPE_CHECKING:
    import pyarrow as pa

BINS = 20
"""Of the histogram of probabilities, equally wide."""
LEAST_SHARE = 1e-4
"""Share that an empty bin counts as in the population stability index, which would be infinite otherwise."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Drift(_Part):
    """How far the films of a run lie from those of a reference run by the same model."""

    reference: str
    films: int = Field(description="scored in the reference run")
    score_stability: float = Field(
        description="population stability index of the probabilities; by custom 0.1 is worth a look, 0.25 a large shift"
    )
    mean_probability: tuple[float, float] = Field(description="here and in the reference run")
    embedding_shift: float = Field(
        description="root mean square, over the embedding's values, of the difference of means in reference standard "
        "deviations; 0 for the same films, and about √(1/n + 1/m) for others of the same kind"
    )


class Summary(_Part):
    """A run in numbers."""

    source: str
    films: int
    done: int = Field(description="films with a row in the results")
    decisions: dict[str, int] = Field(description="pneumonia, normal, refer, unsuitable; failed are counted apart")
    failed: int
    reasons: dict[str, int] = Field(description="code → films that were not scored for it, unreadable or unsuitable")
    histogram: tuple[int, ...] = Field(description="films by probability, in twenty steps from 0 to 1")
    drift: Drift | None = None
    bundle: str
    weights_sha256: str
    operating_point: str
    runtime: str
    notice: str = RESEARCH_NOTICE


class _Tally(NamedTuple):
    done: int
    decisions: dict[str, int]
    failed: int
    reasons: dict[str, int]
    histogram: npt.NDArray[np.int64]
    probability: float
    moments: Moments


def summarise(folder: RunFolder, plan: Plan, *, reference: Path | None = None) -> Summary:
    """Sum up the parts that are there, reading one at a time.

    Args:
        folder: of the run.
        plan: what it does.
        reference: folder of the run to measure drift against.

    Raises:
        ScreeningError: a part is damaged.
        OutputError: there is no run in the reference folder, or one by another model.
    """
    tally = _tally(folder, plan)
    return Summary(
        source=plan.source,
        films=plan.films,
        done=tally.done,
        decisions=tally.decisions,
        failed=tally.failed,
        reasons=tally.reasons,
        histogram=tuple(int(count) for count in tally.histogram),
        drift=_drift(tally, plan, reference) if reference else None,
        bundle=plan.bundle,
        weights_sha256=plan.weights_sha256,
        operating_point=plan.operating_point,
        runtime=plan.runtime,
    )


def reference_plan(reference: Path, plan: Plan) -> Plan:
    """What the run in the reference folder did.

    Raises:
        OutputError: there is none, or one by another model or runtime than that of ``plan``.
    """
    other = RunFolder(reference).plan()
    if other is None:
        raise OutputError(f"{reference}: holds no screening run to measure drift against")
    if (other.weights_sha256, other.runtime) != (plan.weights_sha256, plan.runtime):
        raise OutputError(f"{reference}: a run by another model or runtime, whose scores cannot be compared")
    return other


def stability_index(here: npt.NDArray[Any], there: npt.NDArray[Any]) -> float:
    """Population stability index of two histograms with the same bins: Σ (p − q) · ln(p / q) ≥ 0."""
    p, q = (np.maximum(counts / max(1, counts.sum()), LEAST_SHARE) for counts in (here, there))
    return float(((p - q) * np.log(p / q)).sum())


def embedding_shift(here: Moments, there: Moments) -> float:
    """See :attr:`Drift.embedding_shift`; values that never vary in the reference run are left out."""
    known = there.variance > 0
    shift = (here.mean - there.mean)[known] / np.sqrt(there.variance[known])
    return float(np.sqrt((shift**2).mean())) if known.any() else 0.0


def _tally(folder: RunFolder, plan: Plan) -> _Tally:
    import pyarrow.compute as pc

    decisions: dict[str, int] = {}
    reasons: dict[str, int] = {}
    histogram = np.zeros(BINS, np.int64)
    moments = Moments.of(())
    done = failed = 0
    probability = 0.0
    for table in folder.read(plan, ["decision", "failed", "reason_codes", "probability"]):
        done += len(table)
        broken = table.column("failed")
        failed += pc.sum(broken).as_py() or 0
        _count(decisions, table.filter(pc.invert(broken)).column("decision"))
        _count(reasons, table.filter(pc.is_null(table.column("probability"))).column("reason_codes"))
        known = table.column("probability").drop_null().to_numpy()
        histogram += np.histogram(known, BINS, (0, 1))[0]
        probability += float(known.sum())
        moments = moments.plus(moments_of(table))
    return _Tally(done, decisions, failed, reasons, histogram, probability, moments)


def _count(counts: dict[str, int], values: pa.ChunkedArray) -> None:
    for entry in values.value_counts().to_pylist():
        counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]


def _drift(here: _Tally, plan: Plan, reference: Path) -> Drift | None:
    there = _tally(RunFolder(reference), reference_plan(reference, plan))
    if not here.moments.films or not there.moments.films:
        return None
    films = int(here.histogram.sum()), int(there.histogram.sum())
    return Drift(
        reference=str(reference),
        films=films[1],
        score_stability=stability_index(here.histogram, there.histogram),
        mean_probability=(here.probability / max(1, films[0]), there.probability / max(1, films[1])),
        embedding_shift=embedding_shift(here.moments, there.moments),
    )
