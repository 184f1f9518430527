"""The node against peers in this process: pynetdicom as sender and as destination."""

from __future__ import annotations

import errno
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage, EnhancedSRStorage, SecondaryCaptureImageStorage
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    DigitalXRayImageStorageForPresentation,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from pneumoscope.clinical import queue as queue_module
from pneumoscope.clinical.node import Node, NodeSettings, destinations_of
from pneumoscope.clinical.queue import MOST_ATTEMPTS, Queue
from pneumoscope.clinical.reading import ReportedPrediction, read_report
from pneumoscope.clinical.status import node_status
from pneumoscope.errors import DicomError
from pneumoscope.scoring import Predictor

from .conftest import Tool
from .quick import chest_film

HERE = Path(__file__).parent
# pynetdicom leaves a socket to the garbage collector when a connection is refused.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


class Archive:
    """A destination that counts what it gets, and answers C-FIND about it."""

    def __init__(self) -> None:
        self.got: list[Dataset] = []
        self.answer = 0x0000
        self.asked = 0
        entity = AE(ae_title="ARCHIVE")
        for sop_class in (EnhancedSRStorage, SecondaryCaptureImageStorage, StudyRootQueryRetrieveInformationModelFind):
            entity.add_supported_context(sop_class)
        handlers: Any = [(evt.EVT_C_STORE, self._store), (evt.EVT_C_FIND, self._find)]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self.server.socket.getsockname()[1]

    def _store(self, event: Any) -> int:
        if self.answer == 0:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            self.got.append(dataset)
        return self.answer

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        self.asked += 1
        for dataset in self.got:
            if dataset.SOPInstanceUID == event.identifier.SOPInstanceUID:
                yield 0xFF00, event.identifier

    def count(self, sop_class: str) -> Counter[str]:
        return Counter(str(got.SOPInstanceUID) for got in list(self.got) if got.SOPClassUID == sop_class)


@pytest.fixture
def archive() -> Iterator[Archive]:
    result = Archive()
    yield result
    result.server.shutdown()


@contextmanager
def running(spool: Path, predictor: Predictor, archive: Archive | None, **changed: Any) -> Iterator[Node]:
    port = archive.port if archive else 1
    settings = {
        "aet": "NODE",
        "spool": spool,
        "port": 0,
        "destinations": destinations_of([f"ARCHIVE@127.0.0.1:{port}"]),
        "allowed": ("TESTER",),
        "first_wait": 0.1,
        "longest_wait": 0.2,
        "idle": 0.02,
    }
    with Node(NodeSettings(**(settings | changed)), predictor) as node:
        yield node


def send(port: int, *films: Path, calling: str = "TESTER", called: str = "NODE") -> list[int | None]:
    """The status of each C-STORE; empty if the association is refused."""
    entity = AE(ae_title=calling)
    for film in films:
        header = dcmread(film, stop_before_pixels=True)
        entity.add_requested_context(header.SOPClassUID, header.file_meta.TransferSyntaxUID)
    entity.add_requested_context(Verification)
    link = entity.associate("127.0.0.1", port, ae_title=called)
    if not link.is_established:
        return []
    try:
        assert link.send_c_echo().Status == 0
        return [link.send_c_store(film).get("Status") for film in films]
    finally:
        link.release()


def until(condition: Callable[[], Any], seconds: float = 180) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)


def test_a_film_comes_back_as_report_and_overlay(predictor: Predictor, archive: Archive, tmp_path: Path) -> None:
    film = chest_film(tmp_path / "film.dcm")
    spool = tmp_path / "spool"
    with running(spool, predictor, archive) as node:
        assert send(node.port, film, film) == [0, 0]
        until(lambda: len(archive.got) == 2)
        until(lambda: node_status(spool).destinations[0].sent == 2)
        assert node_status(spool).running
        assert send(node.port, film) == [0], "known already, and not sent again"
        time.sleep(0.3)
    assert len(archive.got) == 2
    report, capture = sorted(archive.got, key=lambda got: got.SOPClassUID != EnhancedSRStorage)
    (scored,) = predictor.predict_files([film])
    expected = ReportedPrediction.of(scored.prediction).model_dump(exclude={"input_sha256"})
    assert read_report(report).model_dump(exclude={"input_sha256"}) == expected
    assert report.StudyInstanceUID == capture.StudyInstanceUID == dcmread(film).StudyInstanceUID
    status = node_status(spool)
    assert (status.running, status.waiting, status.scored, status.failed) == (False, 0, 1, 0)
    left = [path for path in spool.rglob("*") if path.suffix in (".dcm", ".part")]
    assert left == [], "nothing of the patient stays"


