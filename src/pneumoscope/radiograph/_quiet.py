"""Decoders' warnings kept from the user: what matters of them becomes an error or a step."""

from __future__ import annotations

import warnings
from threading import Lock
from types import TracebackType


class _Quiet:
    """Ignores warnings while at least one thread reads.

    ``warnings.catch_warnings`` restores the filters it found, which goes wrong when threads overlap; here the
    first to enter saves them and the last to leave restores them.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._readers = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._readers == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.simplefilter("ignore")
            self._readers += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._saved.__exit__(kind, error, trace)


QUIET = _Quiet()
