"""From films to predictions: reading, scoring and using the results overlap, order is kept, memory is bounded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from pneumoscope import __version__
from pneumoscope.bundle import Bundle
from pneumoscope.errors import BundleError
from pneumoscope.radiograph import Finding, Radiograph
from pneumoscope.scoring.geometry import peak
from pneumoscope.scoring.prediction import (
    ModelUsed,
    Peak,
    Prediction,
    Reason,
    SaliencySummary,
    decide,
    outside_ages,
    uncertain,
)
from pneumoscope.scoring.preparing import Prepared, prepare_file, prepare_film
from pneumoscope.scoring.runtime import Runtime, Scores, checked
from pneumoscope.scoring.runtimes import OpenVinoRuntime

Source = TypeVar("Source")

BATCH_WITH_FILMS = 8
"""Films scored at a time where they are kept at full size, which takes 10 to 50 MB each."""
READERS = 16
"""Most threads that read; beyond that they wait for one another."""


@dataclass(frozen=True)
class Scored:
    """A prediction with the arrays that it was made from.

    ``saliency`` (h, w) float32 ≥ 0 and ``embedding`` (2048,) float32 are there where the film was scored, ``film``
    where films are kept.
    """

    prediction: Prediction
    saliency: npt.NDArray[np.float32] | None = None
    film: Radiograph | None = None
    embedding: npt.NDArray[np.float32] | None = None


class _Running(NamedTuple):
    """A batch in the runtime.

    ``scores`` is of those films in it that may be scored, with what was found of each and the seconds they took.
    """

    batch: list[Prepared]
    scores: Future[tuple[Scores, tuple[tuple[Finding, ...], ...], float]] | None


class Predictor:
    """Scores films with one bundle at one operating point.

    Args:
        bundle: the trained model.
        operating_point: its name; the bundle's default if None.
        error_rate: of the conformal limits that say which films are referred; the bundle's own if None.
        runtime: runs the network; OpenVINO on the CPU if None.
        batch_size: films scored at a time; at most three times as many are held in memory. None takes two for each
            processor and at least 16, or 8 where films are kept at full size.
        refuse_unlike: refuse films that are unlike the training films, where the bundle describes these. A model is
            judged without, so that its figures are of every film.

    Raises:
        BundleError: the bundle has no such operating point or error rate, or its weights are missing or damaged.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        operating_point: str | None = None,
        error_rate: float | None = None,
        runtime: Runtime | None = None,
        batch_size: int | None = None,
        refuse_unlike: bool = True,
    ) -> None:
        try:
            self._point = bundle.spec.operating_point(operating_point)
            self._limits = bundle.spec.conformal_limits(error_rate)
        except ValueError as error:
            raise BundleError(str(error)) from None
        self.spec = bundle.spec
        self._training_films = bundle.training_films if refuse_unlike else None
        self._runtime = runtime or OpenVinoRuntime(bundle)
        self._batch_size = batch_size
        self._model = ModelUsed(
            name=bundle.spec.name, sha256=bundle.sha256, software=__version__, runtime=self._runtime.name
        )

    @property
    def runtime(self) -> Runtime:
        """What runs the network, for tests of the network that are no films: half-erased ones, say."""
        return self._runtime

    def predict_files(self, paths: Iterable[Path], *, keep_films: bool = False) -> Iterator[Scored]:
        """Score files, in their order. A file that cannot be read is reported as ``failed`` and the run goes on.

        Args:
            paths: files, read as they are needed.
            keep_films: hand out the films at full size too, for pictures of the saliency map.

        Raises:
            BundleError: the network answers with something that is no number.
        """
        spec = self.spec.input
        kept = BATCH_WITH_FILMS if keep_films else None
        return self._stream(paths, lambda path: prepare_file(path, spec, keep_film=keep_films), kept)

    def predict(self, films: Iterable[Radiograph]) -> Iterator[Scored]:
        """Score films that are read already, in their order. They have no ``input_sha256``.

        Raises:
            BundleError: the network answers with something that is no number.
        """

        def prepare(film: Radiograph) -> Prepared:
            return prepare_film(film, self.spec.input, name=film.source, started=perf_counter(), digest=None)

        return self._stream(films, prepare, BATCH_WITH_FILMS)

    def predict_prepared(
        self, sources: Iterable[Source], prepare: Callable[[Source], Prepared], *, readers: int
    ) -> Generator[Scored]:
        """Score what ``prepare`` makes of each source, in their order.

        Args:
            sources: read as they are needed.
            prepare: called in so many threads at a time as ``readers`` says.
            readers: their number.

        Raises:
            BundleError: the network answers with something that is no number.
        """
        return self._stream(sources, prepare, None, readers)

    def _stream(
        self,
        sources: Iterable[Source],
        prepare: Callable[[Source], Prepared],
        batch_size: int | None,
        readers: int | None = None,
    ) -> Generator[Scored]:
        processors = os.cpu_count() or 1
        size = self._batch_size or batch_size or max(16, 2 * processors)
        waiting = iter(sources)
        reading = ThreadPoolExecutor(readers or min(READERS, processors), thread_name_prefix="read")
        scorer = ThreadPoolExecutor(1, thread_name_prefix="score")
        running: deque[_Running] = deque()
        try:
            # Three stages at work at a time: these threads read one batch, the next is in the runtime, and whoever
            # asked has the one after that.
            ahead = deque(reading.submit(prepare, source) for source in islice(waiting, size))
            while ahead:
                batch: list[Prepared] = []
                while ahead and len(batch) < size:
                    batch.append(ahead.popleft().result())
                    ahead.extend(reading.submit(prepare, source) for source in islice(waiting, 1))
                films = [item.pixels for item in batch if item.pixels is not None]
                running.append(_Running(batch, scorer.submit(self._run, films) if films else None))
                if len(running) > 1:
                    yield from self._answers(running.popleft())
            while running:
                yield from self._answers(running.popleft())
        finally:
            for pool in (reading, scorer):
                pool.shutdown(cancel_futures=True)

    def _run(self, films: list[npt.NDArray[np.uint8]]) -> tuple[Scores, tuple[tuple[Finding, ...], ...], float]:
        started = perf_counter()
        batch = np.stack(films)
        scores = checked(self._runtime.run(batch[:, None]))
        return scores, self._findings(batch, scores), perf_counter() - started

    def _findings(self, films: npt.NDArray[np.uint8], scores: Scores) -> tuple[tuple[Finding, ...], ...]:
        """What the likeness to the training films says of each film, (N, S, S)."""
        rule, known = self.spec.suitability, self._training_films
        if known is None or rule.threshold is None:
            return ((),) * len(films)
        return known.compare(films, scores.embedding).findings(rule.threshold, rule.mirrored)

    def _answers(self, running: _Running) -> Iterator[Scored]:
        scores, findings, seconds = running.scores.result() if running.scores else ((), (), 0.0)
        each = zip(*scores, findings, strict=True)
        share = seconds / max(1, len(findings))
        for item in running.batch:
            if item.pixels is None:
                yield Scored(self._prediction(item, item.reasons), film=item.film)
                continue
            logit, saliency, embedding, found = next(each)
            reasons = tuple(Reason(code=finding.code, message=finding.message) for finding in found)
            item = replace(item, reasons=(*reasons, *item.reasons))
            if any(finding.refuses for finding in found):
                yield Scored(self._prediction(item, item.reasons, share), film=item.film)
            else:
                yield Scored(self._scored(item, float(logit), saliency, share), saliency, item.film, embedding)

    def _scored(self, item: Prepared, logit: float, saliency: npt.NDArray[np.float32], seconds: float) -> Prediction:
        probability = float(self.spec.calibration.probability(np.asarray(logit)))
        decision, reason = decide(probability, self._point)
        assert item.summary is not None  # whatever has pixels has a summary
        reasons = (reason, *item.reasons)
        for doubt in (uncertain(probability, self._limits), outside_ages(item.summary.age, self.spec.ages)):
            if doubt:
                decision, reasons = "refer", (doubt, *reasons)
        place = peak(saliency, (item.summary.height, item.summary.width), self.spec.input)
        return self._prediction(
            item,
            reasons,
            seconds,
            decision=decision,
            probability=probability,
            logit=logit,
            saliency=SaliencySummary(grid=saliency.shape, peak=Peak(x=place[0], y=place[1]) if place else None),
        )

    def _prediction(
        self, item: Prepared, reasons: tuple[Reason, ...], seconds: float = 0.0, **score: Any
    ) -> Prediction:
        result = {"decision": "unsuitable", "probability": None, "logit": None} | score
        return Prediction(
            file=item.name,
            input_sha256=item.sha256,
            failed=item.failed,
            reasons=reasons,
            operating_point=self._point,
            conformal=self._limits,
            model=self._model,
            film=item.summary,
            elapsed_ms=round(1000 * (item.seconds + seconds), 1),
            **result,
        )
