"""The pictures of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pneumoscope.bundle import OperatingPoint
from pneumoscope.evaluation.canvas import CELL, INK, NORMAL, PNEUMONIA, QUIET, Drawing
from pneumoscope.evaluation.canvas import figure as _figure
from pneumoscope.evaluation.canvas import legend as _legend
from pneumoscope.evaluation.canvas import plain as _plain
from pneumoscope.evaluation.canvas import square as _square
from pneumoscope.evaluation.canvas import style as _style
from pneumoscope.evaluation.decisions import Confusion
from pneumoscope.evaluation.evaluate import Evaluation, headings, threshold_name
from pneumoscope.evaluation.ranking import tally

MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h")
TICKS = (0.5, 0.1, 0.9, 0.01, 0.99, 0.001, 0.999)
"""Probabilities that are marked on an axis of log odds, as far as there is room; the first come first."""


CURVE_WORDS = (
    "Cases found per film, less the false alarms at the price that the threshold puts on them (Vickers & Elkin 2006), "
    "with its 95% interval. Where the curve is not above both lines, the model is of no use to who acts from there on."
)


class Films(NamedTuple):
    """The films of an evaluation: ``labels`` (N,) of 0 and 1, ``scores`` (N,) calibrated logits, ``probability``."""

    labels: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]


def draw_all(evaluation: Evaluation, films: Films, points: Sequence[OperatingPoint]) -> list[Drawing]:
    """Every figure that the films allow: curves need both classes."""
    drawings = [
        Drawing("calibration", "Calibration", _calibration_words(evaluation), _calibration(evaluation, films)),
        Drawing(
            "scores",
            "Scores by class",
            "Histogram of the calibrated probabilities on a scale of log odds, normal and pneumonia films apart.",
            _histogram(evaluation, films),
        ),
        Drawing(
            "confusion",
            "Confusion matrices",
            "; ".join(f"{title}: {_counts(at.confusion)}" for title, at in headings(evaluation)) + ".",
            _confusion(evaluation),
        ),
    ]
    if evaluation.normal and evaluation.pneumonia:
        auc = evaluation.roc_auc.text()
        drawings[:0] = [
            Drawing(
                "roc", "ROC curve", f"Sensitivity against false alarms; area {auc}.", _roc(evaluation, films, points)
            ),
            Drawing(
                "precision-recall",
                "Precision and recall",
                f"PPV against sensitivity; average precision {evaluation.pr_auc.text()}.",
                _precision_recall(evaluation, films),
            ),
        ]
        drawings.append(Drawing("decision-curve", "Decision curve", CURVE_WORDS, _decision_curve(evaluation)))
    if evaluation.subgroups:
        drawings.append(Drawing("subgroups", "Subgroups", _subgroup_words(evaluation), _forest(evaluation)))
    return drawings


def _roc(evaluation: Evaluation, films: Films, points: Sequence[OperatingPoint]) -> Figure:
    figure, axes = _square("1 − specificity", "Sensitivity")
    true, false = tally(films.labels, films.scores)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":")
    axes.plot(false / false[-1], true / true[-1], color=INK, linewidth=1.8, label=f"AUC {evaluation.roc_auc.text()}")
    for marker, point in zip(cycle(MARKERS), points, strict=False):
        called = films.probability >= point.threshold
        x, y = (float(called[films.labels == label].mean()) for label in (0, 1))
        name = f"{point.name} ({point.threshold:.3f})"
        axes.plot(x, y, marker, color=PNEUMONIA, markersize=6, markeredgecolor="white", label=name)
    if evaluation.reference:
        (tn, fp), (fn, tp) = evaluation.reference.decisions.confusion
        place = fp / (tn + fp), tp / (fn + tp)
        axes.plot(*place, "*", color=NORMAL, markersize=11, markeredgecolor="white", label=evaluation.reference.name)
    _legend(axes, "lower right")
    return figure


def _precision_recall(evaluation: Evaluation, films: Films) -> Figure:
    figure, axes = _square("Sensitivity (recall)", "PPV (precision)")
    true, false = tally(films.labels, films.scores)
    recall, precision = true[1:] / true[-1], true[1:] / (true[1:] + false[1:])
    axes.axhline(evaluation.prevalence, color=QUIET, linewidth=1, linestyle=":", label="calling every film pneumonia")
    label = f"average precision {evaluation.pr_auc.text()}"
    axes.step(np.insert(recall, 0, 0), np.insert(precision, 0, precision[0]), color=INK, linewidth=1.8, label=label)
    for marker, at in zip(cycle(MARKERS), evaluation.decisions, strict=False):
        if at.ppv.value is not None and at.sensitivity.value is not None:
            name = threshold_name(at.operating_point)
            place = at.sensitivity.value, at.ppv.value
            axes.plot(*place, marker, color=PNEUMONIA, markersize=6, markeredgecolor="white", label=name)
    _legend(axes, "lower left")
    return figure


def _calibration(evaluation: Evaluation, films: Films) -> Figure:
    figure = _figure(4.4, 5.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    _style(upper, "", "Share with pneumonia")
    _style(lower, "Predicted probability of pneumonia", "Films")
    upper.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":", label="perfect calibration")
    bins = evaluation.calibration_bins
    found = [(part.observed.value or 0.0, part.observed.low or 0.0, part.observed.high or 0.0) for part in bins]
    values, lows, highs = np.array(found).T
    upper.errorbar(
        [part.predicted for part in bins],
        values,
        # Rounding may leave a bound on the wrong side of its value by 1e-17.
        yerr=np.maximum(0, [values - lows, highs - values]),
        fmt="o-",
        color=INK,
        ecolor=QUIET,
        elinewidth=1.2,
        markersize=4.5,
        label=f"{len(bins)} groups of {min(part.films for part in bins)} to {max(part.films for part in bins)} films",
    )
    upper.set(ylim=(-0.02, 1.02))
    _legend(upper, "upper left")
    shares = [films.probability[films.labels == label] for label in (0, 1)]
    lower.hist(shares, bins=list(np.linspace(0, 1, 21)), stacked=True, color=[NORMAL, PNEUMONIA])
    lower.set(xlim=(-0.02, 1.02))
    return figure


def _calibration_words(evaluation: Evaluation) -> str:
    return (
        f"Share of pneumonia among films of like probability: slope {evaluation.calibration_slope.text(2)}, intercept "
        f"{evaluation.calibration_intercept.text(2)}, expected calibration error "
        f"{evaluation.expected_calibration_error.text()}. Below, films by probability: normal blue, pneumonia orange."
    )


def _histogram(evaluation: Evaluation, films: Films) -> Figure:
    figure = _figure(4.6, 4.6)
    axes = figure.subplots()
    _style(axes, "Predicted probability of pneumonia (scale of log odds)", "Films")
    low, high = min(_odds(0.1), float(films.scores.min())) - 0.1, max(_odds(0.9), float(films.scores.max())) + 0.1
    edges = list(np.linspace(low, high, 36))
    for label, name, colour in ((0, "normal", NORMAL), (1, "pneumonia", PNEUMONIA)):
        chosen = films.scores[films.labels == label]
        axes.hist(chosen, bins=edges, color=colour, alpha=0.6, label=f"{name} ({len(chosen)})")
    for at, style in zip(evaluation.decisions, ("--", "-."), strict=False):
        if low < (place := _odds(at.operating_point.threshold)) < high:
            name = threshold_name(at.operating_point)
            axes.axvline(place, color=INK, linewidth=1.2, linestyle=style, label=f"threshold {name}")
    ticks: list[float] = []
    for tick in TICKS:
        free = all(abs(_odds(tick) - _odds(other)) > 0.09 * (high - low) for other in ticks)
        if free and low <= _odds(tick) <= high:
            ticks.append(tick)
    axes.set_xticks([_odds(tick) for tick in ticks], [f"{100 * tick:g}%" for tick in ticks])
    axes.set(xlim=(low, high))
    figure.legend(loc="outside upper center", ncols=2, fontsize=8, frameon=False, labelcolor=INK)
    return figure


def _decision_curve(evaluation: Evaluation) -> Figure:
    figure = _figure(4.6, 4.6)
    axes = figure.subplots()
    _style(axes, "Threshold probability from which a film is followed up", "Net benefit (cases found per film)")
    at = [step.threshold for step in evaluation.decision_curve]
    found = [step.model for step in evaluation.decision_curve]
    low, high = [part.low or 0.0 for part in found], [part.high or 0.0 for part in found]
    axes.axhline(0, color=QUIET, linewidth=1.2, linestyle=":", label="follow up none")
    axes.plot(at, [step.treat_all for step in evaluation.decision_curve], "--", color=NORMAL, label="follow up all")
    axes.fill_between(at, low, high, color=INK, alpha=0.15, linewidth=0)
    axes.plot(at, [part.value or 0.0 for part in found], color=INK, linewidth=1.8, label=evaluation.model)
    # Far below 0 a line only says that another choice is better.
    axes.set(xlim=(0, 1), ylim=(-0.1 * max(high), 1.05 * max(high)))
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False, labelcolor=INK)
    return figure


def _confusion(evaluation: Evaluation) -> Figure:
    shown = headings(evaluation)
    figure = _figure(2.9 * len(shown) + 0.4, 3.5)
    for index, (axes, (title, at)) in enumerate(zip(np.atleast_1d(figure.subplots(1, len(shown))), shown, strict=True)):
        axes.set_title(title, fontsize=9, color=INK)
        axes.set(xlim=(0, 2), ylim=(2, 0), aspect="equal")
        for row, cells in enumerate(at.confusion):
            for column, films in enumerate(cells):
                share = films / sum(cells) if sum(cells) else 0.0
                # Saturation, not the text's colour, carries the share, so that the text is legible everywhere.
                tint = Rectangle((column, row), 1, 1, facecolor=CELL, alpha=0.06 + 0.5 * share)
                axes.add_patch(tint)
                text = f"{films}\n{share:.1%}" if sum(cells) else "0"
                axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=11, color=INK)
        axes.set_xticks([0.5, 1.5], ["normal", "pneumonia"])
        axes.set_yticks([0.5, 1.5], ["normal", "pneumonia"] if index == 0 else ["", ""], rotation=90, va="center")
        _plain(axes)
        axes.set_xlabel("called", fontsize=9, color=INK)
        if index == 0:
            axes.set_ylabel("is", fontsize=9, color=INK)
    return figure


def _forest(evaluation: Evaluation) -> Figure:
    chosen = evaluation.chosen
    lines = [("all films", (evaluation.roc_auc, chosen.sensitivity, chosen.specificity))]
    for breakdown in evaluation.subgroups:
        for group in breakdown.groups:
            name = f"{breakdown.by}: {group.value} ({group.normal} + {group.pneumonia})"
            lines.append((name, (group.roc_auc, group.sensitivity, group.specificity)))
    figure = _figure(9.4, 1.1 + 0.26 * len(lines))
    for column, axes in enumerate(figure.subplots(1, 3, sharey=True)):
        _style(axes, ("ROC AUC", "Sensitivity", "Specificity")[column], "")
        for row, (_, figures) in enumerate(lines):
            found = figures[column]
            if found.value is None:
                continue
            colour = PNEUMONIA if row == 0 else INK
            if row == 0:
                axes.axvline(found.value, color=QUIET, linewidth=1, linestyle=":")
            if found.low is not None and found.high is not None:
                axes.plot([found.low, found.high], [row, row], color=colour, linewidth=1.4)
            axes.plot(found.value, row, "s", color=colour, markersize=4.5)
        axes.set_yticks(range(len(lines)), [name for name, _ in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)
    return figure


def _subgroup_words(evaluation: Evaluation) -> str:
    return (
        "Each part of the films (normal + pneumonia) with 95% intervals, decisions "
        f"{threshold_name(evaluation.chosen.operating_point)}; dotted, all films."
    )


def _counts(confusion: Confusion) -> str:
    (tn, fp), (fn, tp) = confusion
    return f"{tn} true negatives, {fp} false positives, {fn} false negatives, {tp} true positives"


def _odds(probability: float) -> float:
    with np.errstate(divide="ignore"):  # a threshold may be 0 or 1
        return float(np.log(probability) - np.log1p(-probability))
