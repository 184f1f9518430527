"""The pictures of tests that go beyond the films as they are: worse films, and heat maps put to the test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from pneumoscope.evaluation.canvas import CELL, INK, NORMAL, PNEUMONIA, QUIET, Drawing, figure, legend, style
from pneumoscope.evaluation.evaluate import Evaluation
from pneumoscope.evaluation.explanations import ORDER_NAMES, PART_NAMES, ExplanationTests
from pneumoscope.evaluation.intervals import Figure
from pneumoscope.evaluation.robustness import Condition, Robustness, Series

COLUMNS = 4
"""Small multiples beside each other."""
ORDER_COLOURS = {"map": PNEUMONIA, "random": INK, "centre": NORMAL}


def draw_tests(evaluation: Evaluation) -> list[Drawing]:
    """The figures of the tests that were made."""
    drawings = []
    if (robustness := evaluation.robustness) is not None:
        description = (
            f"ROC AUC and balanced accuracy at “{robustness.operating_point.name}” of {robustness.films} films, 95% "
            "intervals, from the films before the change (0, own) to the highest severity or level."
        )
        drawings.append(Drawing("robustness", "Robustness", description, _robustness(robustness)))
    if (tests := evaluation.explanations) is not None:
        if tests.erasures:
            description = (
                f"Mean probability of {tests.erased} films called pneumonia while they are taken away, or brought in, "
                "in three orders."
            )
            drawings.append(Drawing("erasure", "Deletion and insertion", description, _erasure(tests)))
        if tests.other_film.rank_correlation.value is not None:
            description = (
                f"Mean likeness of {tests.evidence} films’ maps to those of networks with random weights, with 95% "
                "intervals; 1 is the same map."
            )
            drawings.append(Drawing("randomisation", "Likeness of maps", description, _likeness(tests)))
    return drawings


def _robustness(robustness: Robustness) -> Picture:
    shown = [*robustness.corruptions, *robustness.ranges]
    rows = -(-len(shown) // COLUMNS)
    picture = figure(2.45 * COLUMNS, 1.95 * rows + 0.3)
    grid = picture.subplots(rows, COLUMNS, sharey=True, squeeze=False).ravel()
    for index, (axes, series) in enumerate(zip(grid, shown, strict=False)):
        start = robustness.at_side if series in robustness.corruptions else robustness.untouched
        _multiple(axes, series, start)
        if index % COLUMNS == 0:
            axes.set_ylabel("share", fontsize=8, color=INK)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    _legend_above(picture, grid[0])
    return picture


def _multiple(axes: Axes, series: Series, start: Condition) -> None:
    style(axes, "", "")
    axes.set_title(series.title, fontsize=9, color=INK)
    points = _points(series, start)
    places = np.arange(len(points))
    _band(axes, places, [at.roc_auc for at in points], INK, "ROC AUC", "o")
    right = [_turned(at.balanced_error) for at in points]
    _band(axes, places, right, PNEUMONIA, "balanced accuracy", "s")
    untouched = "0" if start.severity == 0 or points[0] is not start else "own"
    names = [untouched if at is start else f"{at.severity or f'{at.level:g}'}" for at in points]
    axes.set_xticks(places, names)
    axes.set_ylim(0.4, 1.02)


def _points(series: Series, start: Condition) -> list[Condition]:
    """The conditions with the one that they start from, which a range to both sides has in its middle."""
    below = [at for at in series.conditions if at.level < 0]
    return [*below, start, *(at for at in series.conditions if at.level >= 0)]


def _band(axes: Axes, places: np.ndarray, figures: Sequence[Figure], colour: str, label: str, marker: str) -> None:
    values, lows, highs = (
        [np.nan if (found := getattr(at, key)) is None else found for at in figures] for key in ("value", "low", "high")
    )
    axes.fill_between(places, lows, highs, color=colour, alpha=0.15, linewidth=0)
    axes.plot(places, values, marker=marker, markersize=3.5, color=colour, linewidth=1.3, label=label)


def _turned(error: Figure) -> Figure:
    """1 − an error, with its interval."""
    ends = (None if end is None else 1 - end for end in (error.value, error.high, error.low))
    value, low, high = ends
    return Figure(value=value, low=low, high=high)


def _erasure(tests: ExplanationTests) -> Picture:
    picture = figure(8.4, 3.7)
    for axes, kind in zip(picture.subplots(1, 2, sharey=True), ("deletion", "insertion"), strict=True):
        done = "taken away" if kind == "deletion" else "brought in"
        style(axes, f"Share of the film {done}", "Mean probability" if kind == "deletion" else "")
        axes.set_title(kind.capitalize(), fontsize=9, color=INK)
        for erasure in tests.erasures:
            curve, colour = getattr(erasure, kind), ORDER_COLOURS[erasure.order]
            axes.plot(
                np.linspace(0, 1, len(curve)), curve, color=colour, linewidth=1.7, label=ORDER_NAMES[erasure.order]
            )
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    _legend_above(picture, axes)
    return picture


def _legend_above(picture: Picture, axes: Axes) -> None:
    """One legend for axes that show the same things."""
    handles, labels = axes.get_legend_handles_labels()
    picture.legend(
        handles, labels, loc="outside upper center", ncols=len(labels), fontsize=8, frameon=False, labelcolor=INK
    )


def _likeness(tests: ExplanationTests) -> Picture:
    lines = [(PART_NAMES.get(part, part), found) for part, found in tests.randomised.items()]
    lines += [("another film’s map", tests.other_film), ("mirrored film’s map", tests.mirrored)]
    picture = figure(6.2, 0.9 + 0.38 * len(lines))
    axes = picture.subplots()
    style(axes, "Mean likeness to the true map", "")
    for shift, key, name, colour, marker in (
        (-0.12, "rank_correlation", "rank correlation", INK, "o"),
        (0.12, "structural_similarity", "structural similarity", CELL, "s"),
    ):
        for row, (_, found) in enumerate(lines):
            at = getattr(found, key)
            if at.low is not None and at.high is not None:
                axes.plot([at.low, at.high], [row + shift] * 2, color=colour, linewidth=1.4)
            axes.plot(at.value, row + shift, marker, color=colour, markersize=5, label=name if row == 0 else None)
    axes.axvline(0, color=QUIET, linewidth=1, linestyle=":")
    axes.set_yticks(range(len(lines)), [name for name, _ in lines])
    axes.set(ylim=(len(lines) - 0.5, -0.5), xlim=(-0.55, 1.05))
    legend(axes, "lower left")
    return picture
