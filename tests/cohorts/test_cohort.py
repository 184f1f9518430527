from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumoscope.cohorts import load_cohort
from pneumoscope.errors import CohortError

from .conftest import films, write_film, write_npz


def test_an_empty_split_names_the_ones_there_are(npz: Path) -> None:
    cohort = load_cohort(npz)
    with pytest.raises(
        CohortError, match=r"no cases in split 'dev'; the splits are train \(6\), val \(4\), test \(3\)"
    ):
        cohort.select("dev")
    assert len(cohort.select("all")) == 13
    assert cohort.select("train", "test").splits == {"train": 6, "test": 3}


def test_a_source_without_splits_has_no_test_split(tmp_path: Path) -> None:
    for number, folder in enumerate(("NORMAL", "PNEUMONIA")):
        write_film(tmp_path / folder / "a.png", number)
    cohort = load_cohort(tmp_path)
    assert len(cohort.select("all")) == 2
    with pytest.raises(CohortError, match=r"the splits are all \(2\)"):
        cohort.select("test")


def test_a_rule_leaves_films_out(tmp_path: Path) -> None:
    for name in "abcd":
        write_film(tmp_path / f"{name}.png", ord(name))
    (tmp_path / "cases.csv").write_text("path,label,read\na.png,1,\nb.png,1,yes\nc.png,0,\nd.png,,\n")
    cohort = load_cohort(tmp_path)

    def left(rule: dict[str, str]) -> str:
        return "".join(Path(path).stem for path in cohort.without(rule).cases["path"])

    assert left({"label": "1", "read": ""}) == "bcd"
    assert left({"label": ""}) == "abc"
    assert left({"read": "no"}) == "abcd"
    with pytest.raises(CohortError, match="there is no column reader; there are path, label"):
        left({"reader": ""})


def test_both_classes_are_needed(tmp_path: Path) -> None:
    only = write_npz(
        tmp_path / "one.npz",
        {split: (films(2, seed), [1, 1]) for seed, split in enumerate(("train", "val", "test"))},
    )
    with pytest.raises(CohortError, match="all 2 labelled cases are pneumonia; cases of normal are needed too"):
        load_cohort(only).select("train").require_both_classes()
    for name in ("0.png", "1.png"):
        write_film(tmp_path / name, 1)
    (tmp_path / "cases.csv").write_text("path,diagnosis\n0.png,1\n1.png,0\n")
    with pytest.raises(CohortError, match="no case has a label; if they are in another column"):
        load_cohort(tmp_path / "cases.csv").require_both_classes()


def test_pixels_keep_their_order_and_are_fitted(tmp_path: Path) -> None:
    """Every film has a brightness of its own; half of each is outside of a centre crop."""
    rows = []
    for shade in range(0, 250, 10):
        film = np.full((20, 40), shade, np.uint8)
        film[:, :10] = film[:, 30:] = 255
        write_film(tmp_path / f"{shade}.png", film)
        rows.append(f"{shade}.png,{shade % 20 // 10}")
    (tmp_path / "cases.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    cohort, done = load_cohort(tmp_path), []
    pixels = cohort.pixels(16, "crop", workers=3, progress=done.append)
    assert pixels.shape == (25, 16, 16)
    assert (pixels == np.arange(0, 250, 10)[:, None, None]).all()
    assert sum(done) == 25
    assert (cohort.pixels(16, "pad")[:, :3] == 0).all()


def test_films_that_cannot_be_read_are_named_together(tmp_path: Path) -> None:
    for number in range(6):
        write_film(tmp_path / f"{number}.png", number)
    (tmp_path / "2.png").write_bytes(b"no picture")
    (tmp_path / "4.png").write_bytes((tmp_path / "5.png").read_bytes()[:90])
    (tmp_path / "cases.csv").write_text("path,label\n" + "".join(f"{n}.png,{n % 2}\n" for n in range(6)))
    with pytest.raises(CohortError, match=r"2 of 6 films cannot be read: .*2\.png: .*4\.png: .*cut off"):
        load_cohort(tmp_path).pixels(16, "crop")


def test_sixteen_bits_and_dicom_are_films_like_any(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 900).reshape(30, 30).round().astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    write_film(tmp_path / "flat.png", np.rint(deep / 257).astype(np.uint8))
    (tmp_path / "cases.csv").write_text("path,label\ndeep.png,1\nflat.png,0\n")
    one, other = load_cohort(tmp_path).pixels(30, "crop").astype(int)
    assert abs(one - other).max() <= 1


def test_unlabelled_cases_do_not_stop_reading(tmp_path: Path) -> None:
    for number in range(2):
        write_film(tmp_path / f"{number}.png", number)
    (tmp_path / "cases.csv").write_text("path\n0.png\n1.png\n")
    cohort = load_cohort(tmp_path)
    assert cohort.cases["label"].tolist() == [pd.NA, pd.NA]
    assert cohort.pixels(16, "pad").shape == (2, 16, 16)
