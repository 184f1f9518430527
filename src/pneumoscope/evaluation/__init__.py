"""How good a model is: calibration, operating points, figures with intervals, the report."""

from pneumoscope.evaluation.operating import choose_operating_points, fit_calibration

__all__ = [
    "choose_operating_points",
    "fit_calibration",
]
