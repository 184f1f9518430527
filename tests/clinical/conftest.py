from __future__ import annotations

import gc
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import Dataset

from pneumoscope.clinical.identity import read_identity
from pneumoscope.clinical.results import results_of
from pneumoscope.scoring import Predictor, Scored

from .quick import chest_film, quick_predictor

Tool = Callable[..., str]


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What pynetdicom leaves to the garbage collector goes here, and not in the midst of a test of something else."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return quick_predictor(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chest_film(tmp_path_factory.mktemp("film") / "film.dcm")


@pytest.fixture(scope="session")
def scored(predictor: Predictor, film: Path) -> Scored:
    (result,) = predictor.predict_files([film], keep_films=True)
    return result


@pytest.fixture
def results(scored: Scored, predictor: Predictor, film: Path) -> tuple[Dataset, Dataset]:
    return results_of(scored, predictor.spec.input, read_identity(film))


@pytest.fixture
def tool() -> Tool:
    """Runs a program of Debian's dcmtk or dicom3tools and gives what it says; skips where it is not installed."""

    def run(name: str, *arguments: str | Path) -> str:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed; `make peers` installs it")
        ended = subprocess.run([name, *map(str, arguments)], capture_output=True, timeout=180, check=False)
        return (ended.stdout + ended.stderr).decode("utf-8", "replace")

    return run
