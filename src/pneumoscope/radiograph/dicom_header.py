"""What a DICOM header says about the film, forgiving of the ways in which headers go wrong."""

from __future__ import annotations

import math
import re
from functools import partial

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
)

from pneumoscope.radiograph.film import Metadata
from pneumoscope.radiograph.geometry import Turn

_MODALITY_OF_CLASS: dict[str, str] = {
    ComputedRadiographyImageStorage: "CR",
    DigitalXRayImageStorageForPresentation: "DX",
    DigitalXRayImageStorageForProcessing: "DX",
}
_VIEW_NAMES = {"ANTERO-POSTERIOR": "AP", "POSTERO-ANTERIOR": "PA"}
# The values that Patient Position is there for (PS3.3 C.7.3.1.1.2): how the patient lies in a scanner.
_LYING = re.compile(r"[HF]F(P|S|DR|DL)|[LR]F[PS]|[AP]F(DR|DL)|SITTING")
_YEARS = {"Y": 1.0, "": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_OLDEST = 130
_DESCRIPTIONS = ("SeriesDescription", "StudyDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")


def read_header(dataset: Dataset) -> partial[Metadata]:
    """The header's part of the metadata; what it does not say, or says unreadably, stays None."""
    intent = text(dataset, "PresentationIntentType")
    sop_class = text(dataset, "SOPClassUID")
    sex = (text(dataset, "PatientSex") or "").upper()
    bits = number(dataset, "BitsStored")
    return partial(
        Metadata,
        kind="dicom",
        bits=None if bits is None else int(bits),
        frames=max(1, int(number(dataset, "NumberOfFrames") or 1)),
        modality=text(dataset, "Modality") or _MODALITY_OF_CLASS.get(sop_class or ""),
        body_part=text(dataset, "BodyPartExamined") or _coded(dataset, "AnatomicRegionSequence"),
        description=", ".join(filter(None, (text(dataset, keyword) for keyword in _DESCRIPTIONS))) or None,
        view=_view(dataset),
        for_processing=intent == "FOR PROCESSING" or sop_class == DigitalXRayImageStorageForProcessing,
        patient_id=text(dataset, "PatientID"),
        age=years(text(dataset, "PatientAge")),
        sex=sex if sex in ("F", "M") else None,
    )


def text(dataset: Dataset, keyword: str) -> str | None:
    """An element's first value as printable text, None where it is absent, empty or cannot be decoded."""
    try:
        value = dataset.get(keyword)
        first = value[0] if isinstance(value, MultiValue) and value else value
        words = "".join(character if character.isprintable() else " " for character in str(first)).split()
    except Exception:  # a header element that cannot be decoded is as good as absent
        return None
    return None if first is None or isinstance(first, MultiValue) else " ".join(words) or None


def number(dataset: Dataset, keyword: str) -> float | None:
    """An element's first value as a finite number, None where there is none."""
    try:
        value = float(text(dataset, keyword) or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def years(age: str | None) -> float | None:
    """Age in years from DICOM's age string (``081Y``, ``018M``, ``010W``, ``005D``); a bare number means years."""
    match = re.fullmatch(r"(\d{1,3})(?:\.\d+)?\s*([YMWD]?)", (age or "").upper())
    if match is None:
        return None
    value = int(match[1]) * _YEARS[match[2]]
    return value if value <= _OLDEST else None


def upright_turn(dataset: Dataset) -> Turn | None:
    """The turn that brings a frontal film upright as it is read: head up, the patient's left on the right.

    Patient Orientation (PS3.3 C.7.6.1.1.1) names where the rows and the columns run to; None where it is absent,
    says something else than left, right, head and foot, or the film is upright already.
    """
    try:
        along_row, along_column = (str(direction)[:1].upper() for direction in dataset.get("PatientOrientation", ""))
    except Exception:  # absent or not two values
        return None
    if along_row in ("L", "R") and along_column in ("F", "H"):
        turn = Turn(reverse_rows=along_column == "H", reverse_columns=along_row == "R")
    elif along_row in ("F", "H") and along_column in ("L", "R"):
        turn = Turn(transpose=True, reverse_rows=along_row == "H", reverse_columns=along_column == "R")
    else:
        return None
    return turn if any(turn) else None


def _view(dataset: Dataset) -> str | None:
    """The projection, also from the elements where it is found instead of View Position."""
    view = text(dataset, "ViewPosition") or _coded(dataset, "ViewCodeSequence")
    if view is None:
        position = (text(dataset, "PatientPosition") or "").upper()
        view = position if position and not _LYING.fullmatch(position) else None
    return None if view is None else _VIEW_NAMES.get(view.upper(), view.upper())


def _coded(dataset: Dataset, keyword: str) -> str | None:
    """The meaning of a sequence's first code."""
    try:
        return text(dataset[keyword][0], "CodeMeaning")
    except Exception:  # absent, empty or damaged
        return None
