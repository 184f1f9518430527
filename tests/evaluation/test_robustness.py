from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from pneumoscope.cohorts import Cohort, load_cohort
from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation import Robustness, evaluate, measure_robustness, score_cohort
from pneumoscope.evaluation.corruptions import MEDMNIST_C, RANGES, at_side
from pneumoscope.evaluation.resampling import draw_films
from pneumoscope.evaluation.robustness import states
from pneumoscope.scoring import Predictor


@pytest.fixture
def scored(predictor: Predictor, cohort: Cohort) -> tuple[Predictor, Cohort, pd.DataFrame]:
    labelled = cohort.labelled()
    return predictor, labelled, score_cohort(predictor, labelled)


def test_figures_are_those_of_the_corrupted_films(scored: tuple) -> None:
    predictor, cohort, predictions = scored
    done: list[int] = []
    found = measure_robustness(*scored, severities=(5, 2), bootstrap=200, progress=done.append)
    as_they_are = evaluate(predictions, predictor.spec, data="films", bootstrap=100)
    assert found.untouched.roc_auc.value == pytest.approx(as_they_are.roc_auc.value)
    assert found.untouched.accuracy.value == pytest.approx(as_they_are.chosen.accuracy.value)
    assert found.untouched.error_increase.value == 0
    assert (found.films, found.of, found.severities) == (30, 30, (2, 5))
    assert sum(done) == 30 * states((2, 5))
    assert [series.name for series in found.corruptions] == [corruption.name for corruption in MEDMNIST_C]

    rows = predictions.index[predictions["probability"].notna()]
    labels = predictions["label"][rows].to_numpy(int)
    speckle = next(corruption for corruption in MEDMNIST_C if corruption.name == "speckle_noise")
    squares = [at_side(cohort.read(row).pixels, "crop") for row in rows]
    for severity, place in ((2, 0), (5, 1)):
        films = [
            dataclasses.replace(cohort.read(row), pixels=speckle.apply(square, speckle.levels[severity - 1]))
            for row, square in zip(rows, squares, strict=True)
        ]
        probability = np.array([one.prediction.probability for one in predictor.predict(films)])
        at = next(series for series in found.corruptions if series.name == "speckle_noise").conditions[place]
        assert (at.severity, at.level) == (severity, speckle.levels[severity - 1])
        assert at.roc_auc.value == pytest.approx(roc_auc_score(labels, probability))
        error = 1 - balanced_accuracy_score(labels, probability >= 0.6)
        assert at.balanced_error.value == pytest.approx(error)
        assert at.error_increase.value == pytest.approx(error - found.at_side.balanced_error.value)
        assert at.roc_auc.low <= at.roc_auc.value <= at.roc_auc.high

    for series in found.corruptions:
        for name in ("roc_auc", "accuracy", "balanced_error", "error_increase"):
            values = [getattr(at, name).value for at in series.conditions]
            assert getattr(series.mean, name).value == pytest.approx(np.mean(values))
    means = [series.mean.error_increase.value for series in found.corruptions]
    assert found.mean.error_increase.value == pytest.approx(np.mean(means))
    assert Robustness.model_validate_json(found.model_dump_json()) == found


def test_a_model_of_brightness_follows_brightness(scored: tuple) -> None:
    found = measure_robustness(*scored, severities=(1, 5), bootstrap=100)
    series = {one.name: one for one in (*found.corruptions, *found.ranges)}
    assert series["brightness_up"].conditions[1].accuracy.value == pytest.approx(0.5), "all are called pneumonia"
    assert series["window_shift"].conditions[-1].accuracy.value == pytest.approx(0.5), "all are called normal"
    assert [at.level for at in series["resolution"].conditions] == [96, 64, 56, 28], "films have 110 pixels"
    for name in ("pixelate", "gaussian_blur", "resolution"):
        for at in series[name].conditions:
            assert at.error_increase.value == pytest.approx(0, abs=0.04), "blurring keeps the mean"


def test_the_same_films_in_any_order(scored: tuple) -> None:
    predictor, cohort, _ = scored
    first = measure_robustness(*scored, severities=(3,), films=8, bootstrap=100)
    assert first == measure_robustness(*scored, severities=(3,), films=8, bootstrap=100)
    turned = dataclasses.replace(cohort, cases=cohort.cases.iloc[::-1].reset_index(drop=True))
    all_films = measure_robustness(*scored, severities=(3,), bootstrap=100)
    again = measure_robustness(predictor, turned, score_cohort(predictor, turned), severities=(3,), bootstrap=100)
    for one, other in zip(all_films.corruptions, again.corruptions, strict=True):
        assert one.conditions[0].roc_auc.value == other.conditions[0].roc_auc.value
    assert first.films == 8
    assert first != measure_robustness(*scored, severities=(3,), films=8, bootstrap=100, seed=1)


def test_a_film_is_read_once(scored: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    read, rows = Cohort.read, []

    def counted(self: Cohort, row: int) -> object:
        rows.append(row)
        return read(self, row)

    monkeypatch.setattr(Cohort, "read", counted)
    measure_robustness(*scored, severities=(1,), films=6, bootstrap=100)
    assert len(rows) == len(set(rows)) == 6


def test_refused_films_are_counted_and_in_no_figure(tmp_path: Path, predictor: Predictor) -> None:
    """Films of so little contrast that less of it makes them blank."""
    stripes = 24 * (np.arange(240) // 20 % 2)[None].repeat(240, 0)
    for index in range(12):
        Image.fromarray((stripes + 100 + 6 * index).astype(np.uint8)).save(tmp_path / f"{index}.png")
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(12)], "label": [int(i > 5) for i in range(12)]})
    table.to_csv(tmp_path / "cases.csv", index=False)
    cohort = load_cohort(tmp_path)
    found = measure_robustness(predictor, cohort, score_cohort(predictor, cohort), severities=(1, 5), bootstrap=100)
    less = next(series for series in found.corruptions if series.name == "contrast_down")
    assert [(at.films, at.refused) for at in less.conditions] == [(12, 0), (0, 12)]
    assert less.conditions[1].roc_auc.value is None
    assert less.conditions[1].error_increase.value is None
    assert less.mean.roc_auc.value is None
    assert found.mean.roc_auc.value is None, "a mean over some of the states would be another figure"


def test_wrong_use(scored: tuple) -> None:
    for severities in ((), (0,), (1, 6)):
        with pytest.raises(EvaluationError, match="name some of 1, 2, 3, 4, 5"):
            measure_robustness(*scored, severities=severities)
    predictor, cohort, predictions = scored
    with pytest.raises(EvaluationError, match="none of 2 films has a score"):
        measure_robustness(predictor, cohort, predictions[predictions["probability"].isna()])


def test_films_are_drawn_in_the_classes_shares() -> None:
    labels = np.array([0] * 30 + [1] * 70)
    chosen = draw_films(labels, 20, seed=0)
    assert len(set(chosen.tolist())) == 20
    assert labels[chosen].sum() == 14
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, draw_films(labels, 20, seed=0))
    assert not np.array_equal(chosen, draw_films(labels, 20, seed=1))
    for everything in (None, 100, 500):
        assert len(draw_films(labels, everything, seed=0)) == 100


def test_every_range_starts_from_the_films_as_they_are() -> None:
    assert {corruption.kind for corruption in RANGES} == {"range"}
    assert states((1, 2, 3, 4, 5)) == 1 + 13 * 5 + 18
