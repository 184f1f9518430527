from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pneumoscope.cohorts import COLUMNS, load_cohort
from pneumoscope.errors import CohortError, PneumoscopeError

from .conftest import Films, write_npz


def test_a_row_per_film_and_its_pixels(npz: Path, splits: Films) -> None:
    cohort = load_cohort(npz)
    assert tuple(cohort.cases.columns) == COLUMNS
    assert cohort.splits == {"train": 6, "val": 4, "test": 3}
    for split, (images, labels) in splits.items():
        part = cohort.select(split)
        assert part.labels.tolist() == labels
        np.testing.assert_array_equal(part.pixels(28, "crop"), images)
    assert cohort.cases["path"].iloc[7] == f"{npz}#val/1"
    assert cohort.read(7).metadata.kind == "npz"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"val_images": None}, "no array val_images"),
        ({"test_labels": None}, "no array test_labels"),
        ({"val_images": np.zeros((4, 28, 28, 3), np.uint8)}, "val_images must be uint8"),
        ({"val_images": np.zeros((4, 28, 28), np.float32)}, "val_images must be uint8"),
        ({"train_labels": np.zeros((5, 1), np.uint8)}, "5 labels for 6 images"),
        ({"train_labels": np.zeros((6, 2), np.uint8)}, "train_labels must be whole numbers"),
        ({"train_labels": np.full((6, 1), 2, np.uint8)}, "a label is 1 .pneumonia., 0 .normal."),
        ({"train_labels": np.array([[None]] * 6)}, "not as long as its header says"),
    ],
)
def test_arrays_of_another_form(tmp_path: Path, splits: Films, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(CohortError, match=message):
        load_cohort(write_npz(tmp_path / "film.npz", splits, **changed))


def test_a_header_that_promises_more_than_the_file_holds(tmp_path: Path, npz: Path) -> None:
    """NumPy would allocate what the header asks for, here 800 GB."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (1_000_000, 900, 900)}
    )
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(npz) as whole, zipfile.ZipFile(bomb, "w") as made:
        for entry in whole.infolist():
            made.writestr(entry, header.getvalue() if entry.filename == "val_images.npy" else whole.read(entry))
    with pytest.raises(CohortError, match="not as long as its header says"):
        load_cohort(bomb)


def test_an_archive_that_unpacks_without_measure(npz: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pneumoscope.cohorts.npz.LIMIT", 1000)
    with pytest.raises(CohortError, match="would unpack to"):
        load_cohort(npz)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_ends_in_one_clear_error_or_in_films(npz: Path, data: st.DataObject) -> None:
    content = bytearray(npz.read_bytes())
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=6)
    ):
        content[place] = value
    broken = npz.with_name("broken.npz")
    broken.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    try:
        assert load_cohort(broken).pixels(28, "crop").shape[1:] == (28, 28)
    except PneumoscopeError as error:
        assert str(broken) in str(error)
        assert "\n" not in str(error)


def test_the_published_file(data_dir: Path) -> None:
    cohort = load_cohort(data_dir / "pneumoniamnist.npz")
    assert cohort.splits == {"train": 4708, "val": 524, "test": 624}
    counts = cohort.cases.groupby(["split", "label"]).size()
    assert [int(counts[split, 0]) for split in ("train", "val", "test")] == [1214, 135, 234]
