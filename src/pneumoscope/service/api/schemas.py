"""What the service answers beside the one schema of a prediction."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from pneumoscope.bundle import BundleSpec, Calibration, OperatingPoint
from pneumoscope.scoring import RESEARCH_NOTICE, Prediction
from pneumoscope.service.store import NewRecord

EXAMPLE: dict[str, Any] = {
    "schema_version": 1,
    "file": "film.png",
    "input_sha256": "9f2c" * 16,
    "decision": "normal",
    "failed": False,
    "probability": 0.214,
    "logit": -1.9,
    "reasons": [{"code": "below-threshold", "message": "Below the threshold of 63.2% (“balanced”)."}],
    "operating_point": {"name": "balanced", "threshold": 0.632, "promised_sensitivity": None, "chosen_on": "films"},
    "model": {"name": "pneumoniamnist", "sha256": "56a9" * 16, "software": "0.1.0", "runtime": "torch 2 cpu float32"},
    "saliency": {
        "grid": [3, 3],
        "peak": {"x": 0.61, "y": 0.47},
        "heat_map": "/v1/predictions/5e2a9c0d4b1f48e7a3c6d0b9f1e2a7c4/heatmap.png",
    },
    "film": {"width": 1760, "height": 1760, "modality": "DX", "view": "PA", "age": 4.0, "sex": "F"},
    "notice": RESEARCH_NOTICE,
    "elapsed_ms": 38.5,
}


class Answer(BaseModel):
    """A prediction on record."""

    model_config = {"json_schema_extra": {"example": {"id": "5e2a9c0d4b1f48e7a3c6d0b9f1e2a7c4", "prediction": EXAMPLE}}}

    id: str = Field(description="its name on record")
    prediction: Prediction


class Answers(BaseModel):
    """One answer for each film, in the order in which they were sent."""

    predictions: tuple[Answer, ...]


class Model(BaseModel):
    """A model that scores films here."""

    name: str
    sha256: str = Field(description="SHA-256 of the weights")
    description: str
    ages: tuple[float, float] | None = Field(description="years of age of the patients it learnt on")
    operating_point: OperatingPoint = Field(description="the one that decides here")
    operating_points: tuple[OperatingPoint, ...]
    calibration: Calibration
    metrics: dict[str, Any] = Field(description="figures with intervals, by data set")
    licence: str
    notice: str = RESEARCH_NOTICE


class Models(BaseModel):
    """The models that score films here."""

    models: tuple[Model, ...]


class State(BaseModel):
    """Whether the service works."""

    status: Literal["alive", "ready"]


def answer(name: str, prediction: Prediction) -> Answer:
    """The answer for a prediction on record, with the place of its heat map."""
    if prediction.saliency is not None:
        saliency = prediction.saliency.model_copy(update={"heat_map": f"/v1/predictions/{name}/heatmap.png"})
        prediction = prediction.model_copy(update={"saliency": saliency})
    return Answer(id=name, prediction=prediction)


def answers_for(names: list[str], records: list[NewRecord]) -> Answers:
    """The answers for predictions that have just been kept."""
    return Answers(
        predictions=tuple(answer(name, record.prediction) for name, record in zip(names, records, strict=True))
    )


def model(spec: BundleSpec, template: Prediction) -> Model:
    """What a model says of itself."""
    return Model(
        name=spec.name,
        sha256=template.model.sha256,
        description=spec.description,
        ages=spec.ages,
        operating_point=template.operating_point,
        operating_points=spec.operating_points,
        calibration=spec.calibration,
        metrics=spec.metrics,
        licence=spec.licence,
    )
