"""From films to predictions: reading and scoring overlap, order is kept, memory is bounded."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pneumoscope import __version__
from pneumoscope.bundle import Bundle
from pneumoscope.errors import BundleError, ImageError
from pneumoscope.radiograph import Finding, Radiograph, assess, fit, read_radiograph
from pneumoscope.scoring.geometry import peak
from pneumoscope.scoring.prediction import (
    FilmSummary,
    ModelUsed,
    Peak,
    Prediction,
    Reason,
    SaliencySummary,
    decide,
    outside_ages,
    uncertain,
)
from pneumoscope.scoring.runtime import Runtime, TorchRuntime, checked

Source = TypeVar("Source")


@dataclass(frozen=True)
class Scored:
    """A prediction with the arrays that it was made from.

    ``saliency`` (h, w) float32 ≥ 0 is there where the film was scored, ``film`` where films are kept.
    """

    prediction: Prediction
    saliency: npt.NDArray[np.float32] | None = None
    film: Radiograph | None = None


@dataclass(frozen=True)
class _Prepared:
    """A film on its way to the network; ``pixels`` (S, S) uint8 is None where it must not be scored."""

    name: str
    reasons: tuple[Reason, ...]
    seconds: float
    sha256: str | None = None
    failed: bool = False
    summary: FilmSummary | None = None
    pixels: npt.NDArray[np.uint8] | None = None
    film: Radiograph | None = None


class Predictor:
    """Scores films with one bundle at one operating point.

    Args:
        bundle: the trained model.
        operating_point: its name; the bundle's default if None.
        error_rate: of the conformal limits that say which films are referred; the bundle's own if None.
        runtime: runs the network; PyTorch if None.
        batch_size: films scored at a time; at most three times as many are held in memory.
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
        batch_size: int = 8,
        refuse_unlike: bool = True,
    ) -> None:
        try:
            self._point = bundle.spec.operating_point(operating_point)
            self._limits = bundle.spec.conformal_limits(error_rate)
        except ValueError as error:
            raise BundleError(str(error)) from None
        self.spec = bundle.spec
        self._training_films = bundle.training_films if refuse_unlike else None
        self._runtime = runtime or TorchRuntime(bundle)
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
        return self._stream(paths, lambda path: self._read(path, keep_films))

    def predict(self, films: Iterable[Radiograph]) -> Iterator[Scored]:
        """Score films that are read already, in their order. They have no ``input_sha256``.

        Raises:
            BundleError: the network answers with something that is no number.
        """
        return self._stream(films, lambda film: self._prepare(film, film.source, perf_counter()))

    def _stream(self, sources: Iterable[Source], prepare: Callable[[Source], _Prepared]) -> Iterator[Scored]:
        waiting = iter(sources)
        pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
        try:
            # While one batch is scored here, the threads read the next one.
            ahead = deque(pool.submit(prepare, source) for source in islice(waiting, 2 * self._batch_size))
            while ahead:
                batch = [ahead.popleft().result() for _ in range(min(self._batch_size, len(ahead)))]
                ahead.extend(pool.submit(prepare, source) for source in islice(waiting, len(batch)))
                yield from self._score(batch)
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, path: Path, keep_film: bool) -> _Prepared:
        started = perf_counter()
        # File names need not be valid text, but the name goes into JSON and reports.
        name = str(path).encode("utf-8", "replace").decode()
        digest = _digest(path)
        try:
            film = read_radiograph(path, name=name)
        except ImageError as error:
            reason = Reason(code=error.code, message=str(error).removeprefix(f"{name}: "))
            return _Prepared(name, (reason,), perf_counter() - started, digest, failed=True)
        prepared = self._prepare(film, name, started, digest)
        return prepared if keep_film else replace(prepared, film=None)

    def _prepare(self, film: Radiograph, name: str, started: float, digest: str | None = None) -> _Prepared:
        findings = assess(film)
        pixels = None
        if not any(finding.refuses for finding in findings):
            square = fit(film.pixels, self.spec.input.size, self.spec.input.fit)
            pixels = np.rint(square * 255).astype(np.uint8)  # as in training and evaluation
        known = film.metadata
        height, width = film.pixels.shape
        return _Prepared(
            name,
            tuple(Reason(code=finding.code, message=finding.message) for finding in findings),
            perf_counter() - started,
            digest,
            summary=FilmSummary(
                width=width, height=height, modality=known.modality, view=known.view, age=known.age, sex=known.sex
            ),
            pixels=pixels,
            film=film,
        )

    def _score(self, batch: list[_Prepared]) -> Iterator[Scored]:
        films = [item.pixels for item in batch if item.pixels is not None]
        started = perf_counter()
        judged = self._judged(np.stack(films)) if films else iter(())
        seconds = (perf_counter() - started) / max(1, len(films))
        for item in batch:
            if item.pixels is None:
                yield Scored(self._prediction(item, item.reasons), film=item.film)
                continue
            logit, saliency, findings = next(judged)
            reasons = tuple(Reason(code=finding.code, message=finding.message) for finding in findings)
            item = replace(item, reasons=(*reasons, *item.reasons))
            if any(finding.refuses for finding in findings):
                yield Scored(self._prediction(item, item.reasons, seconds), film=item.film)
            else:
                yield Scored(self._scored(item, float(logit), saliency, seconds), saliency, item.film)

    def _judged(
        self, films: npt.NDArray[np.uint8]
    ) -> Iterator[tuple[np.float32, npt.NDArray[np.float32], tuple[Finding, ...]]]:
        """Logit, saliency map, and what the likeness to the training films says, for films (N, S, S)."""
        scores = checked(self._runtime.run(films[:, None]))
        rule, known = self.spec.suitability, self._training_films
        findings: tuple[tuple[Finding, ...], ...] = ((),) * len(films)
        if known is not None and rule.threshold is not None:
            findings = known.compare(films, scores.embedding).findings(rule.threshold, rule.mirrored)
        return zip(scores.logit, scores.saliency, findings, strict=True)

    def _scored(self, item: _Prepared, logit: float, saliency: npt.NDArray[np.float32], seconds: float) -> Prediction:
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
        self, item: _Prepared, reasons: tuple[Reason, ...], seconds: float = 0.0, **score: Any
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


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None  # reading it as a film says what is wrong
