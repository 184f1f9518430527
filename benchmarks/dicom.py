"""DICOM films of 1024 × 1024 pixels, 12 bits, uncompressed, from the disk to the prediction; where the time goes."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from benchmarks._films import chest_films
from pneumoscope.bundle import load_bundle
from pneumoscope.radiograph import assess, fit, read_radiograph
from pneumoscope.scoring import OpenVinoRuntime, Predictor

FILMS, DIFFERENT, SIDE, SAMPLE = 1000, 20, 1024, 40


def run() -> dict[str, float]:
    """Films per second, and milliseconds of one processor that each step takes for a film."""
    bundle = load_bundle("default")
    runtime = OpenVinoRuntime(bundle)
    with tempfile.TemporaryDirectory() as folder:
        films = chest_films(DIFFERENT, SIDE)
        paths = [
            _write(Path(folder) / f"{number:04d}.dcm", films[number % DIFFERENT], number) for number in range(FILMS)
        ]
        started = time.perf_counter()
        predictor = Predictor(bundle, runtime=runtime)
        scored = sum(one.prediction.logit is not None for one in predictor.predict_files(paths))
        seconds = time.perf_counter() - started
        assert scored == FILMS
        steps = _steps(paths[:SAMPLE], OpenVinoRuntime(bundle, threads=1), bundle.spec.input.size)
    return {"films/s": FILMS / seconds, **{f"{name}, ms": 1000 * taken / SAMPLE for name, taken in steps.items()}}


def _steps(paths: list[Path], runtime: OpenVinoRuntime, size: int) -> dict[str, float]:
    spent = dict.fromkeys(("read and decode", "judge", "bring to the network's square", "network"), 0.0)
    for path in paths:
        marks = [time.process_time()]
        film = read_radiograph(path)
        marks.append(time.process_time())
        assess(film)
        marks.append(time.process_time())
        square = np.rint(fit(film.pixels, size, "crop") * 255).astype(np.uint8)
        marks.append(time.process_time())
        runtime.run(square[None, None])
        marks.append(time.process_time())
        for name, taken in zip(spent, np.diff(marks), strict=True):
            spent[name] += float(taken)
    return spent


def _write(path: Path, levels: npt.NDArray[np.uint8], seed: int) -> Path:
    # As a detector would: twelve bits with its noise in the lowest.
    noise = np.random.default_rng(seed).integers(0, 16, (SIDE, SIDE), dtype=np.uint16)
    pixels = levels.astype(np.uint16) * 16 + noise
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    film = Dataset()
    film.file_meta = meta
    film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    film.Modality, film.BodyPartExamined, film.ViewPosition = "DX", "CHEST", "PA"
    film.Rows = film.Columns = SIDE
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME2", 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
    film.PixelData = pixels.tobytes()
    film.save_as(path, enforce_file_format=True)
    return path