def test_what_is_no_chest_film_is_left_alone_or_refused(predictor: Predictor, archive: Archive, tmp_path: Path) -> None:
    leg = chest_film(tmp_path / "leg.dcm", 1, BodyPartExamined="KNEE")
    scan = chest_film(tmp_path / "scan.dcm", 2, SOPClassUID=CTImageStorage, Modality="CT")
    photo = chest_film(tmp_path / "photo.dcm", 3, SOPClassUID=SecondaryCaptureImageStorage, Modality="XC")
    good = chest_film(tmp_path / "good.dcm", 4)
    with running(tmp_path / "a", predictor, archive) as node:
        assert send(node.port, leg, scan, photo, good) == [0, 0, 0, 0]
        until(lambda: len(archive.got) == 2)
        until(lambda: node_status(tmp_path / "a").waiting == 0)
    status = node_status(tmp_path / "a")
    assert (status.scored, status.unsuitable) == (1, 1)
    with running(tmp_path / "b", predictor, archive, others="refuse") as node:
        assert send(node.port, leg, photo, good) == [0xC000, 0xC000, 0]
        with pytest.raises(ValueError, match="No presentation context"):
            send(node.port, scan)


def test_strangers_are_turned_away_and_the_node_goes_on(predictor: Predictor, archive: Archive, tmp_path: Path) -> None:
    film = chest_film(tmp_path / "film.dcm")
    with running(tmp_path / "spool", predictor, archive) as node:
        assert send(node.port, film, calling="STRANGER") == []
        assert send(node.port, film, called="ANOTHER") == []
        assert send(node.port, film) == [0]
        until(lambda: len(archive.got) == 2)


def test_an_association_cut_off_mid_object_leaves_nothing(
    predictor: Predictor, archive: Archive, tmp_path: Path
) -> None:
    """A peer opens an association, sends half an object and goes; another sends nonsense."""
    film = chest_film(tmp_path / "film.dcm")
    spool = tmp_path / "spool"
    with running(spool, predictor, archive) as node:
        entity = AE(ae_title="TESTER")
        entity.add_requested_context(DigitalXRayImageStorageForPresentation, "1.2.840.10008.1.2.1")
        entity.maximum_pdu_size = 4096
        link = entity.associate("127.0.0.1", node.port, ae_title="NODE")
        assert link.is_established
        raw = link.dul.socket.socket
        content = film.read_bytes()
        body = bytes([1, 0b00]) + content[:3000]  # presentation context 1, data, not the last fragment
        pdu = len(body).to_bytes(4, "big") + body
        raw.sendall(b"\x04\x00" + len(pdu).to_bytes(4, "big") + pdu)
        raw.shutdown(socket.SHUT_RDWR)
        link.abort()
        with socket.create_connection(("127.0.0.1", node.port)) as stranger:
            stranger.sendall(os.urandom(500))
        assert send(node.port, film) == [0]
        until(lambda: len(archive.got) == 2)
    assert node_status(spool).scored == 1


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_broken_film_goes_to_the_dead_letters(predictor: Predictor, archive: Archive, tmp_path: Path) -> None:
    broken = chest_film(tmp_path / "broken.dcm", 1, PixelData=bytes(100))
    climbing = chest_film(tmp_path / "climbing.dcm", 3, StudyInstanceUID="../../../outside")
    good = chest_film(tmp_path / "good.dcm", 2)
    with running(tmp_path / "spool", predictor, archive) as node:
        assert send(node.port, broken, climbing, good) == [0, 0, 0]
        until(lambda: len(archive.got) == 2)
        until(lambda: node_status(tmp_path / "spool").failed == 2)
    assert len(list((tmp_path / "spool" / "dead-letters").iterdir())) == 2
    assert list(tmp_path.parent.rglob("outside")) == []


def test_a_destination_that_is_away_gets_everything_later(predictor: Predictor, tmp_path: Path) -> None:
    film = chest_film(tmp_path / "film.dcm")
    archive = Archive()
    archive.answer = 0xA700
    try:
        with running(tmp_path / "spool", predictor, archive) as node:
            send(node.port, film)
            until(lambda: any(peer.last_reason for peer in node_status(tmp_path / "spool").destinations))
            (peer,) = node_status(tmp_path / "spool").destinations
            assert (peer.waiting, peer.sent) == (2, 0)
            assert "A700H" in peer.last_reason
            archive.answer = 0
            until(lambda: len(archive.got) == 2)
    finally:
        archive.server.shutdown()


def test_what_is_never_taken_becomes_a_dead_letter(predictor: Predictor, tmp_path: Path) -> None:
    film = chest_film(tmp_path / "film.dcm")
    with running(tmp_path / "spool", predictor, None, give_up_after=0.3) as node:  # nobody listens on port 1
        send(node.port, film)
        until(lambda: sum(peer.dead for peer in node_status(tmp_path / "spool").destinations) == 2)
    letters = [dcmread(path) for path in (tmp_path / "spool" / "dead-letters").iterdir()]
    assert {letter.SOPClassUID for letter in letters} == {EnhancedSRStorage, SecondaryCaptureImageStorage}
    assert list((tmp_path / "spool" / "results").rglob("*.dcm")) == []


