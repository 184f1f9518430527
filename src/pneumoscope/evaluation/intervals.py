"""Figures with their 95% intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

CONFIDENCE = 0.95
Z = 1.959963984540054
"""The normal distribution's quantile for :data:`CONFIDENCE`, two-sided."""


class Figure(BaseModel):
    """A figure with its 95% interval; null where the films do not determine it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float | None
    low: float | None = None
    high: float | None = None

    def text(self, digits: int = 3) -> str:
        """``0.931 (0.908–0.948)``; a dash where there is no value."""
        if self.value is None:
            return "–"
        if self.low is None or self.high is None:
            return f"{self.value:.{digits}f}"
        dash = "–" if self.low >= 0 else " to "  # a dash before a minus sign is hard to read
        return f"{self.value:.{digits}f} ({self.low:.{digits}f}{dash}{self.high:.{digits}f})"


def proportion(successes: int, total: int) -> Figure:
    """A share with Wilson's score interval (Wilson, JASA 1927); all null for a total of 0."""
    if not total:
        return Figure(value=None)
    share = successes / total
    centre = (share + Z**2 / (2 * total)) / (1 + Z**2 / total)
    half = Z / (1 + Z**2 / total) * math.sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    # At the ends the bound is exactly 0 or 1, which the arithmetic above misses by a rounding error.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == total else centre + half
    return Figure(value=share, low=low, high=high)


def normal_interval(
    value: float, variance: float, *, lowest: float | None = None, highest: float | None = None
) -> Figure:
    """Value ± z·√variance, cut at the ends of the range; no interval where the variance is 0 or not known.

    A variance of 0 comes from films that the scores separate wholly. It says that there were too few, not that the
    figure is certain.
    """
    if not math.isfinite(value):
        return Figure(value=None)
    if not (math.isfinite(variance) and variance > 0):
        return Figure(value=value)
    half = Z * math.sqrt(variance)
    low = value - half if lowest is None else max(lowest, value - half)
    high = value + half if highest is None else min(highest, value + half)
    return Figure(value=value, low=low, high=high)


def percentile_interval(value: float, resampled: npt.NDArray[np.floating[Any]]) -> Figure:
    """The middle 95% of a bootstrap (Efron 1979); resamples that leave the figure undefined are left out."""
    if not math.isfinite(value):
        return Figure(value=None)
    known = resampled[np.isfinite(resampled)]
    if not len(known):
        return Figure(value=value)
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Figure(value=value, low=float(low), high=float(high))


def pivotal_interval(value: float, resampled: npt.NDArray[np.floating[Any]], *, lowest: float | None = None) -> Figure:
    """The middle 95% of a bootstrap, reflected at the value (Davison & Hinkley 1997, the basic bootstrap).

    For figures that chance alone drives away from their true value, such as a mean of absolute gaps: resamples lie as
    much above the value as the value above the truth, and reflection takes that back. The value stays inside.
    """
    found = percentile_interval(value, resampled)
    if found.value is None or found.low is None or found.high is None:
        return found
    low, high = 2 * value - found.high, 2 * value - found.low
    return Figure(
        value=value,
        low=min(value, low if lowest is None else max(lowest, low)),
        high=max(value, high),
    )
