"""How much worse a model gets on worse films: corruptions of rising severity, resolution, JPEG, window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.bundle import OperatingPoint
from pneumoscope.cohorts import Cohort
from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation.corruptions import MEDMNIST_C, RANGES, SIDE, Corruption, at_side
from pneumoscope.evaluation.intervals import Figure, percentile_interval
from pneumoscope.evaluation.ranking import RankedTies, rank, weighted_areas
from pneumoscope.evaluation.resampling import clusters, draw_films, resamples
from pneumoscope.radiograph import Radiograph
from pneumoscope.scoring import Predictor

SEVERITIES = (1, 2, 3, 4, 5)
QUICK_SEVERITIES = (1, 3, 5)
QUICK_FILMS = 100
FIGURES = ("roc_auc", "accuracy", "balanced_error", "error_increase")


class Measured(BaseModel):
    """The figures that are followed while films get worse, with percentile bootstrap intervals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    roc_auc: Figure
    accuracy: Figure
    balanced_error: Figure = Field(description="1 − (sensitivity + specificity) / 2, at the operating point")
    error_increase: Figure = Field(description="balanced error minus that of the same films before the change")


class Condition(Measured):
    """All films at one level of one corruption."""

    level: float
    severity: int | None = Field(description="1 … 5; null for a level of a range")
    films: int = Field(description="films with a score")
    refused: int = Field(description="films that were refused in this state and are in no figure of it")


class Series(BaseModel):
    """One corruption from mild to strong, or one range."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    meaning: str = Field(description="of the levels")
    conditions: tuple[Condition, ...]
    mean: Measured | None = Field(description="over the severities; null for a range")


class Robustness(BaseModel):
    """A model on films that were made worse on purpose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    films: int
    of: int = Field(description="films that were there to be drawn from")
    seed: int = Field(description="of the films that were drawn, of noise, and of the bootstrap")
    bootstrap: int = Field(description="resamples")
    severities: tuple[int, ...]
    side: int = Field(SIDE, description="pixels of the square that severities hold for")
    operating_point: OperatingPoint
    untouched: Condition = Field(description="the films as they are, from which ranges start")
    at_side: Condition = Field(description="the films at that size, from which the corruptions start")
    corruptions: tuple[Series, ...]
    ranges: tuple[Series, ...]
    mean: Measured = Field(description="over all corruptions and severities")


class _State(NamedTuple):
    """A corruption at a level, and the number of the state that it starts from."""

    corruption: Corruption
    level: float
    severity: int | None
    start: int


def measure_robustness(
    predictor: Predictor,
    cohort: Cohort,
    predictions: pd.DataFrame,
    *,
    operating_point: str | None = None,
    severities: Sequence[int] = SEVERITIES,
    films: int | None = None,
    seed: int = 0,
    bootstrap: int = 2000,
    progress: Callable[[int], None] | None = None,
) -> Robustness:
    """Score films that were made worse in each way and to each degree, on the road that ``predict`` takes.

    A film is read once and made worse as often as asked; severities apply to its square of :data:`SIDE` pixels,
    ranges to its own pixels. Films that are refused in a state are in none of its figures.

    Args:
        predictor: the model.
        cohort: the films.
        predictions: of these films, from :func:`score_cohort`.
        operating_point: where decisions are taken; the bundle's default if None.
        severities: of the corruptions, 1 … 5.
        films: how many to draw, both classes in their shares; None takes all.
        seed: of the draw, of noise and of the bootstrap.
        bootstrap: resamples over patients.
        progress: called with the number of scores newly done; there are :func:`states` for each film.

    Raises:
        EvaluationError: a severity that there is not, or no film with a score.
        ImageError: a film cannot be read any more.
    """
    plan = _plan(severities)
    scored = predictions[predictions["probability"].notna()]
    if scored.empty:
        raise EvaluationError(f"none of {len(predictions)} films has a score, so that none can get worse")
    chosen = draw_films(np.array(scored["label"], dtype=np.int64), films, seed)
    taken = scored.iloc[chosen]
    labels = np.array(taken["label"], dtype=np.int64)
    point = predictor.spec.operating_point(operating_point)
    logits, changed = _score(predictor, cohort, taken, plan, seed, progress)
    probability = predictor.spec.calibration.probability(logits)
    called = probability >= point.threshold  # NaN, which a refused film has, is not called
    starts = [0, 0, *(state.start for state in plan)]
    values, drawn = _bootstrap(labels, logits, called, starts, clusters(taken["patient_id"]), bootstrap, seed)

    def condition(state: int, level: float, severity: int | None) -> Condition:
        known = int(np.isfinite(logits[state]).sum())
        figures = _measured(values[state], drawn[:, state])
        return Condition(
            level=level, severity=severity, films=known, refused=len(labels) - known, **figures.model_dump()
        )

    def series(corruption: Corruption) -> Series:
        found = [2 + index for index, state in enumerate(plan) if state.corruption is corruption]
        if corruption.kind == "range":
            found = [state for state in found if changed[state]]
        means = _measured(values[found].mean(0), drawn[:, found].mean(1)) if corruption.kind == "severity" else None
        conditions = tuple(condition(state, plan[state - 2].level, plan[state - 2].severity) for state in found)
        return Series(
            name=corruption.name,
            title=corruption.title,
            meaning=corruption.meaning,
            conditions=conditions,
            mean=means,
        )

    severe = [2 + index for index, state in enumerate(plan) if state.severity]
    ranges = (series(corruption) for corruption in RANGES)
    return Robustness(
        films=len(labels),
        of=len(scored),
        seed=seed,
        bootstrap=bootstrap,
        severities=tuple(sorted(set(severities))),
        operating_point=point,
        untouched=condition(0, 0.0, None),
        at_side=condition(1, 0.0, 0),
        corruptions=tuple(series(corruption) for corruption in MEDMNIST_C),
        ranges=tuple(one for one in ranges if one.conditions),
        mean=_measured(values[severe].mean(0), drawn[:, severe].mean(1)),
    )


