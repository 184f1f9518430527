"""The most similar training films, beside scikit-learn's."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from pneumoscope.bundle import Bundle
from pneumoscope.cohorts import Cohort, load_cohort
from pneumoscope.errors import CohortError
from pneumoscope.explanation import neighbours
from pneumoscope.explanation.neighbours import TrainingIndex, training_index
from pneumoscope.scoring import Predictor, Scores


@pytest.fixture
def films(tmp_path: Path) -> Cohort:
    """Nine films of noise: the last is unreadable, the one before all of one shade, and the first has no label."""
    draw = np.random.default_rng(0)
    folder = tmp_path / "ward"
    folder.mkdir()
    for number in range(7):
        noise = draw.normal(60 + 15 * number, 20 + 5 * number, (110, 120)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    Image.fromarray(np.full((110, 120), 90, np.uint8)).save(folder / "7.png")
    (folder / "8.png").write_bytes(b"no film")
    table = pd.DataFrame({"path": [f"{n}.png" for n in range(9)], "label": ["", *"10101010"], "split": "train"})
    table.to_csv(folder / "cases.csv", index=False)
    return load_cohort(folder)


class Runtime:
    """Its embedding is the upper part of the film, so that films differ more than to a network that learnt nothing."""

    name = "made up"

    def run(self, batch: np.ndarray) -> Scores:
        upper = batch.reshape(len(batch), -1)[:, :2048].astype(np.float32)
        return Scores(np.ones(len(batch), np.float32), np.ones((len(batch), 2, 2), np.float32), upper)


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "Predictor", partial(Predictor, runtime=Runtime()))


def test_they_are_those_that_scikit_learn_finds(tiny_bundle: Bundle, films: Cohort, tmp_path: Path) -> None:
    done: list[int] = []
    place = training_index(tiny_bundle, films, tmp_path / "index", progress=done.append)
    index = TrainingIndex.load(place)
    assert (sum(done), len(index), index.total, index.name) == (9, 7, 9, "ward")
    assert (index.label.tolist(), set(index.source)) == ([-1, 1, 0, 1, 0, 1, 0], {"ward"})

    scored = list(Predictor(tiny_bundle, runtime=Runtime()).predict(films.read(row) for row in range(7)))
    embeddings = np.stack([one.embedding for one in scored])
    search = NearestNeighbors(n_neighbors=3, metric="cosine").fit(embeddings)
    distance, rows = search.kneighbors(embeddings)
    for film in range(7):
        found, middle = index.nearest(embeddings[film], 3)
        assert [Path(one.path).stem for one in found] == [str(row) for row in rows[film]]
        assert [one.similarity for one in found] == pytest.approx(1 - distance[film], abs=1e-3)
        assert found[0].label == (None if film == 0 else film % 2)
        everything = search.kneighbors(embeddings[[film]], 7)[0]
        assert middle == pytest.approx(1 - np.median(everything), abs=1e-3)


def test_they_are_computed_once_and_again_when_something_changed(
    tiny_bundle: Bundle, films: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []

    def once(_: object, chosen: Cohort, __: object) -> tuple[list[int], np.ndarray]:
        computed.append(len(chosen))
        return list(range(len(chosen))), np.ones((len(chosen), 2048), np.float16)

    monkeypatch.setattr(neighbours, "_embeddings", once)
    monkeypatch.setattr(neighbours, "MOST", 5)
    first = training_index(tiny_bundle, films, tmp_path / "index")
    assert training_index(tiny_bundle, films, tmp_path / "index") == first
    assert computed == [5], "at most so many, and they are taken up"
    assert (len(TrainingIndex.load(first)), TrainingIndex.load(first).total) == (5, 9)
    for file in first.iterdir():
        file.write_bytes(b"damaged")
    assert training_index(tiny_bundle, films, tmp_path / "index") == first
    films.cases["label"] = 1
    assert training_index(tiny_bundle, films, tmp_path / "index") != first
    films = load_cohort(tmp_path / "ward")
    for number in range(9):
        Image.fromarray(np.zeros((50, 50), np.uint8)).save(tmp_path / "ward" / f"{number}.png")
    assert training_index(tiny_bundle, films, tmp_path / "index") != first
    assert len(computed) == 4


def test_without_one_film_to_compare_it_says_so(tiny_bundle: Bundle, films: Cohort, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="none of its 2 training films can be read and scored"):
        training_index(tiny_bundle, films.take([7, 8]), tmp_path / "index")
    assert not (tmp_path / "index").exists()
