"""What the store takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope.scoring import Prediction

VerdictWord = Literal["agree", "disagree"]
LONGEST_COMMENT = 2000
"""Characters."""


@dataclass(frozen=True)
class NewRecord:
    """A prediction to be kept.

    Attributes:
        prediction: as it was given to the user.
        patient_id: of the DICOM header; only a keyed hash of it is kept.
        saliency: (h, w) ≥ 0, the map's few cells; no pixels of the film.
    """

    prediction: Prediction
    patient_id: str | None = None
    saliency: npt.NDArray[np.float32] | None = None


class Verdict(BaseModel):
    """What a reviewer said of a prediction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    created: datetime
    reviewer: str
    verdict: VerdictWord
    comment: str = ""


class Record(BaseModel):
    """A prediction as it is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    created: datetime
    source: str = Field(description="where it was asked for: rest, dashboard")
    patient_key: str | None = Field(None, description="keyed hash of the DICOM header's patient number")
    prediction: Prediction
    saliency: tuple[tuple[float, ...], ...] | None = Field(None, description="the map's cells, row by row")
    verdicts: tuple[Verdict, ...] = ()

    def row(self) -> dict[str, Any]:
        """One row of a table; verdicts become one text."""
        return {
            "id": self.id,
            "created": self.created.isoformat(),
            "source": self.source,
            "patient_key": self.patient_key,
            **self.prediction.row(),
            "verdicts": " ".join(f"{said.reviewer}:{said.verdict}" for said in self.verdicts),
            "comments": " | ".join(said.comment for said in self.verdicts if said.comment),
        }
