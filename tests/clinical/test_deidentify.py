from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import DataElement, Dataset, config, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    generate_uid,
)

from pneumoscope.clinical.deidentify import DeidentificationReport, deidentify, read_key
from pneumoscope.clinical.profile import Profile, Pseudonyms
from pneumoscope.errors import DicomError
from pneumoscope.radiograph import read_radiograph

from .conftest import Tool
from .quick import chest_film

KEY = bytes(range(32))
SECRET = "Mustermann"


def revealing(path: Path, number: int = 1, **changed: Any) -> Path:
    """A film with a name in every corner where headers keep them."""
    nested = Dataset()
    nested.RequestedProcedureDescription = f"Chest of {SECRET}"
    nested.ScheduledProcedureStepID = SECRET
    person = Dataset()
    person.PersonName = f"{SECRET}^Max"
    person.InstitutionName = SECRET
    nested.ReferringPhysicianIdentificationSequence = [person]
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    elements = {
        "PatientName": f"{SECRET}^Max",
        "PatientID": SECRET,
        "OtherPatientNames": SECRET,
        "PatientBirthTime": "081512",
        "PatientComments": f"knows {SECRET}",
        "StudyDescription": SECRET,
        "SeriesDescription": SECRET,
        "ImageComments": SECRET,
        "InstitutionName": SECRET,
        "OperatorsName": SECRET,
        "StationName": SECRET,
        "DeviceSerialNumber": SECRET,
        "AcquisitionDate": "20210304",
        "AcquisitionDateTime": "20210304101112",
        "RequestAttributesSequence": [nested],
        "ReferencedImageSequence": [image],
    }
    film = dcmread(chest_film(path, number, **(elements | changed)))
    block = film.private_block(0x0099, f"PRIVATE {SECRET}", create=True)
    block.add_new(1, "LO", SECRET)
    block.add_new(2, "DA", "20210304")
    block.add_new(3, "TM", "101112")
    film.add_new(0x60003000, "OW", SECRET.encode() + b"\0" * 6)
    film.add_new(0x60004000, "LT", SECRET)
    film.file_meta.SourceApplicationEntityTitle = SECRET
    film.preamble = SECRET.encode().ljust(128, b"\0")
    film.save_as(path, enforce_file_format=True)
    return path


def made_of(report: DeidentificationReport, out: Path) -> list[Dataset]:
    return [dcmread(out / film.result) for film in report.files if film.result]


def test_no_name_and_no_uid_is_left_anywhere_and_the_picture_is_the_same(tmp_path: Path) -> None:
    source, out = revealing(tmp_path / "in.dcm"), tmp_path / "out"
    report = deidentify([source], out, KEY)
    (film,) = report.files
    assert film.status == "written", film
    assert film.result is not None
    before = dcmread(source)
    content = (out / film.result).read_bytes()
    uids = {str(before.StudyInstanceUID), str(before.SeriesInstanceUID), str(before.SOPInstanceUID)}
    for forbidden in (SECRET, "Max", "2021", "1960", "081512", *uids):
        assert forbidden.encode() not in content, forbidden
        assert forbidden not in film.result
    after = dcmread(out / film.result)
    np.testing.assert_array_equal(after.pixel_array, before.pixel_array)
    assert (after.Modality, after.BodyPartExamined, after.ViewPosition) == ("DX", "CHEST", "PA")
    assert not any(element.tag.is_private for element in after.iterall())
    assert after.PatientIdentityRemoved == "YES"
    codes = [code.CodeValue for code in after.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107"]
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    assert "PatientAge" not in after
    assert ("StudyDescription", "removed", 1) in {(c.attribute, c.change, c.times) for c in report.changes}


def test_the_same_key_keeps_patients_studies_and_intervals_together(tmp_path: Path) -> None:
    films = [
        revealing(tmp_path / "1.dcm", 2, StudyDate="20210304"),
        revealing(tmp_path / "2.dcm", 3, StudyDate="20210401", AcquisitionDateTime="20210401235959.5+0100"),
        revealing(tmp_path / "3.dcm", 4, PatientID="another", StudyDate="20210304"),
    ]
    first, second, other = made_of(deidentify(films, tmp_path / "out", KEY), tmp_path / "out")
    assert first.PatientID == second.PatientID != other.PatientID
    assert first.StudyInstanceUID == second.StudyInstanceUID, "of one study before and after"
    assert first.SOPInstanceUID != second.SOPInstanceUID
    days = [date.fromisoformat(film.StudyDate) for film in (first, second, other)]
    assert days[1] - days[0] == timedelta(days=28)
    assert days[0] != days[2] or first.PatientID == other.PatientID
    assert second.AcquisitionDateTime == second.StudyDate + "235959.5+0100"
    assert first.StudyTime == "101112.5", "days move, hours stay"
    (again,) = made_of(deidentify(films[:1], tmp_path / "again", KEY), tmp_path / "again")
    assert again == first
    (stranger,) = made_of(deidentify(films[:1], tmp_path / "other", bytes(32)), tmp_path / "other")
    assert not {stranger.PatientID, stranger.StudyInstanceUID} & {first.PatientID, first.StudyInstanceUID}


def test_characteristics_stay_if_asked(tmp_path: Path) -> None:
    source = revealing(tmp_path / "in.dcm", PatientSize="1.70")
    report = deidentify([source], tmp_path / "out", KEY, keep_characteristics=True)
    (film,) = made_of(report, tmp_path / "out")
    assert (film.PatientAge, film.PatientSex, film.PatientSize) == ("061Y", "F", 1.7)
    assert film.DeidentificationMethodCodeSequence[-1].CodeValue == "113108"
    assert film.PatientBirthDate in ("", None)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned into the picture; mask"),
        ({"SOPClassUID": UltrasoundImageStorage, "BurnedInAnnotation": None}, "does not say that no writing"),
        ({"SOPClassUID": SecondaryCaptureImageStorage, "BurnedInAnnotation": None}, "does not say that no writing"),
        ({"RecognizableVisualFeatures": "YES"}, "can be recognised"),
        ({"SOPClassUID": EncapsulatedPDFStorage, "PixelData": None}, "no picture"),
    ],
)
def test_what_shows_the_patient_is_refused(changed: dict[str, Any], why: str, tmp_path: Path) -> None:
    source = chest_film(tmp_path / "in.dcm", **changed)
    (film,) = deidentify([source], tmp_path / "out", KEY).files
    assert film.status == "refused"
    assert why in film.reason
    assert not (tmp_path / "out").exists()


