"""A model that needs no network, films of noise, and a node of these as a process that a test can kill.

``python quick.py SPOOL DESTINATION`` runs the node and prints its port.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from pneumoscope.bundle import Bundle, BundleSpec, InputSpec, OperatingPoint
from pneumoscope.scoring import Predictor, Scores


class QuickRuntime:
    """Scores a film by its mean; the map's strongest cell is the last."""

    name = "quick"

    def __init__(self, seconds: float = 0) -> None:
        self._seconds = seconds

    def run(self, batch: Any) -> Scores:
        time.sleep(self._seconds * len(batch))
        logit = 6 * batch.mean(axis=(1, 2, 3), dtype=np.float32) / 255 - 2.7
        saliency = np.tile(np.arange(9, dtype=np.float32).reshape(3, 3), (len(batch), 1, 1))
        return Scores(logit.astype(np.float32), saliency, np.zeros((len(batch), 2048), np.float32))


def quick_bundle(folder: Path) -> Bundle:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"no weights")
    spec = BundleSpec(
        name="quick",
        created="2025-01-01T00:00:00Z",
        software="test",
        input=InputSpec(size=107),
        ages=(18, 99),
        operating_points=(
            OperatingPoint(name="half", threshold=0.5, promised_sensitivity=0.9, chosen_on="nothing"),
            OperatingPoint(name="odd", threshold=0.1 + 0.2),
        ),
        weights_sha256=hashlib.sha256(b"no weights").hexdigest(),
    )
    return Bundle(folder, spec)


def quick_predictor(folder: Path, seconds: float = 0, operating_point: str | None = None) -> Predictor:
    return Predictor(quick_bundle(folder), operating_point=operating_point, runtime=QuickRuntime(seconds), batch_size=4)


def chest_film(path: Path, number: int = 1, **elements: Any) -> Path:
    """A chest film as a modality would send it; ``None`` takes an element away."""
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.SpecificCharacterSet = "ISO_IR 100"
    film.SOPClassUID = DigitalXRayImageStorageForPresentation
    film.StudyInstanceUID = generate_uid(entropy_srcs=["study", str(number // 2)])
    film.SeriesInstanceUID = generate_uid(entropy_srcs=["series", str(number // 2)])
    film.SOPInstanceUID = generate_uid(entropy_srcs=["film", str(number)])
    film.PatientName, film.PatientID = "Müller^Anna", f"P{number:04}"
    film.PatientBirthDate, film.PatientSex, film.PatientAge = "19600203", "F", "061Y"
    film.StudyDate, film.StudyTime, film.AccessionNumber, film.StudyID = "20210304", "101112.5", "A1", "S1"
    film.ReferringPhysicianName = "Doc^Tor"
    film.Modality, film.BodyPartExamined, film.ViewPosition = "DX", "CHEST", "PA"
    film.BurnedInAnnotation, film.InstanceNumber = "NO", number
    film.PatientOrientation = ["L", "F"]
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    pixels = np.random.default_rng(number).normal(100 + 10 * (number % 8), 40, (240, 250)).clip(0, 255).astype(np.uint8)
    film.Rows, film.Columns = pixels.shape
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 8, 8, 7, 0
    film.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        if value is None:
            del film[keyword]
        else:
            setattr(film, keyword, value)
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    dcmwrite(path, film, enforce_file_format=True)
    return path


def main() -> None:
    from pneumoscope.clinical.node import Node, NodeSettings, destinations_of

    spool, destination = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)
    settings = NodeSettings(
        aet="NODE",
        spool=Path(spool),
        port=0,
        destinations=destinations_of([destination]),
        allowed=("TESTER",),
        batch_size=4,
        first_wait=0.2,
        longest_wait=1,
        idle=0.05,
    )
    with Node(settings, quick_predictor(Path(spool) / "bundle", seconds=0.01)) as node:
        print(node.port, flush=True)  # noqa: T201
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main()
