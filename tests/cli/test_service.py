"""The verbs around the service: keys and records."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pneumoscope.bundle import OperatingPoint
from pneumoscope.scoring import ModelUsed, Prediction, Reason
from pneumoscope.service.store import NewRecord, Record, Statistics, Store

from .conftest import Command, refused


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("PNEUMOSCOPE_STATE", str(folder))
    return folder


def kept(store: Store, probability: float, comment: str = "") -> str:
    decision = "pneumonia" if probability >= 0.5 else "normal"
    prediction = Prediction(
        file="film.png",
        input_sha256="ab" * 32,
        decision=decision,
        probability=probability,
        logit=0.0,
        reasons=(Reason(code="x", message="Because."),),
        operating_point=OperatingPoint(name="half", threshold=0.5),
        model=ModelUsed(name="tiny", sha256="cd" * 32, software="0", runtime="made up"),
        elapsed_ms=1,
    )
    (name,) = store.add([NewRecord(prediction)], source="rest")
    if comment:
        store.judge(name, reviewer="dr a", verdict="agree", comment=comment)
    return name


def test_keys_from_birth_to_end(command: Command, state: Path) -> None:
    key = command("keys", "create", "ward", "--scopes", "predict,metrics").out.strip()
    store = Store()
    assert store.keys.find(key).scopes == ("predict", "metrics")
    fresh = command("keys", "rotate", "ward", "--grace", "0").out.strip()
    assert store.keys.find(key) is None
    assert store.keys.find(fresh).scopes == ("predict", "metrics")
    shown = command("keys", "list").out
    assert "ward" in shown
    assert key not in shown + fresh
    assert [row["valid"] for row in json.loads(command("keys", "list", "--json").out)] == [False, True]
    assert command("keys", "revoke", "ward").out == "1 key revoked.\n"
    store.close()
    refused(command("keys", "rotate", "ward"), "no valid key of this name")
    refused(command("keys", "create", "other", "--scopes", "predict,everything"), "predict,everything: give some of")


def test_records_listed_exported_and_summed_up(command: Command, tmp_path: Path) -> None:
    store = Store()
    names = [kept(store, 0.2), kept(store, 0.9, comment="=HYPERLINK(1)")]
    shown = command("records", "list")
    assert all(name[:12] in shown.out for name in names)
    assert "dr a: agree" in shown.out
    (newest,) = json.loads(command("records", "list", "--json", "--limit", "1").out)
    assert Record.model_validate(newest) == store.get(names[1])
    (normal,) = json.loads(command("records", "list", "--json", "--decision", "normal").out)
    assert normal["id"] == names[0]
    assert json.loads(command("records", "list", "--json", "--until", "2020-01-01").out) == []

    lines = tmp_path / "records.jsonl"
    assert command("records", "export", lines).out.startswith("2 records in ")
    assert [json.loads(line)["id"] for line in lines.read_text().splitlines()] == names
    table = tmp_path / "records.csv"
    command("records", "export", table)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["probability"] for row in rows] == ["0.2", "0.9"]
    assert rows[1]["comments"] == "'=HYPERLINK(1)", "no formula for a spreadsheet"
    refused(command("records", "export", table), "exists already")
    assert command("records", "export", table, "--overwrite").status == 0

    stats = Statistics.model_validate_json(command("records", "stats", "--json").out)
    assert (stats.films, stats.agreement.verdicts, stats.agreement.agreed.value) == (2, 1, 1.0)
    said = command("records", "stats", "--by", "day").out
    assert "2 films on record" in said
    assert "Kolmogorov" in said
    store.close()


def test_bad_input_gets_one_line(command: Command, tmp_path: Path) -> None:
    for arguments, message in (
        (("records", "list", "--decision", "ill"), "--decision ill: there are pneumonia, normal"),
        (("records", "list", "--since", "yesterday"), "yesterday: no date"),
        (("records", "list", "--store", "nonsense"), "no URL of a database"),
        (("records", "stats", "--by", "year"), "--by year: there are day"),
        (("records", "export", tmp_path / "records.xlsx"), "ends in .csv or .jsonl"),
        (("serve",), "pneumoscope keys create"),
        (("serve", "--no-auth", "--host", "0.0.0.0"), "loopback alone"),
        (("serve", "--bundle", "no-such", "--no-auth"), "no bundle of that name"),
        (("dashboard", "--host", "0.0.0.0"), "--behind-proxy"),
        (("dashboard", "--evaluation", tmp_path), "no evaluation here"),
        (("dashboard", "--data", tmp_path / "away"), "there is no such file or folder"),
    ):
        refused(command(*arguments), message)
