from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest

from pneumoscope.cohorts import Cohort
from pneumoscope.evaluation import Evaluation, evaluate, score_cohort
from pneumoscope.evaluation.checklists import GUIDELINES, checklists_markdown, fill_checklists
from pneumoscope.evaluation.facts import gather
from pneumoscope.evaluation.summary import summarise
from pneumoscope.scoring import Predictor
from pneumoscope.training.recipe import load_recipe

TRIPOD = (
    "1 2 3a 3b 3c 4 5a 5b 6a 6b 6c 7 8a 8b 8c 9a 9b 9c 10 11 12a 12b 12c 12d 12e 12f 12g 13 14 15 16 17 "
    "18a 18b 18c 18d 18e 18f 19 20a 20b 20c 21 22 23a 23b 24 25 26 27a 27b 27c"
)
"""The items of the paper, in its order."""

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def judged(predictor: Predictor, cohort: Cohort) -> tuple[Evaluation, pd.DataFrame, Predictor]:
    predictions = score_cohort(predictor, cohort)
    return evaluate(predictions, predictor.spec, data="ours", bootstrap=100), predictions, predictor


def facts_of(found: Evaluation, predictions: pd.DataFrame, predictor: Predictor, **changed: object) -> dict[str, str]:
    spec = predictor.spec.model_copy(update=changed)
    summary = summarise(found, spec, predictions, cohort="ours")
    return gather(found, spec, predictions, summary, cohort="ours")


def test_every_item_of_the_papers_is_there_and_every_fact_exists(judged: tuple) -> None:
    facts = facts_of(*judged)
    tripod, claim = fill_checklists(facts)
    assert " ".join(item.number for item in tripod.items) == TRIPOD
    assert [item.number for item in claim.items] == [str(number) for number in range(1, 43)]
    asked = {
        fact
        for path in GUIDELINES.glob("*.toml")
        for item in tomllib.loads(path.read_text(encoding="utf-8"))["items"]
        for fact in item.get("facts", ())
    }
    assert asked == set(facts), "no fact is gathered for nothing, and none is missing"


def test_what_a_run_does_not_know_stays_open(judged: tuple) -> None:
    tripod, claim = fill_checklists(facts_of(*judged))
    items = {item.number: item for item in tripod.items}
    assert (items["17"].status, items["17"].answer) == ("open", "")
    assert (items["12c"].status, items["15"].status) == ("in part", "answered")
    assert items["14"].status == "open", "no subgroups were judged"
    assert (claim.items[24 - 1].status, claim.items[24 - 1].missing) == ("open", "not part of this run")
    assert claim.count() == "{} answered, {} in part, {} open".format(
        *(sum(item.status == status for item in claim.items) for status in ("answered", "in part", "open"))
    )


def test_facts_are_those_of_the_run(judged: tuple) -> None:
    found, predictions, predictor = judged
    facts = facts_of(*judged)
    assert facts["flow"] == (
        "32 labelled films: 1 could not be read, 1 refused as unsuitable, 30 scored (15 normal, 15 with pneumonia), "
        "of 16 known patients."
    )
    assert facts["missing_data"].startswith("Missing among 32 labelled films: patient_id 1, age 2, sex 12, view 32.")
    assert f"{found.roc_auc.text()}" in facts["performance"]
    assert facts["training_data"] == facts["external"] == facts["shift"] == facts["subgroups"] == ""
    data = ({"name": "ours", "split": "train", "films": 200, "pneumonia": 150, "sha256": "ef" * 32},)
    recipe = load_recipe(RECIPES / "pneumoniamnist.toml").model_dump(mode="json")
    known = facts_of(*judged, data=data, recipe=recipe, ages=(1.0, 5.0), initial_weights={"source": "a.h5"})
    assert known["training_data"] == "Development: ours train: 200 films, 150 with pneumonia."
    assert known["data_hashes"] == f"ours train: SHA-256 {'ef' * 32}."
    assert known["external"].startswith("Internal: ")
    assert known["shift"] == (
        "Pneumonia on 75.0% of the development films, on 50.0% of these. "
        f"Aged other than 1 to 5 years: {int((predictions['age'] > 5).sum())} of 30 whose age is known."
    )
    assert known["imbalance"] == "Against unequal classes: class weights."
    assert "seed 0" in known["recipe"]
    assert "the last epoch, none was chosen" in known["selection"]
    assert not any("secret-" in fact for fact in known.values()), "checklists name no patients"
    assert predictor.spec.weights_sha256 in known["weights"]


def test_markdown_has_a_row_for_each_item(judged: tuple) -> None:
    facts = facts_of(*judged) | {"code": "a | b\nc"}
    text = checklists_markdown(fill_checklists(facts), "mean on ours")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| Item")]
    assert len(rows) == 52 + 42
    assert all(row.replace("\\|", "").count("|") == 7 for row in rows)
    assert "a \\| b c" in text
