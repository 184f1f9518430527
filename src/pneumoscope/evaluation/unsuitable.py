"""Pictures that a model for chest films must not score: drawn, taken from installed packages, or made from films."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pneumoscope.bundle import Pose
from pneumoscope.errors import ImageError
from pneumoscope.radiograph import Radiograph, read_radiograph

Grey = npt.NDArray[np.uint8]
Generator = np.random.Generator

SIDE = 256
"""Pixels of a drawn picture."""


@dataclass(frozen=True)
class Kind:
    """Pictures of one kind.

    Attributes:
        name: for a table.
        origin: ``drawn`` by this module, a ``real`` picture of something else, or a chest film ``changed``.
        films: the pictures, grey and without a header, so that pixels alone can speak against them.
    """

    name: str
    origin: Literal["drawn", "real", "changed"]
    films: tuple[Radiograph, ...]


def drawn_kinds(n: int, seed: int = 0) -> Iterator[Kind]:
    """``n`` drawn pictures of each kind; the same for the same seed."""
    for number, (name, draw) in enumerate(_DRAWN.items()):
        pictures = (draw(np.random.default_rng((seed, number, index))) for index in range(n))
        yield Kind(name, "drawn", tuple(_film(picture, f"{name} {index}") for index, picture in enumerate(pictures)))


def real_kinds() -> Iterator[Kind]:
    """Pictures that installed packages bring along; a kind of which none is installed is left out.

    Scikit-learn and Matplotlib are always there; scikit-image and pydicom-data come with the extra ``unsuitable``.
    """
    for name, sources in _REAL.items():
        films = tuple(
            Radiograph(read_radiograph(path).pixels, source=path.name)
            for package, files in sources.items()
            for path in _installed(package, files)
        )
        if films:
            yield Kind(name, "real", films)
    for path in _installed("skimage", ("data/lfw_subset.npy",)):
        # The first hundred are faces, the others are not.
        faces = np.load(path)[:100]
        yield Kind("faces", "real", tuple(_enlarged(face, f"face {row}") for row, face in enumerate(faces)))
    for path in _installed("data_store", (LEG,)):
        leg = read_radiograph(path)
        yield Kind("parts of the film of a leg, turned", "real", tuple(_parts(leg)))


def changed_kinds(films: tuple[Radiograph, ...], seed: int = 0) -> Iterator[Kind]:
    """What a chest film can look like when something went wrong with it.

    Args:
        films: upright frontal chest films.
        seed: of the places that are cropped to.
    """
    rng = np.random.default_rng(seed)
    for name, change in _CHANGES.items():
        yield Kind(name, "changed", tuple(_changed(film, change, rng) for film in films))


def _film(pixels: Grey, name: str) -> Radiograph:
    return Radiograph((pixels / np.float32(255)).astype(np.float32), source=name)


def _noise(rng: Generator) -> Grey:
    """White noise, clouds of a few blobs, or noise with a falling spectrum."""
    kind = rng.integers(3)
    if kind == 0:
        return rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    if kind == 1:
        return _resized(rng.integers(0, 256, (8, 8), dtype=np.uint8), SIDE, SIDE)
    frequency = np.fft.fftfreq(SIDE)
    radius = np.hypot(frequency[:, None], frequency)
    radius[0, 0] = 1
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(SIDE, SIDE))) / radius ** rng.uniform(0.5, 2)).real
    return _grey(0.5 + 0.2 * (noise - noise.mean()) / noise.std())


def _gradient(rng: Generator) -> Grey:
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        values = np.cos(angle) * x + np.sin(angle) * y
    else:
        values = np.hypot(x - rng.uniform(-0.2, 0.2), y - rng.uniform(-0.2, 0.2))
    values = (values - values.min()) / np.ptp(values)
    return _grey((1 - values if rng.random() < 0.5 else values) ** rng.uniform(0.5, 2))


def _blank(rng: Generator) -> Grey:
    return _grey(np.full((SIDE, SIDE), rng.random()) + rng.normal(0, rng.choice([0.0, 0.005]), (SIDE, SIDE)))


def _drawing(rng: Generator) -> Grey:
    picture = Image.new("L", (SIDE, SIDE), int(rng.choice([0, 128, 255])))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.integers(3, 25)):
        grey, corners = int(rng.integers(256)), rng.integers(0, SIDE, (rng.integers(3, 6), 2))
        kind = rng.integers(3)
        if kind == 0:
            pen.line([tuple(corner) for corner in corners.tolist()], fill=grey, width=int(rng.integers(1, 8)))
        elif kind == 1:
            box = np.sort(corners[:2], axis=0).ravel().tolist()
            pen.ellipse(box, outline=grey, fill=grey if rng.random() < 0.5 else None, width=3)
        else:
            pen.polygon([tuple(corner) for corner in corners.tolist()], fill=grey)
    return np.asarray(picture)


def _text(rng: Generator) -> Grey:
    paper, ink = (255, 0) if rng.random() < 0.8 else (0, 255)
    picture = Image.new("L", (SIDE, SIDE), paper)
    pen = ImageDraw.Draw(picture)
    size, y = int(rng.integers(8, 26)), int(rng.integers(2, 20))
    font = ImageFont.load_default(size)
    while y < SIDE - size:
        words = ("".join(map(chr, rng.integers(97, 123, rng.integers(2, 9)))) for _ in range(30))
        pen.text((10, y), " ".join(words), fill=ink, font=font)
        y += int(size * rng.uniform(1.1, 1.6))
    return np.asarray(picture)


def _limb(rng: Generator) -> Grey:
    """One or two shafts of bone with a bright cortex in a tube of soft tissue."""
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    angle = rng.uniform(-0.4, 0.4) + (np.pi / 2 if rng.random() < 0.3 else 0)
    across, along = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    width = rng.uniform(0.15, 0.35) * (1 + rng.uniform(-0.5, 0.5) * along)
    values = rng.uniform(0.3, 0.6) * np.sqrt(np.clip(1 - ((across - rng.uniform(-0.1, 0.1)) / width) ** 2, 0, 1))
    for _ in range(rng.integers(1, 3)):
        radius = rng.uniform(0.03, 0.08) * (1 + 2 * (along - rng.uniform(-0.5, 0.5)) ** 2)
        off_axis = np.abs(across - rng.uniform(-0.1, 0.1)) / radius
        values += np.where(off_axis < 1, rng.uniform(0.2, 0.4) * (0.6 + 0.6 * off_axis**4), 0)
    return _grey(values + rng.normal(0, 0.01, values.shape))


_DRAWN: dict[str, Callable[[Generator], Grey]] = {
    "noise": _noise,
    "gradients": _gradient,
    "blank": _blank,
    "drawings": _drawing,
    "pages of text": _text,
    "drawn limbs": _limb,
}

LEG = "data/RG3_UNCI.dcm"
_REAL: dict[str, dict[str, tuple[str, ...]]] = {
    "photographs, as grey": {
        "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
        "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
        "skimage": tuple(
            f"data/{name}"
            for name in (
                *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png"),
                *("coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "moon.png", "motorcycle_left.png"),
                *("page.png", "rocket.jpg", "text.png"),
            )
        ),
    },
    "CT, MR, ultrasound, microscopy": {
        "data_store": tuple(
            f"data/{name}.dcm"
            for name in (
                "693_UNCI",
                "MR2_UNCI",
                "US1_UNCI",
                "JPEG2000_UNC",
                "emri_small",
                "gdcm-US-ALOKA-16",
                "vlut_04",
            )
        ),
        "pydicom": tuple(
            f"data/test_files/{name}.dcm" for name in ("CT_small", "MR_small", "examples_palette", "examples_rgb_color")
        ),
        "skimage": ("data/cell.png", "data/ihc.png", "data/microaneurysms.png", "data/retina.jpg"),
    },
    "film of a leg": {"data_store": (LEG,)},
}


def _installed(package: str, files: tuple[str, ...]) -> Iterator[Path]:
    found = find_spec(package)
    for folder in (found.submodule_search_locations or ()) if found else ():
        yield from (path for path in (Path(folder, file) for file in files) if _readable(path))


def _readable(path: Path) -> bool:
    """Whether this version of the package has the file, and what decodes it is there."""
    if not path.is_file():
        return False
    try:
        return path.suffix == ".npy" or read_radiograph(path).pixels.size > 0
    except ImageError:
        return False


def _enlarged(pixels: npt.NDArray[np.floating], name: str) -> Radiograph:
    return _film(_resized(_grey(pixels), SIDE, SIDE), name)


def _parts(film: Radiograph) -> Iterator[Radiograph]:
    """Six overlapping squares of a film, upright and turned by 90°, 180° and 270°."""
    pixels = film.pixels
    side = min(pixels.shape) * 2 // 3
    for top in np.linspace(0, pixels.shape[0] - side, 3, dtype=int):
        for left in np.linspace(0, pixels.shape[1] - side, 2, dtype=int):
            square = pixels[top : top + side, left : left + side]
            for turns in range(4):
                yield Radiograph(np.ascontiguousarray(np.rot90(square, turns)), source=f"{film.source} {top} {left}")


Change = Callable[[Grey, Generator], Grey]


def _crop(share: float) -> Change:
    """A part with that share of the height and width, at its old size, so that its framing alone tells."""

    def change(pixels: Grey, rng: Generator) -> Grey:
        height, width = pixels.shape
        rows, columns = max(1, round(share * height)), max(1, round(share * width))
        top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
        return _resized(pixels[top : top + rows, left : left + columns], height, width)

    return change


def _pose(pose: Pose) -> Change:
    return lambda pixels, rng: pose.apply(pixels)


_CHANGES: dict[str, Change] = {
    "turned by 90° clockwise": _pose(Pose(1)),
    "turned by 180°": _pose(Pose(2)),
    "turned by 90° counter-clockwise": _pose(Pose(3)),
    "inverted": _pose(Pose(negative=True)),
    "inverted, turned by 180°": _pose(Pose(2, negative=True)),
    "mirrored": lambda pixels, rng: pixels[:, ::-1],
    "cropped to 3/4 of its sides": _crop(0.75),
    "cropped to 1/2 of its sides": _crop(0.5),
    "cropped to 1/3 of its sides": _crop(1 / 3),
}


def _changed(film: Radiograph, change: Change, rng: Generator) -> Radiograph:
    return _film(change(_grey(film.pixels), rng), film.source)


def _grey(values: npt.NDArray[np.floating]) -> Grey:
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)


def _resized(pixels: Grey, height: int, width: int) -> Grey:
    with Image.fromarray(np.ascontiguousarray(pixels)) as picture:
        return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
