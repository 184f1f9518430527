"""The 13 corruptions that MedMNIST-C defines for chest films, and three ranges that films differ in at any hospital.

MedMNIST-C (Di Salvo, Doerrich & Ledig 2024, arXiv:2406.17536) gives each corruption five severities, which hold for
films of 224×224 pixels: there a blur or the grain of noise has its size. Bring a film to :data:`SIDE` first.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from pneumoscope.radiograph import fit

Pixels = npt.NDArray[np.float32]
Change = Callable[[Pixels, float, np.random.Generator], npt.NDArray[np.floating]]

SIDE = 224
"""Pixels of the square that MedMNIST-C's severities hold for."""
GREY = np.array([0.299, 0.587, 0.114])[:, None, None]
"""Shares of red, green and blue in brightness (ITU-R BT.601)."""


@dataclass(frozen=True)
class Corruption:
    """One way in which films get worse.

    Attributes:
        name: MedMNIST-C's, where it has it.
        title: for people.
        levels: parameter of ``change``, from mild to strong; of a corruption one per severity 1 … 5.
        meaning: of the parameter.
        change: film (H, W) in [0, 1], level and source of randomness → film of the same shape, before clipping.
        kind: ``"severity"`` for one of MedMNIST-C, at :data:`SIDE`; ``"range"`` for one at the film's own size.
    """

    name: str
    title: str
    levels: tuple[float, ...]
    meaning: str
    change: Change
    kind: Literal["severity", "range"] = "severity"

    def apply(self, pixels: Pixels, level: float, *, seed: int = 0) -> Pixels:
        """The film at a level of this corruption, float32 (H, W) in [0, 1].

        What is random depends on the seed, the film's pixels and the corruption alone, and not on the level: the
        same grain grows stronger. So a film is corrupted alike in any order and in any company.
        """
        draw = np.random.default_rng(
            [seed, zlib.crc32(np.ascontiguousarray(pixels).tobytes()), zlib.crc32(self.name.encode())]
        )
        return np.clip(self.change(pixels, level, draw), 0, 1).astype(np.float32)


def _pixelate(pixels: Pixels, share: float, draw: np.random.Generator) -> Pixels:
    height, width = pixels.shape
    with Image.fromarray(pixels) as film:
        small = film.resize((max(1, int(width * share)), max(1, int(height * share))), Image.Resampling.BOX)
        return np.asarray(small.resize((width, height), Image.Resampling.BOX))


def _jpeg(pixels: Pixels, quality: float, draw: np.random.Generator) -> Pixels:
    buffer = io.BytesIO()
    with Image.fromarray(np.rint(pixels * 255).astype(np.uint8)) as film:
        film.save(buffer, "JPEG", quality=int(quality))
    with Image.open(buffer) as film:
        return np.asarray(film, np.float32) / np.float32(255)


def _through_colour(
    noise: Callable[[Pixels, float, np.random.Generator], npt.NDArray[np.floating]],
) -> Change:
    """Noise as MedMNIST-C makes it: drawn and clipped in three channels, which then become grey.

    Drawn in grey at once, noise of the same parameter would be half as strong again.
    """

    def change(pixels: Pixels, level: float, draw: np.random.Generator) -> npt.NDArray[np.floating]:
        colour = np.broadcast_to(pixels, (3, *pixels.shape))
        return (GREY * np.clip(noise(colour, level, draw), 0, 1)).sum(0)

    return change


def _gaussian_noise(pixels: Pixels, deviation: float, draw: np.random.Generator) -> Pixels:
    return pixels + np.float32(deviation) * draw.standard_normal(pixels.shape, np.float32)


def _speckle_noise(pixels: Pixels, deviation: float, draw: np.random.Generator) -> Pixels:
    return pixels * (1 + np.float32(deviation) * draw.standard_normal(pixels.shape, np.float32))


def _impulse_noise(pixels: Pixels, share: float, draw: np.random.Generator) -> Pixels:
    chance = draw.random(pixels.shape, np.float32)
    white = draw.random(pixels.shape, np.float32) < 0.5
    return np.where(chance < share, white, pixels).astype(np.float32)


def _shot_noise(pixels: Pixels, photons: float, draw: np.random.Generator) -> npt.NDArray[np.floating]:
    return draw.poisson(pixels * photons) / photons


