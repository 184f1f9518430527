"""What is shown of a training film."""

from __future__ import annotations

import numpy as np
import pytest

from pneumoscope.explanation.neighbours import Neighbour, TrainingIndex
from pneumoscope.service.dashboard.neighbours import counted, figure


@pytest.mark.parametrize(("label", "words"), [(1, "pneumonia"), (0, "normal"), (None, "label not known")])
def test_a_training_film(label: int | None, words: str) -> None:
    film = Neighbour("/ward/secret/<a>.npz#train/7", label, "<ward>", 0.98765)
    html = figure(film, b"picture")
    for text in (words, "0.988", "&lt;ward&gt;", "&lt;a&gt;.npz#train/7", "base64,cGljdHVyZQ=="):
        assert text in html
    assert "secret" not in html
    assert "cannot be read any more" in figure(film, None)


@pytest.mark.parametrize(("total", "words"), [(2, "2 training films"), (1000, "2 of 1,000 training films")])
def test_how_many_are_compared(total: int, words: str) -> None:
    text = np.array(["a", "b"])
    index = TrainingIndex("ward", total, text, np.zeros(2, np.int8), text, np.zeros((2, 2048), np.float32))
    assert counted(index) == words
