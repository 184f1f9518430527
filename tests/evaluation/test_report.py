from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from pneumoscope.cohorts import Cohort
from pneumoscope.errors import OutputError
from pneumoscope.evaluation import (
    STUDY,
    Evaluation,
    ExplanationTests,
    compare,
    evaluate,
    measure_robustness,
    report,
    score_cohort,
    write_evaluation,
)
from pneumoscope.evaluation import Figure as Number
from pneumoscope.evaluation.cases import film_name, pick
from pneumoscope.evaluation.explanations import Erasure, Gain, Similarity
from pneumoscope.scoring import RESEARCH_NOTICE, Predictor

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Attributes and text of a page; fails where tags are not closed in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def judged(predictor: Predictor, cohort: Cohort) -> tuple[Evaluation, pd.DataFrame, Cohort, Predictor]:
    predictions = score_cohort(predictor, cohort)
    return evaluate(predictions, predictor.spec, data="films <of> ours", bootstrap=100), predictions, cohort, predictor


def test_the_report_is_whole_in_itself(tmp_path: Path, judged: tuple) -> None:
    found, predictions, _, predictor = judged
    scores = predictions["probability"].dropna().to_numpy(float)
    labels = predictions["label"][predictions["probability"].notna()].to_numpy(int)
    against = compare(labels, scores, 1 - scores, names=("mean", "upside-down"))
    full = found.model_copy(update={"reference": STUDY, "comparison": against})
    write_evaluation(tmp_path / "out", full, *judged[1:])
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    for tag, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "srcset", "poster", "data", "action"):
            assert value.startswith(("data:image/", "#")), (tag, name, value[:60])
    assert not re.search(r"@import|url\((?!#)", html), "nothing is loaded by style"
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, name, value in page.attributes if name.endswith("href")}
    assert targets | set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)
    assert all(value for tag, name, value in page.attributes if (tag, name) == ("img", "alt"))
    text = " ".join(page.text.split())
    for part in (
        RESEARCH_NOTICE,
        "films <of> ours",
        "It is not a localisation of disease",
        predictor.spec.weights_sha256,
        "films of last year",
        "“balanced”, threshold 0.6000",
        STUDY.name,
        "Against upside-down",
        "broken.png",
        "Of 1,000 films with pneumonia it finds",
        "for any decision about a patient",
        "TRIPOD+AI",
        "Filled from this run as far as a machine can",
    ):
        assert part in text, part
    assert "secret-" not in html, "reports are sent around, so they name no patients"
    assert "currentColor" in html


def test_files(tmp_path: Path, judged: tuple) -> None:
    found, predictions = judged[:2]
    out = tmp_path / "deep" / "out"
    write_evaluation(out, *judged)
    assert Evaluation.model_validate_json((out / "metrics.json").read_text()) == found
    assert json.loads((out / "metrics.json").read_text(), parse_constant=pytest.fail)
    table = pd.read_csv(out / "predictions.csv")
    assert table["path"].tolist() == predictions["path"].tolist()
    assert table["probability"].to_numpy() == pytest.approx(
        predictions["probability"].to_numpy(float, na_value=float("nan")), nan_ok=True
    )
    checklists = (out / "checklists.md").read_text()
    assert "## CLAIM" in checklists
    assert predictions["patient_id"].dropna()[0] not in checklists
    names = {"roc", "precision-recall", "calibration", "scores", "confusion", "decision-curve"}
    assert {path.name for path in (out / "figures").iterdir()} == {
        f"{n}.{kind}" for n in names for kind in ("svg", "png")
    }
    with Image.open(out / "figures" / "roc.png") as picture:
        assert min(picture.size) > 400
    assert [path.name for path in out.parent.iterdir()] == ["out"], "no draft stays"


