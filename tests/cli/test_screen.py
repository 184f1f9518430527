from __future__ import annotations

import json
from pathlib import Path

import pytest

from pneumoscope.bundle import Bundle

from .conftest import Command, refused

pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def test_run_repeat_and_summary(film: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    for name in ("a.png", "b.png"):
        (archive / name).write_bytes(film.read_bytes())
    (archive / "c.png").write_bytes(film.read_bytes()[:400])
    options = ("--bundle", tiny_bundle.path, "--out", tmp_path / "run", "--workers", "1")
    ended = command("screen", archive, *options)
    assert ended.status == 1, "a film could not be read"
    for part in ("3 films:", "1 unreadable", "truncated", "Films by probability", "Research use only"):
        assert part in ended.out
    again = command("screen", archive, *options, "--reference", tmp_path / "run", "--json")
    summary = json.loads(again.out)
    assert summary["done"] == 3
    assert summary["drift"]["embedding_shift"] == 0
    refused(command("screen", archive, *options, "--part-size", "7"), "repeat that command to go on with it")


def test_wrong_use(film: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command) -> None:
    options = ("--bundle", tiny_bundle.path, "--out", tmp_path / "run")
    refused(command("screen", tmp_path / "nowhere", *options), "no such file or folder")
    refused(command("screen", film, *options, "--engine", "spark"), "choose local or ray")
    refused(command("screen", film, *options, "--precision", "f64"), "choose one of auto, f32, bf16")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    refused(command("screen", film, "--out", tmp_path / "mine"), "something else than a screening run")
