"""From a structured report back to what was predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

from pneumoscope.bundle import OperatingPoint
from pneumoscope.clinical import codes as ours
from pneumoscope.errors import DicomError
from pneumoscope.scoring import Decision, ModelUsed, Prediction, Reason


class ReportedPrediction(BaseModel):
    """The part of a :class:`~pneumoscope.scoring.Prediction` that its report says, under the same names.

    What a report leaves out: file name and timing, the saliency map, which is the overlay's, and what the film's
    own header says.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision: Decision
    probability: float
    logit: float
    reasons: tuple[Reason, ...]
    operating_point: OperatingPoint
    model: ModelUsed
    input_sha256: str | None
    notice: str

    @classmethod
    def of(cls, prediction: Prediction) -> ReportedPrediction:
        """What a report on that prediction says."""
        return cls.model_validate(prediction.model_dump(include=set(cls.model_fields)))


def read_report(source: Path | Dataset) -> ReportedPrediction:
    """Read a report that :func:`pneumoscope.clinical.report.structured_report` wrote.

    Raises:
        DicomError: the file is not such a report.
    """
    try:
        report = source if isinstance(source, Dataset) else dcmread(source)
        group = _one(_one(report, codes.DCM.ImagingMeasurements), codes.DCM.MeasurementGroup)
        parameters = dict(item.TextValue.split("=", 1) for item in _all(group, codes.DCM.AlgorithmParameters))
        notice, *reasons = (item.TextValue for item in _all(group, ours.COMMENT))
        sensitivity = parameters.get("promised sensitivity")
        return ReportedPrediction(
            decision=_one(group, ours.DECISION).ConceptCodeSequence[0].CodeValue,
            probability=_number(group, ours.PROBABILITY),
            logit=_number(group, ours.LOGIT),
            reasons=tuple(
                Reason(code=code, message=message) for code, _, message in (text.partition(": ") for text in reasons)
            ),
            operating_point=OperatingPoint(
                name=parameters["operating point"],
                threshold=float(parameters["threshold"]),
                promised_sensitivity=None if sensitivity is None else float(sensitivity),
                chosen_on=parameters.get("operating point chosen on", ""),
            ),
            model=ModelUsed(
                name=_one(group, codes.DCM.AlgorithmName).TextValue,
                sha256=parameters["weights SHA-256"],
                software=_one(group, codes.DCM.AlgorithmVersion).TextValue,
                runtime=parameters["runtime"],
            ),
            input_sha256=parameters.get("film SHA-256"),
            notice=notice,
        )
    except OSError as error:
        raise DicomError(f"{source}: cannot be read ({error.strerror}); check its name and rights") from None
    except Exception as error:  # of whatever kind: missing items, other values, other objects
        name = "this data set" if isinstance(source, Dataset) else source
        raise DicomError(f"{name}: no Pneumoscope report ({type(error).__name__}); give one that it wrote") from None


def _all(container: Dataset, name: Any) -> list[Dataset]:
    """The items of a container with that concept name, in their order."""
    return [
        item
        for item in container.ContentSequence
        if "ConceptNameCodeSequence" in item
        and (item.ConceptNameCodeSequence[0].CodeValue, item.ConceptNameCodeSequence[0].CodingSchemeDesignator)
        == (name.value, name.scheme_designator)
    ]


def _one(container: Dataset, name: Any) -> Dataset:
    (item,) = _all(container, name)
    return item


def _number(group: Dataset, name: Any) -> float:
    value = _one(group, name).MeasuredValueSequence[0]
    return float(value.FloatingPointValue if "FloatingPointValue" in value else value.NumericValue)
