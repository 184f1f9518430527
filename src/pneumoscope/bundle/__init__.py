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
)
from pneumoscope.bundle.store import Bundle, copy_bundle, list_bundles, load_bundle, save_bundle, write_spec

__all__ = [
    "Architecture",
    "Bundle",
    "BundleSpec",
    "Calibration",
    "Conformal",
    "ConformalLimits",
    "InputSpec",
    "OperatingPoint",
    "copy_bundle",
    "list_bundles",
    "load_bundle",
    "render_card",
    "save_bundle",
    "write_spec",
]
