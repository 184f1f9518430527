"""Tests of a model's heat maps on a sample of films: randomised weights, deletion and insertion, mirroring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import gaussian_filter

from pneumoscope.bundle import Bundle
from pneumoscope.cohorts import Cohort
from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation.explanations import ORDERS, Erasure, ExplanationTests, Gain, Order, Similarity
from pneumoscope.evaluation.intervals import Figure, percentile_interval, proportion
from pneumoscope.evaluation.resampling import clusters, draw_films, resamples
from pneumoscope.explanation.faithfulness import (
    CASCADE,
    STEPS,
    area,
    half_films,
    mirrored_back,
    orders,
    randomised_maps,
    rank_correlation,
    structural_similarity,
)
from pneumoscope.scoring import Predictor, Scores, score_pixels

FILMS = 100
"""Films that maps are tested on, where nobody says otherwise; of half of them parts are taken away."""
QUICK_FILMS = 40
DRAWS = 3
"""Random networks for each depth."""
FEWEST = 10
"""Films below which a mean says nothing."""
BLUR = 0.1
"""Standard deviation, as a share of the network's input, of a blur that leaves nothing of a lung."""


class _Mean(NamedTuple):
    """Means over films with bootstrap intervals; ``groups`` (N,) are the films' patients."""

    groups: npt.NDArray[np.int64]
    bootstrap: int
    seed: int

    def __call__(self, values: npt.NDArray[np.float64], chosen: npt.NDArray[np.intp] | None = None) -> Figure:
        groups = self.groups if chosen is None else self.groups[chosen]
        if len(values) < FEWEST:
            return Figure(value=None)
        codes = np.unique(groups, return_inverse=True)[1].astype(np.int64)
        drawn = [weights @ values / weights.sum(1) for weights in resamples(codes, self.bootstrap, self.seed)]
        return percentile_interval(float(values.mean()), np.concatenate(drawn))


