"""Screening on this machine: processes read, the runtime scores, this process writes part after part."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Self

import pyarrow as pa

from pneumoscope.scoring import Prediction, Predictor, Scored
from pneumoscope.screening.folder import HEATMAPS, RunFolder
from pneumoscope.screening.parts import Moments, part_table
from pneumoscope.screening.readers import FilmReaders


class PartScorer:
    """Scores parts of an archive, one film after the other, whatever happens to a film. Used in a ``with`` statement.

    Args:
        predictor: the model at its operating point.
        folder: of the run; heat maps go there.
        heatmaps: draw those of films with the decision pneumonia.
        workers: processes that read.
    """

    def __init__(self, predictor: Predictor, folder: RunFolder, *, heatmaps: bool, workers: int) -> None:
        self._predictor = predictor
        self._folder = folder
        self._heatmaps = heatmaps
        self._workers = workers
        self._readers = FilmReaders(predictor.spec.input, workers)
        self._drawing = ThreadPoolExecutor(workers, thread_name_prefix="draw")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._drawing.shutdown(cancel_futures=True)
        self._readers.close()

    def score(
        self, parts: Iterable[int], *, progress: Callable[[int], None] | None = None
    ) -> Iterator[tuple[int, pa.Table]]:
        """The tables of these parts, in order. Reading goes on across their borders.

        Raises:
            BundleError: the network answers with something that is no number.
            OutputError: a heat map cannot be written.
        """
        numbers = list(parts)
        sizes: dict[int, int] = {}

        def names() -> Iterator[str]:
            for number in numbers:
                listed = self._folder.names(number)
                sizes[number] = len(listed)
                yield from listed

        # Twice as many as processes, so that none of these waits for a film to be asked for.
        stream = self._predictor.predict_prepared(names(), self._readers.prepare, readers=2 * self._workers)
        with closing(stream):
            for number in numbers:
                yield number, self._part(number, stream, sizes, progress)

    def _part(
        self, number: int, stream: Iterator[Scored], sizes: dict[int, int], progress: Callable[[int], None] | None
    ) -> pa.Table:
        predictions: list[Prediction] = []
        embeddings = []
        pictures: list[tuple[int, Path, Future[bool]]] = []
        names = self._folder.names(number) if self._heatmaps else []
        for scored in stream:
            row = len(predictions)
            predictions.append(scored.prediction)
            if scored.embedding is not None:
                embeddings.append(scored.embedding)
            if self._heatmaps and scored.prediction.decision == "pneumonia":
                place = self._folder.path / HEATMAPS / _picture(number, row, scored.prediction.file)
                pictures.append((row, place, self._drawing.submit(self._readers.draw, names[row], scored, place)))
            if progress:
                progress(1)
            if len(predictions) == sizes[number]:
                break
        for row, place, drawn in pictures:
            saliency = predictions[row].saliency
            if drawn.result() and saliency is not None:
                relative = place.relative_to(self._folder.path).as_posix()
                saliency = saliency.model_copy(update={"heat_map": relative})
                predictions[row] = predictions[row].model_copy(update={"saliency": saliency})
        return part_table(predictions, Moments.of(embeddings))


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _picture(part: int, row: int, name: str) -> str:
    # The film's place in the run makes the name unique, and the same if the part is done again.
    return f"{part:06d}-{row:04d}-{PurePosixPath(name.split('?')[0]).stem[:80]}.png"
