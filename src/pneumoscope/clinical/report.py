"""A prediction as a DICOM structured report: Enhanced SR by TID 1500, Measurement Report."""

from __future__ import annotations

from highdicom.sr import (
    AlgorithmIdentification,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    EnhancedSR,
    FindingSite,
    ImageContentItem,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from pneumoscope.clinical import codes as ours
from pneumoscope.clinical.identity import MANUFACTURER, named_uid, result_uid
from pneumoscope.scoring import Prediction

SERIES_NUMBER = 9801
"""High, so that viewers list the report behind the films."""
TITLE = "Pneumoscope report, research use only"


def structured_report(prediction: Prediction, film: Dataset) -> EnhancedSR:
    """The report on one film, in the film's study and a series of its own.

    It holds the probability, the decision, the reasons, the algorithm with its version, weights and operating
    point, and a reference to the film (docs/reference/dicom-report.md); it is preliminary and unverified.

    Args:
        prediction: of a film that was scored.
        film: its identity (:func:`pneumoscope.clinical.identity.read_identity`).

    Raises:
        ValueError: the film was not scored.
    """
    if prediction.probability is None:
        raise ValueError("there is no report on a film that was not scored")
    return EnhancedSR(
        evidence=[film],
        content=_content(prediction, film)[0],
        series_instance_uid=result_uid(prediction, "report series", film.StudyInstanceUID),
        series_number=SERIES_NUMBER,
        series_description=TITLE,
        sop_instance_uid=result_uid(prediction, "report", film.SOPInstanceUID),
        instance_number=int(film.InstanceNumber),
        manufacturer=MANUFACTURER,
        manufacturer_model_name=f"Pneumoscope {prediction.model.name}"[:64],
        device_serial_number=prediction.model.sha256,
        software_versions=prediction.model.software,
        is_complete=True,
        is_final=False,
        is_verified=False,
        coding_schemes=[ours.SCHEME_ITEM],
    )


def _content(prediction: Prediction, film: Dataset) -> MeasurementReport:
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(prediction)),
        procedure_reported=ours.PROCEDURE,
        imaging_measurements=[_group(prediction, film)],
    )
    # Behind the procedure, before the measurements. highdicom's own library asks for the patient's orientation
    # and the pixel spacing, which many films do not have.
    report[0].ContentSequence.insert(-1, _library(film))
    return report


def _observer(prediction: Prediction) -> ObserverContext:
    model = prediction.model
    return ObserverContext(
        codes.DCM.Device,
        DeviceObserverIdentifyingAttributes(
            uid=named_uid("device", model.software, model.sha256),
            name="Pneumoscope",
            manufacturer_name=MANUFACTURER,
            model_name=model.name,
        ),
    )


def _library(film: Dataset) -> ContainerContentItem:
    image = ImageContentItem(
        ours.SOURCE,
        referenced_sop_class_uid=film.SOPClassUID,
        referenced_sop_instance_uid=film.SOPInstanceUID,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    group = ContainerContentItem(codes.DCM.ImageLibraryGroup, relationship_type=RelationshipTypeValues.CONTAINS)
    group.ContentSequence = ContentSequence([image])
    library = ContainerContentItem(codes.DCM.ImageLibrary, relationship_type=RelationshipTypeValues.CONTAINS)
    library.ContentSequence = ContentSequence([group])
    return library


def _group(prediction: Prediction, film: Dataset) -> MeasurementsAndQualitativeEvaluations:
    assert prediction.probability is not None
    assert prediction.logit is not None
    image = SourceImageForMeasurementGroup(film.SOPClassUID, film.SOPInstanceUID)
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=result_uid(prediction, "finding", film.SOPInstanceUID),
            identifier="Pneumonia score, research use only",
        ),
        finding_type=ours.PNEUMONIA,
        finding_sites=[FindingSite(ours.LUNG)],
        algorithm_id=_algorithm(prediction),
        measurements=[
            Measurement(ours.PROBABILITY, prediction.probability, ours.NO_UNITS),
            Measurement(ours.LOGIT, prediction.logit, ours.NO_UNITS),
        ],
        qualitative_evaluations=[QualitativeEvaluation(ours.DECISION, ours.DECISIONS[prediction.decision])],
        source_images=[image],
    )
    comments = [f"{reason.code}: {reason.message}" for reason in prediction.reasons]
    for comment in (prediction.notice, *comments):
        item = TextContentItem(ours.COMMENT, comment, relationship_type=RelationshipTypeValues.CONTAINS)
        group[0].ContentSequence.append(item)
    return group


def _algorithm(prediction: Prediction) -> AlgorithmIdentification:
    model, point = prediction.model, prediction.operating_point
    parameters = {
        "weights SHA-256": model.sha256,
        "runtime": model.runtime,
        "operating point": point.name,
        "threshold": repr(point.threshold),
        "promised sensitivity": None if point.promised_sensitivity is None else repr(point.promised_sensitivity),
        "operating point chosen on": point.chosen_on or None,
        "film SHA-256": prediction.input_sha256,
    }
    return AlgorithmIdentification(
        name=model.name,
        version=model.software,
        parameters=[f"{name}={value}" for name, value in parameters.items() if value is not None],
        manufacturer=MANUFACTURER,
    )
