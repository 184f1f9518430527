"""Every error that Pneumoscope raises on purpose.

::

    PneumoscopeError
    ├── ImageError         a file that cannot be read as a radiograph
    ├── CohortError        a data set that is missing, broken or cannot answer the question
    ├── RecipeError        a training recipe that is not valid
    ├── NetworkError       a stage that does not exist, weights that do not fit
    ├── MachineError       a machine without the devices that were asked for, or not told which of several it is
    ├── TrainingError      a run that could not go on; what it had reached is kept
    ├── ScreeningError     a run over an archive that could not go on; what it had reached is kept
    ├── BundleError        a trained model that is missing, damaged or of another version
    ├── EvaluationError    a figure that the given cases do not determine
    ├── DicomError         a DICOM object, peer or spool folder that cannot be worked with
    ├── OutputError        a place that cannot be written, or holds something already
    ├── ServiceError       a service that cannot start as it was asked to
    └── StoreError         a record store that does not answer, or cannot keep what it was given

Each message names the file or key, says what is wrong and what to do about it. The command line prints
the message alone and ends with the class's ``exit_code``: 2 for wrong use, 1 for work that failed.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "CohortError",
    "DicomError",
    "EvaluationError",
    "ImageError",
    "MachineError",
    "NetworkError",
    "OutputError",
    "PneumoscopeError",
    "RecipeError",
    "ScreeningError",
    "ServiceError",
    "StoreError",
    "TrainingError",
]


class PneumoscopeError(Exception):
    """Base class of all errors that Pneumoscope raises on purpose."""

    exit_code: int = 2


class ImageError(PneumoscopeError):
    """A file that cannot be read as a radiograph.

    ``code`` is a short stable word for programs, such as ``"truncated"`` or ``"too-many-pixels"``.
    """

    def __init__(self, message: str, *, code: str = "unreadable") -> None:
        # A damaged file's own words may be in it; a line break among them would forge a line of a log.
        super().__init__("".join(letter if letter.isprintable() else " " for letter in message))
        self.code = code


class CohortError(PneumoscopeError):
    """A data set that is missing, broken or cannot answer the question."""


class RecipeError(PneumoscopeError):
    """A training recipe that is not valid."""


class NetworkError(PneumoscopeError):
    """A stage that does not exist or weights that do not fit."""


class MachineError(PneumoscopeError):
    """A machine without the devices that were asked for, or that was not told which of several it is."""


class TrainingError(PneumoscopeError):
    """A training run that could not go on; its last checkpoint is kept."""

    exit_code = 1


class ScreeningError(PneumoscopeError):
    """A run over an archive that could not go on; the parts that it had written are kept."""

    exit_code = 1


class BundleError(PneumoscopeError):
    """A trained model that is missing, damaged or of another version."""


class EvaluationError(PneumoscopeError):
    """A figure that the given cases do not determine."""


class DicomError(PneumoscopeError):
    """A DICOM object, peer or spool folder that cannot be worked with."""


class OutputError(PneumoscopeError):
    """A place that cannot be written, or that holds something already."""


class ServiceError(PneumoscopeError):
    """A service that cannot start as it was asked to."""


class StoreError(PneumoscopeError):
    """A record store that does not answer, or cannot keep what it was given."""
