"""The first suitability gate: may this film be scored at all, as far as header and plain looks tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pneumoscope.radiograph.film import Metadata, Pixels, Radiograph

SMALLEST_SIDE = 28
"""Pixels: PneumoniaMNIST's films, the smallest that anyone has scored."""
FINE_SIDE = 224
"""Pixels below which a film gets a note."""
LEAST_CONTRAST = 0.05
"""Between the 1st and 99th percentile of the pixels; the flattest of 16 000 real films has 0.12."""
LEAST_STRUCTURE = 0.02
"""Share of the variance that is no smooth gradation; the smoothest of 5 286 real films has 0.027."""
SMOOTH = 5
"""Cosines along each side that make up a smooth gradation."""
MOST_COLOUR = 0.05
"""Share of truly coloured pixels; marks and labels stay below, photographs and false colours reach 0.1 and more."""
FEW_COLOUR = 0.002
"""Share of truly coloured pixels from which they are mentioned."""
LONGEST_SHAPE = 3.0
"""Longer to shorter side."""

MODALITIES = ("CR", "DX", "RG")


def _words(value: str | None) -> frozenset[str]:
    """The upper-case words of a header value; hyphens join, every other sign separates."""
    return frozenset(re.findall(r"[A-Z]+", (value or "").upper().replace("-", "")))


_CHEST = _words("chest thorax thoracic lung lungs pulmonary torax torace pulmon poumon")
_FRONTAL = _words("AP PA frontal antero-posterior postero-anterior")
_NOT_FRONTAL = _words(
    "LL RL lat llat rlat lateral LLD RLD decubitus LLO RLO LAO RAO LPO RPO obl oblique axial tangential"
)
_OTHER_PARTS = _words(
    "abdomen abdominal ankle arm breast calcaneus cervical clavicle coccyx cspine elbow extremity femur fibula finger"
    " foot forearm hand head hip humerus jaw knee leg lspine lumbar mandible neck orbit patella pelvis radius rib"
    " ribcage ribs sacrum scapula shoulder sinus skull spine sternum teeth thumb tibia toe tspine ulna wrist"
)
_NO_PART = _words("unknown other none NA undefined unspecified")


@dataclass(frozen=True)
class Finding:
    """One thing about a film that speaks against scoring it, or that whoever reads the score should know."""

    code: str
    """Short stable word for programs."""
    message: str
    """One sentence for a radiographer."""
    refuses: bool
    """Whether the film is not to be scored."""


def assess(radiograph: Radiograph) -> tuple[Finding, ...]:
    """Judge a film by its header and its plain looks.

    Codes of refusals: ``wrong-modality``, ``multi-frame``, ``not-chest``, ``not-frontal``, ``unknown-view``,
    ``for-processing``, ``too-small``, ``aspect-ratio``, ``blank``, ``smooth``, ``colour``. Codes of notes:
    ``no-modality``, ``no-body-part``, ``no-view`` (DICOM without them), ``low-resolution``, ``colour-marks``.

    Returns:
        The findings, refusals first; empty for a film without any.
    """
    findings = [*assess_header(radiograph.metadata), *_looks(radiograph.pixels, radiograph.metadata)]
    return tuple(sorted(findings, key=lambda finding: not finding.refuses))


def assess_header(known: Metadata) -> Iterator[Finding]:
    """The findings that need no pixels, in no order."""
    if known.frames > 1:
        yield Finding("multi-frame", f"The file holds {known.frames} pictures; give one film per file.", True)
    if known.kind != "dicom":
        return
    if known.modality is None:
        yield Finding("no-modality", "The header names no modality; taken as a radiograph.", False)
    elif known.modality.upper() not in MODALITIES:
        yield Finding(
            "wrong-modality",
            f"The header says modality {known.modality}; only radiographs ({', '.join(MODALITIES)}) are scored.",
            True,
        )
    if known.for_processing:
        yield Finding(
            "for-processing", "The file holds raw detector values; send the image processed for presentation.", True
        )
    yield from _body_part(known)
    yield from _view(known.view)


