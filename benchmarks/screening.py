"""An archive of 50,000 films, screened; one of 20,000, killed with SIGKILL three times on the way, and then over Ray.

In bfloat16. Memory is that of all processes of the run together, looked at twice a second. Ray runs on a cluster of
two nodes with a processor each, both on this machine, and loses a worker; its rows are held against the local run's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from ray.cluster_utils import Cluster

from benchmarks._films import write_films

DIFFERENT, SMALL, LARGE, KILLED = 200, 2_000, 50_000, 20_000
"""Pictures, and films of the archives, which are links to them."""
KILLED_AT = (0.2, 0.45, 0.7)
"""Shares of the parts that are there when the run is killed."""
PART = 500


def run() -> dict[str, float]:
    """Films per second and most memory by size; films with one row each (which must be all) after the kills."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = write_films(folder / "films", DIFFERENT)
        results = {}
        for count in (SMALL, LARGE):
            seconds, megabytes = _watched(_command(_archive(folder, films, count), folder / f"whole-{count}"))
            results[f"{count:,} films, films/s"] = count / seconds
            results[f"{count:,} films, most memory, MB"] = megabytes
        archive = _archive(folder, films, KILLED)
        local = _command(archive, folder / "local")
        for share in KILLED_AT:
            _kill(local, folder / "local", share)
        _watched(local)
        table = _table(folder / "local")
        results["killed three times, films with a row"] = float(len(table))
        results["killed three times, different films"] = float(len(table["file"].unique()))
        seconds = _over_ray(archive, folder / "ray")
        others = _table(folder / "ray")
        results[f"Ray, {KILLED:,} films, a worker killed, films/s"] = KILLED / seconds
        results["Ray, rows that differ from the local run's"] = float(_different(table, others))
    return results


def _archive(folder: Path, films: list[Path], count: int) -> Path:
    archive = folder / f"archive-{count}"
    archive.mkdir()
    for number in range(count):
        os.link(films[number % len(films)], archive / f"{number:06d}.jpeg")
    return archive


def _command(archive: Path, out: Path, *more: str) -> list[str]:
    options = ["--out", str(out), "--part-size", str(PART), "--precision", "bf16", "--json", *more]
    return [sys.executable, "-m", "pneumoscope", "screen", str(archive), *options]


def _watched(command: list[str]) -> tuple[float, float]:
    """Seconds, and most MB of the process and its children, with shared pages counted once."""
    started, most = time.perf_counter(), 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        process = psutil.Process(child.pid)
        while child.poll() is None:
            try:
                all_of_it = [process, *process.children(recursive=True)]
                most = max(most, sum(one.memory_full_info().pss for one in all_of_it) / 1e6)
            except psutil.Error:
                pass  # one has just ended
            time.sleep(0.5)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {child.returncode}")
    return time.perf_counter() - started, most


def _kill(command: list[str], out: Path, share: float) -> None:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        _wait_for_parts(child, out, share)
        child.send_signal(signal.SIGKILL)


def _wait_for_parts(child: subprocess.Popen[Any], out: Path, share: float) -> None:
    count = round(share * KILLED / PART)
    while child.poll() is None and len(list((out / "parts").glob("part-*"))) < count:
        time.sleep(0.05)


def _over_ray(archive: Path, out: Path) -> float:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        started = time.perf_counter()
        command = _command(archive, out, "--engine", "ray", "--address", cluster.address, "--workers", "2")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
            _wait_for_parts(child, out, KILLED_AT[0])
            workers = [
                one for one in psutil.process_iter(["cmdline"]) if "_Worker" in " ".join(one.info["cmdline"] or [])
            ]
            workers[0].kill()
        if child.returncode:
            raise RuntimeError(f"screening over Ray ended with status {child.returncode}")
        return time.perf_counter() - started
    finally:
        cluster.shutdown()


def _table(out: Path) -> pa.Table:
    """All rows, by file, without the time that each took."""
    table = pa.concat_tables([pq.read_table(part) for part in sorted((out / "parts").glob("*.parquet"))])
    return table.drop_columns(["elapsed_ms"]).sort_by("file")


def _different(one: pa.Table, other: pa.Table) -> int:
    rows = zip(one.to_pylist(), other.to_pylist(), strict=True)
    return sum(mine != theirs for mine, theirs in rows)
