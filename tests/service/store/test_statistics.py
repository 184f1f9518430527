from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from scipy.stats import ks_2samp

from pneumoscope.service.store import Record, Verdict, statistics_of

from ..conftest import MakePrediction

NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)  # a Monday


def said(verdict: str, reviewer: str = "a") -> Verdict:
    return Verdict(created=NOON, reviewer=reviewer, verdict=verdict)


def test_agreement_by_hand(prediction: MakePrediction) -> None:
    """Ten decisions on pneumonia of which eight are agreed with, ten on normal of which seven."""
    records = []
    for number in range(20):
        ill = number < 10
        right = number < 8 or number >= 13
        # Somebody who changes their mind counts once, with the last word.
        verdicts = (said("disagree" if right else "agree"), said("agree" if right else "disagree"))
        fields = {"id": f"{number}", "created": NOON, "source": "dashboard", "verdicts": verdicts}
        records.append(Record(prediction=prediction(0.9 if ill else 0.1), **fields))
    records.append(Record(id="x", created=NOON, source="rest", prediction=prediction(None)))
    found = statistics_of(records)
    assert found.films == 21
    assert found.models == {f"tiny ({'cd' * 6})": 21}
    assert (found.agreement.verdicts, found.agreement.films) == (20, 20)
    assert found.agreement.agreed.value == 15 / 20
    assert {name: share.value for name, share in found.agreement.by_decision.items()} == {
        "normal": 0.7,
        "pneumonia": 0.8,
    }
    # Reviewers say pneumonia 8 + 3 times and normal 2 + 7 times: by chance they would agree in half of all cases.
    assert found.agreement.kappa == pytest.approx((0.75 - 0.5) / 0.5)


def test_two_reviewers_count_twice_and_nobody_not_at_all(prediction: MakePrediction) -> None:
    both = (said("agree"), said("disagree", "b"))
    record = Record(id="x", created=NOON, source="rest", prediction=prediction(0.9), verdicts=both)
    found = statistics_of([record]).agreement
    assert (found.verdicts, found.films, found.agreed.value) == (2, 1, 0.5)
    nothing = statistics_of([])
    assert (nothing.films, nothing.agreement.agreed.value, nothing.agreement.kappa, nothing.periods) == (
        0,
        None,
        None,
        (),
    )


def test_drift_is_found_where_it_is(prediction: MakePrediction) -> None:
    draw = np.random.default_rng(0)
    values = {
        0: draw.uniform(size=40),
        7: draw.uniform(size=40),
        14: draw.uniform(0.6, 1, size=40),
        21: np.array([0.5]),
    }
    records = [
        Record(
            id=f"{days}-{number}",
            created=NOON + timedelta(days=days, hours=number),
            source="rest",
            prediction=prediction(float(value)),
        )
        for days, drawn in values.items()
        for number, value in enumerate(drawn)
    ]
    records.append(Record(id="x", created=NOON, source="rest", prediction=prediction(None)))
    records.append(Record(id="y", created=NOON, source="rest", prediction=prediction(0.6, decision="refer")))
    first, second, third, fourth = statistics_of(reversed(records), by="week").periods
    assert [period.start for period in (first, fourth)] == [date(2025, 3, 3), date(2025, 3, 24)]
    assert (first.films, first.scored, first.unsuitable.value, first.referred.value) == (42, 41, 1 / 42, 1 / 41)
    assert first.pneumonia.value == (np.sum(values[0] >= 0.5) + 1) / 41
    assert first.distance is first.p is None
    reference = ks_2samp([*values[0], 0.6], values[14])
    assert third.distance == pytest.approx(reference.statistic)
    assert third.p == pytest.approx(2 * reference.pvalue), "the smaller of two p, by Holm"
    assert second.p > 0.05 > third.p
    assert third.median_probability == pytest.approx(np.median(values[14]))
    assert fourth.p is None, "one film tells nothing"
    assert len(statistics_of(records, by="month").periods) == 1
    assert len(statistics_of(records, by="day").periods) > 4
