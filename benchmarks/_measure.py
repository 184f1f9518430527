"""Time and memory of functions and of whole processes."""

from __future__ import annotations

import importlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Cost(NamedTuple):
    """What a process took: wall clock in seconds, most memory in MB."""

    seconds: float
    megabytes: float


def process(command: Sequence[str | Path], **options: Any) -> Cost:
    """Run a command to its end and measure it; its children's memory is not added.

    Raises:
        RuntimeError: it failed.
    """
    started = time.perf_counter()
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with status {child.returncode}")
    scale = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return Cost(seconds, usage.ru_maxrss / scale)


def run_benchmark(name: str) -> tuple[str, dict[str, float | str]]:
    """What a benchmark's module says that it measures, and its figures."""
    module = importlib.import_module(f"benchmarks.{name}")
    return module.__doc__ or "", module.run()


class Times(NamedTuple):
    """Seconds that several runs of one thing took."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the runs."""
        return statistics.median(self.seconds)

    def rate(self, count: int, what: str) -> dict[str, float | str]:
        """So many things a second: the median, and from the slowest run to the fastest."""
        slowest, fastest = count / max(self.seconds), count / min(self.seconds)
        return {f"{what}, films/s": count / self.median, f"{what}, spread": f"{slowest:.3g} to {fastest:.3g}"}


def timed(function: Callable[[], Any], repeats: int = 5, *, warm: bool = True) -> Times:
    """Time several calls, after one that warms up where asked."""
    if warm:
        function()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return Times(tuple(times))
