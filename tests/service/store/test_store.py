from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from pneumoscope.errors import StoreError
from pneumoscope.scoring import Reason
from pneumoscope.service.store import NewRecord
from pneumoscope.service.store.database import connect, migrate
from pneumoscope.service.store.tables import Base

from ..conftest import MakePrediction, OpenStore, Postgres


def test_what_goes_in_comes_out_without_who_it_is(
    database: str, tmp_path: Path, prediction: MakePrediction, open_store: OpenStore
) -> None:
    store = open_store(database, state=tmp_path)
    quoting = Reason(code="not-chest", message="By its description (Jane Doe, knee) the film does not show a chest.")
    given = prediction(0.7, reasons=(quoting,), film=prediction().film.model_copy(update={"age": 97.0}))
    saliency = np.array([[0, 0.25], [1 / 3, 2]], np.float32)
    before = datetime.now(UTC)
    (name,) = store.add([NewRecord(given, patient_id="4711-Doe", saliency=saliency)], source="rest")
    record = store.get(name)
    assert record is not None
    assert before <= record.created <= datetime.now(UTC)
    assert record.source == "rest"
    assert record.saliency == ((0, 0.25), (0.33333, 2))
    assert record.prediction.film.age == 90
    same = {"file", "reasons", "film"}
    assert record.prediction.model_dump(exclude=same) == given.model_dump(exclude=same)
    assert record.prediction.reasons[0].code == "not-chest"
    for secret in ("Doe", "4711", "knee"):
        assert secret not in record.model_dump_json()
    assert store.get("no-such") is None
    store.close()
    for file in tmp_path.iterdir():
        assert b"Doe" not in file.read_bytes(), f"{file} names the patient"


def test_names_are_kept_if_asked_for(
    database: str, tmp_path: Path, prediction: MakePrediction, open_store: OpenStore
) -> None:
    store = open_store(database, state=tmp_path, keep_names=True)
    (name,) = store.add([NewRecord(prediction())], source="rest")
    assert store.get(name).prediction == prediction()


def test_the_patients_key_is_the_patients_and_the_sites(
    tmp_path: Path, prediction: MakePrediction, open_store: OpenStore
) -> None:
    def keys(site: str, *patients: str | None) -> list[str | None]:
        store = open_store(state=tmp_path / site)
        names = store.add([NewRecord(prediction(), patient_id=patient) for patient in patients], source="rest")
        return [store.get(name).patient_key for name in names]

    first, again, other, none = keys("a", "4711", "4711", "4712", None)
    assert first == again != other
    assert none is None
    assert keys("a", "4711") == [first], "the secret is kept"
    assert keys("b", "4711") != [first], "another site has another secret"
    secret = tmp_path / "a/patient.key"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    secret.write_bytes(b"short")
    with pytest.raises(StoreError, match=r"patient\.key: .*damaged"):
        open_store(state=tmp_path / "a")


def test_order_filters_and_verdicts(
    database: str, tmp_path: Path, prediction: MakePrediction, open_store: OpenStore
) -> None:
    store = open_store(database, state=tmp_path)
    names = [*store.add([NewRecord(prediction(0.2))], source="rest")]
    names += store.add([NewRecord(prediction(0.9))], source="dashboard")
    middle = store.get(names[1]).created
    assert [record.id for record in store.records()] == names
    assert [record.id for record in store.records(newest_first=True, limit=1)] == names[1:]
    assert [record.id for record in store.records(since=middle)] == names[1:]
    assert [record.id for record in store.records(until=middle)] == names[:1]
    assert [record.id for record in store.records(decision="normal")] == names[:1]
    store.judge(names[1], reviewer=" dr a ", verdict="disagree", comment="an old rib fracture")
    store.judge(names[1], reviewer="dr a", verdict="agree")
    said = store.get(names[1]).verdicts
    assert [(verdict.reviewer, verdict.verdict) for verdict in said] == [("dr a", "disagree"), ("dr a", "agree")]
    assert said[0].comment == "an old rib fracture"
    for reviewer, comment, name, message in (
        ("", "", names[0], "needs its reviewer"),
        ("a", "x" * 2001, names[0], "at most 2000"),
        ("a", "", "no-such", "no-such: there is no prediction"),
    ):
        with pytest.raises(StoreError, match=message):
            store.judge(name, reviewer=reviewer, verdict="agree", comment=comment)


