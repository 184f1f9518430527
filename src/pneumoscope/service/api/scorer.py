"""Scoring many clients' films together: a bounded queue, and batches of what waits in it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from time import perf_counter

import numpy as np

from pneumoscope.errors import ImageError
from pneumoscope.radiograph import Radiograph, read_radiograph
from pneumoscope.scoring import Prediction, Predictor, Reason
from pneumoscope.service.api.problems import Problem
from pneumoscope.service.api.settings import Settings
from pneumoscope.service.api.uploads import Upload
from pneumoscope.service.store import NewRecord

WORKERS = 2
"""One reads the next films while the other scores."""
LONGEST_WAIT = 60
"""Seconds that a client is asked to wait at most."""
_SMOOTHING = 0.2


@dataclass
class _Job:
    upload: Upload
    answer: asyncio.Future[NewRecord]


class Scorer:
    """Reads and scores films away from the event loop.

    Films of all requests share one queue. A worker takes what waits, up to a batch, and never waits for more: alone, a
    film is answered at once; under load, batches fill themselves.

    Args:
        predictor: the model.
        settings: bounds.
        batched: told the size of each batch.
    """

    def __init__(self, predictor: Predictor, settings: Settings, batched: Callable[[int], None]) -> None:
        self._predictor = predictor
        self._settings = settings
        self._batched = batched
        self._queue: asyncio.Queue[_Job] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._readers = ThreadPoolExecutor(WORKERS, "read")
        self._threads = ThreadPoolExecutor(WORKERS, "score")
        self._network = Lock()
        self._seconds_per_film = 0.1
        self._bytes = 0
        self.films = 0
        """Films that wait or are being scored."""
        self.template: Prediction | None = None
        """What the model said of a blank of noise: its name, runtime and operating point. None until it is loaded."""

    async def start(self) -> None:
        """Score one made-up film, which loads whatever loads late, and start to work."""
        loop = asyncio.get_running_loop()
        self.template = await loop.run_in_executor(self._threads, self._warm_up)
        self._workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]

    async def stop(self) -> None:
        """Finish what was accepted, then stop."""
        await self._queue.join()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._threads.shutdown()
        self._readers.shutdown()

    @contextmanager
    def room_for_bytes(self, size: int) -> Iterator[None]:
        """Reserve memory for a request.

        Raises:
            Problem: 429, there is none.
        """
        if self._bytes + size > self._settings.bodies:
            raise self._busy()
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size

    async def score(self, uploads: Sequence[Upload]) -> list[NewRecord]:
        """Score films, in their order. Cancelled, it leaves alone what no worker has taken yet.

        Raises:
            Problem: 429, the queue is full.
        """
        if self.films + len(uploads) > self._settings.queue:
            raise self._busy()
        loop = asyncio.get_running_loop()
        jobs = [_Job(upload, loop.create_future()) for upload in uploads]
        self.films += len(jobs)
        for job in jobs:
            self._queue.put_nowait(job)
        try:
            return list(await asyncio.gather(*(job.answer for job in jobs)))
        finally:
            for job in jobs:
                job.answer.cancel()

    def _busy(self) -> Problem:
        seconds = min(LONGEST_WAIT, max(1, math.ceil(self.films * self._seconds_per_film)))
        detail = f"The service is busy; try again in about {seconds} seconds."
        return Problem(429, "busy", detail, {"Retry-After": str(seconds)})

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            taken = [await self._queue.get()]
            while len(taken) < self._settings.batch and not self._queue.empty():
                taken.append(self._queue.get_nowait())
            jobs = [job for job in taken if not job.answer.done()]
            try:
                if jobs:
                    self._batched(len(jobs))
                    uploads = [job.upload for job in jobs]
                    for job, record in zip(
                        jobs, await loop.run_in_executor(self._threads, self._score, uploads), strict=True
                    ):
                        if not job.answer.done():
                            job.answer.set_result(record)
            except Exception as error:  # the films' requests fail, and the service goes on
                for job in jobs:
                    if not job.answer.done():
                        job.answer.set_exception(error)
            finally:
                self.films -= len(taken)
                for _ in taken:
                    self._queue.task_done()

    def _warm_up(self) -> Prediction:
        side = self._predictor.spec.input.size
        noise = np.random.default_rng(0).uniform(size=(side, side)).astype(np.float32)
        (scored,) = self._predictor.predict([Radiograph(noise)])
        return scored.prediction

    def _score(self, uploads: Sequence[Upload]) -> list[NewRecord]:
        """Runs in a thread."""
        started = perf_counter()
        read = list(self._readers.map(self._read, uploads))
        with self._network:
            films = [film for film in read if isinstance(film, Radiograph)]
            scored = iter(list(self._predictor.predict(films)) if films else ())
        records = []
        for upload, film in zip(uploads, read, strict=True):
            if isinstance(film, ImageError):
                records.append(NewRecord(self._failed(upload, film)))
            else:
                one = next(scored)
                said = one.prediction.model_copy(update={"input_sha256": upload.sha256})
                records.append(NewRecord(said, film.metadata.patient_id, one.saliency))
        each = (perf_counter() - started) / len(uploads)
        self._seconds_per_film += _SMOOTHING * (each - self._seconds_per_film)
        return records

    def _read(self, upload: Upload) -> Radiograph | ImageError:
        try:
            return read_radiograph(upload.content, name=upload.name, limits=self._settings.limits)
        except ImageError as error:
            return error

    def _failed(self, upload: Upload, error: ImageError) -> Prediction:
        assert self.template is not None  # nothing is scored before the start
        reason = Reason(code=error.code, message=str(error).removeprefix(f"{upload.name}: "))
        nothing = {"probability": None, "logit": None, "saliency": None, "film": None, "elapsed_ms": 0.0}
        return self.template.model_copy(
            update={
                "file": upload.name,
                "input_sha256": upload.sha256,
                "decision": "unsuitable",
                "failed": True,
                "reasons": (reason,),
                **nothing,
            }
        )