def _body_part(known: Metadata) -> Iterator[Finding]:
    part = _words(known.body_part)
    if part <= _NO_PART:
        described = _words(known.description)
        if described & _OTHER_PARTS and not described & _CHEST:
            yield Finding(
                "not-chest", f"By its description ({known.description}) the film does not show a chest.", True
            )
        elif not described & _CHEST:
            yield Finding("no-body-part", "The header names no body part; taken as a chest.", False)
    elif not part & _CHEST or part & _OTHER_PARTS:
        yield Finding("not-chest", f"The header says body part {known.body_part}; only chest films are scored.", True)


def _view(view: str | None) -> Iterator[Finding]:
    words = _words(view)
    if not words:
        yield Finding("no-view", "The header names no view; taken as frontal (PA or AP).", False)
    elif words & _NOT_FRONTAL:
        yield Finding("not-frontal", f"The header says view {view}; only frontal films (PA, AP) are scored.", True)
    elif not words & _FRONTAL:
        yield Finding(
            "unknown-view", f"The header says view {view}, which is not known; only PA and AP are scored.", True
        )


def _looks(pixels: Pixels, known: Metadata) -> Iterator[Finding]:
    height, width = pixels.shape
    if min(height, width) < SMALLEST_SIDE:
        yield Finding(
            "too-small", f"The film has {width} × {height} pixels; at least {SMALLEST_SIDE} are needed.", True
        )
    elif min(height, width) < FINE_SIDE:
        yield Finding("low-resolution", f"The film has only {width} × {height} pixels; fine detail is missing.", False)
    if max(height, width) > LONGEST_SHAPE * min(height, width):
        yield Finding("aspect-ratio", f"{width} × {height} pixels is not the shape of a chest film.", True)
    step = max(1, min(height, width) // 512)
    sample = pixels[::step, ::step]
    dark, bright = np.percentile(sample, [1, 99])
    if bright - dark < LEAST_CONTRAST:
        yield Finding("blank", "The film is blank: there is no contrast in it.", True)
    elif min(height, width) >= SMALLEST_SIDE and structure(sample) < LEAST_STRUCTURE:
        yield Finding("smooth", "The film is a smooth gradation from dark to bright: it shows nothing.", True)
    if known.colourfulness > MOST_COLOUR:
        yield Finding(
            "colour",
            f"{known.colourfulness:.0%} of the picture is in colour; a photograph or coloured map is no radiograph.",
            True,
        )
    elif known.colourfulness > FEW_COLOUR:
        yield Finding("colour-marks", "Coloured marks are on the film; they are read as grey.", False)


def structure(pixels: Pixels) -> float:
    """The share of a film's variance that its lowest cosines (Ahmed et al., IEEE Trans. Computers 1974) leave over.

    Of its means over 28 × 28 fields, so that grain and resolution do not count. 0 is a smooth gradation, and near 1
    there is none; a film of one value has 1.

    Args:
        pixels: (H, W) of any range, 28 pixels a side at least.
    """
    fields = pixels.astype(np.float64)
    for axis, length in enumerate(pixels.shape):
        edges = np.linspace(0, length, SMALLEST_SIDE, endpoint=False).astype(int)
        counts = np.expand_dims(np.diff(edges, append=length), 1 - axis)
        fields = np.add.reduceat(fields, edges, axis) / counts
    fields -= fields.mean()
    place = (np.arange(SMALLEST_SIDE) + 0.5) / SMALLEST_SIDE
    cosines, _ = np.linalg.qr(np.cos(np.pi * place[:, None] * np.arange(SMOOTH)))
    return float(1 - ((cosines.T @ fields @ cosines) ** 2).sum() / max((fields**2).sum(), np.finfo(float).tiny))
