"""Two models on the same films."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import binom, norm

from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation.intervals import Figure, normal_interval
from pneumoscope.evaluation.ranking import delong

Labels = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[np.floating[Any]]


class Comparison(BaseModel):
    """Model a against model b, film by film."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: str
    b: str
    n: int
    roc_auc_a: Figure
    roc_auc_b: Figure
    roc_auc_difference: Figure = Field(description="a − b, with DeLong's interval")
    p_delong: float | None = Field(description="two-sided, that the areas are equal; null where it is not determined")
    thresholds: tuple[float, float] = Field(description="on the calibrated probability, of a and of b")
    only_a_right: int
    only_b_right: int
    p_mcnemar: float = Field(description="two-sided and exact, that both are right equally often")


def compare(
    labels: Labels,
    a: Values,
    b: Values,
    *,
    thresholds: tuple[float, float] = (0.5, 0.5),
    names: tuple[str, str] = ("a", "b"),
) -> Comparison:
    """Compare two models' ranking by paired DeLong, and their decisions by McNemar's exact test.

    DeLong et al., Biometrics 1988; McNemar, Psychometrika 1947. Both take the films to be independent.

    Args:
        labels: (N,) of 0 and 1.
        a: (N,) calibrated probabilities of one model.
        b: (N,) those of the other, in the same order.
        thresholds: each model's; at or above it the decision is pneumonia.
        names: of the models.

    Raises:
        EvaluationError: different numbers of films, or films of one class only.
    """
    if not len(labels) == len(a) == len(b):
        raise EvaluationError(
            f"{names[0]} and {names[1]} have scores of different films; compare them on the same ones"
        )
    if len(set(labels.tolist())) < 2:
        raise EvaluationError(f"{names[0]} and {names[1]}: films of both classes are needed to compare them")
    areas, covariance = delong(labels, np.stack([a, b]))
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    # Equal rankings leave a variance of rounding errors; so small a one cannot come from whole films.
    decided = bool(variance > 1e-12)
    right_a = (a >= thresholds[0]) == (labels == 1)
    right_b = (b >= thresholds[1]) == (labels == 1)
    only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    return Comparison(
        a=names[0],
        b=names[1],
        n=len(labels),
        roc_auc_a=normal_interval(float(areas[0]), float(covariance[0, 0]), lowest=0, highest=1),
        roc_auc_b=normal_interval(float(areas[1]), float(covariance[1, 1]), lowest=0, highest=1),
        roc_auc_difference=normal_interval(difference, variance if decided else 0.0, lowest=-1, highest=1),
        p_delong=float(2 * norm.sf(abs(difference) / np.sqrt(variance))) if decided else None,
        thresholds=thresholds,
        only_a_right=only_a,
        only_b_right=only_b,
        p_mcnemar=mcnemar(only_a, only_b),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p that, of the films on which one model alone is right, each is right equally often."""
    return min(1.0, 2 * float(binom.cdf(min(only_a, only_b), only_a + only_b, 0.5)))
