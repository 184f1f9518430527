"""What runs a bundle's network on batches of films; the engines are in :mod:`pneumoscope.scoring.runtimes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pneumoscope.errors import BundleError

Batch = npt.NDArray[np.uint8] | npt.NDArray[np.float32]


class Scores(NamedTuple):
    """What a network says of N films, all float32.

    ``logit`` (N,), uncalibrated; ``saliency`` (N, h, w) ≥ 0, the Grad-CAM map; ``embedding`` (N, 2048).
    """

    logit: npt.NDArray[np.float32]
    saliency: npt.NDArray[np.float32]
    embedding: npt.NDArray[np.float32]


class Runtime(Protocol):
    """Anything that runs one bundle's network."""

    @property
    def name(self) -> str:
        """Engine, its version, device and number format, as predictions record them."""
        ...

    def run(self, batch: Batch) -> Scores:
        """Score a batch (N, 1, S, S): uint8, or float32 in [0, 1]. S is the bundle's input size."""
        ...


def score_pixels(
    runtime: Runtime,
    pixels: npt.NDArray[np.uint8],
    *,
    batch_size: int = 32,
    progress: Callable[[int], Any] | None = None,
) -> Scores:
    """Score films that are the network's size already, in batches.

    Args:
        runtime: runs the network.
        pixels: (N, S, S), N ≥ 1.
        batch_size: films at a time.
        progress: called after each batch with the number of films in it.

    Raises:
        BundleError: the network answers with something that is no number.
    """
    parts = []
    for start in range(0, len(pixels), batch_size):
        batch = pixels[start : start + batch_size, None]
        parts.append(checked(runtime.run(batch)))
        if progress:
            progress(len(batch))
    return Scores(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def checked(scores: Scores) -> Scores:
    """The scores, if every logit is a number: a comparison with NaN would silently call each film normal.

    Raises:
        BundleError: a logit is infinite or NaN.
    """
    if not np.isfinite(scores.logit).all():
        raise BundleError("the network's score is not a number; its weights are damaged, so get the bundle again")
    return scores
