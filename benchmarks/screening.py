"""An archive of 20,000 films, screened, and killed with SIGKILL three times on the way; and memory by its size."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks._films import write_films
from benchmarks._measure import process

FILMS, SMALL = 20_000, 2_000
KILLED_AT = (0.2, 0.45, 0.7)
"""Shares of the parts that are there when the run is killed."""
PART = 500


def run() -> dict[str, float]:
    """Films with one row each (which must be all), films per second, and most memory of the scoring process."""
    with tempfile.TemporaryDirectory() as folder:
        films = write_films(Path(folder) / "films", 200)
        results = {}
        for count in (SMALL, FILMS):
            archive = _archive(Path(folder) / f"archive-{count}", films, count)
            command = _command(archive, Path(folder) / f"whole-{count}")
            cost = process(command)
            results[f"{count:,} films, films/s"] = count / cost.seconds
            results[f"{count:,} films, most memory, MB"] = cost.megabytes
        out = Path(folder) / "killed"
        for share in KILLED_AT:
            _kill(_command(archive, out), out / "parts", round(share * FILMS / PART))
        process(_command(archive, out))
        names = [name for part in sorted((out / "parts").iterdir()) for name in _names(part)]
        results["killed three times, films with a row"] = float(len(names))
        results["killed three times, different films"] = float(len(set(names)))
    return results


def _archive(folder: Path, films: list[Path], count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        os.link(films[number % len(films)], folder / f"{number:06d}.jpeg")
    return folder


def _command(archive: Path, out: Path) -> list[str | Path]:
    options = ["--out", out, "--part-size", str(PART), "--json"]
    return [sys.executable, "-m", "pneumoscope", "screen", archive, *options]


def _kill(command: list[str | Path], parts: Path, count: int) -> None:
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL) as child:
        while child.poll() is None and len(list(parts.glob("part-*"))) < count:
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)


def _names(part: Path) -> list[str]:
    return pq.read_table(part, columns=["file"]).column("file").to_pylist()
