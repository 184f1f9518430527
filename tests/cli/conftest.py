from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from pneumoscope.cli.main import main


class Ended(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs ``pneumoscope`` in this process."""

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["pneumoscope", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A grey picture with enough texture to be scored."""
    path = tmp_path / "film.png"
    noise = np.random.default_rng(0).normal(120, 35, (130, 150)).clip(0, 255)
    Image.fromarray(noise.astype(np.uint8)).save(path)
    return path


def refused(ended: Ended, message: str, status: int = 2) -> None:
    """One line that says why, nothing on standard output."""
    assert ended.status == status, ended
    assert ended.out == ""
    assert ended.err.startswith("pneumoscope: error: ")
    assert ended.err.count("\n") == 1
    assert message in ended.err, ended.err
