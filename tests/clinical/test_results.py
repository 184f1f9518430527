from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom.sr import MeasurementReport, srread
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

from pneumoscope.clinical import codes as ours
from pneumoscope.clinical.identity import read_identity
from pneumoscope.clinical.reading import ReportedPrediction, read_report
from pneumoscope.clinical.results import results_of, write_results
from pneumoscope.errors import DicomError
from pneumoscope.explanation import overlay
from pneumoscope.scoring import Predictor, Scored

from .conftest import Tool
from .quick import chest_film, quick_predictor
from .standard import problems

SAME = ("StudyInstanceUID", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber", "StudyID")


def written(results: tuple[Dataset, ...], folder: Path) -> tuple[Path, Path]:
    report, capture = write_results(results, folder)
    return report, capture


def errors(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("Error")]


def test_a_report_read_back_says_what_was_predicted(
    scored: Scored, results: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    report, _ = written(results, tmp_path)
    assert read_report(report) == ReportedPrediction.of(scored.prediction)


def test_every_decision_and_point_survives(tmp_path: Path) -> None:
    predictor = quick_predictor(tmp_path / "bundle", operating_point="odd")
    films = [chest_film(tmp_path / f"{n}.dcm", n, PatientAge="061Y" if n < 7 else "005Y") for n in range(1, 8)]
    decisions = set()
    for scored, film in zip(predictor.predict_files(films, keep_films=True), films, strict=True):
        report, _ = results_of(scored, predictor.spec.input, read_identity(film))
        assert read_report(report) == ReportedPrediction.of(scored.prediction)
        decisions.add(scored.prediction.decision)
    assert decisions == {"pneumonia", "refer"}


def test_highdicom_reads_the_report(scored: Scored, results: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    report, _ = written(results, tmp_path)
    document = srread(report)
    assert isinstance(document.content, MeasurementReport)
    (group,) = document.content.get_image_measurement_groups()
    probability, _ = group.get_measurements()
    assert probability.name == codes.DCM.Probability
    assert probability.value == pytest.approx(scored.prediction.probability, abs=1e-14)
    assert group.finding_type == ours.PNEUMONIA
    (decision,) = group.get_qualitative_evaluations()
    assert decision.value.value == scored.prediction.decision


def test_patient_and_study_are_the_films(results: tuple[Dataset, Dataset], film: Path, tmp_path: Path) -> None:
    source = dcmread(film)
    series = {source.SeriesInstanceUID}
    for place in written(results, tmp_path):
        result = dcmread(place)
        assert [result.get(keyword) for keyword in SAME] == [source.get(keyword) for keyword in SAME]
        assert str(result.PatientName) == "Müller^Anna"
        assert result.file_meta.MediaStorageSOPInstanceUID == result.SOPInstanceUID
        series.add(result.SeriesInstanceUID)
    assert len(series) == 3


def test_the_report_names_its_film_and_is_no_verified_report(results: tuple[Dataset, Dataset], film: Path) -> None:
    report, capture = results
    source = dcmread(film)
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert evidence.SeriesInstanceUID == source.SeriesInstanceUID
    assert evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert "never a diagnosis" in capture.DerivationDescription
    assert "never a diagnosis" in read_report(report).notice


def test_the_overlay_is_the_pictures_own_between_two_strips_of_text(
    scored: Scored, results: tuple[Dataset, Dataset], predictor: Predictor, tmp_path: Path
) -> None:
    _, capture = written(results, tmp_path)
    picture = dcmread(capture).pixel_array
    assert scored.film is not None
    assert scored.saliency is not None
    expected = overlay(scored.film.pixels, scored.saliency, predictor.spec.input)
    rows = [np.flatnonzero((picture[:, :, 0] == expected[0, 0, 0]).any(axis=1))]
    top = next(row for row in rows[0] if (picture[row : row + len(expected)] == expected).all())
    assert picture[:top].max() > 200, "text above"
    assert picture[top + len(expected) :].max() > 200, "text below"


def test_repeating_gives_the_same_names_and_another_point_others(
    scored: Scored, results: tuple[Dataset, Dataset], film: Path, tmp_path: Path
) -> None:
    identity = read_identity(film)
    first = written(results, tmp_path / "out")
    assert written(results_of(scored, _spec(tmp_path), identity), tmp_path / "out") == first
    assert len(list((tmp_path / "out").rglob("*.*"))) == 2 + 1, "two files in one study's folder"
    other = quick_predictor(tmp_path / "bundle", operating_point="odd")
    (again,) = other.predict_files([film], keep_films=True)
    assert not {*written(results_of(again, other.spec.input, identity), tmp_path / "out")} & {*first}


def _spec(folder: Path) -> Any:
    return quick_predictor(folder / "bundle").spec.input


def test_films_of_one_study_share_their_series(predictor: Predictor, tmp_path: Path) -> None:
    films = [chest_film(tmp_path / f"{n}.dcm", n) for n in (2, 3)]
    reports = [
        results_of(scored, predictor.spec.input, read_identity(film))[0]
        for scored, film in zip(predictor.predict_files(films, keep_films=True), films, strict=True)
    ]
    assert reports[0].SeriesInstanceUID == reports[1].SeriesInstanceUID
    assert reports[0].SOPInstanceUID != reports[1].SOPInstanceUID


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "odd",
    [
        {"PatientAge": "61", "PatientSex": "unknown", "StudyDate": "last week", "StudyTime": "25"},
        {"PatientID": None, "PatientName": None, "StudyID": None, "AccessionNumber": None, "StudyDate": None},
        {"PatientName": "A" * 90, "StudyDescription": "B" * 90, "PatientID": "C" * 90, "InstanceNumber": "-3"},
        {"SpecificCharacterSet": "no such set", "PatientName": "Smith"},
        {"BurnedInAnnotation": None, "PatientOrientation": None},
    ],
)
def test_odd_headers_give_results_all_the_same(
    odd: dict[str, Any], predictor: Predictor, tmp_path: Path, tool: Tool
) -> None:
    film = chest_film(tmp_path / "odd.dcm", **odd)
    (scored,) = predictor.predict_files([film], keep_films=True)
    report, capture = written(results_of(scored, predictor.spec.input, read_identity(film)), tmp_path / "out")
    assert read_report(report) == ReportedPrediction.of(scored.prediction)
    assert dcmread(capture).StudyInstanceUID == dcmread(film).StudyInstanceUID


@pytest.mark.parametrize(
    "without", [{"StudyInstanceUID": None}, {"SOPInstanceUID": "../../1.2.3"}, {"SeriesInstanceUID": ""}]
)
@pytest.mark.filterwarnings("ignore")
def test_a_film_without_a_name_in_its_study_gets_no_results(without: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DicomError, match=f"no valid {next(iter(without))}"):
        read_identity(chest_film(tmp_path / "film.dcm", **without))


@given(damage=st.lists(st.tuples(st.integers(132, 1100), st.integers(0, 255)), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_header_gives_results_or_one_error(
    damage: list[tuple[int, int]], film: Path, scored: Scored, tmp_path: Path
) -> None:
    content = bytearray(film.read_bytes())
    for place, value in damage:
        content[place] = value
    (tmp_path / "damaged.dcm").write_bytes(content)
    try:
        identity = read_identity(tmp_path / "damaged.dcm")
    except DicomError:
        return
    report, capture = written(results_of(scored, _spec(tmp_path), identity), tmp_path / "out")
    assert read_report(report) == ReportedPrediction.of(scored.prediction)
    assert capture.is_relative_to(tmp_path / "out")
    assert dcmread(capture).StudyInstanceUID == identity.StudyInstanceUID


def test_what_is_no_report_is_refused(film: Path, results: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    (tmp_path / "text.dcm").write_text("no DICOM")
    _, capture = results
    for source in (film, tmp_path / "text.dcm", capture):
        with pytest.raises(DicomError, match="no Pneumoscope report"):
            read_report(source)
    with pytest.raises(DicomError, match="cannot be read"):
        read_report(tmp_path / "nowhere.dcm")


def test_dicom_validator_finds_nothing(results: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    for place in written(results, tmp_path):
        assert problems(dcmread(place)) == []
    report = dcmread(place.parent / f"{results[0].SOPInstanceUID}.dcm")
    del report.CompletionFlag
    report.ContentDate = ""
    assert len(problems(report)) == 2, "it does look"


def test_dciodvfy_finds_no_error(results: tuple[Dataset, Dataset], tmp_path: Path, tool: Tool) -> None:
    """David Clunie's validator, against the definitions of the objects and, for codes, their schemes."""
    for place, kind in zip(written(results, tmp_path), ("EnhancedSR", "SCImage"), strict=True):
        said = tool("dciodvfy", place)
        assert kind in said
        assert errors(said) == []


def test_dcmtk_reads_the_report(results: tuple[Dataset, Dataset], tmp_path: Path, tool: Tool) -> None:
    report, capture = written(results, tmp_path)
    said = tool("dsrdump", "+Pl", report)
    for part in ("Enhanced SR Document", "Pneumonia", "Probability", "never a diagnosis", "PRELIMINARY", "UNVERIFIED"):
        assert part in said, said
    assert "E: " not in said
    for place in (report, capture):
        assert tool("dcmftest", place).startswith("yes")


def test_real_films(data_dir: Path, predictor: Predictor, tmp_path: Path, tool: Tool) -> None:
    films = [data_dir / "dicom" / name for name in ("nih_test1.dcm", "siim_nih_6904.dcm")]
    for scored, film in zip(predictor.predict_files(films, keep_films=True), films, strict=True):
        places = written(results_of(scored, predictor.spec.input, read_identity(film)), tmp_path)
        assert read_report(places[0]) == ReportedPrediction.of(scored.prediction)
        for place in places:
            assert errors(tool("dciodvfy", place)) == []
        assert "Pneumonia" in tool("dsrdump", places[0])