def measure_explanations(
    bundle: Bundle,
    predictor: Predictor,
    cohort: Cohort,
    predictions: pd.DataFrame,
    *,
    operating_point: str | None = None,
    films: int = FILMS,
    seed: int = 0,
    bootstrap: int = 2000,
    progress: Callable[[int], None] | None = None,
) -> ExplanationTests:
    """Test the saliency map by randomised weights, by taking films away, and by mirroring.

    What is taken away from a film is filled from a film that the model calls normal, drawn at random: a blur or a
    level grey is no neutral ground for a model that takes missing structure for disease (see ``blurred``).

    Args:
        bundle: the model; its weights are randomised in a copy.
        predictor: the same model.
        cohort: the films.
        predictions: of these films, from :func:`score_cohort`.
        operating_point: where decisions are taken; the bundle's default if None.
        films: how many to draw, both classes in their shares.
        seed: of the draw, the random weights, orders and fillings, and the bootstrap.
        bootstrap: resamples over patients.
        progress: called with the number of passes newly done; there are :func:`passes` in all.

    Raises:
        EvaluationError: no film has a score.
        CohortError: a film cannot be read any more.
    """
    scored = predictions[predictions["probability"].notna()]
    if scored.empty:
        raise EvaluationError(f"none of {len(predictions)} films has a score, so that there is no map to test")
    taken = scored.iloc[draw_films(np.array(scored["label"], dtype=np.int64), films, seed)]
    spec = predictor.spec.input
    pixels = replace(cohort, cases=cohort.cases.loc[taken.index].reset_index(drop=True)).pixels(spec.size, spec.fit)
    mean = _Mean(clusters(taken["patient_id"]), bootstrap, seed)
    own = score_pixels(predictor.runtime, pixels, progress=progress)
    flipped = score_pixels(predictor.runtime, np.ascontiguousarray(pixels[:, :, ::-1]), progress=progress)
    before, after = (_probability(predictor, scores) for scores in (own, flipped))
    called = before >= predictor.spec.operating_point(operating_point).threshold
    turned = called != (after >= predictor.spec.operating_point(operating_point).threshold)

    evidence = np.flatnonzero(own.saliency.any((1, 2)))
    maps = own.saliency[evidence]

    def similarity(*others: npt.NDArray[np.float32]) -> Similarity:
        """Of the maps to others, the mean where there are several."""
        if len(maps) < FEWEST:
            return Similarity(rank_correlation=Figure(value=None), structural_similarity=Figure(value=None))
        ranks = np.mean([rank_correlation(maps, one) for one in others], axis=0)
        structure = np.mean([structural_similarity(maps, one, spec) for one in others], axis=0)
        return Similarity(rank_correlation=mean(ranks, evidence), structural_similarity=mean(structure, evidence))

    network = bundle.network()
    random = randomised_maps(network, pixels[evidence], draws=DRAWS, seed=seed, progress=progress) if len(maps) else {}
    healthy = np.flatnonzero(~called)
    ill = np.random.default_rng(seed).permutation(evidence[called[evidence]])[: films // 2 if len(healthy) else 0]
    curves = _erase(predictor, pixels, own.saliency, before, ill, healthy, seed, progress)
    blurred = score_pixels(predictor.runtime, _blurred(pixels[ill])) if len(ill) else None
    areas = {order: area(found) for order, found in curves.items()}
    return ExplanationTests(
        films=len(pixels),
        of=len(scored),
        evidence=len(evidence),
        grid=own.saliency.shape[1:],
        seed=seed,
        bootstrap=bootstrap,
        draws=DRAWS,
        randomised={name: similarity(*drawn) for name, drawn in random.items()},
        other_film=similarity(np.roll(maps, len(maps) // 2, axis=0)),  # neighbours may be one patient's
        mirrored=similarity(mirrored_back(flipped.saliency[evidence], spec)) if len(maps) else similarity(),
        mirrored_change=mean(np.abs(after - before)),
        mirrored_decisions=proportion(int(turned.sum()), len(turned)),
        erased=len(ill),
        steps=STEPS,
        blurred=mean(_probability(predictor, blurred), ill) if blurred else Figure(value=None),
        erasures=tuple(
            Erasure(
                order=order,
                deletion=tuple(found[0].mean(0).tolist()),
                insertion=tuple(found[1].mean(0).tolist()),
                deletion_area=mean(areas[order][0], ill),
                insertion_area=mean(areas[order][1], ill),
            )
            for order, found in curves.items()
            if len(ill) >= FEWEST
        ),
        gains=tuple(
            Gain(
                against=order,
                deletion=mean(areas[order][0] - areas["map"][0], ill),
                insertion=mean(areas["map"][1] - areas[order][1], ill),
            )
            for order in ORDERS[1:]
            if len(ill) >= FEWEST
        ),
    )


def passes(films: int) -> int:
    """Films that pass through the network, at most, when so many are tested."""
    return films * (3 + len(CASCADE) * DRAWS) + films // 2 * len(ORDERS) * 2 * (STEPS - 1)


def _erase(
    predictor: Predictor,
    pixels: npt.NDArray[np.uint8],
    saliency: npt.NDArray[np.float32],
    probability: npt.NDArray[np.float64],
    ill: npt.NDArray[np.intp],
    healthy: npt.NDArray[np.intp],
    seed: int,
    progress: Callable[[int], None] | None,
) -> dict[Order, npt.NDArray[np.float64]]:
    """For each order, deletion and insertion curves of each ill film, (2, n, STEPS + 1)."""
    draw = np.random.default_rng(seed)
    curves: dict[Order, npt.NDArray[np.float64]] = {order: np.empty((2, len(ill), STEPS + 1)) for order in ORDERS}
    for position, film in enumerate(ill):
        fill = draw.choice(healthy)
        found = orders(saliency[film], predictor.spec.input, draw)
        halves = [part for order in ORDERS for part in half_films(pixels[film], pixels[fill], found[order])]
        scores = score_pixels(predictor.runtime, np.concatenate(halves), progress=progress)
        inner = _probability(predictor, scores).reshape(len(ORDERS), 2, STEPS - 1)
        for place, order in enumerate(ORDERS):
            curves[order][:, position, 1:-1] = inner[place]
            curves[order][:, position, [0, -1]] = (
                (probability[film], probability[fill]),
                (probability[fill], probability[film]),
            )
    return curves


def _blurred(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    deviation = BLUR * pixels.shape[-1]
    return np.rint(gaussian_filter(pixels.astype(np.float32), (0, deviation, deviation))).astype(np.uint8)


def _probability(predictor: Predictor, scores: Scores) -> npt.NDArray[np.float64]:
    return predictor.spec.calibration.probability(scores.logit.astype(np.float64))
