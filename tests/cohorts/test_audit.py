from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.cohorts import audit, load_cohort
from pneumoscope.errors import CohortError

from .conftest import write_film


def smooth(seed: int, side: int) -> np.ndarray:
    """A picture with detail that survives scaling."""
    coarse = np.random.default_rng(seed).integers(30, 220, (9, 9), dtype=np.uint8)
    with Image.fromarray(coarse) as image:
        return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """Seven films: an exact copy across splits with another label, a scaled one, one that cannot be read."""
    films = {
        "a.png": smooth(1, 120),
        "b.png": smooth(1, 120),  # = a, in test, called normal, of another patient
        "c.png": smooth(2, 120),
        "d.jpeg": smooth(2, 90),  # c at another size and compressed, in val
        "e.png": smooth(3, 120),
        "f.png": smooth(4, 120),
        "g.png": smooth(5, 120),
    }
    for name, film in films.items():
        write_film(tmp_path / name, film)
    (tmp_path / "g.png").write_bytes(b"lost")
    (tmp_path / "cases.csv").write_text(
        "path,label,split,patient_id,age,centre\n"
        "a.png,1,train,p1,40,x\nb.png,0,test,p2,,x\nc.png,1,train,p3,,y\nd.jpeg,1,val,p3,,y\n"
        "e.png,0,train,p4,,y\nf.png,,test,p4,,\ng.png,0,test,,,\n"
    )
    return tmp_path


def test_what_an_audit_finds(leaky: Path) -> None:
    found = audit(load_cohort(leaky))
    train, val, test = found.splits
    assert (train.films, train.normal, train.pneumonia, train.unlabelled, train.patients) == (3, 1, 2, 0, 3)
    assert train.prevalence == pytest.approx(2 / 3)
    assert (test.films, test.unlabelled, test.without_patient) == (3, 1, 1)
    assert (val.films, found.total.films) == (1, 7)
    pairs = {overlap.splits: overlap for overlap in found.overlaps}
    assert pairs["train", "test"].patients == 1
    assert pairs["train", "test"].films_of_shared_patients == (1, 1)
    assert pairs["train", "test"].identical_films == (1, 1)
    assert pairs["train", "val"].near_films == (1, 1)
    assert pairs["train", "val"].identical_films == (0, 0)
    assert pairs["val", "test"].patients == 0
    copies = ((str(leaky / "a.png"), str(leaky / "b.png")),)
    assert found.identical == found.contradictory == found.different_patients == copies
    assert found.near == ((str(leaky / "c.png"), str(leaky / "d.jpeg")),)
    assert found.missing == {"label": 1, "patient_id": 1, "age": 6, "sex": 7, "view": 7}
    assert list(found.unreadable) == [str(leaky / "g.png")]
    assert json.loads(json.dumps(found.as_dict()))["total"]["films"] == 7


def test_another_column_may_say_the_split(leaky: Path) -> None:
    found = audit(load_cohort(leaky), split_column="centre")
    assert [split.split for split in found.splits] == ["x", "y"]
    assert found.left_out == 2
    with pytest.raises(CohortError, match="has no column 'hospital'"):
        audit(load_cohort(leaky), split_column="hospital")


def test_the_copies_in_pneumoniamnist(data_dir: Path) -> None:
    """Against NumPy on the arrays themselves."""
    found = audit(load_cohort(data_dir / "pneumoniamnist.npz"))
    with np.load(data_dir / "pneumoniamnist.npz") as arrays:
        films = {split: arrays[f"{split}_images"].reshape(-1, 784) for split in ("train", "val", "test")}
    for split in found.splits:
        assert split.surplus == len(films[split.split]) - len(np.unique(films[split.split], axis=0))
    train = {film.tobytes() for film in films["train"]}
    in_both = sum(film.tobytes() in train for film in films["val"])
    pairs = {overlap.splits: overlap for overlap in found.overlaps}
    assert pairs["train", "val"].identical_films[1] == in_both == 8
    assert found.splits[0].identical_groups == 18
    assert pairs["train", "test"].identical_films == pairs["val", "test"].identical_films == (0, 0)


def test_the_patients_that_validation_shares_with_training(data_dir: Path) -> None:
    found = audit(load_cohort(data_dir / "chest_xray"), split_column="mnist_split")
    pairs = {overlap.splits: overlap for overlap in found.overlaps}
    train_val = pairs["train", "val"]
    assert train_val.films_of_shared_patients is not None
    assert train_val.films_of_shared_patients[1] == 217
    assert next(split for split in found.splits if split.split == "val").films == 516
    assert pairs["train", "test"].patients == pairs["val", "test"].patients == 0
    assert len(found.identical) == 28
    assert found.left_out == 68
