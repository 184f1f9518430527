"""Random changes to training films, in batches, by kornia where it has them."""

from __future__ import annotations

import math

import kornia.augmentation as K
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pneumoscope.training.recipe import Augmentation


class Resolution(nn.Module):
    """Takes resolution away from a random share of the films: area downsampling, then bilinear upsampling."""

    def __init__(self, probability: float, coarsest: float):
        super().__init__()
        self.probability = probability
        self.coarsest = coarsest

    def forward(self, films: Tensor) -> Tensor:
        chosen = torch.rand(len(films), device=films.device) < self.probability
        if not chosen.any():
            return films
        side = films.shape[-1]
        # One factor a batch keeps it one pair of resampling calls; over batches the whole range is seen.
        factor = math.exp(float(torch.empty(()).uniform_(math.log(self.coarsest), 0)))
        small = F.interpolate(films[chosen], size=max(8, round(side * factor)), mode="area")
        films = films.clone()
        films[chosen] = F.interpolate(small, size=(side, side), mode="bilinear", align_corners=False)
        return films


class LogGamma(nn.Module):
    """Gamma correction with an exponent e^u, u uniform in ± ``strength``: as often brighter as darker."""

    def __init__(self, strength: float):
        super().__init__()
        self.strength = strength

    def forward(self, films: Tensor) -> Tensor:
        exponent = torch.empty(len(films), 1, 1, 1, device=films.device).uniform_(-self.strength, self.strength).exp()
        return films.clamp(0, 1) ** exponent


class Intensity(nn.Module):
    """Contrast about the film's own mean, then brightness; both uniform about no change."""

    def __init__(self, contrast: float, brightness: float):
        super().__init__()
        self.contrast = contrast
        self.brightness = brightness

    def forward(self, films: Tensor) -> Tensor:
        def draw(strength: float) -> Tensor:
            return torch.empty(len(films), 1, 1, 1, device=films.device).uniform_(-strength, strength)

        mean = films.mean((1, 2, 3), keepdim=True)
        return (mean + (films - mean) * (1 + draw(self.contrast)) + draw(self.brightness)).clamp(0, 1)


class Noise(nn.Module):
    """Gaussian noise whose standard deviation is drawn for each film, up to ``strength``."""

    def __init__(self, strength: float):
        super().__init__()
        self.strength = strength

    def forward(self, films: Tensor) -> Tensor:
        deviation = torch.rand(len(films), 1, 1, 1, device=films.device) * self.strength
        return (films + torch.randn_like(films) * deviation).clamp(0, 1)


class Sometimes(nn.Module):
    """Changes a random share of the films and leaves the others as they are.

    A network that never sees an untouched film takes its smoothness for a sign of its own.
    """

    def __init__(self, change: nn.Module, share: float):
        super().__init__()
        self.change = change
        self.share = share

    def forward(self, films: Tensor) -> Tensor:
        chosen = torch.rand(len(films), 1, 1, 1, device=films.device) < self.share
        return torch.where(chosen, self.change(films), films)


def build_augmentation(settings: Augmentation) -> nn.Module:
    """The changes of a recipe as one module: (N, 1, S, S) in [0, 1] → the same shape and range.

    Geometry comes first, then loss of resolution and intensity, then noise and erasure, as in the making of a
    film: the patient moves, the detector blurs, the reader's window changes, dust falls on the print.
    """
    steps: list[nn.Module] = []
    if settings.flip:
        steps.append(K.RandomHorizontalFlip(p=settings.flip))
    if settings.stretch:
        # Collections differ in how far their films were squashed into a square, and sick and healthy within one.
        width = (1 - settings.stretch, 1 + settings.stretch, 1.0, 1.0)
        steps.append(K.RandomAffine(degrees=0, scale=width, p=1.0))
    if settings.rotation or settings.shift or settings.scale:
        steps.append(
            K.RandomAffine(
                degrees=settings.rotation,
                translate=(settings.shift, settings.shift) if settings.shift else None,
                scale=(1 - settings.scale, 1 + settings.scale) if settings.scale else None,
                p=1.0,
            )
        )
    if settings.blur:
        steps.append(Resolution(settings.blur, settings.coarsest))
    if settings.equalize:
        steps.append(K.RandomEqualize(p=settings.equalize))
    if settings.clahe:
        steps.append(K.RandomClahe(p=settings.clahe))
    if settings.sharpen:
        # Below 1 kornia's factor blends with a blurred film, at 1 it is the film; only above 1 it sharpens.
        steps.append(K.RandomSharpness(sharpness=(1.0, 3.0), p=settings.sharpen))
    if settings.gamma:
        steps.append(LogGamma(settings.gamma))
    if settings.contrast or settings.brightness:
        steps.append(Intensity(settings.contrast, settings.brightness))
    if settings.noise:
        steps.append(Noise(settings.noise))
    if settings.erase:
        steps.append(K.RandomErasing(scale=(0.02, 0.15), ratio=(0.3, 3.3), value=0.5, p=settings.erase))
    return Sometimes(nn.Sequential(*steps), settings.share)
