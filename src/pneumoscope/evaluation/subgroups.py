"""Whether a model does equally well on all parts of its films: by age, sex, view, and where two of these cross."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import fisher_exact, norm

from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation.intervals import Figure, normal_interval, proportion
from pneumoscope.evaluation.ranking import delong, rank, roc_auc, weighted_areas
from pneumoscope.evaluation.reliability import calibration_error, reliability_bins
from pneumoscope.evaluation.resampling import resamples

AGES = (0, 18, 40, 60)
"""Years at which a band of ages begins."""
MINIMUM = 10
"""Films of a class without which a group has no figure that needs that class."""
MOST_VALUES = 12
"""Different values that a column may have to divide films by."""

Mask = npt.NDArray[np.bool_]


class Difference(BaseModel):
    """A group's figure minus that of the other films whose attribute is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Figure
    p: float | None
    p_adjusted: float | None = Field(None, description="by Holm's method, over all differences of the evaluation")


class Subgroup(BaseModel):
    """One part of the films. Figures for which it has too few films of a class are null."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: str
    films: int
    normal: int
    pneumonia: int
    roc_auc: Figure
    sensitivity: Figure
    specificity: Figure
    expected_calibration_error: float | None
    differences: dict[str, Difference]


class Breakdown(BaseModel):
    """The films divided by one attribute, or by two that cross."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str
    unknown: int = Field(description="films that do not say; they are in no group")
    groups: tuple[Subgroup, ...]


class Scores(BaseModel):
    """What a breakdown needs of each of N films, in one order.

    Attributes:
        labels: (N,) of 0 and 1.
        logits: (N,) calibrated logits.
        probability: (N,) calibrated.
        called: (N,) decided as pneumonia.
        patients: (N,) group numbers for the bootstrap.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    labels: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]
    called: Mask
    patients: npt.NDArray[np.int64]


def break_down(
    cases: pd.DataFrame, by: Sequence[str], scores: Scores, *, bootstrap: int, seed: int
) -> tuple[Breakdown, ...]:
    """Figures of each group of films, and how they differ from the rest.

    Intervals of areas are DeLong's, of shares Wilson's. A difference of areas has the standard error of a bootstrap
    over patients, who may have films in both parts; a difference of shares has Newcombe's interval (Statistics in
    Medicine 1998, method 10) and Fisher's exact p. All p are adjusted together (Holm 1979).

    Args:
        cases: (N rows) with the columns that ``by`` names. ``age`` is divided into bands that begin at :data:`AGES`;
            any other column by its values.
        by: columns. Each pair of them is crossed too, as far as a crossing has :data:`MINIMUM` films of each class.
        scores: of the same films.
        bootstrap, seed: as for :func:`~pneumoscope.evaluation.evaluate`.

    Raises:
        EvaluationError: no such column, no film with a value in it, or too many different values.
    """
    attributes = {name: _attribute(cases, name) for name in dict.fromkeys(by)}
    # How often each film is drawn is a small number; as such, 2,000 resamples of 50,000 films take 0.2 GB.
    weights = np.concatenate([drawn.astype(np.uint16) for drawn in resamples(scores.patients, bootstrap, seed)])
    found = [_breakdown(name, values, scores, weights) for name, values in attributes.items()]
    for (one, first), (other, second) in combinations(attributes.items(), 2):
        crossed = (first + ", " + second).where(first.notna() & second.notna())
        breakdown = _breakdown(f"{one} × {other}", crossed, scores, weights)
        large = tuple(group for group in breakdown.groups if min(group.normal, group.pneumonia) >= MINIMUM)
        if large:
            found.append(breakdown.model_copy(update={"groups": large}))
    return _adjusted(found)


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm, Scandinavian Journal of Statistics 1979)."""
    order = np.argsort(p)
    scaled = np.asarray(p)[order] * np.arange(len(p), 0, -1)
    result = np.empty(len(p))
    result[order] = np.minimum(1, np.maximum.accumulate(scaled))
    return [float(value) for value in result]


def share_difference(one: tuple[int, int], other: tuple[int, int]) -> Difference:
    """First share minus second, of (successes, total) each: Newcombe's method 10, and Fisher's exact test."""
    a, b = proportion(*one), proportion(*other)
    if None in (a.value, a.low, a.high, b.value, b.low, b.high):
        return Difference(value=Figure(value=None), p=None)
    (p1, l1, u1), (p2, l2, u2) = ((float(f.value or 0), float(f.low or 0), float(f.high or 0)) for f in (a, b))
    value = p1 - p2
    low = value - float(np.hypot(p1 - l1, u2 - p2))
    high = value + float(np.hypot(u1 - p1, p2 - l2))
    table = [[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]]
    return Difference(value=Figure(value=value, low=low, high=high), p=float(fisher_exact(table)[1]))