def states(severities: Sequence[int]) -> int:
    """Scores that each film takes.

    Raises:
        EvaluationError: a severity that there is not.
    """
    return len(_plan(severities)) + 1


def _plan(severities: Sequence[int]) -> list[_State]:
    if not severities or set(severities) - set(SEVERITIES):
        raise EvaluationError(f"severities {', '.join(map(str, severities)) or 'none'}: name some of 1, 2, 3, 4, 5")
    plan = [
        _State(corruption, corruption.levels[severity - 1], severity, 1)
        for corruption in MEDMNIST_C
        for severity in sorted(set(severities))
    ]
    return plan + [_State(corruption, level, None, 0) for corruption in RANGES for level in corruption.levels]


def _score(
    predictor: Predictor,
    cohort: Cohort,
    taken: pd.DataFrame,
    plan: Sequence[_State],
    seed: int,
    progress: Callable[[int], None] | None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """(C, N) logits of each state of each film, NaN where it was refused; and (C,) whether any film was changed.

    State 0 is the film as it is, whose score is known, and 1 its square at :data:`SIDE`; then come those of the plan.
    """
    logits = np.full((2 + len(plan), len(taken)), np.nan)
    logits[0] = np.array(taken["logit"], dtype=np.float64)
    changed = np.zeros(len(logits), dtype=bool)
    order: list[tuple[int, int]] = []

    def films() -> Iterator[Radiograph]:
        for column, row in enumerate(taken.index):
            film = cohort.read(int(row))
            square = at_side(film.pixels, predictor.spec.input.fit)
            order.append((1, column))
            yield replace(film, pixels=square)
            for number, state in enumerate(plan, 2):
                before = film.pixels if state.start == 0 else square
                after = state.corruption.apply(before, state.level, seed=seed)
                if state.start == 0 and np.array_equal(after, before):
                    logits[number, column] = logits[0, column]
                    if progress:
                        progress(1)
                    continue
                changed[number] = True
                order.append((number, column))
                yield replace(film, pixels=after)

    for position, scored in enumerate(predictor.predict(films())):
        said = scored.prediction
        if said.logit is not None:
            logits[order[position]] = said.logit
        if progress:
            progress(1)
    return logits, changed


def _bootstrap(
    labels: npt.NDArray[np.int64],
    logits: npt.NDArray[np.float64],
    called: npt.NDArray[np.bool_],
    starts: Sequence[int],
    groups: npt.NDArray[np.int64],
    count: int,
    seed: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Figures (C, 4) of each state, and (B, C, 4) of each resample, in the order of :data:`FIGURES`."""
    known = np.isfinite(logits)
    ties = [rank(np.where(mask, row, 0.0)) for mask, row in zip(known, logits, strict=True)]

    def figures(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        made = np.empty((len(weights), len(logits), len(FIGURES)))
        for state, start in enumerate(starts):
            mask = known[state] & known[start]
            made[:, state] = _figures(labels, called[state], known[state], ties[state], weights)
            before = _balanced_error(labels, called[start], mask, weights)
            made[:, state, 3] = _balanced_error(labels, called[state], mask, weights) - before
        return made

    blocks = [figures(weights) for weights in resamples(groups, count, seed)]
    return figures(np.ones((1, len(labels))))[0], np.concatenate(blocks)


def _figures(
    labels: npt.NDArray[np.int64],
    called: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_],
    ties: RankedTies,
    weights: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    weighted = weights * known
    area = weighted_areas(labels, ties, weighted)[0]
    right = (called == (labels == 1)).astype(float)
    with np.errstate(invalid="ignore"):
        accuracy = weighted @ right / weighted.sum(1)
    error = _balanced_error(labels, called, known, weights)
    return np.column_stack([area, accuracy, error, np.zeros(len(weights))])


def _balanced_error(
    labels: npt.NDArray[np.int64],
    called: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """(B,) mean of the shares of each class that are called wrongly, NaN where a class is missing."""
    wrong = called != (labels == 1)
    total = np.zeros(len(weights))
    for label in (0, 1):
        of_class = known & (labels == label)
        with np.errstate(invalid="ignore"):
            total += weights @ (of_class & wrong).astype(float) / (weights @ of_class.astype(float))
    return total / 2


def _measured(values: npt.NDArray[np.float64], drawn: npt.NDArray[np.float64]) -> Measured:
    """Four figures (4,) with intervals from their resamples (B, 4).

    A figure that no resample changes, such as the area of scores that separate the films wholly, has no interval: there
    were too few films, which is no certainty.
    """
    figures: dict[str, Any] = {}
    for place, name in enumerate(FIGURES):
        figure = percentile_interval(float(values[place]), drawn[:, place])
        figures[name] = Figure(value=figure.value) if figure.low == figure.high else figure
    return Measured(**figures)
