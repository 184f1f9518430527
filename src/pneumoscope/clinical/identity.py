"""Whose film it is: the part of a film's header that results made from it share, and the results' own UIDs."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid5

from pydicom import Dataset, dcmread
from pydicom.uid import UID

from pneumoscope.errors import DicomError
from pneumoscope.radiograph._quiet import QUIET
from pneumoscope.radiograph.dicom_header import number, text
from pneumoscope.scoring import Prediction

MANUFACTURER = "Pneumoscope developers"
"""Written into every object, as the maker of what made it."""
REQUIRED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_TEXTS = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "ReferringPhysicianName",
    "Modality",
)
_EMPTY_IF_UNKNOWN = ("PatientName", "PatientID", "AccessionNumber", "StudyID", "ReferringPhysicianName")
_FORMS = {"PatientBirthDate": "%Y%m%d", "StudyDate": "%Y%m%d", "StudyTime": "%H%M%S"}
_NAMESPACE = UUID("0b2cf4d6-5c0f-5f0e-9b1c-5a3f2d1e7c84")
"""Drawn once for Pneumoscope; every UID that it makes is a name in it."""


def read_identity(path: Path) -> Dataset:
    """Patient, study and instance of a DICOM film, in UTF-8, as a result in the same study must repeat them.

    What the header says unreadably becomes empty; what it may leave out stays out.

    Raises:
        DicomError: the file is no DICOM film, or lacks a UID by which a result could name it.
    """
    try:
        header = dcmread(path, force=True, stop_before_pixels=True)
    except Exception as error:  # pydicom raises many kinds for a damaged file
        raise DicomError(f"{path}: its DICOM header cannot be read ({type(error).__name__}); export it again") from None
    return identity(header, str(path))


def identity(header: Dataset, source: str) -> Dataset:
    """The same, of a header that is read already; ``source`` names it in messages.

    Raises:
        DicomError: it lacks a UID by which a result could name the film.
    """
    # They become names of folders and files, so nothing but digits and dots may be in them.
    missing = [keyword for keyword in REQUIRED if not re.fullmatch(r"[0-9.]{3,64}", text(header, keyword) or "")]
    if missing:
        raise DicomError(
            f"{source}: no valid {', '.join(missing)}, so that no result can be filed with it; give a film as it left"
            " the PACS"
        )
    with QUIET:  # about values that break the standard's rules
        return _carried(header)


def _carried(header: Dataset) -> Dataset:
    film = Dataset()
    film.SpecificCharacterSet = "ISO_IR 192"
    for keyword in REQUIRED:
        setattr(film, keyword, UID(text(header, keyword) or ""))
    for keyword in _TEXTS:
        value = text(header, keyword)
        if value is not None or keyword in _EMPTY_IF_UNKNOWN:
            setattr(film, keyword, value or "")
    for keyword, form in _FORMS.items():
        value = (text(header, keyword) or "").partition(".")[0]
        setattr(film, keyword, value if _follows(value, form) else "")
    sex = (text(header, "PatientSex") or "").upper()
    if re.fullmatch(r"\d{3}[DWMY]", age := text(header, "PatientAge") or ""):
        film.PatientAge = age
    film.PatientSex = sex if sex in ("M", "F", "O") else ""
    if (burned := text(header, "BurnedInAnnotation")) is not None:
        film.BurnedInAnnotation = burned
    place = number(header, "InstanceNumber") or 1
    film.InstanceNumber = int(place) if 1 <= place < 1 << 31 else 1
    return film


def result_uid(prediction: Prediction, *scope: str) -> UID:
    """A UID that depends on what was asked, not on when: the model's weights, the operating point, the version.

    Args:
        prediction: what the object says.
        scope: what it is and what it belongs to, such as ``("report", film's SOP Instance UID)``.
    """
    model, point = prediction.model, prediction.operating_point
    return named_uid(*scope, model.name, model.sha256, model.software, point.name, repr(point.threshold))


def named_uid(*parts: str) -> UID:
    """A UID under 2.25 (PS3.5 B.2) that is always the same for the same parts."""
    return UID(f"2.25.{uuid5(_NAMESPACE, chr(0).join(parts)).int}")


def _follows(value: str, form: str) -> bool:
    try:
        return datetime.strptime(value, form).strftime(form) == value
    except ValueError:
        return False
