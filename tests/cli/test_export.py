from __future__ import annotations

import json
from pathlib import Path

import pytest

from pneumoscope.bundle import Bundle

from .conftest import Command, refused


def test_an_export_predicts_as_its_bundle_does(
    film: Path, tiny_bundle: Bundle, tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "export"
    ended = command("export", tiny_bundle.path, "--out", out)
    assert ended.status == 0
    assert "tiny for openvino in f32" in ended.out
    assert "Not judged" in ended.out
    bundle = ("--bundle", tiny_bundle.path, "--json")
    (exported,) = json.loads(command("predict", film, *bundle, "--runtime", out).out)
    (built,) = json.loads(command("predict", film, *bundle).out)
    (reference,) = json.loads(command("predict", film, *bundle, "--runtime", "torch").out)
    assert exported["logit"] == pytest.approx(built["logit"], abs=1e-6)
    assert reference["logit"] == pytest.approx(built["logit"], abs=1e-4)
    assert reference["model"]["runtime"].startswith("torch")


def test_wrong_use(tiny_bundle: Bundle, tmp_path: Path, command: Command) -> None:
    out = ("--out", tmp_path / "export")
    refused(command("export", tiny_bundle.path, *out, "--precision", "f64"), "choose one of f32, bf16, int8")
    refused(command("export", tiny_bundle.path, *out, "--runtime", "tvm"), "choose one of openvino, onnx")
    refused(command("export", tiny_bundle.path, *out, "--precision", "int8"), "needs training films")
    refused(command("export", tiny_bundle.path, *out, "--data", "x", "--split", "test"), "never on those of a test")
    assert not (tmp_path / "export").exists()
