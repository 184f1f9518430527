"""Pictures of where a score came from."""

from pneumoscope.explanation.figure import explanation_figure, save_explanation
from pneumoscope.explanation.overlay import STRONGEST_ALPHA, heat_layer, overlay, project, reduced

__all__ = ["STRONGEST_ALPHA", "explanation_figure", "heat_layer", "overlay", "project", "reduced", "save_explanation"]
