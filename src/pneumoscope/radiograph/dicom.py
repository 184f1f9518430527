"""Films as DICOM files: from the file's bytes to the first frame's stored values, and from there to the film."""

from __future__ import annotations

import re
import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from pneumoscope.errors import ImageError
from pneumoscope.radiograph.colour import to_grey
from pneumoscope.radiograph.dicom_grey import grey_chain
from pneumoscope.radiograph.dicom_header import number, read_header, text, upright_turn
from pneumoscope.radiograph.film import Radiograph
from pneumoscope.radiograph.limits import Limits

_SYNTAXES = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
_PIXEL_DATA_TAG = re.compile(rb"\xe0\x7f\x10\0|\x7f\xe0\0\x10")
_JPEG_FRAME_MARKERS = frozenset([*range(0xC0, 0xD0), 0xF7]) - {0xC4, 0xC8, 0xCC}
_J2K_SIZE = re.compile(rb"\xff\x4f\xff\x51.{4}(....)(....)(....)(....)", re.DOTALL)


def read_dicom(content: bytes, source: str, limits: Limits) -> Radiograph:
    """Read the first frame of a DICOM file by the chain of the standard (PS3.3 C.11, PS3.4 N.2).

    Modality LUT or rescale, VOI LUT or window (the first view of each), scaling by the LUT's or window's range,
    inversion of MONOCHROME1 or of an INVERSE presentation shape, turning upright by the patient's orientation.
    Whatever pydicom raises for a damaged file passes through.

    Raises:
        ImageError: ``not-an-image``, ``no-pixels``, ``truncated``, ``unsupported-syntax``, ``too-many-pixels``,
            ``decompression-bomb`` or ``unreadable``.
    """
    dataset = _dataset(content, limits)
    metadata = read_header(dataset)
    values = _first_frame(dataset, content, limits)
    syntax = dataset.file_meta.TransferSyntaxUID
    colourfulness = 0.0
    if values.ndim == 3 or text(dataset, "PhotometricInterpretation") == "PALETTE COLOR":
        rgb = values if values.ndim == 3 else apply_color_lut(values, dataset)
        top = 2 ** int(dataset.BitsStored) - 1 if values.ndim == 3 else int(np.iinfo(rgb.dtype).max)
        pixels, colourfulness = to_grey(rgb[..., :3], top)
        steps = ["colour picture reduced to its brightness (BT.601)"]
    else:
        pixels, steps = grey_chain(values, dataset)
    if turn := upright_turn(dataset):
        pixels = turn.apply(pixels)
        steps.append("turned upright by the patient's orientation")
    return Radiograph(
        np.ascontiguousarray(pixels),
        metadata(colourfulness=colourfulness),
        source,
        (f"DICOM read ({syntax.name})", *steps),
    )


def _dataset(content: bytes, limits: Limits) -> Dataset:
    """The data set, with a transfer syntax even where the file names none."""
    _check_deflated(content, limits)
    dataset = dcmread(BytesIO(content), force=True)
    known = ("SOPClassUID", "Modality", "Rows", "PixelData")
    if content[128:132] != b"DICM" and not any(keyword in dataset for keyword in known):
        raise ImageError("the content is neither a DICOM data set nor another picture", code="not-an-image")
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = _SYNTAXES.get((bool(implicit), bool(little)), ImplicitVRLittleEndian)
    return dataset


def _check_deflated(content: bytes, limits: Limits) -> None:
    """Refuse a deflated data set that inflates without measure, before pydicom inflates it at one go."""
    if DeflatedExplicitVRLittleEndian.encode() not in content:
        return
    file = BytesIO(content)
    file.seek(132 if content[128:132] == b"DICM" else 0)
    meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    pending, size = file.read(), 0
    while pending and size <= limits.size:
        size += len(inflate.decompress(pending, 1 << 24))
        pending = inflate.unconsumed_tail
    if size > limits.size:
        raise ImageError("the data set inflates beyond measure; it is not decoded", code="decompression-bomb")


def _first_frame(dataset: Dataset, content: bytes, limits: Limits) -> npt.NDArray[Any]:
    """Stored values of the first frame, (H, W) or (H, W, 3) as RGB."""
    if "PixelData" not in dataset:
        if _PIXEL_DATA_TAG.search(content):
            raise ImageError("the file is cut off before its picture ends; send it again", code="truncated")
        kind = text(dataset, "Modality") or "unknown modality"
        raise ImageError(f"the DICOM file holds no picture ({kind}); give an image object", code="no-pixels")
    height, width = number(dataset, "Rows"), number(dataset, "Columns")
    if height is None or width is None:
        raise ImageError("the DICOM header does not say how large the picture is; the file is damaged")
    limits.check_size(int(width), int(height))
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    unsupported = ImageError(
        f"compressed as {syntax.name}, which no installed decoder reads; install pneumoscope[gpl-codecs]"
        " or export the film uncompressed",
        code="unsupported-syntax",
    )
    try:
        if not get_decoder(syntax).is_available:
            raise unsupported
    except NotImplementedError as error:
        raise unsupported from error
    if syntax.is_encapsulated:
        _check_codestream(get_frame(dataset.PixelData, 0, number_of_frames=1), int(width), int(height))
    try:
        return pixel_array(dataset, index=0)
    except RuntimeError as error:  # JPEG Extended has an 8-bit and a 12-bit form, and Pillow knows only the first
        if "does not support" in str(error) and "pylibjpeg:" not in str(error):
            raise unsupported from error
        raise


def _check_codestream(frame: bytes, width: int, height: int) -> None:
    """Refuse compressed pictures of another size than the header says: decoders would allocate what they ask for."""
    coded = _coded_size(frame)
    if coded not in (None, (width, height)):
        raise ImageError(
            f"the header says {width} × {height} pixels and the compressed picture says otherwise; the file is damaged"
        )


def _coded_size(frame: bytes) -> tuple[int, int] | None:
    """Width and height by the codestream: JPEG 2000 image size (SIZ), JPEG and JPEG-LS frame header (SOF)."""
    if match := _J2K_SIZE.search(frame):
        right, bottom, left, top = (int.from_bytes(group, "big") for group in match.groups())
        return right - left, bottom - top
    position = 2
    while frame[position : position + 1] == b"\xff":
        if frame[position + 1] in _JPEG_FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", frame, position + 5)
            return width, height
        position += 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
    return None
