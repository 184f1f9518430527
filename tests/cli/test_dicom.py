from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom import dcmread

from pneumoscope.bundle import Bundle
from pneumoscope.clinical.queue import Queue
from pneumoscope.clinical.reading import ReportedPrediction, read_report
from pneumoscope.scoring import Prediction

from .conftest import Command, refused

CHEST = "rsna_02099738-7465-4786-b71c-de8cdac477c3.dcm"


def test_predict_writes_reports_and_overlays(
    data_dir: Path, film: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command
) -> None:
    source, leg, out = data_dir / "dicom" / CHEST, data_dir / "dicom" / "nih_test4.dcm", tmp_path / "objects"
    options = ("--bundle", tiny_bundle.path, "--dicom-out", out)
    ended = command("predict", source, leg, *options, "--json")
    assert ended.status == 0, ended
    made = [dcmread(path) for path in out.rglob("*.dcm")]
    assert sorted(result.Modality for result in made) == ["OT", "SR"]
    (report,) = (result for result in made if result.Modality == "SR")
    prediction = Prediction.model_validate(json.loads(ended.out)[0])
    assert read_report(report) == ReportedPrediction.of(prediction)
    refused(command("predict", source, *options), "not empty")
    again = command("predict", source, film, *options, "--overwrite")
    assert again.status == 1, "a picture without a study has no place for a report"
    assert "film.png: no DICOM film" in again.err
    assert len(list(out.rglob("*.dcm"))) == 2, "repeated, not doubled"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "needs a --destination"),
        (("--destination", "A@b:1"), "--allow AET"),
        (("--destination", "nonsense", "--allow-all"), "is no destination"),
        (("--destination", "A@b:99999", "--allow-all"), "is no destination"),
        (("--destination", "A" * 17 + "@b:1", "--allow-all"), "is no AE title"),
        (("--destination", "A@b:1", "--allow-all", "--tls-key", "k.pem"), "belong together"),
        (("status", "--spool", "nowhere"), "no node has worked here"),
    ],
)
def test_node_says_what_it_lacks(arguments: tuple[str, ...], message: str, command: Command) -> None:
    refused(command("node", *arguments), message)


def test_node_status(tmp_path: Path, command: Command) -> None:
    queue = Queue(tmp_path, "scorer")
    queue.add("1.2", "SENDER", b"film")
    queue.add("1.3", "SENDER", b"film")
    first, second = queue.claim(2)
    queue.failed(first, "cannot be read")
    result = queue.results / "1" / "2.dcm"
    result.parent.mkdir()
    result.write_bytes(b"report")
    queue.scored(second, [result], ["A@b:1"])
    queue.close()
    ended = command("node", "status", "--spool", tmp_path, "--json")
    assert ended.status == 1, "a film failed"
    found = json.loads(ended.out)
    assert (found["running"], found["scored"], found["failed"]) == (False, 1, 1)
    assert found["destinations"][0]["waiting"] == 1
    text = command("node", "status", "--spool", tmp_path).out
    assert "The node is not running." in text
    assert "A@b:1: 1 waiting" in text


def test_data_deidentify(data_dir: Path, tmp_path: Path, command: Command) -> None:
    out, key = tmp_path / "out", tmp_path / "site.key"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "film.dcm").write_bytes((data_dir / "dicom" / CHEST).read_bytes())
    (tmp_path / "in" / "note.dcm").write_text("no film")
    ended = command("data", "deidentify", tmp_path / "in", out, "--key", key, "--looked-at")
    assert ended.status == 1
    assert "note.dcm: failed" in ended.err
    assert "1 written" in ended.out
    report = json.loads((tmp_path / "out.report.json").read_text())
    assert sorted(film["status"] for film in report["files"]) == ["failed", "written"]
    assert len(list(out.rglob("*.dcm"))) == 1
    refused(command("data", "deidentify", tmp_path / "in", out, "--key", key), "not empty")
