from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import dctn

from pneumoscope.radiograph import Metadata, Radiograph, assess
from pneumoscope.radiograph.suitability import structure

STRIPES = np.tile(np.abs(np.linspace(-8, 8, 300, dtype=np.float32)) % 1, (280, 1))
CHEST = {"kind": "dicom", "modality": "DX", "body_part": "CHEST", "view": "PA"}


def codes(pixels: np.ndarray = STRIPES, **known: Any) -> list[str]:
    findings = assess(Radiograph(pixels, Metadata(**known)))
    assert all(finding.message.endswith(".") for finding in findings)
    refusals = [finding.refuses for finding in findings]
    assert refusals == sorted(refusals, reverse=True), "refusals come first"
    return [finding.code for finding in findings if finding.refuses]


def test_a_good_film_has_no_findings() -> None:
    assert assess(Radiograph(STRIPES, Metadata(**CHEST))) == ()
    assert assess(Radiograph(STRIPES, Metadata(kind="png"))) == ()


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
    findings = assess(Radiograph(STRIPES, Metadata(kind="dicom")))
    assert [finding.code for finding in findings] == ["no-modality", "no-body-part", "no-view"]
    assert not any(finding.refuses for finding in findings)


def test_looks_that_refuse() -> None:
    assert codes(STRIPES[:20, :20]) == ["too-small"]
    assert codes(np.full((300, 300), 0.4, np.float32)) == ["blank"]
    assert codes(np.tile(STRIPES[:250], (1, 4))) == ["aspect-ratio"]


@given(angle=st.floats(0, 2 * np.pi), power=st.floats(0.5, 2), tip=st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7)))
def test_gradations_from_dark_to_bright_are_refused(angle: float, power: float, tip: tuple[float, float]) -> None:
    y, x = np.mgrid[:300, :260] / 300
    for plain in (np.cos(angle) * x + np.sin(angle) * y, np.hypot(x - tip[0], y - tip[1])):
        values = ((plain - plain.min()) / np.ptp(plain)) ** power
        assert codes(values.astype(np.float32)) == ["smooth"]


def test_structure_is_what_the_lowest_cosines_leave() -> None:
    # Fields of whole pixels, so that their means are SciPy's input to the last bit; contrast is none of it.
    film = np.random.default_rng(0).random((56, 84)) ** 3
    terms = dctn(film.reshape(28, 2, 28, 3).mean((1, 3)), norm="ortho")
    terms[0, 0] = 0
    expected = 1 - (terms[:5, :5] ** 2).sum() / (terms**2).sum()
    for scaled in (film, film / 3 + 0.2):
        assert structure(scaled.astype(np.float32)) == pytest.approx(expected, abs=1e-6)


def test_films_of_28_pixels_are_scored_with_a_note() -> None:
    small = STRIPES[:28, ::10][:, :28]
    findings = assess(Radiograph(np.ascontiguousarray(small), Metadata(kind="npz")))
    assert [(finding.code, finding.refuses) for finding in findings] == [("low-resolution", False)]


def test_coloured_marks_are_mentioned() -> None:
    findings = assess(Radiograph(STRIPES, Metadata(kind="jpeg", colourfulness=0.01)))
    assert [finding.code for finding in findings] == ["colour-marks"]
