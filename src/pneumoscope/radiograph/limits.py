"""How much a file may make the reader hold in memory, known before anything is decoded."""

from __future__ import annotations

from pneumoscope.errors import ImageError

MAX_BYTES = 1 << 30
"""Largest file that is read, and largest deflated DICOM data set after inflation."""
MAX_PIXELS = 120_000_000
"""Largest picture: twice a 35 cm x 43 cm film digitised at 50 micrometres."""


def check_size(width: int, height: int) -> None:
    """Refuse pictures without area and those that would fill the memory.

    Raises:
        ImageError: ``unreadable`` or ``too-many-pixels``.
    """
    if min(width, height) < 1:
        raise ImageError(f"the header gives a picture of {width} × {height} pixels; the file is damaged")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{width} × {height} pixels are more than the {MAX_PIXELS // 10**6} million that are read;"
            " export the film at a lower resolution",
            code="too-many-pixels",
        )
