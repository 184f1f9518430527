from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pneumoscope.errors import ServiceError, StoreError
from pneumoscope.scoring import Predictor
from pneumoscope.service.api import Settings, create_app, serve
from pneumoscope.service.api.logs import JsonFormatter
from pneumoscope.service.api.server import is_loopback
from pneumoscope.service.store import Store

from .conftest import films, png


@pytest.fixture
def client(predictor: Predictor, store: Store) -> Iterator[TestClient]:
    with TestClient(create_app(predictor, store), raise_server_exceptions=False) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_what_each_key_opens(client: TestClient, store: Store) -> None:
    keys = {scope: store.keys.create(scope, [scope]) for scope in ("predict", "read", "metrics")}
    kept = client.post("/v1/predictions", files=films(png()), headers=bearer(keys["predict"]))
    name = kept.json()["predictions"][0]["id"]
    for scope, ask in {
        "predict": lambda headers: client.post("/v1/predictions", files=films(png()), headers=headers),
        "read": lambda headers: client.get(f"/v1/predictions/{name}", headers=headers),
        "metrics": lambda headers: client.get("/metrics", headers=headers),
    }.items():
        for other, key in keys.items():
            answer = ask(bearer(key))
            assert answer.status_code == (200 if other == scope else 403)
        for headers in ({}, bearer("pns_wrong"), bearer("x" * 5000), {"Authorization": "Basic eA=="}, bearer("")):
            answer = ask(headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["code"] in ("no-key", "wrong-key")
    for key in keys.values():
        assert client.get("/v1/models", headers=bearer(key)).json()["models"][0]["name"] == "mean"
    assert client.get("/v1/models").status_code == 401
    for open_to_all in ("/healthz", "/readyz", "/openapi.json"):
        assert client.get(open_to_all).status_code == 200


def test_rotated_and_revoked_keys(client: TestClient, store: Store) -> None:
    old = store.keys.create("ward", ["read"])
    new = store.keys.rotate("ward", grace=timedelta(hours=1))
    assert [client.get("/v1/models", headers=bearer(key)).status_code for key in (old, new)] == [200, 200]
    store.keys.revoke("ward")
    assert [client.get("/v1/models", headers=bearer(key)).status_code for key in (old, new)] == [401, 401]


def test_every_answer_has_its_headers(client: TestClient) -> None:
    for answer in (
        client.get("/healthz"),
        client.get("/nowhere"),
        client.post("/v1/predictions"),
        client.get("/metrics"),
    ):
        for header, value in (
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ):
            assert answer.headers[header] == value
        assert len(answer.headers["x-request-id"]) == 16
        assert "server" not in answer.headers


def test_without_keys_only_for_this_machine(predictor: Predictor, store: Store) -> None:
    app = create_app(predictor, store, Settings(authentication=False))
    with TestClient(app, base_url="http://localhost:8000") as client:
        assert client.post("/v1/predictions", files=films(png())).status_code == 200
        for host in ("127.0.0.1:9", "[::1]:8000", "LOCALHOST"):
            assert client.get("/v1/models", headers={"Host": host}).status_code == 200
        for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[::2]", ""):
            answer = client.get("/v1/models", headers={"Host": host})
            assert (answer.status_code, answer.json()["code"]) == (421, "wrong-host")
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
            assert client.get("/v1/models", headers={"Sec-Fetch-Site": site}).status_code == status
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.0.0.1", "host")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    with pytest.raises(ServiceError, match="loopback alone"):
        serve("default", host="0.0.0.0", port=0, settings=Settings(authentication=False))


def test_it_does_not_start_where_nobody_could_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_STATE", str(tmp_path))
    with pytest.raises(ServiceError, match="pneumoscope keys create"):
        serve("default", host="0.0.0.0", port=0, settings=Settings())


def test_logs_have_no_names(client: TestClient, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    key = store.keys.create("ward", ["predict"])
    caplog.set_level(logging.INFO, "pneumoscope.service")
    client.post("/v1/predictions", files=films(png(), b"x", name="Doe^Jane.png"), headers=bearer(key))
    client.get("/v1/predictions/Doe^Jane?name=Doe")
    (first, second) = (json.loads(JsonFormatter().format(record)) for record in caplog.records)
    assert first["films"] == {"pneumonia": 1, "unsuitable": 1}
    assert (first["key"], first["route"], first["status"], first["method"]) == ("ward", "/v1/predictions", 200, "POST")
    assert (second["route"], second["status"]) == ("/v1/predictions/{name}", 401)
    assert "Doe" not in json.dumps([first, second])
    assert key not in json.dumps([first, second])


def test_what_is_unforeseen_is_answered_and_its_message_kept_out_of_the_log(
    client: TestClient, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = store.keys.create("ward", ["predict"])

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Doe^Jane")

    monkeypatch.setattr(store, "add", fail)
    answer = client.post("/v1/predictions", files=films(png()), headers=bearer(key))
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    lines = [JsonFormatter().format(record) for record in caplog.records]
    failure = next(json.loads(line) for line in lines if "RuntimeError" in line)
    assert any("routes.py" in place for place in failure["where"])
    assert "Doe" not in "".join(lines) + answer.text
    assert answer.headers["x-request-id"] == failure["request"]


def test_a_store_that_is_away(client: TestClient, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    key = store.keys.create("ward", ["predict", "read"])

    def away(*_: object, **__: object) -> None:
        raise StoreError("postgresql://…: the record store does not answer")

    for method in ("add", "get", "check"):
        monkeypatch.setattr(store, method, away)
    for answer in (
        client.post("/v1/predictions", files=films(png()), headers=bearer(key)),
        client.get("/v1/predictions/" + "0" * 32, headers=bearer(key)),
        client.get("/readyz"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "store-away")
        assert int(answer.headers["retry-after"]) > 0
        assert "postgresql" not in answer.text
    assert client.get("/healthz").status_code == 200
    monkeypatch.undo()
    assert client.get("/readyz").status_code == 200


def test_metrics_count(client: TestClient, store: Store) -> None:
    key = store.keys.create("all", ["predict", "metrics"])
    client.post("/v1/predictions", files=films(png(0.7), png(0.3), png(0.3)), headers=bearer(key))
    client.get("/nowhere/Doe")
    text = client.get("/metrics", headers=bearer(key)).text
    for line in (
        'pneumoscope_films_total{decision="normal"} 2.0',
        'pneumoscope_requests_total{method="POST",route="/v1/predictions",status="200"} 1.0',
        'pneumoscope_requests_total{method="GET",route="unknown",status="404"} 1.0',
        "pneumoscope_batch_films_sum 3.0",
        "pneumoscope_waiting_films 0.0",
    ):
        assert line in text
    assert "Doe" not in text
