"""What a cluster's worker does, without a cluster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pneumoscope.bundle import Bundle
from pneumoscope.errors import ScreeningError
from pneumoscope.screening import Options, RunFolder, screen
from pneumoscope.screening.cluster import _Worker

pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")


def test_a_worker_writes_the_parts_that_the_local_engine_writes(
    archive: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    options = Options(part_size=4, workers=1)
    screen(str(archive / "0*.png"), tiny_bundle, tmp_path / "run", options)
    folder = RunFolder(tmp_path / "run")
    plan = folder.plan()
    assert plan is not None
    expected = [pq.read_table(folder.part(number)).drop(["elapsed_ms"]) for number in range(3)]
    for number in (0, 2):
        folder.part(number).unlink()
    worker = _Worker(tiny_bundle.path, folder.path, plan, options)
    answer = worker({"part": np.array([2, 0])})
    assert answer["films"].tolist() == [2, 4]
    for number, table in enumerate(expected):
        assert pq.read_table(folder.part(number)).drop(["elapsed_ms"]).equals(table)
    worker._scorer.__exit__()
    with pytest.raises(ScreeningError, match="the run is by"):
        _Worker(tiny_bundle.path, folder.path, plan.model_copy(update={"runtime": "another"}), options)
