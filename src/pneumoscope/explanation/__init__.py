"""Pictures of where a score came from."""

from pneumoscope.explanation.figure import explanation_figure, save_explanation
from pneumoscope.explanation.overlay import overlay, project

__all__ = ["explanation_figure", "overlay", "project", "save_explanation"]
