"""Reading a film from a file or from bytes, whatever its format."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

from pneumoscope.errors import ImageError
from pneumoscope.radiograph._quiet import QUIET
from pneumoscope.radiograph.film import Radiograph
from pneumoscope.radiograph.limits import Limits
from pneumoscope.radiograph.raster import read_raster

LIMITS = Limits()
_SIGNATURES = {
    "dicom": re.compile(rb".{128}DICM", re.DOTALL),
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "tiff": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "bmp": re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
}
# A data set that starts at once with an element of group 2 or 8, in either byte order: value representation of
# two letters, or an implicit length below 65536.
_BARE_DICOM = re.compile(rb"[\x02\x08]\0..(?:[A-Z]{2}|..\0\0)|\0[\x02\x08]..(?:[A-Z]{2}|\0\0)", re.DOTALL)


def read_radiograph(source: str | Path | bytes, *, name: str | None = None, limits: Limits = LIMITS) -> Radiograph:
    """Read a film and bring it to the one convention: float32 in [0, 1], air dark, bone bright, upright.

    The format is recognised by content, never by the file's name: PNG, JPEG, TIFF, BMP, WebP or DICOM (with or
    without preamble). No warning gets out. Whether the film is suitable is another question, see
    :func:`~pneumoscope.radiograph.assess`.

    Args:
        source: path of the file, or its content.
        name: what messages and the result call it; by default the path.
        limits: larger files and pictures are refused.

    Raises:
        ImageError: with one of the codes

            - ``missing``, ``not-a-file``, ``no-access``, ``empty``, ``too-large``: nothing could be read;
            - ``not-an-image``: no format that is read;
            - ``truncated``, ``unreadable``: the format is known, the content cut off or damaged;
            - ``too-many-pixels``, ``decompression-bomb``: refused before it fills the memory;
            - ``no-pixels``, ``unsupported-syntax``: DICOM without a picture, or compressed in a way that no
              installed decoder knows.
    """
    label = name or ("film" if isinstance(source, bytes) else str(source))
    try:
        content = source if isinstance(source, bytes) else _content(Path(source), limits)
        with QUIET:
            return _read(content, label, limits)
    except ImageError as error:
        raise ImageError(f"{label}: {error}", code=error.code) from error.__cause__
    except Exception as error:  # damaged files make decoders fail in every way there is
        code, message = _diagnosis(error)
        raise ImageError(f"{label}: {message}", code=code) from error


def _content(path: Path, limits: Limits) -> bytes:
    if not path.exists():
        raise ImageError("no such file; check the path", code="missing")
    if not path.is_file():
        raise ImageError("not a file; give the films themselves", code="not-a-file")
    try:
        with path.open("rb") as file:
            return file.read(limits.size + 1)
    except OSError as error:
        raise ImageError(f"cannot be opened ({error.strerror})", code="no-access") from error


def _read(content: bytes, label: str, limits: Limits) -> Radiograph:
    if not content:
        raise ImageError("the file is empty; copy it again", code="empty")
    if len(content) > limits.size:
        raise ImageError(f"the file is larger than {limits.size_text()}; give one film per file", code="too-large")
    kind = next((kind for kind, signature in _SIGNATURES.items() if signature.match(content)), None)
    if kind == "dicom" or (kind is None and _BARE_DICOM.match(content)):
        from pneumoscope.radiograph.dicom import read_dicom  # pydicom is slow to import

        return read_dicom(content, label, limits)
    if kind is None:
        raise ImageError(
            "the content is no picture in a format that is read (DICOM, PNG, JPEG, TIFF, BMP, WebP)",
            code="not-an-image",
        )
    return read_raster(content, kind, label, limits)


def _diagnosis(error: Exception) -> tuple[str, str]:
    """Code and message for what a decoder raised."""
    text = str(error).lower()
    if isinstance(error, Image.DecompressionBombError):
        return "too-many-pixels", "the header asks for more pixels than are read; export it at a lower resolution"
    if "too large" in text:
        return "decompression-bomb", "the file holds text or data that inflates without measure; it is not decoded"
    if isinstance(error, EOFError) or any(sign in text for sign in ("truncated", "less than expected")):
        return "truncated", "the file is cut off before its picture ends; copy or export it again"
    return "unreadable", f"the file is damaged and cannot be decoded; export it again ({type(error).__name__})"
