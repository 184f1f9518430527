"""How certain a decision is: the probability on a scale, and which classes remain possible there, in words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pneumoscope.bundle import Conformal, ConformalLimits, OperatingPoint
from pneumoscope.scoring import Prediction, percent

NO_LIMITS = "This model has no limits that would say how certain its decisions are."


def scale(said: Prediction, points: Sequence[OperatingPoint]) -> str:
    """HTML of a bar from 0 to 100% with a film's probability, the thresholds, and where films are referred.

    Args:
        said: of a film that was scored.
        points: the model's operating points; the one in force stands out.
    """
    assert said.probability is not None
    probability, chosen = said.probability, said.operating_point
    ticks = "".join(
        f'<i style="left:{100 * point.threshold:.2f}%"{" class=chosen" if point.name == chosen.name else ""} '
        f'title="{escape(point.name)}: {percent(point.threshold)}"></i>'
        for point in points
    )
    side = "low" if probability < 0.08 else "high" if probability > 0.92 else ""
    word = "pneumonia" if probability >= chosen.threshold else "normal"
    place = min(max(100 * chosen.threshold, 16), 84)
    label = f"Probability {percent(probability)}, threshold {percent(chosen.threshold)}"
    return (
        f'<div class="scale" role="img" aria-label="{label}" style="--threshold:{100 * chosen.threshold:.2f}%">'
        f'<div class="bar">{_band(said.conformal)}</div>{ticks}'
        f'<b class="{word} {side}" style="left:{100 * probability:.2f}%">{escape(percent(probability))}</b>'
        f'<span style="left:{place:.2f}%">{escape(chosen.name)}, {percent(chosen.threshold)}</span>'
        '<span class="end">0%</span><span class="end right">100%</span></div>'
    )


def possible_classes(said: Prediction, fitted: Conformal | None) -> str:
    """HTML that says which classes remain possible for a film that was scored, and what the band on its scale is.

    The set is that of class-conditional conformal prediction (Vovk, Machine Learning 2013), which the prediction
    carries: its limits, and a reason where both classes remain possible or neither does.

    Args:
        said: of a film that was scored.
        fitted: what the model's limits come from.
    """
    limits = said.conformal
    if limits is None or fitted is None:
        return f'<p class="certainty quiet">{NO_LIMITS}</p>'
    codes = {reason.code for reason in said.reasons}
    if "both-classes-possible" in codes:
        found = "Both classes remain possible"
    elif "no-class-possible" in codes:
        found = "Neither class has such scores"
    else:
        assert said.probability is not None
        found = f"Only {'pneumonia' if said.probability >= limits.pneumonia_from else 'normal'} remains possible"
    low, high = _ends(limits)
    which = "both classes remain possible" if _overlap(limits) else "neither class has such scores"
    rate = f"at an error rate of {100 * limits.error_rate:g}% in each class"
    return (
        f'<p class="certainty"><strong>{found}</strong> {rate}. '
        f'<span class="quiet"><i class="swatch"></i>Between {percent(low)} and {percent(high)} {which}, and films are '
        f"referred. The limits come from {fitted.normal:,} normal and {fitted.pneumonia:,} pneumonia films; on films "
        "unlike these, the error rate may differ.</span></p>"
    )


def _band(limits: ConformalLimits | None) -> str:
    if limits is None:
        return ""
    low, high = _ends(limits)
    return f'<div class="band" style="left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"></div>'


def _ends(limits: ConformalLimits) -> tuple[float, float]:
    """Between which probabilities films are referred."""
    low, high = sorted((limits.normal_up_to, limits.pneumonia_from))
    return low, high


def _overlap(limits: ConformalLimits) -> bool:
    return limits.pneumonia_from <= limits.normal_up_to
