"""A private PostgreSQL server, databases of both kinds, and predictions."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pneumoscope.bundle import OperatingPoint
from pneumoscope.scoring import FilmSummary, ModelUsed, Prediction, Reason, SaliencySummary
from pneumoscope.service.store import Store


class Postgres:
    """A PostgreSQL server of its own, on a Unix socket in a folder that goes away with it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        # The server refuses to run as root; Debian's package brings a user for it.
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-U", "postgres", "-A", "trust", "-N", "-D", f"{folder}/data")
        self._databases = 0
        self.start()

    def start(self) -> None:
        settings = f"-k {self._folder} -c listen_addresses='' -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-D", f"{self._folder}/data", "-l", f"{self._folder}/log", "-o", settings)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", f"{self._folder}/data")

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"d{self._databases}"
        self._run("createdb", "-h", str(self._folder), "-U", "postgres", name)
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._programs / program), *arguments]
        # pg_ctl's child keeps what it inherits, so that there is no pipe to read to its end.
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    found = shutil.which("initdb") or next(map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
    if found is None:
        pytest.skip("PostgreSQL is not installed; see: make peers")
    # Sockets have short names only, and pytest's folders are closed to the server's user.
    folder = Path(tempfile.mkdtemp(prefix="pneumoscope-pg-"))
    server = Postgres(Path(found).resolve().parent, folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/records.sqlite"
    return request.getfixturevalue("postgres").database()


OpenStore = Callable[..., Store]


@pytest.fixture
def open_store() -> Iterator[OpenStore]:
    """Opens stores as ``Store`` does, and closes them at the end."""
    stores = []

    def make(*arguments: Any, **options: Any) -> Store:
        stores.append(Store(*arguments, **options))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


MakePrediction = Callable[..., Prediction]


@pytest.fixture
def prediction() -> MakePrediction:
    """Makes a prediction with some fields as they are given."""

    def make(probability: float | None = 0.7, **changed: Any) -> Prediction:
        decision = "unsuitable" if probability is None else "pneumonia" if probability >= 0.5 else "normal"
        fields: dict[str, Any] = {
            "file": "ward/Doe^Jane.dcm",
            "input_sha256": "ab" * 32,
            "decision": decision,
            "probability": probability,
            "logit": probability,
            "reasons": (Reason(code="at-or-above-threshold", message="Reaches the threshold."),),
            "operating_point": OperatingPoint(name="half", threshold=0.5),
            "model": ModelUsed(name="tiny", sha256="cd" * 32, software="0", runtime="made up"),
            "saliency": None if probability is None else SaliencySummary(grid=(2, 2), peak=None),
            "film": FilmSummary(width=150, height=130, modality="DX", view="PA", age=3, sex="F"),
            "elapsed_ms": 1.0,
        }
        return Prediction(**fields | changed)

    return make


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A grey picture with enough texture to be scored."""
    path = tmp_path / "film.png"
    noise = np.random.default_rng(0).normal(120, 35, (130, 150)).clip(0, 255)
    Image.fromarray(noise.astype(np.uint8)).save(path)
    return path
