"""Real peers: Orthanc with its DICOMweb plugin, and dcmtk's tools."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from pydicom import dcmread

from pneumoscope.clinical.node import Node, NodeSettings, destinations_of
from pneumoscope.clinical.reading import ReportedPrediction, read_report
from pneumoscope.clinical.status import node_status
from pneumoscope.scoring import Predictor

from .conftest import Tool
from .quick import chest_film
from .test_node import until

# pynetdicom leaves a socket to the garbage collector when a connection is refused.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Orthanc:
    """An Orthanc of this test, on loopback, in a folder that goes away."""

    def __init__(self, folder: Path) -> None:
        self.http, self.dicom, self.node = free_port(), free_port(), free_port()
        plugin = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
        settings = {
            "Name": "test",
            "StorageDirectory": str(folder / "store"),
            "IndexDirectory": str(folder / "store"),
            "HttpPort": self.http,
            "DicomPort": self.dicom,
            "DicomAet": "ORTHANC",
            "DicomScuTimeout": 60,  # a busy machine
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomModalities": {"node": ["PNEUMOSCOPE", "127.0.0.1", self.node]},
            "Plugins": [str(plugin)],
        }
        (folder / "orthanc.json").write_text(json.dumps(settings))
        self.log = folder / "orthanc.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(["Orthanc", folder / "orthanc.json"], stdout=log, stderr=log)
        until(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            self.rest("/system")
        except URLError:
            return False
        return True

    def rest(self, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
        headers = {"Content-Type": kind, "Accept": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data=body, headers=headers)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)

    def instances(self) -> list[dict[str, Any]]:
        return [self.rest(f"/instances/{name}/simplified-tags") for name in self.rest("/instances")]


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    if shutil.which("Orthanc") is None:
        pytest.skip("Orthanc is not installed; `make peers` installs it")
    folder = tmp_path / "orthanc"
    folder.mkdir()
    server = Orthanc(folder)
    yield server
    server.process.terminate()
    server.process.wait(30)


def settings(spool: Path, port: int, destination: str) -> NodeSettings:
    return NodeSettings(
        aet="PNEUMOSCOPE",
        spool=spool,
        port=port,
        destinations=destinations_of([destination]),
        allowed=("ORTHANC", "STORESCU"),
        idle=0.02,
        first_wait=0.2,
    )


def test_a_study_sent_from_orthanc_comes_back_into_it(orthanc: Orthanc, predictor: Predictor, tmp_path: Path) -> None:
    film = chest_film(tmp_path / "film.dcm")
    name = orthanc.rest("/instances", film.read_bytes(), "application/dicom")["ID"]
    spool = tmp_path / "spool"
    with Node(settings(spool, orthanc.node, f"ORTHANC@127.0.0.1:{orthanc.dicom}"), predictor):
        for _ in range(2):  # the second time there is nothing new
            orthanc.rest("/modalities/node/store", json.dumps([name]).encode())
        until(lambda: len(orthanc.rest("/instances")) == 3)
        until(lambda: node_status(spool).destinations[0].sent == 2)
    assert len(orthanc.rest("/studies")) == 1, "all in the film's study"
    assert sorted(tags["Modality"] for tags in orthanc.instances()) == ["DX", "OT", "SR"]
    study = str(dcmread(film).StudyInstanceUID)
    series = orthanc.rest(f"/dicom-web/studies/{study}/series")
    assert sorted(found["00080060"]["Value"][0] for found in series) == ["DX", "OT", "SR"]
    reports = [found for found in series if found["00080060"]["Value"] == ["SR"]]
    uid = reports[0]["0020000E"]["Value"][0]
    (metadata,) = orthanc.rest(f"/dicom-web/studies/{study}/series/{uid}/metadata")
    title = metadata["0040A043"]["Value"][0]
    assert title["00080100"]["Value"] == ["126000"], "Imaging Measurement Report, by which viewers know TID 1500"


def test_dcmtk_sends_and_receives(predictor: Predictor, tmp_path: Path, tool: Tool) -> None:
    if shutil.which("storescp") is None:
        pytest.skip("dcmtk is not installed; `make peers` installs it")
    film, inbox, spool = chest_film(tmp_path / "film.dcm"), tmp_path / "inbox", tmp_path / "spool"
    inbox.mkdir()
    port, node_port = free_port(), free_port()
    peer = subprocess.Popen(["storescp", "--output-directory", inbox, "--aetitle", "STORESCP", str(port)])
    try:
        with Node(settings(spool, node_port, f"STORESCP@127.0.0.1:{port}"), predictor):
            calling = ("-aet", "STORESCU", "-aec", "PNEUMOSCOPE", "127.0.0.1", str(node_port))
            assert "E: " not in tool("echoscu", *calling)
            assert "E: " not in tool("storescu", *calling, film)
            assert "Rejected" in tool("echoscu", "-v", "-aet", "STRANGER", "-aec", "PNEUMOSCOPE", *calling[4:])
            until(lambda: node_status(spool).destinations and node_status(spool).destinations[0].sent == 2)
    finally:
        peer.terminate()
        peer.wait(30)
    received = list(inbox.iterdir())
    assert len(received) == 2
    reports = [place for place in received if dcmread(place).Modality == "SR"]
    (scored,) = predictor.predict_files([film])
    assert read_report(reports[0]).probability == ReportedPrediction.of(scored.prediction).probability
    assert "Pneumonia" in tool("dsrdump", reports[0])
