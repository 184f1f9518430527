from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from pneumoscope.errors import ImageError
from pneumoscope.radiograph import Limits, Metadata, read_radiograph

STORED = np.random.default_rng(3).integers(0, 4096, (40, 52)).astype(np.uint16)


def made(stored: npt.NDArray[Any] = STORED, bits: int = 12, **elements: Any) -> Dataset:
    """A chest film as a modality would send it, explicit little endian."""
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["film"])
    film.Modality, film.BodyPartExamined, film.ViewPosition = "DX", "CHEST", "PA"
    film.PatientID, film.PatientAge, film.PatientSex = "p1", "061Y", "F"
    film.SamplesPerPixel = 1
    film.PhotometricInterpretation = "MONOCHROME2"
    film.Rows, film.Columns = stored.shape
    film.BitsAllocated, film.BitsStored, film.HighBit = 8 * stored.itemsize, bits, bits - 1
    film.PixelRepresentation = int(stored.dtype.kind == "i")
    film.PixelData = stored.tobytes()
    for keyword, value in elements.items():
        setattr(film, keyword, value)
    return film


def written(film: Dataset, preamble: bool = True) -> bytes:
    buffer = io.BytesIO()
    if preamble:
        dcmwrite(buffer, film, enforce_file_format=True)
        return buffer.getvalue()
    bare = Dataset({element.tag: element for element in film})
    dcmwrite(buffer, bare, implicit_vr=True, little_endian=True)
    return buffer.getvalue()


def read(film: Dataset) -> npt.NDArray[np.float32]:
    return read_radiograph(written(film)).pixels


def lut(first: int, table: npt.NDArray[Any], bits: int = 16) -> list[Dataset]:
    item = Dataset()
    item.add_new(0x00283002, "US", [len(table), first, bits])
    item.add_new(0x00283006, "OW", table.astype("<u2").tobytes())
    return [item]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (2.5, -1000)])
def test_a_window_gives_what_pydicom_gives(function: str, slope: float, intercept: float) -> None:
    film = made(
        RescaleSlope=slope, RescaleIntercept=intercept, WindowCenter=1500, WindowWidth=1800, VOILUTFunction=function
    )
    theirs = apply_voi_lut(apply_modality_lut(STORED, film), film)
    low, high = intercept, 4095 * slope + intercept  # pydicom's output range
    np.testing.assert_allclose(read(film), (theirs - low) / (high - low), atol=2e-6)


def test_the_first_of_several_windows_counts() -> None:
    one = made(WindowCenter=1500, WindowWidth=1800)
    several = made(WindowCenter=[1500, 900], WindowWidth=[1800, 10])
    np.testing.assert_array_equal(read(several), read(one))


@pytest.mark.parametrize(("centre", "width"), [(1500, 0), (1500, -3), ("", "")])
def test_an_impossible_window_is_left_alone(centre: Any, width: Any) -> None:
    np.testing.assert_array_equal(read(made(WindowCenter=centre, WindowWidth=width)), read(made()))


def test_a_voi_lut_gives_what_pydicom_gives_and_outranks_the_window() -> None:
    table = (np.linspace(0, 1, 3000) ** 2 * 60000).round().astype(np.uint16)
    film = made(VOILUTSequence=lut(500, table), WindowCenter=9, WindowWidth=2)
    theirs = apply_voi_lut(STORED, film, prefer_lut=True)
    np.testing.assert_allclose(read(film), theirs / 60000, atol=1e-6)


def test_a_modality_lut_gives_what_pydicom_gives() -> None:
    table = (np.sqrt(np.linspace(0, 1, 4096)) * 50000).round().astype(np.uint16)
    film = made(ModalityLUTSequence=lut(0, table), WindowCenter=25000, WindowWidth=50001)
    theirs = apply_modality_lut(STORED, film).astype(np.float64)
    np.testing.assert_allclose(read(film), np.clip((theirs + 0.5) / 50000, 0, 1), atol=1e-4)


def test_signed_values_without_a_window_span_what_occurs() -> None:
    signed = (STORED.astype(np.int32) - 2048).astype(np.int16)
    low, high = signed.min(), signed.max()
    np.testing.assert_allclose(read(made(signed)), (signed - low) / (high - low), atol=1e-6)


def test_eight_bits_without_a_window_span_their_range() -> None:
    grey = (STORED >> 5).astype(np.uint8)  # up to 127 only
    np.testing.assert_allclose(read(made(grey, bits=8)), grey / 255, atol=1e-6)


def test_bits_above_those_stored_are_no_part_of_the_value() -> None:
    """Overlays in unused high bits (retired) must not burst the range."""
    dirty = STORED | np.uint16(0xA000)
    np.testing.assert_array_equal(read(made(dirty)), read(made()))


@pytest.mark.parametrize(
    ("elements", "inverted"),
    [
        ({"PhotometricInterpretation": "MONOCHROME1"}, True),
        ({"PresentationLUTShape": "INVERSE"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, True),
        ({"PresentationLUTShape": "IDENTITY"}, False),
    ],
)
def test_air_is_dark_whatever_the_polarity(elements: dict[str, str], inverted: bool) -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    plain = read(made(**window))
    np.testing.assert_allclose(read(made(**window, **elements)), 1 - plain if inverted else plain, atol=1e-6)


def test_padding_is_black_and_does_not_count() -> None:
    stored = np.clip(STORED, 100, 3000)
    stored[:, :5] = 4095
    for polarity in ("MONOCHROME1", "MONOCHROME2"):
        pixels = read(made(stored, PixelPaddingValue=4095, PhotometricInterpretation=polarity))
        assert (pixels[:, :5] == 0).all()
        assert pixels[:, 5:].max() == 1
        assert pixels[:, 5:].min() == 0


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless, DeflatedExplicitVRLittleEndian])
def test_compressed_films_read_as_the_uncompressed(syntax: Any) -> None:
    film = made(WindowCenter=2048, WindowWidth=4096)
    plain = read(film)
    if syntax == DeflatedExplicitVRLittleEndian:
        film.file_meta.TransferSyntaxUID = syntax
    else:
        film.compress(syntax, generate_instance_uid=False)
    assert dcmread(io.BytesIO(written(film))).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(read(film), plain)


