"""A trained model on disk: weights, specification, calibration, operating points and card."""

from pneumoscope.bundle.card import render_card
from pneumoscope.bundle.spec import (
    Architecture,
    BundleSpec,
    Calibration,
    Conformal,
    ConformalLimits,
    InputSpec,
    OperatingPoint,
    Suitability,
)
from pneumoscope.bundle.store import (
    WEIGHTS,
    Bundle,
    copy_bundle,
    list_bundles,
    load_bundle,
    save_bundle,
    write_spec,
    write_suitability,
)
from pneumoscope.bundle.suitability import (
    GRID,
    POSES,
    Gaussian,
    Likeness,
    Pose,
    Strips,
    TrainingFilms,
    layout_of,
    rooted,
)

__all__ = [
    "GRID",
    "POSES",
    "WEIGHTS",
    "Architecture",
    "Bundle",
    "BundleSpec",
    "Calibration",
    "Conformal",
    "ConformalLimits",
    "Gaussian",
    "InputSpec",
    "Likeness",
    "OperatingPoint",
    "Pose",
    "Strips",
    "Suitability",
    "TrainingFilms",
    "copy_bundle",
    "layout_of",
    "list_bundles",
    "load_bundle",
    "render_card",
    "rooted",
    "save_bundle",
    "write_spec",
    "write_suitability",
]
