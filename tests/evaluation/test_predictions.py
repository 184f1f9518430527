from __future__ import annotations

from pathlib import Path

import pytest

from pneumoscope.cohorts import Cohort
from pneumoscope.evaluation import score_cohort
from pneumoscope.scoring import Predictor


def test_the_numbers_are_those_of_predict(predictor: Predictor, cohort: Cohort) -> None:
    done: list[int] = []
    table = score_cohort(predictor, cohort, progress=done.append)
    assert sum(done) == len(table) == 32
    assert list(table.columns) == [*cohort.cases.columns, "logit", "probability", "decision", "failed", "reasons"]
    for path, scored in zip(table["path"], predictor.predict_files(Path(path) for path in table["path"]), strict=True):
        row, said = table[table["path"] == path].iloc[0], scored.prediction
        assert row["decision"] == said.decision
        assert row["failed"] == said.failed
        if said.probability is not None:
            assert (row["logit"], row["probability"]) == (said.logit, said.probability)


def test_films_without_a_score_stay(predictor: Predictor, cohort: Cohort) -> None:
    table = score_cohort(predictor, cohort)
    missing = table[table["probability"].isna()]
    assert [Path(path).name for path in missing["path"]] == ["broken.png", "blank.png"]
    assert missing["failed"].tolist() == [True, False]
    assert missing["decision"].tolist() == ["unsuitable", "unsuitable"]
    assert "blank" in missing["reasons"].iloc[1]
    assert not missing["reasons"].str.contains(str(Path(missing["path"].iloc[0]).parent), regex=False).any()


def test_rows_are_those_of_the_cohort(predictor: Predictor, cohort: Cohort) -> None:
    table = score_cohort(predictor, cohort)
    assert "unlabelled.png" not in {Path(path).name for path in table["path"]}
    assert table["path"].equals(cohort.cases["path"].loc[table.index])
    logits = table["logit"].dropna()
    row = int(logits.index[11])
    assert logits[row] == pytest.approx((cohort.read(row).pixels[:, 5:-5].mean() - 0.5) * 20, abs=0.3)


def test_pneumoniamnists_films_may_be_scored(predictor: Predictor, data_dir: Path) -> None:
    from pneumoscope.cohorts import load_cohort

    validation = load_cohort(data_dir / "pneumoniamnist.npz").select("val")
    assert score_cohort(predictor, validation)["probability"].notna().all()
