"""Class folders, manifests, official files of NIH and RSNA, and what is none of these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread

from pneumoscope.cohorts import COLUMNS, load_cohort
from pneumoscope.cohorts.folders import patient_of
from pneumoscope.cohorts.table import age_in_years
from pneumoscope.errors import CohortError

from .conftest import write_film


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    names = {
        "train/NORMAL": ["IM-0115-0001.jpeg", "NORMAL2-IM-0927-0001.jpeg"],
        "train/PNEUMONIA": ["person12_bacteria_46.jpeg", "person12_virus_48.jpeg"],
        "test/NORMAL": ["IM-0001-0001.jpeg"],
        "test/PNEUMONIA": ["person3_virus_15.jpeg"],
    }
    root = tmp_path / "chest_xray"
    for number, (folder, films) in enumerate(names.items()):
        for film in films:
            write_film(root / folder / film, 10 * number)
    (root / "train/NORMAL/.DS_Store").write_bytes(b"x")
    (root / "train/NORMAL/Thumbs.db").write_bytes(b"x")
    return root


def manifest(folder: Path, text: str, name: str = "cases.csv") -> Path:
    for number in range(3):
        write_film(folder / f"{number}.png", number)
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_class_folders(kaggle: Path) -> None:
    cohort = load_cohort(kaggle)
    assert cohort.name == "chest_xray"
    assert cohort.splits == {"train": 4, "test": 2}
    train = cohort.select("train").cases
    assert train["label"].tolist() == [0, 0, 1, 1]
    assert train["patient_id"].tolist() == ["normal-0115", "normal2-0927", "bacteria-12", "virus-12"]
    assert train["aetiology"].tolist() == ["normal", "normal", "bacteria", "virus"]
    assert load_cohort(kaggle / "train").splits == {"all": 4}


def test_class_folders_without_films(tmp_path: Path) -> None:
    (tmp_path / "NORMAL").mkdir()
    (tmp_path / "PNEUMONIA").mkdir()
    with pytest.raises(CohortError, match="the class folders hold no films"):
        load_cohort(tmp_path)


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person1000_bacteria_2931.jpeg", ("bacteria-1000", "bacteria")),
        ("NORMAL2-IM-0173-0001-0002.jpeg", ("normal2-0173", "normal")),
        ("BACTERIA-1008087-0001.jpeg", ("bacteria-1008087", "bacteria")),
        ("VIRUS-9815549-0001.jpeg", ("virus-9815549", "virus")),
        ("film.png", (None, None)),
    ],
)
def test_patients_in_file_names(name: str, patient: tuple[str | None, str | None]) -> None:
    assert patient_of(name) == patient


def test_a_manifest_with_its_own_headings(tmp_path: Path) -> None:
    file = manifest(
        tmp_path, "\ufeffImage;y;Subset;Who;Patient Age;gender;ward\n0.png;1;Training;a;058Y;female;7\n"
        "1.png;0;validation;b;6M;m;8\n2.png;;test;c;414;?;9\n", "films.csv"
    )  # fmt: skip
    cohort = load_cohort(file, columns={"label": "y", "patient_id": "Who"})
    cases = cohort.cases
    assert [*cases.columns] == [*COLUMNS, "ward"]
    assert cases["label"].tolist() == [1, 0, pd.NA]
    assert cases["split"].tolist() == ["train", "val", "test"]
    assert cases["patient_id"].tolist() == ["a", "b", "c"]
    assert cases["age"].tolist()[:2] == [58, 0.5]
    assert cases["age"].isna().tolist() == [False, False, True]
    assert cases["sex"].tolist() == ["F", "M", pd.NA]
    assert cases["ward"].tolist() == [7, 8, 9]
    assert len(cohort.labelled()) == 2
    with pytest.raises(CohortError, match="1 of 3 cases have no label"):
        _ = cohort.labels


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("path,label\n", "has a heading but no rows"),
        ("label\n1\n", "which column names the films"),
        ("path,label\n0.png,2\n1.png,0\n", "label '2' in row 1: a label is 1"),
        ("path,label\n0.png,0\n9.png,1\n", "1 of 2 films are not there: 9.png"),
        ("path,label\n0.png,0\n0.png,1\n", "listed more than once"),
        ("path,label\n0.png,0\n./0.png,1\n", "listed more than once"),
        ("path,label\n0.png,edema\n1.png,mass\n", "none of the labels is known"),
        ("path,label,age\n0.png,0,old\n", "age 'old' in row 1"),
        ("path,label\n,0\n1.png,1\n", "no film is named in row 1"),
    ],
)
def test_a_manifest_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CohortError, match=message):
        load_cohort(manifest(tmp_path, text))


def test_a_manifest_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_bytes(bytes(range(128, 256)) * 9)
    with pytest.raises(CohortError, match="cannot be read as a table"):
        load_cohort(file)


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    file = manifest(tmp_path, "path,label\n0.png,0\n")
    with pytest.raises(CohortError, match="has no column 'y'; there are path, label"):
        load_cohort(file, columns={"label": "y"})
    with pytest.raises(CohortError, match="there is no column prevalence to map"):
        load_cohort(file, columns={"prevalence": "label"})


def nih(folder: Path) -> Path:
    findings = ["Pneumonia|Edema", "No Finding", "Mass"]
    rows = "".join(f"0000000{n}_000.png,{finding},{n},{n},05{n},M,PA\n" for n, finding in enumerate(findings))
    (folder / "Data_Entry_2017_v2020.csv").write_text(
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,View Position\n" + rows
    )
    for n in range(3):
        write_film(folder / f"images_00{n + 1}/images/0000000{n}_000.png", n)
    (folder / "train_val_list.txt").write_text("00000000_000.png\n00000001_000.png\n")
    (folder / "test_list.txt").write_text("00000002_000.png\n")
    return folder


def rsna(folder: Path) -> Path:
    from pydicom.data import get_testdata_file

    (folder / "stage_2_detailed_class_info.csv").write_text(
        "patientId,class\na,Lung Opacity\na,Lung Opacity\nb,Normal\nc,No Lung Opacity / Not Normal\n"
    )
    (folder / "stage_2_train_labels.csv").write_text(
        "patientId,x,y,width,height,Target\na,1,2,3,4,1\na,5,6,7,8,1\nb,,,,,0\nc,,,,,0\n"
    )
    film = dcmread(get_testdata_file("CT_small.dcm"))
    film.PatientAge, film.PatientSex, film.ViewPosition = "042Y", "F", "AP"
    (folder / "stage_2_train_images").mkdir()
    for name in "abc":
        film.save_as(folder / f"stage_2_train_images/{name}.dcm")
    return folder


def test_official_files_of_nih(tmp_path: Path) -> None:
    cases = load_cohort(nih(tmp_path)).cases
    assert cases["label"].tolist() == [1, 0, pd.NA]
    assert cases["split"].tolist() == ["train", "train", "test"]
    assert cases["patient_id"].tolist() == ["nih-0", "nih-1", "nih-2"]
    assert cases["age"].tolist() == [50, 51, 52]
    assert cases["findings"].tolist() == ["Pneumonia|Edema", "No Finding", "Mass"]


def test_official_files_of_rsna(tmp_path: Path) -> None:
    cases = load_cohort(rsna(tmp_path)).cases
    assert cases["label"].tolist() == [1, 0, pd.NA]
    assert cases["opacities"].tolist() == [2, 0, 0]
    assert cases["age"].tolist() == [42, 42, 42]
    assert cases["sex"].tolist() == ["F", "F", "F"]
    assert cases["view"].tolist() == ["AP", "AP", "AP"]


@pytest.mark.parametrize(("make", "preset"), [(nih, "nih"), (rsna, "rsna")])
def test_a_preset_without_its_films(tmp_path: Path, make: Callable[[Path], Path], preset: str) -> None:
    folder = make(tmp_path)
    next(folder.glob("*images*/**/*.png" if preset == "nih" else "*images*/*.dcm")).unlink()
    with pytest.raises(CohortError, match="1 of 3 films are not there"):
        load_cohort(folder, preset=preset)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CohortError, match="which this preset reads"):
        load_cohort(tmp_path / "empty", preset=preset)


def test_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="there is no such file or folder"):
        load_cohort(tmp_path / "nowhere")
    with pytest.raises(CohortError, match="no data set of a known kind"):
        load_cohort(tmp_path)
    with pytest.raises(CohortError, match="no preset 'mimic'; there are nih, rsna"):
        load_cohort(tmp_path, preset="mimic")
    with pytest.raises(CohortError, match="no data named"):
        load_cohort([])


def test_several_sources_are_one_cohort(tmp_path: Path, kaggle: Path, npz: Path) -> None:
    cohort = load_cohort([kaggle, npz])
    assert cohort.splits == {"train": 10, "val": 4, "test": 5}
    assert set(cohort.cases["source"]) == {"chest_xray", "pneumoniamnist"}
    with pytest.raises(CohortError, match="listed more than once"):
        load_cohort([npz, npz])


def test_labelled_dicom_films_fill_the_gaps_from_their_headers(data_dir: Path) -> None:
    cohort = load_cohort(data_dir / "dicom", columns={"path": "file", "view": "view"})
    assert len(cohort) == 13
    film = cohort.cases[cohort.cases["path"].str.endswith("nih_test1.dcm")].iloc[0]
    assert film["age"] == 81
    assert film["patient_id"]


@given(st.integers(0, 119), st.sampled_from(["", "Y", "y"]))
def test_ages_in_years(years: int, unit: str) -> None:
    assert age_in_years(f"{years:03d}{unit}") == years


@given(st.text(max_size=8))
def test_ages_are_numbers_or_errors(text: str) -> None:
    try:
        age = age_in_years(text)
    except ValueError:
        age = None
    assert age is None or 0 <= age <= 120
