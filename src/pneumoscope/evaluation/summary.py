"""The report's first screen: what was judged, how good it is and when not to use it, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pneumoscope.bundle import BundleSpec
from pneumoscope.evaluation.evaluate import Evaluation
from pneumoscope.evaluation.intervals import Figure

LEARNT_ON = {"train", "val"}
"""Splits that training, calibration and thresholds use."""


@dataclass(frozen=True)
class Summary:
    """Sentences for a reader who knows films and patients, and no statistics.

    Attributes:
        caution: why every figure flatters the model; empty where nothing is known to.
        audience: for whom the model is.
        quality: how good it is, with 95% intervals.
        not_for: what it must not be used for; each continues "Do not use it".
    """

    caution: str
    audience: tuple[str, ...]
    quality: tuple[str, ...]
    not_for: tuple[str, ...]


def summarise(evaluation: Evaluation, spec: BundleSpec, predictions: pd.DataFrame, *, cohort: str) -> Summary:
    """Say in plain words what an evaluation found.

    Args:
        evaluation: from :func:`evaluate`.
        spec: of the model.
        predictions: from :func:`score_cohort`.
        cohort: name of the data set, as a bundle records it.
    """
    return Summary(
        caution=_caution(spec, set(predictions["split"].dropna()), cohort),
        audience=_audience(spec, predictions),
        quality=_quality(evaluation),
        not_for=_not_for(evaluation, spec),
    )


def trained_on(spec: BundleSpec) -> dict[str, int]:
    """Collections that a model learnt on, each with its number of films; collections used together stay so."""
    films: dict[str, int] = {}
    for part in spec.data:
        name = str(part.get("name"))
        films[name] = films.get(name, 0) + int(part.get("films", 0))
    return films


def shares_collection(spec: BundleSpec, cohort: str) -> bool:
    """Whether a model learnt on a collection that is also judged on, by their names."""
    learnt = {name for names in trained_on(spec) for name in names.split(" + ")}
    return bool(learnt & set(cohort.split(" + ")))


def years(ages: tuple[float, float]) -> str:
    """``1 to 5 years``."""
    return f"{ages[0]:g} to {ages[1]:g} years"


def _caution(spec: BundleSpec, splits: set[str], cohort: str) -> str:
    seen = " and ".join(sorted(splits & LEARNT_ON))
    if not seen:
        return ""
    if shares_collection(spec, cohort):
        return (
            f"This model learnt, or chose its calibration and thresholds, on {cohort}, of which these are the films "
            f"of split {seen}. Every figure here flatters it."
        )
    return f"These films are of split {seen}. If the model learnt or was chosen on them, every figure here flatters it."


def _audience(spec: BundleSpec, predictions: pd.DataFrame) -> tuple[str, ...]:
    learnt = " and ".join(f"{count:,} films of {name}" for name, count in trained_on(spec).items())
    ages = f"Patients aged {years(spec.ages)}" if spec.ages else "Which ages it learnt on is not recorded"
    sentences = [
        f"{ages}, on frontal chest films.",
        f"It learnt on {learnt}." if learnt else "Which films it learnt on is not recorded.",
        f"It sees a film at {spec.input.size} × {spec.input.size} pixels; finer detail is lost to it.",
    ]
    known = predictions["age"].dropna()
    if len(known):
        sentences.append(
            f"The patients judged here are {known.min():g} to {known.max():g} years old, half of them up to "
            f"{known.median():g}{_unknown(len(predictions) - len(known))}."
        )
    else:
        sentences.append("The age of the patients judged here is not known.")
    return tuple(sentences)


def _quality(evaluation: Evaluation) -> tuple[str, ...]:
    at = evaluation.chosen
    sentences = []
    if at.sensitivity.value is not None:
        missed = round(1000 * (1 - at.sensitivity.value))
        sentences.append(f"Of 1,000 films with pneumonia it finds {_thousand(at.sensitivity)} and misses {missed:,}.")
    if at.specificity.value is not None:
        alarms = _complement(at.specificity)
        sentences.append(f"Of 1,000 normal films it calls {_thousand(alarms)} pneumonia: false alarms.")
    if evaluation.roc_auc.value is not None:
        sentences.append(
            "Of two films, one of them with pneumonia, that one gets the higher score in "
            f"{_percent(evaluation.roc_auc)} of pairs (ROC AUC)."
        )
    if at.ppv.value is not None and at.npv.value is not None:
        sentences.append(
            f"Here {evaluation.prevalence:.1%} of films show pneumonia; of films that it calls pneumonia "
            f"{_percent(at.ppv)} do, and of those that it calls normal {_percent(at.npv)} are. "
            "Where pneumonia is rarer, more of its calls are false alarms."
        )
    sentences.append(_calibrated(evaluation.calibration_intercept, evaluation.calibration_slope))
    return tuple(sentences)


def _calibrated(intercept: Figure, slope: Figure) -> str:
    if intercept.low is None or intercept.high is None or slope.low is None or slope.high is None:
        return "Whether its probabilities can be read as frequencies, these films do not tell."
    # The intercept is that of observed on predicted log odds: below 0, fewer films are ill than was said.
    found = [
        word
        for word, holds in (
            ("too high", intercept.high < 0),
            ("too low", intercept.low > 0),
            ("too extreme", slope.high < 1),
            ("not extreme enough", slope.low > 1),
        )
        if holds
    ]
    if found:
        return f"On these films its probabilities are {' and '.join(found)}: they rank films, but are no frequencies."
    return "On these films its probabilities show no sign of being too high, too low or too extreme."


def _not_for(evaluation: Evaluation, spec: BundleSpec) -> tuple[str, ...]:
    reasons = [
        "for any decision about a patient: research only, never a diagnosis",
        f"on patients younger than {spec.ages[0]:g} or older than {spec.ages[1]:g} years: it learnt on none"
        if spec.ages
        else "on patients of an age that it was not judged on",
        "at another hospital or on another machine, before it was judged there",
        "for anything but pneumonia: a film that it calls normal may show another disease",
        "on lateral films or other parts of the body",
        "to say where disease is: a heat map shows where the score came from, coarsely",
    ]
    if not (evaluation.normal and evaluation.pneumonia):
        reasons.append("on the strength of this report: its films are of one class only")
    return tuple(reasons)


def _thousand(figure: Figure) -> str:
    assert figure.value is not None
    assert figure.low is not None
    assert figure.high is not None  # a proportion that has a value has Wilson's interval
    return f"{round(1000 * figure.value):,} ({round(1000 * figure.low):,} to {round(1000 * figure.high):,})"


def _complement(figure: Figure) -> Figure:
    assert figure.value is not None
    assert figure.low is not None
    assert figure.high is not None
    return Figure(value=1 - figure.value, low=1 - figure.high, high=1 - figure.low)


def _percent(figure: Figure) -> str:
    assert figure.value is not None
    between = "" if figure.low is None or figure.high is None else f" ({figure.low:.1%} to {figure.high:.1%})"
    return f"{figure.value:.1%}{between}"


def _unknown(count: int) -> str:
    return f"; {count:,} not known" if count else ""


def listed(values: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(values[:-1]), values[-1]]) if len(values) > 1 else "".join(values)
