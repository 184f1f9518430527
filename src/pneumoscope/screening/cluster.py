"""Screening on a Ray cluster: Ray Data hands out the parts, actors hold the runtime and write what they score."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pneumoscope.bundle import Bundle
from pneumoscope.errors import ScreeningError
from pneumoscope.screening.folder import Plan, RunFolder
from pneumoscope.screening.run import Options

RETRIES = 3
"""Times that a part is given to another worker when the one that had it dies."""


def score_on_cluster(
    bundle: Bundle,
    folder: RunFolder,
    plan: Plan,
    pending: list[int],
    options: Options,
    progress: Callable[[int], None],
) -> None:
    """Score parts on a cluster whose nodes see the same folders as this machine.

    Each actor has one processor, and writes its parts as the local engine does: one that dies loses the part that
    it was at, which Ray gives to another. Ray Data asks for parts as actors become free, so that nothing piles up.

    Args:
        bundle: the trained model, at a path that all nodes see.
        folder: of the run, which all nodes see.
        plan: what the run does.
        pending: the parts to score.
        options: how to screen; ``workers`` is the number of actors, None takes one a processor.
        progress: called with the films newly done, after each part.

    Raises:
        ScreeningError: Ray is not installed, no cluster answers, or a part failed however often it was tried.
    """
    try:
        import ray
    except ImportError:
        raise ScreeningError("--engine ray needs Ray; install it with: pip install 'pneumoscope[cluster]'") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use unless it is told not to
    started = not ray.is_initialized()
    try:
        if started:
            ray.init(address=options.address, log_to_driver=False, logging_level=logging.WARNING)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        there = ray.cluster_resources().get("CPU", 1)
        workers = options.workers or max(1, int(there))
        parts = ray.data.from_items([{"part": number} for number in pending], override_num_blocks=len(pending))
        done = parts.map_batches(
            _Worker,
            fn_constructor_args=(bundle.path, folder.path, plan, options),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(workers, len(pending))),
            num_cpus=1,
            max_restarts=-1,
            max_task_retries=RETRIES,
        )
        for row in done.iter_rows():
            progress(int(row["films"]))
    except (ray.exceptions.RayError, ConnectionError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise ScreeningError(f"{folder.path}: the cluster failed ({reason}); the same command goes on") from None
    finally:
        if started:
            ray.shutdown()


class _Worker:
    """An actor: one runtime on one processor."""

    def __init__(self, bundle: Path, folder: Path, plan: Plan, options: Options) -> None:
        from pneumoscope.bundle import load_bundle
        from pneumoscope.scoring import Predictor, open_runtime
        from pneumoscope.screening.local import PartScorer

        model = load_bundle(bundle)
        runtime = open_runtime(model, options.runtime, precision=options.precision, threads=1)
        if runtime.name != plan.runtime:
            raise ScreeningError(f"this worker would score with {runtime.name}, and the run is by {plan.runtime}")
        predictor = Predictor(model, operating_point=plan.operating_point, runtime=runtime)
        self._folder = RunFolder(folder)
        self._scorer = PartScorer(predictor, self._folder, heatmaps=plan.heatmaps, workers=1)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        films = []
        for number, table in self._scorer.score([int(number) for number in batch["part"]]):
            self._folder.write(number, table)
            films.append(len(table))
        return {"films": np.array(films)}
