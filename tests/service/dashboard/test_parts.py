"""What the pages show, without a browser."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.bundle import Bundle, BundleSpec, InputSpec, OperatingPoint
from pneumoscope.errors import BundleError, ServiceError, StoreError
from pneumoscope.evaluation import decisions_of
from pneumoscope.scoring import Predictor, Scores
from pneumoscope.service.dashboard import run
from pneumoscope.service.dashboard.evaluations import matrix, predictive_values, tiles
from pneumoscope.service.dashboard.launch import Config
from pneumoscope.service.dashboard.scored import ShownFilm, Unreadable, score_films

from ..conftest import OpenStore

POINTS = (OperatingPoint(name="half", threshold=0.5), OperatingPoint(name="<wary>", threshold=0.02))


class Runtime:
    name = "made up"

    def run(self, batch: np.ndarray) -> Scores:
        saliency = np.eye(3, dtype=np.float32)[None].repeat(len(batch), 0)
        return Scores(np.ones(len(batch), np.float32), saliency, np.zeros((len(batch), 2048), np.float32))


@pytest.fixture
def predictor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    monkeypatch.setattr(Bundle, "sha256", "ab" * 32)
    spec = BundleSpec(name="m", created="2025-01-01T00:00:00Z", software="0", input=InputSpec(size=107))
    return Predictor(Bundle(tmp_path, spec), runtime=Runtime())


def test_films_are_scored_recorded_and_reduced(
    film: Path, tmp_path: Path, predictor: Predictor, open_store: OpenStore
) -> None:
    store = open_store(state=tmp_path)
    big = io.BytesIO()
    with Image.open(film) as picture:
        picture.resize((3000, 2600)).save(big, "PNG")
    done: list[int] = []
    files = [("film.png", film.read_bytes()), ("x/Doe.png", b"no film"), ("big.png", big.getvalue())]
    small, broken, large = score_films(files, predictor, store, size=50 << 20, progress=done.append)
    assert done == [1, 1, 1]
    assert isinstance(broken, Unreadable)
    assert (broken.title, "no picture in a format" in broken.message) == ("x/Doe.png", True)
    for shown, size in ((small, (150, 130)), (large, (1280, 1109))):
        assert isinstance(shown, ShownFilm)
        assert Image.open(io.BytesIO(shown.picture)).size == size
        assert Image.open(io.BytesIO(shown.heat)).mode == "RGBA"
        record = store.get(shown.name)
        assert (record.source, record.prediction.probability) == ("dashboard", shown.prediction.probability)
    assert small.header[0] == ("Format", "PNG, 150 × 130 pixels, 8 bits")
    (refused,) = score_films(files[2:], predictor, store, size=1000, progress=done.append)
    assert isinstance(refused, Unreadable)
    assert "larger than" in refused.message


def test_a_store_that_is_away_is_said_and_the_film_shown(
    film: Path, tmp_path: Path, predictor: Predictor, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(state=tmp_path)

    def away(*_: object, **__: object) -> None:
        raise StoreError("the record store does not answer")

    monkeypatch.setattr(store, "add", away)
    (shown,) = score_films([("f", film.read_bytes())], predictor, store, size=1 << 20, progress=lambda _: None)
    assert (shown.name, shown.problem, shown.prediction.decision) == (
        "",
        "the record store does not answer",
        "pneumonia",
    )


def test_figures_at_a_threshold() -> None:
    decisions = decisions_of(((80, 20), (5, 45)), POINTS[0])
    ppv, npv = predictive_values(0.9, 0.8, 1 / 3)
    # At the films' own prevalence these are the shares in the confusion matrix's columns.
    assert (ppv, npv) == (pytest.approx(45 / 65), pytest.approx(80 / 85))
    shown = tiles(decisions, 1 / 3)
    for text in ("90.0%", "80.0%", "69.2%", "94.1%", "83.3%", "PPV at 33.3%"):
        assert text in shown
    assert predictive_values(0.0, 1.0, 0.5) == (None, 0.5)
    cells = re.findall(r'<td class="(\w+)">(\d+)', matrix(decisions))
    assert cells == [("right", "80"), ("wrong", "20"), ("wrong", "5"), ("right", "45")]


def test_what_the_server_refuses(tmp_path: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_STATE", str(tmp_path))
    for options, error, message in (
        ({"host": "0.0.0.0"}, ServiceError, "--behind-proxy"),
        ({"evaluations": (tmp_path,)}, ServiceError, "no evaluation here"),
        ({"bundle": "no-such"}, BundleError, "no bundle of that name"),
        ({"operating_point": "lax"}, ServiceError, "no operating point 'lax'"),
        ({"database": "mysql://x/y"}, StoreError, "not supported"),
    ):
        given = {"bundle": str(tiny_bundle.path), "host": "127.0.0.1", "port": 1} | options
        with pytest.raises(error, match=message):
            run(given.pop("bundle"), **given)


def test_the_page_gets_what_the_server_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_DASHBOARD", "")
    given = Config("b", "p", (Path("/x"),), "sqlite:///y", 7, Path("/z"))
    given.export()
    assert Config.current() == given
