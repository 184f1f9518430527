"""Held-out films that look like the other class: where a shortcut fails, and recipes that tie elsewhere differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pneumoscope.bundle import layout_of
from pneumoscope.experiments.films import BATCH, Partition, Pixels, Rows
from pneumoscope.experiments.table import Look

LOWEST = 2.0
"""Cycles per side, from which bands of frequency rise by half an octave; what is coarser is in the first one too."""


def spectrum_of(pixels: Pixels) -> npt.NDArray[np.float64]:
    """(N, B) mean logarithms of the power of films (N, S, S) in B bands of frequency: how sharp and grainy they are.

    Films are brought to mean 0 and standard deviation 1 before, so that contrast does not count.
    """
    side = pixels.shape[-1]
    cycles = np.hypot(np.fft.fftfreq(side, 1 / side)[:, None], np.fft.rfftfreq(side, 1 / side))
    band = (2 * np.log2(cycles.clip(min=LOWEST) / LOWEST)).astype(int)
    # Beyond half the side's cycles there are waves of some directions only; at none there is the mean.
    within = (cycles > 0) & (cycles < side / 2)
    member = np.eye(band[within].max() + 1)[band[within]]
    levels = []
    for start in range(0, len(pixels), BATCH):
        films = pixels[start : start + BATCH].astype(np.float64)
        films -= films.mean((1, 2), keepdims=True)
        films /= films.std((1, 2), keepdims=True).clip(min=1.0)
        power = np.abs(np.fft.rfft2(films)) ** 2
        levels.append(np.log(power[:, within] + 1e-6) @ member / member.sum(0))
    return np.concatenate(levels)


LOOKS: Mapping[Look, tuple[str, Callable[[Pixels], npt.NDArray[np.floating[Any]]]]] = {
    "layout": ("in 24 × 24 pixels", layout_of),
    "spectrum": ("in sharpness and grain", spectrum_of),
}
"""In what a film may look like the other class: in words, and as a description of films that a linear rule learns from.

The layout knows framing and large shadows and no detail; the spectrum knows no place.
"""


def linear_evidence(look: Look, pixels: Pixels, labels: Rows, part: Partition) -> npt.NDArray[np.float64]:
    """Log-odds of pneumonia by a linear rule on such a description, (M,) of the partition's M held-out films.

    Args:
        look: what the rule sees.
        pixels: (N, S, S), of the cohort.
        labels: (N,), of the cohort.
        part: of the fold, whose training films the rule learns from.
    """
    from sklearn.linear_model import LogisticRegression

    describe = LOOKS[look][1]
    rule = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    rule.fit(describe(pixels[part.training]), labels[part.training])
    return np.asarray(rule.decision_function(describe(pixels[part.judged])))


def contrary_films(evidence: npt.NDArray[np.float64], truth: Rows, share: float) -> npt.NDArray[np.bool_]:
    """The share of each class's films with the most evidence for the other class, (M,).

    On these films a rule is wrong or near to it; a network that is right there has learnt something else (as
    bias-conflicting samples in Nam et al., NeurIPS 2020, arXiv:2007.02561).

    Args:
        evidence: (M,) from :func:`linear_evidence`.
        truth: (M,) labels.
        share: of each class's films, at least one.
    """
    chosen = np.zeros(len(truth), bool)
    for label in (0, 1):
        rows = np.flatnonzero(truth == label)
        likeness = evidence[rows] if label else -evidence[rows]
        chosen[rows[np.argsort(likeness, kind="stable")[: max(1, round(share * len(rows)))]]] = True
    return chosen
