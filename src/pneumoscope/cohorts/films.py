"""Reading the films of a case table, one or many."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from pneumoscope.cohorts.npz import read_npz_film, split_npz_path
from pneumoscope.errors import ImageError
from pneumoscope.radiograph import Radiograph, read_radiograph

T = TypeVar("T")

AHEAD = 8
"""Films per worker that may be read before they are asked for; bounds the memory."""


def read_case(path: str) -> Radiograph:
    """The film that a case table's ``path`` names: a file, or ``<file>.npz#<split>/<number>``.

    Raises:
        ImageError: it cannot be read.
        CohortError: the ``.npz`` file that holds it is missing or damaged.
    """
    inside = split_npz_path(path)
    return read_npz_film(*inside) if inside else read_radiograph(path)


def read_cases(
    paths: Sequence[str],
    use: Callable[[Radiograph], T],
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[T | ImageError]:
    """Read films in threads, in order, and make something of each.

    Args:
        paths: values of a case table's ``path``.
        use: called in a thread; a film lives no longer than this call.
        workers: threads; None takes as many as there are processors.
        progress: called with 1 after each film.

    Yields:
        What ``use`` returned, or the error of a film that cannot be read.
    """

    def one(path: str) -> T | ImageError:
        try:
            return use(read_case(path))
        except ImageError as error:
            return error

    workers = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        try:
            coming = iter(paths)
            waiting = deque(pool.submit(one, path) for path in islice(coming, workers * AHEAD))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(one, path) for path in islice(coming, 1))
                yield result
                if progress:
                    progress(1)
        finally:
            # An interrupted caller does not wait for films that nobody will use.
            pool.shutdown(wait=False, cancel_futures=True)
