"""From films to predictions: runtimes, the predictor, and the schema of what it says."""

from pneumoscope.scoring.files import Films, films_in, find_films
from pneumoscope.scoring.geometry import SeenSquare, cell_coordinates, seen_square
from pneumoscope.scoring.prediction import (
    RESEARCH_NOTICE,
    Decision,
    FilmSummary,
    ModelUsed,
    Peak,
    Prediction,
    Reason,
    SaliencySummary,
    percent,
)
from pneumoscope.scoring.predictor import Predictor, Scored
from pneumoscope.scoring.runtime import Runtime, Scores, score_pixels
from pneumoscope.scoring.runtimes import OpenVinoRuntime, TorchRuntime, open_runtime

__all__ = [
    "RESEARCH_NOTICE",
    "Decision",
    "FilmSummary",
    "Films",
    "ModelUsed",
    "OpenVinoRuntime",
    "Peak",
    "Prediction",
    "Predictor",
    "Reason",
    "Runtime",
    "SaliencySummary",
    "Scored",
    "Scores",
    "SeenSquare",
    "TorchRuntime",
    "cell_coordinates",
    "films_in",
    "find_films",
    "open_runtime",
    "percent",
    "score_pixels",
    "seen_square",
]
