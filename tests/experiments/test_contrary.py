from __future__ import annotations

import numpy as np

from pneumoscope.experiments.contrary import contrary_films
from pneumoscope.experiments.films import Partition


def test_films_with_the_look_of_the_other_class_are_found() -> None:
    """Pneumonia is bright on the left, and one film in ten of each class is the wrong way round."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 600)
    wrong = draw.random(600) < 0.1
    films = draw.normal(100, 10, (600, 48, 48))
    left = (labels == 1) != wrong
    films[left, :, :24] += 40
    films[~left, :, 24:] += 40
    part = Partition(training=np.arange(300), validation=np.arange(0), judged=np.arange(300, 600))
    chosen = contrary_films(films.clip(0, 255).astype(np.uint8), labels, part, 0.1)
    truth, odd = labels[300:], wrong[300:]
    for label in (0, 1):
        assert chosen[truth == label].sum() == round(0.1 * (truth == label).sum())
    # As many are asked for as there are, give or take chance, so nearly all of one kind are of the other.
    assert odd[chosen].mean() > 0.75
    assert chosen[odd].mean() > 0.75
