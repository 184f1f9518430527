"""Downloads from a server of our own, which breaks off, resumes and lies as told."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.cohorts import DATA_SETS, RemoteFile, data_folder, fetch, load_cohort
from pneumoscope.cohorts.fetch import download
from pneumoscope.errors import CohortError, OutputError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
CHECKSUM = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


class Server(ThreadingHTTPServer):
    """Serves CONTENT. Each number in ``breaks`` breaks one answer off after that many bytes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.breaks: list[int] = []
        self.ranges: list[str | None] = []
        self.status = 200
        self.content = CONTENT
        self.resumes = True

    def file(self, *others: str, checksum: str = CHECKSUM) -> RemoteFile:
        return RemoteFile("films.npz", (*others, f"http://127.0.0.1:{self.server_port}/films"), checksum)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        start = int(match[1]) if match and self.server.resumes else 0
        part = self.server.content[start:]
        if start and not part:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.server.breaks:
            self.wfile.write(part[: self.server.breaks.pop(0)])
            self.close_connection = True
        else:
            self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_a_download_is_checked_reported_and_not_repeated(server: Server, tmp_path: Path) -> None:
    reports: list[tuple[int, int | None]] = []
    for _ in range(2):
        file = download(server.file(), tmp_path / "data", report=lambda there, total: reports.append((there, total)))
        assert file.read_bytes() == CONTENT
    assert len(server.ranges) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["films.npz"]
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert [there for there, _ in reports] == sorted(there for there, _ in reports)


def test_a_broken_connection_is_resumed_at_once(server: Server, tmp_path: Path) -> None:
    server.breaks = [1_000_000, 1_000_000]
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    assert server.ranges[0] is None
    assert len(server.ranges) == 3
    assert all(wanted and wanted != "bytes=0-" for wanted in server.ranges[1:])


def test_the_next_call_goes_on_where_the_last_one_gave_up(server: Server, tmp_path: Path) -> None:
    server.breaks = [600_000, 0, 0, 0]
    with pytest.raises(CohortError, match="it broke off"):
        download(server.file(), tmp_path)
    (part,) = tmp_path.iterdir()
    assert part.name == "films.npz.part"
    there = part.stat().st_size
    assert 0 < there <= 600_000
    server.ranges.clear()
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={there}-"]


def test_a_server_that_cannot_resume_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.breaks, server.resumes = [500_000], False
    assert download(server.file(), tmp_path).read_bytes() == CONTENT


def test_a_complete_part_needs_nothing_more(server: Server, tmp_path: Path) -> None:
    (tmp_path / "films.npz.part").write_bytes(CONTENT)
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(CohortError, match="what came has not the checksum md5:"):
        download(server.file(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_second_address_serves_when_the_first_does_not(server: Server, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}/films"
    assert download(server.file(dead), tmp_path).read_bytes() == CONTENT


def test_an_error_of_the_server_is_told(server: Server, tmp_path: Path) -> None:
    server.status = 503
    with pytest.raises(CohortError, match="503"):
        download(server.file(), tmp_path)


def test_a_folder_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written there"):
        download(server.file(), tmp_path / "file" / "data")


def test_what_cannot_be_fetched() -> None:
    with pytest.raises(CohortError, match="there is no data set 'mimic'; there are pneumoniamnist"):
        fetch("mimic")
    with pytest.raises(CohortError, match="comes in 28, 64, 128, 224 pixels, not in 299"):
        fetch(size=299)
    by_hand = next(name for name, data in DATA_SETS.items() if not data.files)
    with pytest.raises(CohortError, match=f"{by_hand}: cannot be fetched for you; get it from https://"):
        fetch(by_hand)


def test_a_fetched_set_is_found_by_its_name(npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    assert load_cohort("pneumoniamnist").name == "pneumoniamnist"
    with pytest.raises(CohortError, match="data fetch pneumoniamnist --size 64"):
        load_cohort("pneumoniamnist-64")


def test_the_checksum_on_record_is_that_of_the_file(data_dir: Path) -> None:
    recorded = DATA_SETS["pneumoniamnist"].files[28].checksum
    assert recorded == f"md5:{hashlib.md5((data_dir / 'pneumoniamnist.npz').read_bytes()).hexdigest()}"