def test_sections_of_tests(tmp_path: Path, judged: tuple) -> None:
    found, predictions, cohort, predictor = judged
    worse = measure_robustness(predictor, cohort, predictions, severities=(1,), films=8, bootstrap=100)
    number = Number(value=0.25, low=-0.1, high=0.5)
    alike = Similarity(rank_correlation=number, structural_similarity=number)
    curve = (0.9, 0.5, 0.1)
    maps = ExplanationTests(
        films=40,
        of=80,
        evidence=30,
        grid=(2, 2),
        seed=0,
        bootstrap=100,
        draws=1,
        randomised={"head": alike},
        other_film=alike,
        mirrored=alike,
        mirrored_change=number,
        mirrored_decisions=number,
        erased=20,
        steps=2,
        blurred=Number(value=0.98),
        erasures=tuple(
            Erasure(order=order, deletion=curve, insertion=curve[::-1], deletion_area=number, insertion_area=number)
            for order in ("map", "random", "centre")
        ),
        gains=(Gain(against="random", deletion=number, insertion=number),),
    )
    full = found.model_copy(update={"robustness": worse, "explanations": maps})
    out = tmp_path / "out"
    write_evaluation(out, full, predictions, cohort, predictor)
    text = " ".join(Page((out / "report.html").read_text(encoding="utf-8")).text.split())
    for part in (
        "On worse films",
        "8 of 30 films",
        "Speckle noise",
        "How far the heat maps can be believed",
        "no better than a random order, 0.250 (-0.100 to 0.500)",
        "Maps of different films have a rank correlation of 0.25",
        "the model takes missing structure for disease",
        "Mirroring changes the probability by 0.250 (-0.100 to 0.500) on average",
    ):
        assert part in text, part
    assert {"robustness.svg", "erasure.svg", "randomisation.svg"} <= {path.name for path in (out / "figures").iterdir()}
    assert Evaluation.model_validate_json((out / "metrics.json").read_text()) == full


def test_one_class_still_has_a_report(tmp_path: Path, judged: tuple) -> None:
    _, predictions, cohort, predictor = judged
    normal = predictions[predictions["label"] == 0]
    found = evaluate(normal, predictor.spec, data="normal films", bootstrap=100)
    write_evaluation(tmp_path / "out", found, normal, cohort, predictor)
    assert "not determined" in (tmp_path / "out" / "report.html").read_text()
    assert not (tmp_path / "out" / "figures" / "roc.svg").exists()


def test_whole_or_not_at_all(tmp_path: Path, judged: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    write_evaluation(out, *judged)
    before = (out / "metrics.json").stat().st_mtime_ns

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(report, "_save", full)
        with pytest.raises(OutputError, match="cannot be written \\(No space left on device\\)"):
            write_evaluation(tmp_path / "other", *judged)
        with pytest.raises(OutputError, match="No space left"):
            write_evaluation(out, *judged, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (out / "metrics.json").stat().st_mtime_ns == before, "what was there stays"


def test_nothing_is_replaced_unasked(tmp_path: Path, judged: tuple) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "metrics.json").write_text("of another model")
    with pytest.raises(OutputError, match="not empty"):
        write_evaluation(out, *judged)
    assert (out / "metrics.json").read_text() == "of another model"
    write_evaluation(out, *judged, overwrite=True)
    assert Evaluation.model_validate_json((out / "metrics.json").read_text()) == judged[0]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"more than an evaluation \(notes.txt\)"):
        write_evaluation(out, *judged, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    with pytest.raises(OutputError, match="is a file"):
        write_evaluation(out / "notes.txt", *judged)


def test_the_worst_come_first(judged: tuple) -> None:
    _, predictions, _, _ = judged
    missed, alarms, found, cleared = pick(predictions, 0.6)
    scores = [[float(predictions["probability"][row]) for row in group.rows] for group in (missed, alarms)]
    assert scores[0] == sorted(scores[0])
    assert all(score < 0.6 for score in scores[0])
    assert scores[1] == sorted(scores[1], reverse=True)
    assert all(score >= 0.6 for score in scores[1])
    assert {int(predictions["label"][row]) for row in (*missed.rows, *found.rows)} == {1}
    assert {int(predictions["label"][row]) for row in (*alarms.rows, *cleared.rows)} == {0}
    assert len(found.rows) == len(cleared.rows) == 4
    many = pick(predictions, 1.0)[0]
    assert len(many.rows) == 8
    assert many.explanation == "The 8 with the lowest probability of 15, worst first."
    assert pick(predictions, 0.0)[0].explanation == "None."


def test_names_without_folders() -> None:
    assert film_name("/home/me/films/a.png") == "a.png"
    assert film_name("/home/me/pneumoniamnist.npz#test/17") == "pneumoniamnist.npz#test/17"
