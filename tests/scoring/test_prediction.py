from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from pneumoscope.bundle import ConformalLimits, OperatingPoint
from pneumoscope.scoring import ModelUsed, Prediction, Reason, percent
from pneumoscope.scoring.prediction import decide, outside_ages, uncertain

POINT = OperatingPoint(name="p95", threshold=0.3, promised_sensitivity=0.95)
MODEL = ModelUsed(name="tiny", sha256="0" * 64, software="0.1.0", runtime="torch")


def _unsuitable(**changes: object) -> Prediction:
    fields = {
        "file": "leg.dcm",
        "input_sha256": None,
        "decision": "unsuitable",
        "probability": None,
        "logit": None,
        "reasons": (Reason(code="body-part", message="A leg."),),
        "operating_point": POINT,
        "model": MODEL,
        "elapsed_ms": 1.0,
    }
    return Prediction.model_validate(fields | changes)


@pytest.mark.parametrize(
    ("age", "outside"), [(None, False), (0.5, True), (1, False), (5.9, False), (6, True), (45, True)]
)
def test_a_model_of_children_decides_nothing_on_others(age: float | None, outside: bool) -> None:
    assert (outside_ages(age, (1, 5)) is not None) == outside
    assert outside_ages(age, None) is None


def test_a_film_is_referred_where_both_classes_are_possible_or_neither() -> None:
    overlapping = ConformalLimits(error_rate=0.05, normal_up_to=0.7, pneumonia_from=0.4)
    apart = ConformalLimits(error_rate=0.2, normal_up_to=0.3, pneumonia_from=0.6)
    for probability, limits, code in (
        (0.39, overlapping, None),
        (0.4, overlapping, "both-classes-possible"),
        (0.7, overlapping, "both-classes-possible"),
        (0.71, overlapping, None),
        (0.3, apart, None),
        (0.31, apart, "no-class-possible"),
        (0.6, apart, None),
        (0.5, None, None),
    ):
        reason = uncertain(probability, limits)
        assert (reason.code if reason else None) == code, probability
    message = uncertain(0.5, overlapping).message
    assert "Both classes remain possible at an error rate of 5% in each class" in message
    assert "70.0%" in message
    assert "40.0%" in message


def test_threshold_itself_is_pneumonia() -> None:
    assert decide(0.3, POINT)[0] == "pneumonia"
    assert decide(0.29999, POINT)[0] == "normal"
    assert "30.0%" in decide(0.2, POINT)[1].message
    assert "p95" in decide(0.2, POINT)[1].message


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.0%"), (1e-9, "<0.1%"), (0.0314, "3.1%"), (0.99999, ">99.9%"), (1.0, "100.0%")],
)
def test_percent_never_rounds_to_certainty(share: float, text: str) -> None:
    assert percent(share) == text


def test_json_survives_a_round_trip() -> None:
    prediction = _unsuitable()
    text = prediction.model_dump_json()
    assert Prediction.model_validate_json(text) == prediction
    assert json.loads(text)["schema_version"] == 1
    assert "Research use only" in json.loads(text)["notice"]


@pytest.mark.parametrize("changes", [{"probability": 1.5}, {"decision": "ill"}, {"patient_name": "x"}, {"reasons": ()}])
def test_schema_refuses(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _unsuitable(**changes)


def test_row_of_an_unsuitable_film_has_every_column() -> None:
    row = _unsuitable().row()
    assert row["reasons"] == "A leg."
    assert row["probability"] is None
    assert all(value is None or isinstance(value, str | float | bool | int) for value in row.values())
