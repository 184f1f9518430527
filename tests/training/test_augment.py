from __future__ import annotations

import pytest
import torch

from pneumoscope.training.augment import Intensity, LogGamma, Noise, Resolution, build_augmentation
from pneumoscope.training.recipe import Augmentation

EVERYTHING = Augmentation(
    flip=0.5,
    rotation=20,
    shift=0.1,
    scale=0.2,
    brightness=0.3,
    contrast=0.5,
    gamma=0.8,
    noise=0.1,
    blur=0.5,
    sharpen=0.5,
    erase=0.5,
    equalize=0.5,
    clahe=0.5,
)


@pytest.fixture
def films() -> torch.Tensor:
    return torch.rand(16, 1, 96, 96, generator=torch.Generator().manual_seed(3))


def test_nothing_is_changed_when_all_is_off(films: torch.Tensor) -> None:
    torch.testing.assert_close(build_augmentation(Augmentation())(films), films)


def test_hue_does_nothing_to_grey(films: torch.Tensor) -> None:
    torch.testing.assert_close(build_augmentation(Augmentation(hue=0.5))(films), films)


def test_range_and_shape_are_kept(films: torch.Tensor) -> None:
    torch.manual_seed(0)
    changed = build_augmentation(EVERYTHING)(films)
    assert changed.shape == films.shape
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1


def test_sharpening_sharpens(films: torch.Tensor) -> None:
    smooth = torch.nn.functional.avg_pool2d(films, 5, stride=1, padding=2) * 0.5 + 0.25
    torch.manual_seed(0)
    sharper = build_augmentation(Augmentation(sharpen=1.0))(smooth)
    before, after = (one.diff(dim=-1).abs().mean((1, 2, 3)) for one in (smooth, sharper))
    assert (after > before).all()


def test_the_seed_decides(films: torch.Tensor) -> None:
    augment = build_augmentation(EVERYTHING)
    torch.manual_seed(1)
    first = augment(films)
    torch.manual_seed(1)
    torch.testing.assert_close(augment(films), first)
    assert not torch.equal(augment(films), first)


def test_share_leaves_the_rest_untouched(films: torch.Tensor) -> None:
    torch.manual_seed(0)
    changed = build_augmentation(Augmentation(share=0.5, noise=0.2))(films.repeat(16, 1, 1, 1))
    same = (changed == films.repeat(16, 1, 1, 1)).flatten(1).all(1).float().mean()
    assert 0.4 < float(same) < 0.6


@pytest.mark.parametrize(
    "name", [name for name in Augmentation.model_fields if name not in ("share", "coarsest", "hue", "mixup")]
)
def test_each_setting_switches_something_on(name: str, films: torch.Tensor) -> None:
    torch.manual_seed(2)
    strength = {"rotation": 15.0, "flip": 1.0}.get(name, 0.5)
    assert not torch.equal(build_augmentation(Augmentation.model_validate({name: strength}))(films), films)


def test_flip_mirrors_left_and_right(films: torch.Tensor) -> None:
    torch.testing.assert_close(build_augmentation(Augmentation(flip=1))(films), films.flip(3))


def test_stretch_changes_width_and_keeps_height() -> None:
    torch.manual_seed(0)
    square = torch.zeros(64, 1, 64, 64)
    square[:, :, 16:48, 16:48] = 1.0
    stretched = build_augmentation(Augmentation(stretch=0.3))(square)
    heights, widths = stretched[:, 0, :, 32].sum(1), stretched[:, 0, 32].sum(1)
    torch.testing.assert_close(heights, torch.full((64,), 32.0), atol=1.0, rtol=0)
    assert 32 * 0.68 < float(widths.min()) < 26
    assert 38 < float(widths.max()) < 32 * 1.32


def test_gamma_keeps_black_and_white_and_order(films: torch.Tensor) -> None:
    ramp = torch.linspace(0, 1, 50).view(1, 1, 1, 50).repeat(4, 1, 1, 1)
    curved = LogGamma(1.0)(ramp)
    torch.testing.assert_close(curved[..., [0, -1]], ramp[..., [0, -1]])
    assert bool((curved.diff(dim=3) > 0).all())


def test_contrast_keeps_the_mean(films: torch.Tensor) -> None:
    gentle = 0.4 + 0.2 * films
    torch.testing.assert_close(Intensity(0.3, 0.0)(gentle).mean((1, 2, 3)), gentle.mean((1, 2, 3)))


def test_noise_is_no_stronger_than_asked() -> None:
    torch.manual_seed(0)
    grey = torch.full((64, 1, 64, 64), 0.5)
    deviation = Noise(0.1)(grey).flatten(1).std(1)
    assert float(deviation.max()) < 0.11
    assert float(deviation.min()) < 0.02


def test_resolution_keeps_the_mean_and_loses_detail(films: torch.Tensor) -> None:
    torch.manual_seed(0)
    blurred = Resolution(1.0, 0.25)(films)
    torch.testing.assert_close(blurred.mean((2, 3)), films.mean((2, 3)), atol=0.01, rtol=0)
    assert float(blurred.var()) < float(films.var())
