"""From a clone to the demo's report: ``git clone`` and ``make demo`` in an empty folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks._measure import process

ROOT = Path(__file__).parents[1]


def run() -> dict[str, float]:
    """Minutes for what is committed in this checkout; depends on the network more than on the machine."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        process(["git", "clone", "--quiet", ROOT, clone])
        return {"make demo, minutes": process(["make", "demo"], cwd=clone).seconds / 60}
