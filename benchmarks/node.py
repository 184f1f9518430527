"""The node with the shipped model: 500 films sent to it, killed five times at random moments, every report counted."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from benchmarks._films import chest_films

FILMS = 500
KILLS = 5
SIDE = 1024
DIFFERENT = 20
"""Pictures that the films show; each film is an instance of its own."""


def run() -> dict[str, float]:
    """Films a second, and how many reports came; raises if one is missing or came twice."""
    films = chest_films(DIFFERENT, SIDE)
    got: Counter[tuple[str, str]] = Counter()
    archive, port = _archive(got)
    dice = random.Random(0)
    node_port = _free_port()
    sent, started, down = 0, time.perf_counter(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        moments = sorted(dice.sample(range(FILMS // 10, FILMS), KILLS))
        node = _node(folder, node_port, port)
        while sent < FILMS:
            if _sent(_film(sent, films[sent % len(films)]), node_port):
                sent += 1
            if moments and sent >= moments[0]:
                moments.pop(0)
                time.sleep(dice.uniform(0, 1))
                node.send_signal(signal.SIGKILL)
                node.wait()
                stopped = time.perf_counter()
                node = _node(folder, node_port, port)
                down += time.perf_counter() - stopped
        while len(got) < 2 * FILMS:
            time.sleep(0.2)
        seconds = time.perf_counter() - started - down
        node.send_signal(signal.SIGTERM)
        if node.wait(300):
            raise RuntimeError(f"the node ended with status {node.returncode} when asked to end")
    archive.shutdown()
    reports = [times for (kind, _), times in got.items() if kind == EnhancedSRStorage]
    if len(reports) != FILMS or set(got.values()) != {1}:
        raise RuntimeError(f"{FILMS} films gave {len(reports)} reports; sent more than once: {sum(got.values())}")
    return {
        "films": FILMS,
        "kills": KILLS,
        "reports": len(reports),
        "objects sent more than once": sum(times > 1 for times in got.values()),
        "films/s, restarts left out": FILMS / seconds,
        "seconds of a restart": down / KILLS,
    }


def _archive(got: Counter[tuple[str, str]]) -> tuple[Any, int]:
    def store(event: Any) -> int:
        got[str(event.request.AffectedSOPClassUID), str(event.request.AffectedSOPInstanceUID)] += 1
        return 0x0000

    def find(event: Any) -> Iterator[tuple[int, Dataset]]:
        if any(uid == event.identifier.SOPInstanceUID for _, uid in list(got)):
            yield 0xFF00, event.identifier

    entity = AE(ae_title="ARCHIVE")
    for sop_class in (EnhancedSRStorage, SecondaryCaptureImageStorage, StudyRootQueryRetrieveInformationModelFind):
        entity.add_supported_context(sop_class)
    handlers: Any = [(evt.EVT_C_STORE, store), (evt.EVT_C_FIND, find)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    return server, server.socket.getsockname()[1]


def _node(folder: str, port: int, archive: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pneumoscope", "node", "--port", str(port), "--allow", "SENDER"]
    command += ["--destination", f"ARCHIVE@127.0.0.1:{archive}", "--spool", str(Path(folder) / "spool")]
    node = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ)
    while node.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return node
        time.sleep(0.1)
    raise RuntimeError(f"the node ended with status {node.returncode}")


def _sent(film: Dataset, port: int) -> bool:
    entity = AE(ae_title="SENDER")
    entity.add_requested_context(film.SOPClassUID, film.file_meta.TransferSyntaxUID)
    link = entity.associate("127.0.0.1", port, ae_title="PNEUMOSCOPE")
    if not link.is_established:
        return False
    status = link.send_c_store(film).get("Status")
    link.release()
    return status == 0x0000


def _film(number: int, pixels: npt.NDArray[np.uint8]) -> Dataset:
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.SOPClassUID = DigitalXRayImageStorageForPresentation
    film.StudyInstanceUID = generate_uid(entropy_srcs=["study", str(number)])
    film.SeriesInstanceUID = generate_uid(entropy_srcs=["series", str(number)])
    film.SOPInstanceUID = generate_uid(entropy_srcs=["film", str(number)])
    film.PatientName, film.PatientID, film.PatientAge = f"Test^{number}", f"T{number}", "003Y"
    film.Modality, film.BodyPartExamined, film.ViewPosition = "DX", "CHEST", "PA"
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.Rows, film.Columns = pixels.shape
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 8, 8, 7, 0
    film.PixelData = pixels.tobytes()
    return film


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
