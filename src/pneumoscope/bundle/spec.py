"""What a trained model says of itself: the contents of ``bundle.json``."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT: Literal[1] = 1
"""Version of the bundle's layout; raised when an older reader would misread a newer bundle."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Architecture(_Part):
    """Which network the weights belong to."""

    network: Literal["inception_v3"] = "inception_v3"
    attention: bool = False
    dropout: float = 0.5


class InputSpec(_Part):
    """How a film becomes the network's input: square of ``size`` pixels, values in [0, 1]."""

    size: int = Field(ge=75, le=1024)
    fit: Literal["crop", "pad"] = "crop"


class Calibration(_Part):
    """Probability = σ(slope · logit + intercept): Platt scaling; intercept 0 is temperature scaling."""

    slope: float = Field(1.0, gt=0)
    intercept: float = 0.0
    fitted_on: str = "nothing: the network's own probability"

    def probability(self, logit: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """Calibrated probability of pneumonia for each logit, any shape."""
        scaled = self.slope * np.asarray(logit, dtype=np.float64) + self.intercept
        return 0.5 * (1 + np.tanh(0.5 * scaled))  # σ(x), without overflow


class OperatingPoint(_Part):
    """A threshold on the calibrated probability: at or above it the decision is pneumonia."""

    name: str
    threshold: float = Field(ge=0, le=1)
    promised_sensitivity: float | None = Field(None, gt=0, le=1)
    chosen_on: str = ""


class ConformalLimits(_Part):
    """Which classes stay possible for a calibrated probability, at one error rate."""

    error_rate: float = Field(gt=0, lt=1, description="share of each class that may be taken for impossible, wrongly")
    normal_up_to: float = Field(ge=0, le=1, description="up to this probability, a film may be normal")
    pneumonia_from: float = Field(ge=0, le=1, description="from this probability on, it may show pneumonia")


class Conformal(_Part):
    """Limits of class-conditional conformal prediction: films with both classes possible, or none, are referred."""

    error_rate: float = Field(gt=0, lt=1, description="the one that decisions use if no other is asked for")
    limits: tuple[ConformalLimits, ...]
    normal: int = Field(ge=0, description="films of that class that the limits come from")
    pneumonia: int = Field(ge=0, description="films of that class that the limits come from")
    fitted_on: str = ""

    @model_validator(mode="after")
    def _default_exists(self) -> Conformal:
        self.at()
        return self

    def at(self, error_rate: float | None = None) -> ConformalLimits:
        """The limits for that error rate, or for the chosen one.

        Raises:
            ValueError: there are none for it.
        """
        wanted = self.error_rate if error_rate is None else error_rate
        for limits in self.limits:
            if limits.error_rate == wanted:
                return limits
        known = ", ".join(f"{limits.error_rate:g}" for limits in self.limits) or "none"
        raise ValueError(f"there are no conformal limits for an error rate of {wanted:g}; there are: {known}")


class Suitability(_Part):
    """When a film is refused as unlike the training films; the statistics themselves are a file of the bundle.

    Without a ``threshold`` nothing is refused by what the network sees.
    """

    threshold: float | None = Field(None, ge=0, description="on how atypical a film is; beyond it, it is refused")
    mirrored: float | None = Field(None, description="on the evidence for a mirrored film; beyond it, it gets a note")
    false_refusals: float | None = Field(
        None, gt=0, lt=1, description="share of suitable films that may be refused, for which both were chosen"
    )
    fitted_on: str = ""
    chosen_on: str = ""
    sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$", description="of the statistics")


class BundleSpec(_Part):
    """A trained model without its weights."""

    format: Literal[1] = FORMAT
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    created: str = Field(description="date and time, ISO 8601, UTC")
    software: str = Field(description="version of Pneumoscope that wrote it")
    commit: str | None = Field(None, description="commit of the code that trained it")
    architecture: Architecture = Architecture()
    input: InputSpec
    ages: tuple[float, float] | None = Field(
        None, description="years of age of the patients it learnt on; films whose header says another age are referred"
    )
    calibration: Calibration = Calibration()
    operating_points: tuple[OperatingPoint, ...] = (OperatingPoint(name="half", threshold=0.5),)
    default_operating_point: str = "half"
    conformal: Conformal | None = Field(None, description="which films are referred as uncertain; null refers none")
    recipe: dict[str, Any] | None = Field(None, description="the recipe that trained it, whole")
    data: tuple[dict[str, Any], ...] = Field(
        (), description="what trained, then what validated: name, SHA-256, films, split"
    )
    initial_weights: dict[str, Any] | None = Field(None, description="the weights training started from")
    suitability: Suitability = Suitability()
    metrics: dict[str, Any] = Field(default_factory=dict, description="figures with intervals, by data set")
    licence: str = "Apache-2.0"
    weights_sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")

    @model_validator(mode="after")
    def _default_exists(self) -> BundleSpec:
        self.operating_point()
        return self

    def operating_point(self, name: str | None = None) -> OperatingPoint:
        """The operating point of that name, or the default one.

        Raises:
            ValueError: there is none of that name.
        """
        wanted = name or self.default_operating_point
        for point in self.operating_points:
            if point.name == wanted:
                return point
        known = ", ".join(point.name for point in self.operating_points)
        raise ValueError(f"{self.name} has no operating point {wanted!r}; it has {known}")

    def conformal_limits(self, error_rate: float | None = None) -> ConformalLimits | None:
        """The conformal limits for that error rate or, if None, for the chosen one; None where it has none at all.

        Raises:
            ValueError: an error rate is asked for that it has no limits for.
        """
        if self.conformal:
            return self.conformal.at(error_rate)
        if error_rate is None:
            return None
        raise ValueError(f"{self.name} has no conformal limits, so no error rate can be chosen; calibrate fits some")
