"""The official files of two public collections of adults' films, as their publishers lay them out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pneumoscope.cohorts.folders import SUFFIXES
from pneumoscope.cohorts.headers import fill_from_headers
from pneumoscope.cohorts.manifest import read_table
from pneumoscope.cohorts.table import case_table, few
from pneumoscope.errors import CohortError


def nih_table(folder: Path) -> pd.DataFrame:
    """NIH ChestX-ray14 (Wang et al., CVPR 2017): ``Data_Entry_2017*.csv`` and folders ``images*`` beside it.

    The label is 1 where the findings, which were mined from the reports' text, name pneumonia, 0 for
    ``No Finding``, missing for other findings. ``train_val_list.txt`` and ``test_list.txt``, where they are,
    give the splits ``train`` and ``test``; there is no official validation split. Extra columns: ``findings``,
    ``follow_up``.

    Raises:
        CohortError: official files or films are missing.
    """
    file = _one(folder, "Data_Entry_2017*.csv")
    entries = read_table(file)
    sex = "Patient Sex" if "Patient Sex" in entries else "Patient Gender"
    _require(
        entries, file, "Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", sex, "View Position"
    )
    findings = entries["Finding Labels"].fillna("").str.split("|").map(set)
    label = findings.map(lambda words: 1 if "Pneumonia" in words else 0 if words == {"No Finding"} else pd.NA)
    frame = pd.DataFrame(
        {
            "path": _place(entries["Image Index"], _films(folder, "images*"), file),
            "label": label,
            "split": entries["Image Index"].map(_official_splits(folder)),
            "patient_id": "nih-" + entries["Patient ID"],
            "age": entries["Patient Age"],
            "sex": entries[sex],
            "view": entries["View Position"],
            "findings": entries["Finding Labels"],
            "follow_up": pd.to_numeric(entries["Follow-up #"]),
        }
    )
    return case_table(frame, source="nih-chestxray14", where=str(file))


def rsna_table(folder: Path) -> pd.DataFrame:
    """RSNA Pneumonia Detection Challenge 2018: ``stage_2_*.csv`` and the films in ``stage_2_train_images``.

    The label is 1 for ``Lung Opacity``, 0 for ``Normal``, missing for ``No Lung Opacity / Not Normal``. Age, sex
    and view come from the DICOM headers; the challenge numbers films, not patients, so a patient with several
    films cannot be told. Extra columns: ``class``, ``opacities`` (boxes drawn).

    Raises:
        CohortError: official files or films are missing.
    """
    file = _one(folder, "stage_2_detailed_class_info.csv")
    boxes_file = _one(folder, "stage_2_train_labels.csv")
    entries = read_table(file)
    boxes = read_table(boxes_file)
    _require(entries, file, "patientId", "class")
    _require(boxes, boxes_file, "patientId", "Target")
    # Both files have one line per box.
    entries = entries.drop_duplicates("patientId").reset_index(drop=True)
    drawn = boxes.loc[boxes["Target"] == "1", "patientId"].value_counts()
    frame = pd.DataFrame(
        {
            "path": _place(entries["patientId"] + ".dcm", _films(folder, "stage_2_train_images"), file),
            "label": entries["class"].map({"Lung Opacity": 1, "Normal": 0}),
            "patient_id": "rsna-" + entries["patientId"],
            "class": entries["class"],
            "opacities": entries["patientId"].map(drawn).fillna(0).astype("Int64"),
        }
    )
    return fill_from_headers(case_table(frame, source="rsna-pneumonia", where=str(file)))


PRESETS: dict[str, tuple[str, Callable[[Path], pd.DataFrame]]] = {
    "nih": ("Data_Entry_2017*.csv", nih_table),
    "rsna": ("stage_2_detailed_class_info.csv", rsna_table),
}
"""Name → the official file that marks such a folder, and what reads it."""


def _official_splits(folder: Path) -> dict[str, str]:
    splits: dict[str, str] = {}
    for name, split in (("train_val_list.txt", "train"), ("test_list.txt", "test")):
        if (folder / name).is_file():
            splits |= dict.fromkeys((folder / name).read_text(encoding="utf-8").split(), split)
    return splits


def _films(folder: Path, pattern: str) -> dict[str, str]:
    """File name → path, of every film below the folders of a pattern."""
    return {
        film.name: str(film)
        for place in sorted(folder.glob(pattern))
        for film in place.rglob("*")
        if film.suffix.lower() in SUFFIXES
    }


def _place(names: pd.Series[str], films: dict[str, str], file: Path) -> pd.Series[str]:
    missing = [name for name in names if name not in films]
    if missing:
        raise CohortError(
            f"{file}: {len(missing)} of {len(names)} films are not there: {few(missing)}; "
            "to use a part of the films, take the other rows out of this file"
        )
    return names.map(films)


def _one(folder: Path, pattern: str) -> Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise CohortError(
            f"{folder}: holds {len(files) or 'no'} files {pattern}, which this preset reads; it needs one"
        )
    return files[0]


def _require(frame: pd.DataFrame, file: Path, *columns: str) -> None:
    missing = [column for column in columns if column not in frame]
    if missing:
        raise CohortError(f"{file}: has no column {few(missing)}; it is not the official file of this preset")
