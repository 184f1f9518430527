"""De-identification of one data set: the Basic Application Level Confidentiality Profile (PS3.15 Annex E).

Which attribute gets which action is table E.1-1 of the standard's edition 2026c, as the package ``dicom-anonymizer``
holds it. Its engine is not used: it looks for most attributes at the top level only and maps UIDs anew in each run.
Here the whole tree is walked, and what is the same in two files of a site stays the same by a keyed hash.
"""

from __future__ import annotations

import hmac
import re
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID as Uuid

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom import DataElement, Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.uid import UID

from pneumoscope.radiograph.dicom_header import text

Action = Literal["remove", "empty", "dummy", "uid", "items"]
Done = Counter[tuple[str, str]]
"""How often each attribute (by keyword, or tag where it has none) met each fate."""

CHARACTERISTICS = frozenset(
    ("PatientAge", "PatientSex", "PatientSize", "PatientWeight", "EthnicGroup", "SmokingStatus", "PregnancyStatus")
)
"""Kept by the Retain Patient Characteristics Option."""
LONGEST_SHIFT = 3650
"""Days; dates move back by 1 to this many, by the same for all of a patient."""
_TEXT_VRS = frozenset(("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT", "PN"))
_NUMBER_VRS = frozenset(("DS", "IS", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"))
_STAY_GONE = frozenset(("PatientBirthDate", "PatientBirthTime"))
"""Days and hours to which the option about dates does not apply."""


def _actions() -> dict[tuple[int, ...], Action]:
    """E.1-1, where several actions are open the one with which the object stays valid."""
    kinds: tuple[tuple[list[tuple[int, ...]], Action], ...] = (
        (table.X_TAGS, "remove"),
        (table.Z_TAGS, "empty"),
        (table.X_Z_TAGS, "empty"),
        (table.D_TAGS, "dummy"),
        (table.Z_D_TAGS, "dummy"),
        (table.X_D_TAGS, "dummy"),
        (table.X_Z_D_TAGS, "dummy"),
        (table.U_TAGS, "uid"),
        (table.X_Z_U_STAR_TAGS, "items"),
    )
    return {tuple(tag): action for tags, action in kinds for tag in tags}


_ACTIONS = _actions()
_MASKED = [(tag, action) for tag, action in _ACTIONS.items() if len(tag) == 4]


@cache
def action_of(tag: BaseTag) -> Action | None:
    """What the profile does with an attribute; None if it stays."""
    if tag.is_private:
        return "remove"
    for (group, element, group_mask, element_mask), action in _MASKED:
        if tag.group & group_mask == group & group_mask and tag.element & element_mask == element & element_mask:
            return action
    return _ACTIONS.get((tag.group, tag.element))


class Pseudonyms:
    """What a site's names become. Whoever has the key can make them again; nobody else can go back.

    Args:
        key: at least 16 random bytes, kept at the site.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def uid(self, uid: str) -> UID:
        """Another UID, the same for the same one. UIDs of the standard stay."""
        if uid.startswith("1.2.840.10008."):
            return UID(uid)
        return UID(f"2.25.{Uuid(bytes=self._hash('uid', uid)[:16], version=4).int}")

    def patient(self, patient: str) -> str:
        """An identifier in place of a patient's."""
        return f"P{self._hash('patient', patient).hex()[:12].upper()}"

    def shift(self, patient: str) -> timedelta:
        """How far back this patient's dates move."""
        return timedelta(days=1 + int.from_bytes(self._hash("days", patient)[:8], "big") % LONGEST_SHIFT)

    def _hash(self, kind: str, name: str) -> bytes:
        return hmac.new(self._key, f"{kind}\0{name}".encode(), sha256).digest()


def patient_key(dataset: Dataset) -> str:
    """What tells a patient from others of the site; the study, where the header names none."""
    identifier = text(dataset, "PatientID") or text(dataset, "PatientName")
    if identifier is None:
        return f"study {dataset.get('StudyInstanceUID')}"
    return f"{text(dataset, 'IssuerOfPatientID') or ''}\0{identifier}"


class Profile:
    """The profile with the Retain Longitudinal Temporal Information With Modified Dates Option.

    Args:
        pseudonyms: for patients, UIDs and dates.
        keep_characteristics: apply the Retain Patient Characteristics Option too.
    """

    def __init__(self, pseudonyms: Pseudonyms, *, keep_characteristics: bool = False) -> None:
        self._pseudonyms = pseudonyms
        self._kept = CHARACTERISTICS if keep_characteristics else frozenset[str]()

    def apply(self, dataset: Dataset) -> Done:
        """Change a data set in place, file meta information included.

        Returns:
            What was done to what.
        """
        patient = patient_key(dataset)
        done: Done = Counter()
        self._walk(dataset, self._pseudonyms.shift(patient), done)
        dataset.PatientID = dataset.PatientName = self._pseudonyms.patient(patient)
        self._declare(dataset)
        return done

    def _walk(self, dataset: Dataset, shift: timedelta, done: Done) -> None:
        for tag in list(dataset.keys()):
            element = dataset[tag]
            action = action_of(element.tag)
            fate = self._treat(dataset, element, action, shift, done)
            if fate:
                done[element.keyword or str(element.tag), fate] += 1

    def _treat(
        self, dataset: Dataset, element: DataElement, action: Action | None, shift: timedelta, done: Done
    ) -> str | None:
        """Apply an action to an element; returns its fate, None if it stays."""
        if element.keyword in self._kept:
            return None
        dated = element.keyword not in _STAY_GONE and not element.tag.is_private
        if dated and element.VR in ("DA", "DT"):
            element.value = _moved(element.value, shift)
            return "date moved"
        if dated and element.VR == "TM":
            return None  # days move, hours stay
        if action == "remove":
            del dataset[element.tag]
            return "removed"
        if element.VR == "SQ" and action != "empty":
            for item in element.value:
                self._walk(item, shift, done)
                if action == "dummy":
                    self._blank(item)
            return "replaced" if action == "dummy" else None
        if action == "empty":
            element.value = [] if element.VR == "SQ" else None
            return "emptied"
        if action == "uid":
            element.value = _each(element.value, lambda uid: self._pseudonyms.uid(str(uid)))
            return "UID mapped"
        if action == "dummy":
            _replace(element)
            return "replaced"
        return None

    def _blank(self, item: Dataset) -> None:
        """Replace whatever words an item of a sequence holds that must be there, but may identify."""
        for element in item.iterall():
            if element.VR in _TEXT_VRS and element.keyword not in ("CodingSchemeDesignator", "ValueType"):
                _replace(element)

    def _declare(self, dataset: Dataset) -> None:
        """Say what was done, as the standard asks (PS3.3 C.7.1.1 and C.12.1.1), and make the file's meta anew."""
        codes = [
            ("113100", "Basic Application Confidentiality Profile"),
            ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
            *([("113108", "Retain Patient Characteristics Option")] if self._kept else []),
        ]
        dataset.PatientIdentityRemoved = "YES"
        dataset.LongitudinalTemporalInformationModified = "MODIFIED"
        dataset.DeidentificationMethod = "Pneumoscope"
        dataset.DeidentificationMethodCodeSequence = [_code(value, meaning) for value, meaning in codes]
        syntax = dataset.file_meta.TransferSyntaxUID
        dataset.file_meta.clear()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.preamble = bytes(128)  # it may hold another format's header


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _replace(element: DataElement) -> None:
    """A dummy that is valid for the element's type of value."""
    if element.VR in _TEXT_VRS:
        element.value = "REMOVED"
    elif element.VR in _NUMBER_VRS:
        element.value = 0
    elif element.VR == "AS":
        element.value = "000Y"
    elif element.VR == "UR":
        element.value = "https://removed.invalid"
    else:
        element.value = b"\0\0"


def _moved(value: object, shift: timedelta) -> object:
    """A date or date and time, earlier; empty where it is no date."""
    return _each(value, lambda one: _moved_one(str(one), shift))


def _moved_one(value: str, shift: timedelta) -> str:
    match = re.fullmatch(r"([0-9]{8})([0-9.+-]*)", value.strip())
    try:
        return (date.fromisoformat(match[1]) - shift).isoformat().replace("-", "") + match[2] if match else ""
    except (ValueError, OverflowError):
        return ""


def _each(value: Any, change: Callable[[Any], object]) -> object:
    """The change on the one value, or on each of several."""
    if not value:
        return value
    return [change(one) for one in value] if isinstance(value, MultiValue) else change(value)