def test_graphics_in_unused_bits_are_refused(tmp_path: Path) -> None:
    film = dcmread(chest_film(tmp_path / "in.dcm"))
    film.add_new(0x60000102, "US", 12)
    film.save_as(tmp_path / "in.dcm")
    (done,) = deidentify([tmp_path / "in.dcm"], tmp_path / "out", KEY).files
    assert (done.status, "unused bits" in done.reason) == ("refused", True)


def test_broken_files_do_not_stop_the_run(tmp_path: Path) -> None:
    good = chest_film(tmp_path / "good.dcm")
    (tmp_path / "text.dcm").write_text("no DICOM")
    (tmp_path / "cut.dcm").write_bytes(good.read_bytes()[:300])
    nameless = chest_film(tmp_path / "nameless.dcm", StudyInstanceUID=None)
    files = [tmp_path / "text.dcm", tmp_path / "cut.dcm", nameless, good, tmp_path / "missing.dcm"]
    report = deidentify(files, tmp_path / "out", KEY)
    assert [film.status for film in report.files] == ["failed", "failed", "failed", "written", "failed"]


@given(
    st.text(st.characters(codec="ascii", exclude_characters="\\"), max_size=12)
    | st.from_regex(r"\d{8}", fullmatch=True)
)
@settings(deadline=None)
def test_dates_that_are_none_vanish_and_others_move_back(text: str) -> None:
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.SOPClassUID, film.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    film.add(DataElement("StudyDate", "DA", text, validation_mode=config.IGNORE))
    Profile(Pseudonyms(KEY)).apply(film)
    try:
        before = date.fromisoformat(text.strip()) if re.fullmatch("[0-9]{8}", text.strip()) else None
    except ValueError:
        before = None
    if film.StudyDate:
        assert before is not None
        assert before - timedelta(days=3650) <= date.fromisoformat(film.StudyDate) < before
    else:
        assert before is None or before < date(11, 1, 1)


def test_uids_of_the_standard_stay_and_others_are_uuids() -> None:
    names = Pseudonyms(KEY)
    assert names.uid(SecondaryCaptureImageStorage) == SecondaryCaptureImageStorage
    mapped = {names.uid(f"1.2.3.{number}") for number in range(200)}
    assert len(mapped) == 200
    assert all(uid.is_valid and re.fullmatch(r"2\.25\.\d{1,39}", uid) for uid in mapped)


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    place = tmp_path / "site.key"
    key = read_key(place)
    assert (len(key), read_key(place)) == (32, key)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    place.write_text("short")
    with pytest.raises(DicomError, match="holds no key"):
        read_key(place)


def test_real_films_pass_the_validator_as_before(data_dir: Path, tmp_path: Path, tool: Tool) -> None:
    """De-identification must not make an object worse than it was, and the films must read the same."""
    source = data_dir / "dicom" / "nih_test1.dcm"
    (silent,) = deidentify([source], tmp_path, KEY).files
    assert (silent.status, "look at it" in silent.reason) == ("refused", True), "a Secondary Capture, and silent"
    report = deidentify([source], tmp_path, KEY, looked_at=True)
    (film,) = report.files
    assert film.result is not None
    after = tmp_path / film.result
    np.testing.assert_array_equal(read_radiograph(after).pixels, read_radiograph(source).pixels)
    problems: Callable[[Path], set[str]] = lambda path: {  # noqa: E731
        line for line in tool("dciodvfy", path).splitlines() if line.startswith("Error")
    }
    assert problems(after) <= problems(source)
    assert json.loads(report.model_dump_json())["files"][0]["status"] == "written"
