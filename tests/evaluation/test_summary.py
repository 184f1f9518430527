from __future__ import annotations

import pandas as pd
import pytest

from pneumoscope.cohorts import Cohort
from pneumoscope.evaluation import Evaluation, Figure, evaluate, score_cohort
from pneumoscope.evaluation.summary import summarise
from pneumoscope.scoring import Predictor

Judged = tuple[Evaluation, pd.DataFrame, Predictor]


@pytest.fixture
def judged(predictor: Predictor, cohort: Cohort) -> Judged:
    predictions = score_cohort(predictor, cohort)
    return evaluate(predictions, predictor.spec, data="ours", bootstrap=100), predictions, predictor


def test_counts_of_a_thousand_are_those_of_the_decisions(judged: Judged) -> None:
    found, predictions, predictor = judged
    said = summarise(found, predictor.spec, predictions, cohort="ours").quality
    (tn, fp), (fn, tp) = found.chosen.confusion
    assert f"finds {round(1000 * tp / (tp + fn))} (" in said[0]
    assert said[0].endswith(f"misses {round(1000 * fn / (tp + fn))}.")
    assert f"it calls {round(1000 * fp / (fp + tn))} (" in said[1]
    low, high = found.chosen.specificity.low, found.chosen.specificity.high
    assert low is not None
    assert high is not None
    assert f"({round(1000 * (1 - high))} to {round(1000 * (1 - low))})" in said[1]


@pytest.mark.parametrize(
    ("intercept", "slope", "words"),
    [
        ((-2.0, -1.0), (0.8, 1.2), "are too high:"),
        ((1.0, 2.0), (0.2, 0.6), "are too low and too extreme:"),
        ((-0.5, 0.5), (1.1, 1.6), "are not extreme enough:"),
        ((-0.5, 0.5), (0.8, 1.2), "show no sign"),
        (None, (0.8, 1.2), "do not tell"),
    ],
)
def test_what_is_said_of_probabilities(
    judged: Judged, intercept: tuple[float, float] | None, slope: tuple[float, float], words: str
) -> None:
    found, predictions, predictor = judged
    changed = found.model_copy(
        update={
            "calibration_intercept": Figure(value=0, low=intercept[0], high=intercept[1])
            if intercept
            else Figure(value=None),
            "calibration_slope": Figure(value=1, low=slope[0], high=slope[1]),
        }
    )
    assert words in summarise(changed, predictor.spec, predictions, cohort="ours").quality[-1]


def test_films_that_a_model_learnt_on_are_named_as_such(judged: Judged) -> None:
    found, predictions, predictor = judged
    spec = predictor.spec.model_copy(
        update={
            "data": ({"name": "ours + theirs", "split": "train", "films": 9}, {"name": "ours + theirs", "films": 1})
        }
    )
    assert summarise(found, spec, predictions, cohort="ours").caution == "", "films of the test split"
    val = predictions.assign(split="val")
    assert "Every figure here flatters it" in summarise(found, spec, val, cohort="ours").caution
    assert summarise(found, spec, val, cohort="others").caution.startswith("These films are of split val. If ")
    assert "It learnt on 10 films of ours + theirs." in summarise(found, spec, val, cohort="ours").audience


def test_ages(judged: Judged) -> None:
    found, predictions, predictor = judged
    open_ = summarise(found, predictor.spec, predictions, cohort="ours")
    assert open_.audience[0] == "Which ages it learnt on is not recorded, on frontal chest films."
    spec = predictor.spec.model_copy(update={"ages": (1.0, 5.0)})
    said = summarise(found, spec, predictions, cohort="ours")
    assert said.audience[0] == "Patients aged 1 to 5 years, on frontal chest films."
    assert said.audience[-1] == "The patients judged here are 4 to 33 years old, half of them up to 18.5; 2 not known."
    assert "on patients younger than 1 or older than 5 years: it learnt on none" in said.not_for
    unknown = predictions.assign(age=float("nan"))
    assert summarise(found, spec, unknown, cohort="ours").audience[-1].endswith("judged here is not known.")


def test_one_class_has_no_figures_that_need_two(judged: Judged) -> None:
    _, predictions, predictor = judged
    normal = predictions[predictions["label"] == 0]
    found = evaluate(normal, predictor.spec, data="normal", bootstrap=100)
    said = summarise(found, predictor.spec, normal, cohort="ours")
    assert not any("with pneumonia it finds" in sentence for sentence in said.quality)
    assert not any("ROC AUC" in sentence for sentence in said.quality)
    assert "its films are of one class only" in said.not_for[-1]