def test_concurrent_writers(database: str, tmp_path: Path, prediction: MakePrediction, open_store: OpenStore) -> None:
    """Each thread with connections of its own, as processes would have; they race for the migration too."""

    def write(number: int) -> Iterator[str]:
        store = open_store(database, state=tmp_path)
        names = [store.add([NewRecord(prediction(number / 10))] * 3, source="rest") for _ in range(5)]
        store.judge(names[0][0], reviewer=f"r{number}", verdict="agree")
        store.close()
        return chain(*names)

    with ThreadPoolExecutor(6) as pool:
        written = list(chain(*pool.map(write, range(6))))
    store = open_store(database, state=tmp_path)
    assert sorted(record.id for record in store.records()) == sorted(written)
    assert len(set(written)) == 6 * 5 * 3
    assert sum(len(record.verdicts) for record in store.records()) == 6


def test_migrations_up_and_down(database: str, tmp_path: Path, open_store: OpenStore) -> None:
    engine = connect(database)
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == [], "the migrations make what the code expects"
    migrate(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine)
    assert {"predictions", "verdicts", "api_keys"} < set(inspect(engine).get_table_names())
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="of a newer Pneumoscope"):
        open_store(database, state=tmp_path)
    engine.dispose()


def test_keys(database: str, tmp_path: Path, open_store: OpenStore) -> None:
    keys = open_store(database, state=tmp_path).keys
    key = keys.create("ward", ["predict"])
    found = keys.find(key)
    assert found is not None
    assert (found.name, found.scopes, found.valid) == ("ward", ("predict",), True)
    for wrong in ("", key[:-1], key + "x", found.fingerprint, "pns_"):
        assert keys.find(wrong) is None
    assert key not in repr(keys.list()), "it is nowhere to be read"
    with pytest.raises(StoreError, match="rotate it"):
        keys.create("ward", ["read"])
    fresh = keys.rotate("ward", grace=timedelta(hours=1))
    assert keys.find(fresh).scopes == ("predict",)
    assert keys.find(key).expires <= datetime.now(UTC) + timedelta(hours=1), "the old one ends soon"
    last = keys.rotate("ward", grace=timedelta(0))
    assert keys.find(key) is keys.find(fresh) is None
    assert keys.revoke("ward") == 1
    assert keys.find(last) is None
    brief = keys.create("brief", ["read"], lifetime=timedelta(seconds=-1))
    assert keys.find(brief) is None
    for call in (lambda: keys.revoke("ward"), lambda: keys.rotate("no", grace=timedelta(0))):
        with pytest.raises(StoreError, match="no valid key"):
            call()


def test_keys_are_hashed_at_rest(tmp_path: Path, open_store: OpenStore) -> None:
    store = open_store(state=tmp_path)
    key = store.keys.create("ward", ["predict"])
    store.close()
    assert key.removeprefix("pns_").encode() not in (tmp_path / "records.sqlite").read_bytes()
    with sqlite3.connect(tmp_path / "records.sqlite") as database:
        ((scopes,),) = database.execute("SELECT scopes FROM api_keys").fetchall()
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
    assert json.loads(scopes) == ["predict"]


def test_a_server_that_goes_away_and_comes_back(
    postgres: Postgres, tmp_path: Path, prediction: MakePrediction, open_store: OpenStore
) -> None:
    store = open_store(postgres.database(), state=tmp_path)
    store.add([NewRecord(prediction())], source="rest")
    postgres.stop()
    for call in (
        store.check,
        lambda: store.add([NewRecord(prediction())], source="rest"),
        lambda: store.get("x"),
        lambda: store.keys.find("x"),
    ):
        with pytest.raises(StoreError, match="does not answer") as failure:
            call()
        assert "\n" not in str(failure.value)
    postgres.start()
    store.check()
    assert len(list(store.records())) == 1


def test_a_full_disk(tmp_path: Path, prediction: MakePrediction, open_store: OpenStore) -> None:
    """SQLite's own limit on pages stands for the disk: the same error, and what was there is still there."""
    store = open_store(state=tmp_path)
    kept = store.add([NewRecord(prediction())], source="rest")
    with store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"):
        store.add([NewRecord(prediction())] * 100, source="rest")
    assert [record.id for record in store.records()] == kept


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "no URL of a database"),
        ("mysql://host/name", "mysql: this kind of database is not supported"),
        ("sqlite://", "name a file"),
        ("sqlite:////proc/no/records.sqlite", "cannot be made"),
        ("postgresql://secret:word@127.0.0.1:9/name", "does not answer"),
    ],
)
def test_bad_urls(url: str, message: str, tmp_path: Path, open_store: OpenStore) -> None:
    with pytest.raises(StoreError, match=message) as failure:
        open_store(url, state=tmp_path)
    assert "word" not in str(failure.value)