@pytest.mark.parametrize("how", ["write", "reserve"])
def test_a_full_disk_is_said_and_survived(
    how: str, predictor: Predictor, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = chest_film(tmp_path / "film.dcm")
    with running(tmp_path / "spool", predictor, archive) as node:
        with monkeypatch.context() as patch:
            if how == "write":

                def full(place: Path, content: bytes) -> None:
                    raise OSError(errno.ENOSPC, "No space left on device")

                patch.setattr(queue_module, "write_durably", full)
            else:
                patch.setattr("pneumoscope.clinical.receiver.RESERVE", 1 << 60)
            assert send(node.port, film) == [0xA700]
        assert node_status(tmp_path / "spool").waiting == 0
        assert send(node.port, film) == [0]
        until(lambda: len(archive.got) == 2)


def test_tls(predictor: Predictor, archive: Archive, tmp_path: Path, tool: Tool) -> None:
    from pneumoscope.clinical.peers import Tls, association

    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    tool("openssl", *made, "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate)
    tls = Tls(certificate, key, certificate)
    with running(tmp_path / "spool", predictor, archive, tls=tls) as node:
        assert send(node.port, chest_film(tmp_path / "film.dcm")) == [], "not without TLS"
        (secure,) = destinations_of([f"NODE@localhost:{node.port}/tls"])
        with association("TESTER", secure, tls) as sender:
            assert sender is not None
    with pytest.raises(DicomError, match="no TLS with these"):
        Tls(key, certificate).context(server=True)


def test_two_nodes_do_not_share_a_spool_or_a_port(predictor: Predictor, archive: Archive, tmp_path: Path) -> None:
    with running(tmp_path / "a", predictor, archive) as node:
        with pytest.raises(DicomError, match="another node works here"), running(tmp_path / "a", predictor, archive):
            pass
        with (
            pytest.raises(DicomError, match="cannot be listened on"),
            running(tmp_path / "b", predictor, archive, port=node.port),
        ):
            pass


def test_a_film_that_ends_the_process_is_tried_alone_and_then_given_up(tmp_path: Path) -> None:
    queue = Queue(tmp_path, "scorer")
    for name in ("1.1", "1.2", "1.3"):
        assert queue.add(name, "TESTER", b"film")
    assert not queue.add("1.1", "TESTER", b"again")
    assert len(queue.claim(8)) == 3
    alone = [queue.claim(8) for _ in range(MOST_ATTEMPTS)]
    assert {len(films) for films in alone} == {1}
    assert queue.add("1.4", "TESTER", b"film")
    (fresh,) = queue.claim(8)
    assert fresh.attempts == 1, "one that never did any harm comes first"
    queue.failed(fresh, "cannot be read")
    assert queue.add("1.4", "TESTER", b"a better copy"), "one that failed may come again"
    queue.close()


def test_killed_at_random_moments_every_report_arrives_exactly_once(archive: Archive, tmp_path: Path) -> None:
    spool, count = tmp_path / "spool", 20
    films = [chest_film(tmp_path / f"{number}.dcm", number) for number in range(1, count + 1)]
    waiting = list(films)
    dice = random.Random(4)
    for kills in range(3):
        with _process(spool, archive) as (node, port):
            if kills < 2:
                for film in [waiting.pop() for _ in range(count // 2)]:
                    assert send(port, film) == [0]
                time.sleep(dice.uniform(0, 0.3))
                node.send_signal(signal.SIGKILL)
                node.wait()
            else:
                assert waiting == []
                until(lambda: len(archive.count(EnhancedSRStorage)) == count)
                until(lambda: not any(peer.waiting for peer in node_status(spool).destinations))
    for sop_class in (EnhancedSRStorage, SecondaryCaptureImageStorage):
        assert Counter(archive.count(sop_class).values()) == {1: count}
    assert {
        str(
            got.CurrentRequestedProcedureEvidenceSequence[0]
            .ReferencedSeriesSequence[0]
            .ReferencedSOPSequence[0]
            .ReferencedSOPInstanceUID
        )
        for got in archive.got
        if got.SOPClassUID == EnhancedSRStorage
    } == {str(dcmread(film).SOPInstanceUID) for film in films}
    status = node_status(spool)
    assert (status.scored, status.waiting, status.failed) == (count, 0, 0)


@contextmanager
def _process(spool: Path, archive: Archive) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, str(HERE / "quick.py"), str(spool), f"ARCHIVE@127.0.0.1:{archive.port}"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (spool.parent / "node.log").open("a") as log:
        node = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        assert node.stdout is not None
        yield node, int(node.stdout.readline())
    finally:
        node.kill()
        node.wait()
        assert node.stdout is not None
        node.stdout.close()
