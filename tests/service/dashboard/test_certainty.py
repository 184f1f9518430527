"""The scale and what is said of how certain a decision is."""

from __future__ import annotations

import re

import pytest

from pneumoscope.bundle import Conformal, ConformalLimits, OperatingPoint
from pneumoscope.scoring.prediction import uncertain
from pneumoscope.service.dashboard.certainty import NO_LIMITS, possible_classes, scale

from ..conftest import MakePrediction

POINTS = (OperatingPoint(name="half", threshold=0.5), OperatingPoint(name="<wary>", threshold=0.02))
OVERLAPPING = ConformalLimits(error_rate=0.05, normal_up_to=0.7, pneumonia_from=0.4)
APART = ConformalLimits(error_rate=0.2, normal_up_to=0.3, pneumonia_from=0.6)


@pytest.mark.parametrize("probability", [0.0, 0.004, 0.5, 0.93, 1.0])
def test_the_scale(prediction: MakePrediction, probability: float) -> None:
    html = scale(prediction(probability), POINTS)
    (left,) = re.findall(r'<b class="\w+ ?\w*" style="left:([\d.]+)%"', html)
    assert float(left) == pytest.approx(100 * probability)
    assert html.count("<i ") == 2
    assert html.count("chosen") == 1
    assert "<wary>" not in html
    assert ('"pneumonia' in html) == (probability >= 0.5)
    assert "band" not in html, "this model refers no film as uncertain"


@pytest.mark.parametrize(("limits", "ends"), [(OVERLAPPING, (40, 30)), (APART, (30, 30))])
def test_the_band_is_where_films_are_referred(
    prediction: MakePrediction, limits: ConformalLimits, ends: tuple[float, float]
) -> None:
    html = scale(prediction(0.5, conformal=limits), POINTS)
    (band,) = re.findall(r'"band" style="left:([\d.]+)%;width:([\d.]+)%"', html)
    assert tuple(map(float, band)) == ends


@pytest.mark.parametrize(
    ("probability", "limits", "found", "elsewhere"),
    [
        (0.39, OVERLAPPING, "Only normal remains", "both classes remain"),
        (0.4, OVERLAPPING, "Both classes remain", "both classes remain"),
        (0.71, OVERLAPPING, "Only pneumonia remains", "both classes remain"),
        (0.3, APART, "Only normal remains", "neither class"),
        (0.31, APART, "Neither class", "neither class"),
        (0.6, APART, "Only pneumonia remains", "neither class"),
    ],
)
def test_which_classes_remain_possible(
    prediction: MakePrediction, probability: float, limits: ConformalLimits, found: str, elsewhere: str
) -> None:
    fitted = Conformal(error_rate=limits.error_rate, limits=(limits,), normal=1572, pneumonia=985)
    doubt = uncertain(probability, limits)
    reasons = prediction().reasons
    said = prediction(probability, conformal=limits, reasons=(doubt, *reasons) if doubt else reasons)
    html = possible_classes(said, fitted)
    assert re.findall("<strong>(.*)</strong>", html)[0].startswith(found)
    assert elsewhere in html.partition("swatch")[2]
    for text in (f"{100 * limits.error_rate:g}% in each class", "1,572 normal and 985 pneumonia"):
        assert text in html


def test_a_model_without_limits_says_so(prediction: MakePrediction) -> None:
    assert NO_LIMITS in possible_classes(prediction(), None)
