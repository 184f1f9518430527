"""Reading films in processes of their own, so that a film that crashes its decoder takes nothing else with it."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoscope.bundle import InputSpec
from pneumoscope.radiograph import Limits
from pneumoscope.scoring.prediction import Reason
from pneumoscope.scoring.preparing import Prepared, prepare_content, prepare_file
from pneumoscope.screening.sources import is_missing, is_url, require_fsspec

if TYPE_CHECKING:
    from pneumoscope.scoring import Scored

UNREACHABLE = "unreachable"
"""Code of films that no attempt could fetch; the next run tries them again."""
ATTEMPTS, PAUSE = 4, 0.5
"""To fetch a film, and seconds before the second of them, which double."""


class FilmReaders:
    """Processes that read and prepare films, and draw pictures of them.

    Args:
        spec: what the network takes.
        workers: number of processes.
    """

    def __init__(self, spec: InputSpec, workers: int) -> None:
        self._spec = spec
        self._workers = workers
        self._lock = threading.Lock()
        self._pool = self._fresh(workers)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)

    def prepare(self, name: str) -> Prepared:
        """Read a film and prepare it for the network. Called in threads; what fails is in the result."""
        pool = self._pool
        try:
            return pool.submit(read_film, name, self._spec).result()
        except BrokenProcessPool:
            # This film's process died, or another film's: whoever shared the pool is read again, each alone.
            self._replace(pool)
        with self._fresh(1) as alone:
            try:
                return alone.submit(read_film, name, self._spec).result()
            except BrokenProcessPool:
                reason = Reason(
                    code="decoder-crash",
                    message="The decoder crashed on this file, or took more memory than there is; export it again.",
                )
                return Prepared(_text(name), (reason,), 0.0, failed=True)

    def draw(self, name: str, scored: Scored, place: Path) -> bool:
        """Write the picture of a scored film and its heat map; False where it can be read no longer.

        Raises:
            OutputError: the place cannot be written.
        """
        pool = self._pool
        try:
            return pool.submit(draw_film, name, scored, self._spec, place).result()
        except BrokenProcessPool:
            self._replace(pool)
            return False

    def _fresh(self, workers: int) -> ProcessPoolExecutor:
        # Not forked: this process has threads, whose locks a fork would copy as they are.
        return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin)

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is broken:
                self._pool = self._fresh(self._workers)


def read_film(name: str, spec: InputSpec) -> Prepared:
    """Read and prepare the film of that name, a path or a URL; what fails is in the result."""
    if not is_url(name):
        return prepare_file(Path(name), spec)
    started = time.perf_counter()
    try:
        content = _fetched(name)
    except Exception as error:  # every protocol has failures of its own
        if is_missing(error):
            reason = Reason(code="missing", message="there is no such file; check the name")
        else:
            cause = error.__cause__ or error
            message = f"it could not be fetched ({type(cause).__name__}: {cause}); the next run tries again"
            reason = Reason(code=UNREACHABLE, message=message)
        return Prepared(_text(name), (reason,), time.perf_counter() - started, failed=True)
    return prepare_content(content, spec, name=_text(name), started=started)


def draw_film(name: str, scored: Scored, spec: InputSpec, place: Path) -> bool:
    """As :meth:`FilmReaders.draw`, in this process."""
    from pneumoscope.errors import ImageError
    from pneumoscope.explanation import save_explanation
    from pneumoscope.radiograph import read_radiograph

    try:
        film = read_radiograph(_fetched(name) if is_url(name) else Path(name))
    except (ImageError, OSError):
        return False
    save_explanation(replace(scored, film=film), spec, place)
    return True


def _begin() -> None:
    """Leave interrupts from the keyboard to the parent, and end with it, also when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _fetched(url: str) -> bytes:
    fsspec = require_fsspec()
    for attempt in range(ATTEMPTS):
        try:
            with fsspec.open(url, "rb") as file:
                content: bytes = file.read(Limits().size + 1)
                return content
        except Exception as error:  # every protocol has failures of its own
            if is_missing(error) or attempt == ATTEMPTS - 1:
                raise
            time.sleep(PAUSE * 2**attempt)
    raise AssertionError  # the loop returns or raises


def _text(name: str) -> str:
    return name.encode("utf-8", "replace").decode()
