"""Films as PNG, JPEG, TIFF, BMP or WebP."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from pneumoscope.errors import ImageError
from pneumoscope.radiograph.colour import to_grey
from pneumoscope.radiograph.film import Metadata, Pixels, Radiograph
from pneumoscope.radiograph.geometry import Turn
from pneumoscope.radiograph.limits import Limits

_EXIF_TURNS = {
    2: Turn(reverse_columns=True),
    3: Turn(reverse_rows=True, reverse_columns=True),
    4: Turn(reverse_rows=True),
    5: Turn(transpose=True),
    6: Turn(transpose=True, reverse_columns=True),
    7: Turn(transpose=True, reverse_rows=True, reverse_columns=True),
    8: Turn(transpose=True, reverse_rows=True),
}
_DEPTHS = (8, 10, 12, 14, 16)
"""Bits per sample that detectors and exports use, whatever the file stores them in."""
_WHITE_IS_ZERO = 0
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}


def read_raster(content: bytes, kind: str, source: str, limits: Limits) -> Radiograph:
    """Read a picture whose format is known.

    Whatever Pillow raises for a damaged file passes through.

    Raises:
        ImageError: ``too-many-pixels``, or ``truncated`` for what Pillow does not tell apart from damage.
    """
    if kind == "webp" and len(content) < int.from_bytes(content[4:8], "little") + 8:
        raise ImageError("the file is cut off before its picture ends; copy it again", code="truncated")
    with Image.open(BytesIO(content), formats=[kind.upper()]) as image:
        limits.check_size(*image.size)
        orientation = _orientation(image)
        # A JPEG file's further pictures are thumbnails and depth maps of the first.
        frames = 1 if kind == "jpeg" else getattr(image, "n_frames", 1)
        inverted = kind == "tiff" and _stored_inverted(image)
        image.load()
        pixels, bits, colourfulness, steps = _grey(image)
    if inverted:
        pixels = 1 - pixels
        steps.append("inverted, because the file stores white as 0")
    if turn := _EXIF_TURNS.get(orientation):
        if kind != "tiff":  # Pillow turns TIFF files itself
            pixels = turn.apply(pixels)
        steps.append(f"turned upright by its EXIF orientation {orientation}")
    metadata = Metadata(kind=kind, bits=bits, frames=frames, colourfulness=colourfulness)
    return Radiograph(np.ascontiguousarray(pixels), metadata, source, (f"{kind.upper()} read", *steps))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged EXIF block is no reason to refuse the picture
        return 1


def _stored_inverted(image: Any) -> bool:
    """Whether white is 0 in a TIFF file of a mode for which Pillow does not turn that round."""
    photometric = image.tag_v2.get(ExifTags.Base.PhotometricInterpretation)
    return photometric == _WHITE_IS_ZERO and image.mode in ("I;16", "F")


def _grey(image: Image.Image) -> tuple[Pixels, int, float, list[str]]:
    """Grey pixels in [0, 1], bits, colourfulness and the steps taken."""
    steps = []
    if image.mode.startswith("I") or image.mode == "F":
        pixels, bits, step = _scale_deep(np.asarray(image))
        return pixels, bits, 0.0, [step]
    if image.mode == "1":
        return np.asarray(image, np.float32), 1, 0.0, ["black and white without grey"]
    if image.has_transparency_data:
        layer = image.convert(_PREMULTIPLIED.get(image.mode)).convert("RGBA")
        opacity = layer.getchannel("A")
        image = Image.new("RGB", layer.size)
        image.paste(layer, mask=opacity)
        if opacity.getextrema()[0] != 255:
            steps.append("transparency composed on black")
    pixels, colourfulness = to_grey(np.asarray(image.convert("RGB")), 255)
    if colourfulness:
        steps.append(f"colour reduced to its brightness (BT.601), {colourfulness:.1%} of the pixels truly coloured")
    return pixels, 8, colourfulness, steps


def _scale_deep(values: npt.NDArray[Any]) -> tuple[Pixels, int, str]:
    """Scale 16- and 32-bit samples to [0, 1] by the depth that they use.

    Detectors give 10 to 14 bits, and files keep them in 16 without saying so. So full brightness is the top of the
    smallest usual depth that holds the largest value; floating-point films may be in [0, 1] already. Anything else
    goes from its smallest value to its largest.
    """
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0) if values.dtype.kind == "f" else values
    low, high = float(values.min()), float(values.max())
    stored = 8 * values.dtype.itemsize
    # Resampling overshoots a little.
    if values.dtype.kind == "f" and low >= 0 and high < 2:
        return np.clip(values, 0, 1), stored, "values in [0, 1] kept"
    bits = next((bits for bits in _DEPTHS if low >= 0 and high < 2**bits), None)
    if bits is None:
        span = np.float32(max(high - low, 1))
        return (values.astype(np.float32) - np.float32(low)) / span, stored, f"scaled from {low:g} … {high:g}"
    pixels = values.astype(np.float32) / np.float32(2**bits - 1)
    return np.clip(pixels, 0, 1), bits, f"largest value {high:g}: taken as {bits} bits"
