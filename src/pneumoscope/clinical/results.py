"""The DICOM objects that come of one film, and their way onto disk."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from pydicom import Dataset

from pneumoscope.bundle import InputSpec
from pneumoscope.clinical.capture import secondary_capture
from pneumoscope.clinical.durable import write_durably
from pneumoscope.clinical.report import structured_report
from pneumoscope.errors import DicomError
from pneumoscope.radiograph._quiet import QUIET
from pneumoscope.scoring import Scored


def results_of(scored: Scored, spec: InputSpec, film: Dataset) -> tuple[Dataset, Dataset]:
    """Report and overlay of a film that was scored and kept.

    Args:
        scored: the prediction with its arrays.
        spec: the bundle's input.
        film: its identity (:func:`pneumoscope.clinical.identity.read_identity`).

    Raises:
        ValueError: the film was not scored or not kept.
    """
    with QUIET:  # about values of the film's header that break the standard's rules
        return structured_report(scored.prediction, film), secondary_capture(scored, spec, film)


def write_results(results: tuple[Dataset, ...], folder: Path) -> list[Path]:
    """Write objects as ``STUDY/SOP-INSTANCE.dcm``, each whole or not at all.

    An object that is there already is replaced, which is how a repetition makes no duplicates.

    Raises:
        DicomError: the place cannot be written.
    """
    places = []
    for result in results:
        content = BytesIO()
        with QUIET:
            result.save_as(content, enforce_file_format=True)
        place = folder / str(result.StudyInstanceUID) / f"{result.SOPInstanceUID}.dcm"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_durably(place, content.getvalue())
        except OSError as error:
            raise DicomError(f"{place}: cannot be written ({error.strerror})") from None
        places.append(place)
    return places
