"""Held-out films that look like the other class: where a shortcut fails, and recipes that tie elsewhere differ."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pneumoscope.bundle import layout_of
from pneumoscope.experiments.films import Partition, Pixels, Rows


def contrary_films(pixels: Pixels, labels: Rows, part: Partition, share: float) -> npt.NDArray[np.bool_]:
    """The held-out films of each class that a linear rule on small pictures finds least like their own class.

    The rule sees 24 × 24 pixels at mean 0 and standard deviation 1, so that it knows framing and large shadows and no
    detail, and learns from the fold's training films. On these films it is wrong or near to it; a network that is right
    there has learnt something else (as bias-conflicting samples in Nam et al., NeurIPS 2020, arXiv:2007.02561).

    Args:
        pixels: (N, S, S), of the cohort.
        labels: (N,), of the cohort.
        part: of the fold.
        share: of each class's held-out films.

    Returns:
        (M,) of the partition's M held-out films.
    """
    from sklearn.linear_model import LogisticRegression

    rule = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    rule.fit(layout_of(pixels[part.training]), labels[part.training])
    evidence = rule.decision_function(layout_of(pixels[part.judged]))
    truth = labels[part.judged]
    chosen = np.zeros(len(truth), bool)
    for label in (0, 1):
        rows = np.flatnonzero(truth == label)
        likeness = evidence[rows] if label else -evidence[rows]
        chosen[rows[np.argsort(likeness, kind="stable")[: max(1, round(share * len(rows)))]]] = True
    return chosen
