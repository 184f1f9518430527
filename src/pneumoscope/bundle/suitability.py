"""The second suitability gate: does this film look like the chest films that the model learnt on?

Two Gaussians describe the training films: one of the network's embedding, one of the film's layout at
:data:`GRID` × :data:`GRID` pixels. How far a film lies from them is its Mahalanobis distance (Lee et al., NeurIPS
2018), with the covariance shrunk to a few axes and one variance for all the rest (Tipping & Bishop, J. R. Stat. Soc. B
1999; as a detector: Moghaddam & Pentland, IEEE TPAMI 1997), so that it stays small and needs few films.

A Gaussian knows chest films alone, and lets pass what differs from them as they differ from each other. So a linear
rule on the embedding tells them from strips of themselves too, narrow and stretched to a whole film, which have a
film's texture and no chest on them (auxiliary outliers: Hendrycks et al., ICLR 2019, arXiv:1812.04606).

The layout also says which way up a film is, since it is compared in its four turns and their negatives, and a linear
rule on it on which side the heart lies. NumPy alone computes all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from pneumoscope.radiograph.suitability import Finding

GRID = 24
"""Pixels of a film's layout, to a side."""
LEAST_CONTRAST = 4.0
"""Grey levels of 255: a flatter film's noise is not stretched to full contrast."""

Array = npt.NDArray[np.float32]

_TURNED = {
    1: "turned clockwise by 90°, if it is a chest film; turn it back",
    2: "upside down, if it is a chest film; turn it by 180°",
    3: "turned counter-clockwise by 90°, if it is a chest film; turn it back",
}


