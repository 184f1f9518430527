"""Whatever the bytes are, reading gives a film in the one convention or one ImageError."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, RLELossless

from pneumoscope.errors import ImageError
from pneumoscope.radiograph import assess, read_radiograph

GREY = np.random.default_rng(0).integers(0, 256, (24, 31), dtype=np.uint8)


def raster(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, kind)
    return buffer.getvalue()


def dicom(compressed: bool) -> bytes:
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.SOPClassUID = DigitalXRayImageStorageForPresentation
    film.SOPInstanceUID = "1.2.3"
    film.Modality, film.PatientAge, film.WindowCenter, film.WindowWidth = "DX", "040Y", 100, 180
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME1", 0
    film.Rows, film.Columns = GREY.shape
    film.BitsAllocated = film.BitsStored = 8
    film.HighBit = 7
    film.PixelData = GREY.tobytes()
    if compressed:
        film.compress(RLELossless, generate_instance_uid=False)
    buffer = io.BytesIO()
    dcmwrite(buffer, film, enforce_file_format=True)
    return buffer.getvalue()


WHOLE = {kind: raster(kind) for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP")} | {
    "DICOM": dicom(False),
    "DICOM RLE": dicom(True),
}
thorough = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(content: bytes) -> None:
    try:
        film = read_radiograph(content, name="film")
    except ImageError as error:
        assert error.code
        assert "\n" not in str(error)
    else:
        assert film.pixels.dtype == np.float32
        assert film.pixels.ndim == 2
        assert np.isfinite(film.pixels).all()
        assert film.pixels.min() >= 0
        assert film.pixels.max() <= 1
        assess(film)


@thorough
@given(st.binary(max_size=400))
def test_arbitrary_bytes(content: bytes) -> None:
    check(content)


@pytest.mark.parametrize("kind", WHOLE)
@thorough
@given(data=st.data())
def test_changed_bytes(kind: str, data: st.DataObject) -> None:
    content = bytearray(WHOLE[kind])
    # Most of what matters stands at the front of every format, so that half of the changes go there.
    places = st.integers(0, len(content) - 1) | st.integers(0, min(400, len(content) - 1))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)):
        content[place] = value
    check(bytes(content))


@pytest.mark.parametrize("kind", WHOLE)
@thorough
@given(data=st.data())
def test_cut_off_files(kind: str, data: st.DataObject) -> None:
    content = WHOLE[kind]
    check(content[: data.draw(st.integers(0, len(content) - 1))])


def test_a_line_break_in_the_header_forges_no_line_of_a_log() -> None:
    damaged = WHOLE["DICOM RLE"].replace(b"1.2.840.10008.1.2.5", b"1.2\n840.10008.1.2.5")
    with pytest.raises(ImageError, match=r"1\.2 840\.10008") as caught:
        read_radiograph(damaged, name="film")
    assert str(caught.value).isprintable()
