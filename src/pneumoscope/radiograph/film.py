"""What a film is once it has been read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What the file says about the film. What it does not say is None."""

    kind: str = "array"
    """Format, recognised by content: ``dicom``, ``png``, ``jpeg``, ``tiff``, ``bmp`` or ``webp``."""
    bits: int | None = None
    """Bits per sample that the values really use."""
    frames: int = 1
    """Pictures in the file; only the first is read."""
    colourfulness: float = 0.0
    """Share of the pixels, in [0, 1], with a colour that is not the film's own tint; 0 for a grey film."""
    modality: str | None = None
    """DICOM modality, such as ``DX``."""
    body_part: str | None = None
    description: str | None = None
    """The header's free text about the examination: series, study, protocol."""
    view: str | None = None
    """Projection, such as ``PA``."""
    for_processing: bool = False
    """Raw detector values that were never prepared for viewing."""
    patient_id: str | None = None
    age: float | None = None
    """Years."""
    sex: str | None = None
    """``F`` or ``M``."""


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One film in the one convention: air dark, bone bright, upright."""

    pixels: Pixels
    """(H, W), float32, values in [0, 1]."""
    metadata: Metadata = Metadata()
    source: str = "film"
    """The file's name as it was given."""
    steps: tuple[str, ...] = ()
    """How the pixels were derived from the file, in words and in order."""
