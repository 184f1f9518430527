"""The overlay as a DICOM Secondary Capture, with what it is not burned into the picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from pneumoscope.bundle import InputSpec
from pneumoscope.clinical.codes import DECISIONS
from pneumoscope.clinical.identity import MANUFACTURER, result_uid
from pneumoscope.explanation import overlay, reduced
from pneumoscope.scoring import Prediction, Scored, percent

SERIES_NUMBER = 9802
TITLE = "Pneumoscope heat map, research use only"
DERIVATION = (
    "Grad-CAM heat map of {model}, Pneumoscope {software}, weights SHA-256 {sha256}, over the film at reduced size."
    " Not a localisation of disease. Research use only, never a diagnosis."
)


def secondary_capture(scored: Scored, spec: InputSpec, film: Dataset) -> SCImage:
    """The film under its saliency map, in the film's study and a series of its own.

    Args:
        scored: a film that was scored and kept (``Predictor.predict_files(..., keep_films=True)``).
        spec: the bundle's input.
        film: its identity (:func:`pneumoscope.clinical.identity.read_identity`).

    Raises:
        ValueError: the film was not scored or not kept.
    """
    if scored.film is None or scored.saliency is None:
        raise ValueError("an overlay needs a film that was scored and kept")
    prediction = scored.prediction
    pixels = reduced(scored.film.pixels)
    capture = SCImage(
        pixel_array=_labelled(overlay(pixels, scored.saliency, spec), prediction),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        study_instance_uid=film.StudyInstanceUID,
        series_instance_uid=result_uid(prediction, "overlay series", film.StudyInstanceUID),
        series_number=SERIES_NUMBER,
        series_description=TITLE,
        sop_instance_uid=result_uid(prediction, "overlay", film.SOPInstanceUID),
        instance_number=int(film.InstanceNumber),
        manufacturer=MANUFACTURER,
        manufacturer_model_name=f"Pneumoscope {prediction.model.name}"[:64],
        device_serial_number=prediction.model.sha256,
        software_versions=prediction.model.software,
        patient_id=film.PatientID,
        patient_name=film.PatientName,
        patient_birth_date=film.PatientBirthDate,
        patient_sex=film.PatientSex,
        accession_number=film.AccessionNumber,
        study_id=film.StudyID,
        study_date=film.StudyDate or None,
        study_time=film.StudyTime or None,
        referring_physician_name=film.ReferringPhysicianName,
        specific_character_set=film.SpecificCharacterSet,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    capture.copy_patient_and_study_information(film)
    _derived(capture, film, prediction)
    return capture


def _derived(capture: SCImage, film: Dataset, prediction: Prediction) -> None:
    """What the picture was made from, and what of the film still holds for it."""
    model = prediction.model
    capture.DerivationDescription = DERIVATION.format(model=model.name, software=model.software, sha256=model.sha256)
    source = Dataset()
    source.ReferencedSOPClassUID = film.SOPClassUID
    source.ReferencedSOPInstanceUID = film.SOPInstanceUID
    purpose = codes.DCM.SourceImageForImageProcessingOperation
    source.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(purpose)]
    capture.SourceImageSequence = [source]
    capture.BodyPartExamined = "CHEST"
    # By convention a frontal film lies so; the header says it only where it is known to.
    capture.PatientOrientation = []
    # About text that identifies the patient. Ours does not; what is on the film stays on it.
    if film.get("BurnedInAnnotation") in ("YES", "NO"):
        capture.BurnedInAnnotation = film.BurnedInAnnotation


def _labelled(picture: npt.NDArray[np.uint8], prediction: Prediction) -> npt.NDArray[np.uint8]:
    """The picture (H, W, 3) with a strip above and one below it, so that no text hides the film."""
    assert prediction.probability is not None
    assert prediction.saliency is not None
    width = picture.shape[1]
    below = (
        f"Score for pneumonia {percent(prediction.probability)},"
        f" threshold {percent(prediction.operating_point.threshold)}",
        DECISIONS[prediction.decision].meaning,
        "Heat map: where the score came from, not where disease is"
        if prediction.saliency.peak
        else "Heat map: empty, nothing on this film spoke for pneumonia",
        f"Pneumoscope {prediction.model.software}, {prediction.model.name} ({prediction.model.sha256[:12]})",
    )
    above = _strip(("RESEARCH USE ONLY, NEVER A DIAGNOSIS",), width, "#ffd166")
    return np.concatenate([above, picture, _strip(below, width, "#ffffff")])


def _strip(lines: tuple[str, ...], width: int, colour: str) -> npt.NDArray[np.uint8]:
    """Lines of text on black, each as large as the width lets the longest be."""
    size = max(8.0, width / 32)
    longest = max(ImageFont.load_default(size).getlength(line) for line in lines)
    size = max(6.0, size * min(1.0, 0.96 * width / longest))
    font = ImageFont.load_default(size)
    step = round(1.5 * size)
    strip = Image.new("RGB", (width, step * len(lines) + round(0.5 * size)))
    draw = ImageDraw.Draw(strip)
    for number, line in enumerate(lines):
        draw.text((0.02 * width, 0.35 * size + number * step), line, fill=colour, font=font)
    return np.asarray(strip)
