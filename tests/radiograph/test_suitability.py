from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pneumoscope.radiograph import Metadata, Radiograph, assess

RAMP = np.tile(np.linspace(0, 1, 300, dtype=np.float32), (280, 1))
CHEST = {"kind": "dicom", "modality": "DX", "body_part": "CHEST", "view": "PA"}


def codes(pixels: np.ndarray = RAMP, **known: Any) -> list[str]:
    findings = assess(Radiograph(pixels, Metadata(**known)))
    assert all(finding.message.endswith(".") for finding in findings)
    refusals = [finding.refuses for finding in findings]
    assert refusals == sorted(refusals, reverse=True), "refusals come first"
    return [finding.code for finding in findings if finding.refuses]


def test_a_good_film_has_no_findings() -> None:
    assert assess(Radiograph(RAMP, Metadata(**CHEST))) == ()
    assert assess(Radiograph(RAMP, Metadata(kind="png"))) == ()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"modality": "CT"}, "wrong-modality"),
        ({"modality": "MG"}, "wrong-modality"),
        ({"body_part": "RIBCAGE"}, "not-chest"),
        ({"body_part": "EXTREMITY"}, "not-chest"),
        ({"body_part": "CHEST ABDOMEN"}, "not-chest"),
        ({"body_part": None, "description": "Left knee"}, "not-chest"),
        ({"view": "LL"}, "not-frontal"),
        ({"view": "LATERAL"}, "not-frontal"),
        ({"view": "XX"}, "unknown-view"),
        ({"frames": 12}, "multi-frame"),
        ({"for_processing": True}, "for-processing"),
        ({"colourfulness": 0.5}, "colour"),
    ],
)
def test_headers_that_refuse(changed: dict[str, Any], code: str) -> None:
    assert codes(**(CHEST | changed)) == [code]


@pytest.mark.parametrize(
    "changed",
    [
        {"modality": "CR"},
        {"modality": "RG"},
        {"body_part": "THORAX"},
        {"body_part": "Torax"},
        {"view": "AP"},
        {"view": "POSTERO-ANTERIOR"},
        {"body_part": "UNKNOWN", "description": "Chest PA"},
    ],
)
def test_headers_that_do_not_refuse(changed: dict[str, Any]) -> None:
    assert codes(**(CHEST | changed)) == []


def test_what_a_header_leaves_out_is_mentioned_and_does_not_refuse() -> None:
    findings = assess(Radiograph(RAMP, Metadata(kind="dicom")))
    assert [finding.code for finding in findings] == ["no-modality", "no-body-part", "no-view"]
    assert not any(finding.refuses for finding in findings)


def test_looks_that_refuse() -> None:
    assert codes(RAMP[:20, :20]) == ["too-small"]
    assert codes(np.full((300, 300), 0.4, np.float32)) == ["blank"]
    assert codes(np.tile(np.linspace(0, 1, 1000, dtype=np.float32), (250, 1))) == ["aspect-ratio"]


def test_films_of_28_pixels_are_scored_with_a_note() -> None:
    small = RAMP[:28, ::10][:, :28]
    findings = assess(Radiograph(np.ascontiguousarray(small), Metadata(kind="npz")))
    assert [(finding.code, finding.refuses) for finding in findings] == [("low-resolution", False)]


def test_coloured_marks_are_mentioned() -> None:
    findings = assess(Radiograph(RAMP, Metadata(kind="jpeg", colourfulness=0.01)))
    assert [finding.code for finding in findings] == ["colour-marks"]
