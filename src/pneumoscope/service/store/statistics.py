"""What the records say of the model at work: agreement with reviewers, and drift over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import ks_2samp

from pneumoscope.evaluation import Figure, proportion
from pneumoscope.evaluation.subgroups import holm
from pneumoscope.service.store.records import Record, Verdict

By = Literal["day", "week", "month"]
LEAST = 30
"""Scored films that a period needs for its probabilities to be compared."""
DECIDED = ("pneumonia", "normal")


class Agreement(BaseModel):
    """How often reviewers agreed. A reviewer's last word on a film counts, once per reviewer and film."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verdicts: int
    films: int = Field(description="films with at least one verdict")
    agreed: Figure
    by_decision: dict[str, Figure] = Field(description="the same for each decision that was reviewed")
    kappa: float | None = Field(
        description="Cohen's kappa of the decision with what the reviewer's verdict implies; pneumonia and normal only"
    )


class Period(BaseModel):
    """The films of a day, week or month."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: date
    films: int
    unsuitable: Figure = Field(description="share of all films, unreadable ones among them")
    scored: int
    pneumonia: Figure = Field(description="share of the scored films at or above their threshold")
    referred: Figure = Field(description="share of the scored films")
    median_probability: float | None
    distance: float | None = Field(None, description="Kolmogorov–Smirnov distance of probabilities to the first period")
    p: float | None = Field(None, description="of that distance, adjusted by Holm's method over all periods")


class Statistics(BaseModel):
    """What the records say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    films: int
    models: dict[str, int] = Field(description="films by name and first digits of the weights' SHA-256")
    by: By
    agreement: Agreement
    periods: tuple[Period, ...]


def statistics_of(records: Iterable[Record], *, by: By = "month") -> Statistics:
    """Agreement with reviewers, and each period beside the first that has :data:`LEAST` scored films.

    A drift of probabilities says that films, patients or machines have changed, not that the model is worse; only
    verdicts or labels can tell that.

    Args:
        records: in any order.
        by: length of a period, in UTC.
    """
    films = 0
    models: Counter[str] = Counter()
    judged: list[tuple[str, Verdict]] = []
    reviewed = 0
    periods: defaultdict[date, list[tuple[str, float | None, float]]] = defaultdict(list)
    for record in records:
        films += 1
        said = record.prediction
        models[f"{said.model.name} ({said.model.sha256[:12]})"] += 1
        last = {verdict.reviewer: verdict for verdict in record.verdicts}
        judged += [(said.decision, verdict) for verdict in last.values()]
        reviewed += bool(last)
        row = said.decision, said.probability, said.operating_point.threshold
        periods[_start(record.created, by)].append(row)
    return Statistics(
        films=films,
        models=dict(models.most_common()),
        by=by,
        agreement=_agreement(judged, reviewed),
        periods=tuple(_drift(periods)),
    )


def _start(moment: datetime, by: By) -> date:
    day = moment.date()
    if by == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if by == "month" else day


def _agreement(judged: list[tuple[str, Verdict]], films: int) -> Agreement:
    agreed = Counter(decision for decision, verdict in judged if verdict.verdict == "agree")
    among = Counter(decision for decision, _ in judged)
    pairs = [
        (decision, decision if verdict.verdict == "agree" else _other(decision))
        for decision, verdict in judged
        if decision in DECIDED
    ]
    return Agreement(
        verdicts=len(judged),
        films=films,
        agreed=proportion(agreed.total(), among.total()),
        by_decision={decision: proportion(agreed[decision], count) for decision, count in sorted(among.items())},
        kappa=_kappa(pairs),
    )


def _other(decision: str) -> str:
    return DECIDED[1 - DECIDED.index(decision)]


def _kappa(pairs: list[tuple[str, str]]) -> float | None:
    """Cohen's kappa (Educational and Psychological Measurement 1960); None where chance alone would always agree."""
    from sklearn.metrics import cohen_kappa_score

    if len({word for pair in pairs for word in pair}) < 2:
        return None
    ours, theirs = zip(*pairs, strict=True)
    return float(cohen_kappa_score(ours, theirs))


def _drift(periods: dict[date, list[tuple[str, float | None, float]]]) -> Iterator[Period]:
    probabilities = {
        start: np.array([probability for _, probability, _ in rows if probability is not None])
        for start, rows in periods.items()
    }
    large = [start for start in sorted(periods) if len(probabilities[start]) >= LEAST]
    compared = {start: ks_2samp(probabilities[large[0]], probabilities[start]) for start in large[1:]}
    adjusted = dict(zip(compared, holm([float(test.pvalue) for test in compared.values()]), strict=True))
    for start in sorted(periods):
        rows, values = periods[start], probabilities[start]
        above = sum(probability >= threshold for _, probability, threshold in rows if probability is not None)
        yield Period(
            start=start,
            films=len(rows),
            unsuitable=proportion(sum(decision == "unsuitable" for decision, _, _ in rows), len(rows)),
            scored=len(values),
            pneumonia=proportion(above, len(values)),
            referred=proportion(sum(decision == "refer" for decision, _, _ in rows), len(values)),
            median_probability=float(np.median(values)) if len(values) else None,
            distance=float(compared[start].statistic) if start in compared else None,
            p=adjusted.get(start),
        )
