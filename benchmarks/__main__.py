"""Runs the benchmarks named, or all that need nothing but this checkout."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks._measure import run_benchmark

USUAL = (
    *("predict_cold", "gradcam", "frozen_stages", "network", "scoring", "dicom", "training", "screening"),
    *("serve", "node"),
)
"""Run when none is named, in less than an hour. ``soak`` and ``study`` take longer, ``int8`` and ``cached_views`` need
data, ``compile`` a C++ compiler, ``gpu`` a GPU, and ``setup`` downloads everything."""
ALL = (*USUAL, "soak", "int8", "compile", "cached_views", "study", "setup", "gpu")
LIBRARIES = ("pneumoscope", "torch", "openvino", "onnxruntime", "nncf", "keras", "captum")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}; default: {', '.join(USUAL)}")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="also write a page, after each benchmark")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in ALL]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}")
    machine = {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    results: dict[str, Any] = {"machine": machine | dict(_versions())}
    head = _head(results["machine"])
    sections = _sections(options.write, head) if options.write else {}
    for name in options.names or USUAL:
        # A process of its own: a child is charged with the memory of the process that it was started from.
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            words, results[name] = alone.submit(run_benchmark, name).result()
        sections[name] = _section(name, words, results[name])
        if options.write:
            page = head + "\n".join(sections[known] for known in ALL if known in sections)
            options.write.write_text(page, encoding="utf-8")
        if not options.json:
            print(name)
            for key, value in results[name].items():
                print(f"  {key:<60} {_shown(value):>16}")
    if options.json:
        print(json.dumps(results, indent=2))


def _versions() -> Iterator[tuple[str, str]]:
    """Of the libraries that are installed."""
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def _shown(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _head(machine: dict[str, Any]) -> str:
    what = ", ".join(f"{name} {value}" for name, value in machine.items())
    return (
        "# Benchmarks\n\nWritten by `make bench`, or section by section by "
        "`python -m benchmarks NAME --write docs/benchmarks.md`. Rates are "
        f"medians of the runs, spreads go from the slowest to the fastest.\n\nMachine and versions: {what}.\n\n"
    )


def _sections(page: Path, head: str) -> dict[str, str]:
    """What a page holds of this machine and these versions; of others, nothing is kept."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    if not text.startswith(head):
        return {}
    sections = [f"## {rest.strip()}\n" for rest in text.removeprefix(head).split("## ")[1:]]
    return {section.split()[1]: section for section in sections}


def _section(name: str, words: str, results: dict[str, float | str]) -> str:
    rows = "".join(f"| {key} | {_shown(value)} |\n" for key, value in results.items())
    return f"## {name}\n\n{words.strip()}\n\n| What | Figure |\n|---|---|\n{rows}"


def _processor() -> str:
    """As the system names it: Python's own answer is empty on many."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
