from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pneumoscope.bundle import POSES, TrainingFilms, rooted
from pneumoscope.errors import CohortError
from pneumoscope.evaluation import choose_suitability, fit_training_films, strips_of


def _films(count: int, seed: int) -> np.ndarray:
    """Films with two dark lungs, a bright heart on one side of them, and a bright belly."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :48] / 47
    films = []
    for _ in range(count):
        dx, dy, wide = draw.normal(0, 0.02, 3)
        film = 0.6 + 0.2 * y
        for centre in (0.28, 0.72):
            film -= 0.45 * np.exp(-(((x - centre - dx) / (0.14 + wide)) ** 2 + ((y - 0.45 - dy) / 0.28) ** 2))
        film += 0.3 * np.exp(-(((x - 0.6 - dx) / 0.12) ** 2 + ((y - 0.6 - dy) / 0.15) ** 2))
        films.append(film * draw.uniform(0.8, 1.2) + draw.normal(0, 0.02, film.shape))
    return np.rint(255 * np.clip(films, 0, 1)).astype(np.uint8)


def _embedding(films: np.ndarray) -> np.ndarray:
    """Stands for a network: means of 16 × 16 fields and the unrest within them."""
    fields = films.reshape(len(films), 16, films.shape[1] // 16, 16, -1).astype(np.float32) / 255
    return np.concatenate([fields.mean((2, 4)), fields.std((2, 4))], 1).reshape(len(films), -1)


def _known(films: np.ndarray) -> TrainingFilms:
    return fit_training_films(films, _embedding(films), _embedding(strips_of(films)))


def test_strips_are_narrow_parts_of_their_films() -> None:
    y, x = np.mgrid[:60, :60]
    films = np.stack([4 * x, 4 * y] * 40).astype(np.uint8)
    strips = strips_of(films)
    assert strips.shape == (20, 60, 60)
    # A ramp goes over so much of its range as the strip takes of the side; every fourth film is a ramp across.
    shares = np.array([np.ptp(strip.astype(int)) / 240 for strip in strips])
    assert shares.max() > 0.9  # a strip along the ramp has all of it
    across = shares[shares < 0.5]
    assert 5 < len(across) < 15
    assert across.max() < 0.25
    np.testing.assert_array_equal(strips, strips_of(films))
    assert (strips != strips_of(films, seed=1)).any()


def test_strips_are_told_from_films() -> None:
    known, fresh = _known(_films(400, 0)), _films(300, 2)
    strips = strips_of(fresh, seed=5)
    points = rooted(_embedding(strips))
    assert (known.strips.excess(points) > known.strips.excess(rooted(_embedding(fresh))).max()).mean() > 0.95


def test_wrong_films_are_refused_with_the_right_reason() -> None:
    training, validation, fresh = _films(400, 0), _films(300, 1), _films(300, 2)
    known = _known(training)
    rule = choose_suitability(known, validation, _embedding(validation), fitted_on="a", chosen_on="b")
    assert rule.false_refusals == 0.0075
    assert known.compare(validation, _embedding(validation)).refused(rule.threshold).sum() == 2

    def findings(films: np.ndarray) -> list[list[str]]:
        found = known.compare(films, _embedding(films)).findings(rule.threshold, rule.mirrored)
        return [[finding.code for finding in film] for film in found]

    def share(films: np.ndarray, *codes: str) -> float:
        return float(np.mean([film == list(codes) for film in findings(films)]))

    assert share(fresh) > 0.95
    for index, pose in enumerate(POSES[1:], start=1):
        turned = pose.apply(fresh)
        assert (known.compare(turned, _embedding(turned)).pose == index).mean() > 0.99
    assert share(POSES[2].apply(fresh), "turned") > 0.95
    assert share(POSES[4].apply(fresh), "inverted") > 0.95
    assert share(fresh[..., ::-1], "mirrored") + share(fresh[..., ::-1], "unlike-chest") > 0.95
    noise = np.random.default_rng(3).integers(0, 256, fresh.shape, dtype=np.uint8)
    assert share(noise, "unlike-chest") == 1


def test_too_few_films_are_refused() -> None:
    films = _films(250, 0)
    with pytest.raises(CohortError, match="199 training films are too few"):
        _known(films[:199])
    known = _known(films)
    with pytest.raises(CohortError, match="99 validation films"):
        choose_suitability(known, films[:99], _embedding(films[:99]), fitted_on="", chosen_on="")


def test_layout_of_real_films_tells_their_pose(data_dir: Path) -> None:
    with np.load(data_dir / "pneumoniamnist.npz") as arrays:
        training, validation = arrays["train_images"][::3], arrays["val_images"]
    # 96 pixels of 28 · 4, which 24 and 16 divide.
    training, validation = (films.repeat(4, 1).repeat(4, 2)[:, 8:104, 8:104] for films in (training, validation))
    known = _known(training)
    rule = choose_suitability(known, validation, _embedding(validation), fitted_on="", chosen_on="")
    assert known.compare(validation, _embedding(validation)).refused(rule.threshold).mean() <= 0.0075
    for index, pose in enumerate(POSES):
        films = pose.apply(validation)
        assert (known.compare(films, _embedding(films)).pose == index).mean() > 0.98