def _blur(pixels: Pixels, kernel: float, draw: np.random.Generator) -> Pixels:
    # A kernel of k pixels has the deviation that OpenCV and torchvision give it.
    deviation = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
    return gaussian_filter(pixels, deviation, radius=int(kernel) // 2, mode="mirror")


def _brightness(pixels: Pixels, factor: float, draw: np.random.Generator) -> Pixels:
    return pixels * np.float32(factor)


def _contrast(pixels: Pixels, factor: float, draw: np.random.Generator) -> Pixels:
    mean = pixels.mean()
    return mean + np.float32(factor) * (pixels - mean)


def _gamma(pixels: Pixels, exponent: float, draw: np.random.Generator) -> Pixels:
    return pixels ** np.float32(exponent)


def _resolution(pixels: Pixels, side: float, draw: np.random.Generator) -> Pixels:
    # The predictor enlarges it again, as it would a small film; a film that is smaller already stays as it is.
    height, width = pixels.shape
    share = side / min(height, width)
    if share >= 1:
        return pixels
    size = max(1, round(width * share)), max(1, round(height * share))
    with Image.fromarray(pixels) as film:
        return np.asarray(film.resize(size, Image.Resampling.BICUBIC))


def _window(pixels: Pixels, shift: float, draw: np.random.Generator) -> Pixels:
    return pixels - np.float32(shift)


MEDMNIST_C = (
    Corruption("pixelate", "Pixelate", (0.8, 0.7, 0.6, 0.5, 0.4), "share of the pixels on a side", _pixelate),
    Corruption("jpeg_compression", "JPEG at 224 pixels", (50, 30, 15, 10, 7), "quality", _jpeg),
    Corruption(
        "gaussian_noise",
        "Gaussian noise",
        (0.04, 0.05, 0.06, 0.07, 0.08),
        "standard deviation in a channel",
        _through_colour(_gaussian_noise),
    ),
    Corruption(
        "speckle_noise",
        "Speckle noise",
        (0.05, 0.07, 0.10, 0.15, 0.20),
        "standard deviation as a share of the brightness",
        _through_colour(_speckle_noise),
    ),
    Corruption(
        "impulse_noise",
        "Impulse noise",
        (0.005, 0.010, 0.013, 0.017, 0.020),
        "share of a channel's pixels that turn black or white",
        _through_colour(_impulse_noise),
    ),
    Corruption(
        "shot_noise",
        "Shot noise",
        (300, 200, 150, 100, 80),
        "photons at full brightness",
        _through_colour(_shot_noise),
    ),
    Corruption("gaussian_blur", "Gaussian blur", (3, 5, 7, 9, 11), "pixels of the kernel", _blur),
    Corruption("brightness_up", "Brighter", (1.1, 1.2, 1.3, 1.4, 1.5), "factor", _brightness),
    Corruption("brightness_down", "Darker", (0.9, 0.8, 0.7, 0.6, 0.5), "factor", _brightness),
    Corruption("contrast_up", "More contrast", (1.1, 1.2, 1.3, 1.4, 1.6), "factor about the mean", _contrast),
    Corruption("contrast_down", "Less contrast", (0.9, 0.8, 0.7, 0.6, 0.4), "factor about the mean", _contrast),
    Corruption("gamma_corr_up", "Gamma above 1", (1.1, 1.2, 1.3, 1.4, 1.6), "exponent", _gamma),
    Corruption("gamma_corr_down", "Gamma below 1", (0.9, 0.8, 0.7, 0.6, 0.4), "exponent", _gamma),
)
"""With the parameters for PneumoniaMNIST; those for ChestMNIST are harsher in pixelation and noise."""

RANGES = (
    Corruption(
        "resolution", "Resolution", (224, 128, 96, 64, 56, 28), "pixels of the shorter side", _resolution, "range"
    ),
    Corruption("jpeg_quality", "JPEG at own size", (90, 70, 50, 30, 10, 5), "quality", _jpeg, "range"),
    Corruption(
        "window_shift",
        "Window moved",
        (-0.3, -0.2, -0.1, 0.1, 0.2, 0.3),
        "shift of the window's centre, as a share of its width",
        _window,
        "range",
    ),
)
"""Levels of what differs between hospitals, from the film's own pixels."""


def at_side(pixels: Pixels, mode: Literal["crop", "pad"]) -> Pixels:
    """The square of a film that the network sees, at the size that severities hold for: (224, 224)."""
    return fit(pixels, SIDE, mode)
