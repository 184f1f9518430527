from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from starlette.testclient import TestClient

from pneumoscope.bundle import InputSpec
from pneumoscope.explanation import STRONGEST_ALPHA, overlay
from pneumoscope.radiograph import Limits, read_radiograph
from pneumoscope.scoring import Prediction, Predictor
from pneumoscope.service.api import Settings, create_app
from pneumoscope.service.store import Store

from .conftest import films, png

HEAD = b'--x\r\nContent-Disposition: form-data; name="films"; filename="film.png"\r\n\r\n'
SETTINGS = Settings(body=2 << 20, films=3, limits=Limits(pixels=100_000, size=2 << 20))


@pytest.fixture
def client(predictor: Predictor, store: Store, key: str) -> Iterator[TestClient]:
    app = create_app(predictor, store, SETTINGS)
    with TestClient(app, headers={"Authorization": f"Bearer {key}"}, raise_server_exceptions=False) as client:
        yield client


def test_films_are_scored_as_the_predictor_scores_them_and_kept(
    client: TestClient, predictor: Predictor, store: Store
) -> None:
    bright, dark = png(0.7), png(0.3)
    said = client.post("/v1/predictions", files=films(bright, dark))
    assert said.status_code == 200
    answers = said.json()["predictions"]
    for answer, content, decision in zip(answers, (bright, dark), ("pneumonia", "normal"), strict=True):
        found = Prediction.model_validate(answer["prediction"])
        (expected,) = predictor.predict([read_radiograph(content, name="film.png")])
        changed = {"elapsed_ms", "input_sha256", "saliency"}
        assert found.model_dump(exclude=changed) == expected.prediction.model_dump(exclude=changed)
        assert found.decision == decision
        assert found.input_sha256 == hashlib.sha256(content).hexdigest()
        again = client.get(f"/v1/predictions/{answer['id']}").json()
        kept = answer | {"prediction": answer["prediction"] | {"file": f"sha256:{found.input_sha256[:16]}"}}
        assert again == kept
    assert [record.source for record in store.records()] == ["rest", "rest"]


def test_the_heat_map_lies_over_the_film_as_the_overlay_does(client: TestClient) -> None:
    content = png(0.7)
    (answer,) = client.post("/v1/predictions", files=films(content)).json()["predictions"]
    place = answer["prediction"]["saliency"]["heat_map"]
    got = client.get(place)
    assert got.headers["content-type"] == "image/png"
    picture = Image.open(io.BytesIO(got.content))
    assert "Not a localisation" in picture.text["Description"]
    film = read_radiograph(content).pixels
    saliency = np.zeros((3, 3), np.float32)
    saliency[0, 2] = 1
    expected = overlay(film, saliency, InputSpec(size=107))
    ours = Image.fromarray(np.rint(255 * film).astype(np.uint8)).convert("RGBA")
    ours.alpha_composite(picture)
    assert np.abs(np.asarray(ours)[..., :3].astype(int) - expected).max() <= 2
    assert np.asarray(picture)[..., 3].max() == round(255 * STRONGEST_ALPHA)
    assert Image.open(io.BytesIO(client.get(f"{place}?side=60").content)).size == (60, 60)


def test_a_dicom_film_and_one_that_must_not_be_scored(predictor: Predictor, store: Store, key: str) -> None:
    names = ("RG1_UNCI.dcm", "RG3_UNCI.dcm")
    files = [Path(str(get_testdata_file(name, download=False))).read_bytes() for name in names]
    with TestClient(create_app(predictor, store), headers={"Authorization": f"Bearer {key}"}) as client:
        said = client.post("/v1/predictions", files=films(*files, name="Doe^Jane.dcm")).json()["predictions"]
        chest, leg = (answer["prediction"] for answer in said)
        assert chest["probability"] is not None
        assert (leg["decision"], leg["probability"], leg["failed"]) == ("unsuitable", None, False)
        assert client.get(f"/v1/predictions/{said[1]['id']}/heatmap.png").json()["code"] == "no-map"
        assert chest["file"] == "Doe^Jane.dcm", "whoever sent the name gets it back"
    kept = [record.model_dump_json() for record in store.records()]
    assert len(kept) == 2
    assert not any("Doe" in record for record in kept)


