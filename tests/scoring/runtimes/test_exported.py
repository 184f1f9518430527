"""Exports, against ONNX Runtime and against the bundle that they were made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from pneumoscope.bundle import Bundle
from pneumoscope.cohorts import Cohort
from pneumoscope.cohorts.table import case_table
from pneumoscope.errors import BundleError, CohortError, OutputError
from pneumoscope.export import export_bundle, failed_gates
from pneumoscope.scoring import OpenVinoRuntime, open_runtime
from pneumoscope.scoring.runtimes.exported import Gates, read_exported

from .conftest import smooth_films


def _cohort(folder: Path, count: int) -> Cohort:
    """Films made up of clouds, every other one with a label of pneumonia."""
    folder.mkdir()
    rows = []
    for number, film in enumerate(smooth_films(count, 110)):
        path = folder / f"{number}.png"
        Image.fromarray(film[0]).save(path)
        rows.append({"path": str(path), "label": str(number % 2)})
    return Cohort(case_table(pd.DataFrame(rows), source="clouds", where="here"), "clouds")


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_openvino_folder_scores_as_the_bundle_does(tiny_bundle: Bundle, tmp_path: Path, precision: str) -> None:
    out = tmp_path / "export"
    record = export_bundle(tiny_bundle, out, engine="openvino", precision=precision)
    assert read_exported(out) == record
    assert record.weights_sha256 == tiny_bundle.sha256
    films = smooth_films(3, record.size)
    runtime = open_runtime(tiny_bundle, str(out))
    assert runtime.name.endswith(precision)
    expected = OpenVinoRuntime(tiny_bundle, precision=precision).run(films)
    for ours, theirs in zip(runtime.run(films), expected, strict=True):
        assert_allclose(ours, theirs, rtol=0, atol=(1e-6 if precision == "f32" else 0.03) * abs(theirs).max())
    with pytest.raises(OutputError, match="exists already"):
        export_bundle(tiny_bundle, out, engine="openvino", precision=precision)


def test_onnx_runtime_answers_the_same(bundle: Bundle, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    out = tmp_path / "export"
    export_bundle(bundle, out, engine="onnx", precision="f32")
    films = smooth_films(3, bundle.spec.input.size)
    session = onnxruntime.InferenceSession(out / "model.onnx", providers=["CPUExecutionProvider"])
    found = session.run(["logit", "saliency", "embedding"], {"films": films})
    assert session.get_modelmeta().custom_metadata_map["pneumoscope.weights_sha256"] == bundle.sha256
    for ours, theirs in zip(found, OpenVinoRuntime(bundle).run(films), strict=True):
        assert_allclose(ours, theirs, rtol=0, atol=1e-4 * max(1, abs(theirs).max()))
    assert open_runtime(bundle, str(out)).name.endswith("f32 (onnx)")


def test_int8_is_judged_on_films_that_it_was_not_set_by(
    attentive_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf", reason="NNCF is not installed")
    monkeypatch.setattr("pneumoscope.export.CALIBRATION_FILMS", 8)
    monkeypatch.setattr("pneumoscope.export.LEAST_GATE_FILMS", 6)
    # Any shift will do, so that no layer goes back to float32, which takes minutes.
    monkeypatch.setattr("pneumoscope.export.MOST_PROBABILITY_SHIFT", 1.0)
    cohort = _cohort(tmp_path / "films", 24)
    record = export_bundle(
        attentive_bundle, tmp_path / "int8", engine="openvino", precision="int8", cohort=cohort, past_gates=True
    )
    assert record.gates is not None
    assert record.gates.films == 8
    assert record.gates.auc_loss is not None
    assert "nncf" in record.written_with
    from openvino_telemetry import Telemetry

    assert Telemetry().consent is False, "nothing is reported to anybody"
    runtime = open_runtime(attentive_bundle, str(tmp_path / "int8"))
    assert runtime.name.endswith("int8")
    films = smooth_films(3, record.size)
    expected = OpenVinoRuntime(attentive_bundle).run(films)
    likeness = np.corrcoef(runtime.run(films).embedding.ravel(), expected.embedding.ravel())[0, 1]
    assert likeness > 0.9
    with pytest.raises(CohortError, match="22 are needed"):
        export_bundle(
            attentive_bundle, tmp_path / "few", engine="openvino", precision="int8", cohort=cohort.take(range(21))
        )


def test_a_failed_gate_writes_nothing(tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pneumoscope.export.LEAST_GATE_FILMS", 4)
    monkeypatch.setattr("pneumoscope.export.MOST_PROBABILITY_SHIFT", -1.0)
    cohort = _cohort(tmp_path / "films", 4)
    with pytest.raises(BundleError, match="not written, for 1% of the probabilities"):
        export_bundle(tiny_bundle, tmp_path / "x", engine="openvino", precision="f32", cohort=cohort)
    assert not (tmp_path / "x").exists()
    record = export_bundle(
        tiny_bundle, tmp_path / "x", engine="openvino", precision="f32", cohort=cohort, past_gates=True
    )
    assert record.gates is not None
    assert not record.gates.passed
    assert record.gates.same_decisions == 1


def test_each_gate_speaks_for_itself() -> None:
    fine = Gates(data="x", films=9, auc_loss=0.002, probability_shift=0.03, same_decisions=0.99, passed=True)
    assert failed_gates(fine) == ""
    for change, word in (
        ({"auc_loss": 0.0021}, "ROC AUC"),
        ({"probability_shift": 0.031}, "probabilities"),
        ({"same_decisions": 0.989}, "decisions"),
    ):
        assert word in failed_gates(fine.model_copy(update=change))
    assert failed_gates(fine.model_copy(update={"auc_loss": None})) == ""


def test_export_of_another_bundle_and_damage(tiny_bundle: Bundle, attentive_bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "export"
    export_bundle(tiny_bundle, out, engine="openvino", precision="f32")
    with pytest.raises(BundleError, match="made from tiny"):
        open_runtime(attentive_bundle, str(out))
    (out / "model.xml").write_text("<net")
    with pytest.raises(BundleError, match="damaged"):
        open_runtime(tiny_bundle, str(out))
    (out / "runtime.json").write_text("{}")
    with pytest.raises(BundleError, match="damaged"):
        open_runtime(tiny_bundle, str(out))
    (out / "runtime.json").unlink()
    with pytest.raises(BundleError, match="pneumoscope export"):
        open_runtime(tiny_bundle, str(out))


def test_what_cannot_be_exported(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bf16"):
        export_bundle(tiny_bundle, tmp_path / "x", engine="onnx", precision="bf16")
    with pytest.raises(BundleError, match="needs training films"):
        export_bundle(tiny_bundle, tmp_path / "x", engine="openvino", precision="int8")
