from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscope.bundle import Bundle
from pneumoscope.errors import OutputError
from pneumoscope.explanation import explanation_figure, save_explanation
from pneumoscope.radiograph import Metadata, Radiograph
from pneumoscope.scoring import Predictor, Scored


@pytest.fixture(scope="module")
def scored(tiny_bundle: Bundle) -> Scored:
    noise = np.random.default_rng(0).normal(0.5, 0.15, (200, 260)).clip(0, 1).astype(np.float32)
    film = Radiograph(noise, Metadata(kind="png", patient_id="Doe^Jane"), "/films/doe-jane.png")
    (result,) = Predictor(tiny_bundle).predict([film])
    return result


def test_the_figure_says_what_it_is_and_what_it_is_not(scored: Scored, tiny_bundle: Bundle) -> None:
    figure = explanation_figure(scored, tiny_bundle.spec.input)
    said = " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))
    for part in (
        "probability of pneumonia",
        "threshold 50",
        "2×2 cells",
        "It is not a localisation of disease",
        "Research use only",
        "Dashed: the part that the network saw",
        "share of this film’s strongest evidence",
    ):
        assert part in said
    assert "Doe" not in said
    assert "doe-jane" not in said
    assert len(figure.axes) == 3, "film, overlay, colour bar"


def test_the_picture_appears_whole_or_not_at_all(scored: Scored, tiny_bundle: Bundle, tmp_path: Path) -> None:
    spec = tiny_bundle.spec.input
    save_explanation(scored, spec, tmp_path / "film.png")
    with Image.open(tmp_path / "film.png") as picture:
        assert picture.format == "PNG"
    with pytest.raises(OutputError, match="cannot be written"):
        save_explanation(scored, spec, tmp_path / "nowhere/film.png")
    assert [path.name for path in tmp_path.iterdir()] == ["film.png"]


def test_a_film_that_was_not_kept_has_no_figure(scored: Scored, tiny_bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="scored and kept"):
        explanation_figure(replace(scored, film=None), tiny_bundle.spec.input)
