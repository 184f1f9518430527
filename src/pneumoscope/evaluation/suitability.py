"""Fitting the second suitability gate: what training films look like, and how unlike them a film may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pneumoscope.bundle import Gaussian, Strips, Suitability, TrainingFilms, layout_of, rooted
from pneumoscope.errors import CohortError

FALSE_REFUSALS = 0.0075
"""Share of suitable films that may be refused. Films of a hospital that a model has not seen are refused more often."""
EMBEDDING_AXES = 64
LAYOUT_AXES = 24
STRIP_WIDTHS = (0.08, 0.25)
"""Narrowest and widest strip, as shares of a film's side."""
FILMS_PER_STRIP = 4
LEAST_TRAINING = 200
"""Training films below which their spread is not known well enough."""
LEAST_VALIDATION = 100
"""Validation films below which the share of false refusals cannot be chosen."""


def strips_of(pixels: npt.NDArray[np.uint8], seed: int = 0) -> npt.NDArray[np.uint8]:
    """Strips of films, stretched to the films' size: texture of a film without a chest on it, and long structures.

    Args:
        pixels: (N, S, S), of which every :data:`FILMS_PER_STRIP`-th gives one, upright or lying.
        seed: of the strips' places, widths and directions.

    Returns:
        (N / FILMS_PER_STRIP, S, S), rounded up.
    """
    draw = np.random.default_rng(seed)
    side = pixels.shape[-1]
    strips = np.empty_like(pixels[::FILMS_PER_STRIP])
    for row, film in enumerate(pixels[::FILMS_PER_STRIP]):
        width = max(1, round(side * draw.uniform(*STRIP_WIDTHS)))
        left = draw.integers(0, side - width + 1)
        strip = (film if draw.random() < 0.5 else film.T)[:, left : left + width]
        with Image.fromarray(np.ascontiguousarray(strip if draw.random() < 0.5 else strip.T)) as picture:
            strips[row] = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))
    return strips


def fit_training_films(
    pixels: npt.NDArray[np.uint8], embedding: npt.NDArray[np.float32], strips: npt.NDArray[np.float32]
) -> TrainingFilms:
    """Describe training films for :meth:`~pneumoscope.bundle.TrainingFilms.compare`.

    Args:
        pixels: (N, S, S), as the network sees them.
        embedding: (N, D), of the network in evaluation mode.
        strips: (M, D), embedding of :func:`strips_of` the films.

    Raises:
        CohortError: there are fewer than :data:`LEAST_TRAINING` films.
    """
    if len(pixels) < LEAST_TRAINING:
        raise CohortError(
            f"{len(pixels)} training films are too few to tell what is unlike them; "
            f"at least {LEAST_TRAINING} are needed"
        )
    layout = layout_of(pixels)
    return TrainingFilms(
        embedding=_gaussian(rooted(embedding), EMBEDDING_AXES),
        layout=_gaussian(layout, LAYOUT_AXES),
        strips=_strips(rooted(embedding), rooted(strips)),
        side=_side(layout, layout_of(pixels[..., ::-1])),
    )


def choose_suitability(
    known: TrainingFilms,
    pixels: npt.NDArray[np.uint8],
    embedding: npt.NDArray[np.float32],
    *,
    fitted_on: str,
    chosen_on: str,
) -> Suitability:
    """Choose the threshold at which :data:`FALSE_REFUSALS` of suitable films are refused, whatever for.

    Films that look turned or inverted are refused at any threshold and count among them. The evidence for a
    mirrored film from which it gets a note is chosen at the same share.

    Args:
        known: from :func:`fit_training_films`.
        pixels: (N, S, S) validation films, at best of patients that are not among the training films.
        embedding: (N, D), of them.
        fitted_on: what the training films were, in words.
        chosen_on: what the validation films are, in words.

    Raises:
        CohortError: there are fewer than :data:`LEAST_VALIDATION` films.
    """
    if len(pixels) < LEAST_VALIDATION:
        raise CohortError(
            f"{len(pixels)} validation films of unseen patients are too few to choose a threshold for "
            f"{FALSE_REFUSALS:.2%} false refusals; at least {LEAST_VALIDATION} are needed"
        )
    found = known.compare(pixels, embedding)
    wrong_pose = int((found.pose != 0).sum())
    allowed = max(int(FALSE_REFUSALS * len(pixels)) - wrong_pose, 0)
    threshold = float(np.sort(found.atypical[found.pose == 0])[::-1][allowed])
    return Suitability(
        threshold=threshold,
        mirrored=float(np.quantile(found.mirrored, 1 - FALSE_REFUSALS)),
        false_refusals=FALSE_REFUSALS,
        fitted_on=fitted_on,
        chosen_on=f"{chosen_on}, of which {found.refused(threshold).sum()} are refused",
    )


def _side(layout: npt.NDArray[np.float32], mirrored: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    from sklearn.linear_model import LogisticRegression

    # Without an intercept a film and its mirror image get opposite log odds.
    found = LogisticRegression(C=0.01, fit_intercept=False, max_iter=1000)
    found.fit(np.concatenate((layout, mirrored)), np.repeat([0, 1], len(layout)))
    return found.coef_[0].astype(np.float32)


def _strips(films: npt.NDArray[np.float32], strips: npt.NDArray[np.float32]) -> Strips:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    points = np.concatenate((films, strips))
    scaler = StandardScaler().fit(points)
    found = LogisticRegression(C=0.01, max_iter=1000)
    found.fit(scaler.transform(points), np.repeat([0, 1], [len(films), len(strips)]))
    direction = (found.coef_[0] / scaler.scale_).astype(np.float32)
    evidence = films @ direction
    return Strips(direction, np.array([evidence.mean(), max(evidence.std(), 1e-6)], np.float32))


def _gaussian(points: npt.NDArray[np.float32], axes: int) -> Gaussian:
    from sklearn.decomposition import PCA

    found = PCA(axes, svd_solver="randomized", random_state=0).fit(points)

    def stored(values: Any) -> npt.NDArray[np.float32]:
        return np.asarray(values, np.float16).astype(np.float32)  # the precision in which a bundle keeps them

    parts = {
        "mean": stored(found.mean_),
        "axes": stored(found.components_),
        "variances": np.maximum(found.explained_variance_, 1e-12).astype(np.float32),
        "rest": np.array([max(found.noise_variance_, 1e-12)], np.float32),
    }
    distance = Gaussian(**parts, typical=np.array([0, 1], np.float32)).log_distance(points)
    return Gaussian(**parts, typical=np.array([distance.mean(), max(distance.std(), 1e-6)], np.float32))
