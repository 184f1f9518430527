"""Pictures of where a score came from."""

from pneumoscope.explanation.figure import explanation_figure, save_explanation
from pneumoscope.explanation.overlay import overlay, project, reduced

__all__ = ["explanation_figure", "overlay", "project", "reduced", "save_explanation"]
