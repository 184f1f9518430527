from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumoscope.bundle import Bundle
from pneumoscope.cohorts import Cohort, load_cohort
from pneumoscope.errors import EvaluationError
from pneumoscope.evaluation import ExplanationTests, findings, score_cohort
from pneumoscope.evaluation.faithfulness import measure_explanations, passes
from pneumoscope.scoring import Predictor, Scores

FILMS = 28


class CornerRuntime:
    """Calls a film pneumonia by the brightness of its upper left quarter, and says so, or lies."""

    name = "corner"

    def __init__(self, marked: tuple[int, int]) -> None:
        self.marked = marked

    def run(self, batch: np.ndarray) -> Scores:
        half = batch.shape[2] // 2
        brightness = batch[:, 0, :half, :half].mean((1, 2), dtype=np.float32) / 255
        saliency = np.zeros((len(batch), 2, 2), np.float32)
        saliency[:, *self.marked] = brightness
        return Scores((brightness - 0.5) * 20, saliency, np.zeros((len(batch), 2048), np.float32))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Films with a bright or a dark upper left quarter."""
    folder = tmp_path_factory.mktemp("films")
    draw = np.random.default_rng(5)
    for index in range(FILMS):
        film = draw.normal(0.5, 0.1, (107, 107))
        film[:53, :53] += 0.2 if index % 2 else -0.2
        Image.fromarray((film.clip(0, 1) * 255).astype(np.uint8)).save(folder / f"{index}.png")
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(FILMS)], "label": [i % 2 for i in range(FILMS)]})
    table.to_csv(folder / "cases.csv", index=False)
    return load_cohort(folder)


def measured(bundle: Bundle, cohort: Cohort, marked: tuple[int, int], **options: object) -> ExplanationTests:
    predictor = Predictor(bundle, runtime=CornerRuntime(marked))
    return measure_explanations(
        bundle, predictor, cohort, score_cohort(predictor, cohort), films=FILMS, bootstrap=200, **options
    )


def test_an_honest_map_is_ahead(tiny_bundle: Bundle, cohort: Cohort) -> None:
    done: list[int] = []
    found = measured(tiny_bundle, cohort, (0, 0), progress=done.append)
    assert sum(done) <= passes(FILMS)
    assert (found.films, found.evidence, found.erased, found.grid) == (FILMS, FILMS, FILMS // 2, (2, 2))
    deletion, insertion = (
        {one.order: getattr(one, f"{k}_area").value for one in found.erasures} for k in ("deletion", "insertion")
    )
    assert deletion["map"] < deletion["random"]
    assert insertion["map"] > insertion["random"]
    (random, _) = found.gains
    assert random.against == "random"
    assert random.deletion.low > 0
    assert random.insertion.low > 0
    assert random.deletion.value == pytest.approx(deletion["random"] - deletion["map"])
    for one in found.erasures:
        assert one.deletion[0] == one.insertion[-1] > 0.9, "nothing taken away, everything brought in"
        assert one.deletion[-1] == one.insertion[0] < 0.1
    assert found.mirrored.rank_correlation.value < 0, "the score follows a corner, and mirroring moves it"
    assert found.mirrored_decisions.value == pytest.approx(0.5, abs=0.2)
    assert any("ahead" in sentence for sentence in findings(found))
    assert ExplanationTests.model_validate_json(found.model_dump_json()) == found


def test_a_lying_map_is_found_out(tiny_bundle: Bundle, cohort: Cohort) -> None:
    found = measured(tiny_bundle, cohort, (1, 1))
    random = found.gains[0]
    assert random.deletion.high < 0
    assert random.insertion.high < 0
    said = " ".join(findings(found))
    assert "behind" in said
    assert "do not read them as the finding" in said


def test_a_real_network(tiny_bundle: Bundle, cohort: Cohort) -> None:
    predictor = Predictor(tiny_bundle)
    predictions = score_cohort(predictor, cohort)
    found = measure_explanations(tiny_bundle, predictor, cohort, predictions, films=12, bootstrap=100)
    assert found == measure_explanations(tiny_bundle, predictor, cohort, predictions, films=12, bootstrap=100)
    assert list(found.randomised) == ["head", "mixed10", "mixed9", "mixed8"]
    for likeness in (*found.randomised.values(), found.other_film, found.mirrored):
        assert -1 <= likeness.rank_correlation.value <= 1
        assert likeness.structural_similarity.value <= 1


def test_too_few_films_say_nothing(tiny_bundle: Bundle, cohort: Cohort) -> None:
    predictor = Predictor(tiny_bundle, runtime=CornerRuntime((0, 0)))
    predictions = score_cohort(predictor, cohort)
    few = measure_explanations(tiny_bundle, predictor, cohort, predictions, films=6, bootstrap=100)
    assert few.other_film.rank_correlation.value is None
    assert (few.erasures, few.gains) == ((), ())
    assert all("Too few films" in sentence for sentence in findings(few))
    with pytest.raises(EvaluationError, match="no map to test"):
        measure_explanations(tiny_bundle, predictor, cohort, predictions.assign(probability=None), films=6)