class Pose(NamedTuple):
    """How a film lies before us: quarter turns clockwise from upright, and whether it is a negative."""

    turns: int = 0
    negative: bool = False

    def apply(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring upright films (…, H, W) uint8 into this pose."""
        turned = np.rot90(pixels, -self.turns, (-2, -1))
        return 255 - turned if self.negative else turned

    def undo(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring films (…, H, W) uint8 in this pose upright."""
        turned = np.rot90(pixels, self.turns, (-2, -1))
        return 255 - turned if self.negative else turned


POSES = tuple(Pose(turns, negative) for negative in (False, True) for turns in range(4))
"""Every pose that is told apart; the first is upright."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A Gaussian with a covariance of low rank plus one variance for all other directions.

    Attributes:
        mean: (D,).
        axes: (K, D), orthonormal.
        variances: (K,), along the axes.
        rest: (1,), the variance in every other direction.
        typical: (2,), mean and standard deviation of the log distance of the films that it was fitted on.
    """

    mean: Array
    axes: Array
    variances: Array
    rest: Array
    typical: Array

    def log_distance(self, points: Array) -> npt.NDArray[np.float64]:
        """(N,) log of the squared Mahalanobis distance of each of (N, D) points."""
        centred = points - self.mean
        along = (centred @ self.axes.T).astype(np.float64)
        # Axes are stored in half precision, so the rest may come out a little below zero.
        rest = np.maximum((centred**2).sum(1, dtype=np.float64) - (along**2).sum(1), 0)
        return np.log((along**2 / self.variances).sum(1) + rest / self.rest[0] + 1e-12)

    def excess(self, log_distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """:func:`excess` of a log distance."""
        return excess(log_distance, self.typical)


@dataclass(frozen=True, eq=False)
class Strips:
    """A linear rule on the embedding that tells chest films from strips of them.

    Attributes:
        direction: (D,), its product with an embedding grows with the evidence for a strip.
        typical: (2,), mean and standard deviation of that product on the films that it was fitted on.
    """

    direction: Array
    typical: Array

    def excess(self, points: Array) -> npt.NDArray[np.float64]:
        """(N,) :func:`excess` of the evidence for a strip at each of (N, D) points."""
        return excess((points @ self.direction).astype(np.float64), self.typical)


@dataclass(frozen=True, eq=False)
class TrainingFilms:
    """What the films that a model learnt on look like.

    Attributes:
        embedding: of the network's embedding, :func:`rooted`.
        layout: of :func:`layout_of` the films.
        strips: what tells them from strips of themselves, by the embedding, :func:`rooted`.
        side: (GRID²,), its product with a layout is the log odds that the film was mirrored.
    """

    embedding: Gaussian
    layout: Gaussian
    strips: Strips
    side: Array

    def compare(self, pixels: npt.NDArray[np.uint8], embedding: Array) -> Likeness:
        """Compare films with the training films.

        Args:
            pixels: (N, S, S), as the network sees them.
            embedding: (N, D), what the network makes of them.
        """
        upright = _small(pixels)
        posed = np.concatenate([_standardised(pose.undo(upright)) for pose in POSES])
        layouts = self.layout.log_distance(posed).reshape(len(POSES), -1).T
        points = rooted(embedding)
        seen = np.hypot(self.embedding.excess(self.embedding.log_distance(points)), self.strips.excess(points))
        return Likeness(
            atypical=np.hypot(seen, self.layout.excess(layouts[:, 0])),
            pose=layouts.argmin(1),
            atypical_layout=self.layout.excess(layouts.min(1)),
            mirrored=(_standardised(upright) @ self.side).astype(np.float64),
        )

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Everything by name, for a safetensors file: means and axes in half precision."""
        parts = {
            f"{part}.{name}": np.ascontiguousarray(value, np.float16 if name in ("mean", "axes") else np.float32)
            for part in ("embedding", "layout", "strips")
            for name, value in vars(getattr(self, part)).items()
        }
        return {**parts, "side": self.side}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> TrainingFilms:
        """The inverse of :meth:`tensors`.

        Raises:
            KeyError: a tensor is missing.
            ValueError: their shapes do not belong together.
        """

        def part(name: str) -> Gaussian:
            mean, axes, *others = (
                tensors[f"{name}.{key}"].astype(np.float32) for key in ("mean", "axes", "variances", "rest", "typical")
            )
            if [axes.shape, *(other.shape for other in others)] != [(len(axes), len(mean)), (len(axes),), (1,), (2,)]:
                raise ValueError(f"{name}: shapes do not belong together")
            return Gaussian(mean, axes, *others)

        embedding, layout = part("embedding"), part("layout")
        side, direction, typical = (
            tensors[name].astype(np.float32) for name in ("side", "strips.direction", "strips.typical")
        )
        if side.shape != layout.mean.shape or side.shape != (GRID**2,):
            raise ValueError("side: its shape does not belong to the layout")
        if direction.shape != embedding.mean.shape or typical.shape != (2,):
            raise ValueError("strips: its shapes do not belong to the embedding")
        return cls(embedding, layout, Strips(direction, typical), side)


class Likeness(NamedTuple):
    """How much N films are like the training films.

    Attributes:
        atypical: (N,) ≥ 0; 0 is an ordinary film, and beyond a bundle's threshold a film is refused.
        pose: (N,), index into :data:`POSES` of the pose that the layout suggests.
        atypical_layout: (N,) ≥ 0, of the layout alone, once the film is brought upright from that pose.
        mirrored: (N,), log odds that the film was mirrored.
    """

    atypical: npt.NDArray[np.float64]
    pose: npt.NDArray[np.intp]
    atypical_layout: npt.NDArray[np.float64]
    mirrored: npt.NDArray[np.float64]

    def findings(self, threshold: float, mirrored: float | None) -> tuple[tuple[Finding, ...], ...]:
        """What is to be said of each film; ``turned``, ``inverted`` and ``unlike-chest`` refuse, ``mirrored`` notes.

        Args:
            threshold: on ``atypical`` and ``atypical_layout``; films beyond it are refused.
            mirrored: on ``mirrored``; films beyond it get a note; None notes nothing.
        """
        least = np.inf if mirrored is None else mirrored
        return tuple(
            tuple(_findings(float(atypical), POSES[pose], float(layout), threshold, bool(side > least)))
            for atypical, pose, layout, side in zip(*self, strict=True)
        )

    def refused(self, threshold: float) -> npt.NDArray[np.bool_]:
        """(N,) whether any of the findings refuses."""
        return (self.pose != 0) | (self.atypical > threshold)


def excess(values: npt.NDArray[np.float64], typical: Array) -> npt.NDArray[np.float64]:
    """By how many standard deviations values are above the mean of (mean, standard deviation), ≥ 0."""
    return np.maximum((values - typical[0]) / typical[1], 0)


def layout_of(pixels: npt.NDArray[np.uint8]) -> Array:
    """(N, GRID²) the layout of films (N, S, S): small, with mean 0 and standard deviation 1."""
    return _standardised(_small(pixels))


def rooted(embedding: npt.NDArray[np.floating[Any]]) -> Array:
    """Square root of an embedding, which is a mean of activations ≥ 0 with a long tail: nearer to a Gaussian."""
    return np.sqrt(np.maximum(embedding, 0), dtype=np.float32)


def _small(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    small = np.empty((len(pixels), GRID, GRID), np.uint8)
    for row, film in enumerate(pixels):
        with Image.fromarray(film) as picture:
            small[row] = np.asarray(picture.resize((GRID, GRID), Image.Resampling.BOX))
    return small


def _standardised(small: npt.NDArray[Any]) -> Array:
    flat = small.reshape(len(small), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    return flat / np.maximum(flat.std(1, keepdims=True), LEAST_CONTRAST)


def _findings(atypical: float, pose: Pose, layout: float, threshold: float, mirrored: bool) -> Iterator[Finding]:
    upright = pose == POSES[0]
    if atypical > threshold if upright else layout > threshold:
        distance = atypical if upright else max(atypical, layout)
        yield Finding(
            "unlike-chest",
            "The film does not look like the frontal chest films that the model learnt on "
            f"(distance {distance:.1f}; up to {threshold:.1f} is scored).",
            True,
        )
        return
    if pose.negative:
        yield Finding("inverted", "The film looks inverted, with air bright; invert it and score it again.", True)
    if pose.turns:
        yield Finding("turned", f"The film looks {_TURNED[pose.turns]} and score it again.", True)
    if upright and mirrored:
        yield Finding(
            "mirrored", "The film looks mirrored, with the heart to the other side; check its side marks.", False
        )
