from __future__ import annotations

import re
from pathlib import Path

import pytest

from pneumoscope import demo
from pneumoscope.cohorts import Cohort, load_cohort
from pneumoscope.errors import CohortError, OutputError


def no_films() -> Cohort:
    raise CohortError("no server answers")


def test_a_chest_is_scored_a_leg_refused_and_what_is_out_of_reach_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_test_films", no_films)
    out = tmp_path / "demo"
    found = demo.demonstrate(out)
    (_, chest, picture), (_, leg, none) = found.films
    assert chest.prediction.probability is not None
    assert 0 < chest.prediction.probability < 1
    assert [reason.code for reason in leg.prediction.reasons if reason.code == "not-chest"] == ["not-chest"]
    assert leg.prediction.probability is none is None
    assert picture is not None
    assert picture.is_file()
    assert found.evaluation is None
    page = found.report.read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 1
    for part in ("Research use only", "no server answers", "EXTREMITY"):
        assert part in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page), "self-contained"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo"]

    with pytest.raises(OutputError, match="exists already"):
        demo.demonstrate(out)
    (out / "report.html").unlink()
    with pytest.raises(OutputError, match="exists already"):
        demo.demonstrate(out, overwrite=True)  # this folder is no earlier demo


def test_the_default_model_is_judged_beside_the_study(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On eight films of the training split, for this is about the page and not about the figures."""
    cohort = load_cohort(data_dir / "pneumoniamnist.npz").select("train")
    monkeypatch.setattr(demo, "_test_films", lambda: Cohort(cohort.cases.iloc[:8].reset_index(drop=True), "eight"))
    found = demo.demonstrate(tmp_path / "demo")
    assert found.evaluation is not None
    assert found.evaluation.n == 8
    page = found.report.read_text(encoding="utf-8")
    assert 'href="evaluation/report.html"' in page
    assert (tmp_path / "demo/evaluation/report.html").is_file()
