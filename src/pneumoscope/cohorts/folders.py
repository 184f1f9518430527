"""Class folders: ``{train,val,test}/{NORMAL,PNEUMONIA}``, the layout of Kermany's films on Kaggle and Mendeley.

Kermany et al., Cell 2018, https://doi.org/10.17632/rscbjbr9sj
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from pneumoscope.cohorts.table import WITHOUT_SPLIT, case_table, few
from pneumoscope.errors import CohortError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom"})
"""Endings of film files, in lower case; class folders may hold other files too, which are passed over."""

_CLASSES = {"normal": 0, "pneumonia": 1}
_SPLITS = ("train", "val", "test")
_KAGGLE_PNEUMONIA = re.compile(r"person(?P<person>\d+)_(?P<cause>bacteria|virus)_\d+")
_KAGGLE_NORMAL = re.compile(r"(?P<second>NORMAL2-)?IM-(?P<person>\d+)-\d+")
_MENDELEY = re.compile(r"(?P<cause>BACTERIA|VIRUS|NORMAL)-(?P<person>\d+)-\d+")


def has_class_folders(folder: Path) -> bool:
    """Whether a folder has the class folders, with or without splits above them."""
    return any(_class_folders(parent) for parent, _ in _levels(folder))


def folder_table(folder: Path) -> pd.DataFrame:
    """The case table of class folders, in the order of the file names.

    Patient and cause come from the file names of Kermany's set; the extra column ``aetiology`` is
    ``bacteria``, ``virus`` or ``normal``, missing for names of another form.

    Raises:
        CohortError: there are no films in them.
    """
    rows = []
    for parent, split in _levels(folder):
        for place, label in _class_folders(parent):
            for film in sorted(place.iterdir()):
                if film.suffix.lower() in SUFFIXES and not film.name.startswith("."):
                    patient, cause = patient_of(film.name)
                    rows.append((str(film), label, split, patient, cause))
    if not rows:
        raise CohortError(f"{folder}: the class folders hold no films ({few(sorted(SUFFIXES), len(SUFFIXES))})")
    frame = pd.DataFrame(rows, columns=["path", "label", "split", "patient_id", "aetiology"])
    frame["aetiology"] = frame["aetiology"].astype("string")
    return case_table(frame, source=folder.resolve().name, where=str(folder))


def patient_of(name: str) -> tuple[str, str] | tuple[None, None]:
    """Patient and aetiology from a file name of Kermany's set; None, None for any other name.

    On Kaggle the persons of bacterial and viral films, and the two series of normal films, are numbered
    separately; each is a name space of its own here: ``bacteria-12``, ``normal2-0368``.
    """
    if match := _KAGGLE_PNEUMONIA.match(name):
        return f"{match['cause']}-{match['person']}", match["cause"]
    if match := _KAGGLE_NORMAL.match(name):
        return f"normal{'2' if match['second'] else ''}-{match['person']}", "normal"
    if match := _MENDELEY.match(name):
        return f"{match['cause'].lower()}-{match['person']}", match["cause"].lower()
    return None, None


def _levels(folder: Path) -> list[tuple[Path, str]]:
    """The folders that may hold class folders, each with its split."""
    splits = [(folder / split, split) for split in _SPLITS if (folder / split).is_dir()]
    return splits or [(folder, WITHOUT_SPLIT)]


def _class_folders(parent: Path) -> list[tuple[Path, int]]:
    return [
        (place, _CLASSES[place.name.lower()])
        for place in sorted(parent.iterdir())
        if place.is_dir() and place.name.lower() in _CLASSES
    ]
