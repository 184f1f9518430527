from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from pneumoscope.evaluation import delong
from pneumoscope.experiments.cells import CellScores
from pneumoscope.experiments.films import Partition
from pneumoscope.experiments.judge import Bench, Judge, verdict

DRAW = np.random.default_rng(5)
FILMS = 400
LABELS = DRAW.integers(0, 2, FILMS)
PART = Partition(training=np.arange(0), validation=np.arange(100), judged=np.arange(100, FILMS))
JUDGE = Judge("patients", "", ("one",))


def scores(noise: float) -> CellScores:
    logits = 2.0 * LABELS - 1 + np.random.default_rng(round(noise * 10)).normal(0, noise, FILMS)
    return CellScores(logits[:100], logits[100:], logits[100:] - 1.5)


def bench(judge: Judge = JUDGE, groups: np.ndarray | None = None) -> Bench:
    groups = np.arange(FILMS) if groups is None else groups
    return Bench(judge, {"one": PART}, LABELS, groups, bootstrap=2000, seed=0)


def test_figures_agree_with_scikit_learn_and_delong() -> None:
    better, worse = scores(1.2), scores(2.0)
    both = [bench().measure([one]) for one in (better, worse)]
    judged = LABELS[100:]
    assert both[0].value["roc_auc"] == pytest.approx(roc_auc_score(judged, better.judged))
    found = verdict(both[1], both[0])
    areas, covariance = delong(judged, np.stack([worse.judged, better.judged]))
    spread = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference = found.differences["roc_auc"]
    assert difference.value == pytest.approx(areas[0] - areas[1])
    assert difference.low is not None
    assert difference.high is not None
    assert difference.high - difference.low == pytest.approx(2 * 1.96 * spread, rel=0.1)
    assert verdict(both[0], None).differences == {}
    same = verdict(both[0], both[0]).differences
    assert all((figure.value, figure.low, figure.high) == (0, 0, 0) for figure in same.values())


def test_decisions_are_at_the_balanced_threshold_of_calibrated_validation_films() -> None:
    found = bench().measure([scores(1.2)]).value
    judged = LABELS[100:]
    assert found["accuracy"] == pytest.approx(
        (found["sensitivity"] * judged.sum() + found["specificity"] * (1 - judged).sum()) / len(judged)
    )
    flat = CellScores(scores(1.2).validation, np.where(judged == 1, 9.0, -9.0), None)
    sure = bench().measure([flat]).value
    assert sure["accuracy"] == 1
    assert sure["brier"] == pytest.approx(brier_score_loss(judged, judged.astype(float)), abs=1e-3)


def test_shifted_scores_are_judged_by_the_unshifted_threshold() -> None:
    plain = bench().measure([scores(1.2)]).value
    shifted = bench(Judge("shifted", "", ("one",), shifted=True)).measure([scores(1.2)]).value
    assert shifted["roc_auc"] == pytest.approx(plain["roc_auc"]), "a shift of all scores ranks alike"
    assert shifted["sensitivity"] < plain["sensitivity"]
    assert shifted["specificity"] > plain["specificity"]


def test_patients_are_drawn_whole() -> None:
    """Ten equal films of each of 30 patients say no more than 30 films, so intervals are √10 times as wide."""
    patients = np.arange(300) // 10
    labels = np.concatenate([np.tile([0, 1], 50), patients % 2])
    part = Partition(training=np.arange(0), validation=np.arange(100), judged=np.arange(100, 400))
    draw = np.random.default_rng(1)
    logits = np.concatenate([2.0 * labels[:100] - 1, (2.0 * np.arange(30) % 2 - 1 + draw.normal(0, 2, 30))[patients]])
    spreads = []
    for groups in (np.arange(400), np.concatenate([np.arange(100), 100 + patients])):
        made = Bench(JUDGE, {"one": part}, labels, groups, bootstrap=2000, seed=0)
        resampled = made.measure([CellScores(logits[:100], logits[100:], None)]).resampled["accuracy"]
        spreads.append(np.std(resampled))
    assert spreads[1] / spreads[0] == pytest.approx(np.sqrt(10), rel=0.15)


def test_contrary_films_alone_judge() -> None:
    kept = np.random.default_rng(8).random(300) < 0.3
    made = Bench(
        Judge("patients-contrary-layout", "", ("one",), contrary="layout"),
        {"one": PART},
        LABELS,
        np.arange(FILMS),
        contrary={"layout": {"one": kept}},
        bootstrap=100,
        seed=0,
    )
    one = scores(1.2)
    assert made.measure([one]).value["roc_auc"] == pytest.approx(roc_auc_score(LABELS[100:][kept], one.judged[kept]))
    assert made.measure([one]).value["brier"] != bench().measure([one]).value["brier"]