def test_implicit_encoding_and_a_missing_preamble() -> None:
    film = made(WindowCenter=2048, WindowWidth=4096)
    plain = read(film)
    np.testing.assert_array_equal(read_radiograph(written(film, preamble=False)).pixels, plain)
    film.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    np.testing.assert_array_equal(read(film), plain)


def test_the_header_becomes_metadata() -> None:
    metadata = read_radiograph(written(made(StudyDescription="Chest routine"))).metadata
    assert metadata == Metadata(
        kind="dicom",
        bits=12,
        modality="DX",
        body_part="CHEST",
        description="Chest routine",
        view="PA",
        patient_id="p1",
        age=61,
        sex="F",
    )


@pytest.mark.parametrize(
    ("value", "years"), [("081Y", 81), ("018M", 1.5), ("010W", 70 / 365.25), ("", None), ("999Y", None)]
)
def test_age_strings(value: str, years: float | None) -> None:
    age = read_radiograph(written(made(PatientAge=value))).metadata.age
    assert age == (None if years is None else pytest.approx(years))


@pytest.mark.parametrize(
    ("orientation", "back"),
    [
        (["L", "F"], lambda film: film),
        (["R", "F"], np.fliplr),
        (["L", "H"], np.flipud),
        (["R", "H"], lambda film: np.rot90(film, 2)),
        (["F", "L"], np.transpose),
        (["H", "L"], np.rot90),
        (["A", "F"], lambda film: film),  # a lateral view has no upright turn to make
    ],
)
def test_patient_orientation_turns_the_film_upright(orientation: list[str], back: Any) -> None:
    film = made(WindowCenter=2048, WindowWidth=4096)
    plain = read(film)
    film.PatientOrientation = orientation
    np.testing.assert_array_equal(read(film), back(plain))


def test_a_colour_capture_is_reduced_and_measured() -> None:
    rgb = np.zeros((30, 30, 3), np.uint8)
    rgb[:, :10, 0] = np.arange(30)[:, None] * 8
    rgb[:, 10:20, 1] = np.arange(30)[:, None] * 8
    rgb[:, 20:, 2] = np.arange(30)[:, None] * 8
    film = made(np.zeros((30, 30), np.uint8), bits=8, SamplesPerPixel=3, PlanarConfiguration=0)
    film.PhotometricInterpretation, film.PixelData = "RGB", rgb.tobytes()
    radiograph = read_radiograph(written(film))
    np.testing.assert_allclose(radiograph.pixels, rgb @ np.array([0.299, 0.587, 0.114]) / 255, atol=1e-5)
    assert radiograph.metadata.colourfulness > 0.5


def test_only_the_first_frame_is_read() -> None:
    frames = np.stack([STORED, 4095 - STORED])
    film = made(STORED, NumberOfFrames=2, WindowCenter=2048, WindowWidth=4096)
    film.PixelData = frames.tobytes()
    radiograph = read_radiograph(written(film))
    assert radiograph.metadata.frames == 2
    np.testing.assert_allclose(radiograph.pixels, STORED / 4095, atol=1e-6)


def without(*keywords: str) -> bytes:
    film = made()
    for keyword in keywords:
        delattr(film, keyword)
    return written(film)


def test_what_cannot_be_read_is_refused_with_its_reason() -> None:
    whole = written(made())
    huge = made(Rows=60000, Columns=60000)
    compressed = made(STORED)
    compressed.compress(JPEG2000Lossless, generate_instance_uid=False)
    compressed.Rows = 39
    video = made(PixelData=encapsulate([bytes(100)]))
    video["PixelData"].is_undefined_length = True
    video.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"  # MPEG-2
    for content, code in (
        (without("PixelData"), "no-pixels"),
        (without("Rows"), "unreadable"),
        (whole[: len(whole) // 2], "truncated"),
        (whole[:-700], "truncated"),
        (written(huge), "too-many-pixels"),
        (written(compressed), "unreadable"),
        (written(video), "unsupported-syntax"),
        (bytes(128) + b"DICM" + bytes(600), "no-pixels"),
        (b"\x08\x00\x05\x00CS\x04\x00" + bytes(8), "not-an-image"),
    ):
        with pytest.raises(ImageError) as refusal:
            read_radiograph(content, name="film.dcm")
        assert refusal.value.code == code, str(refusal.value)
        assert str(refusal.value).startswith("film.dcm: ")
        assert "\n" not in str(refusal.value)


def test_a_deflated_bomb_is_not_inflated() -> None:
    film = made(np.zeros((400, 400), np.uint16))
    film.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    content = written(film)
    assert len(content) < 10_000
    with pytest.raises(ImageError, match="inflates beyond measure"):
        read_radiograph(content, limits=Limits(size=100_000))
    with pytest.raises(ImageError, match=r"400 × 400 pixels are more than the 0\.1 million") as refusal:
        read_radiograph(content, limits=Limits(pixels=100_000))
    assert refusal.value.code == "too-many-pixels"
    with pytest.raises(ImageError, match="larger than") as refusal:
        read_radiograph(content, limits=Limits(size=100))
    assert refusal.value.code == "too-large"
