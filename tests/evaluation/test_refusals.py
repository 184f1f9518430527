from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pneumoscope.bundle import POSES
from pneumoscope.cohorts import Cohort
from pneumoscope.evaluation import proportion, refusal_table
from pneumoscope.evaluation.unsuitable import changed_kinds, drawn_kinds, real_kinds
from pneumoscope.radiograph import Radiograph, assess
from pneumoscope.scoring import Predictor


def test_drawn_pictures_are_the_same_for_the_same_seed() -> None:
    first, again, other = ({kind.name: kind.films for kind in drawn_kinds(2, seed)} for seed in (0, 0, 1))
    for name, films in first.items():
        assert len(films) == 2
        for film, same, different in zip(films, again[name], other[name], strict=True):
            assert film.pixels.dtype == np.float32
            assert 0 <= film.pixels.min() <= film.pixels.max() <= 1
            np.testing.assert_array_equal(film.pixels, same.pixels)
            assert not np.array_equal(film.pixels, different.pixels)
    assert all(any(finding.code == "blank" for finding in assess(film)) for film in first["blank"])


def test_photographs_are_grey_and_real() -> None:
    kinds = {kind.name: kind for kind in real_kinds()}
    photographs = kinds["photographs, as grey"].films
    assert {"china.jpg", "flower.jpg", "grace_hopper.jpg"} <= {film.source for film in photographs}
    assert all(film.metadata.colourfulness == 0 for film in photographs)


def test_changes_do_what_their_names_say() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    film = Radiograph(pixels.astype(np.float32) / 255)
    kinds = {kind.name: np.rint(255 * kind.films[0].pixels).astype(np.uint8) for kind in changed_kinds((film,))}
    np.testing.assert_array_equal(kinds["turned by 90° clockwise"], POSES[1].apply(pixels))
    np.testing.assert_array_equal(kinds["inverted"], 255 - pixels)
    np.testing.assert_array_equal(kinds["mirrored"], np.fliplr(pixels))
    assert kinds["cropped to 1/2 of its sides"].shape == pixels.shape


def test_refusals_are_counted_by_kind(predictor: Predictor, cohort: Cohort, tmp_path: Path) -> None:
    Image.new("RGB", (120, 120), (200, 30, 30)).save(tmp_path / "red.png")
    begun: list[str] = []
    found = refusal_table(
        predictor, cohort, data="films", given=tmp_path / "red.png", changed=5, drawn=3, progress=begun.append
    )
    rows = {row.kind: row for row in found.rows}
    assert begun == list(rows)
    films = rows["frontal chest films"]
    assert films.n == len(cohort) - 1, "one film cannot be read"
    assert found.unreadable == 1
    assert films.codes == {"blank": 1}
    assert films.refused == proportion(1, films.n)
    assert rows["blank"].refused.value == 1
    assert rows["inverted"].n == 5
    assert rows["red.png"].codes == {"blank": 1}
    assert found.model_validate_json(found.model_dump_json()) == found


def test_the_table_repeats(predictor: Predictor, cohort: Cohort) -> None:
    first, again = (
        refusal_table(predictor, cohort, data="films", changed=4, drawn=2, seed=1).model_dump() for _ in range(2)
    )
    assert first == again