def test_films_never_touch_a_disk(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full, or not there, is none of an upload's business."""
    monkeypatch.setattr("tempfile.tempdir", "/proc/no-such-folder")
    noise = np.random.default_rng(0).integers(0, 65536, (300, 330), dtype=np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "TIFF")
    content = buffer.getvalue() + bytes(1 << 20)
    assert client.post("/v1/predictions", files=films(content)).status_code == 200


def bomb() -> bytes:
    """A PNG of 60000 × 60000 pixels in a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"no film", "not-an-image"),
        (b"%PDF-1.7 " + bytes(500), "not-an-image"),
        (json.dumps({"film": [1, 2, {"deep": None}]}).encode(), "not-an-image"),
        (png()[:120], "truncated"),
        (bomb(), "too-many-pixels"),
        (png(side=400), "too-many-pixels"),
    ],
)
def test_a_film_that_cannot_be_read(client: TestClient, content: bytes, code: str) -> None:
    alone = client.post("/v1/predictions", files=films(content))
    assert alone.status_code == 422
    (answer,) = alone.json()["predictions"]
    prediction = Prediction.model_validate(answer["prediction"])
    assert (prediction.failed, prediction.decision, prediction.probability) == (True, "unsuitable", None)
    assert [reason.code for reason in prediction.reasons] == [code]
    assert client.get(f"/v1/predictions/{answer['id']}").status_code == 200
    among = client.post("/v1/predictions", files=films(png(), content))
    assert among.status_code == 200, "the others are answered"
    assert [answer["prediction"]["failed"] for answer in among.json()["predictions"]] == [False, True]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\chest.png", "chest.png"),
        ("a\x1b[31mb\u202egnp.png", "a[31mbgnp.png"),
        ("/", "film"),
        ("x" * 400, "x" * 255),
    ],
)
def test_path_tricks_in_names(client: TestClient, given: str, kept: str) -> None:
    (answer,) = client.post("/v1/predictions", files=films(png(), name=given)).json()["predictions"]
    assert answer["prediction"]["file"] == kept


def test_requests_that_are_none(client: TestClient) -> None:
    post = client.post
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    for answer, status, code in (
        (post("/v1/predictions", json={"films": ["a"]}), 415, "not-multipart"),
        (post("/v1/predictions", content=b"x"), 415, "not-multipart"),
        (post("/v1/predictions", content=b"x", headers={"Content-Type": "multipart/form-data"}), 400, "bad-multipart"),
        (post("/v1/predictions", content=b"nonsense", headers=boundary), 400, "bad-multipart"),
        (post("/v1/predictions", content=b"--x--\r\n", headers=boundary), 422, "no-films"),
        (post("/v1/predictions", files=[("other", ("film.png", png()))]), 422, "no-films"),
        (post("/v1/predictions", files=[("x", ("", b"")), ("films", ("f", png()))], data={"films": "text"}), 200, None),
        (post("/v1/predictions", data={"films": "text"}, files=[("x", ("f", b""))]), 422, "no-films"),
        (post("/v1/predictions", files=films(*[png()] * 4)), 422, "too-many-films"),
        (post("/v1/predictions", files=films(*[png()] * 9)), 422, "too-many-films"),
        (post("/v1/predictions", files=films(bytes(3 << 20))), 413, "too-large"),
        (post("/v1/predictions", content=iter([HEAD, *[bytes(1 << 20)] * 3]), headers=boundary), 413, "too-large"),
        (client.get("/v1/predictions/" + "0" * 32), 404, "unknown"),
        (client.get("/v1/predictions/" + "0" * 32 + "/heatmap.png"), 404, "unknown"),
        (client.get("/v1/predictions/..%2f..%2fetc"), 404, "not-found"),
        (client.get("/v1/predictions/1; DROP TABLE"), 422, "invalid"),
        (client.put("/v1/predictions"), 405, "method-not-allowed"),
        (client.get("/docs"), 404, "not-found"),
    ):
        assert answer.status_code == status, answer.text
        if code:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == code
    assert client.get("/readyz").status_code == 200
