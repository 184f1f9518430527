"""How much a file may make the reader hold in memory, known before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from pneumoscope.errors import ImageError

_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is read at most; larger files are refused before they fill the memory."""

    size: int = _GIB
    """Bytes of a file, and of a deflated DICOM data set after inflation."""
    pixels: int = 120_000_000
    """Of a picture: twice a 35 cm x 43 cm film digitised at 50 micrometres."""

    def size_text(self) -> str:
        """The limit on bytes for people."""
        return f"{self.size >> 30} GiB" if self.size >= _GIB else f"{self.size / (1 << 20):.4g} MiB"

    def check_size(self, width: int, height: int) -> None:
        """Refuse pictures without area and those that would fill the memory.

        Raises:
            ImageError: ``unreadable`` or ``too-many-pixels``.
        """
        if min(width, height) < 1:
            raise ImageError(f"the header gives a picture of {width} × {height} pixels; the file is damaged")
        if width * height > self.pixels:
            raise ImageError(
                f"{width} × {height} pixels are more than the {self.pixels / 10**6:g} million that are read;"
                " export the film at a lower resolution",
                code="too-many-pixels",
            )
