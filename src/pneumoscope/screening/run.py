"""A run over an archive: begun, gone on with, and summed up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

from pneumoscope.bundle import Bundle
from pneumoscope.errors import OutputError, ScreeningError
from pneumoscope.scoring import Predictor, open_runtime
from pneumoscope.screening.folder import SUMMARY, Plan, RunFolder
from pneumoscope.screening.readers import UNREACHABLE
from pneumoscope.screening.sources import film_names
from pneumoscope.screening.summary import Summary, reference_plan, summarise

PART_SIZE = 512
"""Films in a part: a few seconds' work, so that little is done again after a run was killed."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to screen.

    Attributes:
        column: of a table of films that names them.
        operating_point: its name; the bundle's default if None.
        runtime: see :func:`~pneumoscope.scoring.open_runtime`.
        precision: number format.
        heatmaps: draw those of films with the decision pneumonia.
        part_size: films in a part of the results.
        workers: processes that read films, or of Ray, that score them; None takes one for each processor.
        engine: this machine, or a Ray cluster.
        address: of the cluster; None takes the one that this machine belongs to, or starts one on it.
    """

    column: str = "path"
    operating_point: str | None = None
    runtime: str = "openvino"
    precision: str = "f32"
    heatmaps: bool = False
    part_size: int = PART_SIZE
    workers: int | None = None
    engine: Literal["local", "ray"] = "local"
    address: str | None = None


def screen(
    source: str,
    bundle: Bundle,
    out: Path,
    options: Options,
    *,
    reference: Path | None = None,
    progress: Callable[[int, int], Callable[[int], None]] | None = None,
) -> Summary:
    """Score an archive into a folder, or go on with it where an earlier run ended.

    Every film gets one row in ``out/parts``, in the order of ``out/films.parquet``: scored, refused or failed. Films
    that could not be fetched over a network are tried again each time.

    Args:
        source: see :func:`~pneumoscope.screening.film_names`.
        bundle: the trained model.
        out: folder of the run.
        options: how to screen. Those that a result depends on must be the same when a run goes on.
        reference: folder of another run, say over the training films, to measure drift against.
        progress: called with the films done before and those to do; what it returns is called with those newly done.

    Raises:
        CohortError: there are no films.
        BundleError: the model, runtime or operating point is not there.
        OutputError: the folder holds another run or something else, or cannot be written.
        ScreeningError: the run was stopped, or a server does not answer; what was written is kept.
    """
    _require_parquet()
    folder = RunFolder(out)
    runtime = open_runtime(bundle, options.runtime, precision=options.precision)
    predictor = Predictor(bundle, operating_point=options.operating_point, runtime=runtime)
    wanted = Plan(
        source=source,
        films=0,
        part_size=options.part_size,
        bundle=bundle.spec.name,
        weights_sha256=bundle.sha256,
        operating_point=bundle.spec.operating_point(options.operating_point).name,
        runtime=runtime.name,
        heatmaps=options.heatmaps,
    )
    if reference:
        reference_plan(reference, wanted)
    folder.plan()  # refuses a folder with something else in it before anything is written there
    with folder.alone(), _stoppable() as stopped:
        plan = _agreed(folder.plan(), wanted, out) or folder.begin(wanted, film_names(source, column=options.column))
        pending = folder.pending(plan, again=[UNREACHABLE])
        to_do = sum(min(plan.part_size, plan.films - number * plan.part_size) for number in pending)
        advance = progress(plan.films - to_do, to_do) if progress else None

        def counted(done: int) -> None:
            if stopped.is_set():
                raise ScreeningError(f"{out}: stopped; run the same command again to go on where it was")
            if advance:
                advance(done)

        if pending:
            _work(predictor, bundle, folder, plan, pending, options, counted)
        summary = summarise(folder, plan, reference=reference)
        try:
            (out / SUMMARY).write_text(summary.model_dump_json(indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{out / SUMMARY}: cannot be written ({error.strerror})") from None
        return summary


def _work(
    predictor: Predictor,
    bundle: Bundle,
    folder: RunFolder,
    plan: Plan,
    pending: list[int],
    options: Options,
    progress: Callable[[int], None],
) -> None:
    if options.engine == "ray":
        from pneumoscope.screening.cluster import score_on_cluster

        score_on_cluster(bundle, folder, plan, pending, options, progress)
        return
    from pneumoscope.screening.local import PartScorer, processors

    workers = options.workers or processors()
    with PartScorer(predictor, folder, heatmaps=plan.heatmaps, workers=workers) as scorer:
        for number, table in scorer.score(pending, progress=progress):
            folder.write(number, table)


def _agreed(there: Plan | None, wanted: Plan, out: Path) -> Plan | None:
    """The plan in the folder, if it is what is wanted now."""
    if there is None:
        return None
    same = wanted.model_copy(update={"films": there.films})
    for key, value in same.model_dump().items():
        if getattr(there, key) != value:
            raise OutputError(
                f"{out}: holds a run with {key} {getattr(there, key)!r}, and this one has {value!r}; "
                "repeat that command to go on with it, or name another folder"
            )
    return there


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """An event that is set when the system or the user asks this process to end."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # signals belong to the main thread
        return

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()
        signal.signal(number, before[signal.Signals(number)])  # a second one ends the process at once

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _require_parquet() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ScreeningError("screening needs pyarrow; install it with: pip install 'pneumoscope[screen]'") from None
