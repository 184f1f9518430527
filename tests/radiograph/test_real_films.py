"""The real DICOM films, as their labels say, against pydicom's own rendering."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from pydicom import dcmread

from pneumoscope.radiograph import assess, read_radiograph

REFUSED = {
    "nih_test4.dcm": "not-chest",
    "nih_test5.dcm": "wrong-modality",
    "nih_test6.dcm": "unknown-view",
}


def test_the_thirteen_films(data_dir: Path) -> None:
    with (data_dir / "dicom/cases.csv").open(newline="") as file:
        labelled = {row["file"]: row for row in csv.DictReader(file)}
    assert len(labelled) == 13
    assert {name for name, row in labelled.items() if "must be rejected" in row["label"]} == set(REFUSED)
    for name, row in labelled.items():
        film = read_radiograph(data_dir / "dicom" / name)
        refusals = [finding.code for finding in assess(film) if finding.refuses]
        assert refusals == ([REFUSED[name]] if name in REFUSED else []), name
        assert film.pixels.shape == (1024, 1024)
        seen = film.metadata
        assert (seen.modality, seen.body_part, seen.view) == (row["modality"], row["bodypart"], row["view"])
        assert (seen.sex, seen.age) == (row["sex"], float(row["age"]))


def test_a_film_tagged_monochrome1_is_the_negative_of_its_twin(data_dir: Path) -> None:
    plain, tagged = (read_radiograph(data_dir / f"dicom/siim_nih_6904{end}.dcm") for end in ("", "_fakeMONO1"))
    np.testing.assert_allclose(tagged.pixels, 1 - plain.pixels, atol=1e-6)


def test_pixels_are_what_pydicom_shows(data_dir: Path) -> None:
    for path in sorted((data_dir / "dicom").glob("*.dcm")):
        film, dataset = read_radiograph(path), dcmread(path)
        stored = dataset.pixel_array.astype(np.float64) / (2**dataset.BitsStored - 1)
        expected = 1 - stored if dataset.PhotometricInterpretation == "MONOCHROME1" else stored
        np.testing.assert_allclose(film.pixels, expected, atol=1e-6, err_msg=path.name)
