"""What Pneumoscope says about one film: the one schema for command line, REST, record store and DICOM SR."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.bundle.spec import ConformalLimits, OperatingPoint

SCHEMA_VERSION: Literal[1] = 1
"""Raised when a field changes its meaning or goes away; new optional fields do not raise it."""

RESEARCH_NOTICE = "Research use only. Not a medical device and never a diagnosis."

Decision = Literal["pneumonia", "normal", "refer", "unsuitable"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reason(_Part):
    """Why the decision is what it is."""

    code: str = Field(description="short stable word for programs")
    message: str = Field(description="one sentence for people")


class ModelUsed(_Part):
    """What computed the score."""

    name: str = Field(description="the bundle's name")
    sha256: str = Field(description="SHA-256 of the bundle's weights")
    software: str = Field(description="version of Pneumoscope")
    runtime: str = Field(description="engine, its version, device and number format")


class Peak(_Part):
    """Where the saliency map is highest, on the film as it was read."""

    x: float = Field(ge=0, le=1, description="share of the film's width, from its left edge")
    y: float = Field(ge=0, le=1, description="share of the film's height, from its top edge")


class SaliencySummary(_Part):
    """The saliency map in a few numbers. It shows where the score came from; it does not localise disease."""

    grid: tuple[int, int] = Field(description="rows and columns of the map")
    peak: Peak | None = Field(description="null where nothing on the film spoke for pneumonia")
    heat_map: str | None = Field(None, description="picture of the map over the film, where one was written")


class FilmSummary(_Part):
    """What is known of the film; never the patient's name or number."""

    width: int = Field(description="pixels")
    height: int = Field(description="pixels")
    modality: str | None = None
    view: str | None = None
    age: float | None = Field(None, description="years")
    sex: str | None = None


class Prediction(_Part):
    """The result for one film."""

    schema_version: Literal[1] = SCHEMA_VERSION
    file: str = Field(description="the film's name as it was given")
    input_sha256: str | None = Field(description="SHA-256 of the file; null where it could not be read at all")
    decision: Decision
    failed: bool = Field(False, description="the file could not be read as a film; the decision is then unsuitable")
    probability: float | None = Field(ge=0, le=1, description="calibrated probability of pneumonia; null if unsuitable")
    logit: float | None = Field(description="the network's score before calibration; null if unsuitable")
    reasons: tuple[Reason, ...] = Field(min_length=1)
    operating_point: OperatingPoint
    conformal: ConformalLimits | None = Field(None, description="null where the model refers no film as uncertain")
    model: ModelUsed
    saliency: SaliencySummary | None = Field(None, description="null if unsuitable")
    film: FilmSummary | None = Field(None, description="null where the file could not be read")
    notice: str = RESEARCH_NOTICE
    elapsed_ms: float = Field(ge=0, description="reading and preparing the film, and its share of its batch's scoring")

    def row(self) -> dict[str, str | float | bool | None]:
        """The prediction as one row of a table; several reasons become one text."""
        saliency, film = self.saliency, self.film
        spot = saliency.peak if saliency else None
        return {
            "file": self.file,
            "decision": self.decision,
            "probability": self.probability,
            "logit": self.logit,
            "failed": self.failed,
            "reason_codes": " ".join(reason.code for reason in self.reasons),
            "reasons": " ".join(reason.message for reason in self.reasons),
            "operating_point": self.operating_point.name,
            "threshold": self.operating_point.threshold,
            "error_rate": self.conformal.error_rate if self.conformal else None,
            "modality": film.modality if film else None,
            "view": film.view if film else None,
            "age": film.age if film else None,
            "sex": film.sex if film else None,
            "width": film.width if film else None,
            "height": film.height if film else None,
            "peak_x": spot.x if spot else None,
            "peak_y": spot.y if spot else None,
            "heat_map": saliency.heat_map if saliency else None,
            "model": self.model.name,
            "model_sha256": self.model.sha256,
            "software": self.model.software,
            "runtime": self.model.runtime,
            "input_sha256": self.input_sha256,
            "elapsed_ms": self.elapsed_ms,
            "notice": self.notice,
        }


def decide(probability: float, point: OperatingPoint) -> tuple[Decision, Reason]:
    """The decision at an operating point, with its reason in words."""
    threshold = f"the threshold of {percent(point.threshold)} (“{point.name}”)"
    if probability >= point.threshold:
        return "pneumonia", Reason(code="at-or-above-threshold", message=f"Reaches {threshold}.")
    return "normal", Reason(code="below-threshold", message=f"Below {threshold}.")


def uncertain(probability: float, limits: ConformalLimits | None) -> Reason | None:
    """Why a probability decides nothing at these limits: both classes stay possible, or neither does."""
    if limits is None:
        return None
    normal, pneumonia = probability <= limits.normal_up_to, probability >= limits.pneumonia_from
    if normal != pneumonia:
        return None
    ends = f"normal films reach up to {percent(limits.normal_up_to)}, pneumonia begins at"
    rate = f"an error rate of {100 * limits.error_rate:g}% in each class"
    if normal:
        message = f"Both classes remain possible at {rate}: {ends} {percent(limits.pneumonia_from)}."
        return Reason(code="both-classes-possible", message=message)
    message = f"Neither class has such scores at {rate}: {ends} {percent(limits.pneumonia_from)}."
    return Reason(code="no-class-possible", message=message)


def outside_ages(age: float | None, ages: tuple[float, float] | None) -> Reason | None:
    """Why a film of a patient of that age (years) is not decided on by a model that learnt on other ages."""
    if age is None or ages is None or ages[0] <= age < ages[1] + 1:
        return None
    learnt = f"the model learnt on patients of {ages[0]:g} to {ages[1]:g}"
    message = f"The header says {age:.3g} years; {learnt}, so that its score decides nothing."
    return Reason(code="outside-ages", message=message)


def percent(share: float) -> str:
    """A probability for people: one decimal, and never rounded to certainty."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}"
