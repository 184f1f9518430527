"""The study that this project implements, as it was published: what to compare with on the same films."""

from __future__ import annotations

import pandas as pd
from pydantic import BaseModel, ConfigDict

from pneumoscope.bundle import OperatingPoint
from pneumoscope.cohorts.npz import split_npz_path
from pneumoscope.evaluation.decisions import Decisions, decisions_of
from pneumoscope.evaluation.intervals import Figure

FILMS = 624
"""In PneumoniaMNIST's test split."""


class Reference(BaseModel):
    """Published figures of another model on the same films."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    decisions: Decisions
    roc_auc: Figure


STUDY = Reference(
    name="the original study",
    description=(
        "Two-phase InceptionV3 on PneumoniaMNIST's test split: published accuracy 0.819, AUC 0.88 and confusion "
        "matrix; the other figures follow from that matrix. No interval was published for the AUC."
    ),
    decisions=decisions_of(
        ((191, 43), (70, 320)),
        OperatingPoint(name="half", threshold=0.5, chosen_on="fixed"),
    ),
    roc_auc=Figure(value=0.88),
)


def reference_for(paths: pd.Series[str]) -> Reference | None:
    """The study, if these are the films that it was judged on: the whole test split of PneumoniaMNIST, of any size."""
    films = {split_npz_path(path) for path in paths}
    same = len(films) == len(paths) == FILMS and all(
        film and film[0].stem.lower().startswith("pneumoniamnist") and film[1] == "test" for film in films
    )
    return STUDY if same else None