def _attribute(cases: pd.DataFrame, name: str) -> pd.Series[str]:
    """(N,) the group of each film as text, missing where the film does not say."""
    if name not in cases:
        raise EvaluationError(f"there is no column {name!r} to divide films by; there are {', '.join(cases.columns)}")
    column = cases[name].reset_index(drop=True)
    if column.isna().all():
        raise EvaluationError(f"no film says its {name}; leave it out of --by")
    if name == "age":
        ends = [f"–{end - 1}" for end in AGES[1:]] + ["+"]
        names = [f"{start}{end}" for start, end in zip(AGES, ends, strict=True)]
        return pd.cut(column, [*AGES, float("inf")], right=False, labels=names).astype("string")
    values = column.astype("string")
    if (count := values.nunique()) > MOST_VALUES:
        raise EvaluationError(f"column {name!r} has {count} different values; at most {MOST_VALUES} can divide films")
    return values


def _breakdown(name: str, values: pd.Series[str], scores: Scores, weights: npt.NDArray[Any]) -> Breakdown:
    known = values.notna().to_numpy(bool)
    groups = []
    for value in sorted(values.dropna().unique(), key=_by_age):
        inside = (values == value).fillna(False).to_numpy(bool)
        groups.append(_group(str(value), inside, known & ~inside, scores, weights))
    return Breakdown(by=name, unknown=int((~known).sum()), groups=tuple(groups))


def _group(value: str, inside: Mask, rest: Mask, scores: Scores, weights: npt.NDArray[Any]) -> Subgroup:
    labels = scores.labels[inside]
    normal, pneumonia = int((labels == 0).sum()), int((labels == 1).sum())
    nothing = Figure(value=None)
    enough = {"specificity": normal >= MINIMUM, "sensitivity": pneumonia >= MINIMUM}
    both = all(enough.values())
    right = {name: _right(scores, inside, label) for label, name in enumerate(("specificity", "sensitivity"))}
    differences = {}
    for label, name in enumerate(("specificity", "sensitivity")):
        others = _right(scores, rest, label)
        if enough[name] and others[1] >= MINIMUM:
            differences[name] = share_difference(right[name], others)
    if both and all(int((scores.labels[rest] == label).sum()) >= MINIMUM for label in (0, 1)):
        differences["roc_auc"] = _area_difference(inside, rest, scores, weights)
    bins = reliability_bins(labels, scores.probability[inside]) if both else ()
    return Subgroup(
        value=value,
        films=len(labels),
        normal=normal,
        pneumonia=pneumonia,
        roc_auc=roc_auc(labels, scores.logits[inside]) if both else nothing,
        sensitivity=proportion(*right["sensitivity"]) if enough["sensitivity"] else nothing,
        specificity=proportion(*right["specificity"]) if enough["specificity"] else nothing,
        expected_calibration_error=calibration_error(bins) if bins else None,
        differences=differences,
    )


def _right(scores: Scores, mask: Mask, label: int) -> tuple[int, int]:
    """Films of a class that are called rightly, and all films of that class."""
    of_class = mask & (scores.labels == label)
    return int((scores.called[of_class] == bool(label)).sum()), int(of_class.sum())


def _area_difference(inside: Mask, rest: Mask, scores: Scores, weights: npt.NDArray[Any]) -> Difference:
    value, drawn = 0.0, np.zeros(len(weights))
    for sign, mask in ((1, inside), (-1, rest)):
        labels, logits = scores.labels[mask], scores.logits[mask]
        value += sign * float(delong(labels, logits[None])[0][0])
        drawn += sign * weighted_areas(labels, rank(logits), weights[:, mask].astype(float))[0]
    figure = normal_interval(value, float(np.nanvar(drawn, ddof=1)))
    if figure.low is None or figure.high is None:
        return Difference(value=figure, p=None)
    z = value / float(np.nanstd(drawn, ddof=1))
    return Difference(value=figure, p=float(2 * norm.sf(abs(z))))


def _adjusted(breakdowns: Sequence[Breakdown]) -> tuple[Breakdown, ...]:
    places = [
        (number, position, name)
        for number, breakdown in enumerate(breakdowns)
        for position, group in enumerate(breakdown.groups)
        for name, difference in group.differences.items()
        if difference.p is not None
    ]
    raw = [breakdowns[number].groups[position].differences[name].p or 0.0 for number, position, name in places]
    adjusted = dict(zip(places, holm(raw), strict=True)) if raw else {}

    def group(number: int, position: int, old: Subgroup) -> Subgroup:
        new = {
            name: difference.model_copy(update={"p_adjusted": adjusted.get((number, position, name))})
            for name, difference in old.differences.items()
        }
        return old.model_copy(update={"differences": new})

    return tuple(
        breakdown.model_copy(
            update={"groups": tuple(group(number, position, old) for position, old in enumerate(breakdown.groups))}
        )
        for number, breakdown in enumerate(breakdowns)
    )


def _by_age(value: str) -> tuple[int, str]:
    """Bands of ages in their order, other values by name."""
    digits = "".join(character for character in value.partition("–")[0] if character.isdigit())
    return (int(digits) if digits else -1, value)
