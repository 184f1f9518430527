"""The REST service in a process of its own, and clients that ask it at a steady rate."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import requests
from PIL import Image

from benchmarks._films import chest_films

FILMS = 32


@dataclass
class Service:
    """A running service."""

    address: str
    process: psutil.Process
    folder: Path

    def megabytes(self) -> float:
        """Memory that it holds."""
        return self.process.memory_info().rss / 1e6


@dataclass
class Answers:
    """What clients got: seconds of the answers by kind, and counts by kind and status."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    counts: Counter[tuple[str, int]] = field(default_factory=Counter)

    def percentile(self, kind: str, share: float) -> float:
        """Seconds within which that share of the answers came."""
        return float(np.percentile(self.seconds[kind], 100 * share))


def films() -> list[bytes]:
    """Chest films of 224 pixels as PNG files."""
    return [_png(film) for film in chest_films(FILMS)]


def _png(film: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(film).save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def service() -> Iterator[Service]:
    """The default model behind ``pneumoscope serve``, its records and temporary files in a folder that goes away."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = os.environ | {"PNEUMOSCOPE_STATE": f"{folder / 'state'}", "TMPDIR": f"{folder}"}
        command = [sys.executable, "-m", "pneumoscope", "serve", "--no-auth", "--port", "0"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            address = ""
            for line in process.stderr:
                if "running on" in line:
                    address = json.loads(line)["event"].split()[3]
                    break
            threading.Thread(target=lambda: [None for _ in process.stderr or ()], daemon=True).start()
            try:
                yield Service(address, psutil.Process(process.pid), folder)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(120)


def ask(target: Service, rate: float, seconds: float, choose: Callable[[int], tuple[str, bytes]]) -> Answers:
    """Send requests at a steady rate, each on time whether or not earlier ones have been answered.

    Args:
        target: the service.
        rate: requests a second.
        seconds: for so long.
        choose: kind and content of the film of a request, by its number.
    """
    answers, started = Answers(), time.perf_counter()
    local = threading.local()

    def one(number: int) -> None:
        kind, content = choose(number)
        session = local.__dict__.setdefault("session", requests.Session())
        begun = started + number / rate
        try:
            parts = {"films": ("film.png", content)}
            status = session.post(f"{target.address}/v1/predictions", files=parts, timeout=120).status_code
        except requests.ConnectionError:
            status = 0  # the answer to what is too large may come while it is still being sent
        answers.counts[kind, status] += 1
        answers.seconds.setdefault(kind, []).append(time.perf_counter() - begun)

    with ThreadPoolExecutor(64) as pool:
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, started + number / rate - time.perf_counter()))
            pool.submit(one, number)
    return answers


def capacity(target: Service, seconds: float, films: list[bytes]) -> float:
    """Requests a second that eight clients get answered, each sending the next one after the answer."""
    end = time.perf_counter() + seconds

    def client(number: int) -> int:
        count = 0
        with requests.Session() as session:
            while time.perf_counter() < end:
                parts = {"films": ("film.png", films[(number + count) % len(films)])}
                session.post(f"{target.address}/v1/predictions", files=parts, timeout=120).raise_for_status()
                count += 1
        return count

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(client, range(8))) / seconds
