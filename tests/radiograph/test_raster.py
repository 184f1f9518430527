from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image

from pneumoscope.errors import ImageError
from pneumoscope.radiograph import read_radiograph

GREY = np.add.outer(3 * np.arange(40), 2 * np.arange(60)).astype(np.uint8)
"""A ramp without symmetry, 40 × 60."""


def encoded(array: npt.NDArray[Any], kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with Image.fromarray(array) as image:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("BMP", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 95}, 0.02),
    ],
)
def test_eight_bits_in_every_format(kind: str, options: dict[str, Any], tolerance: float) -> None:
    film = read_radiograph(encoded(GREY, kind, **options))
    assert film.pixels.dtype == np.float32
    assert film.metadata.kind == kind.lower()
    np.testing.assert_allclose(film.pixels, GREY / np.float32(255), atol=tolerance + 1e-6)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("top", "bits"), [(1000, 10), (4095, 12), (65535, 16)])
def test_deep_films_are_scaled_by_the_depth_they_use(kind: str, top: int, bits: int) -> None:
    deep = np.linspace(0, top, 1200).round().astype(np.uint16).reshape(30, 40)
    film = read_radiograph(encoded(deep, kind))
    assert film.metadata.bits == bits
    np.testing.assert_allclose(film.pixels, deep / (2**bits - 1), atol=1e-6)


def test_floating_point_films_in_one_keep_their_values() -> None:
    values = (GREY / 255).astype(np.float32)
    np.testing.assert_allclose(read_radiograph(encoded(values, "TIFF")).pixels, values, atol=1e-7)


def test_palette_and_grey_stored_as_colour_are_grey() -> None:
    with Image.fromarray(GREY) as image:
        for mode in ("RGB", "P"):
            buffer = io.BytesIO()
            image.convert(mode).save(buffer, "PNG")
            film = read_radiograph(buffer.getvalue())
            np.testing.assert_allclose(film.pixels, GREY / 255, atol=1e-3)
            assert film.metadata.colourfulness == 0


def test_colour_is_brightness_and_is_measured() -> None:
    colour = np.zeros((30, 30, 3), np.uint8)
    colour[:10, :, 0] = 200
    colour[10:20, :, 1] = 200
    colour[20:, :, 2] = 200
    film = read_radiograph(encoded(colour, "PNG"))
    for rows, weight in ((slice(0, 10), 0.299), (slice(10, 20), 0.587), (slice(20, 30), 0.114)):
        np.testing.assert_allclose(film.pixels[rows], weight * 200 / 255, atol=2e-3)
    # Three colours at three brightnesses lie on one parabola, as a toned film would; each at two does not.
    colour[:, ::2] //= 2
    assert read_radiograph(encoded(colour, "PNG")).metadata.colourfulness > 0.8


def test_a_toned_film_is_not_a_colour_picture() -> None:
    ramp = np.tile(np.linspace(0, 255, 200), (50, 1))
    toned = np.stack([ramp * 0.9, ramp, 255 * (ramp / 255) ** 0.8], axis=-1).round().astype(np.uint8)
    assert read_radiograph(encoded(toned, "PNG")).metadata.colourfulness == 0


def test_transparency_is_composed_on_black() -> None:
    film = np.full((30, 30, 4), 255, np.uint8)
    film[:, :15, 3] = 0
    pixels = read_radiograph(encoded(film, "PNG")).pixels
    assert (pixels[:, :15] == 0).all()
    assert (pixels[:, 15:] == 1).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_film_upright(kind: str, orientation: int) -> None:
    # What the camera stores for a film that is upright when shown, by the definition of each orientation.
    stored = {
        1: GREY,
        2: np.fliplr(GREY),
        3: np.rot90(GREY, 2),
        4: np.flipud(GREY),
        5: GREY.T,
        6: np.rot90(GREY, 1),
        7: np.rot90(GREY, 2).T,
        8: np.rot90(GREY, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options: dict[str, Any] = {"quality": 98} if kind == "JPEG" else {}
    film = read_radiograph(encoded(np.ascontiguousarray(stored), kind, exif=exif, **options))
    assert film.pixels.shape == GREY.shape
    np.testing.assert_allclose(film.pixels, GREY / 255, atol=0.05)


def test_tiff_that_stores_white_as_zero() -> None:
    deep = np.linspace(0, 65535, 1200).round().astype(np.uint16).reshape(30, 40)
    content = encoded(deep, "TIFF", tiffinfo={ExifTags.Base.PhotometricInterpretation: 0})
    np.testing.assert_allclose(read_radiograph(content).pixels, 1 - deep / 65535, atol=1e-5)


def test_frames_are_counted() -> None:
    buffer = io.BytesIO()
    with Image.fromarray(GREY) as image:
        image.save(buffer, "TIFF", save_all=True, append_images=[image.copy()])
    assert read_radiograph(buffer.getvalue()).metadata.frames == 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_a_file_that_was_cut_off_is_refused(kind: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = tmp_path / "cut.png"
    path.write_bytes(encoded(noise, kind)[:-1500])
    with pytest.raises(ImageError) as caught:
        read_radiograph(path)
    assert caught.value.code in ("truncated", "unreadable")
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"This is a letter, not a film. " * 10, "not-an-image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "unreadable"),
        (b"GIF89a" + bytes(50), "not-an-image"),
    ],
)
def test_what_is_no_film(content: bytes, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_radiograph(content, name="film.png")
    assert caught.value.code == code
    assert str(caught.value).startswith("film.png: ")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "none.png", "missing"), (tmp_path, "not-a-file")):
        with pytest.raises(ImageError) as caught:
            read_radiograph(path)
        assert caught.value.code == code


def test_a_header_that_asks_for_too_much_is_refused_before_decoding() -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100)))
    with pytest.raises(ImageError) as caught:
        read_radiograph(content + chunk(b"IEND", b""))
    assert caught.value.code == "too-many-pixels"
