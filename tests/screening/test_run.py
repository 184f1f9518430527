from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.bundle import Bundle
from pneumoscope.errors import CohortError, OutputError
from pneumoscope.scoring import Predictor
from pneumoscope.screening import Options, RunFolder, screen

pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

DEADLY = """
import os
from pathlib import Path
from pneumoscope.scoring.preparing import prepare_file

def read_film(name, spec):
    if name.endswith("05.png"):
        os._exit(11)
    return prepare_file(Path(name), spec)
"""
OPTIONS = Options(part_size=6, workers=1)


def rows(out: Path) -> list[dict[str, object]]:
    return [row for path in sorted((out / "parts").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def finished(archive: Path, tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    screen(str(archive), tiny_bundle, out, Options(part_size=6, workers=2, heatmaps=True))
    return out


def test_rows_are_what_predict_says(archive: Path, tiny_bundle: Bundle, finished: Path) -> None:
    films = sorted(archive.iterdir())
    found = rows(finished)
    for row, scored in zip(found, Predictor(tiny_bundle).predict_files(films), strict=True):
        expected = scored.prediction.row()
        changing = {"elapsed_ms", "heat_map"}
        assert {k: v for k, v in row.items() if k not in changing} == {
            k: v for k, v in expected.items() if k not in changing
        }
        if row["decision"] == "pneumonia":
            assert (finished / str(row["heat_map"])).read_bytes().startswith(b"\x89PNG")
        else:
            assert row["heat_map"] is None
    assert {row["decision"] for row in found} == {"pneumonia", "normal", "unsuitable"} or found
    summary = json.loads((finished / "summary.json").read_text())
    assert (summary["films"], summary["done"], summary["failed"]) == (20, 20, 2)
    assert summary["reasons"] == {"truncated": 2}
    assert sum(summary["histogram"]) == 18
    assert not list(finished.rglob("*.part"))


def test_missing_parts_are_done_again_and_no_others(archive: Path, tiny_bundle: Bundle, finished: Path) -> None:
    folder = RunFolder(finished)
    before = {path: path.stat().st_mtime_ns for path in (finished / "parts").iterdir()}
    first = rows(finished)
    folder.part(1).unlink()
    told: list[tuple[int, int]] = []

    def begin(done: int, to_do: int) -> object:
        told.append((done, to_do))
        return lambda number: None

    options = Options(part_size=6, workers=1, heatmaps=True)
    screen(str(archive), tiny_bundle, finished, options, progress=begin)  # type: ignore[arg-type]
    assert told == [(14, 6)]
    changed = {path.name for path in before if path.stat().st_mtime_ns != before[path]}
    assert changed == {folder.part(1).name}
    assert [row["file"] for row in rows(finished)] == [row["file"] for row in first]
    assert [row["logit"] for row in rows(finished)] == [row["logit"] for row in first]


def test_killed_and_gone_on_with(archive: Path, tiny_bundle: Bundle, finished: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle of the work, then SIGTERM, then to the end: every film once, and the same scores."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "pneumoscope", "screen", str(archive), "--bundle", str(tiny_bundle.path)]
    command += ["--out", str(out), "--part-size", "1", "--workers", "1"]
    for number, how in ((3, signal.SIGKILL), (6, signal.SIGTERM)):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            deadline = time.monotonic() + 300
            while len(list((out / "parts").glob("part-*"))) < number and run.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            run.send_signal(how)
            said = run.communicate()[1]
        if how == signal.SIGTERM and run.returncode == 1 and len(list((out / "parts").glob("part-*"))) < 20:
            assert said.endswith("stopped; run the same command again to go on where it was\n")
            assert said.count("\n") == 1
        elif how == signal.SIGKILL:
            assert run.returncode == -signal.SIGKILL
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1, "two films are broken"
    assert "2 unreadable" in ended.stdout
    ours, theirs = rows(out), rows(finished)
    assert [row["file"] for row in ours] == [row["file"] for row in theirs]
    assert [row["logit"] for row in ours] == [row["logit"] for row in theirs]


def test_one_run_at_a_time_and_always_the_same(archive: Path, tiny_bundle: Bundle, finished: Path) -> None:
    with RunFolder(finished).alone(), pytest.raises(OutputError, match="another run is at work"):
        screen(str(archive), tiny_bundle, finished, Options(part_size=6, heatmaps=True))
    with pytest.raises(OutputError, match="holds a run with part_size 6, and this one has 5"):
        screen(str(archive), tiny_bundle, finished, Options(part_size=5, heatmaps=True))
    with pytest.raises(OutputError, match="operating_point 'half', and this one has 'never'"):
        screen(str(archive), tiny_bundle, finished, Options(part_size=6, heatmaps=True, operating_point="never"))


def test_places_that_cannot_be_used(archive: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("mine")
    with pytest.raises(OutputError, match="something else than a screening run"):
        screen(str(archive), tiny_bundle, tmp_path / "used", OPTIONS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CohortError, match="no films here"):
        screen(str(tmp_path / "empty"), tiny_bundle, tmp_path / "out", OPTIONS)
    with pytest.raises(OutputError, match="holds no screening run"):
        screen(str(archive / "00.png"), tiny_bundle, tmp_path / "out2", OPTIONS, reference=tmp_path / "used2")


def test_full_disk_is_a_clear_error(
    archive: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no device that is always full")
    write = pq.write_table

    def full(table: object, place: Path) -> None:
        with open("/dev/full", "wb", buffering=0) as device:
            write(table, device)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OutputError, match=r"part-000000.parquet: cannot be written .*make room"):
        screen(str(archive / "00.png"), tiny_bundle, tmp_path / "out", OPTIONS)
    monkeypatch.undo()
    assert screen(str(archive / "00.png"), tiny_bundle, tmp_path / "out", OPTIONS).done == 1


def test_a_film_that_kills_its_decoder(
    archive: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that reads 05.png dies; its neighbours are none the worse."""
    # In a module that the reading processes can import too.
    (tmp_path / "deadly.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("pneumoscope.screening.readers.read_film", importlib.import_module("deadly").read_film)
    summary = screen(str(archive), tiny_bundle, tmp_path / "out", Options(part_size=20, workers=2))
    assert summary.reasons == {"truncated": 2, "decoder-crash": 1}
    found = rows(tmp_path / "out")
    assert [Path(str(row["file"])).name for row in found if row["reason_codes"] == "decoder-crash"] == ["05.png"]
    assert len(found) == 20


def test_drift_against_another_run(archive: Path, tiny_bundle: Bundle, finished: Path, tmp_path: Path) -> None:
    same = screen(str(archive), tiny_bundle, finished, Options(part_size=6, heatmaps=True), reference=finished).drift
    assert same is not None
    assert same.score_stability == 0
    assert same.embedding_shift == 0
    other = screen(str(archive / "0*.png"), tiny_bundle, tmp_path / "x", OPTIONS, reference=finished).drift
    assert other is not None
    assert other.embedding_shift > 0
    assert np.isfinite(other.score_stability)
