"""Films over a network that drops, and with no network at all."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pneumoscope.bundle import InputSpec
from pneumoscope.scoring.preparing import prepare_file
from pneumoscope.screening.readers import ATTEMPTS, read_film

pytest.importorskip("fsspec", reason="fsspec is not installed")
pytest.importorskip("aiohttp", reason="aiohttp is not installed")

SPEC = InputSpec(size=107)


class Flaky(http.server.BaseHTTPRequestHandler):
    """Drops so many connections before it answers; knows one film."""

    drops = 0
    film = b""

    def do_GET(self) -> None:
        if type(self).drops:
            type(self).drops -= 1
            self.connection.close()
            return
        if self.path != "/film.png":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.film)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(self.film)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("pneumoscope.screening.readers.PAUSE", 0.0)
    monkeypatch.setattr(Flaky, "film", (archive / "00.png").read_bytes())
    monkeypatch.setattr(Flaky, "drops", 0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_a_connection_that_drops_is_tried_again(server: str, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flaky, "drops", ATTEMPTS - 1)
    found = read_film(f"{server}/film.png", SPEC)
    expected = prepare_file(archive / "00.png", SPEC)
    assert not found.failed, found.reasons
    assert found.name == f"{server}/film.png"
    assert found.sha256 == expected.sha256 == hashlib.sha256(Flaky.film).hexdigest()
    assert found.pixels is not None
    assert (found.pixels == expected.pixels).all()


def test_a_server_that_knows_no_such_film_and_one_that_is_away(server: str) -> None:
    gone = read_film(f"{server}/other.png", SPEC)
    assert (gone.failed, gone.reasons[0].code) == (True, "missing")
    away = read_film("http://127.0.0.1:1/film.png", SPEC)
    assert (away.failed, away.reasons[0].code) == (True, "unreachable")
    assert "the next run tries again" in away.reasons[0].message
